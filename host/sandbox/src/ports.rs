//! The only door of an attempt to the world, as traits that the engine implements.
//!
//! All calls are synchronous and block the thread of the guest that made them; each guest instance has a thread and a
//! set of ports of its own. What a port gets was bounded by the sandbox (call bytes, output bytes, log bytes); what it
//! must check itself is said at each function.

pub use crate::import::filesystem::{Arena, StagedFile};

use palisade_authority::{Decision, Use};
use palisade_model::llm::Bound;
use palisade_model::manifest::Power;
use palisade_model::sql::{Column, SqlValue};
use palisade_model::{ComponentId, Digest, Failure, neutral};
use palisade_net::Roots;
use rustix::fd::OwnedFd;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// What one instance of a component reaches beside its inputs.
pub trait Ports: Send {
    /// Validates `items` (whole JSON Lines) against the schema of the output `port` and appends them to it.
    ///
    /// # Errors
    /// [`PortError::Invalid`] for an unknown port or bytes that are no JSON Lines, [`PortError::Schema`] for an item
    /// that does not fit, [`PortError::Host`] if it could not be stored.
    fn emit(&mut self, port: &str, items: &[u8]) -> Result<(), PortError>;

    /// Takes a line for people. The text is foreign: it must be neutralised before a person sees it.
    fn log(&mut self, level: Level, message: &str);

    /// Takes the latest word on how far the work is.
    fn progress(&mut self, done: u64, total: Option<u64>, note: &str);

    /// Takes that a part of the input was left out. Called for every skip; the texts are empty once `log-bytes` is
    /// used up.
    fn skip(&mut self, what: &str, reason: &str);

    /// Takes, for people and for the audit log, that the guest was refused a use of a power that nobody could be asked about.
    /// The guest knows no more than that, and may go on to call it a skip under a name of its own.
    fn refused(&mut self, _: Power, what: &str, reason: &str) {
        self.skip(what, reason);
    }

    /// The key that is the same for all retries of the step in its run.
    fn idempotency_key(&self) -> String;

    /// Records a decision of `authorise`, allowed or denied, for the audit log.
    fn decided(&mut self, asked: &Use, decision: &Decision);

    /// Where the bytes are to be that the guest writes; all instances of an attempt may share it.
    ///
    /// # Errors
    /// [`PortError::Host`] if there is no such place.
    fn arena(&mut self) -> Result<Arena, PortError>;

    /// Takes the files that the guest wrote, in the order of their paths, each of which was authorised: called once at most,
    /// when the guest has done what was wanted. Their bytes are nowhere yet but in the arena.
    fn staged(&mut self, files: Vec<StagedFile>);

    /// Runs one read-only statement on a database that was already authorised. The port refuses everything that does not
    /// read, and ends a statement whose rows are dropped.
    ///
    /// # Errors
    /// [`PortError::Denied`] for statements that do more than read, [`PortError::Invalid`] for wrong ones,
    /// [`PortError::Unavailable`] if the database fails.
    fn query(
        &mut self,
        database: Database,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Box<dyn Rows>, PortError>;

    /// The components that the instance may call as tools, in the order in which the runbook lists them.
    fn tools(&self) -> &[Tool] {
        &[]
    }

    /// Runs one of [`Self::tools`] to its end; what it makes is the caller's to read. The port counts what the tool uses
    /// against the caller's limits, and what it answers is durable when this returns.
    ///
    /// # Errors
    /// [`PortError::Invalid`] for a tool or arguments that can't be, and for a call that was made too often,
    /// [`PortError::Unavailable`] for a tool that failed, [`PortError::Limit`] when the caller's limits are used up by it.
    fn call_tool(&mut self, call: &ToolCall) -> Result<Vec<ToolOutput>, PortError> {
        Err(PortError::Invalid(format!("there is no tool `{}`", neutral::line(&call.id, 100))))
    }

    /// How many runbooks the instance may submit.
    fn most_runbooks(&self) -> u32 {
        0
    }

    /// Submits a runbook; asked of an instance that may submit one. What it answers is durable when this returns.
    ///
    /// # Errors
    /// [`PortError::Suspended`] where the answer needs time, [`PortError::Invalid`] for what is no JSON,
    /// [`PortError::Limit`] for one more than the step allows.
    fn submit_runbook(&mut self, _: &Submission) -> Result<Submitted, PortError> {
        Err(PortError::Invalid("runbooks are submitted in runs only".to_owned()))
    }

    /// The alias of the model that is asked where none is named.
    fn default_model(&self) -> Option<&str> {
        None
    }

    /// Asks a model that was already authorised. What it answers is durable when this returns. The sandbox counts what was
    /// spent against the attempt's limits.
    fn ask_model(&mut self, call: &ModelCall) -> ModelAnswered {
        PortError::Invalid(format!("there is no model `{}`", neutral::line(&call.model, 100))).into()
    }
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// The alias of the model.
    pub model: String,
    /// The conversation so far: whose words, and the words.
    pub messages: Vec<(ModelRole, String)>,
    /// JSON Schema text, not yet checked, that the answer is to fit.
    pub output_schema: Option<String>,
    /// Most tokens of the answer.
    pub max_output_tokens: u32,
    /// What is left of the attempt's limits; the port asks for nothing that could pass them.
    pub left: Bound,
}

/// Whose words a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelRole {
    /// Instructions.
    System,
    /// What is asked.
    User,
    /// What the model said before.
    Assistant,
}

/// Why an answer of a model ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFinish {
    /// The model was done.
    Complete,
    /// It reached the most tokens that it may write.
    CutOff,
    /// It, or its provider, would not answer.
    Refused,
}

/// What came of asking a model.
#[derive(Debug)]
pub struct ModelAnswered {
    /// What it says and why that ends.
    pub result: Result<(String, ModelFinish), PortError>,
    /// What was spent on it, also where there is no answer.
    pub spent: ModelSpent,
}

/// What was spent on models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelSpent {
    /// Requests that were sent, or may have been.
    pub calls: u64,
    /// Tokens, read and written.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost: u64,
}

impl From<PortError> for ModelAnswered {
    fn from(error: PortError) -> Self {
        Self { result: Err(error), spent: ModelSpent::default() }
    }
}

/// A component that an instance may call, as it is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Which.
    pub id: ComponentId,
    /// A short name for people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// JSON Schema text of its config.
    pub config_schema: String,
    /// What goes in: name, accepted schemas, description.
    pub inputs: Vec<ToolPort>,
    /// What comes out.
    pub outputs: Vec<ToolPort>,
}

/// A port of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPort {
    /// Its name.
    pub name: String,
    /// What it accepts, or the one schema of what it makes.
    pub schemas: Vec<String>,
    /// What it is for.
    pub description: String,
}

/// A call of a tool, as the guest made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Which tool.
    pub id: String,
    /// JSON text, not yet checked.
    pub config: String,
    /// What its ports get.
    pub arguments: Vec<(String, ToolItems)>,
    /// It is to take over the task of the caller.
    pub hands_over: bool,
}

/// What a port of a tool gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolItems {
    /// JSON Lines, not yet checked.
    Lines(Vec<u8>),
    /// A whole artifact that the caller reads.
    Artifact(Digest),
}

/// What a tool made on one port, or a runbook under one name.
pub struct ToolOutput {
    /// The port.
    pub port: String,
    /// Its items.
    pub items: Box<dyn Items>,
}

/// A runbook that an instance submits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// JSON text, not yet checked.
    pub definition: String,
    /// What its inputs get, by name.
    pub inputs: Vec<(String, Digest)>,
}

/// What came of a runbook that was submitted.
pub enum Submitted {
    /// It ran to its end; what it made, by name.
    Done(Vec<ToolOutput>),
    /// It can't run so.
    Refused(Vec<Wrong>),
    /// A person said no, in these words.
    Rejected(String),
    /// It ran and failed.
    Failed(String),
}

/// Something that is wrong with a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Which kind of thing.
    pub code: String,
    /// The line.
    pub line: String,
    /// What.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What an attempt needs of the network, beside the sockets that the sandbox opens itself.
pub trait Network: fmt::Debug + Send + Sync {
    /// The addresses of a name. May block; called on a thread of its own.
    ///
    /// # Errors
    /// When they can't be had.
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// The authorities that may say who a server is.
    fn roots(&self) -> &Roots;
}

/// What a run still allows its attempts, beside the limits that each has itself. Both functions may block: what they
/// count is written down before it is spent.
pub trait RunBounds: fmt::Debug + Send + Sync {
    /// Counts bytes that are about to be sent, by the name of where they go, see [`palisade_model::sink`].
    ///
    /// # Errors
    /// The failure of the attempt, if they may not be.
    fn send(&self, sink: &str, bytes: u64) -> Result<(), Failure>;

    /// Counts that something was denied.
    ///
    /// # Errors
    /// The failure of the attempt, if that was too often.
    fn deny(&self) -> Result<(), Failure>;
}

/// How urgent a line for people is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every small thing.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// For who wants to know what is done.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// Why a port said no.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// An argument is malformed or unknown.
    #[error("{0}")]
    Invalid(String),
    /// What the component emitted does not fit the schema; the attempt fails with this, whatever the guest does next.
    #[error("{}", .0.message)]
    Schema(Box<Failure>),
    /// Authority is missing. The text is for people; the guest gets the one text for all denials.
    #[error("{0}")]
    Denied(String),
    /// The other side failed; it may pass.
    #[error("{0}")]
    Unavailable(String),
    /// A limit of the attempt is used up; the attempt fails with this, whatever the guest does next.
    #[error("{}", .0.message)]
    Limit(Box<Failure>),
    /// The run is being cancelled.
    #[error("the run is being cancelled")]
    Cancelled,
    /// The answer needs time: the attempt ends here, and another one gets it.
    #[error("the answer needs time")]
    Suspended,
    /// The host could not do its part; the attempt fails with this, whatever the guest does next.
    #[error("{0}")]
    Host(String),
}

/// What is known of an artifact, or a part of one, before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemsInfo {
    /// `name/major.minor.patch`.
    pub schema: String,
    /// Items that will be handed out.
    pub items: u64,
    /// Bytes of those items.
    pub bytes: u64,
    /// JSON text of the metadata object, at most 1 MiB.
    pub metadata: String,
}

/// Whole items in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Number of the first item in its artifact, from 0.
    pub first: u64,
    /// JSON Lines.
    pub items: Vec<u8>,
}

/// A cursor over the items of one artifact, or of a part of one.
pub trait Items: Send {
    /// What is known of it.
    fn info(&self) -> ItemsInfo;

    /// The artifact, if these are all of its items.
    fn artifact(&self) -> Option<Digest> {
        None
    }

    /// The next whole items, about `max_bytes` of them, but at least one; none at the end and ever after.
    ///
    /// # Errors
    /// [`PortError::Host`] if they can't be read.
    fn next(&mut self, max_bytes: usize) -> Result<Option<Batch>, PortError>;
}

/// A database that was authorised.
#[derive(Debug)]
pub enum Database {
    /// A SQLite database: this very file, found (`O_PATH`) but not opened.
    File(OwnedFd),
    /// The database of a server, by the name of the operator's connection.
    Connection(String),
}

/// The rows of one statement.
pub trait Rows: Send {
    /// What each row holds.
    fn columns(&self) -> Vec<Column>;

    /// The next rows: at most `max_rows`, stopping once their values have `max_bytes`; empty at the end.
    ///
    /// # Errors
    /// [`PortError::Unavailable`] if the database fails, [`PortError::Invalid`] for text that is not UTF-8.
    fn next(&mut self, max_rows: u64, max_bytes: usize) -> Result<Vec<Vec<SqlValue>>, PortError>;
}

//! What one guest instance reaches: its inputs, its outputs, its log. The engine's side of the sandbox's ports.
//!
//! Each instance has ports of its own; what it leaves is joined in the order of the parts, so that nothing depends on
//! which instance was quicker.

use crate::calls::Asking;
use crate::sql::{self, Sessions};
use crate::submitting::Came;
use crate::uses::Uses;
use crate::written::Written;
use palisade_authority::{Decision, GUEST_DENIAL, Use};
use palisade_model::manifest::Power;
use palisade_model::record::{LogLevel, LogRecord, SkipRecord};
use palisade_model::sql::SqlValue;
use palisade_model::{Digest, Failure, FailureKind, causes, json_text, neutral};
use palisade_sandbox::Granted;
use palisade_sandbox::ports::{
    Arena, Batch, Database, Items, ItemsInfo, Level, ModelAnswered, ModelCall, PortError, Ports, Rows, StagedFile,
    Submission, Submitted, Tool, ToolCall, ToolOutput,
};
use palisade_schema::ArtifactSchema;
use palisade_sql::{Connections, Until};
use palisade_store::{Artifact, Content, ItemsReader, Spool, SpoolError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most skips of one attempt whose texts are kept; all are counted.
const MAX_SKIPS: usize = 10_000;
/// Most log lines of one attempt that are kept; `log-bytes` bounds their size.
const MAX_LOG_LINES: usize = 1_000;
/// Most characters of a text that a person will see on one line.
const MAX_LINE_CHARS: usize = 2_000;

/// An output while it is being emitted.
#[derive(Debug)]
pub(crate) struct OutputSpool {
    /// The port.
    pub(crate) port: String,
    /// What its items must fit.
    pub(crate) schema: Arc<ArtifactSchema>,
    /// Its items so far.
    pub(crate) spool: Spool,
}

/// What an instance left behind beside what `run` returned.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Its outputs, in the order of the manifest.
    pub(crate) outputs: Vec<OutputSpool>,
    /// Warnings and errors that it logged.
    pub(crate) log: Vec<LogRecord>,
    /// How many parts of its input it left out.
    pub(crate) skipped_count: u64,
    /// What it left out.
    pub(crate) skipped: Vec<SkipRecord>,
    /// The first item that does not fit, with the item's number among those of this instance.
    pub(crate) violation: Option<Failure>,
    /// The last thing that it was refused.
    pub(crate) denied: Option<SkipRecord>,
    /// The last refusal, while the guest has not named it: its index among the skips, if it was kept.
    pub(crate) unnamed: Option<Option<usize>>,
    /// How far it said it is.
    pub(crate) said: Option<(u64, Option<u64>)>,
    /// What it wrote.
    pub(crate) staged: Vec<StagedFile>,
}

impl Left {
    /// Records what the guest was refused, until it says by which name it knows it.
    fn refuse(&mut self, refused: &SkipRecord) {
        self.skipped_count = self.skipped_count.saturating_add(1);
        let kept = self.skipped.len() < MAX_SKIPS;
        self.unnamed = Some(kept.then_some(self.skipped.len()));
        if kept {
            self.skipped.push(refused.clone());
        }
    }

    /// Takes over what another instance left behind, after its own; texts only as far as one instance may leave them.
    ///
    /// # Errors
    /// When its outputs can't be read or kept.
    pub(crate) fn absorb(&mut self, mut other: Self) -> Result<(), SpoolError> {
        for (own, more) in self.outputs.iter_mut().zip(std::mem::take(&mut other.outputs)) {
            own.spool.absorb(more.spool)?;
        }
        self.absorb_told(other);
        Ok(())
    }

    /// As [`Left::absorb`], all but the outputs.
    pub(crate) fn absorb_told(&mut self, other: Self) {
        self.staged.extend(other.staged);
        self.skipped_count = self.skipped_count.saturating_add(other.skipped_count);
        self.skipped.extend(other.skipped.into_iter().take(MAX_SKIPS - self.skipped.len().min(MAX_SKIPS)));
        self.log.extend(other.log.into_iter().take(MAX_LOG_LINES - self.log.len().min(MAX_LOG_LINES)));
    }
}

/// Shared by the ports, which the guest's thread owns, and the attempt, which looks at what was left.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedLeft(Arc<Mutex<Left>>);

impl SharedLeft {
    pub(crate) fn new(outputs: Vec<OutputSpool>) -> Self {
        Self::of(Left { outputs, ..Left::default() })
    }

    pub(crate) fn of(left: Left) -> Self {
        Self(Arc::new(Mutex::new(left)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Left> {
        // A panic of the other side leaves whole values: each change is one assignment or push.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything out.
    pub(crate) fn take(&self) -> Left {
        std::mem::take(&mut *self.lock())
    }
}

/// The ports of one instance.
#[derive(Debug)]
pub(crate) struct PartPorts {
    /// The component's versioned id.
    pub(crate) component: String,
    /// What it may use, by the names that its config has for it.
    pub(crate) granted: Arc<Granted>,
    /// Where it is counted how often it did.
    pub(crate) uses: Uses,
    /// Where everything is left.
    pub(crate) left: SharedLeft,
    /// The step's key, the same for all its attempts.
    pub(crate) idempotency_key: String,
    /// Most bytes of one row.
    pub(crate) max_row_bytes: usize,
    /// When statements are to end.
    pub(crate) until: Until,
    /// Where the connections lead that it may read.
    pub(crate) connections: Arc<Connections>,
    /// Those that it reads.
    pub(crate) sessions: Sessions,
    /// Who answers calls of tools and models; none = it may make none.
    pub(crate) asking: Option<Asking>,
    /// Where what it writes is meanwhile.
    pub(crate) written: Written,
}

impl PartPorts {
    fn violation(
        &self,
        schema: &ArtifactSchema,
        port: &str,
        item: u64,
        path: &str,
        rule: &str,
        message: &str,
    ) -> PortError {
        let failure = Failure::new(
            FailureKind::Schema {
                schema: schema.name().to_string(),
                port: port.to_owned(),
                item: Some(item),
                path: path.to_owned(),
                rule: rule.to_owned(),
            },
            does_not_fit(&self.component, port, Some(item), &schema.name().to_string(), path, rule, message),
        );
        self.left.lock().violation = Some(failure.clone());
        PortError::Schema(Box::new(failure))
    }
}

/// Says that something that was emitted does not fit.
pub(crate) fn does_not_fit(
    component: &str,
    port: &str,
    item: Option<u64>,
    schema: &str,
    path: &str,
    rule: &str,
    message: &str,
) -> String {
    let what = item.map_or_else(|| "metadata".to_owned(), |item| format!("item {item}"));
    let at = if path.is_empty() { "at its root".to_owned() } else { format!("at `{path}`") };
    format!("{component} emitted {what} on port `{port}` that does not fit {schema}: {at}, rule `{rule}`: it {message}")
}

impl Ports for PartPorts {
    fn emit(&mut self, port: &str, items: &[u8]) -> Result<(), PortError> {
        let left = self.left.lock();
        let Some(index) = left.outputs.iter().position(|output| output.port == port) else {
            let known: Vec<_> = left.outputs.iter().map(|output| format!("`{}`", output.port)).collect();
            let port = neutral::line(port, 64);
            return Err(PortError::Invalid(format!("there is no output port `{port}`; there is {}", known.join(", "))));
        };
        let schema = left.outputs.get(index).map(|output| Arc::clone(&output.schema));
        let emitted = left.outputs.get(index).map_or(0, |output| output.spool.lines());
        drop(left);
        let Some(schema) = schema else { return Err(PortError::Host("an output vanished".to_owned())) };
        let text = std::str::from_utf8(items).map_err(|error| {
            PortError::Invalid(format!("the items are not UTF-8: byte {} is wrong", error.valid_up_to()))
        })?;
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(PortError::Invalid("the last item has no line end".to_owned()));
        }
        let validator = schema.item().map_err(|error| PortError::Host(error.to_string()))?;
        for (number, line) in (emitted..).zip(json_text::lines(text)) {
            if let Err(broken) = validator.check_line(line) {
                return Err(self.violation(&schema, port, number, &broken.path, &broken.rule, &broken.message));
            }
        }
        let mut left = self.left.lock();
        let Some(output) = left.outputs.get_mut(index) else {
            return Err(PortError::Host("an output vanished".to_owned()));
        };
        output.spool.append(items).map(drop).map_err(|error| PortError::Host(causes(&error)))
    }

    fn log(&mut self, level: Level, message: &str) {
        let level = log_level(level);
        tracing::debug!(target: "palisade_engine::guest", component = self.component, ?level, "{}", neutral::line(message, MAX_LINE_CHARS));
        let mut left = self.left.lock();
        if level >= LogLevel::Warn && left.log.len() < MAX_LOG_LINES {
            left.log.push(LogRecord { level, message: message.to_owned() });
        }
    }

    fn progress(&mut self, done: u64, total: Option<u64>, _note: &str) {
        self.left.lock().said = Some((done, total));
    }

    fn skip(&mut self, what: &str, reason: &str) {
        let mut left = self.left.lock();
        if reason == GUEST_DENIAL
            && let Some(refused) = left.unnamed.take()
        {
            // The record is there, under the path that was really reached; people know it by the guest's name.
            if let Some(record) = refused.and_then(|index| left.skipped.get_mut(index)) {
                record.what = what.to_owned();
            }
            return;
        }
        left.skipped_count = left.skipped_count.saturating_add(1);
        if left.skipped.len() < MAX_SKIPS {
            left.skipped.push(SkipRecord {
                what: what.to_owned(),
                reason: reason.to_owned(),
                allow: None,
                asked: None,
            });
        }
    }

    fn refused(&mut self, power: Power, what: &str, reason: &str) {
        self.uses.refuse(power);
        let refused = SkipRecord { what: what.to_owned(), reason: reason.to_owned(), allow: None, asked: None };
        self.left.lock().refuse(&refused);
    }

    fn idempotency_key(&self) -> String {
        self.idempotency_key.clone()
    }

    fn decided(&mut self, asked: &Use, decision: &Decision<'_>) {
        self.uses.count(&self.granted, asked, decision.allowed());
        if decision.allowed() {
            return;
        }
        let refused = SkipRecord {
            what: asked.path().map_or_else(|| asked.on(), |path| path.to_path_buf().display().to_string()),
            reason: decision.denial().unwrap_or_else(|| GUEST_DENIAL.to_owned()),
            allow: decision.allow_line(),
            asked: Some(asked.record()),
        };
        let mut left = self.left.lock();
        left.refuse(&refused);
        left.denied = Some(refused);
    }

    fn arena(&mut self) -> Result<Arena, PortError> {
        self.written.arena().map_err(|fault| PortError::Host(causes(&fault)))
    }

    fn staged(&mut self, files: Vec<StagedFile>) {
        self.left.lock().staged = files;
    }

    fn query(
        &mut self,
        database: Database,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Box<dyn Rows>, PortError> {
        let Self { max_row_bytes, until, .. } = self;
        match database {
            Database::File(file) => {
                let database = sql::Database::open(&file).map_err(sql::not_opened).map_err(sql::port_error)?;
                let parameters = parameters.iter().map(sql::value).collect();
                let rows = sql::query(database, statement.to_owned(), parameters, *max_row_bytes, until.clone());
                Ok(Box::new(rows.map_err(sql::port_error)?))
            }
            Database::Connection(name) => {
                let asked = (statement, parameters);
                let rows = self.sessions.query(&self.connections, &name, asked, *max_row_bytes, until);
                Ok(Box::new(rows.map_err(sql::port_error)?))
            }
        }
    }

    fn tools(&self) -> &[Tool] {
        self.asking.as_ref().map_or(&[], Asking::tools)
    }

    fn call_tool(&mut self, call: &ToolCall) -> Result<Vec<ToolOutput>, PortError> {
        let no_tools = || PortError::Invalid("the step has no tools".to_owned());
        let made = self.asking.as_ref().ok_or_else(no_tools)?.call_tool(call)?;
        Ok(made.into_iter().map(answered).collect())
    }

    fn most_runbooks(&self) -> u32 {
        self.asking.as_ref().map_or(0, Asking::most_runbooks)
    }

    fn submit_runbook(&mut self, submission: &Submission) -> Result<Submitted, PortError> {
        let nobody = || PortError::Invalid("runbooks are submitted in runs only".to_owned());
        Ok(match self.asking.as_ref().ok_or_else(nobody)?.submit(submission)? {
            Came::Done(made) => Submitted::Done(made.into_iter().map(answered).collect()),
            Came::Refused(wrong) => Submitted::Refused(wrong),
            Came::Rejected(words) => Submitted::Rejected(words),
            Came::Failed(words) => Submitted::Failed(words),
        })
    }

    fn default_model(&self) -> Option<&str> {
        self.asking.as_ref().and_then(Asking::default_model)
    }

    fn ask_model(&mut self, call: &ModelCall) -> ModelAnswered {
        let Some(asking) = &self.asking else {
            return PortError::Invalid("models are asked in runs only".to_owned()).into();
        };
        let answered = asking.ask_model(call);
        if let Err(PortError::Denied(why)) = &answered.result {
            // The guest learns no more than that; people learn why.
            let (what, reason) = (format!("the model {}", neutral::line(&call.model, 100)), why.clone());
            let refused = SkipRecord { what, reason, allow: None, asked: None };
            let mut left = self.left.lock();
            left.refuse(&refused);
            left.denied = Some(refused);
        }
        answered
    }
}

/// What a tool or a runbook made, as an instance reads it.
fn answered((port, artifact): (String, Artifact)) -> ToolOutput {
    let metadata = artifact.metadata.to_string();
    let items = PartItems::whole(&artifact.items, artifact.digest, artifact.schema.to_string(), metadata);
    ToolOutput { port, items: Box::new(items) }
}

fn log_level(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

/// The items of one part of an input.
#[derive(Debug)]
pub(crate) struct PartItems {
    reader: ItemsReader,
    info: ItemsInfo,
    /// The artifact of which these are all items.
    artifact: Option<Digest>,
}

impl PartItems {
    pub(crate) fn new(reader: ItemsReader, schema: String, metadata: String) -> Self {
        let range = reader.range();
        let info = ItemsInfo { schema, items: range.items(), bytes: range.length(), metadata };
        Self { reader, info, artifact: None }
    }

    /// All items of an artifact.
    pub(crate) fn whole(items: &Content, artifact: Digest, schema: String, metadata: String) -> Self {
        Self { artifact: Some(artifact), ..Self::new(items.items(), schema, metadata) }
    }
}

impl Items for PartItems {
    fn info(&self) -> ItemsInfo {
        self.info.clone()
    }

    fn artifact(&self) -> Option<Digest> {
        self.artifact
    }

    fn next(&mut self, max_bytes: usize) -> Result<Option<Batch>, PortError> {
        let mut items = Vec::new();
        let batch = self.reader.next(max_bytes, &mut items).map_err(|error| PortError::Host(causes(&error)))?;
        Ok(batch.map(|batch| Batch { first: batch.first, items }))
    }
}

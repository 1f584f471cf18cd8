//! What is told about a run when it has ended: the content of `run.json`.

use crate::edit::{Edit, ForkedFrom};
use crate::failure::Failure;
use crate::usage::Usage;
use crate::{ComponentId, Digest, OutputName, RunId, SchemaRef, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How a run or a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It did what was wanted.
    Succeeded,
    /// It did not.
    Failed,
    /// It was not started, since something before it failed or it was not wanted.
    Skipped,
    /// A person or a parent ended it.
    Cancelled,
    /// It waits for a person.
    Waiting,
    /// The process ended before it did; it can be resumed.
    Interrupted,
}

impl Status {
    /// A run that stands so is over until it is resumed, and then goes on where it stopped.
    #[must_use]
    pub const fn can_go_on(self) -> bool {
        matches!(self, Self::Interrupted | Self::Waiting)
    }

    /// As [`Status::can_go_on`], of a name as lists of runs have it.
    #[must_use]
    pub fn named_can_go_on(name: &str) -> bool {
        [Self::Interrupted, Self::Waiting].iter().any(|status| status.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Waiting => "waiting",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which run.
    pub run_id: RunId,
    /// How it ended.
    pub status: Status,
    /// The version of Palisade that ran it.
    pub palisade_version: String,
    /// The runbook as a person wrote it.
    pub runbook: RunbookRecord,
    /// Digest of the runbook's bytes.
    pub runbook_digest: Digest,
    /// Digest of the plan's canonical form.
    pub plan_digest: Digest,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended, RFC 3339 in UTC.
    pub ended_at: String,
    /// What was given to the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputRecord>,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepRecord>,
    /// The steps that undo others, in the order in which they run, where the run failed or was cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensations: Vec<StepRecord>,
    /// Runs started by this one.
    pub children: Vec<RunId>,
    /// What all steps used together; `wall_ms` is that of the run.
    pub usage: Usage,
    /// Bytes that it and all runs below it sent, or may have sent, by where they went, see [`crate::sink`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sent: BTreeMap<String, u64>,
    /// What calls to models cost, in US dollars.
    pub cost_usd: f64,
    /// Warnings about the runbook.
    pub warnings: Vec<String>,
    /// Powers granted for this run alone, as `fs-read=PATH`.
    pub allowed: Vec<String>,
    /// The run whose beginning it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
    /// What is other than in the run that was not forked from any. With any, the run is *edited*.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// What a runbook says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookRecord {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// An input of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// The artifact that it became.
    #[serde(flatten)]
    pub artifact: OutputRecord,
    /// Nobody gave it: it is the default that the runbook states.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its id.
    pub id: StepId,
    /// Its title, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whom to ask, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The component that ran; none for an input of the run under a second name.
    #[serde(flatten)]
    pub component: Option<ComponentRecord>,
    /// The step that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensates: Option<StepId>,
    /// How it ended.
    pub status: Status,
    /// How often it was tried, an iteration of a loop each time.
    pub attempts: u32,
    /// The last child run that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<RunId>,
    /// Where what it made was known from, so that nothing ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from: Option<CachedFrom>,
    /// Iterations of a loop; none for what is no loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// When its last attempt started, RFC 3339 in UTC; fills the stamps of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// What all its attempts used together.
    pub usage: Usage,
    /// Names of the artifacts it read, in order.
    pub inputs: Vec<String>,
    /// What it made; none unless it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputRecord>,
    /// The runbook wants it to be exported.
    pub exported: bool,
    /// What else it made that has a name in the runbook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_outputs: Vec<NamedOutput>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Why it was skipped: the step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_because: Option<StepId>,
    /// Why it was skipped without anything being wrong: the step whose condition did not hold, itself or one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet_condition: Option<StepId>,
    /// How many parts of the input were left out.
    pub skipped_count: u64,
    /// What was left out, and why; bounded, so it may be shorter than `skipped_count`.
    pub skipped: Vec<SkipRecord>,
    /// Warnings and errors that the component logged; bounded.
    pub log: Vec<LogRecord>,
    /// The files that it wrote and that were put in their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRecord>,
}

/// A file that a step wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Where it is: below the folder of the run, or absolute; `%XX` stands for a byte that is no UTF-8, and for `%`.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
}

/// The attempt that made something first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedFrom {
    /// Its run.
    pub run_id: RunId,
    /// The number of the event that tells its end.
    pub event: u64,
}

/// The component of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRecord {
    /// Its id.
    pub component: ComponentId,
    /// Its version.
    pub version: semver::Version,
    /// Its digest.
    pub digest: Digest,
}

impl fmt::Display for ComponentRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.component, self.version)
    }
}

/// An artifact that a step made beside its first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedOutput {
    /// The artifact.
    #[serde(flatten)]
    pub output: OutputRecord,
    /// The runbook wants it to be exported.
    pub exported: bool,
}

impl StepRecord {
    /// All artifacts with names that it made, each with whether it is exported.
    pub fn outputs(&self) -> impl Iterator<Item = (&OutputRecord, bool)> {
        let first = self.output.iter().map(|output| (output, self.exported));
        first.chain(self.more_outputs.iter().map(|more| (&more.output, more.exported)))
    }
}

/// An artifact that a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Its name in the runbook.
    pub name: OutputName,
    /// Its digest.
    pub digest: Digest,
    /// Its schema.
    pub schema: SchemaRef,
    /// How many items it has.
    pub count: u64,
    /// How many bytes its items have.
    pub bytes: u64,
}

/// A part of the input that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipRecord {
    /// What: a file, a table.
    pub what: String,
    /// Why.
    pub reason: String,
    /// The option that would let it in, where authority was missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
    /// What was asked for and denied, as `palisade_authority` records a use; none where nothing was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

/// A line that a component logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: LogLevel,
    /// The text; may hold data of the inputs.
    pub message: String,
}

/// How serious a log line is, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Every detail.
    Trace,
    /// For the author.
    Debug,
    /// For whoever watches.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something went wrong.
    Error,
}

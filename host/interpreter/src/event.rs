//! What happened in a run, in the past tense: the only things that the journal holds.
//!
//! On disk an event is a JSON object with `kind` and `v`. Its bytes are hashed as they are, so an event is written once
//! and never again; a change of its form is a new `v`.

use palisade_model::llm::LlmMode;
use palisade_model::record::{LogRecord, SkipRecord, Status};
use palisade_model::{ArtifactName, Digest, Failure, Limits, RunId, SchemaRef, Spent, StepId, Usage};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

mod call;
mod child;
mod files;
mod fork;
mod items;
mod map;
mod reserved;
mod suspended;

pub use call::{HostCallRecorded, answers_for, answers_for_items, show_place};
pub use child::{ChildApproval, ChildEnded, ChildPlanned, ChildStarted, Parent, PlanningOutcome};
pub use files::{FilesOutcome, FilesPut, WrittenFile};
pub use fork::{Fork, RunForked};
pub use items::ItemsDone;
pub use map::{ExpansionOutcome, MapEnded, MapExpanded, MapOutcome};
pub use reserved::SpendingReserved;
pub use suspended::AttemptSuspended;

/// How every event begins, up to its kind, that was written in the form of a version: of the first, of the second.
const BEGINNINGS: [&str; 2] = [r#"{"v":1,"kind":""#, r#"{"v":2,"kind":""#];

/// Something that happened. Times are milliseconds since 1970, read by the driver.
///
/// What is large and rare stands in a box: a run holds all its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Event {
    /// The run began; everything that it needs later is in the store.
    RunStarted(Box<RunStarted>),
    /// All that the step waits for is there; it starts as soon as there is room.
    StepScheduled {
        /// Which step.
        step: StepId,
        /// The number of its attempt, from 1; within one iteration of a loop.
        attempt: u32,
        /// The iteration of a loop, from 1; 0 = the step is none.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u32,
    },
    /// A condition of the step was evaluated.
    ConditionEvaluated {
        /// Which step.
        step: StepId,
        /// The iteration of a loop that it judges, from 1; 0 = it says whether the step is to run.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u32,
        /// What came of it.
        outcome: ConditionOutcome,
    },
    /// The values that the step's config takes from documents were looked up.
    ValueResolved {
        /// Which step.
        step: StepId,
        /// What came of it.
        outcome: ValuesOutcome,
    },
    /// A loop ended well; what its last iteration made is what the step makes.
    LoopEnded {
        /// Which step.
        step: StepId,
        /// The last iteration.
        iteration: u32,
        /// Its condition held; else it came to its bound.
        held: bool,
    },
    /// An attempt began.
    AttemptStarted(Box<AttemptStarted>),
    /// A component asked the host for something, and its answer is kept.
    HostCallRecorded(Box<HostCallRecorded>),
    /// Items of a map over a component are done, and what they left is kept.
    ItemsDone(Box<ItemsDone>),
    /// An attempt is about to spend of what the run may do in all.
    SpendingReserved(Box<SpendingReserved>),
    /// An attempt ended until it is known what came of what it asked for.
    AttemptSuspended(Box<AttemptSuspended>),
    /// An attempt did what was wanted; its artifacts are in the store.
    AttemptSucceeded(Box<AttemptSucceeded>),
    /// The files that an attempt wrote are in their places, or none of them can be.
    FilesPut(Box<FilesPut>),
    /// An attempt failed and left nothing behind.
    AttemptFailed(Box<AttemptFailed>),
    /// A runbook that is an artifact was planned for a step, or refused.
    ChildPlanned(Box<ChildPlanned>),
    /// A child run began for a step, or goes on.
    ChildStarted(Box<ChildStarted>),
    /// A child run ended, or stopped until its parent is resumed.
    ChildEnded(Box<ChildEnded>),
    /// The items were counted that a map over a child runbook goes over.
    MapExpanded(Box<MapExpanded>),
    /// No child run of a map goes on, and what they made was joined.
    MapEnded(Box<MapEnded>),
    /// A step waits for a person.
    ApprovalRequested {
        /// Which step.
        step: StepId,
        /// When.
        at_ms: u64,
        /// The attempt of an agent that submitted what it is about; 0 = the step asks for itself.
        #[serde(default, skip_serializing_if = "is_zero")]
        submitted_by: u32,
        /// When the answer is no by itself, in milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at_ms: Option<u64>,
    },
    /// A step that waited for a person got its answer.
    ApprovalDecided {
        /// Which step.
        step: StepId,
        /// When.
        at_ms: u64,
        /// The attempt of an agent that submitted what it is about; 0 = the step asks for itself.
        #[serde(default, skip_serializing_if = "is_zero")]
        submitted_by: u32,
        /// Who; none = nobody did in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What they said of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// The answer as they signed it, where they did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        /// The answer.
        outcome: ApprovalOutcome,
    },
    /// What a step waits for is over: the time before its next attempt, or that its child waited for a person.
    TimerFired {
        /// Which step.
        step: StepId,
        /// The number of the attempt before.
        attempt: u32,
        /// The iteration of a loop, from 1; 0 = the step is none.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u32,
        /// When.
        at_ms: u64,
    },
    /// A step will not run.
    StepSkipped {
        /// Which step.
        step: StepId,
        /// Why.
        because: SkipCause,
    },
    /// Someone wants the run to end before its time.
    CancelRequested {
        /// Why.
        reason: CancelReason,
        /// When.
        at_ms: u64,
        /// How often the run was resumed before.
        #[serde(default, skip_serializing_if = "is_zero")]
        resumed: u32,
        /// It undoes what it did: that can only be interrupted.
        #[serde(default, skip_serializing_if = "is_false")]
        compensating: bool,
    },
    /// A process took up a run that was interrupted, or whose process died. What ran then is lost and runs again.
    RunResumed {
        /// How often by now, from 1.
        resumed: u32,
        /// When.
        at_ms: u64,
        /// The version of Palisade that goes on.
        palisade_version: String,
    },
    /// The run goes on from a place in another one, whose events stand before it.
    RunForked(Box<RunForked>),
    /// The run undoes what it did, one step after the other, since it failed or was cancelled.
    CompensationStarted {
        /// How the run ends when that is done.
        status: Status,
        /// The steps that undo others, in the order in which they run.
        steps: Vec<StepId>,
        /// When.
        at_ms: u64,
        /// How often the run was resumed before.
        #[serde(default, skip_serializing_if = "is_zero")]
        resumed: u32,
    },
    /// The run ended. Nothing comes after it, unless it was interrupted, or waits for a person, and is resumed.
    RunEnded {
        /// How.
        status: Status,
        /// When.
        at_ms: u64,
        /// How often the run was resumed before.
        #[serde(default, skip_serializing_if = "is_zero")]
        resumed: u32,
    },
}

/// The beginning of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Which run.
    pub run: RunId,
    /// When.
    pub at_ms: u64,
    /// The runbook's name.
    pub title: String,
    /// The version of Palisade.
    pub palisade_version: String,
    /// The stored bytes of the plan.
    pub plan: Digest,
    /// The stored bytes of the runbook.
    pub runbook: Digest,
    /// The stored bytes of all else, by what they are: `component acme:pii@1.0.0`, `ruleset …`, `schema …`.
    pub contents: BTreeMap<String, Digest>,
    /// What was granted for this run alone, as it was given: `fs-read=PATH`.
    pub allowed: Vec<String>,
    /// Who started it, or the run that it is a child of: the text of their key, or the name of the system's user; none for runs from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Who said yes beforehand to the runbooks that its steps make and allow; none = nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// What it may do about language models; none where no model was set up, and for runs from before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmMode>,
    /// The inputs of the run, in the order of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<RunInput>,
    /// The folder in which it works; none for runs from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The run that started it; none = a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The run whose beginning it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
}

/// An input of the run: an artifact that no step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInput {
    /// Its name in the runbook.
    pub name: ArtifactName,
    /// The artifact.
    pub artifact: Digest,
    /// Its schema.
    pub schema: SchemaRef,
    /// How many items it has.
    pub items: u64,
    /// How many bytes its items have.
    pub bytes: u64,
    /// Nobody gave it: it is the default that the runbook states.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_default: bool,
}

/// What came of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ConditionOutcome {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It has no answer, and the step fails with it.
    Failed {
        /// Why.
        failure: Box<Failure>,
    },
}

/// What came of looking up values for a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ValuesOutcome {
    /// All are there and fit.
    Resolved {
        /// The values; bounded.
        values: Vec<ResolvedValue>,
    },
    /// One is missing or does not fit, and the step fails with it.
    Failed {
        /// Why.
        failure: Box<Failure>,
    },
}

/// A value that goes into a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedValue {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The value.
    pub value: Value,
}

/// The answer of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ApprovalOutcome {
    /// Yes.
    Approved,
    /// No, and the step fails with it.
    Rejected {
        /// Why.
        failure: Box<Failure>,
    },
}

/// The beginning of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When; fills the stamps of the attempt's output.
    pub at_ms: u64,
    /// The component's bytes.
    pub component: Digest,
    /// The limits in force; none = those of the plan, which is all that is written since version 2 of its form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How often it runs its component at most: once, or for each item of a map. The run's `max_runs` bounds their sum.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub runs: u64,
}

/// The good end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptSucceeded {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// What it made.
    #[serde(deserialize_with = "few")]
    pub outputs: Vec<Output>,
    /// What it used.
    pub usage: Usage,
    /// What it used beside what its calls did, each of which tells that itself; none = what wrote this told all of it in `usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Usage>,
    /// How many parts of its inputs it left out.
    pub skipped_count: u64,
    /// What it left out, and why; bounded.
    pub skipped: Vec<SkipRecord>,
    /// Warnings and errors that it logged; bounded.
    pub log: Vec<LogRecord>,
    /// What it spent of what its run may do in all.
    #[serde(default, skip_serializing_if = "Spent::is_empty")]
    pub spent: Spent,
    /// Whether it was made anew; none for attempts of before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// What it wrote, in the order of the paths: from now on it is to be put there, whatever happens. The step has succeeded
    /// when it has been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WrittenFile>,
}

/// Whether the result of an attempt was known already, or may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Reuse {
    /// It was known, and nothing ran.
    From {
        /// The run that made it.
        run: RunId,
        /// The number of the event that tells it there.
        seq: u64,
    },
    /// It was made anew, and whoever has the same key need not.
    New {
        /// Names all that it depends on.
        key: Digest,
    },
    /// It may depend on more than inputs and config: it is made anew each time.
    Impure,
    /// Nobody wanted to reuse anything.
    Off,
}

/// An artifact that an attempt made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The output port.
    pub port: String,
    /// The artifact.
    pub artifact: Digest,
    /// Its schema.
    pub schema: SchemaRef,
    /// How many items it has.
    pub items: u64,
    /// How many bytes its items have.
    pub bytes: u64,
}

/// The bad end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFailed {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// Why.
    pub failure: Failure,
    /// Another attempt with the same limits could end otherwise.
    pub retryable: bool,
    /// Another attempt is due then, in milliseconds since 1970; none = the step failed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
    /// What it used.
    pub usage: Usage,
    /// What it used beside what its calls did, each of which tells that itself; none = what wrote this told all of it in `usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Usage>,
    /// What it spent of what its run may do in all.
    #[serde(default, skip_serializing_if = "Spent::is_empty")]
    pub spent: Spent,
    /// How many parts of its inputs it left out.
    pub skipped_count: u64,
    /// What it left out, and why; bounded.
    pub skipped: Vec<SkipRecord>,
    /// Warnings and errors that it logged; bounded.
    pub log: Vec<LogRecord>,
}

/// Why a step will not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum SkipCause {
    /// A step before it failed or was cancelled, at first hand or further up.
    Failed {
        /// The one where it began.
        step: StepId,
    },
    /// The run was cancelled.
    Cancelled,
    /// A condition said that it is not wanted, its own or that of a step before it.
    Condition {
        /// The step whose condition did not hold.
        step: StepId,
    },
}

/// Why a run is to end before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// A person, or the parent run, cancelled it.
    Requested,
    /// The process was told to end.
    Interrupted,
    /// The run's own time was over.
    Timeout,
}

/// Why bytes are no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A newer Palisade wrote it.
    #[error("event `{kind}` has version {version}, this Palisade knows {known}")]
    Newer {
        /// Its kind.
        kind: String,
        /// Its version.
        version: u32,
        /// The newest version of that kind that is known.
        known: u32,
    },
    /// It is no event, or of a kind that this Palisade does not know.
    #[error("an event can't be read")]
    Form(#[from] serde_json::Error),
}

impl RunStarted {
    /// It was forked from another run, and something of it was edited.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.fork.as_ref().is_some_and(|fork| !fork.edits.is_empty())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn none(number: &u64) -> bool {
    *number == 0
}

const fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_one(number: &u64) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(truth: &bool) -> bool {
    !*truth
}

/// Reads a list that has one element most times, into no more memory than it needs: a run holds all its events, and room
/// for four outputs is as much as all else that the end of an attempt says.
fn few<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let mut list = Vec::deserialize(deserializer)?;
    list.shrink_to_fit();
    Ok(list)
}

/// What `StepScheduled` says: one event of three is, one of four in a loop.
#[derive(Deserialize)]
struct Scheduled {
    step: StepId,
    attempt: u32,
    #[serde(default)]
    iteration: u32,
}

/// What `ConditionEvaluated` says: one event of four in a loop is.
#[derive(Deserialize)]
struct Evaluated {
    step: StepId,
    #[serde(default)]
    iteration: u32,
    outcome: ConditionOutcome,
}

/// The version of the form in which events of a kind are written. Those before it are read.
fn known_version(kind: &str) -> u32 {
    match kind {
        "AttemptStarted" => 2,
        _ => 1,
    }
}

fn check_version(kind: &str, version: u32) -> Result<(), EventError> {
    let known = known_version(kind);
    if (1..=known).contains(&version) {
        return Ok(());
    }
    Err(EventError::Newer { kind: kind.to_owned(), version, known })
}

#[derive(Serialize)]
struct Stored<E> {
    v: u32,
    #[serde(flatten)]
    event: E,
}

#[derive(Deserialize)]
struct Probe {
    kind: String,
    v: u32,
}

impl Event {
    /// What kind of event it is, as the journal has it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "RunStarted",
            Self::StepScheduled { .. } => "StepScheduled",
            Self::ConditionEvaluated { .. } => "ConditionEvaluated",
            Self::ValueResolved { .. } => "ValueResolved",
            Self::LoopEnded { .. } => "LoopEnded",
            Self::AttemptStarted(_) => "AttemptStarted",
            Self::HostCallRecorded(_) => "HostCallRecorded",
            Self::ItemsDone(_) => "ItemsDone",
            Self::SpendingReserved(_) => "SpendingReserved",
            Self::AttemptSuspended(_) => "AttemptSuspended",
            Self::AttemptSucceeded(_) => "AttemptSucceeded",
            Self::FilesPut(_) => "FilesPut",
            Self::AttemptFailed(_) => "AttemptFailed",
            Self::ChildPlanned(_) => "ChildPlanned",
            Self::ChildStarted(_) => "ChildStarted",
            Self::ChildEnded(_) => "ChildEnded",
            Self::MapExpanded(_) => "MapExpanded",
            Self::MapEnded(_) => "MapEnded",
            Self::ApprovalRequested { .. } => "ApprovalRequested",
            Self::ApprovalDecided { .. } => "ApprovalDecided",
            Self::TimerFired { .. } => "TimerFired",
            Self::StepSkipped { .. } => "StepSkipped",
            Self::CancelRequested { .. } => "CancelRequested",
            Self::RunResumed { .. } => "RunResumed",
            Self::RunForked(_) => "RunForked",
            Self::CompensationStarted { .. } => "CompensationStarted",
            Self::RunEnded { .. } => "RunEnded",
        }
    }

    /// When it happened, in milliseconds since 1970; none where that is the time of the event that it follows from.
    #[must_use]
    pub fn at_ms(&self) -> Option<u64> {
        Some(match self {
            Self::RunStarted(started) => started.at_ms,
            Self::AttemptStarted(started) => started.at_ms,
            Self::HostCallRecorded(call) => call.at_ms,
            Self::ItemsDone(done) => done.at_ms,
            Self::SpendingReserved(reserved) => reserved.at_ms,
            Self::AttemptSuspended(suspended) => suspended.at_ms,
            Self::AttemptSucceeded(ended) => ended.at_ms,
            Self::FilesPut(put) => put.at_ms,
            Self::AttemptFailed(ended) => ended.at_ms,
            Self::ChildPlanned(planned) => planned.at_ms,
            Self::ChildStarted(started) => started.at_ms,
            Self::ChildEnded(ended) => ended.at_ms,
            Self::MapExpanded(expanded) => expanded.at_ms,
            Self::MapEnded(ended) => ended.at_ms,
            Self::RunForked(forked) => forked.at_ms,
            Self::ApprovalRequested { at_ms, .. }
            | Self::ApprovalDecided { at_ms, .. }
            | Self::TimerFired { at_ms, .. }
            | Self::CancelRequested { at_ms, .. }
            | Self::RunResumed { at_ms, .. }
            | Self::CompensationStarted { at_ms, .. }
            | Self::RunEnded { at_ms, .. } => *at_ms,
            Self::StepScheduled { .. }
            | Self::ConditionEvaluated { .. }
            | Self::ValueResolved { .. }
            | Self::LoopEnded { .. }
            | Self::StepSkipped { .. } => return None,
        })
    }

    /// The step of which it tells; none where it tells of the run.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::RunStarted(_)
            | Self::CancelRequested { .. }
            | Self::RunResumed { .. }
            | Self::RunForked(_)
            | Self::CompensationStarted { .. }
            | Self::RunEnded { .. } => None,
            Self::AttemptStarted(started) => Some(&started.step),
            Self::HostCallRecorded(call) => Some(&call.step),
            Self::ItemsDone(done) => Some(&done.step),
            Self::SpendingReserved(reserved) => Some(&reserved.step),
            Self::AttemptSuspended(suspended) => Some(&suspended.step),
            Self::AttemptSucceeded(ended) => Some(&ended.step),
            Self::FilesPut(put) => Some(&put.step),
            Self::AttemptFailed(ended) => Some(&ended.step),
            Self::ChildPlanned(planned) => Some(&planned.step),
            Self::ChildStarted(started) => Some(&started.step),
            Self::ChildEnded(ended) => Some(&ended.step),
            Self::MapExpanded(expanded) => Some(&expanded.step),
            Self::MapEnded(ended) => Some(&ended.step),
            Self::StepScheduled { step, .. }
            | Self::ConditionEvaluated { step, .. }
            | Self::ValueResolved { step, .. }
            | Self::LoopEnded { step, .. }
            | Self::ApprovalRequested { step, .. }
            | Self::ApprovalDecided { step, .. }
            | Self::TimerFired { step, .. }
            | Self::StepSkipped { step, .. } => Some(step),
        }
    }

    /// The step that failed with it and why, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<(&StepId, &Failure)> {
        match self {
            Self::AttemptFailed(failed) => Some((&failed.step, &failed.failure)),
            Self::FilesPut(put) => match &put.outcome {
                FilesOutcome::Refused { failure } => Some((&put.step, failure)),
                FilesOutcome::Put => None,
            },
            Self::ConditionEvaluated { step, outcome: ConditionOutcome::Failed { failure }, .. }
            | Self::ValueResolved { step, outcome: ValuesOutcome::Failed { failure } }
            | Self::ApprovalDecided { step, outcome: ApprovalOutcome::Rejected { failure }, .. } => {
                Some((step, &**failure))
            }
            Self::ChildEnded(ended) => ended.failure.as_ref().map(|failure| (&ended.step, failure)),
            Self::ChildPlanned(planned) => match &planned.outcome {
                PlanningOutcome::Refused { failure, .. } => Some((&planned.step, failure)),
                PlanningOutcome::Planned { .. } => None,
            },
            Self::MapExpanded(expanded) => match &expanded.outcome {
                ExpansionOutcome::Refused { failure } => Some((&expanded.step, failure)),
                ExpansionOutcome::Expanded { .. } => None,
            },
            Self::MapEnded(ended) => match &ended.outcome {
                MapOutcome::Failed { failure } => Some((&ended.step, failure)),
                MapOutcome::Joined { .. } => None,
            },
            _ => None,
        }
    }

    /// Says whether it is the answer of that person to that step.
    #[must_use]
    pub fn is_answer_of(&self, wanted: &StepId, person: &str) -> bool {
        matches!(self, Self::ApprovalDecided { step, by: Some(by), .. } if step == wanted && by == person)
    }

    /// The bytes for the journal.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, whole numbers, lists and maps with string keys: there is always a JSON form.
        serde_json::to_vec(&Stored { v: known_version(self.kind()), event: self }).unwrap_or_default()
    }

    /// Reads the bytes of the journal.
    ///
    /// # Errors
    /// When they are no event, of an unknown kind, or of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        // Once for all the strings that are in it.
        let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom)?;
        let beginning = (1..).zip(BEGINNINGS).find_map(|(v, beginning)| Some((v, text.strip_prefix(beginning)?)));
        let Some((v, rest)) = beginning else {
            let Probe { kind, v } = serde_json::from_str(text)?;
            check_version(&kind, v)?;
            return Ok(serde_json::from_str(text)?);
        };
        // Of most bytes of a journal the kind is known before they are read; else they are kept until it is found.
        let kind = rest.split('"').next().unwrap_or_default();
        check_version(kind, v)?;
        Ok(match kind {
            "StepScheduled" => {
                let Scheduled { step, attempt, iteration } = serde_json::from_str(text)?;
                Self::StepScheduled { step, attempt, iteration }
            }
            "ConditionEvaluated" => {
                let Evaluated { step, iteration, outcome } = serde_json::from_str(text)?;
                Self::ConditionEvaluated { step, iteration, outcome }
            }
            "AttemptStarted" => Self::AttemptStarted(serde_json::from_str(text)?),
            "AttemptSucceeded" => Self::AttemptSucceeded(serde_json::from_str(text)?),
            "AttemptFailed" => Self::AttemptFailed(serde_json::from_str(text)?),
            _ => serde_json::from_str(text)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::{Edit, FailureKind, ForkedFrom};

    fn step(name: &str) -> StepId {
        name.parse().unwrap()
    }

    #[test]
    fn an_event_is_small_whatever_the_largest_holds() {
        assert!(size_of::<Event>() <= 128, "{}", size_of::<Event>());
    }

    fn one_of_each() -> Vec<Event> {
        let digest = Digest::of(b"x");
        let skip = SkipRecord { what: "a".to_owned(), reason: "b".to_owned(), allow: None, asked: None };
        vec![
            Event::RunStarted(Box::new(RunStarted {
                run: RunId::new(1, [2; 10]),
                at_ms: 1,
                title: "t".to_owned(),
                palisade_version: "0.1.0".to_owned(),
                plan: digest,
                runbook: digest,
                contents: BTreeMap::from([("component a:b@1.0.0".to_owned(), digest)]),
                allowed: vec!["fs-read=x".to_owned()],
                by: Some("ann".to_owned()),
                approved_by: Some("ann".to_owned()),
                llm: Some(LlmMode::Record),
                inputs: vec![RunInput {
                    name: "policy".parse().unwrap(),
                    artifact: digest,
                    schema: "x/1.0.0".parse().unwrap(),
                    items: 1,
                    bytes: 2,
                    is_default: true,
                }],
                folder: Some("/srv/data".to_owned()),
                parent: Some(Parent {
                    run: RunId::new(1, [1; 10]),
                    seq: 7,
                    step: step("s"),
                    root: RunId::new(1, [0; 10]),
                    depth: 2,
                }),
                fork: Some(Fork {
                    from: ForkedFrom { run_id: RunId::new(1, [4; 10]), event: 5, hash: digest, step: step("s") },
                    edits: vec![
                        Edit::Config { step: step("s"), pointer: "/a".to_owned(), value: serde_json::json!([1.5]) },
                        Edit::Runbook { digest },
                        Edit::Input { name: "policy".parse().unwrap() },
                        Edit::Surroundings,
                    ],
                }),
            })),
            Event::StepScheduled { step: step("a"), attempt: 1, iteration: 0 },
            Event::AttemptStarted(Box::new(AttemptStarted {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 2,
                component: digest,
                limits: None,
                runs: 7,
            })),
            Event::AttemptSucceeded(Box::new(AttemptSucceeded {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 3,
                outputs: vec![Output {
                    port: "findings".to_owned(),
                    artifact: digest,
                    schema: "x/1.0.0".parse().unwrap(),
                    items: 4,
                    bytes: 99,
                }],
                usage: Usage { fuel: u64::MAX, ..Usage::default() },
                own: Some(Usage { fuel: 7, ..Usage::default() }),
                spent: Spent::default(),
                skipped_count: 1,
                skipped: vec![skip],
                log: Vec::new(),
                reuse: Some(Reuse::From { run: RunId::new(1, [3; 10]), seq: 9 }),
                files: vec![WrittenFile { path: "out/a".to_owned(), digest, bytes: 3 }],
            })),
            Event::AttemptFailed(Box::new(AttemptFailed {
                step: step("b"),
                attempt: 1,
                iteration: 3,
                at_ms: 4,
                failure: Failure::new(FailureKind::Trap { frames: vec!["f".to_owned()] }, "boom"),
                retryable: false,
                retry_at_ms: None,
                usage: Usage::default(),
                own: None,
                spent: Spent::default(),
                skipped_count: 0,
                skipped: Vec::new(),
                log: Vec::new(),
            })),
            Event::StepSkipped { step: step("c"), because: SkipCause::Failed { step: step("b") } },
            Event::CancelRequested { reason: CancelReason::Interrupted, at_ms: 5, resumed: 0, compensating: false },
            Event::RunEnded { status: Status::Failed, at_ms: 6, resumed: 0 },
            Event::StepScheduled { step: step("a"), attempt: 1, iteration: 2 },
            Event::ConditionEvaluated { step: step("a"), iteration: 0, outcome: ConditionOutcome::False },
            Event::ConditionEvaluated { step: step("a"), iteration: 2, outcome: ConditionOutcome::True },
            Event::ConditionEvaluated {
                step: step("a"),
                iteration: 0,
                outcome: ConditionOutcome::Failed { failure: Failure::new(FailureKind::Condition, "no").into() },
            },
            Event::ValueResolved {
                step: step("a"),
                outcome: ValuesOutcome::Resolved {
                    values: vec![ResolvedValue { pointer: "/n".to_owned(), value: serde_json::json!([1, "x"]) }],
                },
            },
            Event::ValueResolved {
                step: step("a"),
                outcome: ValuesOutcome::Failed { failure: Failure::new(FailureKind::BadConfig, "no").into() },
            },
            Event::LoopEnded { step: step("a"), iteration: 5, held: false },
            Event::StepSkipped { step: step("c"), because: SkipCause::Condition { step: step("b") } },
            Event::ApprovalRequested { step: step("a"), at_ms: 5, submitted_by: 0, expires_at_ms: Some(9) },
            Event::ApprovalDecided {
                step: step("a"),
                at_ms: 6,
                submitted_by: 0,
                by: Some("ann".to_owned()),
                note: None,
                signature: None,
                outcome: ApprovalOutcome::Approved,
            },
            Event::ApprovalDecided {
                step: step("a"),
                at_ms: 9,
                submitted_by: 0,
                by: None,
                note: None,
                signature: None,
                outcome: ApprovalOutcome::Rejected { failure: Failure::new(FailureKind::Rejected, "no").into() },
            },
            Event::ChildPlanned(Box::new(ChildPlanned {
                step: step("a"),
                iteration: 1,
                submitted_by: 0,
                at_ms: 5,
                outcome: PlanningOutcome::Planned {
                    plan: digest,
                    runbook: digest,
                    contents: BTreeMap::from([("schema x/1.0.0".to_owned(), digest)]),
                    approval: ChildApproval::Caller { by: "ann".to_owned() },
                },
            })),
            Event::ChildPlanned(Box::new(ChildPlanned {
                step: step("a"),
                iteration: 0,
                submitted_by: 0,
                at_ms: 5,
                outcome: PlanningOutcome::Refused {
                    failure: Failure::new(FailureKind::BadRunbook, "no"),
                    diagnostics: vec![serde_json::json!({"code": "PAL0201"})],
                },
            })),
            Event::ChildStarted(Box::new(ChildStarted {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 5,
                child: RunId::new(1, [2; 10]),
                plan: digest,
            })),
            Event::ChildEnded(Box::new(ChildEnded {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 6,
                child: RunId::new(1, [2; 10]),
                status: Status::Waiting,
                outputs: Vec::new(),
                usage: Usage::default(),
                spent: Spent::default(),
                runs: 3,
                skipped_count: 0,
                failure: None,
                retry_at_ms: None,
            })),
            Event::RunForked(Box::new(RunForked {
                at_ms: 7,
                from: RunId::new(1, [4; 10]),
                kept: vec![step("a")],
                plan: digest,
                contents: BTreeMap::from([("plan".to_owned(), digest)]),
                palisade_version: "0.1.0".to_owned(),
            })),
            Event::CompensationStarted {
                status: Status::Failed,
                steps: vec![step("b-undo"), step("a-undo")],
                at_ms: 8,
                resumed: 1,
            },
            Event::HostCallRecorded(Box::new(HostCallRecorded {
                step: step("a"),
                attempt: 2,
                iteration: 0,
                within: Vec::new(),
                call: 3,
                at_ms: 9,
                what: "tools.call acme:words".to_owned(),
                request: digest,
                answer: digest,
                may_pass: true,
                artifacts: vec![digest],
                usage: Usage::default(),
                own: Some(Usage { tool_calls: 1, ..Usage::default() }),
            })),
            Event::SpendingReserved(Box::new(SpendingReserved {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 9,
                reserved: Spent { denials: 16, ..Spent::of_bytes("https://a.example", 65_536) },
            })),
            Event::AttemptSuspended(Box::new(AttemptSuspended {
                step: step("a"),
                attempt: 2,
                at_ms: 9,
                call: 4,
                request: digest,
                usage: Usage::default(),
                own: Some(Usage::default()),
                spent: Spent::default(),
            })),
            Event::FilesPut(Box::new(FilesPut {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 4,
                outcome: FilesOutcome::Put,
            })),
            Event::FilesPut(Box::new(FilesPut {
                step: step("a"),
                attempt: 1,
                iteration: 2,
                at_ms: 4,
                outcome: FilesOutcome::Refused { failure: Failure::new(FailureKind::Failed, "no") },
            })),
            Event::ItemsDone(Box::new(ItemsDone {
                step: step("a"),
                attempt: 1,
                iteration: 0,
                at_ms: 4,
                first: 7,
                items: 3,
                outputs: vec![digest],
                rest: digest,
                usage: Usage::default(),
            })),
            Event::MapExpanded(Box::new(MapExpanded {
                step: step("a"),
                at_ms: 4,
                outcome: ExpansionOutcome::Expanded { items: 3 },
            })),
            Event::MapExpanded(Box::new(MapExpanded {
                step: step("a"),
                at_ms: 4,
                outcome: ExpansionOutcome::Refused { failure: Failure::new(FailureKind::Failed, "no") },
            })),
            Event::MapEnded(Box::new(MapEnded {
                step: step("a"),
                at_ms: 4,
                outcome: MapOutcome::Joined { outputs: Vec::new() },
            })),
            Event::MapEnded(Box::new(MapEnded {
                step: step("a"),
                at_ms: 4,
                outcome: MapOutcome::Failed { failure: Failure::new(FailureKind::Failed, "no") },
            })),
        ]
    }

    #[test]
    fn every_event_survives_the_journal() {
        for event in one_of_each() {
            let bytes = event.to_bytes();
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let v = if event.kind() == "AttemptStarted" { 2 } else { 1 };
            assert_eq!((&value["kind"], &value["v"]), (&event.kind().into(), &v.into()));
            assert_eq!(Event::from_bytes(&bytes).unwrap(), event);
            // In another order, as others may write it.
            assert_eq!(Event::from_bytes(value.to_string().as_bytes()).unwrap(), event);
        }
    }

    #[test]
    fn the_form_on_disk_is_fixed() {
        let text = |event: &Event| String::from_utf8(event.to_bytes()).unwrap();
        let events = one_of_each();
        assert_eq!(text(&events[1]), r#"{"v":1,"kind":"StepScheduled","step":"a","attempt":1}"#);
        assert_eq!(
            text(&events[5]),
            r#"{"v":1,"kind":"StepSkipped","step":"c","because":{"cause":"failed","step":"b"}}"#
        );
        assert_eq!(text(&events[6]), r#"{"v":1,"kind":"CancelRequested","reason":"interrupted","at_ms":5}"#);
        assert_eq!(text(&events[7]), r#"{"v":1,"kind":"RunEnded","status":"failed","at_ms":6}"#);
        for (event, expected) in events[8..].iter().zip([
            r#"{"v":1,"kind":"StepScheduled","step":"a","attempt":1,"iteration":2}"#,
            r#"{"v":1,"kind":"ConditionEvaluated","step":"a","outcome":{"is":"false"}}"#,
            r#"{"v":1,"kind":"ConditionEvaluated","step":"a","iteration":2,"outcome":{"is":"true"}}"#,
            r#"{"v":1,"kind":"ConditionEvaluated","step":"a","outcome":{"is":"failed","failure":{"kind":"condition","message":"no"}}}"#,
            r#"{"v":1,"kind":"ValueResolved","step":"a","outcome":{"is":"resolved","values":[{"pointer":"/n","value":[1,"x"]}]}}"#,
            r#"{"v":1,"kind":"ValueResolved","step":"a","outcome":{"is":"failed","failure":{"kind":"bad_config","message":"no"}}}"#,
            r#"{"v":1,"kind":"LoopEnded","step":"a","iteration":5,"held":false}"#,
            r#"{"v":1,"kind":"StepSkipped","step":"c","because":{"cause":"condition","step":"b"}}"#,
            r#"{"v":1,"kind":"ApprovalRequested","step":"a","at_ms":5,"expires_at_ms":9}"#,
            r#"{"v":1,"kind":"ApprovalDecided","step":"a","at_ms":6,"by":"ann","outcome":{"is":"approved"}}"#,
            r#"{"v":1,"kind":"ApprovalDecided","step":"a","at_ms":9,"outcome":{"is":"rejected","failure":{"kind":"rejected","message":"no"}}}"#,
        ]) {
            assert_eq!(text(event), expected);
        }
    }

    #[test]
    fn events_from_before_there_were_loops_and_inputs_still_read() {
        let scheduled = br#"{"v":1,"kind":"StepScheduled","step":"a","attempt":1}"#;
        let expected = Event::StepScheduled { step: step("a"), attempt: 1, iteration: 0 };
        assert_eq!(Event::from_bytes(scheduled).unwrap(), expected);
        let digest = Digest::of(b"x");
        let started = format!(
            r#"{{"v":1,"kind":"RunStarted","run":"{}","at_ms":1,"title":"t","palisade_version":"0.1.0","plan":"{digest}","runbook":"{digest}","contents":{{}},"allowed":[]}}"#,
            RunId::new(1, [2; 10])
        );
        let Event::RunStarted(started) = Event::from_bytes(started.as_bytes()).unwrap() else { panic!("a start") };
        assert!(started.inputs.is_empty());
    }

    #[test]
    fn an_attempt_is_read_with_its_limits_and_written_without() {
        let digest = Digest::of(b"x");
        let rest = format!(r#""kind":"AttemptStarted","step":"a","attempt":1,"at_ms":2,"component":"{digest}""#);
        let limits = serde_json::to_string(&Limits::default()).unwrap();
        let old = format!(r#"{{"v":1,{rest},"limits":{limits}}}"#);
        let Event::AttemptStarted(mut started) = Event::from_bytes(old.as_bytes()).unwrap() else { panic!("a start") };
        assert_eq!(started.limits.take(), Some(Limits::default()));
        let written = Event::AttemptStarted(started).to_bytes();
        assert_eq!(String::from_utf8(written).unwrap(), format!(r#"{{"v":2,{rest}}}"#));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (newer, says) in [
            (r#"{"kind":"RunEnded","v":2,"how":"well"}"#, "event `RunEnded` has version 2, this Palisade knows 1"),
            (r#"{"v":2,"kind":"RunEnded","how":"well"}"#, "event `RunEnded` has version 2, this Palisade knows 1"),
            (r#"{"v":3,"kind":"AttemptStarted"}"#, "event `AttemptStarted` has version 3, this Palisade knows 2"),
            (r#"{"v":0,"kind":"AttemptStarted"}"#, "event `AttemptStarted` has version 0, this Palisade knows 2"),
        ] {
            assert_eq!(Event::from_bytes(newer.as_bytes()).unwrap_err().to_string(), says);
        }
        let wrong = b"{\"v\":1,\"kind\":\"RunEnded\",\"status\":\"failed\",\"at_ms\":6,\"other\":\"\xff\"}";
        assert!(matches!(Event::from_bytes(wrong), Err(EventError::Form(_))));
        for wrong in ["", "{}", r#"{"kind":"Other","v":1}"#, r#"{"kind":"RunEnded","v":1}"#] {
            assert!(matches!(Event::from_bytes(wrong.as_bytes()), Err(EventError::Form(_))), "{wrong}");
        }
    }
}

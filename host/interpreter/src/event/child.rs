//! What happens between a run and one that it started.

use super::{Output, is_zero};
use palisade_model::record::Status;
use palisade_model::{Digest, Failure, RunId, Spent, StepId, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a child run hangs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run that started it.
    pub run: RunId,
    /// The number of the event that says so there: its [`ChildStarted`].
    pub seq: u64,
    /// The step for which it runs.
    pub step: StepId,
    /// The run that a person started.
    pub root: RunId,
    /// Levels below the root, from 1.
    pub depth: u32,
}

/// A runbook that is there only since the run began, as an artifact, was planned for the step that runs it, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildPlanned {
    /// The step that runs it.
    pub step: StepId,
    /// The iteration of a loop that runs it first; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// The attempt of an agent that submitted it; 0 = it is the step's own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub submitted_by: u32,
    /// When.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: PlanningOutcome,
}

/// What came of planning a runbook that is an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum PlanningOutcome {
    /// It can run.
    Planned {
        /// The stored bytes of its plan. Whoever approves it approves this one.
        plan: Digest,
        /// The stored bytes of its text.
        runbook: Digest,
        /// The stored bytes of all else that it needs, by what they are.
        contents: BTreeMap<String, Digest>,
        /// Who is to say that it may run.
        approval: ChildApproval,
    },
    /// It can't, and the step fails with it; an agent that submitted it is told.
    Refused {
        /// Why.
        failure: Failure,
        /// All that is wrong with it, as diagnostics; bounded.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        diagnostics: Vec<Value>,
    },
}

/// Who says that a runbook may run which is there only since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum ChildApproval {
    /// A person who sees its plan.
    Person {
        /// Milliseconds after which the answer is no; none = it waits for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_ms: Option<u64>,
    },
    /// The runbook that calls it: it stays within what the step approves beforehand.
    Runbook,
    /// Who started the run, and said yes beforehand to whatever its steps allow.
    Caller {
        /// Who.
        by: String,
    },
}

/// A child run begins, or goes on where it stopped. It stands in the journal before the child's own first event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStarted {
    /// The step for which it runs.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop or the item of a map, from 1; 0 = the step is neither.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// The child run: the same as before where one goes on.
    pub child: RunId,
    /// The child's plan.
    pub plan: Digest,
}

/// A child run ended. One that was interrupted, or waits for a person, is resumed with its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildEnded {
    /// The step for which it ran.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop or the item of a map, from 1; 0 = the step is neither.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// The child run.
    pub child: RunId,
    /// How it ended.
    pub status: Status,
    /// Its results, each by its name in the child.
    pub outputs: Vec<Output>,
    /// What it and all below it used.
    pub usage: Usage,
    /// What it and all below it spent of what runs may do in all.
    #[serde(default, skip_serializing_if = "Spent::is_empty")]
    pub spent: Spent,
    /// How often it and all below it ran components.
    #[serde(default, skip_serializing_if = "super::none")]
    pub runs: u64,
    /// How many parts of inputs it and all below it left out.
    #[serde(default, skip_serializing_if = "super::none")]
    pub skipped_count: u64,
    /// Why the step did not get what it wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Another attempt, with a new child, is due then, in milliseconds since 1970; none = the step failed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
}

//! What stands in the journal of a run that goes on from a place in another one.

use palisade_model::{Digest, Edit, ForkedFrom, RunId, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a run was forked from another, as its first event has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The place. Its hash ties the chain of this run to that of the other.
    pub from: ForkedFrom,
    /// All that is other than in the run that was not forked from any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// From here on it is this run that goes on. What stands between its start and here are the other run's events, as they
/// were written there and under the same numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunForked {
    /// When.
    pub at_ms: u64,
    /// The other run.
    pub from: RunId,
    /// The steps whose outcome is taken over. All others are to begin anew.
    pub kept: Vec<StepId>,
    /// The plan by which all before it happened.
    pub plan: Digest,
    /// The stored bytes of all that it needed, by what they are, as in [`super::RunStarted::contents`].
    pub contents: BTreeMap<String, Digest>,
    /// The version of Palisade that worked on the other run.
    pub palisade_version: String,
}

//! An attempt that ends to go on later, with an answer that nobody has yet.

use palisade_model::{Digest, Spent, StepId, Usage};
use serde::{Deserialize, Serialize};

/// An agent submitted a runbook: its attempt ends here. Another one takes its place when it is known what came of the
/// runbook, and is given that as the answer to the same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptSuspended {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When.
    pub at_ms: u64,
    /// The number of the call that waits for its answer, from 1.
    pub call: u32,
    /// The stored bytes of what was submitted.
    pub request: Digest,
    /// What the attempt used. The one that takes its place uses it again, but for the time.
    pub usage: Usage,
    /// What it used beside what its calls did, each of which tells that itself; none = what wrote this told all of it in `usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Usage>,
    /// What it spent of what its run may do in all.
    #[serde(default, skip_serializing_if = "Spent::is_empty")]
    pub spent: Spent,
}

//! Items of a map over a component that are done, before all of them are.

use super::is_zero;
use palisade_model::{Digest, StepId, Usage};
use serde::{Deserialize, Serialize};

/// Items of a map did what was wanted, and what they left is kept: a later attempt goes on behind them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsDone {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// The number of the first of them, from 0: all before it were done before.
    pub first: u64,
    /// How many they are.
    pub items: u64,
    /// The stored bytes of what they emitted, by output port in the order of the manifest.
    pub outputs: Vec<Digest>,
    /// The stored bytes of all else that they left.
    pub rest: Digest,
    /// What they used, beside what calls did that tell it themselves.
    pub usage: Usage,
}

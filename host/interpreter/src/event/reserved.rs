//! What an attempt is about to spend of what its run may do in all.

use super::is_zero;
use palisade_model::{Spent, StepId};
use serde::{Deserialize, Serialize};

/// An attempt may spend so much, and begins to only now. It counts for the run until the end of the attempt says how
/// much it was; of one whose end nobody saw, it counts for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendingReserved {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// How much, with what it had reserved before.
    pub reserved: Spent,
}

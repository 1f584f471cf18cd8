//! A map over a child runbook: how many items it goes over, and what came of all of them. Each item's child run is told as any
//! child, with the number of the item as its iteration.

use super::Output;
use palisade_model::{Failure, StepId};
use serde::{Deserialize, Serialize};

/// The items that a map is to go over were counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapExpanded {
    /// Which step.
    pub step: StepId,
    /// When; fills the stamps of what it makes.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: ExpansionOutcome,
}

/// What came of counting the items of a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ExpansionOutcome {
    /// Each of them is to have a child run.
    Expanded {
        /// How many.
        items: u32,
    },
    /// They are too many, and the step fails with it.
    Refused {
        /// Why.
        failure: Failure,
    },
}

/// No child run of a map goes on, and what they made was joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapEnded {
    /// Which step.
    pub step: StepId,
    /// When.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: MapOutcome,
}

/// What came of a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum MapOutcome {
    /// All items did what was wanted.
    Joined {
        /// What they made, in their order, by its name in the child.
        outputs: Vec<Output>,
    },
    /// One failed, or what they made can't be joined, and the step fails with it.
    Failed {
        /// Why.
        failure: Failure,
    },
}

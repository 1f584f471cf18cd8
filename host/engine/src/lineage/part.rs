//! Which artifacts and steps of a run belong to the lineage of an artifact.

use super::Lineage;
use palisade_model::StepId;
use std::collections::BTreeSet;

/// A part of a lineage, by names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Names of artifacts.
    pub artifacts: BTreeSet<String>,
    /// Steps.
    pub steps: BTreeSet<StepId>,
}

impl Part {
    /// The part as a lineage, in the same order.
    #[must_use]
    pub fn of(&self, lineage: &Lineage) -> Lineage {
        let artifacts = lineage.artifacts.iter().filter(|artifact| self.artifacts.contains(&artifact.name));
        let steps = lineage.steps.iter().filter(|step| self.steps.contains(&step.step));
        Lineage {
            artifacts: artifacts.cloned().collect(),
            steps: steps.cloned().collect(),
            offers: lineage.offers.clone(),
            parent: lineage.parent.clone(),
        }
    }

    /// Whether nothing belongs to it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.artifacts.is_empty() && self.steps.is_empty()
    }
}

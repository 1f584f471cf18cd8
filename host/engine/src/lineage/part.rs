//! Which artifacts and steps of a run lead to an artifact, and which come from it.

use super::{Lineage, Origin};
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
        Lineage { artifacts: artifacts.cloned().collect(), steps: steps.cloned().collect() }
    }

    /// Adds another part.
    pub fn join(&mut self, other: Self) {
        self.artifacts.extend(other.artifacts);
        self.steps.extend(other.steps);
    }
}

impl Lineage {
    /// All that an artifact was made from, itself among it: the steps behind it and whatever these needed.
    #[must_use]
    pub fn up(&self, name: &str) -> Part {
        let mut part = Part::default();
        let mut todo = vec![name.to_owned()];
        while let Some(name) = todo.pop() {
            let Some(artifact) = self.artifact(&name) else { continue };
            if !part.artifacts.insert(artifact.name.clone()) {
                continue;
            }
            if let Origin::Step { step, .. } = &artifact.from
                && let Some(step) = self.step(step)
                && part.steps.insert(step.step.clone())
            {
                todo.extend(step.reads.iter().map(|read| read.artifact.clone()));
            }
        }
        part
    }

    /// All that was made from an artifact, itself among it: the steps that need it and whatever these make.
    #[must_use]
    pub fn down(&self, name: &str) -> Part {
        let mut part = Part::default();
        let mut todo = vec![name.to_owned()];
        while let Some(name) = todo.pop() {
            let Some(artifact) = self.artifact(&name) else { continue };
            if !part.artifacts.insert(artifact.name.clone()) {
                continue;
            }
            let reading = self.steps.iter().filter(|step| step.reads.iter().any(|read| read.artifact == artifact.name));
            for step in reading {
                if part.steps.insert(step.step.clone()) {
                    todo.extend(step.makes.iter().cloned());
                }
            }
        }
        part
    }
}

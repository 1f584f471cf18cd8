//! Maps over child runbooks: their items are counted, each is handed to a child run of its own, and what those made is joined.

use super::{Beside, Driver, now_ms};
use crate::feed::ItemFeed;
use crate::joined::{counted, join, mapped_input, of_items};
use crate::run::RunError;
use palisade_interpreter::{Event, MapEnded, MapExpanded, MapOutcome, Output, Turn};
use palisade_model::{Failure, SchemaRef, StepId};
use palisade_runbook::PlannedStep;
use palisade_store::{Artifact, NewArtifact};

impl Driver<'_> {
    pub(super) fn count_items(&self, step: &StepId) -> Result<Event, RunError> {
        let planned = self.planned(step)?;
        // An optional input that nobody gave has no items.
        let found = self.mapped_artifact(planned)?;
        let outcome = counted(planned, found.map_or(0, |found| found.items.lines()));
        Ok(Event::MapExpanded(Box::new(MapExpanded { step: step.clone(), at_ms: now_ms(), outcome })))
    }

    fn mapped_artifact(&self, step: &PlannedStep) -> Result<Option<Artifact>, RunError> {
        let binding =
            mapped_input(step).ok_or_else(|| RunError::Missing { what: format!("the input of {}", step.id) })?;
        self.lookup().artifact(&binding.source)
    }

    /// The artifact that the child of an item gets: that item alone, with what stands beside all of them.
    pub(super) fn item_given(&mut self, step: &PlannedStep, turn: &Turn) -> Result<NewArtifact, RunError> {
        let missing = || RunError::Missing { what: format!("item {} of step {}", turn.iteration, turn.step) };
        if !self.feeds.contains_key(&turn.step) {
            let artifact = self.mapped_artifact(step)?.ok_or_else(missing)?;
            self.feeds.insert(turn.step.clone(), ItemFeed::new(artifact));
        }
        let feed = self.feeds.get_mut(&turn.step).ok_or_else(missing)?;
        feed.artifact(turn.iteration, self.engine.store())?.ok_or_else(missing)
    }

    /// Puts together what the children of a map made, or says why there is nothing.
    pub(super) fn join_items(&mut self, step: &StepId, beside: &mut Beside) -> Result<Event, RunError> {
        self.feeds.remove(step);
        let outcome = match self.joined(step)? {
            Ok(made) => {
                let (outputs, artifacts): (Vec<_>, Vec<_>) = made.into_iter().unzip();
                beside.artifacts.extend(artifacts);
                MapOutcome::Joined { outputs }
            }
            Err(failure) => MapOutcome::Failed { failure },
        };
        Ok(Event::MapEnded(Box::new(MapEnded { step: step.clone(), at_ms: now_ms(), outcome })))
    }

    fn joined(&self, step: &StepId) -> Result<Result<Vec<(Output, NewArtifact)>, Failure>, RunError> {
        let plan = self.filled_plan()?;
        let planned = plan.step(step).ok_or_else(|| RunError::Missing { what: format!("step {step}") })?;
        let of_items = of_items(&self.events, step);
        // What a runbook makes that is an artifact, only that may know.
        let made = if planned.plans_later() { Some(self.made_plan(step)?.schemas) } else { None };
        let schema = |name: &SchemaRef| {
            self.work.schemas.get(name).or_else(|| made.as_ref().and_then(|made| made.get(name))).cloned()
        };
        join(&self.lookup(), planned, &of_items, &schema)
    }
}

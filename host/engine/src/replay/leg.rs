//! By what a run went on, from its start or a fork up to the next fork.

use super::again::Again;
use super::{ReplayError, stored};
use crate::engine::Engine;
use crate::filled::{fill_in, made_children, read_plan, schemas_in};
use crate::fork::Past;
use crate::history::History;
use crate::run::Work;
use palisade_interpreter::Event;
use palisade_model::llm::LlmMode;
use palisade_model::{Digest, StepId};
use palisade_runbook::{Plan, PlannedStep};
use palisade_schema::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A part of a run that went on by one plan.
pub(crate) struct Leg {
    pub(crate) past: Past,
    pub(crate) plan: Plan,
    schemas: Registry,
    /// Artifacts whose bytes are known to be those that were stored.
    pub(crate) sound: BTreeSet<Digest>,
}

impl Leg {
    /// All parts of a run, in order. The engine learns of their components.
    ///
    /// # Errors
    /// When what the run stored is not there, or not what its plans name.
    pub(crate) fn all(engine: &mut Engine, history: &History) -> Result<Vec<Self>, ReplayError> {
        let is_fork = |event: &Event| matches!(event, Event::RunForked(_));
        let forks = history.events().iter().zip(1..).filter(|(event, _)| is_fork(event)).map(|(_, count)| count);
        let begins = std::iter::once(0).chain(forks.clone());
        // A fork ends a part, and is not of it.
        let ends = forks.map(|count| count - 1).chain([history.events().len()]);
        let mut legs = Vec::new();
        for (begin, end) in begins.zip(ends) {
            let past = history.past(begin)?;
            let (run, events) = (history.start()?.run, history.events().get(..end).unwrap_or_default());
            let mut plan = read_plan(engine.store(), run, past.plan)?;
            fill_in(&mut plan, events, engine.store(), run)?;
            let mut contents = past.contents.clone();
            contents.extend(made_children(events).into_iter().flat_map(|made| made.contents.clone()));
            let schemas = schemas_in(engine.store(), run, &contents)?;
            let sound = stored::contents(engine.store(), &contents, &plan)?;
            stored::components(engine, &plan)?;
            legs.push(Self { past, plan, schemas, sound });
        }
        Ok(legs)
    }

    pub(crate) fn work(&self) -> Work<'_> {
        Work {
            plan: &self.plan,
            schemas: &self.schemas,
            folder: Path::new(""),
            reuse: false,
            estimate: None,
            planning: None,
            gate: None,
            llm: LlmMode::Off,
        }
    }

    pub(crate) fn steps(&self) -> BTreeMap<&StepId, &PlannedStep> {
        self.plan.all_steps().map(|step| (&step.id, step)).collect()
    }

    /// The Palisade that worked on it counts work as this one does.
    pub(crate) fn is_of_this_version(&self) -> bool {
        self.past.palisade_version == env!("CARGO_PKG_VERSION")
    }
}

impl<'a> Again<'a> {
    /// Makes what comes by another plan.
    pub(crate) fn go_on_by(&mut self, leg: &'a Leg) {
        self.work = leg.work();
        self.plan_digest = leg.past.plan;
        self.sound.extend(&leg.sound);
    }
}

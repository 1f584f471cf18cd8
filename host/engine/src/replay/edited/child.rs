//! The children of a run that is replayed by another plan: each goes along the child that the record has in its place.

use super::{OF_ITS_TYPE, Old, Replay, not_comparable};
use crate::driver::graph;
use crate::engine::Engine;
use crate::feed::ItemFeed;
use crate::filled::{made_children, read_plan, schemas_in};
use crate::handover;
use crate::history::History;
use crate::joined::{counted, join, mapped_input, of_items};
use crate::lookup::{digest_of, digests};
use crate::replay::again::Again;
use crate::replay::difference::{Difference, Within};
use crate::replay::{Attempts, ReplayError, stored};
use crate::run::Work;
use palisade_interpreter::{
    ChildEnded, ChildPlanned, Event, Machine, MapEnded, MapExpanded, MapOutcome, Output, PlanningOutcome, RunState,
    StepState, Turn,
};
use palisade_model::record::Status;
use palisade_model::{Failure, FailureKind, RunId, SchemaRef, Spent, StepId, Usage};
use palisade_runbook::{Plan, PlannedChild, PlannedChildRunbook, PlannedStep};
use palisade_schema::Registry;
use palisade_store::{Artifact, Store};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// Takes in the components of plans that were made while a run and those below it went on.
    pub(super) fn take_in_made(&mut self, history: &History) -> Result<(), ReplayError> {
        let run = history.start()?.run;
        for made in made_children(history.events()) {
            let plan = read_plan(self.store(), run, made.plan)?;
            stored::components(self, &plan)?;
        }
        for child in history.children().collect::<BTreeSet<_>>() {
            if self.store().run(child)?.is_some() {
                let history = History::read(self.store(), child)?;
                self.take_in_made(&history)?;
            }
        }
        Ok(())
    }
}

/// Whether a plan, or one of a file below it, runs what is planned only once it is there.
pub(super) fn plans_later(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        step.plans_later()
            || match step.child().map(|child| &child.runbook) {
                Some(PlannedChildRunbook::File { plan, .. }) => plans_later(plan),
                _ => false,
            }
    })
}

impl Replay<'_> {
    /// Goes along a child to its end, or to where it makes something else.
    pub(super) fn child(
        &mut self,
        turn: Turn,
        step: &PlannedStep,
        child: &PlannedChild,
    ) -> Result<Result<Event, Difference>, ReplayError> {
        let made;
        let (plan, schemas) = match &child.runbook {
            PlannedChildRunbook::File { plan, .. } => (&**plan, self.again.work.schemas),
            PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => {
                made = self.made_plan(&turn.step)?;
                (&made.0, &made.1)
            }
        };
        let mut replay = self.of_child(&turn, step, plan, schemas)?;
        let difference = replay.go().map_err(|error| within_child(&turn.step, error))?;
        let outputs = handover::results(plan, &replay.lookup())?;
        let status = replay.machine.state().run().over().unwrap_or(Status::Waiting);
        let (new, gone) = replay.unmatched();
        let Replay { attempts, mut made, .. } = replay;
        self.attempts.add(attempts);
        let name = |name: String| format!("{}/{name}", turn.step);
        self.new.extend(new.into_iter().map(name));
        self.gone.extend(gone.into_iter().map(name));
        if let Some(difference) = difference {
            return Ok(Err(difference.in_child_of(&turn)));
        }
        self.made.extend(outputs.iter().filter_map(|output| made.remove_entry(&output.artifact)));
        Ok(Ok(ended(turn, child, status, outputs, self.again.run)))
    }

    /// A child, before it begins.
    fn of_child<'c>(
        &'c mut self,
        turn: &Turn,
        step: &PlannedStep,
        plan: &'c Plan,
        schemas: &'c Registry,
    ) -> Result<Replay<'c>, ReplayError> {
        let store = self.again.engine.store();
        let given = match mapped_input(step) {
            Some(binding) => BTreeMap::from([(binding.port.clone(), self.item(step, turn)?)]),
            None => handover::bound(&self.lookup(), step, turn.iteration)?,
        };
        let mut made = self.rulesets.clone();
        made.extend(given.values().map(|given| (given.digest, given.clone())));
        let (inputs, defaults) = handover::inputs(plan, schemas, given, store)?;
        made.extend(defaults.iter().map(|new| (new.digest(), new.unstored())));
        let old = self.old.as_ref().map(|old| old.child(store, turn)).transpose()?.flatten();
        // What is random follows from the plan as it was recorded, so that what differs comes from what was edited.
        let (run, plan_digest) = match &old {
            Some(old) => (old.history.start()?.run, old.history.start()?.plan),
            None => (self.again.run, plan.digest()),
        };
        let Again { engine, observer, cancel, work, .. } = self.again;
        let work = Work { plan, schemas, ..work };
        Ok(Replay {
            again: Again { engine, observer, cancel, work, run, plan_digest, sound: BTreeSet::new() },
            machine: Machine::at(graph(plan)?, self.began.clone()),
            old,
            inputs: digests(&inputs),
            made,
            attempts: Attempts::default(),
            began: self.began.clone(),
            rulesets: self.rulesets.clone(),
            feeds: BTreeMap::new(),
            events: Vec::new(),
            new: BTreeSet::new(),
            gone: BTreeSet::new(),
        })
    }

    /// The item of a map that a child gets.
    fn item(&mut self, step: &PlannedStep, turn: &Turn) -> Result<Artifact, ReplayError> {
        let missing = || not_comparable(&step.id, "it has no such item");
        if !self.feeds.contains_key(&step.id) {
            let binding = mapped_input(step).ok_or_else(missing)?;
            let artifact = self.lookup().artifact(&binding.source)?.ok_or_else(missing)?;
            self.feeds.insert(step.id.clone(), ItemFeed::new(artifact));
        }
        let feed = self.feeds.get_mut(&step.id).ok_or_else(missing)?;
        let item = feed.artifact(turn.iteration, self.again.engine.store())?.ok_or_else(missing)?;
        Ok(item.unstored())
    }

    /// Counts the items of a map over a child.
    pub(super) fn count(&self, step: &StepId) -> Result<Event, ReplayError> {
        let planned = self.planned(step)?;
        let binding = mapped_input(planned).ok_or_else(|| not_comparable(step, OF_ITS_TYPE))?;
        let found = self.lookup().artifact(&binding.source)?;
        let outcome = counted(planned, found.map_or(0, |found| found.items.lines()));
        Ok(Event::MapExpanded(Box::new(MapExpanded { step: step.clone(), at_ms: 0, outcome })))
    }

    /// Joins what the children of a map made.
    pub(super) fn join(&mut self, step: &StepId) -> Result<Event, ReplayError> {
        self.feeds.remove(step);
        let planned = self.planned(step)?;
        let made = if planned.plans_later() { Some(self.made_plan(step)?.1) } else { None };
        let schemas = self.again.work.schemas;
        let schema =
            |name: &SchemaRef| schemas.get(name).or_else(|| made.as_ref().and_then(|made| made.get(name))).cloned();
        let outcome = match join(&self.lookup(), planned, &of_items(&self.events, step), &schema)? {
            Ok(joined) => {
                self.made.extend(joined.iter().map(|(_, new)| (new.digest(), new.unstored())));
                MapOutcome::Joined { outputs: joined.into_iter().map(|(output, _)| output).collect() }
            }
            Err(failure) => MapOutcome::Failed { failure },
        };
        Ok(Event::MapEnded(Box::new(MapEnded { step: step.clone(), at_ms: 0, outcome })))
    }

    /// How a runbook that is an artifact was planned when it was recorded, if it is the same one here: an edited one would
    /// have to be planned and allowed by somebody.
    pub(super) fn planned_then(&self, step: &StepId) -> Result<Event, ReplayError> {
        let wrong = |why: &str| not_comparable(step, why);
        let source = |plan: &Plan| match &plan.step(step)?.child()?.runbook {
            PlannedChildRunbook::Artifact { source, .. } => Some(source.clone()),
            PlannedChildRunbook::File { .. } | PlannedChildRunbook::Agent { .. } => None,
        };
        let new = source(self.again.work.plan).ok_or_else(|| wrong(OF_ITS_TYPE))?;
        let old = self.old.as_ref().and_then(|old| digest_of(&source(&old.plan)?, &old.state, &old.inputs));
        if old.is_none() || old != digest_of(&new, self.machine.state(), &self.inputs) {
            return Err(wrong(
                "the runbook that it runs is another artifact than was recorded, which nobody has planned",
            ));
        }
        self.recorded_plan(step).map(|planned| Event::ChildPlanned(Box::new(planned.clone())))
    }

    fn recorded_plan(&self, step: &StepId) -> Result<&ChildPlanned, ReplayError> {
        let events = self.old.as_ref().map_or(&[][..], |old| old.history.events());
        let planned = events.iter().rev().find_map(|event| match event {
            Event::ChildPlanned(planned) if planned.step == *step && planned.submitted_by == 0 => Some(&**planned),
            _ => None,
        });
        planned.ok_or_else(|| not_comparable(step, "the record has no plan of the runbook that it runs"))
    }

    /// The plan of a runbook that is an artifact, and its schemas, as they were made when it was recorded.
    fn made_plan(&self, step: &StepId) -> Result<(Plan, Registry), ReplayError> {
        match &self.recorded_plan(step)?.outcome {
            PlanningOutcome::Planned { plan, contents, .. } => {
                let store = self.again.engine.store();
                Ok((read_plan(store, self.again.run, *plan)?, schemas_in(store, self.again.run, contents)?))
            }
            PlanningOutcome::Refused { .. } => Err(not_comparable(step, "the runbook that it runs was refused")),
        }
    }

    /// The next answer of a person that the record has and a step waits for.
    pub(super) fn decided(&self) -> Option<Event> {
        let events = self.old.as_ref()?.history.events();
        let state = self.machine.state();
        let waits = |step: &StepId| matches!(state.step(step), Some(StepState::Awaiting { attempt: 0, .. }));
        let decided = events.iter().rev().find(|event| match event {
            Event::ApprovalDecided { step, submitted_by, .. } => waits(step) && state.waits_for(step) == *submitted_by,
            _ => false,
        });
        decided.cloned()
    }

    /// Lets the run go on where it ended to wait for an answer that has come.
    pub(super) fn taken_up(&self) -> Option<Event> {
        let state = self.machine.state();
        (state.run() == RunState::Ended(Status::Waiting)).then(|| Event::RunResumed {
            resumed: state.resumed().saturating_add(1),
            at_ms: 0,
            palisade_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

impl Old {
    /// The child run that was recorded for a step, or for an item or iteration of it. None if there is none.
    fn child(&self, store: &Store, turn: &Turn) -> Result<Option<Self>, ReplayError> {
        let Some(run) = self.children.get(&(turn.step.clone(), turn.iteration)) else { return Ok(None) };
        if store.run(*run)?.is_none() {
            let why = format!("its child run {run} is not in the store any more");
            return Err(not_comparable(&turn.step, &why));
        }
        Self::read(store, *run).map(Some)
    }
}

fn within_child(step: &StepId, error: ReplayError) -> ReplayError {
    match error {
        ReplayError::NotComparable { step: inner, why } => {
            let inner = inner.map_or_else(String::new, |inner| format!(", step `{inner}`"));
            not_comparable(step, &format!("in its child{inner}: {why}"))
        }
        error => error,
    }
}

/// How a child ended, for the step that ran it.
fn ended(turn: Turn, child: &PlannedChild, status: Status, outputs: Vec<Output>, run: RunId) -> Event {
    let missing = child.outputs.iter().find(|wanted| !outputs.iter().any(|made| made.port == wanted.output));
    let why = match (status, missing) {
        (Status::Succeeded, None) | (Status::Waiting, _) => None,
        (Status::Succeeded, Some(missing)) => Some(format!("its child made no `{}`", missing.output)),
        _ => Some("its child failed".to_owned()),
    };
    let failure = why.map(|why| Failure::new(FailureKind::Failed, why));
    let Turn { step, attempt, iteration } = turn;
    Event::ChildEnded(Box::new(ChildEnded {
        step,
        attempt,
        iteration,
        at_ms: 0,
        child: run,
        status,
        outputs,
        usage: Usage::default(),
        spent: Spent::default(),
        runs: 0,
        skipped_count: 0,
        failure,
        retry_at_ms: None,
    }))
}

impl Difference {
    /// The same, seen from the run above.
    fn in_child_of(mut self, turn: &Turn) -> Self {
        self.within.insert(0, Within { step: turn.step.clone(), iteration: turn.iteration });
        self
    }
}

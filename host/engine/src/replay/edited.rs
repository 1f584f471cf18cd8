//! A recorded run against another plan: what would it have made? Sources are fed from the record, pure steps run by the
//! new plan, and what they make is compared by the names of artifacts, in its children too.

mod child;

use super::again::{Again, Redo, Redone};
use super::difference::{Difference, Differs, first};
use super::{Attempts, ReplayError, Replayed, stored};
use crate::attempt::{AttemptInput, Ended, Made};
use crate::cancel::Cancel;
use crate::driver::graph;
use crate::engine::Engine;
use crate::feed::ItemFeed;
use crate::history::History;
use crate::keep::Kept;
use crate::lookup::{Lookup, digest_of, digests};
use crate::observe::Observer;
use crate::run::Work;
use palisade_interpreter::{AttemptFailed, AttemptSucceeded, Event, Machine, Output, Question, State, StepState, Turn};
use palisade_model::llm::LlmMode;
use palisade_model::{Digest, RunId, Spent, StepId, canonical};
use palisade_runbook::{Plan, PlannedCall, PlannedStep, PlannedWork, Ruleset};
use palisade_schema::Registry;
use palisade_store::{Artifact, Store};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

/// Why a step can't be compared that neither runs a component nor a child.
const OF_ITS_TYPE: &str = "a step of its type can't be replayed";

/// A plan that is not the one of the run, with what it was made with.
#[derive(Debug, Clone, Copy)]
pub struct Edited<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The schemas that it was made with.
    pub schemas: &'a Registry,
    /// Its rulesets, by their names in it.
    pub rulesets: &'a BTreeMap<String, Arc<Ruleset>>,
}

impl Engine {
    /// Replays a run by another plan, up to its end or the first step that makes something else.
    ///
    /// # Errors
    /// When the plan asks for what the record does not have, what the run stored was changed or is gone, or this host can't
    /// do its part.
    pub fn replay_edited(
        &mut self,
        run: RunId,
        edited: &Edited<'_>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Replayed, ReplayError> {
        let history = History::read(self.store(), run)?;
        let old = Old::read(self.store(), run)?;
        let started = history.start()?;
        let sound = stored::contents(self.store(), &history.contents()?, &old.plan)?;
        stored::components(self, edited.plan)?;
        if child::plans_later(edited.plan) {
            self.take_in_made(&history)?;
        }
        for input in edited.plan.inputs.iter().filter(|input| !input.optional) {
            let given = started.inputs.iter().find(|given| given.name == input.name);
            if given.is_none_or(|given| given.schema != input.schema) {
                let why =
                    format!("it needs the input `{}` as {}, which the run was not given", input.name, input.schema);
                return Err(ReplayError::NotComparable { step: None, why });
            }
        }
        let work = Work {
            plan: edited.plan,
            schemas: edited.schemas,
            folder: Path::new(""),
            reuse: false,
            estimate: None,
            planning: None,
            gate: None,
            llm: LlmMode::Off,
        };
        // The seeds are those of the run, so that what differs comes from what was edited.
        let again = Again { engine: self, observer, cancel, work, run, plan_digest: started.plan, sound };
        let (rulesets, began) = (again.rulesets(edited.rulesets)?, history.state_after(1));
        let mut replay = Replay {
            made: rulesets.clone(),
            rulesets,
            again,
            machine: Machine::at(graph(edited.plan)?, began.clone()),
            began,
            old: Some(old),
            inputs: digests(&started.inputs),
            attempts: Attempts::default(),
            feeds: BTreeMap::new(),
            events: Vec::new(),
            new: BTreeSet::new(),
            gone: BTreeSet::new(),
        };
        let span = tracing::info_span!("replay", %run, runbook = edited.plan.name);
        let _entered = span.enter();
        let difference = replay.go()?;
        let (new, gone) = replay.unmatched();
        let (name, attempts) = (edited.plan.name.clone(), replay.attempts);
        let edited = started.is_edited();
        Ok(Replayed { name, events: history.events().len() as u64, attempts, difference, new, gone, edited })
    }
}

/// What was recorded.
struct Old {
    history: History,
    plan: Plan,
    /// How it ended.
    state: State,
    /// Its inputs, by their names without case.
    inputs: BTreeMap<String, Digest>,
    /// The latest child of each step, iteration and item.
    children: BTreeMap<(StepId, u32), RunId>,
}

impl Old {
    fn read(store: &Store, run: RunId) -> Result<Self, ReplayError> {
        let history = History::read(store, run)?;
        let children = history.events().iter().filter_map(|event| match event {
            Event::ChildStarted(started) => Some(((started.step.clone(), started.iteration), started.child)),
            _ => None,
        });
        Ok(Self {
            children: children.collect(),
            plan: history.plan(store)?,
            state: history.state_after(history.events().len()),
            inputs: digests(&history.start()?.inputs),
            history,
        })
    }
}

struct Replay<'a> {
    again: Again<'a>,
    machine: Machine,
    /// None where nothing was recorded: a child that there was not.
    old: Option<Old>,
    inputs: BTreeMap<String, Digest>,
    /// What was made here, none of which is in the store.
    made: BTreeMap<Digest, Artifact>,
    /// The rulesets of the plan, and of those below it.
    rulesets: BTreeMap<Digest, Artifact>,
    attempts: Attempts,
    /// How every run begins.
    began: State,
    /// The items of maps over children.
    feeds: BTreeMap<StepId, ItemFeed>,
    /// What maps over children came to.
    events: Vec<Event>,
    /// Artifacts that only one of both plans has, below this run.
    new: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl<'a> Replay<'a> {
    fn go(&mut self) -> Result<Option<Difference>, ReplayError> {
        let mut waiting: VecDeque<Turn> = self.advance()?.into();
        loop {
            while let Some(turn) = waiting.pop_front() {
                if self.again.cancel.is_cancelled() {
                    return Err(ReplayError::Cancelled);
                }
                match self.attempt(turn)? {
                    Ok(event) => self.apply(event),
                    Err(difference) => return Ok(Some(difference)),
                }
                waiting.extend(self.advance()?);
                if let Some(difference) = self.compare(false)? {
                    return Ok(Some(difference));
                }
            }
            // What people answered is taken from the record.
            let Some(decided) = self.decided() else { return self.compare(true) };
            let taken_up = self.taken_up();
            self.apply(decided);
            taken_up.into_iter().for_each(|event| self.apply(event));
            waiting.extend(self.advance()?);
        }
    }

    fn apply(&mut self, event: Event) {
        self.machine.apply(&event);
        if matches!(event, Event::MapExpanded(_) | Event::ChildEnded(_)) {
            self.events.push(event);
        }
    }

    /// Takes in what follows, and gives the attempts that are to be made.
    fn advance(&mut self) -> Result<Vec<Turn>, ReplayError> {
        let mut start = Vec::new();
        loop {
            let next = self.machine.advance(0);
            start.extend(next.start);
            if next.answer.is_empty() {
                return Ok(start);
            }
            for question in &next.answer {
                let event = self.answer(question)?;
                self.apply(event);
            }
        }
    }

    fn answer(&mut self, question: &Question) -> Result<Event, ReplayError> {
        match question {
            Question::Condition { step, iteration } => {
                let outcome = self.lookup().condition(self.planned(step)?, *iteration)?;
                Ok(Event::ConditionEvaluated { step: step.clone(), iteration: *iteration, outcome })
            }
            Question::Values { step } => {
                let call = self.call(self.planned(step)?)?;
                let schema = &self.again.entry(call)?.manifest.config_schema;
                Ok(Event::ValueResolved { step: step.clone(), outcome: self.lookup().values(call, schema)? })
            }
            // Nothing that is made again here writes.
            Question::Files { turn } => Err(not_comparable(&turn.step, "it writes files")),
            Question::Items { step } => self.count(step),
            Question::Joined { step } => self.join(step),
            Question::Child { step, submitted_by: 0, .. } => self.planned_then(step),
            Question::Child { step, .. } | Question::Submitted { step } => {
                Err(not_comparable(step, "its agent submits runbooks"))
            }
        }
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            store: self.again.engine.store(),
            schemas: self.again.work.schemas,
            plan: self.again.work.plan,
            state: self.machine.state(),
            inputs: &self.inputs,
            made: Some(&self.made),
        }
    }

    fn planned(&self, step: &StepId) -> Result<&'a PlannedStep, ReplayError> {
        let planned = self.again.work.plan.step(step);
        planned.ok_or_else(|| not_comparable(step, "it is not in the plan"))
    }

    fn call(&self, step: &'a PlannedStep) -> Result<&'a PlannedCall, ReplayError> {
        step.call().ok_or_else(|| not_comparable(&step.id, OF_ITS_TYPE))
    }

    /// Makes an attempt, or takes what was recorded of it.
    fn attempt(&mut self, turn: Turn) -> Result<Result<Event, Difference>, ReplayError> {
        let step = self.planned(&turn.step)?;
        if let Some(child) = step.child() {
            return self.child(turn, step, child);
        }
        self.attempt_of(turn, step).map(Ok)
    }

    fn attempt_of(&mut self, turn: Turn, step: &'a PlannedStep) -> Result<Event, ReplayError> {
        let call = self.call(step)?;
        let inputs = self.lookup().inputs(step, turn.iteration)?;
        if !self.again.is_pure(call)? {
            self.attempts.fed += 1;
            let outputs = self.fed(step, call, &inputs)?;
            return Ok(succeeded(turn, outputs, None));
        }
        self.attempts.replayed += 1;
        let values = self.machine.state().values(&turn.step).unwrap_or_default().to_vec();
        let redo = Redo {
            turn: turn.clone(),
            step,
            call,
            inputs,
            values,
            calls: Vec::new(),
            known_fuel: 0,
            same_version: false,
        };
        let mut ended = match self.again.run(redo)? {
            Redone::Ended(ended) => *ended,
            Redone::Departed(how) => return Err(not_comparable(&step.id, &how)),
        };
        match std::mem::replace(&mut ended.result, Ok(Vec::new())) {
            Ok(made) => {
                let (outputs, artifacts): (Vec<_>, Vec<_>) = made.into_iter().map(Made::into_artifact).unzip();
                self.made.extend(artifacts.iter().map(|new| (new.digest(), new.unstored())));
                Ok(succeeded(turn, outputs, Some(ended)))
            }
            Err(failure) => {
                let Ended { usage, skipped_count, skipped, log, .. } = ended;
                let Turn { step, iteration, attempt } = turn;
                let (at_ms, retryable, retry_at_ms) = (0, false, None);
                Ok(Event::AttemptFailed(Box::new(AttemptFailed {
                    step,
                    attempt,
                    iteration,
                    at_ms,
                    failure,
                    retryable,
                    retry_at_ms,
                    usage,
                    own: None,
                    spent: Spent::default(),
                    skipped_count,
                    skipped,
                    log,
                })))
            }
        }
    }

    /// What a step made when it was recorded, that reads from outside: if it would ask for the same today.
    fn fed(&self, step: &PlannedStep, call: &PlannedCall, inputs: &[AttemptInput]) -> Result<Vec<Output>, ReplayError> {
        let wrong = |why: &str| not_comparable(&step.id, why);
        let unrecorded = || wrong("it reads from outside, and was not recorded");
        let recorded = self.old.as_ref().ok_or_else(unrecorded)?;
        let old = recorded.plan.step(&step.id).ok_or_else(unrecorded)?;
        let old_call = old.call().filter(|old_call| {
            old_call.component_digest == call.component_digest
                && old_call.config == call.config
                && recorded.state.values(&step.id) == self.machine.state().values(&step.id)
                && match (&old.work, &step.work) {
                    (PlannedWork::Component { .. }, PlannedWork::Component { .. }) => true,
                    // As they are stored: without the plans of what the agent submitted.
                    (PlannedWork::Agent { .. }, PlannedWork::Agent { .. }) => {
                        canonical::to_vec(&old.work) == canonical::to_vec(&step.work)
                    }
                    _ => false,
                }
        });
        if old_call.is_none() {
            return Err(wrong("it reads from outside, and its component or config is another one than was recorded"));
        }
        let read = |state: &State, step: &PlannedStep, inputs| -> Vec<Option<Digest>> {
            step.inputs.iter().map(|binding| digest_of(&binding.source, state, inputs)).collect()
        };
        let (then, now) =
            (read(&recorded.state, old, &recorded.inputs), read(self.machine.state(), step, &self.inputs));
        if !inputs.is_empty() && then != now {
            return Err(wrong("it reads from outside, and is given something else than was recorded"));
        }
        let outputs = recorded.state.outputs(&step.id);
        let outputs = outputs.ok_or_else(|| wrong("it reads from outside, and made nothing when it was recorded"))?;
        for output in outputs {
            let what = || format!("output `{}` of step `{}`", output.port, step.id);
            stored::verify(&stored::artifact(self.again.engine.store(), output.artifact, &what)?, &what)?;
        }
        Ok(outputs.to_vec())
    }

    /// The first artifact that is another one than was recorded under its name; before the end, only of steps that made
    /// theirs.
    fn compare(&self, at_the_end: bool) -> Result<Option<Difference>, ReplayError> {
        let Some(old) = &self.old else { return Ok(None) };
        let (recorded, old_state) = (named(&old.plan), &old.state);
        for step in &self.again.work.plan.steps {
            let state = self.machine.state().step(&step.id);
            if !at_the_end && !matches!(state, Some(StepState::Succeeded { .. })) {
                continue;
            }
            for output in &step.outputs {
                let old = output.artifact.as_ref().and_then(|name| recorded.get(&name.key()));
                let Some(&(old_step, old_port)) = old else { continue };
                let old = made(old_state, old_step, old_port);
                let new = made(self.machine.state(), &step.id, &output.port);
                if let Some(differs) = self.differ(&output.port, old, new, state)? {
                    return Ok(Some(Difference::of_step(&step.id, differs)));
                }
            }
        }
        Ok(None)
    }

    fn differ(
        &self,
        port: &str,
        old: Option<&Output>,
        new: Option<&Output>,
        state: Option<&StepState>,
    ) -> Result<Option<Differs>, ReplayError> {
        Ok(match (old, new) {
            (None, None) => None,
            (Some(old), Some(new)) if old.artifact == new.artifact => None,
            (Some(old), Some(new)) => {
                let what = || format!("output `{port}`");
                let recorded = stored::artifact(self.again.engine.store(), old.artifact, &what)?;
                stored::verify(&recorded, &what)?;
                match self.made.get(&new.artifact) {
                    Some(made) => Some(first(port, &recorded, made)?),
                    None => Some(first(
                        port,
                        &recorded,
                        &stored::artifact(self.again.engine.store(), new.artifact, &what)?,
                    )?),
                }
            }
            (Some(_), None) => {
                let how = crate::tree::state_name(state);
                Some(Differs::of_port(
                    port,
                    format!("it was made when it was recorded, and is not now: the step is {how}"),
                ))
            }
            (None, Some(_)) => Some(Differs::of_port(port, "it was not made when it was recorded, and is now")),
        })
    }

    /// The names of artifacts that only the edited plan has, and those that only the recorded one has; of a child that was
    /// not recorded none, since its step is new.
    fn unmatched(&self) -> (Vec<String>, Vec<String>) {
        let Some(old) = &self.old else { return (Vec::new(), Vec::new()) };
        let (old, new) = (named(&old.plan), named(self.again.work.plan));
        let only = |these: &BTreeMap<String, _>, those: &BTreeMap<String, _>, below: &BTreeSet<String>| {
            let own = these.keys().filter(|name| !those.contains_key(*name));
            own.chain(below).cloned().collect()
        };
        (only(&new, &old, &self.new), only(&old, &new, &self.gone))
    }
}

/// The named artifacts of a plan: by name without case, the step and the port.
fn named(plan: &Plan) -> BTreeMap<String, (&StepId, &str)> {
    let all = plan.steps.iter().flat_map(|step| step.outputs.iter().map(move |output| (step, output)));
    all.filter_map(|(step, output)| Some((output.artifact.as_ref()?.key(), (&step.id, output.port.as_str())))).collect()
}

fn made<'s>(state: &'s State, step: &StepId, port: &str) -> Option<&'s Output> {
    state.outputs(step)?.iter().find(|output| output.port == port)
}

fn not_comparable(step: &StepId, why: &str) -> ReplayError {
    ReplayError::NotComparable { step: Some(step.clone()), why: why.to_owned() }
}

fn succeeded(turn: Turn, outputs: Vec<Output>, ended: Option<Ended>) -> Event {
    let Turn { step, iteration, attempt } = turn;
    let (usage, skipped_count, skipped, log) =
        ended.map(|ended| (ended.usage, ended.skipped_count, ended.skipped, ended.log)).unwrap_or_default();
    Event::AttemptSucceeded(Box::new(AttemptSucceeded {
        step,
        attempt,
        iteration,
        at_ms: 0,
        outputs,
        usage,
        own: None,
        spent: Spent::default(),
        skipped_count,
        skipped,
        log,
        reuse: None,
        // What it wrote was put in its place when it was recorded; a replay writes nothing.
        files: Vec::new(),
    }))
}

impl Again<'_> {
    /// The rulesets of a plan that no run has stored yet, put on the disk for as long as the replay takes.
    fn rulesets(&self, rulesets: &BTreeMap<String, Arc<Ruleset>>) -> Result<BTreeMap<Digest, Artifact>, ReplayError> {
        let mut kept = Kept::new(self.engine.store())?;
        for (name, ruleset) in rulesets {
            kept.ruleset(name, ruleset)?;
        }
        Ok(kept.artifacts.iter().map(|new| (new.digest(), new.unstored())).collect())
    }
}

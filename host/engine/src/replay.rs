//! A run again from its record, to see whether the same comes out. Reads the store alone: no input file, no socket.
//!
//! The interpreter goes along the journal and must command what was recorded; conditions and values are looked up again;
//! pure attempts run again over the recorded artifacts. What came from outside is fed from the record, its bytes checked.
//! Nothing is written but spools, which are dropped.

mod again;
mod course;
mod difference;
mod edited;
mod forked;
mod leg;
mod stored;

pub(crate) use again::is_repeatable;
pub use difference::{Difference, Place, Within};
pub use edited::Edited;

use crate::calls::known_answers;
use crate::cancel::Cancel;
use crate::done::{count, known};
use crate::driver::{component_runs, graph};
use crate::engine::{Engine, NotTaken};
use crate::history::{History, HistoryError};
use crate::joined::{counted, join, mapped_input, of_items};
use crate::lookup::Lookup;
use crate::observe::Observer;
use crate::run::RunError;
use again::{Again, Redo};
use course::{Course, Role};
use difference::{Differs, first, value};
use leg::Leg;
use palisade_interpreter::{
    AttemptFailed, AttemptStarted, AttemptSucceeded, ConditionOutcome, Event, GraphError, HostCallRecorded, MapEnded,
    MapExpanded, MapOutcome, Question, Turn, ValuesOutcome,
};
use palisade_model::limits::LimitKind;
use palisade_model::{Digest, Failure, FailureKind, RunId, StepId};
use palisade_runbook::{Plan, PlannedStep, PlannedWork};
use palisade_store::Fault;
use serde::Serialize;
use std::collections::BTreeMap;

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The runbook's name.
    pub name: String,
    /// Events that were gone along, the one with the difference included; by an edited plan, all of the record.
    pub events: u64,
    /// What became of the attempts.
    pub attempts: Attempts,
    /// The first difference; none = the same came out.
    pub difference: Option<Difference>,
    /// Artifacts that only an edited plan has, by their names without case.
    pub new: Vec<String>,
    /// Artifacts that only the recorded plan has.
    pub gone: Vec<String>,
    /// It was forked from another run, and something of it was edited.
    pub edited: bool,
}

/// What became of the recorded attempts in a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Attempts {
    /// They ran again.
    pub replayed: u64,
    /// What they made was taken from the record: it depends on what was outside.
    pub fed: u64,
    /// They failed for a cause that does not come again, which was taken as it is recorded.
    pub as_recorded: u64,
}

impl Attempts {
    fn add(&mut self, other: Self) {
        let Self { replayed, fed, as_recorded } = other;
        self.replayed += replayed;
        self.fed += fed;
        self.as_recorded += as_recorded;
    }
}

/// Why a run can't be replayed. A difference is none of it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its journal, plan or schemas can't be believed or read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The store can't be read.
    #[error("the store can't be read")]
    Store(#[from] Fault),
    /// Something that it stored or made was changed since.
    #[error("{what} is not what was recorded")]
    Damaged {
        /// What.
        what: String,
        /// How it is seen.
        #[source]
        source: Fault,
    },
    /// Something that it stored or made is gone.
    #[error("{what} is not in the store any more: {digest}")]
    Missing {
        /// What.
        what: String,
        /// Its digest.
        digest: Digest,
    },
    /// Somebody had something of it erased.
    #[error("{what} was erased at {at}")]
    Erased {
        /// What.
        what: String,
        /// When, RFC 3339 in UTC.
        at: String,
    },
    /// What it stored does not belong to its plan.
    #[error("the {what} that the run stored is not the one that its plan names")]
    Another {
        /// What.
        what: String,
    },
    /// A component that it ran is not for this Palisade.
    #[error("{component} can't be run by this Palisade")]
    Component {
        /// Which.
        component: String,
        /// Why.
        #[source]
        source: Box<NotTaken>,
    },
    /// Its plan is no graph that can run.
    #[error("the plan is no graph that can run")]
    Graph(#[from] GraphError),
    /// Something that its plan names can't be looked up.
    #[error(transparent)]
    Lookup(#[from] RunError),
    /// This host could not do its part, or took too long: nothing can be said about the attempt.
    #[error("{} could not be run again: {}", step.as_ref().map_or_else(|| "a component".to_owned(), |step| format!("step `{step}`")), failure.message)]
    Unable {
        /// The step, where it is one.
        step: Option<StepId>,
        /// Why.
        failure: Box<Failure>,
    },
    /// Another plan than the recorded one asks for what the record does not have.
    #[error("it is not comparable: {}{why}", step.as_ref().map_or_else(String::new, |step| format!("step `{step}`: ")))]
    NotComparable {
        /// The step, where it is one.
        step: Option<StepId>,
        /// Why.
        why: String,
    },
    /// Somebody ended it.
    #[error("the replay was interrupted")]
    Cancelled,
}

impl ReplayError {
    /// Says whether what is stored is not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::History(error) => error.is_damage(),
            Self::Store(fault) | Self::Lookup(RunError::Store(fault)) => fault.is_damage(),
            Self::Damaged { .. } | Self::Missing { .. } | Self::Another { .. } => true,
            Self::Lookup(error) => matches!(error, RunError::Missing { .. }),
            Self::Erased { .. }
            | Self::Component { .. }
            | Self::Graph(_)
            | Self::Unable { .. }
            | Self::NotComparable { .. }
            | Self::Cancelled => false,
        }
    }
}

impl Engine {
    /// Takes the components of a plan into the catalogue that the installation does not have any more, from what a run
    /// stored when it started.
    ///
    /// # Errors
    /// When one is not in the store, or can't be run by this Palisade.
    pub fn take_in_missing(&mut self, plan: &Plan) -> Result<(), ReplayError> {
        stored::components(self, plan)
    }

    /// Replays a run, up to its last event or the first difference. The engine learns of components that the run stored
    /// and the installation does not have.
    ///
    /// # Errors
    /// When what it stored was changed or is gone, or this host can't do its part.
    pub fn replay(&mut self, run: RunId, observer: &dyn Observer, cancel: &Cancel) -> Result<Replayed, ReplayError> {
        let history = History::read(self.store(), run)?;
        let legs = Leg::all(self, &history)?;
        let Some((first, later)) = legs.split_first() else { return Err(HistoryError::NoStart { run }.into()) };
        let again = Again {
            engine: self,
            observer,
            cancel,
            work: first.work(),
            run,
            plan_digest: first.past.plan,
            sound: first.sound.clone(),
        };
        let replay = Replay {
            course: Course::new(graph(&first.plan)?),
            steps: first.steps(),
            inputs: first.past.inputs(),
            again,
            attempts: Attempts::default(),
            same_version: first.is_of_this_version(),
            later: later.iter(),
        };
        let span = tracing::info_span!("replay", %run, runbook = first.plan.name);
        let _entered = span.enter();
        replay.go(&history)
    }
}

struct Replay<'a> {
    again: Again<'a>,
    course: Course,
    /// The plan's steps by their ids.
    steps: BTreeMap<&'a StepId, &'a PlannedStep>,
    /// The inputs of the run, by their names without case.
    inputs: BTreeMap<String, Digest>,
    attempts: Attempts,
    same_version: bool,
    /// By what it goes on behind each fork.
    later: std::slice::Iter<'a, Leg>,
}

impl<'a> Replay<'a> {
    fn go(mut self, history: &History) -> Result<Replayed, ReplayError> {
        let started = history.start()?;
        let store = self.again.engine.store();
        let mut difference = match &started.fork {
            Some(fork) => forked::compare(store, self.again.run, fork)?,
            None => None,
        };
        let mut passed = difference.as_ref().and_then(|difference| difference.event).unwrap_or(0);
        for (index, event) in history.events().iter().enumerate() {
            if difference.is_some() {
                break;
            }
            if self.again.cancel.is_cancelled() {
                return Err(ReplayError::Cancelled);
            }
            passed = index as u64 + 1;
            let past = history.events().get(..index).unwrap_or_default();
            if let Some(differs) = self.take(event, past)? {
                difference = Some(Difference::at(passed, event, differs));
            }
        }
        let name = self.again.work.plan.name.clone();
        let (new, gone) = (Vec::new(), Vec::new());
        let edited = started.is_edited();
        Ok(Replayed { name, events: passed, attempts: self.attempts, difference, new, gone, edited })
    }

    /// Goes along one event; gives where it differs.
    fn take(&mut self, event: &Event, past: &[Event]) -> Result<Option<Differs>, ReplayError> {
        let role = match self.course.place(event) {
            Ok(role) => role,
            Err(message) => return Ok(Some(Differs::new(message))),
        };
        let differs = match (&role, event) {
            (Role::Answer(question), _) => self.answer(question, event, past)?,
            (Role::Fact, Event::RunResumed { palisade_version, .. }) => {
                self.same_version = palisade_version == env!("CARGO_PKG_VERSION");
                None
            }
            (Role::Fact, Event::RunForked(_)) => {
                let Some(leg) = self.later.next() else {
                    return Err(HistoryError::NoStart { run: self.again.run }.into());
                };
                self.again.go_on_by(leg);
                self.steps = leg.steps();
                self.inputs = leg.past.inputs();
                self.same_version = leg.is_of_this_version();
                self.course.fork(graph(&leg.plan)?, event, past);
                return Ok(None);
            }
            (Role::Fact, Event::AttemptStarted(started)) => self.begun(started, past)?,
            (Role::Fact, Event::AttemptSucceeded(ended)) => self.succeeded(ended, past)?,
            (Role::Fact, Event::AttemptFailed(ended)) => self.failed(ended, past)?,
            _ => None,
        };
        if differs.is_none() {
            self.course.pass(event, &role, past);
        }
        Ok(differs)
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            store: self.again.engine.store(),
            schemas: self.again.work.schemas,
            plan: self.again.work.plan,
            state: self.course.state(),
            inputs: &self.inputs,
            made: None,
        }
    }

    /// Answers again what the journal has an answer to.
    fn answer(&self, question: &Question, recorded: &Event, past: &[Event]) -> Result<Option<Differs>, ReplayError> {
        match (question, recorded) {
            (Question::Condition { step, iteration }, Event::ConditionEvaluated { outcome, .. }) => {
                let Some(planned) = self.steps.get(step) else { return Ok(None) };
                let found = self.lookup().condition(planned, *iteration)?;
                let (old, new) = (answered(outcome), answered(&found));
                Ok((old != new).then(|| Differs::new(format!("its condition {old} when it was recorded, and {new}"))))
            }
            (Question::Values { step }, Event::ValueResolved { outcome, .. }) => {
                let call = self.steps.get(step).and_then(|step| step.call());
                let entry = call.and_then(|call| self.again.engine.catalogue().get(&call.component_digest));
                let Some((call, entry)) = call.zip(entry) else { return Ok(None) };
                let found = self.lookup().values(call, &entry.manifest.config_schema)?;
                Ok(values_differ(outcome, &found))
            }
            (Question::Items { step }, Event::MapExpanded(expanded)) => self.items(step, expanded),
            (Question::Joined { step }, Event::MapEnded(ended)) => self.joined(step, ended, past),
            _ => Ok(None),
        }
    }

    /// Counts the items of a map again.
    fn items(&self, step: &StepId, recorded: &MapExpanded) -> Result<Option<Differs>, ReplayError> {
        let planned = self.steps.get(step).and_then(|step| Some((*step, mapped_input(step)?)));
        let Some((planned, binding)) = planned else { return Ok(None) };
        let found = self.lookup().artifact(&binding.source)?;
        let found = counted(planned, found.map_or(0, |found| found.items.lines()));
        Ok((found != recorded.outcome)
            .then(|| Differs::new("it is recorded with another number of items than its input has")))
    }

    /// Joins again what the children of a map made.
    fn joined(&self, step: &StepId, recorded: &MapEnded, past: &[Event]) -> Result<Option<Differs>, ReplayError> {
        let Some(planned) = self.steps.get(step) else { return Ok(None) };
        let (store, work) = (self.again.engine.store(), &self.again.work);
        let found = join(&self.lookup(), planned, &of_items(past, step), &|name| work.schemas.get(name).cloned())?;
        let (outputs, made) = match (&recorded.outcome, found) {
            (MapOutcome::Joined { outputs }, Ok(made)) => (outputs, made),
            (MapOutcome::Failed { failure: old }, Err(new)) if old.kind == new.kind && old.at == new.at => {
                return Ok(None);
            }
            _ => return Ok(Some(Differs::new("it was recorded with another end than its items had"))),
        };
        for output in outputs {
            let what = || format!("output `{}` of step `{step}`", output.port);
            let artifact = stored::artifact(store, output.artifact, &what)?;
            stored::verify(&artifact, &what)?;
            match made.iter().find(|(made, _)| made.port == output.port) {
                Some((again, _)) if again == output => {}
                Some((_, again)) => return Ok(Some(first(&output.port, &artifact, &again.unstored())?)),
                None => return Ok(Some(Differs::of_port(&output.port, "no item made any"))),
            }
        }
        let more = made.iter().find(|(made, _)| !outputs.iter().any(|output| output.port == made.port));
        Ok(more.map(|(made, _)| Differs::of_port(&made.port, "its items made some, and none is recorded")))
    }

    /// Compares the start of an attempt with what the plan says.
    fn begun(&self, started: &AttemptStarted, past: &[Event]) -> Result<Option<Differs>, ReplayError> {
        let Some(step) = self.steps.get(&started.step) else { return Ok(None) };
        let Some(call) = step.call() else { return Ok(None) };
        // Only those of a map depend on what it reads.
        let inputs = match &step.work {
            PlannedWork::Map { .. } => self.lookup().inputs(step, started.iteration)?,
            _ => Vec::new(),
        };
        let turn = Turn { step: started.step.clone(), iteration: started.iteration, attempt: started.attempt };
        let done = count(&known(past, &turn));
        let runs = component_runs(step, &inputs, done);
        let differs = [
            ("another component than its plan", started.component != call.component_digest),
            ("other limits than its plan", started.limits.as_ref().is_some_and(|limits| *limits != call.limits)),
            ("another number of runs of its component than follows from its input", started.runs != runs),
        ];
        let first = differs.into_iter().find(|(_, differs)| *differs);
        Ok(first.map(|(what, _)| Differs::new(format!("the attempt is recorded with {what}"))))
    }

    fn succeeded(&mut self, ended: &AttemptSucceeded, past: &[Event]) -> Result<Option<Differs>, ReplayError> {
        let turn = Turn { step: ended.step.clone(), iteration: ended.iteration, attempt: ended.attempt };
        if let Some(differs) = self.again.outputs(ended)? {
            return Ok(Some(differs));
        }
        let Some(redo) = self.redo(turn, past)? else {
            self.attempts.fed += 1;
            return Ok(None);
        };
        self.attempts.replayed += 1;
        self.again.succeeded(redo, ended)
    }

    fn failed(&mut self, ended: &AttemptFailed, past: &[Event]) -> Result<Option<Differs>, ReplayError> {
        let turn = Turn { step: ended.step.clone(), iteration: ended.iteration, attempt: ended.attempt };
        let kind = &ended.failure.kind;
        // Compilers differ in how much fuel the same work takes.
        let counts =
            |redo: &Redo<'_>| !matches!(kind, FailureKind::Limit { limit: LimitKind::Fuel, .. }) || redo.counts_alike();
        let redo = if is_repeatable(kind) && self.course.is_running(&turn) { self.redo(turn, past)? } else { None };
        let Some(redo) = redo.filter(counts) else {
            self.attempts.as_recorded += 1;
            return Ok(None);
        };
        self.attempts.replayed += 1;
        self.again.failed(redo, ended)
    }

    /// What is needed to run an attempt again; none if what comes of it depends on more than that.
    fn redo(&self, turn: Turn, past: &[Event]) -> Result<Option<Redo<'a>>, ReplayError> {
        let step = self.steps.get(&turn.step).copied();
        let Some((step, call)) = step.and_then(|step| Some((step, step.call()?))) else { return Ok(None) };
        if !self.again.is_repeatable(call)? {
            return Ok(None);
        }
        let calls = if step.asks() { calls_of(step, &turn, past) } else { Vec::new() };
        let inputs = self.lookup().inputs(step, turn.iteration)?;
        let values = self.course.state().values(&turn.step).unwrap_or_default().to_vec();
        let known_fuel = known(past, &turn).iter().map(|done| done.usage.fuel).fold(0, u64::saturating_add);
        Ok(Some(Redo { turn, step, call, inputs, values, calls, known_fuel, same_version: self.same_version }))
    }
}

/// What an attempt was answered: what those before it were, as far as it was given that, and what it asked itself.
fn calls_of(step: &PlannedStep, turn: &Turn, past: &[Event]) -> Vec<HostCallRecorded> {
    let of_turn = past.iter().filter_map(|event| match event {
        Event::HostCallRecorded(call) if call.step == turn.step && call.iteration == turn.iteration => Some(&**call),
        _ => None,
    });
    let (before, own): (Vec<_>, Vec<_>) = of_turn.partition(|call| call.attempt < turn.attempt);
    known_answers(step, before.into_iter()).into_iter().chain(own).cloned().collect()
}

fn answered(outcome: &ConditionOutcome) -> &'static str {
    match outcome {
        ConditionOutcome::True => "held",
        ConditionOutcome::False => "did not hold",
        ConditionOutcome::Failed { .. } => "had no answer",
    }
}

fn values_differ(recorded: &ValuesOutcome, found: &ValuesOutcome) -> Option<Differs> {
    let (old, new) = match (recorded, found) {
        (ValuesOutcome::Resolved { values: old }, ValuesOutcome::Resolved { values: new }) => (old, new),
        (ValuesOutcome::Failed { failure: old }, ValuesOutcome::Failed { failure: new }) if old.kind == new.kind => {
            return None;
        }
        _ => return Some(Differs::new("its config could be filled in only one of both times")),
    };
    let parted = old.iter().zip(new).find_map(|(old, new)| {
        if old.pointer != new.pointer {
            return Some(Differs::new("other places of its config are filled in"));
        }
        let (below, message) = value(&old.value, &new.value)?;
        Some(Differs::of_config(&format!("{}{below}", old.pointer), message))
    });
    parted.or_else(|| (old.len() != new.len()).then(|| Differs::new("other places of its config are filled in")))
}

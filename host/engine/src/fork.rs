//! Where one run is left for another, and what that takes over: told from the journal and the two plans. Writes nothing.

use crate::history::{Events, History, HistoryError};
use crate::named::INPUT;
use palisade_interpreter::{Compensation, Event, RunInput, State, StepState};
use palisade_model::{ArtifactName, Digest, Edit, ForkedFrom, RunId, StepId};
use palisade_runbook::{BindingSource, Plan, PlannedCall, PlannedStep, PlannedWork};
use palisade_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// A run up to the first start of a step.
#[derive(Debug)]
pub struct ForkPoint {
    /// Where it is.
    pub from: ForkedFrom,
    /// How the run stood there.
    pub state: State,
    /// By what it went on until there.
    pub past: Past,
    /// The events up to there, with their bytes. The first one tells of that run alone.
    pub(crate) shared: Vec<(Event, Vec<u8>)>,
    /// The steps by which that run undid what it had done, or is to.
    undone: BTreeSet<StepId>,
}

/// By what a run, or a part of it, went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The plan.
    pub plan: Digest,
    /// All that it needed, by what it is.
    pub contents: BTreeMap<String, Digest>,
    /// The version of Palisade.
    pub palisade_version: String,
}

/// What a run takes over of another.
#[derive(Debug)]
pub struct Forking<'a> {
    /// Where the other run is left.
    pub point: &'a ForkPoint,
    /// The steps whose outcome is taken over.
    pub kept: Vec<StepId>,
    /// The inputs that it was given and this one has too.
    pub inputs: Vec<RunInput>,
    /// What was made other.
    pub edits: Vec<Edit>,
}

/// Why there is no place at which a run could be left.
#[derive(Debug, thiserror::Error)]
pub enum ForkPointError {
    /// Its journal can't be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The step was never started.
    #[error("step `{step}` never started: it is {stands}")]
    NeverStarted {
        /// Which.
        step: StepId,
        /// How it stands.
        stands: &'static str,
    },
}

/// A step that ran before, and would be another one by the new plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otherwise {
    /// Which.
    pub step: StepId,
    /// What of it is other.
    pub what: &'static str,
}

/// A plan with what was given, by name without case.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The plan, as it was made before the run began.
    pub plan: &'a Plan,
    /// The digests of the inputs.
    pub inputs: &'a BTreeMap<String, Digest>,
}

impl Past {
    /// The inputs, by their names without case.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<String, Digest> {
        let input = |(what, digest): (&String, &Digest)| {
            let name: ArtifactName = what.strip_prefix(INPUT)?.parse().ok()?;
            Some((name.key(), *digest))
        };
        self.contents.iter().filter_map(input).collect()
    }
}

impl ForkPoint {
    /// Looks for the first start of a step: that of an attempt, a child or a question to a person, or its failure before
    /// it could start.
    ///
    /// # Errors
    /// When the journal can't be read, or the step never started.
    pub fn read(store: &Store, run: RunId, step: &StepId) -> Result<Self, ForkPointError> {
        let history = History::read(store, run)?;
        let all = history.events();
        let Some(count) = all.iter().position(|event| starts(event, step)) else {
            let state = history.state_after(all.len());
            let stands = crate::tree::state_name(state.step(step));
            return Err(ForkPointError::NeverStarted { step: step.clone(), stands });
        };
        Self::behind(store, &history, step, count)
    }

    /// The place where a run was held and left before that step: behind all that happened until it was interrupted.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn here(store: &Store, run: RunId, step: &StepId) -> Result<Self, ForkPointError> {
        let history = History::read(store, run)?;
        let interrupted = |event: &Event| matches!(event, Event::CancelRequested { .. });
        let all = history.events();
        let count = all.iter().rposition(interrupted).unwrap_or(all.len());
        Self::behind(store, &history, step, count)
    }

    fn behind(store: &Store, history: &History, step: &StepId, count: usize) -> Result<Self, ForkPointError> {
        let run = history.start()?.run;
        let past = history.past(count)?;
        let (mut events, mut shared, mut hash) = (Events::of(store, run), Vec::with_capacity(count), None);
        while shared.len() < count {
            // It was read to its end just now, and nobody takes an event away.
            let Some(recorded) = events.read_next()? else { return Err(HistoryError::NoStart { run }.into()) };
            hash = Some(recorded.hash);
            shared.push((recorded.event, recorded.bytes));
        }
        let hash = hash.ok_or(HistoryError::NoStart { run })?;
        let from = ForkedFrom { run_id: run, event: count as u64, hash, step: step.clone() };
        let last = history.state_after(history.events().len());
        let undone = last.compensation().map_or(&[][..], Compensation::steps).iter().cloned().collect();
        Ok(Self { from, state: history.state_after(count), past, shared, undone })
    }

    /// The steps whose outcome a run by another plan takes over: all that had ended. Where plan or inputs are other, or
    /// whoever answers is to be asked `anew` for each run, no answer of a person is taken over, no runbook that a step made or was given, and nothing that came behind one.
    ///
    /// # Errors
    /// The first step in the new plan that had ended and would be another one.
    pub fn taken_over(&self, old: Side<'_>, new: Side<'_>, anew: bool) -> Result<Vec<StepId>, Otherwise> {
        let edited = anew || old.inputs != new.inputs || self.past.plan != new.plan.digest();
        let (mut asked_anew, mut kept) = (BTreeSet::new(), Vec::new());
        for step in &new.plan.steps {
            if edited && (asks_a_person(step) || step.waits_for().any(|other| asked_anew.contains(other))) {
                asked_anew.insert(&step.id);
                continue;
            }
            let ended = self.state.step(&step.id).is_some_and(StepState::can_be_kept);
            let Some(before) = old.plan.step(&step.id).filter(|_| ended) else { continue };
            let given = |side: Side<'_>, name: &ArtifactName| side.inputs.get(&name.key()).copied();
            let mut reads = step.needs().filter_map(|source| match source {
                BindingSource::Input { name } => Some(name),
                BindingSource::Step { .. } | BindingSource::Ruleset { .. } => None,
            });
            let undone = before.compensate.as_ref().is_some_and(|undo| self.undone.contains(&undo.id));
            let what =
                undone.then_some("its effect, which that run undid,").or_else(|| differs(before, step)).or_else(|| {
                    reads
                        .any(|name| given(old, name) != given(new, name))
                        .then_some("an input of the run that it reads")
                });
            if let Some(what) = what {
                return Err(Otherwise { step: step.id.clone(), what });
            }
            kept.push(step.id.clone());
        }
        Ok(kept)
    }
}

/// Whether a person may have been asked before what comes of a step: for an approval, or for a runbook that is an artifact.
#[must_use]
pub fn asks_a_person(step: &PlannedStep) -> bool {
    matches!(step.work, PlannedWork::Approval { .. }) || step.plans_later()
}

/// Whether a step begins with it, or ends before it could.
fn starts(event: &Event, step: &StepId) -> bool {
    let begins = matches!(
        event,
        Event::AttemptStarted(_) | Event::ChildStarted(_) | Event::MapExpanded(_) | Event::ApprovalRequested { .. }
    );
    event.step() == Some(step) && (begins || event.failure().is_some())
}

/// What is other of a step, if it could have come to something else. Limits, titles, retries and what it may reach do not
/// count for what has ended.
fn differs(old: &PlannedStep, new: &PlannedStep) -> Option<&'static str> {
    let ports = |step: &PlannedStep| -> Vec<_> {
        step.outputs.iter().map(|output| (output.port.clone(), output.schema.clone())).collect()
    };
    // Of what is said elsewhere it is compared there.
    let what = match (old.call(), new.call()) {
        (Some(old), Some(new)) => call_differs(old, new),
        (None, None) => None,
        _ => Some("what it runs"),
    };
    what.or_else(|| (old.child() != new.child()).then_some("its child runbook"))
        .or_else(|| work_differs(&old.work, &new.work))
        .or_else(|| (old.inputs != new.inputs).then_some("what it reads"))
        .or_else(|| (old.when != new.when).then_some("its condition"))
        .or_else(|| (old.after != new.after).then_some("what it comes after"))
        .or_else(|| (ports(old) != ports(new)).then_some("what it makes"))
}

fn call_differs(old: &PlannedCall, new: &PlannedCall) -> Option<&'static str> {
    let of_component = (old.component_digest != new.component_digest).then_some("its component");
    let of_config = || (old.config != new.config || old.values != new.values).then_some("its config");
    of_component.or_else(of_config)
}

fn work_differs(old: &PlannedWork, new: &PlannedWork) -> Option<&'static str> {
    use PlannedWork::{Agent, Approval, Child, Component, Loop, Map, Reuse};
    let same = match (old, new) {
        (Component { .. }, Component { .. }) => true,
        (Map { max_items: old, .. }, Map { max_items: new, .. }) => old == new,
        (
            Loop { until: old, max_iterations: old_most, port: old_port, .. },
            Loop { until: new, max_iterations: new_most, port: new_port, .. },
        ) => (old, old_most, old_port) == (new, new_most, new_port),
        (Child { .. }, Child { .. }) => true,
        (Approval { .. }, Approval { .. }) | (Agent { .. }, Agent { .. }) | (Reuse { .. }, Reuse { .. }) => old == new,
        _ => false,
    };
    (!same).then_some("what it does")
}

/// The inputs of a run, of which some are those of another and some are new, in the order of the plan.
pub(crate) fn in_order(plan: &Plan, mut inputs: Vec<RunInput>) -> Vec<RunInput> {
    inputs.sort_by_key(|input| plan.inputs.iter().position(|planned| planned.name == input.name));
    inputs
}

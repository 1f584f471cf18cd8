//! Child runs: each has a journal and a driver of its own, on a thread of its parent, and no more than its parent has.

use super::begin::ChildBegin;
use super::planned::MadePlan;
use super::{Beside, Crew, Driver, Outcome, now_ms, random};
use crate::attempt;
use crate::cancel::Cancel;
use crate::handover;
use crate::joined::mapped_input;
use crate::observe::{Below, Observed};
use crate::perform::work_key;
use crate::record::Ran;
use crate::run::{RunError, Work};
use crate::submitting::SubmittedRunbook;
use palisade_interpreter::{ChildEnded, ChildStarted, Event, Output, Parent, Turn};
use palisade_model::record::{RunRecord, Status};
use palisade_model::{Failure, FailureKind, RunId, RunLimits, Spent, StepId, neutral};
use palisade_runbook::{Plan, PlannedChild, PlannedChildRunbook};
use palisade_schema::Registry;
use palisade_store::NewArtifact;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A child run that has ended, or stopped until its parent is resumed.
pub(super) struct ChildDone {
    pub(super) status: Status,
    /// Why its step does not get what it wants.
    pub(super) failure: Option<Failure>,
    /// Its results, each by its name in the child.
    pub(super) outputs: Vec<Output>,
    /// What is told of it; none if it could not even start.
    pub(super) record: Option<RunRecord>,
    /// How often it and all below it ran components.
    pub(super) runs: u64,
    /// What it and all below it spent of what runs may do in all.
    pub(super) spent: Spent,
}

/// By what a child runs.
enum By<'a> {
    /// A plan that is a part of its parent's.
    File(&'a Plan),
    /// One that was made since.
    Artifact(Box<MadePlan>),
}

impl By<'_> {
    fn plan(&self) -> &Plan {
        match self {
            Self::File(plan) => plan,
            Self::Artifact(made) => &made.plan,
        }
    }

    /// Its own limits and those that its step sets; the plan of an artifact holds both.
    fn limits(&self, child: &PlannedChild) -> RunLimits {
        match self {
            Self::File(_) => child.limits.clone(),
            Self::Artifact(made) => made.plan.limits.clone(),
        }
    }

    /// The schemas that its plan was made with, where they are not its parent's.
    fn schemas(&self) -> Option<&Registry> {
        match self {
            Self::File(_) => None,
            Self::Artifact(made) => Some(&made.schemas),
        }
    }
}

/// A child run that is to begin, or to go on, as soon as that is written down.
pub(super) struct ReadyChild<'a, 's> {
    turn: Turn,
    child: &'a PlannedChild,
    by: By<'a>,
    begin: ChildBegin,
    /// What it is given that is not in the store yet.
    artifacts: Vec<NewArtifact>,
    /// What ends it.
    stop: &'s Cancel,
}

impl ChildDone {
    fn refused(failure: Failure) -> Self {
        let (outputs, spent) = (Vec::new(), Spent::default());
        Self { status: Status::Failed, failure: Some(failure), outputs, record: None, runs: 0, spent }
    }
}

impl<'a> Driver<'a> {
    /// Makes a child ready to start, or to go on if it has not ended. Gives why not, where a limit is in the way.
    pub(super) fn ready_child<'s>(
        &mut self,
        crew: &Crew<'s, '_>,
        turn: &Turn,
        child: &'a PlannedChild,
    ) -> Result<Result<ReadyChild<'a, 's>, (RunId, ChildDone)>, RunError>
    where
        'a: 's,
    {
        let step = self.planned(&turn.step)?;
        let run = match self.machine.state().child(&turn.step, turn.iteration) {
            Some(run) => run,
            None => RunId::new(now_ms(), random().map_err(RunError::Random)?),
        };
        if let Err(failure) = self.place.subtree.may_go_deeper() {
            return Ok(Err((run, ChildDone::refused(failure))));
        }
        let by = match &child.runbook {
            PlannedChildRunbook::File { plan, .. } => By::File(plan),
            PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => {
                // The plan that was made of it, and what an agent gives it, are read from the store.
                self.settle()?;
                By::Artifact(Box::new(self.made_plan(&turn.step)?))
            }
        };
        let plan_digest = by.plan().digest();
        let pin = self.engine.store().pin()?;
        let mut work_key = work_key(&self.place.work_key, turn);
        let mut made = None;
        let given = if let Some(binding) = mapped_input(step) {
            let item = made.insert(self.item_given(step, turn)?);
            BTreeMap::from([(binding.port.clone(), item.unstored())])
        } else if self.has_submitted(&turn.step) {
            let (call, request) = self.submission(&turn.step)?;
            let _ = write!(work_key, "/{call}");
            let read = SubmittedRunbook::read(&request);
            let missing = || RunError::Missing { what: format!("what step {} submitted", turn.step) };
            self.artifacts_given(&read.ok_or_else(missing)?.inputs)?
        } else {
            handover::bound(&self.lookup(), step, turn.iteration)?
        };
        let schemas = by.schemas().unwrap_or(self.work.schemas);
        let (inputs, mut artifacts) = handover::inputs(by.plan(), schemas, given, self.engine.store())?;
        artifacts.extend(made);
        let begin = ChildBegin {
            run,
            plan_digest,
            parent: Parent {
                run: self.run,
                // Known once it is written.
                seq: 0,
                step: turn.step.clone(),
                root: self.place.parent.as_ref().map_or(self.run, |parent| parent.root),
                depth: self.place.subtree.depth().saturating_add(1),
            },
            limits: by.limits(child),
            above: self.place.subtree.clone(),
            work_key,
            way: self.way(turn),
            inputs,
            allowed: self.allowed.clone(),
            by: self.by.clone(),
            approved_by: self.approved_by.clone(),
            folder: self.root.clone(),
            pin,
        };
        let stop = crew.stop.of_child(self.machine.state(), &turn.step);
        Ok(Ok(ReadyChild { turn: turn.clone(), child, by, begin, artifacts, stop }))
    }

    /// Starts children, once all of them are written down: together, so that many cost one commit.
    pub(super) fn start_children<'s>(
        &mut self,
        crew: &Crew<'s, '_>,
        mut ready: Vec<ReadyChild<'a, 's>>,
    ) -> Result<(), RunError>
    where
        'a: 's,
    {
        let at_ms = now_ms();
        let started = |ready: &ReadyChild<'_, '_>| {
            let Turn { step, attempt, iteration } = ready.turn.clone();
            let (child, plan) = (ready.begin.run, ready.begin.plan_digest);
            Event::ChildStarted(Box::new(ChildStarted { step, attempt, iteration, at_ms, child, plan }))
        };
        let events: Vec<_> = ready.iter().map(started).collect();
        let artifacts = ready.iter_mut().flat_map(|ready| std::mem::take(&mut ready.artifacts)).collect();
        let before = self.events.len() as u64;
        self.append(events, Beside { artifacts, ..Beside::default() })?;
        for (ready, seq) in ready.into_iter().zip(before + 1..) {
            self.start_child(crew, ready, seq);
        }
        Ok(())
    }

    /// Starts a child that is written down, as the event of that number.
    fn start_child<'s>(&self, crew: &Crew<'s, '_>, ready: ReadyChild<'a, 's>, seq: u64)
    where
        'a: 's,
    {
        let ReadyChild { turn, child, by, mut begin, stop, artifacts: _ } = ready;
        begin.parent.seq = seq;
        let (engine, observer, work) = (self.engine, self.observer, self.work);
        let (report, run) = (crew.report.clone(), begin.run);
        let wanted: Vec<&str> = child.outputs.iter().map(|output| output.output.as_str()).collect();
        crew.run(move || {
            let below = Below { observer, step: &turn.step };
            let drive = || {
                let (plan, schemas) = (by.plan(), by.schemas().unwrap_or(work.schemas));
                let work = Work { plan, schemas, estimate: None, ..work };
                below.observer.observe(&Observed::ChildStarted { step: &turn.step, run, title: &plan.name });
                Driver::child(engine, begin, work, &below)?.into_child_done(stop, &wanted).map(Box::new)
            };
            let failed = || Failure::new(FailureKind::Host, "Palisade itself failed");
            let panicked = || Ok(Box::new(ChildDone::refused(failed())));
            // The driver above may have given up; then nobody wants to know.
            let tell = |done| drop(report.send(Outcome::Child { turn: turn.clone(), child: run, done }));
            attempt::reported(drive, panicked, tell);
        });
    }

    fn into_child_done(mut self, cancel: &Cancel, wanted: &[&str]) -> Result<ChildDone, RunError> {
        self.drive_to_end(cancel)?;
        let plan = self.filled_plan()?;
        let outputs = handover::results(&plan, &self.lookup())?;
        let Ran { record, .. } = self.record()?;
        let failure = why_not(&record, &outputs, wanted);
        Ok(ChildDone {
            status: record.status,
            failure,
            outputs,
            record: Some(record),
            runs: self.machine.state().component_runs(),
            spent: self.machine.state().account().spent().clone(),
        })
    }

    /// Whether a step is a map over a child runbook.
    pub(super) fn is_over_child(&self, step: &StepId) -> bool {
        self.steps.get(step).is_some_and(|step| step.maps_child())
    }

    /// Takes what came of a child.
    pub(super) fn take_child(&mut self, turn: Turn, child: RunId, done: ChildDone) -> Result<Vec<Turn>, RunError> {
        let ChildDone { status, failure, outputs, record, runs, spent } = done;
        let at_ms = now_ms();
        let failure = failure.map(|failure| self.out_of_time(failure));
        let retry_at_ms = match &failure {
            // Whoever submitted it says whether there is another one.
            Some(failure) if !self.has_submitted(&turn.step) => self.retry_at(&turn, failure, at_ms)?,
            _ => None,
        };
        let usage = record.as_ref().map(|record| record.usage).unwrap_or_default();
        let skipped_count = record.iter().flat_map(|record| &record.steps).map(|step| step.skipped_count).sum();
        let Turn { step, iteration, attempt } = turn;
        let event = Event::ChildEnded(Box::new(ChildEnded {
            step,
            attempt,
            iteration,
            at_ms,
            child,
            status,
            outputs,
            usage,
            spent,
            runs,
            skipped_count,
            failure,
            retry_at_ms,
        }));
        self.advance(vec![event], Beside::default())
    }
}

/// Why a step does not get what it wants of its child; none as long as the child may still make it.
fn why_not(record: &RunRecord, outputs: &[Output], wanted: &[&str]) -> Option<Failure> {
    let child = || format!("the child run {} (`{}`)", record.run_id, neutral::line(&record.runbook.name, 80));
    match record.status {
        Status::Waiting | Status::Interrupted => None,
        Status::Succeeded => {
            let missing = wanted.iter().find(|wanted| !outputs.iter().any(|made| made.port == **wanted))?;
            let missing = neutral::line(missing, 80);
            let message = format!("{} made no `{missing}`, which its parent takes", child());
            Some(Failure::new(FailureKind::Failed, message).with_help("a condition of the child may have left it out"))
        }
        Status::Cancelled => Some(Failure::new(FailureKind::Cancelled, format!("{} was cancelled", child()))),
        Status::Failed | Status::Skipped => {
            let failed = record.steps.iter().find_map(|step| Some((&step.id, step.failure.as_ref()?)));
            let Some((step, failure)) = failed else {
                return Some(Failure::new(FailureKind::Failed, format!("{} failed", child())));
            };
            let message = format!("{} failed: step `{step}`: {}", child(), failure.message);
            Some(Failure { help: failure.help.clone(), ..Failure::new(failure.kind.clone(), message) })
        }
    }
}

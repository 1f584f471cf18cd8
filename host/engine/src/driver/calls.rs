//! Writes down what components ask of the host and what they are answered, before they see the answer.

use super::{Beside, Driver, Outcome, now_ms};
use crate::calls::{CallLog, NewCall, NotAllowed, known_answers};
use crate::done::{DoneLog, NewDone};
use crate::gate::{AtItem, ItemGate};
use crate::keep::Kept;
use crate::planning::Refusal;
use crate::run::RunError;
use crate::spending::Reserving;
use palisade_audit::{Entry, What};
use palisade_interpreter::{Event, HostCallRecorded, SpendingReserved, StepState, Turn};
use palisade_llm::Caller;
use palisade_model::llm::Bound;
use palisade_model::{Digest, Spent, StepId};
use palisade_runbook::{PlannedCall, PlannedStep};
use palisade_sandbox::ports::PortError;
use palisade_store::NewEntry;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};

/// Hands the calls of an attempt, and what it reserves, to the thread that writes the journal.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    turn: Turn,
    report: Sender<Outcome>,
}

impl Recorder {
    pub(super) fn new(turn: &Turn, report: Sender<Outcome>) -> Self {
        Self { turn: turn.clone(), report }
    }
}

impl CallLog for Recorder {
    fn record(&self, call: NewCall) -> Result<(), PortError> {
        let (tell, durable) = sync_channel(1);
        // The driver may have given up.
        let outcome = Outcome::Call { turn: self.turn.clone(), call: Box::new(call), tell };
        self.report.send(outcome).map_err(|_| PortError::Cancelled)?;
        durable.recv().map_err(|_| PortError::Cancelled)
    }

    fn plan_runbook(&self, request: &[u8]) -> Result<Option<Refusal>, PortError> {
        let (tell, told) = sync_channel(1);
        let outcome = Outcome::Submission { turn: self.turn.clone(), request: request.to_vec(), tell };
        self.report.send(outcome).map_err(|_| PortError::Cancelled)?;
        told.recv().map_err(|_| PortError::Cancelled)
    }
}

impl DoneLog for Recorder {
    fn record(&self, done: NewDone) {
        // The driver may have given up; then nobody goes on behind them.
        drop(self.report.send(Outcome::Items { turn: self.turn.clone(), done }));
    }
}

impl ItemGate for Recorder {
    fn stand(&self, at: AtItem) {
        let (tell, told) = sync_channel(1);
        // Whoever gave the run up has told the map to end.
        if self.report.send(Outcome::Item { turn: self.turn.clone(), at, tell }).is_ok() {
            let _ = told.recv();
        }
    }
}

impl Reserving for Recorder {
    fn record(&self, reserved: &Spent) -> bool {
        let (tell, durable) = sync_channel(1);
        let outcome = Outcome::Reserved { turn: self.turn.clone(), reserved: reserved.clone(), tell };
        self.report.send(outcome).is_ok() && durable.recv().is_ok()
    }
}

/// Attempts that wait until what they were answered, or reserved, or that they are to end, is durable, each with the number of
/// events that are to be.
#[derive(Default)]
pub(super) struct Answered(Vec<(usize, SyncSender<()>)>);

impl Answered {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells those whose answers are durable.
    pub(super) fn tell(&mut self, durable: usize) {
        for (_, tell) in self.0.extract_if(.., |(after, _)| *after <= durable) {
            // Whoever asked may be gone.
            let _ = tell.send(());
        }
    }
}

impl Driver<'_> {
    /// On whose behalf the component of a step asks models.
    pub(super) fn caller(&self, step: &StepId, call: &PlannedCall) -> Caller {
        let user = self.by.as_deref().or(self.engine.user()).unwrap_or("unknown");
        Caller {
            runs: self.place.subtree.llm_bounds(),
            step: step.to_string(),
            left: Bound::default(),
            component: call.component.to_string(),
            user: user.to_owned(),
            mode: self.work.llm,
        }
    }

    /// What an attempt that begins now is answered without asking again.
    pub(super) fn known_calls(&self, step: &PlannedStep, turn: &Turn) -> Vec<HostCallRecorded> {
        if !step.asks() {
            return Vec::new();
        }
        let calls = self.events.iter().filter_map(|event| match event {
            Event::HostCallRecorded(call) if call.step == turn.step && call.iteration == turn.iteration => {
                Some(&**call)
            }
            _ => None,
        });
        known_answers(step, calls).into_iter().cloned().collect()
    }

    /// Takes what an attempt reserved into the journal; `tell` hears of it once it is durable. One that is over hears
    /// nothing, and spends nothing.
    pub(super) fn take_reserved(&mut self, turn: Turn, reserved: Spent, tell: SyncSender<()>) -> Result<(), RunError> {
        let Turn { step, iteration, attempt } = turn;
        if self.machine.state().step(&step) != Some(&StepState::Running { iteration, attempt }) {
            return Ok(());
        }
        let at_ms = now_ms();
        let event = SpendingReserved { step, attempt, iteration, at_ms, reserved };
        let start = self.advance(vec![Event::SpendingReserved(Box::new(event))], Beside::default())?;
        debug_assert!(start.is_empty(), "nothing follows from what is reserved");
        self.answered_calls.0.push((self.events.len(), tell));
        Ok(())
    }

    /// Lets whoever holds the run look at it at an item of a map. If they leave, the map hears of it once it was told to end:
    /// else it would have failed by itself.
    pub(super) fn take_item(&mut self, turn: &Turn, at: &AtItem, tell: SyncSender<()>) -> Result<(), RunError> {
        if self.is_held(turn, at.ended.is_some(), Some(at))? {
            self.answered_calls.0.push((self.events.len() + 1, tell));
        } else {
            // Whoever asked may be gone.
            let _ = tell.send(());
        }
        Ok(())
    }

    /// Takes what a component was answered into the journal; `tell` hears of it once it is durable. An attempt that is over
    /// hears nothing: nobody gives its answer to anyone.
    pub(super) fn take_call(&mut self, turn: Turn, call: NewCall, tell: SyncSender<()>) -> Result<(), RunError> {
        let Turn { ref step, iteration, attempt } = turn;
        if self.machine.state().step(step) != Some(&StepState::Running { iteration, attempt }) {
            return Ok(());
        }
        let NewCall { within, number, what, request, answer, may_pass, refused, artifacts, usage, own, used } = call;
        let mut kept = Kept::new(self.engine.store())?;
        kept.bytes("request", &request)?;
        kept.bytes("answer", &answer)?;
        let at_ms = now_ms();
        let told = refused.map(|refused| not_allowed(refused, &turn));
        // The event is the first of those that are appended with it.
        let mut entries: Vec<_> =
            told.map(|what| NewEntry { event: 0, entry: Entry::of_run(self.run, at_ms, what) }).into_iter().collect();
        entries.extend(
            used.map(|(by, uses)| self.uses_of(by, &turn, at_ms, uses, &Spent::default())).into_iter().flatten(),
        );
        let event = Event::HostCallRecorded(Box::new(HostCallRecorded {
            step: turn.step,
            attempt,
            iteration,
            within,
            call: number,
            at_ms,
            what,
            request: Digest::of(&request),
            answer: Digest::of(&answer),
            may_pass,
            artifacts: artifacts.iter().map(palisade_store::NewArtifact::digest).collect(),
            usage,
            own: Some(own),
        }));
        let mut beside = Beside { artifacts, entries, ..Beside::default() };
        beside.keep(kept);
        let start = self.advance(vec![event], beside)?;
        debug_assert!(start.is_empty(), "nothing follows from an answer");
        self.answered_calls.0.push((self.events.len(), tell));
        Ok(())
    }
}

/// What the audit log tells of a call that came to nothing.
fn not_allowed(refused: NotAllowed, turn: &Turn) -> What {
    let step = turn.step.clone();
    match refused {
        NotAllowed::Runbook => What::ChildRefused { step },
        NotAllowed::Call(called, why) => {
            let (iteration, attempt) = (turn.iteration.into(), turn.attempt.into());
            What::CallRefused { step, iteration, attempt, called: called.to_string(), why }
        }
    }
}

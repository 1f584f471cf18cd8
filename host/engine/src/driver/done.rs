//! Items of maps that are done: written down while the map goes on, and handed to an attempt that goes on behind them.

use super::calls::Recorder;
use super::{Beside, Driver, Outcome, now_ms};
use crate::done::NewDone;
use crate::done::{Durable, count, known};
use crate::gate::ItemGate;
use crate::run::RunError;
use palisade_authority::Place;
use palisade_interpreter::{Event, ItemsDone, StepState, Turn};
use palisade_runbook::{PlannedStep, PlannedWork};
use std::sync::Arc;
use std::sync::mpsc::Sender;

impl Driver<'_> {
    /// How many items of a turn earlier attempts have done.
    pub(super) fn items_done(&self, step: &PlannedStep, turn: &Turn) -> u64 {
        if is_durable(step) { count(&known(&self.events, turn)) } else { 0 }
    }

    /// How an attempt is durable that begins now; none for what is no map.
    pub(super) fn durable(&self, step: &PlannedStep, turn: &Turn, report: &Sender<Outcome>) -> Option<Durable> {
        let log = || Arc::new(Recorder::new(turn, report.clone()));
        is_durable(step).then(|| Durable { known: known(&self.events, turn), log: log() })
    }

    /// How an attempt that begins now is held at its items; none for what is no map, and where nobody holds the run.
    pub(super) fn item_gate(
        &self,
        step: &PlannedStep,
        turn: &Turn,
        report: &Sender<Outcome>,
    ) -> Option<Arc<dyn ItemGate>> {
        let held = self.work.gate.is_some() && matches!(step.work, PlannedWork::Map { .. });
        held.then(|| Arc::new(Recorder::new(turn, report.clone())) as _)
    }

    /// Takes items that are done into the journal. Those of an attempt that is over are nobody's.
    pub(super) fn take_items(&mut self, turn: Turn, done: NewDone) -> Result<(), RunError> {
        let Turn { step, iteration, attempt } = turn;
        if self.machine.state().step(&step) != Some(&StepState::Running { iteration, attempt }) {
            return Ok(());
        }
        let NewDone { first, items, outputs, rest, usage } = done;
        let pin = self.engine.store().pin()?;
        let event = Event::ItemsDone(Box::new(ItemsDone {
            step,
            attempt,
            iteration,
            at_ms: now_ms(),
            first,
            items,
            outputs: outputs.iter().map(|output| output.content().digest()).collect(),
            rest: rest.content().digest(),
            usage,
        }));
        let contents = outputs.into_iter().chain([rest]).collect();
        let start = self.advance(vec![event], Beside { contents, pins: vec![pin], ..Beside::default() })?;
        debug_assert!(start.is_empty(), "nothing follows from items that are done");
        Ok(())
    }
}

/// Whether it is written down which items are done. What a component writes into files is kept until all of it is there.
fn is_durable(step: &PlannedStep) -> bool {
    let writes = |step: &PlannedStep| {
        step.call().is_some_and(|call| call.places.iter().any(|named| matches!(named.place, Place::FsWrite(_))))
    };
    matches!(step.work, PlannedWork::Map { .. }) && !writes(step)
}

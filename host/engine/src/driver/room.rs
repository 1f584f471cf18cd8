//! What a run and its attempts take of what all processes of the data directory may hold together.

use super::Driver;
use crate::observe::Observed;
use crate::run::RunError;
use palisade_model::unit::Bytes;
use palisade_model::{Failure, FailureKind, LimitKind, StepId};
use palisade_runbook::{PlannedStep, PlannedWork};
use palisade_store::{Amounts, Room};

/// What came of asking for room.
pub(super) enum Asked {
    /// It is there; none where nothing is shared.
    Has(Option<Room>),
    /// Others have it.
    Waits,
    /// There will never be so much.
    Never(Failure),
}

impl Driver<'_> {
    /// Whether the run may go on: one that a person started takes room for itself, which those below it share.
    pub(super) fn has_room(&mut self) -> Result<bool, RunError> {
        let Some(host) = self.engine.parts.room.as_ref().filter(|_| self.place.parent.is_none()) else {
            return Ok(true);
        };
        if self.room.is_none() {
            self.room = host.try_take(Amounts { runs: 1, ..Amounts::default() })?;
            self.tell_whether_it_waits(None, self.room.is_none());
        }
        Ok(self.room.is_some())
    }

    /// Asks for the instances of an attempt and the memory that it may take.
    pub(super) fn room_for(&mut self, step: &PlannedStep) -> Result<Asked, RunError> {
        let (Some(host), Some(call)) = (&self.engine.parts.room, step.call()) else { return Ok(Asked::Has(None)) };
        let threads = self.engine.threads();
        let instances = match &step.work {
            PlannedWork::Map { max_concurrency, .. } => threads.min((*max_concurrency).into()),
            _ if call.per_item.is_empty() || step.asks() => 1,
            _ => threads,
        };
        // The limit is that of one instance.
        let own = call.limits.value(LimitKind::Memory).saturating_mul(instances);
        let memory = own.saturating_add(step.memory_of_called());
        let wanted = Amounts { runs: 0, instances, memory };
        let most = host.most();
        if !wanted.fits(most) {
            return Ok(Asked::Never(too_much(memory, most.memory)));
        }
        let room = host.try_take(wanted)?;
        self.tell_whether_it_waits(Some(&step.id), room.is_none());
        Ok(room.map_or(Asked::Waits, |room| Asked::Has(Some(room))))
    }

    fn tell_whether_it_waits(&mut self, step: Option<&StepId>, waits: bool) {
        if waits && !self.waits_for_room {
            self.observer.observe(&Observed::WaitsForRoom { step });
        }
        self.waits_for_room = waits;
    }
}

/// The instances are never too many: no process computes with more than all may.
fn too_much(wanted: u64, most: u64) -> Failure {
    let (shown, ceiling) = (Bytes(wanted), Bytes(most));
    let message =
        format!("it may take {shown} of memory, and all attempts of this data directory may take {ceiling} together");
    let key = "memory".to_owned();
    Failure::new(FailureKind::Bound { key, most, found: wanted }, message)
        .with_help("lower the step's `limits.memory`, or for a map its `max_concurrency`; the operator's `[ceilings.host] memory` is in the way")
}

//! What a run has spent of what it may do in all: a fold over its events.

use crate::event::{Event, SpendingReserved};
use palisade_model::{Spent, StepId};
use std::collections::BTreeMap;

/// What a run has spent, with its children that have ended. What was reserved counts until the attempt tells what it really
/// spent: of one that was cut off nobody knows more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    spent: Spent,
    /// What is reserved of it for the attempts that go on.
    reserved: BTreeMap<StepId, Spent>,
}

impl Account {
    /// All that was spent, or may have been.
    #[must_use]
    pub const fn spent(&self) -> &Spent {
        &self.spent
    }

    /// What is reserved for the attempt of a step that goes on, or was cut off.
    #[must_use]
    pub fn reserved(&self, step: &StepId) -> Spent {
        self.reserved.get(step).cloned().unwrap_or_default()
    }

    /// Takes in an event; most are about something else.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::SpendingReserved(more) => {
                let SpendingReserved { step, reserved, .. } = &**more;
                self.settle(step, reserved);
                self.reserved.insert(step.clone(), reserved.clone());
            }
            // The one before it was cut off, and what it had reserved may have been spent.
            Event::AttemptStarted(started) => drop(self.reserved.remove(&started.step)),
            Event::AttemptSucceeded(ended) => self.settle(&ended.step, &ended.spent),
            Event::AttemptFailed(ended) => self.settle(&ended.step, &ended.spent),
            Event::AttemptSuspended(ended) => self.settle(&ended.step, &ended.spent),
            // One that is to be resumed is counted when it has ended, whole.
            Event::ChildEnded(ended) if !ended.status.can_go_on() => self.spent.add(&ended.spent),
            // Nothing of what stands before it was done by this run.
            Event::RunForked(_) => *self = Self::default(),
            _ => {}
        }
    }

    fn settle(&mut self, step: &StepId, spent: &Spent) {
        if let Some(reserved) = self.reserved.remove(step) {
            self.spent.take_back(&reserved);
        }
        self.spent.add(spent);
    }
}

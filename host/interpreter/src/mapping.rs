//! The items of a map over a child runbook. Each stands as a step would that runs one child; this says which is next.

use crate::command::{Command, Question, Turn};
use crate::decide::Standing;
use crate::event::SkipCause;
use crate::state::StepState;
use palisade_model::StepId;
use std::collections::BTreeMap;

/// How the items of a map stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    items: u32,
    /// The first item that was never scheduled, from 1.
    next: u32,
    /// Those that were scheduled and have not ended for good, by their numbers.
    open: BTreeMap<u32, StepState>,
    /// One failed: no other begins.
    failed: bool,
}

impl Mapping {
    pub(crate) const fn new(items: u32) -> Self {
        Self { items, next: 1, open: BTreeMap::new(), failed: false }
    }

    /// How many items there are.
    #[must_use]
    pub const fn items(&self) -> u32 {
        self.items
    }

    /// How many of them have ended for good.
    #[must_use]
    pub fn ended(&self) -> u32 {
        (self.next - 1).saturating_sub(u32::try_from(self.open.len()).unwrap_or(u32::MAX))
    }

    /// Whether one of them failed: what is left of the others is given up.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// How an item stands that has begun and not ended for good.
    #[must_use]
    pub fn item(&self, number: u32) -> Option<&StepState> {
        self.open.get(&number)
    }

    /// Those that have begun and not ended for good.
    pub(crate) fn open(&self) -> impl Iterator<Item = (u32, &StepState)> {
        self.open.iter().map(|(number, state)| (*number, state))
    }

    /// Whether all that is left of it waits for people.
    #[must_use]
    pub fn only_awaits(&self) -> bool {
        self.next > self.items && self.standing() == Standing::Awaiting
    }

    /// Whether that attempt of an item follows from how it stands.
    pub(crate) fn may_schedule(&self, number: u32, attempt: u32) -> bool {
        match self.open.get(&number) {
            None => number == self.next && number <= self.items && attempt == 1 && !self.failed,
            Some(StepState::Due { attempt: before, .. } | StepState::Awaiting { attempt: before, .. }) => {
                before.checked_add(1) == Some(attempt)
            }
            Some(_) => false,
        }
    }

    /// Takes how an item stands by now.
    pub(crate) fn set(&mut self, number: u32, state: StepState) {
        self.next = self.next.max(number.saturating_add(1));
        match state {
            StepState::Succeeded { .. } => drop(self.open.remove(&number)),
            StepState::Failed { .. } => {
                self.open.remove(&number);
                self.failed = true;
            }
            going => drop(self.open.insert(number, going)),
        }
    }

    /// Makes those due that a process left behind.
    pub(crate) fn resume(&mut self, cancelled: bool) {
        self.open.values_mut().for_each(|state| state.resume(cancelled));
    }

    pub(crate) fn standing(&self) -> Standing {
        let any = |is: fn(&StepState) -> bool| self.open.values().any(is);
        if any(|state| matches!(state, StepState::Running { .. })) {
            Standing::Running
        } else if any(|state| matches!(state, StepState::Scheduled { .. } | StepState::Resting { .. })) {
            Standing::Pending
        } else if any(|state| matches!(state, StepState::Awaiting { .. })) {
            Standing::Awaiting
        } else {
            Standing::Idle
        }
    }

    /// What is to be done next. At most `at_once` items take room together; one whose child waits for a person takes none.
    /// Behind a failure, or when the run was cancelled, nothing new begins and children that wait are taken up to be cancelled.
    pub(crate) fn decide(
        &self,
        step: &StepId,
        at_once: u32,
        cancelled: bool,
        has_child: impl Fn(u32) -> bool,
    ) -> Option<Command> {
        let stops = cancelled || self.failed;
        let start = |iteration, attempt| Command::StartAttempt(Turn { step: step.clone(), iteration, attempt });
        let (mut busy, mut waits) = (0, false);
        for (number, state) in self.open() {
            let given_up = stops && !has_child(number);
            match *state {
                StepState::Due { attempt, .. } if !given_up => return Some(start(number, attempt.saturating_add(1))),
                StepState::Awaiting { attempt, .. } if stops && !given_up => {
                    return Some(start(number, attempt.saturating_add(1)));
                }
                StepState::Awaiting { .. } if !stops => waits = true,
                StepState::Running { .. } => busy += 1,
                StepState::Scheduled { .. } if !given_up => busy += 1,
                StepState::Resting { .. } if !stops => busy += 1,
                _ => {}
            }
        }
        if !stops && self.next <= self.items && busy < at_once.max(1) {
            return Some(start(self.next, 1));
        }
        if busy > 0 || waits {
            return None;
        }
        let is_through = self.next > self.items && self.open.is_empty();
        Some(if self.failed || is_through {
            Command::Answer(Question::Joined { step: step.clone() })
        } else {
            Command::SkipStep { step: step.clone(), because: SkipCause::Cancelled }
        })
    }
}

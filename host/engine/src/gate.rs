//! Where somebody who watches a run can hold it: before a step starts, and when it has ended.

use palisade_interpreter::{Event, State, Turn};
use palisade_model::{Digest, StepId};
use palisade_runbook::Plan;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Is asked at each step of a run and of the runs below it, and goes back when the run is to go on. A run that has a gate
/// does one thing at a time. It can do nothing but hold the run, or end it so that it can be resumed.
pub trait Gate: Sync {
    /// Holds the run here.
    fn stand(&self, at: &Stand<'_>);

    /// Says whether the run, and all below it, are to end as if they were interrupted.
    fn has_quit(&self) -> bool;

    /// How long the run was held until now. It counts for no limit.
    fn held(&self) -> Duration;
}

/// A place at which a run is held.
#[derive(Clone, Copy)]
pub struct Stand<'a> {
    /// The steps from the run that a person started down to this one, each with the child in which the next is.
    pub way: &'a [StepId],
    /// By what it goes on.
    pub plan: &'a Plan,
    /// Its inputs, by their names without case.
    pub inputs: &'a BTreeMap<String, Digest>,
    /// What happened so far.
    pub events: &'a [Event],
    /// How it stands.
    pub state: &'a State,
    /// Which attempt it is about.
    pub turn: &'a Turn,
    /// The attempt has ended; else it is about to start.
    pub ended: bool,
}

impl Stand<'_> {
    /// The attempt has ended, and not well.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let of_it = |event: &&Event| event.step() == Some(&self.turn.step);
        let ends = |event: &&Event| {
            matches!(event, Event::AttemptSucceeded(_) | Event::AttemptFailed(_) | Event::ChildEnded(_))
        };
        let last = self.events.iter().rev().filter(of_it).find(ends);
        self.ended && last.is_some_and(|event| event.failure().is_some())
    }
}

impl fmt::Debug for dyn Gate + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

//! Where somebody who watches a run can hold it: before a step starts, and when it has ended; in a map over a component also
//! before each item and behind it.

use palisade_interpreter::{Event, State, Turn};
use palisade_model::{Digest, Failure, StepId};
use palisade_runbook::Plan;
use palisade_store::Content;
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
    /// The attempt, or the item, has ended; else it is about to start.
    pub ended: bool,
    /// Which item of the attempt it is about, in a map over a component; none = the attempt.
    pub item: Option<&'a AtItem>,
}

/// An item of a map over a component.
#[derive(Debug)]
pub struct AtItem {
    /// Its number, from 1.
    pub number: u64,
    /// How many there are.
    pub of: u64,
    /// What it made, by ports, or why there is nothing; none = it is about to start.
    pub ended: Option<Result<Vec<(String, Content)>, Failure>>,
}

/// How a map has itself held at its items.
pub(crate) trait ItemGate: Send + Sync {
    /// Goes back when the map is to go on, or was told to end.
    fn stand(&self, at: AtItem);
}

impl fmt::Debug for dyn ItemGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemGate")
    }
}

impl Stand<'_> {
    /// The attempt, or the item, has ended, and not well.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        if let Some(item) = self.item {
            return matches!(item.ended, Some(Err(_)));
        }
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

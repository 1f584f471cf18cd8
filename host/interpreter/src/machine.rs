//! A run as it goes on: its state, and beside it what there is to do, brought up to date by each event.
//!
//! It commands what [`crate::decide`] says of graph and state, which looks at all steps each time. What an event changes
//! is what there is to do for its step and for those that wait for it, so that a step costs the same however many there
//! are.

use crate::command::{Command, Question, Turn};
use crate::decide::{Standing, Tally, decide_counted, decide_step};
use crate::event::Event;
use crate::graph::Graph;
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};

/// What a driver is to append together with the event that it just applied, and what it is to do then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advance {
    /// Events that follow at once, already applied to the state.
    pub events: Vec<Event>,
    /// Attempts to start as soon as there is room, once the events are durable.
    pub start: Vec<Turn>,
    /// What is to be answered before it goes on there. What was asked comes again until the answer is applied.
    pub answer: Vec<Question>,
}

/// The steps of a run and how they stand.
#[derive(Debug, Clone)]
pub struct Machine {
    graph: Graph,
    state: State,
    /// How each step counts by now, by its place in the graph.
    standings: Vec<Standing>,
    tally: Tally,
    /// How many of those that a step waits for have not ended.
    open: Vec<usize>,
    /// Steps for which there may be something else to do than is in `commands`.
    changed: BTreeSet<usize>,
    /// What there is to do for steps, in the order of the graph.
    commands: BTreeMap<usize, Command>,
}

impl Machine {
    /// A run of which nothing has happened yet.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        Self::at(graph, State::default())
    }

    /// A run that stands so.
    #[must_use]
    pub fn at(graph: Graph, state: State) -> Self {
        let standings = vec![Standing::Idle; graph.nodes().len()];
        let mut tally = Tally::default();
        standings.iter().for_each(|standing| tally.add(*standing));
        let open = graph.nodes().iter().map(|node| node.waits_for().count()).collect();
        let (changed, commands) = (BTreeSet::new(), BTreeMap::new());
        let mut machine = Self { graph, state, standings, tally, open, changed, commands };
        machine.look_at_all();
        machine
    }

    /// The steps.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How they stand.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Goes to another state of the same run.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.look_at_all();
    }

    /// Takes an event in, as [`State::apply`] does.
    pub fn apply(&mut self, event: &Event) {
        self.state.apply(event);
        match event.step() {
            Some(step) => {
                // A journal may name steps that the graph does not have: nothing follows from them.
                if let Some(place) = self.graph.place(step) {
                    self.look_at(place);
                }
            }
            None => self.look_at_all(),
        }
    }

    /// What is to be done now: what [`crate::decide`] says.
    pub fn commands(&mut self) -> Vec<Command> {
        for place in std::mem::take(&mut self.changed) {
            match self.command(place) {
                Some(command) => drop(self.commands.insert(place, command)),
                None => drop(self.commands.remove(&place)),
            }
        }
        decide_counted(&self.graph, &self.state, &self.tally, || self.commands.values().cloned().collect())
    }

    /// Takes up all commands, again and again until only questions are left, and applies the events that say so. The
    /// driver appends them in the same commit as the event before, so that a step costs one.
    #[must_use]
    pub fn advance(&mut self, now_ms: u64) -> Advance {
        let mut advance = Advance::default();
        loop {
            advance.answer.clear();
            let before = advance.events.len();
            for command in self.commands() {
                if let Some(event) = command.taken_up(now_ms) {
                    self.apply(&event);
                    advance.events.push(event);
                }
                match command {
                    Command::StartAttempt(turn) => advance.start.push(turn),
                    Command::Answer(question) => advance.answer.push(question),
                    Command::RequestApproval { .. }
                    | Command::EndLoop { .. }
                    | Command::SkipStep { .. }
                    | Command::Compensate { .. }
                    | Command::EndRun { .. } => {}
                }
            }
            if advance.events.len() == before {
                return advance;
            }
        }
    }

    fn command(&self, place: usize) -> Option<Command> {
        let node = self.graph.nodes().get(place)?;
        let waits = self.open.get(place).is_some_and(|open| *open > 0);
        // Said before all that it waits for is looked at, which may be every other step.
        if waits && self.state.cancelled().is_none() && self.state.step(&node.step).is_none() {
            return None;
        }
        decide_step(node, &self.state)
    }

    /// What tells of the whole run may change what there is to do for any step.
    fn look_at_all(&mut self) {
        (0..self.graph.nodes().len()).for_each(|place| self.look_at(place));
    }

    fn look_at(&mut self, place: usize) {
        self.changed.insert(place);
        let Some((node, standing)) = self.graph.nodes().get(place).zip(self.standings.get_mut(place)) else { return };
        let now = Standing::of(self.state.step(&node.step));
        let before = std::mem::replace(standing, now);
        if now == before {
            return;
        }
        self.tally.remove(before);
        self.tally.add(now);
        let (had_ended, has_ended) = (before == Standing::Ended, now == Standing::Ended);
        if had_ended == has_ended {
            return;
        }
        for waiting in self.graph.waiting_for(place) {
            self.changed.insert(*waiting);
            if let Some(open) = self.open.get_mut(*waiting) {
                // A step that was stopped goes on when the run is resumed.
                *open = if has_ended { open.saturating_sub(1) } else { *open + 1 };
            }
        }
    }
}

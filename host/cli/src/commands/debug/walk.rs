//! A run that has ended, looked at from place to place, forwards and backwards: each place is a fold over the events before
//! it. Nothing runs.

use super::command::{Command, parse};
use super::core::{Core, Item, Mode, Place, Side};
use super::live::{Edits, OUTERMOST, look, say};
use super::terminal::Terminal;
use super::view::{Style, View};
use crate::render::console;
use palisade_engine::{Event, History, RunState, State};
use palisade_model::{Digest, StepId, neutral};
use palisade_runbook::{Plan, PlannedStep, Setting};
use palisade_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// A run that is looked at.
pub(super) struct Walk<'a> {
    pub(super) store: &'a Store,
    pub(super) history: &'a History,
    pub(super) plan: &'a Plan,
    pub(super) inputs: &'a BTreeMap<String, Digest>,
    pub(super) style: Style,
    /// So many events are behind.
    pub(super) at: usize,
    /// At which of the stops it is; none = between them. Two can have the same events behind them: an item ends, and the next
    /// one starts.
    pub(super) stop: Option<usize>,
}

impl Walk<'_> {
    /// Does what a person wants to see until they leave; gives the step before which they want another run, with these edits,
    /// or none when they are done.
    pub(super) fn walk(&mut self, core: &mut Core, terminal: &mut Terminal, edits: &mut Edits) -> Option<StepId> {
        let mut last = None;
        self.move_to(self.at);
        loop {
            let line = terminal.line()?;
            let command = match parse(&line) {
                Ok(Some(command)) => command,
                Ok(None) => match last.clone() {
                    Some(last) => last,
                    None => continue,
                },
                Err(wrong) => {
                    say(&wrong);
                    continue;
                }
            };
            last = Some(command.clone());
            match command {
                // Child runs have journals of their own.
                Command::Step | Command::Into => self.go_on(core, Mode::Step { depth: 1 }),
                Command::Next => self.go_on(core, Mode::Next { depth: 1 }),
                Command::Out => self.out(core),
                Command::Continue => self.go_on(core, Mode::Continue),
                Command::Back => self.back(),
                Command::Goto(number) => self.go_to(number),
                Command::Set(text) => match Setting::parse(&text) {
                    Ok(setting) => {
                        edits.put(setting);
                        say("set for the run that `fork` makes");
                    }
                    Err(wrong) => say(&wrong.to_string()),
                },
                Command::Input(text) => {
                    edits.input.push(text);
                    say("given to the run that `fork` makes");
                }
                Command::Fork(step) => match self.fork_at(step.as_deref()) {
                    Ok(step) => return Some(step),
                    Err(wrong) => say(&wrong),
                },
                Command::Quit => return None,
                command => {
                    let state = self.state();
                    look(&command, &self.view(&state), core);
                }
            }
        }
    }

    fn state(&self) -> State {
        self.history.state_after(self.at)
    }

    fn view<'v>(&'v self, state: &'v State) -> View<'v> {
        let all = self.history.events();
        let (events, total) = (all.get(..self.at).unwrap_or_default(), all.len());
        View {
            store: self.store,
            plan: self.plan,
            inputs: self.inputs,
            state,
            events,
            total,
            made: Vec::new(),
            style: self.style,
        }
    }

    fn go_on(&mut self, core: &mut Core, mode: Mode) {
        core.mode = mode;
        let (stops, nothing) = (stops(self.history.events()), BTreeSet::new());
        let next =
            (0..).zip(&stops).filter(|(number, stop)| self.stop.map_or(stop.at > self.at, |here| *number > here));
        let found = { next }.find_map(|(number, stop)| {
            let labels = self.plan.step(stop.step).map_or(&nothing, |step| &step.labels);
            Some((number, stop.at, core.stops(self.place(stop, labels))?))
        });
        let end = self.history.events().len();
        match found {
            Some((number, at, why)) => self.stand(at, Some(number), why),
            None if self.at == end => say("this is the end; `back` goes back"),
            None => self.stand(end, None, None),
        }
    }

    fn stand(&mut self, at: usize, stop: Option<usize>, why: Option<usize>) {
        (self.at, self.stop) = (at, stop);
        console::out(&self.told(why));
    }

    /// Goes behind so many events.
    fn move_to(&mut self, at: usize) {
        let stop = stops(self.history.events()).iter().position(|stop| stop.at == at);
        self.stand(at, stop, None);
    }

    fn place<'p>(&self, stop: &Stop<'p>, labels: &'p BTreeSet<String>) -> Place<'p> {
        Place { way: std::slice::from_ref(stop.step), item: self.item(stop), labels, side: stop.side }
    }

    /// The item of a map over a child. Those of a map over a component leave no event of their own.
    fn item(&self, stop: &Stop<'_>) -> Option<Item> {
        let is_map = self.plan.step(stop.step).is_some_and(PlannedStep::maps_child);
        let number = stop.item.filter(|_| is_map)?;
        Some(Item { number: number.into(), within: false })
    }

    fn out(&mut self, core: &mut Core) {
        let (stops, nothing) = (stops(self.history.events()), BTreeSet::new());
        let here = self.stop.and_then(|number| stops.get(number));
        match here.and_then(|stop| self.place(stop, &nothing).out()) {
            Some(mode) => self.go_on(core, mode),
            None => say(OUTERMOST),
        }
    }

    fn back(&mut self) {
        let stops = stops(self.history.events());
        let is_before = |number: usize, stop: &Stop<'_>| self.stop.map_or(stop.at < self.at, |here| number < here);
        match stops.iter().enumerate().rfind(|(number, stop)| is_before(*number, stop)) {
            Some((number, stop)) => self.stand(stop.at, Some(number), None),
            None => say("this is the beginning"),
        }
    }

    fn go_to(&mut self, number: u64) {
        let count = self.history.events().len();
        match usize::try_from(number).ok().filter(|at| *at <= count) {
            Some(at) => self.move_to(at),
            None => say(&format!("the run has {count} events; `goto 0` is before the first")),
        }
    }

    /// The step before which another run is to begin: that one, or the next that starts behind this place.
    fn fork_at(&self, wanted: Option<&str>) -> Result<StepId, String> {
        let state = self.state();
        if let Some(wanted) = wanted {
            return self.view(&state).find_step(wanted).map(|step| step.id.clone());
        }
        let next =
            stops(self.history.events()).into_iter().find(|stop| stop.at >= self.at && stop.side == Side::Before);
        let next = next.map(|stop| stop.step.clone());
        next.ok_or_else(|| "no step starts behind this place; `fork STEP` names one, `back` goes back".to_owned())
    }

    /// Where it is, in a line.
    fn told(&self, why: Option<usize>) -> String {
        let events = self.history.events();
        let place = match self.stop.and_then(|number| stops(events).into_iter().nth(number)) {
            Some(stop) => {
                let item = self.item(&stop).map_or_else(String::new, |item| format!(", item {}", item.number));
                let step = format!("{}{item}", stop.step);
                match stop.side {
                    Side::Before => format!("before {step}"),
                    Side::After => format!("after {step}"),
                    Side::Failed => {
                        let failure = events.get(self.at - 1).and_then(Event::failure);
                        let why = failure.map_or_else(String::new, |(_, failure)| neutral::line(&failure.message, 300));
                        format!("after {step}  failed: {why}")
                    }
                }
            }
            None => match self.state().run() {
                RunState::New => "before the start".to_owned(),
                RunState::Running => "between two steps".to_owned(),
                RunState::Ended(status) => format!("the run has ended: {status}"),
            },
        };
        let why = why.map_or_else(String::new, |number| format!("  (breakpoint {number})"));
        format!("{place}  event {} of {}{why}\n", self.at, events.len())
    }
}

/// A place at which a step is about to start, or has ended.
struct Stop<'e> {
    /// So many events are behind it.
    at: usize,
    step: &'e StepId,
    /// The item of a map that has a child; else it means nothing.
    item: Option<u32>,
    side: Side,
}

fn stops(events: &[Event]) -> Vec<Stop<'_>> {
    let stop = |(index, event): (usize, &'_ Event)| -> Option<(usize, Side)> {
        match event {
            Event::AttemptStarted(_) | Event::ChildStarted(_) => Some((index, Side::Before)),
            Event::AttemptSucceeded(_) | Event::AttemptFailed(_) | Event::ChildEnded(_) => {
                let side = if event.failure().is_some() { Side::Failed } else { Side::After };
                Some((index + 1, side))
            }
            _ => None,
        }
    };
    let all = events.iter().enumerate().filter_map(|(index, event)| {
        let (at, side) = stop((index, event))?;
        let item = match event {
            Event::ChildStarted(started) => Some(started.iteration),
            Event::ChildEnded(ended) => Some(ended.iteration),
            _ => None,
        };
        Some(Stop { at, step: event.step()?, item, side })
    });
    all.collect()
}

//! A run that goes on and is held at each place where a person wants to look at it.

use super::command::{Command, parse};
use super::core::{Core, Item, Mode, Place, Side};
use super::terminal::Terminal;
use super::view::{Style, View};
use crate::failure::CliError;
use crate::render::console;
use palisade_engine::{AtItem, Event, Gate, Reuse, Stand, StepState};
use palisade_model::unit::Count;
use palisade_model::{StepId, neutral};
use palisade_runbook::{Plan, PlannedStep, PlannedWork, Setting};
use palisade_store::{Content, Store};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is said of a breakpoint at which nothing may ever stop.
const NO_SUCH_STEP: &str = "; no step here is so, nor in a child that is a file";
/// Where there is nothing to get out of.
pub(super) const OUTERMOST: &str = "this is in no child run and no item; `continue` goes on to the end";

/// Says whether a runbook with these settings and inputs has a plan, and shows what is wrong with it if not.
pub(super) type Check<'a> = dyn Fn(&[Setting], &[String]) -> Result<(), CliError> + Sync + 'a;

/// Holds a run for a person.
pub(super) struct Live<'a> {
    store: &'a Store,
    style: Style,
    check: &'a Check<'a>,
    session: Mutex<Session<'a>>,
    quit: AtomicBool,
    held: Mutex<Held>,
}

struct Session<'a> {
    core: &'a mut Core,
    terminal: &'a mut Terminal,
    /// The command that an empty line means.
    last: Option<Command>,
    changes: Edits,
    /// The step before which the run is left for an edited one.
    leaves_before: Option<StepId>,
}

/// What was edited while the run was held.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub(super) set: Vec<Setting>,
    pub(super) input: Vec<String>,
}

/// How a person left a run.
pub(super) enum LeftLive {
    /// It went to its end.
    Ended,
    /// They are done.
    Quit,
    /// Another one, edited, is to go on before that step.
    Edited { edits: Edits, step: StepId },
}

#[derive(Default)]
struct Held {
    before: Duration,
    since: Option<Instant>,
}

impl Edits {
    /// Adds a setting, in place of one of the same value.
    pub(super) fn put(&mut self, setting: Setting) {
        self.set.retain(|known| (&known.step, &known.pointer) != (&setting.step, &setting.pointer));
        self.set.push(setting);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.input.is_empty()
    }
}

impl<'a> Live<'a> {
    pub(super) fn new(
        store: &'a Store,
        style: Style,
        check: &'a Check<'a>,
        core: &'a mut Core,
        terminal: &'a mut Terminal,
    ) -> Self {
        let (last, changes, leaves_before) = (None, Edits::default(), None);
        let session = Mutex::new(Session { core, terminal, last, changes, leaves_before });
        Self { store, style, check, session, quit: AtomicBool::new(false), held: Mutex::default() }
    }

    /// How the person left the run.
    pub(super) fn left(self) -> LeftLive {
        let session = self.session.into_inner().unwrap_or_else(PoisonError::into_inner);
        match session.leaves_before {
            Some(step) => LeftLive::Edited { edits: session.changes, step },
            None if self.quit.into_inner() => LeftLive::Quit,
            None => LeftLive::Ended,
        }
    }

    fn hold(&self, hold: bool) {
        let mut held = lock(&self.held);
        match (hold, held.since.take()) {
            (true, _) => held.since = Some(Instant::now()),
            (false, Some(since)) => held.before += since.elapsed(),
            (false, None) => {}
        }
    }

    fn view<'v>(&self, at: &Stand<'v>) -> View<'v>
    where
        'a: 'v,
    {
        let Stand { plan, inputs, state, events, .. } = *at;
        View {
            store: self.store,
            plan,
            inputs,
            state,
            events,
            total: events.len(),
            made: made_here(at),
            style: self.style,
        }
    }

    /// Asks what to do until the run is to go on.
    fn ask(&self, at: &Stand<'_>, place: Place<'_>, session: &mut Session<'_>) {
        let view = self.view(at);
        let depth = place.depth();
        loop {
            let Some(line) = session.terminal.line() else { return self.quit.store(true, Ordering::Relaxed) };
            let command = match parse(&line) {
                Ok(Some(command)) => command,
                Ok(None) => match session.last.clone() {
                    Some(last) => last,
                    None => continue,
                },
                Err(wrong) => {
                    say(&wrong);
                    continue;
                }
            };
            session.last = Some(command.clone());
            let mode = match command {
                // Whoever is before a map over a component goes into its items.
                Command::Step => Mode::Step { depth: depth + usize::from(place.side == Side::Before && has_items(at)) },
                Command::Into => Mode::Into,
                Command::Next => Mode::Next { depth },
                Command::Out => match place.out() {
                    Some(mode) => mode,
                    None => {
                        say(OUTERMOST);
                        continue;
                    }
                },
                Command::Continue => Mode::Continue,
                Command::Quit => return self.quit.store(true, Ordering::Relaxed),
                Command::Set(text) => {
                    self.set(&text, at, &view, session);
                    continue;
                }
                Command::Input(text) => {
                    self.input(text, at, session);
                    continue;
                }
                Command::Back | Command::Goto(_) | Command::Fork(_) => {
                    say(
                        "the run goes on, and what happened stays; `palisade debug RUN` walks through it once it has ended",
                    );
                    continue;
                }
                command => {
                    look(&command, &view, session.core);
                    continue;
                }
            };
            session.core.mode = mode;
            if !session.changes.is_empty() {
                session.leaves_before = next_step(at);
                self.quit.store(true, Ordering::Relaxed);
            }
            return;
        }
    }

    fn set(&self, text: &str, at: &Stand<'_>, view: &View<'_>, session: &mut Session<'_>) {
        let setting = match Setting::parse(text) {
            Ok(setting) => setting,
            Err(wrong) => return say(&wrong.to_string()),
        };
        if let Err(wrong) = can_be_edited(at) {
            return say(&wrong);
        }
        match view.find_step(&setting.step) {
            Err(wrong) => return say(&wrong),
            Ok(step) if at.state.step(&step.id).is_some_and(|state| state.can_be_kept()) => {
                let id = &step.id;
                return say(&format!("step `{id}` has run; `palisade runs fork RUN --at {id}` goes back to before it"));
            }
            Ok(_) => {}
        }
        if let Err(wrong) = is_of_no_item(&setting, at.plan) {
            return say(&wrong);
        }
        let before = session.changes.set.clone();
        session.changes.put(setting);
        match (self.check)(&session.changes.set, &session.changes.input) {
            Ok(()) => say(&format!("set; once it goes on, it is another run, and edited{}", begins_anew(at))),
            Err(wrong) => {
                session.changes.set = before;
                refuse(&wrong);
            }
        }
    }

    fn input(&self, text: String, at: &Stand<'_>, session: &mut Session<'_>) {
        if let Err(wrong) = can_be_edited(at) {
            return say(&wrong);
        }
        session.changes.input.push(text);
        match (self.check)(&session.changes.set, &session.changes.input) {
            Ok(()) => say(&format!("given; once it goes on, it is another run, and edited{}", begins_anew(at))),
            Err(wrong) => {
                session.changes.input.pop();
                refuse(&wrong);
            }
        }
    }
}

impl Gate for Live<'_> {
    fn stand(&self, at: &Stand<'_>) {
        let nothing = BTreeSet::new();
        let labels = at.plan.step(&at.turn.step).map_or(&nothing, |step| &step.labels);
        let side = match (at.ended, at.has_failed()) {
            (false, _) => Side::Before,
            (true, false) => Side::After,
            (true, true) => Side::Failed,
        };
        let mut session = lock(&self.session);
        let item = item_of(at);
        let place = Place { way: at.way, item, labels, side };
        let Some(why) = session.core.stops(place) else { return };
        self.hold(true);
        console::out(&told(at, side, why));
        if let (Some(item), Some(step)) = (item, at.plan.step(&at.turn.step)) {
            // What can't be read here fails the step when it goes on.
            console::out(&self.view(at).at_item(step, item, side).unwrap_or_default());
        }
        self.ask(at, place, &mut session);
        self.hold(false);
    }

    fn has_quit(&self) -> bool {
        self.quit.load(Ordering::Relaxed)
    }

    fn held(&self) -> Duration {
        let held = lock(&self.held);
        held.before + held.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Answers what only looks.
pub(super) fn look(command: &Command, view: &View<'_>, core: &mut Core) {
    let told = match command {
        Command::Help => Ok(format!("  {}\n", super::command::help())),
        Command::Break(breakpoint) => {
            let (text, nowhere) = (breakpoint.text(), if view.has(breakpoint) { "" } else { NO_SUCH_STEP });
            Ok(format!("breakpoint {} {text}{nowhere}\n", core.add(breakpoint.clone())))
        }
        Command::Breaks => {
            let lines: Vec<_> =
                core.breakpoints().map(|(number, breakpoint)| format!("  {number}  {}\n", breakpoint.text())).collect();
            Ok(if lines.is_empty() { "there is none\n".to_owned() } else { lines.concat() })
        }
        Command::Delete(number) => {
            if core.delete(*number) {
                Ok(String::new())
            } else {
                Err("there is no such breakpoint; `breaks` shows all".to_owned())
            }
        }
        Command::Show(None) => Ok(view.state()),
        Command::Show(Some(step)) => view.step(step),
        Command::List => view.artifacts(),
        Command::Print(print) => view.print(print),
        Command::Events(count) => Ok(view.events(*count)),
        Command::Step
        | Command::Into
        | Command::Next
        | Command::Out
        | Command::Continue
        | Command::Set(_)
        | Command::Input(_)
        | Command::Back
        | Command::Goto(_)
        | Command::Fork(_)
        | Command::Quit => Ok(String::new()),
    };
    match told {
        Ok(text) => console::out(&text),
        Err(wrong) => say(&wrong),
    }
}

pub(super) fn say(text: &str) {
    console::out(&format!("{text}\n"));
}

/// Says why something is refused; what is wrong in the runbook was shown.
pub(super) fn refuse(error: &CliError) {
    say(&neutral::line(&error.message, 600));
    if let Some(help) = &error.help {
        say(&format!("  help: {}", neutral::line(help, 600)));
    }
}

/// A step of a child is told to do what the child's runbook says, and a run of which no step is left can't be edited.
fn can_be_edited(at: &Stand<'_>) -> Result<(), String> {
    if at.way.len() > 1 {
        return Err("this is a step of a child run; edit the runbook of the child, or the step that runs it".to_owned());
    }
    match next_step(at) {
        Some(_) => Ok(()),
        None => Err("no step is left that could run by it".to_owned()),
    }
}

/// The step before which the run would be left: the one that is about to start, or the first that has not ended.
fn next_step(at: &Stand<'_>) -> Option<StepId> {
    if !at.ended || at.item.is_some() {
        return Some(at.turn.step.clone());
    }
    let open = |id: &&StepId| !at.state.step(id).is_some_and(|state| state.can_be_kept());
    at.plan.steps.iter().map(|step| &step.id).find(open).cloned()
}

/// Where the run is held, in a line.
fn told(at: &Stand<'_>, side: Side, why: Option<usize>) -> String {
    let way: Vec<_> = at.way.iter().map(StepId::as_str).collect();
    let mut step = way.join("/");
    match (at.turn.iteration, at.state.step(&at.turn.step)) {
        (0, _) => {}
        (item, Some(StepState::Mapping(mapping))) => step.push_str(&format!(", item {item} of {}", mapping.items())),
        (item, _) if mapped(at).is_some() => step.push_str(&format!(", item {item}")),
        (iteration, _) => step.push_str(&format!(", iteration {iteration}")),
    }
    if let Some(AtItem { number, of, .. }) = at.item {
        step.push_str(&format!(", item {number} of {of}"));
    }
    if at.turn.attempt > 1 {
        step.push_str(&format!(", attempt {}", at.turn.attempt));
    }
    let what = match side {
        Side::Before => format!("before {step}  {}", runs(at)),
        Side::After => format!("after {step}  {}", made(at)),
        Side::Failed => format!("after {step}  {}", failed(at)),
    };
    let why = why.map_or_else(String::new, |number| format!("  (breakpoint {number})"));
    format!("{}{why}\n", what.trim_end())
}

/// The item of a map that it is about.
fn item_of(at: &Stand<'_>) -> Option<Item> {
    let of_child = || mapped(at).map(|_| Item { number: at.turn.iteration.into(), within: false });
    at.item.map(|item| Item { number: item.number, within: true }).or_else(of_child)
}

/// It is at a map over a component, in none of its items.
fn has_items(at: &Stand<'_>) -> bool {
    let is_map = |step: &PlannedStep| matches!(step.work, PlannedWork::Map { .. }) && !step.maps_child();
    at.item.is_none() && at.plan.step(&at.turn.step).is_some_and(is_map)
}

/// What was made of the item that it is about, by names under which it can be looked at.
fn made_here(at: &Stand<'_>) -> Vec<(String, Content)> {
    let Some(AtItem { number, ended: Some(Ok(made)), .. }) = at.item else { return Vec::new() };
    let name = |port: &str| format!("{}[{number}].{port}", at.turn.step);
    made.iter().map(|(port, content)| (name(port), content.clone())).collect()
}

/// The config of a map holds for all its items, and an item is what the run was given or a step made.
fn is_of_no_item(setting: &Setting, plan: &Plan) -> Result<(), String> {
    let is_map = |step: &PlannedStep| matches!(step.work, PlannedWork::Map { .. });
    let step = &setting.step;
    let is_number = || setting.pointer.split('/').nth(1).is_some_and(|first| first.parse::<u64>().is_ok());
    if !plan.steps.iter().any(|known| known.id.as_str() == step && is_map(known)) || !is_number() {
        return Ok(());
    }
    Err(format!(
        "an item of a map can't be edited; `input NAME=PATH` gives the run other data, `set {step}.PATH=VALUE` counts for all items"
    ))
}

/// What an edit comes to in the middle of a map.
const fn begins_anew(at: &Stand<'_>) -> &'static str {
    if at.item.is_some() { "; the map begins at its first item again" } else { "" }
}

/// The step, where it is a map over a child runbook: each stop of it is about an item.
fn mapped<'p>(at: &Stand<'p>) -> Option<&'p PlannedStep> {
    at.plan.step(&at.turn.step).filter(|step| step.maps_child())
}

fn runs(at: &Stand<'_>) -> String {
    let Some(step) = at.plan.step(&at.turn.step) else { return String::new() };
    let component = step.call().map(|call| format!(" {}@{}", call.component, call.version));
    format!("{}{}", step.kind(), component.unwrap_or_default())
}

fn made(at: &Stand<'_>) -> String {
    if let Some(AtItem { ended: Some(Ok(made)), .. }) = at.item {
        let made = made
            .iter()
            .map(|(port, content)| format!("{} {}", neutral::line(port, 64), Count(content.lines()).of("item")));
        return made.collect::<Vec<_>>().join(", ");
    }
    let outputs = at.state.outputs(&at.turn.step).or_else(|| at.state.latest(&at.turn.step)).unwrap_or_default();
    let made: Vec<_> = outputs
        .iter()
        .map(|output| format!("{} {}", neutral::line(&output.port, 64), Count(output.items).of("item")))
        .collect();
    format!("{}{}", made.join(", "), known(at))
}

/// That nothing ran, which somebody who wanted to see it run would wonder about.
fn known(at: &Stand<'_>) -> &'static str {
    let last = at.events.iter().rev().find_map(|event| match event {
        Event::AttemptSucceeded(ended) if ended.step == at.turn.step => Some(ended.reuse),
        _ => None,
    });
    match last {
        Some(Some(Reuse::From { .. })) => "  known from before: nothing ran; `debug --no-cache` runs it",
        _ => "",
    }
}

fn failed(at: &Stand<'_>) -> String {
    let of_step = |(step, _): &(&StepId, _)| **step == at.turn.step;
    let failure = match at.item {
        Some(AtItem { ended: Some(Err(failure)), .. }) => Some(failure),
        _ => at.events.iter().rev().find_map(|event| event.failure().filter(of_step)).map(|(_, failure)| failure),
    };
    failure.map_or_else(String::new, |failure| format!("failed: {}", neutral::line(&failure.message, 300)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

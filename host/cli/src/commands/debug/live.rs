//! A run that goes on and is held at each place where a person wants to look at it.

use super::command::{Command, parse};
use super::core::{Core, Mode, Place, Side};
use super::terminal::Terminal;
use super::view::{Style, View};
use crate::failure::CliError;
use crate::render::console;
use palisade_engine::{Gate, Stand, StepState};
use palisade_model::{StepId, neutral};
use palisade_runbook::{PlannedStep, Setting};
use palisade_store::Store;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
        View { store: self.store, plan, inputs, state, events, total: events.len(), style: self.style }
    }

    /// Asks what to do until the run is to go on.
    fn ask(&self, at: &Stand<'_>, session: &mut Session<'_>) {
        let view = self.view(at);
        let depth = at.way.len();
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
                Command::Step => Mode::Step { depth },
                Command::Into => Mode::Into,
                Command::Next => Mode::Next { depth },
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
        let same = |known: &Setting| (&known.step, &known.pointer) == (&setting.step, &setting.pointer);
        let before = session.changes.set.clone();
        session.changes.set.retain(|known| !same(known));
        session.changes.set.push(setting);
        match (self.check)(&session.changes.set, &session.changes.input) {
            Ok(()) => say("set; once it goes on, it is another run, and edited"),
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
            Ok(()) => say("given; once it goes on, it is another run, and edited"),
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
        let Some(why) = session.core.stops(Place { way: at.way, labels, side }) else { return };
        self.hold(true);
        console::out(&told(at, side, why));
        if let (Side::Before, Some(step)) = (side, mapped(at)) {
            // What cannot be read here fails the step when it goes on.
            let number = u64::from(at.turn.iteration).saturating_sub(1);
            console::out(&self.view(at).mapped_item(step, number).unwrap_or_default());
        }
        self.ask(at, &mut session);
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
            let text = breakpoint.text();
            Ok(format!("breakpoint {} {text}\n", core.add(breakpoint.clone())))
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
    if !at.ended {
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
    let outputs = at.state.outputs(&at.turn.step).or_else(|| at.state.latest(&at.turn.step)).unwrap_or_default();
    let made: Vec<_> =
        outputs.iter().map(|output| format!("{} {} items", neutral::line(&output.port, 64), output.items)).collect();
    made.join(", ")
}

fn failed(at: &Stand<'_>) -> String {
    let failure = at.events.iter().rev().find_map(|event| event.failure().filter(|(step, _)| **step == at.turn.step));
    failure.map_or_else(String::new, |(_, failure)| format!("failed: {}", neutral::line(&failure.message, 300)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

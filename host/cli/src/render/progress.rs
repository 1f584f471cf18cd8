//! Shows a run while it goes on: bars on a terminal, a line for each start and end elsewhere.

use super::console;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use palisade_engine::{Observed, Observer, SkipCause};
use palisade_model::record::Status;
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{Failure, FailureKind, StepId, Usage, neutral};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Columns of a terminal from which on there is room for a bar beside its figures.
const ROOM_FOR_BARS: usize = 90;

/// Listens to a run and shows it on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The bars, where standard error is a terminal.
    bars: Option<Bars>,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    /// By the names of the steps, each below those of the runs above it.
    of_steps: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Progress {
    /// Shows bars on a terminal, lines elsewhere.
    pub(crate) fn new(terminal: bool) -> Self {
        let all = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { bars: terminal.then(|| Bars { all: all(), of_steps: Mutex::default() }) }
    }

    /// Writes a line that stays, above the bars.
    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.all.println(text)),
            None => console::err(&format!("{text}\n")),
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: &Observed<'_>) {
        self.show("", event);
    }
}

/// What went wrong, and at which item.
fn told(failure: &Failure) -> String {
    let at = failure.at.as_ref();
    let at = at.map_or_else(String::new, |(port, item)| format!(" (item {item} of `{}`)", neutral::line(port, 64)));
    format!("{}{at}", neutral::line(&failure.message, 500))
}

impl Progress {
    /// Shows what happened in a run; `above` are the steps for which it runs, each with a `/` behind it.
    fn show(&self, above: &str, event: &Observed<'_>) {
        let name = |step: &StepId| format!("{above}{step}");
        match event {
            Observed::Compiling { component } => self.line(&format!("compiling {component} (once)")),
            Observed::StepStarted { step, component, input_bytes, parts } => {
                let step = name(step);
                if let Some(bars) = &self.bars {
                    bars.start(&step, *input_bytes);
                } else {
                    let parts = if *parts > 1 { format!(" in {parts} parts") } else { String::new() };
                    let input = if *input_bytes > 0 { format!(" over {}", Bytes(*input_bytes)) } else { String::new() };
                    self.line(&format!("{step}: {component} started{input}{parts}"));
                }
            }
            Observed::StepProgress { step, usage, items, said } => {
                if let Some(bars) = &self.bars {
                    bars.advance(&name(step), usage, *items, *said);
                }
            }
            Observed::StepSucceeded { step, iteration, items, skipped, usage } => {
                let iteration = if *iteration > 0 { format!("iteration {iteration}: ") } else { String::new() };
                let skipped = if *skipped > 0 { format!(", {} skipped", Count(*skipped)) } else { String::new() };
                self.end(&name(step), &format!("{iteration}{}{skipped}, {}", Count(*items).of("item"), figures(usage)));
            }
            Observed::StepKnown { step, iteration, items } => {
                let iteration = if *iteration > 0 { format!("iteration {iteration}: ") } else { String::new() };
                self.end(&name(step), &format!("{iteration}{}, known from before", Count(*items).of("item")));
            }
            Observed::StepFailed { step, failure } if failure.kind == FailureKind::Cancelled => {
                self.end(&name(step), "cancelled");
            }
            Observed::StepFailed { step, failure } => self.end(&name(step), &format!("failed: {}", told(failure))),
            Observed::StepRetries { step, attempt, failure, wait_ms } => {
                let wait = Millis(*wait_ms);
                let text = format!("attempt {attempt} failed, the next follows in {wait}: {}", told(failure));
                self.end(&name(step), &text);
            }
            Observed::StepSkipped { step, because } => {
                let step = name(step);
                match because {
                    SkipCause::Failed { step: by } => self.line(&format!("{step}: skipped, since `{by}` failed")),
                    SkipCause::Condition { step: by } if step == name(by) => {
                        self.line(&format!("{step}: skipped, since its condition does not hold"));
                    }
                    SkipCause::Condition { step: by } => {
                        self.line(&format!("{step}: skipped, since `{by}` was not wanted"));
                    }
                    // Whoever ends a run knows that what was to come will not.
                    SkipCause::Cancelled => {}
                }
            }
            Observed::WaitsForRoom { step: Some(step) } => {
                self.line(&format!("{}: waits for room, which other attempts of this data directory have", name(step)));
            }
            Observed::WaitsForRoom { step: None } => {
                self.line("waits for room: as many runs of this data directory go on as may");
            }
            Observed::ApprovalRequested { step } => self.line(&format!("{}: waits for a person", name(step))),
            Observed::ChildStarted { step, run, title } => {
                self.line(&format!("{}: child run {run} ({})", name(step), neutral::line(title, 80)));
            }
            Observed::InChild { step, event } => self.show(&format!("{}/", name(step)), event),
            // How it failed was told.
            Observed::ChildEnded { status: Status::Failed | Status::Cancelled, .. } => {}
            Observed::ChildEnded { step, status, .. } => self.line(&format!("{}: child run {status}", name(step))),
        }
    }

    fn end(&self, step: &str, text: &str) {
        if let Some(bar) = self.bars.as_ref().and_then(|bars| bars.steps().remove(step)) {
            bar.finish_and_clear();
        }
        self.line(&format!("{step}: {text}"));
    }
}

impl Bars {
    fn steps(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ProgressBar>> {
        self.of_steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, step: &str, input_bytes: u64) {
        let style = match (input_bytes > 0, console::width() >= ROOM_FOR_BARS) {
            (true, true) => "{prefix:20!} {bar:24} {percent:>3}% {wide_msg}",
            (true, false) => "{prefix:12!} {percent:>3}% {wide_msg}",
            (false, true) => "{prefix:20!} {spinner} {wide_msg}",
            (false, false) => "{prefix:12!} {spinner} {wide_msg}",
        };
        let bar = if input_bytes > 0 { ProgressBar::new(input_bytes) } else { ProgressBar::new_spinner() };
        // First of all: until it is one of the bars, it would be drawn where they are.
        let bar = self.all.add(bar);
        // The templates are constants; with a wrong one the default would show.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_prefix(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.steps().insert(step.to_owned(), bar);
    }

    fn advance(&self, step: &str, usage: &Usage, items: u64, said: Option<(u64, Option<u64>)>) {
        if let Some(bar) = self.steps().get(step) {
            bar.set_position(usage.input_bytes);
            let said = match said {
                Some((done, Some(total))) => format!("{} of {} done, ", Count(done), Count(total)),
                Some((done, None)) => format!("{} done, ", Count(done)),
                None => String::new(),
            };
            bar.set_message(format!("{said}{}, {}", Count(items).of("item"), figures(usage)));
        }
    }
}

fn figures(usage: &Usage) -> String {
    let bytes = usage.input_bytes;
    let speed = bytes.saturating_mul(1_000).checked_div(usage.wall_ms).filter(|_| bytes > 0);
    let speed = speed.map_or_else(String::new, |speed| format!("{}/s, ", Bytes(speed)));
    format!("{speed}{} CPU, {} memory", Millis(usage.cpu_ms), Bytes(usage.memory_peak_bytes))
}

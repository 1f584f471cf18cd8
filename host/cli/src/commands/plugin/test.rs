//! `palisade plugin test`: every case folder in the sandbox, compared with what is expected.

use super::case::{self, Case};
use super::expectation::{self, Files};
use super::headroom::{self, Near};
use super::project::Project;
use super::workbench::{Trial, Workbench};
use crate::args::{Format, PluginAt};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::interrupt;
use crate::render::console;
use palisade_engine::Cancel;
use palisade_model::unit::Count;
use palisade_model::{Failure, FailureKind};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::Path;
use tempfile::TempDir;

/// How much more fuel than recorded a case may use. Fuel is exact for one component, so this is room for small changes
/// of the code, not for noise.
const MAX_RISE: f64 = 0.05;

/// Most calls of a stack that are shown of one case.
const MAX_SHOWN_FRAMES: usize = 8;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As expected.
    Ok,
    /// Not as expected, or nobody has said what is.
    Differs,
    /// As expected, but it used more fuel than recorded.
    Fuel,
    /// Not as expected, and accepted as what is expected from now on.
    Accepted,
    /// The case itself is wrong: nothing was started.
    Broken,
}

#[derive(Debug, Serialize)]
struct Report {
    case: String,
    verdict: Verdict,
    fuel: Option<u64>,
    fuel_recorded: Option<u64>,
    skipped: u64,
    limits: Vec<Used>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Used {
    limit: String,
    used: u64,
    of: u64,
}

pub(super) fn exec(context: &Context, at: &PluginAt, accept: bool, filter: Option<&str>) -> Result<ExitCode, CliError> {
    let project = Project::open(context, at)?;
    let cases = case::list(&project.root, filter)?;
    let built = project.build(false)?;
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    // One instance at a time, so that fuel does not depend on the number of processors.
    let workbench = Workbench::new(context, built, &project.root, Some(NonZeroUsize::MIN))?;
    let empty = tempfile::tempdir().map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
    let runner = Runner { workbench, cancel, accept, empty };
    let mut reports = Vec::new();
    for case in &cases {
        let report = match runner.perform(case) {
            Ok(report) => report,
            Err(error) => Report::broken(case, &error),
        };
        if runner.cancel.is_cancelled() {
            return Err(CliError::new(ExitCode::Interrupted, "interrupted: the other cases did not run"));
        }
        if context.format == Format::Human {
            report.show(context);
        }
        reports.push(report);
    }
    let count = |wanted: &[Verdict]| reports.iter().filter(|report| wanted.contains(&report.verdict)).count();
    let (broken, other) = (count(&[Verdict::Broken]), count(&[Verdict::Differs, Verdict::Fuel]));
    let wrong = broken + other;
    let code = if wrong == 0 { ExitCode::Done } else { ExitCode::Failed };
    if context.format == Format::Json {
        console::json(&serde_json::json!({"plugin": runner.workbench.manifest().versioned_id(), "cases": reports}));
        return Ok(code);
    }
    if code == ExitCode::Done {
        return Ok(code);
    }
    let told = CliError::new(code, format!("{wrong} of {} cases are not as expected", reports.len()));
    Err(match other {
        0 => told.help("a broken case did not run: mend what is said of it above"),
        _ => told.help("read the differences; `palisade plugin test --accept` makes what came out what is expected"),
    })
}

struct Runner<'a> {
    workbench: Workbench<'a>,
    cancel: Cancel,
    accept: bool,
    /// The working folder of cases without files.
    empty: TempDir,
}

impl Runner<'_> {
    fn perform(&self, case: &Case) -> Result<Report, CliError> {
        let setting = case.read()?;
        let expected = expectation::expected(&case.dir)?;
        let folder = setting.files.as_deref().unwrap_or(self.empty.path());
        let allow: Vec<String> = ["fs-read=.", "sql=."].map(str::to_owned).into();
        let trial =
            Trial { inputs: setting.inputs, config: setting.config, limits: setting.limits, folder, allow: &allow };
        let ended = self.workbench.attempt(&trial, &self.cancel)?;
        let near = headroom::near(&ended.usage, &self.workbench.limits(&trial));
        let found = expectation::found(&ended.result)?;
        // Where a guest is stopped, fuel depends on what stopped it.
        let fuel = ended.result.is_ok().then_some(ended.usage.fuel);
        let mut report = Report {
            case: case.name.clone(),
            verdict: Verdict::Ok,
            fuel,
            fuel_recorded: setting.fuel,
            skipped: ended.skipped_count,
            limits: near.iter().map(Used::of).collect(),
            differences: expectation::differences(&expected.clone().unwrap_or_default(), &found),
            error: None,
        };
        if expected.is_none() {
            report.error = Some("nobody has said what is expected".to_owned());
        }
        if let Err(Failure { kind: FailureKind::Trap { frames }, .. }) = &ended.result
            && !report.differences.is_empty()
        {
            report.error = Some(stack(frames));
        }
        let rose = fuel.zip(setting.fuel).is_some_and(|(now, recorded)| headroom::rise(recorded, now) > MAX_RISE);
        if !report.differences.is_empty() || expected.is_none() {
            report.verdict = Verdict::Differs;
        } else if rose {
            report.verdict = Verdict::Fuel;
            report.error = Some(format!("that is more than {:.0} % above what was recorded", MAX_RISE * 100.0));
        }
        if self.accept && !self.cancel.is_cancelled() {
            self.accept(case, &expected.unwrap_or_default(), &found, &mut report)?;
        }
        Ok(report)
    }

    fn accept(&self, case: &Case, expected: &Files, found: &Files, report: &mut Report) -> Result<(), CliError> {
        if report.verdict == Verdict::Differs {
            expectation::accept(&case.dir, expected, found)?;
        }
        record_fuel(&case.dir, report.fuel_recorded, report.fuel)?;
        if report.verdict != Verdict::Ok {
            report.verdict = Verdict::Accepted;
        }
        Ok(())
    }
}

/// The innermost calls of a stack, one on each line.
fn stack(frames: &[String]) -> String {
    let mut lines: Vec<_> = frames.iter().take(MAX_SHOWN_FRAMES).map(|frame| format!("at {frame}")).collect();
    if let Some(more @ 1..) = frames.len().checked_sub(MAX_SHOWN_FRAMES) {
        lines.push(format!("and {more} more, which `palisade plugin run` shows"));
    }
    lines.join("\n")
}

/// Writes the fuel of a case beside what is expected of it; a case that fails has none.
fn record_fuel(dir: &Path, recorded: Option<u64>, fuel: Option<u64>) -> Result<(), CliError> {
    let path = dir.join("fuel");
    let done = match fuel {
        Some(fuel) if recorded != Some(fuel) => std::fs::write(&path, format!("{fuel}\n")),
        None if recorded.is_some() => std::fs::remove_file(&path),
        _ => Ok(()),
    };
    done.map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be written: {error}", path.display())))
}

impl Used {
    fn of(near: &Near) -> Self {
        Self { limit: near.told(), used: near.used, of: near.limit }
    }
}

impl Report {
    fn broken(case: &Case, error: &CliError) -> Self {
        let help = error.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
        Self {
            case: case.name.clone(),
            verdict: Verdict::Broken,
            fuel: None,
            fuel_recorded: None,
            skipped: 0,
            limits: Vec::new(),
            differences: Vec::new(),
            error: Some(format!("{}{help}", error.message)),
        }
    }

    fn show(&self, context: &Context) {
        let (word, colour) = match self.verdict {
            Verdict::Ok => ("ok       ", "32"),
            Verdict::Differs => ("differs  ", "31"),
            Verdict::Fuel => ("fuel     ", "31"),
            Verdict::Accepted => ("accepted ", "33"),
            Verdict::Broken => ("broken   ", "31"),
        };
        let coloured = context.settings.colour_stdout;
        let paint =
            |code: &str, text: &str| if coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let mut text = format!("{}{}{}\n", paint(colour, word), self.case, self.figures());
        for line in self.error.iter().flat_map(|error| error.lines()) {
            text.push_str(&format!("         {line}\n"));
        }
        for line in self.differences.iter().flat_map(|difference| difference.lines()) {
            let line = match line.chars().next() {
                Some('-') => paint("31", line),
                Some('+') => paint("32", line),
                _ => line.to_owned(),
            };
            text.push_str(&format!("         {line}\n"));
        }
        console::out(&text);
    }

    /// Fuel and its change, what was skipped, and the limits that came near.
    fn figures(&self) -> String {
        let mut figures = Vec::new();
        if let Some(fuel) = self.fuel {
            let change = match self.fuel_recorded {
                Some(recorded) if recorded == fuel => " (as recorded)".to_owned(),
                Some(recorded) => format!(" ({:+.1} %)", headroom::rise(recorded, fuel) * 100.0),
                None => String::new(),
            };
            figures.push(format!("fuel {}{change}", Count(fuel)));
        }
        figures.extend(self.limits.iter().map(|used| used.limit.clone()));
        if self.skipped > 0 {
            figures.push(format!("{} skipped", Count(self.skipped)));
        }
        if figures.is_empty() { String::new() } else { format!("  {}", figures.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fuel: u64, recorded: Option<u64>) -> Report {
        Report {
            case: "c".into(),
            verdict: Verdict::Ok,
            fuel: Some(fuel),
            fuel_recorded: recorded,
            skipped: 2,
            limits: Vec::new(),
            differences: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn the_change_of_fuel_is_told() {
        assert_eq!(report(1_000, None).figures(), "  fuel 1,000, 2 skipped");
        assert_eq!(report(1_000, Some(1_000)).figures(), "  fuel 1,000 (as recorded), 2 skipped");
        assert_eq!(report(1_061, Some(1_000)).figures(), "  fuel 1,061 (+6.1 %), 2 skipped");
    }

    #[test]
    fn a_long_stack_is_cut_and_says_so() {
        let frames: Vec<_> = (0..10).map(|number| format!("f{number}")).collect();
        assert!(stack(&frames).ends_with("at f7\nand 2 more, which `palisade plugin run` shows"));
        assert_eq!(stack(&frames[..1]), "at f0");
        assert!(stack(&frames[..8]).ends_with("at f7"));
    }

    #[test]
    fn fuel_is_recorded_for_what_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fuel");
        record_fuel(dir.path(), None, Some(7)).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "7\n");
        record_fuel(dir.path(), Some(7), None).unwrap();
        assert!(!file.exists());
    }
}

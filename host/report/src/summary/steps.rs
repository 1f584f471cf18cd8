//! The steps: why those that failed did, and what all of them took.

use super::pen::{Ink, TextStyle, fit, left, right, width, wrap};
use super::{heading, sign};
use crate::allow::option;
use palisade_model::record::{RunRecord, Status, StepRecord};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{Failure, FailureKind, StepId};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Most lines shown of a guest's stack.
const MAX_FRAMES: usize = 8;
/// Least and most columns of a step's name.
const MIN_STEP: usize = 12;
const MAX_STEP: usize = 40;

/// Writes why steps failed, and which were not started because of it.
pub(super) fn failures(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    // That a step was cancelled with its run needs no reason of its own.
    let cancelled = |step: &StepRecord| matches!(step.failure, Some(Failure { kind: FailureKind::Cancelled, .. }));
    let all = run.steps.iter().chain(&run.compensations);
    let failed: Vec<_> = all.filter(|step| step.failure.is_some() && !cancelled(step)).collect();
    if failed.is_empty() {
        return Ok(());
    }
    heading("Failed", style, out)?;
    for step in failed {
        failure(run, step, style, out)?;
    }
    Ok(())
}

fn failure(run: &RunRecord, step: &StepRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let Some(failure) = &step.failure else { return Ok(()) };
    let columns = style.columns();
    let (sign, ink) = sign(step.status);
    let component = step.component.as_ref().map_or_else(String::new, ToString::to_string);
    writeln!(
        out,
        "  {} {}  {}",
        style.ink(ink, sign),
        style.ink(Ink::Heading, &fit(step.id.as_str(), columns.saturating_sub(4))),
        style.ink(Ink::Quiet, &component)
    )?;
    indented(&failure.message, "    ", columns, out)?;
    if let Some((port, item)) = &failure.at {
        indented(&format!("at item {} of `{port}`, counted from 0", Count(*item)), "    ", columns, out)?;
    }
    match &failure.kind {
        FailureKind::Trap { frames } => {
            for frame in frames.iter().take(MAX_FRAMES) {
                let line = fit(frame, columns.saturating_sub(9));
                writeln!(out, "      {}", style.ink(Ink::Quiet, &format!("in {line}")))?;
            }
            if let Some(more) = frames.len().checked_sub(MAX_FRAMES + 1) {
                writeln!(out, "      {}", style.ink(Ink::Quiet, &format!("… {} more", more + 1)))?;
            }
        }
        FailureKind::Denied { allow: Some(allow), .. } => {
            indented(&format!("to allow it for one run: {}", option(allow)), "    ", columns, out)?;
        }
        _ => {}
    }
    if let Some(help) = &failure.help {
        indented(&format!("help: {help}"), "    ", columns, out)?;
    }
    let because = |other: &&StepRecord| other.skipped_because.as_ref() == Some(&step.id);
    let waiting: Vec<_> = run.steps.iter().filter(because).map(|other| other.id.as_str()).collect();
    if !waiting.is_empty() {
        indented(&format!("not started because of it: {}", waiting.join(", ")), "    ", columns, out)?;
    }
    Ok(())
}

fn indented(text: &str, indent: &str, columns: usize, out: &mut impl Write) -> io::Result<()> {
    wrap(text, columns.saturating_sub(indent.len())).iter().try_for_each(|line| writeln!(out, "{indent}{line}"))
}

/// What a table tells of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Items,
    Cpu,
    Memory,
    Wall,
    Read,
    Made,
    Attempts,
}

impl Column {
    /// What is told at the end of a run.
    pub(super) const USUAL: [Self; 4] = [Self::Items, Self::Cpu, Self::Memory, Self::Wall];
    /// All there is.
    pub(super) const ALL: [Self; 7] =
        [Self::Items, Self::Cpu, Self::Memory, Self::Wall, Self::Read, Self::Made, Self::Attempts];

    fn title(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Wall => "wall",
            Self::Read => "read",
            Self::Made => "made",
            Self::Attempts => "attempts",
        }
    }

    fn cell(self, step: &StepRecord) -> String {
        let usage = &step.usage;
        match self {
            Self::Items => step.output.as_ref().map_or_else(|| "–".to_owned(), |made| Count(made.count).to_string()),
            _ if step.attempts == 0 || step.cached_from.is_some() => "–".to_owned(),
            Self::Cpu => Millis(usage.cpu_ms).to_string(),
            Self::Memory => Bytes(usage.memory_peak_bytes).to_string(),
            Self::Wall => Millis(usage.wall_ms).to_string(),
            Self::Read => Bytes(usage.input_bytes).to_string(),
            Self::Made => Bytes(usage.output_bytes).to_string(),
            Self::Attempts => Count(step.attempts.into()).to_string(),
        }
    }
}

/// Writes one line for each step: its status and those columns, as many of them as there is room for. `unended` has the
/// steps that have not ended, each with how it stands.
pub(super) fn table(
    run: &RunRecord,
    columns: &[Column],
    unended: &BTreeMap<StepId, &str>,
    style: TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    heading("Steps", style, out)?;
    let steps: Vec<&StepRecord> = run.steps.iter().chain(&run.compensations).collect();
    let rows: Vec<Vec<String>> =
        steps.iter().map(|step| columns.iter().map(|column| column.cell(step)).collect()).collect();
    let titles: Vec<String> = columns.iter().map(|column| column.title().to_owned()).collect();
    let widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(column, title)| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).fold(width(title), usize::max)
        })
        .collect();
    let mut shown = widths.len();
    let numbers = |shown: usize| widths.iter().take(shown).map(|width| width + 2).sum::<usize>();
    while shown > 1 && style.columns() < 4 + MIN_STEP + numbers(shown) {
        shown -= 1;
    }
    let room = style.columns().saturating_sub(numbers(shown) + 4).clamp(MIN_STEP, MAX_STEP);
    let names: Vec<_> = steps.iter().map(|step| fit(step.id.as_str(), room)).collect();
    let columns = names.iter().map(|name| width(name)).fold(4, usize::max);
    let line = |cells: &[String]| -> String {
        cells.iter().zip(&widths).take(shown).map(|(cell, width)| format!("  {}", right(cell, *width))).collect()
    };
    let title = format!("    {}{}", left("step", columns), line(&titles));
    writeln!(out, "{}", style.ink(Ink::Quiet, &title))?;
    for ((step, name), cells) in steps.iter().zip(&names).zip(&rows) {
        let unended = unended.get(&step.id);
        let (sign, ink) = if unended.is_some() { sign(Status::Waiting) } else { sign(step.status) };
        let note = unended.map_or_else(|| note(step), |stands| format!("  {stands}"));
        let note = fit(&note, style.columns().saturating_sub(4 + columns + numbers(shown)));
        writeln!(out, "  {} {}{}{}", style.ink(ink, sign), left(name, columns), line(cells), style.ink(ink, &note))?;
    }
    Ok(())
}

/// How a step ended, where that is not said by its sign alone.
fn note(step: &StepRecord) -> String {
    if let Some(undone) = &step.compensates {
        return match step.status {
            Status::Succeeded => format!("  undid `{undone}`"),
            status => format!("  {status}; it undoes `{undone}`"),
        };
    }
    if step.cached_from.is_some() {
        return "  known from before".to_owned();
    }
    match step.status {
        Status::Succeeded => match step.iterations {
            Some(iterations) => format!("  {}", Count(iterations.into()).of("iteration")),
            None if step.attempts > 1 => format!("  {} attempts", step.attempts),
            None => String::new(),
        },
        Status::Skipped => match &step.unmet_condition {
            Some(by) if *by == step.id => "  skipped: its condition does not hold".to_owned(),
            Some(by) => format!("  skipped: `{by}` was not wanted"),
            None => "  skipped".to_owned(),
        },
        status => format!("  {status}"),
    }
}

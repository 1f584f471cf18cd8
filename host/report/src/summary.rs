//! The summary of a run for a terminal: what failed, where a policy and the data disagree, what was found, what it took, what was left out.

mod findings;
mod gaps;
mod history;
mod notes;
mod pen;
mod steps;

pub use history::{Unended, history};
pub use pen::TextStyle;

use crate::document::has_findings;
use crate::tally::{Places, Tally, tally_all};
use crate::{Document, ReportError};
use palisade_model::record::{RunRecord, Status};
use palisade_model::unit::{Count, Millis};
use pen::{Ink, fit, wrap};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Most edits that are told.
const MAX_EDITS: usize = 20;

/// Writes the summary. Each document is walked once, by its lines; memory does not grow with its size.
///
/// No evidence is shown. Foreign text is neutralised; messages of components are shown, and may hold data of the
/// inputs.
///
/// # Errors
/// When the writer refuses or a document can't be read.
pub fn summary(
    run: &RunRecord,
    documents: &[&dyn Document],
    style: TextStyle,
    out: &mut impl Write,
) -> Result<(), ReportError> {
    let (tallies, places) = tally_all(documents)?;
    head(run, &tallies, &places, style, out)?;
    steps::failures(run, style, out)?;
    gaps::gaps(documents, style, out)?;
    findings::findings(&tallies, style, out)?;
    steps::table(run, &steps::Column::USUAL, &BTreeMap::new(), style, out)?;
    notes::skipped(run, style, out)?;
    notes::models(run, style, out)?;
    notes::sent(run, style, out)?;
    notes::warnings(run, style, out)?;
    notes::put(run, style, out)?;
    Ok(())
}

/// Writes which files were written, as the summary's last part.
///
/// # Errors
/// When the writer refuses.
pub fn written(files: &[String], style: TextStyle, out: &mut impl Write) -> Result<(), ReportError> {
    Ok(notes::written(files, style, out)?)
}

fn head(
    run: &RunRecord,
    tallies: &[(&dyn Document, Tally)],
    places: &Places,
    style: TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", style.ink(Ink::Heading, &fit(&run.runbook.name, style.columns())))?;
    let done = run.steps.iter().filter(|step| step.status == Status::Succeeded).count();
    let found = tallies
        .iter()
        .filter(|(document, _)| has_findings(*document))
        .map(|(_, tally)| tally.all.findings)
        .sum::<u64>();
    let (places, more) = places.len();
    let mut facts = vec![
        format!("{} in {}", run.status, Millis(run.usage.wall_ms)),
        format!("{done} of {}", Count(run.steps.len() as u64).of("step")),
    ];
    if !tallies.is_empty() {
        let at_least = if more { "more than " } else { "" };
        facts.push(format!("{} in {at_least}{}", Count(found).of("finding"), Count(places as u64).of("place")));
    }
    let skipped: u64 = run.steps.iter().map(|step| step.skipped_count).sum();
    if skipped > 0 {
        facts.push(format!("{} skipped", Count(skipped).of("input")));
    }
    let (sign, ink) = sign(run.status);
    for (index, line) in wrap(&facts.join(" · "), style.columns().saturating_sub(2)).iter().enumerate() {
        writeln!(out, "{} {}", style.ink(ink, if index == 0 { sign } else { " " }), style.ink(ink, line))?;
    }
    id(run, style, out)
}

/// Writes the run's id as a whole, so that it can be copied.
fn id(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let id = format!("run {}", run.run_id);
    let indent = if style.columns() < id.len() + 2 { "" } else { "  " };
    writeln!(out, "{indent}{}", style.ink(Ink::Quiet, &id))?;
    fork(run, indent, style, out)
}

/// Says from which run it was forked, and that it was edited: nobody should take it for what its runbook makes.
fn fork(run: &RunRecord, indent: &str, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let Some(from) = &run.forked_from else { return Ok(()) };
    let columns = style.columns().saturating_sub(indent.len());
    let from = format!("forked from run {} before step {}, behind event {}", from.run_id, from.step, from.event);
    let mut lines: Vec<_> = wrap(&from, columns).into_iter().map(|line| style.ink(Ink::Quiet, &line)).collect();
    if !run.edits.is_empty() {
        let edits: Vec<_> = run.edits.iter().take(MAX_EDITS).map(ToString::to_string).collect();
        let more = run.edits.len().saturating_sub(MAX_EDITS) as u64;
        let more = if more == 0 { String::new() } else { format!("; {} more", Count(more)) };
        let edited = format!("edited: {}{more}", edits.join("; "));
        lines.extend(wrap(&edited, columns).into_iter().map(|line| style.ink(Ink::Notable, &line)));
    }
    lines.iter().try_for_each(|line| writeln!(out, "{indent}{line}"))
}

/// What a status looks like.
fn sign(status: Status) -> (&'static str, Ink) {
    match status {
        Status::Succeeded => ("✓", Ink::Good),
        Status::Failed => ("✗", Ink::Bad),
        Status::Skipped => ("–", Ink::Quiet),
        Status::Cancelled | Status::Interrupted => ("■", Ink::Notable),
        Status::Waiting => ("…", Ink::Notable),
    }
}

fn heading(title: &str, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{}", style.ink(Ink::Heading, title))
}

#[cfg(test)]
mod tests;

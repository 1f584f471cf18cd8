//! A run as its journal tells it: what failed, what each step took, what was left out, what was made.

use super::pen::{Ink, TextStyle, fit, left, right, width, wrap};
use super::steps::{self, Column};
use super::{heading, id, notes, sign};
use palisade_model::StepId;
use palisade_model::record::{RunRecord, Status};
use palisade_model::unit::{Bytes, Count, Millis};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How a run stands that has not ended.
#[derive(Debug, Clone, Default)]
pub struct Unended<'a> {
    /// It, in words: `running in process 12`. Empty = the run has ended.
    pub told: String,
    /// The steps that have not ended, each with how it stands in one word.
    pub steps: BTreeMap<StepId, &'a str>,
}

/// Writes a run as its journal tells it. No data of the run is opened.
///
/// # Errors
/// When the writer refuses.
pub fn history(run: &RunRecord, unended: &Unended<'_>, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    head(run, unended, style, out)?;
    steps::failures(run, style, out)?;
    steps::table(run, &Column::ALL, &unended.steps, style, out)?;
    notes::skipped(run, style, out)?;
    notes::models(run, style, out)?;
    notes::sent(run, style, out)?;
    notes::warnings(run, style, out)?;
    outputs(run, style, out)
}

fn head(run: &RunRecord, unended: &Unended<'_>, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let columns = style.columns();
    writeln!(out, "{}", style.ink(Ink::Heading, &fit(&run.runbook.name, columns)))?;
    let done = run.steps.iter().filter(|step| step.status == Status::Succeeded).count();
    let (mark, ink) = if unended.told.is_empty() { sign(run.status) } else { sign(Status::Interrupted) };
    let stands = match unended.told.as_str() {
        "" => format!("{} in {}", run.status, Millis(run.usage.wall_ms)),
        told => told.to_owned(),
    };
    let facts = format!("{stands} · {done} of {}", Count(run.steps.len() as u64).of("step"));
    writeln!(out, "{} {}", style.ink(ink, mark), style.ink(ink, &fit(&facts, columns.saturating_sub(2))))?;
    id(run, style, out)?;
    let about = [
        format!("started {} by Palisade {}", run.started_at, fit(&run.palisade_version, 40)),
        format!("runbook {}", run.runbook_digest),
        format!("plan    {}", run.plan_digest),
    ];
    about.iter().try_for_each(|line| quiet(line, "  ", style, out))
}

/// Writes a line on as many as it needs.
fn quiet(line: &str, indent: &str, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    // Spaces that align what follows are no place to break at.
    let columns = style.columns().saturating_sub(indent.len());
    let lines = if width(line) <= columns { vec![line.to_owned()] } else { wrap(line, columns) };
    lines.iter().try_for_each(|line| writeln!(out, "{indent}{}", style.ink(Ink::Quiet, line)))
}

/// Writes the artifacts that were given and made, with their digests in whole: they are there to be compared.
fn outputs(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let given = run.inputs.iter().map(|input| (&input.artifact, "given"));
    let made = run.steps.iter().flat_map(|step| step.outputs());
    let made = made.map(|(output, exported)| (output, if exported { "result" } else { "" }));
    let all: Vec<_> = given.chain(made).collect();
    if all.is_empty() {
        return Ok(());
    }
    heading("Artifacts", style, out)?;
    let rows: Vec<[String; 4]> = all
        .iter()
        .map(|(output, note)| {
            let name = fit(output.name.as_str(), 40);
            let items = Count(output.count).of("item");
            [name, items, Bytes(output.bytes).to_string(), (*note).to_owned()]
        })
        .collect();
    let widest =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(widest).collect();
    for ((output, _), [name, items, bytes, note]) in all.iter().zip(&rows) {
        let at = |column: usize| widths.get(column).copied().unwrap_or(0);
        let line = format!(
            "  {}  {}  {}  {}  {}",
            left(name, at(0)),
            right(items, at(1)),
            right(bytes, at(2)),
            left(note, at(3)),
            output.schema
        );
        writeln!(out, "{}", fit(line.trim_end(), style.columns()))?;
        quiet(&output.digest.to_string(), "    ", style, out)?;
    }
    Ok(())
}

//! What was left out, and what was said.

use super::heading;
use super::pen::{Ink, TextStyle, fit, left, width, wrap};
use crate::allow::option;
use crate::skips::Skips;
use palisade_model::record::{LogLevel, RunRecord};
use palisade_model::unit::{Bytes, Count};
use std::io::{self, Write};

/// Most reasons shown, and most names for each.
const MAX_REASONS: usize = 12;
const MAX_NAMES: usize = 5;
/// Most servers shown to which something was sent.
const MAX_SINKS: usize = 20;
/// Most steps shown that asked models.
const MAX_ASKING: usize = 20;
/// Most files of steps shown.
const MAX_FILES: usize = 20;
/// Most warnings of the runbook, and most of components, shown.
const MAX_WARNINGS: usize = 20;

/// Writes what parts of the inputs were left out, by reason.
pub(super) fn skipped(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let skips = Skips::of(run, MAX_NAMES);
    if skips.total == 0 {
        return Ok(());
    }
    heading(&format!("Skipped inputs: {}", Count(skips.total)), style, out)?;
    let columns = style.columns();
    for (reason, group) in skips.by_reason.iter().take(MAX_REASONS) {
        let count = format!("  {}", Count(group.count));
        let lines = wrap(reason, columns.saturating_sub(2 + count.len()));
        writeln!(out, "  {}{}", lines.join("\n  "), style.ink(Ink::Quiet, &count))?;
        let names: Vec<_> = group.first.iter().map(|skip| fit(&skip.what, columns.saturating_sub(4))).collect();
        let widest = names.iter().map(|name| width(name)).max().unwrap_or_default();
        for (skip, name) in group.first.iter().zip(&names) {
            let Some(allow) = &skip.allow else {
                writeln!(out, "    {name}")?;
                continue;
            };
            let allow = fit(&option(allow), columns.saturating_sub(6));
            if 4 + widest + 2 + width(&allow) <= columns {
                writeln!(out, "    {}  {}", left(name, widest), style.ink(Ink::Notable, &allow))?;
            } else {
                writeln!(out, "    {name}\n      {}", style.ink(Ink::Notable, &allow))?;
            }
        }
        let more = group.count.saturating_sub(group.first.len() as u64);
        if more > 0 {
            writeln!(out, "    {}", style.ink(Ink::Quiet, &format!("… {} more", Count(more))))?;
        }
    }
    let reasons = skips.by_reason.len().saturating_sub(MAX_REASONS) as u64;
    if reasons > 0 {
        writeln!(out, "  {}", style.ink(Ink::Quiet, &format!("… {} further reasons", Count(reasons))))?;
    }
    if skips.unnamed > 0 {
        let text = format!("… {} more that were counted, but not noted", Count(skips.unnamed));
        writeln!(out, "  {}", style.ink(Ink::Quiet, &text))?;
        if let Some(child) = run.children.first() {
            let where_else = format!("what a child run left out it notes itself: `palisade runs show {child}`");
            writeln!(out, "    {}", style.ink(Ink::Quiet, &where_else))?;
        }
    }
    Ok(())
}

/// Writes what models were asked, by step.
pub(super) fn models(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let steps = run.steps.iter().chain(&run.compensations);
    let asked: Vec<_> = steps.filter_map(|step| Some(format!("{}: {}", step.id, step.usage.of_models()?))).collect();
    if asked.is_empty() {
        return Ok(());
    }
    heading("Models", style, out)?;
    for asked in asked.iter().take(MAX_ASKING) {
        writeln!(out, "  {}", fit(asked, style.columns().saturating_sub(2)))?;
    }
    let more = asked.len().saturating_sub(MAX_ASKING) as u64;
    if more > 0 {
        writeln!(out, "  {}", style.ink(Ink::Quiet, &format!("… {} more", Count(more))))?;
    }
    Ok(())
}

/// Writes how much was sent, by where it went.
pub(super) fn sent(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    if run.sent.is_empty() {
        return Ok(());
    }
    heading("Sent", style, out)?;
    for (sink, bytes) in run.sent.iter().take(MAX_SINKS) {
        let bytes = format!("  {}", Bytes(*bytes));
        let sink = fit(sink, style.columns().saturating_sub(2 + bytes.len()));
        writeln!(out, "  {sink}{}", style.ink(Ink::Quiet, &bytes))?;
    }
    let more = run.sent.len().saturating_sub(MAX_SINKS) as u64;
    if more > 0 {
        writeln!(out, "  {}", style.ink(Ink::Quiet, &format!("… {} more", Count(more))))?;
    }
    Ok(())
}

/// Writes the runbook's warnings, the components' own, what was lost, and what was allowed for this run alone.
pub(super) fn warnings(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let mut warnings: Vec<_> = run.warnings.iter().take(MAX_WARNINGS).cloned().collect();
    let said = || {
        let all = run.steps.iter().flat_map(|step| step.log.iter().map(move |line| (step, line)));
        all.filter(|(_, line)| line.level >= LogLevel::Warn)
    };
    warnings.extend(said().take(MAX_WARNINGS).map(|(step, line)| format!("{}: {}", step.id, line.message)));
    warnings.extend(run.steps.iter().filter(|step| step.usage.log_bytes_dropped > 0).map(|step| {
        let bytes = Bytes(step.usage.log_bytes_dropped);
        format!("{}: {bytes} of what it logged were over its limit `log_bytes` and are lost", step.id)
    }));
    let left_out = [run.warnings.len(), said().count()].map(|count| count.saturating_sub(MAX_WARNINGS) as u64);
    list("Warnings", &warnings, left_out.iter().sum(), style, out)?;
    list("Allowed for this run", &run.allowed, 0, style, out)
}

/// Writes which files steps have put in their places.
pub(super) fn put(run: &RunRecord, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let steps = || run.steps.iter().chain(&run.compensations);
    let all = || steps().flat_map(|step| step.files.iter().map(move |file| (step, file)));
    let shown = all().take(MAX_FILES);
    let shown: Vec<_> =
        shown.map(|(step, file)| format!("{}: {}, {}", step.id, file.path, Bytes(file.bytes))).collect();
    list("Written by steps", &shown, all().count().saturating_sub(MAX_FILES) as u64, style, out)
}

/// Writes which files were written.
pub(super) fn written(files: &[String], style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    heading("Written", style, out)?;
    files.iter().try_for_each(|file| {
        wrap(file, style.columns().saturating_sub(2)).iter().try_for_each(|line| writeln!(out, "  {line}"))
    })
}

fn list(title: &str, texts: &[String], left_out: u64, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    heading(title, style, out)?;
    for text in texts {
        for (index, line) in wrap(text, style.columns().saturating_sub(4)).iter().enumerate() {
            let sign = if index == 0 { style.ink(Ink::Notable, "!") } else { " ".to_owned() };
            writeln!(out, "  {sign} {line}")?;
        }
    }
    if left_out > 0 {
        writeln!(out, "    {}", style.ink(Ink::Quiet, &format!("… {} more", Count(left_out))))?;
    }
    Ok(())
}

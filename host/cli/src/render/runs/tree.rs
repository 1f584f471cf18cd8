//! A run as a tree: its steps, below each its attempts, the iterations of a loop and what a map went over.

use super::{foreign, painted, signed, skip_cause};
use palisade_engine::{AttemptNode, Standing, StepNode};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{Failure, RunId, Usage};
use std::fmt::Write as _;

/// The tree as text.
pub(crate) fn tree(run: RunId, name: &str, standing: &Standing, steps: &[StepNode], colour: bool) -> String {
    let mut out =
        format!("{}  {}\n  run {run}\n", painted(colour, "1", &foreign(name)), signed(colour, standing.name()));
    add_steps(&mut out, "", steps, colour);
    out
}

fn add_steps(out: &mut String, indent: &str, steps: &[StepNode], colour: bool) {
    for (index, step) in steps.iter().enumerate() {
        let (branch, trunk) = if index + 1 == steps.len() { ("└─", "  ") } else { ("├─", "│ ") };
        let runs = step.component.as_deref().unwrap_or_default();
        let state = signed(colour, step.state);
        // Writing to a String can't fail.
        let head =
            format!("{indent}{branch} {state}  {}  {}  {runs}", painted(colour, "1", step.step.as_str()), step.kind);
        let _ = writeln!(out, "{}", head.trim_end());
        let below_step = format!("{indent}{trunk}   ");
        let line = |out: &mut String, text: &str| {
            let _ = writeln!(out, "{below_step}{text}");
        };
        for (called, config) in &step.fixed {
            for (name, value) in config {
                line(out, &format!("{} has {} = {}", foreign(called), foreign(name), foreign(&value.to_string())));
            }
        }
        if let Some(undone) = &step.compensates {
            line(out, &format!("undoes {undone}"));
        }
        if let Some(because) = &step.skipped {
            line(out, &skip_cause(because));
        }
        if let Some(failure) = &step.failure {
            told(failure).iter().for_each(|text| line(out, text));
        }
        for attempt in &step.attempts {
            line(out, &attempt_line(step.kind, attempt, colour));
            below(attempt).iter().for_each(|text| line(out, &format!("  {text}")));
            if let Some(child) = &attempt.child {
                let name = child.name.as_deref().map_or_else(|| "not begun".to_owned(), foreign);
                line(out, &format!("  child run {}  {}", child.run_id, painted(colour, "1", &name)));
                add_steps(out, &format!("{below_step}  "), &child.steps, colour);
            }
        }
    }
}

fn attempt_line(kind: &str, attempt: &AttemptNode, colour: bool) -> String {
    let what = if kind == "map" { "item" } else { "iteration" };
    let turn = match attempt.iteration {
        0 => format!("attempt {}", attempt.attempt),
        iteration if attempt.attempt == 1 => format!("{what} {iteration}"),
        iteration => format!("{what} {iteration}, attempt {}", attempt.attempt),
    };
    let took = attempt.duration_ms.map_or_else(String::new, |ms| format!(" in {}", Millis(ms)));
    let used = attempt.usage.as_ref().map_or_else(String::new, |usage| format!(" · {}", used(usage)));
    let elsewhere = attempt.from_run.map_or_else(String::new, |run| format!(" · in run {run}"));
    format!("{turn}  {}{took}{used}{elsewhere}", signed(colour, attempt.state))
}

/// What an attempt used, in one line.
pub(super) fn used(usage: &Usage) -> String {
    let mut used = format!(
        "{} CPU · {} memory · {} read · {} made",
        Millis(usage.cpu_ms),
        Bytes(usage.memory_peak_bytes),
        Bytes(usage.input_bytes),
        Bytes(usage.output_bytes)
    );
    if let Some(of_models) = usage.of_models() {
        // Writing to a String can't fail.
        let _ = write!(used, " · {of_models}");
    }
    if usage.http_requests > 0 {
        let requests = Count(usage.http_requests).of("request");
        let _ = write!(used, " · {requests} over HTTP, {}", Bytes(usage.http_bytes));
    }
    used
}

fn below(attempt: &AttemptNode) -> Vec<String> {
    let mut lines = Vec::new();
    let failed_at = attempt.failure.as_ref().and_then(|failure| failure.at.as_ref());
    if let Some(items) = attempt.mapped_items {
        let items = Count(items).of("item");
        lines.push(match failed_at {
            Some((_, item)) => format!("over {items}, failed at item {}, counted from 0", Count(*item)),
            None if attempt.state == "succeeded" => format!("over {items}, all done"),
            None => format!("over {items}"),
        });
    }
    for output in &attempt.outputs {
        let (items, bytes) = (Count(output.items).of("item"), Bytes(output.bytes));
        lines.push(format!("{} → {items}, {bytes}, {}", foreign(&output.port), output.artifact.short()));
    }
    lines.extend(attempt.failure.iter().flat_map(told));
    lines
}

fn told(failure: &Failure) -> Vec<String> {
    let help = failure.help.as_ref().map(|help| format!("help: {}", foreign(help)));
    std::iter::once(foreign(&failure.message)).chain(help).collect()
}

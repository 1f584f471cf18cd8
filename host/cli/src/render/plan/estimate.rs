//! The estimate of a run: what it will probably take, beside the most that it can.

use super::{Style, foreign, heading, table};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_runbook::{Basis, Estimate, PlanDocument, Range, StepEstimate, Told, Unknown};
use std::fmt::Write as _;

pub(super) fn show(out: &mut String, document: &PlanDocument, style: Style<'_>) {
    let Some(estimate) = &document.estimate else { return };
    let _ = writeln!(out, "\n{}", heading(style, "Estimate, from past runs in this data directory"));
    if estimate.unknown_steps == estimate.steps.len() as u64 {
        out.push_str("  none\n");
    } else {
        of_run(out, estimate);
    }
    let heads = ["", "CPU", "wall", "memory", "reads", "makes", "from"].map(str::to_owned).to_vec();
    let (known, unknown): (Vec<_>, Vec<_>) =
        estimate.steps.iter().partition(|step| matches!(step.told, Told::Known { .. }));
    if !known.is_empty() {
        out.push('\n');
        table(out, &std::iter::once(heads).chain(known.into_iter().map(row)).collect::<Vec<_>>());
    }
    table(out, &unknown.into_iter().map(row).collect::<Vec<_>>());
}

fn of_run(out: &mut String, estimate: &Estimate) {
    let run = &estimate.run;
    let rows = [
        ("CPU time", shown(run.cpu_ms, time)),
        ("wall time", shown(run.wall_ms, time)),
        ("memory", format!("{} in the largest instance", shown(run.memory_bytes, bytes))),
        ("made", shown(run.output_bytes, bytes)),
    ];
    table(out, &rows.map(|(name, amount)| vec![name.to_owned(), amount]));
    let _ = match estimate.unknown_steps {
        0 => Ok(()),
        1 => writeln!(out, "  and what 1 step takes of which nothing is known"),
        more => writeln!(out, "  and what {} steps take of which nothing is known", Count(more)),
    };
}

fn row(step: &StepEstimate) -> Vec<String> {
    let name = step.step.to_string();
    let (input_bytes, amounts, basis) = match &step.told {
        Told::Known { input_bytes, amounts, basis } => (input_bytes.expected, amounts, basis),
        Told::Unknown { unknown } => return vec![name, why(unknown)],
    };
    vec![
        name,
        time(amounts.cpu_ms.expected),
        time(amounts.wall_ms.expected),
        bytes(amounts.memory_bytes.expected),
        bytes(input_bytes),
        bytes(amounts.output_bytes.expected),
        based(basis, input_bytes),
    ]
}

fn time(ms: u64) -> String {
    Millis(ms).to_string()
}

fn bytes(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

/// `1.2 s (1 s to 1.5 s)`.
fn shown(range: Range, show: fn(u64) -> String) -> String {
    let (expected, low, high) = (show(range.expected), show(range.low), show(range.high));
    if low == high { expected } else { format!("{expected} ({low} to {high})") }
}

fn based(basis: &Basis, input_bytes: u64) -> String {
    let attempts = Count(basis.attempts).of("attempt");
    let (least, most) = (Bytes(basis.least_input_bytes).to_string(), Bytes(basis.most_input_bytes).to_string());
    let over = if least == most { most } else { format!("{least} to {most}") };
    let config = if basis.same_config { "" } else { ", with other configs" };
    let far = if basis.is_passed_by(input_bytes) { ": far more than was ever seen" } else { "" };
    format!("{attempts} over {over}{config}{far}")
}

fn why(unknown: &Unknown) -> String {
    match unknown {
        Unknown::NoPastRun => "no past run".to_owned(),
        Unknown::Loop => "not known: how often it goes round".to_owned(),
        Unknown::NoComponent => "not known: it depends on a child, an agent or a person".to_owned(),
        Unknown::NotMeasured => "not known: what its config names can't be measured".to_owned(),
        Unknown::NotGiven { input } => {
            format!("not known: the input `{}` is not given (`--input {0}=PATH`)", foreign(input.as_str()))
        }
        Unknown::Before { step } => format!("not known: it reads what `{step}` makes"),
    }
}

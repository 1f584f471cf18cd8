//! A plan for people and for diagrams. Nothing here decides or computes bounds: it shows what the plan document holds.
//! Names and texts of runbooks and components are foreign, and neutralised wherever they are shown.

mod authority;
pub(crate) mod diff;
mod estimate;
mod limits;
mod mermaid;
mod steps;
mod worst;

pub(crate) use mermaid::mermaid;
pub(crate) use worst::shown as shown_amount;

use super::table;
use palisade_model::unit::{Bytes, Count};
use palisade_model::{RunLimits, StepId, neutral};
use palisade_runbook::PlanDocument;
use std::fmt::Write as _;

/// Most characters of a foreign text.
const MAX_TEXT: usize = 300;

/// How a plan is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style<'a> {
    /// With colours.
    pub(crate) colour: bool,
    /// Every limit in force, not only those that somebody set.
    pub(crate) all_limits: bool,
    /// The limits of the run that the runbook states.
    pub(crate) stated: &'a RunLimits,
    /// The operator's ceilings of runs.
    pub(crate) run_ceilings: &'a RunLimits,
}

/// The plan as text.
pub(crate) fn human(document: &PlanDocument, style: Style<'_>) -> String {
    let plan = &document.plan;
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(out, "{}", heading(style, &foreign(&plan.name)));
    if !plan.description.is_empty() {
        let _ = writeln!(out, "  {}", foreign(&plan.description));
    }
    let steps = Count(plan.steps.len() as u64).of("step");
    let waves = Count(document.waves.len() as u64).of("wave");
    let _ = writeln!(out, "  plan {} · {steps} in {waves}", document.plan_digest.short());
    if !plan.inputs.is_empty() {
        let _ = writeln!(out, "\n{}", heading(style, "Inputs"));
        inputs(&mut out, document);
    }
    steps::show(&mut out, document, style);
    let _ = writeln!(out, "\n{}", heading(style, "Limits of the run"));
    limits::of_run(&mut out, plan, style);
    worst::show(&mut out, document, style);
    estimate::show(&mut out, document, style);
    authority::show(&mut out, document, style);
    out
}

fn inputs(out: &mut String, document: &PlanDocument) {
    for input in &document.plan.inputs {
        let bytes = document.assumed.input_bytes.get(&input.name).copied().unwrap_or(0);
        let needed = match (input.optional, &input.default) {
            (_, Some(_)) => "has a default",
            (true, None) => "optional",
            (false, None) => "required",
        };
        let sensitive = if input.sensitive { ", sensitive" } else { "" };
        let _ = writeln!(out, "  {}: {}, {needed}{sensitive}, counted as {}", input.name, input.schema, Bytes(bytes));
    }
}

fn heading(style: Style<'_>, text: &str) -> String {
    painted(style, "1", text)
}

fn painted(style: Style<'_>, code: &str, text: &str) -> String {
    if style.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn foreign(text: &str) -> String {
    neutral::line(text, MAX_TEXT)
}

/// The way to a step: `child/step`.
fn way(steps: &[StepId]) -> String {
    steps.iter().map(StepId::as_str).collect::<Vec<_>>().join("/")
}

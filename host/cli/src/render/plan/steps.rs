//! The steps, wave by wave, each with what it reads, makes and may use; a child's steps below their parent's.

use super::{Style, foreign, heading, limits, painted};
use palisade_model::StepId;
use palisade_model::unit::{Count, Millis};
use palisade_runbook::{
    AllowedComponent, BindingSource, Plan, PlanDocument, PlannedCall, PlannedChild, PlannedChildRunbook, PlannedStep,
    PlannedWork,
};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(super) fn show(out: &mut String, document: &PlanDocument, style: Style<'_>) {
    let known: BTreeMap<&StepId, &PlannedStep> = document.plan.steps.iter().map(|step| (&step.id, step)).collect();
    for (number, wave) in document.waves.iter().enumerate() {
        let _ = writeln!(out, "\n{}", heading(style, &format!("Wave {}", number + 1)));
        // A wave may have thousands of steps, and what is said of one depends on no other.
        let texts: Vec<String> = wave
            .par_iter()
            .map(|id| {
                known.get(id).map_or_else(String::new, |step| {
                    let mut text = String::new();
                    show_step(&mut text, step, 1, style);
                    text
                })
            })
            .collect();
        out.extend(texts);
    }
    for alias in &document.plan.aliases {
        let result = if alias.exported { ", a result of the run" } else { "" };
        let _ = writeln!(out, "\n  {} = {}{result}", alias.artifact, source(&alias.source));
    }
}

fn show_step(out: &mut String, step: &PlannedStep, depth: usize, style: Style<'_>) {
    let indent = "  ".repeat(depth);
    let runs = step.call().map_or_else(String::new, |call| format!("  {}", component(call)));
    let _ = writeln!(out, "{indent}{}  {}{runs}", painted(style, "1", step.id.as_str()), step.kind());
    let mut row = |label: &str, text: String| {
        let _ = writeln!(out, "{indent}  {label:10}{text}");
    };
    if let Some(title) = &step.title {
        row("title", foreign(title));
    }
    for (label, text) in about(step) {
        row(label, text);
    }
    for (index, binding) in step.inputs.iter().enumerate() {
        let text = format!("{} ← {} ({})", foreign(&binding.port), source(&binding.source), binding.schema);
        row(if index == 0 { "in" } else { "" }, text);
    }
    for (index, output) in step.outputs.iter().enumerate() {
        let name = output.artifact.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
        let result = if output.exported { ", a result of the run" } else { "" };
        let text = format!("{} → {name} ({}){result}", foreign(&output.port), output.schema);
        row(if index == 0 { "out" } else { "" }, text);
    }
    if !step.labels.is_empty() {
        row("labels", step.labels.iter().map(|label| foreign(label)).collect::<Vec<_>>().join(", "));
    }
    if let Some(call) = step.call() {
        let of_team =
            step.members().iter().map(|member| &member.call).flat_map(|member| {
                scopes(member).into_iter().map(move |text| format!("{} may {text}", member.component))
            });
        for (index, text) in scopes(call).into_iter().chain(of_team).enumerate() {
            row(if index == 0 { "may" } else { "" }, text);
        }
        for (index, text) in limits::of_attempt(&call.limits, style.all_limits).into_iter().enumerate() {
            row(if index == 0 { "limits" } else { "" }, text);
        }
    }
    if let Some(PlannedChildRunbook::File { plan, .. }) = step.child().map(|child| &child.runbook) {
        show_child(out, plan, depth + 1, style);
    }
    if let Some(undo) = &step.compensate {
        let _ = writeln!(out, "{indent}  undone, if the run fails later, by");
        show_step(out, undo, depth + 2, style);
    }
}

fn show_child(out: &mut String, plan: &Plan, depth: usize, style: Style<'_>) {
    let _ = writeln!(out, "{}child `{}`", "  ".repeat(depth), foreign(&plan.name));
    plan.steps.iter().for_each(|step| show_step(out, step, depth + 1, style));
}

/// What makes this step other than one run of its component.
fn about(step: &PlannedStep) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    match &step.work {
        PlannedWork::Map { max_items, max_concurrency, .. } => {
            let at_once = Count((*max_concurrency).into());
            rows.push(("runs", format!("once for each item, at most {}, {at_once} at once", Count(*max_items))));
        }
        PlannedWork::Loop { until, max_iterations, .. } => {
            let most = Count((*max_iterations).into());
            rows.push(("runs", format!("until {}, at most {most} times", foreign(&until.text))));
        }
        PlannedWork::Approval { message, approvers, expires_ms } => {
            rows.push(("asks", foreign(message)));
            let who = if approvers.is_empty() {
                "whoever operates the host".to_owned()
            } else {
                foreign(&approvers.join(", "))
            };
            let expires = expires_ms.map_or_else(String::new, |ms| format!(", within {}", Millis(ms)));
            rows.push(("of", format!("{who}{expires}")));
        }
        PlannedWork::Agent { goal, tools, members, runbooks, limits, .. } => {
            rows.push(("goal", foreign(goal)));
            for (what, called) in [("tools", tools), ("team", members)] {
                let shown: Vec<_> = called.iter().map(|called| component(&called.call)).collect();
                rows.extend((!shown.is_empty()).then(|| (what, shown.join(", "))));
                for called in called {
                    rows.extend(called.fixed_config().iter().map(|(name, value)| {
                        let (name, value) = (foreign(name), foreign(&value.to_string()));
                        ("", format!("{} has {name} = {value}", called.call.component))
                    }));
                }
            }
            rows.push(("within", limits::in_words(limits)));
            if let Some(runbooks) = runbooks {
                let most = Count(runbooks.most.into());
                rows.push(("submits", format!("{most} runbooks at most, each planned when it is there")));
                rows.extend(of_child(&runbooks.child));
            }
        }
        PlannedWork::Reuse { from_run, artifact } => {
            rows.push(("takes", format!("{} of the run {}", foreign(artifact), foreign(from_run))));
        }
        PlannedWork::Component { .. } | PlannedWork::Child { .. } => {}
    }
    if let Some(child) = step.child() {
        rows.extend(of_child(child));
    }
    if let Some(when) = &step.when {
        rows.push(("when", foreign(&when.text)));
    }
    if !step.after.is_empty() {
        rows.push(("after", step.after.iter().map(StepId::as_str).collect::<Vec<_>>().join(", ")));
    }
    if let Some(retry) = &step.retry {
        let wait = Millis(retry.backoff_ms);
        rows.push(("retry", format!("{} attempts, {wait} before the second", retry.max_attempts)));
    }
    rows.extend(step.optional.then(|| ("optional", "the run does not fail with it".to_owned())));
    rows
}

fn of_child(child: &PlannedChild) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    match &child.runbook {
        PlannedChildRunbook::File { path, .. } => rows.push(("child", format!("the file {}", foreign(path)))),
        PlannedChildRunbook::Artifact { source: from, .. } => {
            rows.push(("child", format!("the runbook in {}, planned when it is there", source(from))));
        }
        PlannedChildRunbook::Agent { .. } => {}
    }
    match &child.runbook {
        PlannedChildRunbook::File { .. } => {}
        PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => {
            let may = child.components.as_ref().map_or_else(
                || "what the operator allows generated runbooks".to_owned(),
                |allowed| components(allowed),
            );
            rows.push(("may use", may));
            let approved = child.approved_within.as_ref().map_or_else(
                || "a person, before it starts".to_owned(),
                |limits| format!("itself, within {}", limits::in_words(limits)),
            );
            rows.push(("approved", format!("by {approved}")));
        }
    }
    // What bounds the agent itself stands under `within`.
    let each = matches!(child.runbook, PlannedChildRunbook::Agent { .. });
    rows.push((if each { "each" } else { "within" }, limits::in_words(&child.limits)));
    rows
}

/// What the config names, by power.
fn scopes(call: &PlannedCall) -> Vec<String> {
    let files =
        call.paths.iter().map(|named| format!("fs-read {} (`{}` of its config)", named.path, foreign(&named.pointer)));
    let databases = call
        .connections
        .iter()
        .map(|named| format!("sql {} (`{}` of its config)", named.path, foreign(&named.pointer)));
    let others = call.places.iter().map(|named| {
        let what = format!("{} {}", named.place.power().name(), named.place);
        // What no config names, a grant does.
        if named.pointer.is_empty() { what } else { format!("{what} (`{}` of its config)", foreign(&named.pointer)) }
    });
    files.chain(databases).chain(others).collect()
}

pub(super) fn component(call: &PlannedCall) -> String {
    format!("{}@{} {}", call.component, call.version, call.component_digest.short())
}

pub(super) fn components(allowed: &[AllowedComponent]) -> String {
    if allowed.is_empty() {
        return "none".to_owned();
    }
    let one = |known: &AllowedComponent| {
        let bounds: Vec<String> = known.config.iter().map(ToString::to_string).collect();
        let bounds = if bounds.is_empty() { String::new() } else { format!(" where {}", bounds.join(" and ")) };
        format!("{}@{}{bounds}", known.component, known.version)
    };
    allowed.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(super) fn source(source: &BindingSource) -> String {
    match source {
        BindingSource::Step { step, port } => format!("{step}.{}", foreign(port)),
        BindingSource::Input { name } => format!("the input {name}"),
        BindingSource::Ruleset { name, .. } => foreign(name),
    }
}

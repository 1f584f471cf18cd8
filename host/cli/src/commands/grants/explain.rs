//! `palisade grants explain`: the decisions about a step of a run, in words.
//!
//! What a step may do stands in the plan of its run, so the decisions are made again by the one function that makes them,
//! for what the step's config names and for what was denied when it ran.

use super::FORM;
use crate::args::Format;
use crate::commands::Context;
use crate::commands::runs::{find, not_told};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::existing_store;
use palisade_authority::{BoundKind, Reason, Use, authorise};
use palisade_engine::{Event, History};
use palisade_model::record::SkipRecord;
use palisade_model::{StepId, neutral};
use palisade_runbook::{PlannedCall, PlannedStep, named_uses, suggestion};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write as _;

/// A use, and what was decided.
#[derive(Debug, Serialize)]
struct Told {
    power: palisade_model::manifest::Power,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<palisade_authority::ScopedPath>,
    /// What it is used on, if that is no path.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip)]
    asked: Use,
    /// JSON pointer to the value of the config that names it; none = it was asked for when the step ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    named_by: Option<String>,
    /// How often it was denied when the step ran, as far as this is known one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    allowed: bool,
    /// It all in one sentence.
    sentence: String,
    chain: Vec<Reason>,
    /// The option that would allow it for one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<String>,
}

pub(super) fn exec(context: &Context, run: &str, step: &str) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    let (store, run) = find(context, store.as_ref(), run)?;
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    let plan = history.plan(store).map_err(|error| not_told(&error))?;
    let wanted = |planned: &&PlannedStep| planned.id.as_str().eq_ignore_ascii_case(step);
    let planned = plan.steps.iter().find(wanted).ok_or_else(|| {
        let known = plan.steps.iter().map(|planned| planned.id.as_str());
        let unknown = CliError::usage(format!("run {run} has no step `{}`", neutral::line(step, 80)));
        match suggestion(step, known) {
            Some(help) => unknown.help(help),
            None => unknown,
        }
    })?;
    let Some(call) = planned.call() else {
        return Err(CliError::usage(format!("step `{}` runs no component itself", planned.id))
            .help("`palisade runs show RUN --tree` shows the runs below it"));
    };
    let mut told: Vec<Told> =
        named_uses(call).map(|(pointer, asked)| decide(call, &asked, Some(pointer.to_owned()), None)).collect();
    for (asked, times) in denied(&history, &planned.id) {
        // What was denied when it ran may be what the config names.
        match told.iter_mut().find(|one| !one.allowed && one.asked == asked) {
            Some(known) => known.times = Some(times),
            None => told.push(decide(call, &asked, None, Some(times))),
        }
    }
    if context.format == Format::Json {
        console::json(&json!({
            "v": FORM, "run_id": run, "step": planned.id, "component": component(call),
            "digest": call.component_digest, "decisions": told,
        }));
    } else {
        console::out(&people(&planned.id, call, &told));
    }
    Ok(ExitCode::Done)
}

fn component(call: &PlannedCall) -> String {
    format!("{}@{}", call.component, call.version)
}

fn decide(call: &PlannedCall, asked: &Use, named_by: Option<String>, times: Option<u64>) -> Told {
    let decision = authorise(&call.authority, asked);
    let chain = decision.chain();
    let (power, path) = (asked.power(), asked.path().cloned());
    let sentence = sentence(power.name(), &asked.on(), &chain);
    let place = path.is_none().then(|| asked.on());
    let (allowed, allow, asked) = (decision.allowed(), decision.allow_line(), asked.clone());
    Told { power, path, place, asked, named_by, times, allowed, sentence, chain, allow }
}

/// What was denied to a step in all its attempts, each with how often, as far as the records of skips go.
pub(super) fn denied(history: &History, step: &StepId) -> Vec<(Use, u64)> {
    let mut denied: Vec<(Use, u64)> = Vec::new();
    let skipped = history.events().iter().flat_map(|event| match event {
        Event::AttemptSucceeded(ended) if ended.step == *step => ended.skipped.as_slice(),
        Event::AttemptFailed(ended) if ended.step == *step => ended.skipped.as_slice(),
        _ => &[],
    });
    for asked in skipped.filter_map(|skip: &SkipRecord| Use::of_record(skip.asked.as_deref()?)) {
        match denied.iter_mut().find(|(known, _)| *known == asked) {
            Some((_, times)) => *times += 1,
            None => denied.push((asked, 1)),
        }
    }
    denied
}

/// A decision in one sentence: who said no and why, and who would have allowed it.
fn sentence(power: &str, on: &str, chain: &[Reason]) -> String {
    if let Some(closed) = chain.iter().find(|reason| matches!(reason.by, BoundKind::Deny | BoundKind::Palisade)) {
        return format!("denied: {}", closed.text);
    }
    let no: Vec<&str> = chain.iter().filter(|reason| !reason.allowed).map(|reason| reason.text.as_str()).collect();
    if no.is_empty() {
        return format!("allowed: `{power}` of `{on}`, by all that have a say");
    }
    let by_operator = chain.iter().find(|reason| reason.allowed && reason.by == BoundKind::Operator);
    let almost = by_operator.map_or_else(String::new, |reason| {
        let stated = reason.text.rsplit_once("covered by ").map_or(reason.text.as_str(), |(_, stated)| stated);
        format!("; the operator's word ({stated}) would have allowed it")
    });
    format!("denied: {}{almost}", no.join("; and "))
}

fn people(step: &StepId, call: &PlannedCall, told: &[Told]) -> String {
    let mut text = format!("Step {step} runs {}  {}\n", component(call), call.component_digest.short());
    if told.is_empty() {
        text.push_str("  nothing was asked for: its config names nothing outside of the run, and nothing was denied\n");
    }
    for one in told {
        let named = one.named_by.as_ref().map_or_else(
            || "asked for when it ran".to_owned(),
            |pointer| format!("named by `{}` of its config", neutral::line(pointer, 80)),
        );
        let times = one.times.map_or_else(String::new, |times| match times {
            1 => ", denied once".to_owned(),
            many => format!(", denied {many} times"),
        });
        // Writing to a String can't fail.
        let _ = writeln!(text, "\n{} of `{}`, {named}{times}", one.power.name(), one.asked.on());
        let _ = writeln!(text, "  {}", one.sentence);
        text.push_str(&reasons(&one.chain));
        if let Some(allow) = &one.allow {
            let _ = writeln!(text, "  `{allow}` would allow it for one run");
        }
    }
    text
}

/// What each bound said, a line each.
pub(super) fn reasons(chain: &[Reason]) -> String {
    let line = |reason: &Reason| {
        let said = if reason.allowed { "yes" } else { "NO" };
        format!("    {said:3}  {:9}  {}\n", bound(reason.by), reason.text)
    };
    chain.iter().map(line).collect()
}

/// Whose bound it is, in a word.
pub(super) const fn bound(kind: BoundKind) -> &'static str {
    match kind {
        BoundKind::Palisade => "palisade",
        BoundKind::Deny => "deny",
        BoundKind::Operator => "operator",
        BoundKind::Manifest => "manifest",
        BoundKind::Runbook => "runbook",
        BoundKind::Config => "config",
    }
}

//! `palisade approvals`: what runs wait for.

use super::Context;
use super::answer::one;
use super::plan::assumed;
use super::runs::{find, not_told};
use crate::approver;
use crate::args::{ApprovalsCommand, Format};
use crate::awaited::{self, Awaited};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::render::plan;
use crate::workspace::{existing_store, not_read};
use palisade_engine::{History, read_plan, rfc3339};
use palisade_model::neutral;
use palisade_model::record::Status;
use palisade_runbook::{Difference, PlanDocument, plan_diff};
use palisade_store::{Started, Store};
use serde_json::json;
use std::fmt::Write as _;

/// Version of the JSON form.
const FORM: u32 = 1;

pub(crate) fn exec(context: &Context, command: &ApprovalsCommand) -> Result<ExitCode, CliError> {
    match command {
        ApprovalsCommand::List { limit } => list(context, limit.get()),
        ApprovalsCommand::Key { name, out } => approver::make(name, out),
        ApprovalsCommand::Show { run, step } => show(context, run, step.as_deref()),
    }
}

fn list(context: &Context, limit: usize) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    let all = store.as_ref().map_or_else(|| Ok(Vec::new()), |store| all(store, limit))?;
    if context.format == Format::Json {
        console::json(&json!({"v": FORM, "approvals": all}));
    } else if all.is_empty() {
        console::err("nothing waits for a person\n");
    } else {
        console::out(&all.iter().map(told).collect::<String>());
    }
    Ok(ExitCode::Done)
}

/// What a person is to know before they answer.
///
/// # Errors
/// When nothing waits there, or it can't be told.
pub(super) fn show(context: &Context, run: &str, step: Option<&str>) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    let (store, run) = find(context, store.as_ref(), run)?;
    let awaited = one(store, run, step)?;
    let Some(runbook) = awaited.runbook else {
        match context.format {
            Format::Json => console::json(&json!({"v": FORM, "approval": awaited})),
            _ => console::out(&told(&awaited)),
        }
        return Ok(ExitCode::Done);
    };
    let history = History::read(store, awaited.run).map_err(|error| not_told(&error))?;
    let plan = history.plan(store).map_err(|error| not_told(&error))?;
    let missing = || CliError::new(ExitCode::Bug, "the runbook that is to run has no plan");
    let child = plan.step(&awaited.step).and_then(|step| step.runs_or_submits()?.runbook.plan()).ok_or_else(missing)?;
    let text = store.content(runbook.digest).and_then(|content| content.map(|content| content.read_all()).transpose());
    let text = text.map_err(|fault| not_read(&fault))?.ok_or_else(missing)?;
    let text = String::from_utf8_lossy(&text);
    let document = PlanDocument::new(child.clone(), &assumed(context, None));
    // The caller's plan as it was made, before anybody knew what it would run.
    let started = history.start().map_err(|error| not_told(&error))?;
    let caller = read_plan(store, awaited.run, started.plan).map_err(|error| not_told(&error))?;
    let caller = PlanDocument::new(caller, &assumed(context, None));
    let beyond: Vec<_> = plan_diff(&caller, &document).into_iter().filter(Difference::reaches_more).collect();
    if context.format == Format::Json {
        let (v, plan) = (FORM, &document);
        console::json(&json!({"v": v, "approval": awaited, "runbook": text, "plan": plan, "beyond_caller": beyond}));
        return Ok(ExitCode::Done);
    }
    let style = plan::Style {
        colour: context.settings.colour_stdout,
        all_limits: false,
        stated: &child.limits,
        run_ceilings: &context.settings.written.run_ceilings,
    };
    console::out(&format!("{}\n{}\n", told(&awaited), numbered(&text)));
    console::out(&plan::human(&document, style));
    console::out(&plan::diff::beyond_caller(&beyond, style));
    Ok(ExitCode::Done)
}

/// A whole text with the numbers of its lines: what is cut off could be what matters. Nothing in it can move the cursor, or
/// pass for something else.
fn numbered(text: &str) -> String {
    let line = |(number, line): (usize, &str)| format!("{:4} | {}\n", number + 1, neutral::line(line, usize::MAX));
    text.lines().enumerate().map(line).collect()
}

fn all(store: &Store, limit: usize) -> Result<Vec<Awaited>, CliError> {
    let mut all = Vec::new();
    // One that goes on may have a step that waits while others run.
    for status in [Status::Waiting.name(), palisade_engine::RUNNING, Status::Interrupted.name()] {
        for row in store.latest_runs(limit, Started::ByPeople, Some(status)).map_err(|fault| not_read(&fault))? {
            all.extend(awaited::of(store, row.run)?);
        }
    }
    all.sort_by(|a, b| (b.root, &a.path).cmp(&(a.root, &b.path)));
    Ok(all)
}

/// Messages and names are those of a runbook, which may be anybody's.
fn told(awaited: &Awaited) -> String {
    let mut out = format!("{}  {}\n  {}\n", awaited.root, awaited.path, neutral::line(&awaited.message, 400));
    // Writing to a String can't fail.
    for shown in &awaited.shown {
        let _ = writeln!(out, "  about {}", neutral::line(shown, 200));
    }
    if !awaited.approvers.is_empty() {
        let names: Vec<_> = awaited.approvers.iter().map(|name| neutral::line(name, 80)).collect();
        let _ = writeln!(out, "  for {}", names.join(" or "));
    }
    if let Some(at_ms) = awaited.expires_at_ms {
        let _ = writeln!(out, "  until {}, then the answer is no", rfc3339(at_ms));
    }
    if let Some(runbook) = &awaited.runbook {
        let _ = writeln!(
            out,
            "  its plan is {}: `palisade approvals show {} {}`",
            runbook.plan_digest.short(),
            awaited.root,
            awaited.path
        );
    }
    // Whole: whoever writes runbooks could make two whose digests begin alike.
    let plan = awaited.runbook.as_ref().map(|runbook| format!(" --plan {}", runbook.plan_digest)).unwrap_or_default();
    let _ = writeln!(out, "  `palisade approve {} {}{plan}`, or `palisade reject`", awaited.root, awaited.path);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_can_pass_for_a_line_of_its_own() {
        let shown = numbered("a: b\r   9 | c: d\n\u{1b}[2Ke: \u{202e}f\u{2028}   4 | g\n");
        assert_eq!(shown.lines().count(), 2, "{shown}");
        for (number, line) in (1..).zip(shown.lines()) {
            assert!(line.starts_with(&format!("   {number} | ")), "{line}");
            assert!(!line.contains(['\r', '\u{1b}', '\u{202e}', '\u{2028}']), "{line}");
        }
    }
}

//! `palisade approvals list`: what runs wait for.

use super::Context;
use crate::args::{ApprovalsCommand, Format};
use crate::awaited::{self, Awaited};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::{existing_store, not_read};
use palisade_engine::rfc3339;
use palisade_model::neutral;
use palisade_model::record::Status;
use palisade_store::Store;
use serde_json::json;
use std::fmt::Write as _;

/// Version of the JSON form.
const FORM: u32 = 1;

pub(crate) fn exec(context: &Context, command: &ApprovalsCommand) -> Result<ExitCode, CliError> {
    let ApprovalsCommand::List { limit } = command;
    let store = existing_store(&context.settings)?;
    let all = store.as_ref().map_or_else(|| Ok(Vec::new()), |store| all(store, limit.get()))?;
    if context.format == Format::Json {
        console::json(&json!({"v": FORM, "approvals": all}));
    } else if all.is_empty() {
        console::err("nothing waits for a person\n");
    } else {
        console::out(&all.iter().map(told).collect::<String>());
    }
    Ok(ExitCode::Done)
}

fn all(store: &Store, limit: usize) -> Result<Vec<Awaited>, CliError> {
    let mut all = Vec::new();
    // One that goes on may have a step that waits while others run.
    for status in [Status::Waiting.name(), palisade_engine::RUNNING, Status::Interrupted.name()] {
        for row in store.latest_runs(limit, false, Some(status)).map_err(|fault| not_read(&fault))? {
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
    let _ = writeln!(out, "  `palisade approve {} {}`, or `palisade reject`", awaited.root, awaited.path);
    out
}

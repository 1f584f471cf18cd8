//! `palisade grants unused`: grants that no stored run has used, as plans and journals tell: a step that ran, and whose
//! config names what the grant allows.

use super::FORM;
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::{console, table};
use crate::workspace::{Workspace, not_read};
use palisade_authority::{ScopedPath, Use, WorkingFolder, authorise};
use palisade_engine::{Event, History, HistoryError};
use palisade_model::StepId;
use palisade_model::neutral;
use palisade_runbook::named_uses;
use palisade_settings::GrantTable;
use palisade_store::Store;
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) fn exec(context: &Context) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let grants = &context.settings.written.grants;
    let mut used = BTreeSet::new();
    let (mut read, mut unreadable) = (0_usize, 0_usize);
    if let Some(store) = workspace.stored() {
        for row in store.runs().map_err(|fault| not_read(&fault))? {
            match used_by(store, row.run, &workspace.folder, grants) {
                Ok(by_run) => {
                    used.extend(by_run);
                    read += 1;
                }
                Err(_) => unreadable += 1,
            }
        }
    }
    let unused: Vec<(&GrantTable, usize)> = grants
        .iter()
        .enumerate()
        .flat_map(|(table, grant)| (0..grant.allow.len()).map(move |index| (table, grant, index)))
        .filter(|(table, _, index)| !used.contains(&(*table, *index)))
        .map(|(_, grant, index)| (grant, index))
        .collect();
    if context.format == Format::Json {
        let rows: Vec<_> = unused
            .iter()
            .map(|(grant, index)| {
                json!({
                    "component": grant.component.to_string(), "allow": grant.written.get(*index),
                    "stated": grant.allow.get(*index).map(palisade_authority::Grant::stated),
                })
            })
            .collect();
        console::json(&json!({"v": FORM, "unused": rows, "runs": read, "unreadable": unreadable}));
        return Ok(ExitCode::Done);
    }
    let mut text = String::new();
    let row = |(grant, index): &(&GrantTable, usize)| {
        let stated = grant.allow.get(*index).map_or("", |grant| grant.stated());
        let written = grant.written.get(*index).map_or("", String::as_str);
        vec![grant.component.to_string(), neutral::line(written, 200), format!("({stated})")]
    };
    table(&mut text, &unused.iter().map(row).collect::<Vec<_>>());
    console::out(&text);
    let unreadable = if unreadable == 0 { String::new() } else { format!("; {unreadable} more can't be read") };
    let said = match (grants.is_empty(), unused.is_empty()) {
        (true, _) => "palisade.toml grants nothing\n".to_owned(),
        (false, true) => format!("each was used by one of the stored runs ({read}{unreadable})\n"),
        (false, false) => format!("none of the stored runs ({read}{unreadable}) used these\n"),
    };
    console::err(&said);
    Ok(ExitCode::Done)
}

/// Which grants a run has used, by the number of the table and that of the capability in it.
pub(super) fn used_by(
    store: &Store,
    run: palisade_model::RunId,
    folder: &WorkingFolder,
    grants: &[GrantTable],
) -> Result<BTreeSet<(usize, usize)>, HistoryError> {
    let mut used = BTreeSet::new();
    let history = History::read(store, run)?;
    let plan = history.plan(store)?;
    let of_run = history.start()?.folder.clone();
    let started: BTreeSet<&StepId> = history
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::AttemptStarted(started) => Some(&started.step),
            _ => None,
        })
        .collect();
    for call in plan.steps.iter().filter(|step| started.contains(&step.id)).flat_map(|step| step.workers()) {
        for (_, asked) in named_uses(call).filter(|(_, asked)| authorise(&call.authority, asked).allowed()) {
            let asked = seen_from(folder, of_run.as_deref(), &asked);
            for (table, grant) in grants.iter().enumerate() {
                if grant.component.means(&call.component, &call.version) {
                    let allows = grant.allow.iter().enumerate().filter(|(_, grant)| grant.capability().allows(&asked));
                    used.extend(allows.map(|(index, _)| (table, index)));
                }
            }
        }
    }
    Ok(used)
}

/// A use of a run as it is named in this folder: that one may have run in another.
fn seen_from(folder: &WorkingFolder, of_run: Option<&str>, asked: &Use) -> Use {
    let Some(path) = asked.path() else { return asked.clone() };
    let absolute = of_run.map(|of_run| Path::new(of_run).join(path.to_path_buf()));
    let seen = absolute.and_then(|path| ScopedPath::parse(folder, path.as_os_str().as_bytes()).ok());
    asked.clone().with_path(seen.unwrap_or_else(|| path.clone()))
}

//! `palisade grants unused`: grants and secrets that no stored run has used, as plans and journals tell: a step that ran, and
//! whose config names what the grant allows.

use super::FORM;
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::{console, table};
use crate::workspace::{Workspace, not_read};
use palisade_authority::{Grant, ScopedPath, Use, WorkingFolder, authorise};
use palisade_engine::{Event, History, HistoryError};
use palisade_model::StepId;
use palisade_model::neutral;
use palisade_runbook::named_uses;
use palisade_settings::{OperatorFile, Target};
use palisade_store::Store;
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A capability that the operator grants to a component.
pub(super) struct Granted<'f> {
    pub(super) component: &'f Target,
    pub(super) grant: &'f Grant,
}

/// Which of a list of them a run has used, by their numbers in it.
pub(super) struct Used {
    /// By steps that began.
    pub(super) begun: BTreeSet<usize>,
    /// By any of its steps.
    pub(super) planned: BTreeSet<usize>,
}

pub(super) fn exec(context: &Context) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let (grants, written): (Vec<_>, Vec<_>) = in_file(&context.settings.written).unzip();
    let mut used = BTreeSet::new();
    let (mut read, mut unreadable) = (0_usize, 0_usize);
    if let Some(store) = workspace.stored() {
        for row in store.runs().map_err(|fault| not_read(&fault))? {
            match used_by(store, row.run, &workspace.folder, &grants) {
                Ok(by_run) => {
                    used.extend(by_run.begun);
                    read += 1;
                }
                Err(_) => unreadable += 1,
            }
        }
    }
    let all = grants.iter().zip(&written).enumerate();
    let unused: Vec<_> = all.filter(|(number, _)| !used.contains(number)).map(|(_, granted)| granted).collect();
    if context.format == Format::Json {
        let rows: Vec<_> = unused
            .iter()
            .map(|(Granted { component, grant }, written)| {
                json!({"component": component.to_string(), "allow": written, "stated": grant.stated()})
            })
            .collect();
        console::json(&json!({"v": FORM, "unused": rows, "runs": read, "unreadable": unreadable}));
        return Ok(ExitCode::Done);
    }
    let mut text = String::new();
    let row = |(Granted { component, grant }, written): &(&Granted<'_>, &String)| {
        vec![component.to_string(), neutral::line(written, 200), format!("({})", grant.stated())]
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

/// All that the operator's file grants, each with how it is written there.
fn in_file(file: &OperatorFile) -> impl Iterator<Item = (Granted<'_>, String)> {
    let grants = file.grants.iter().flat_map(|table| {
        let listed = table.allow.iter().zip(&table.written);
        listed.map(|(grant, written)| (Granted { component: &table.component, grant }, written.clone()))
    });
    let secrets = file.secrets.iter().flat_map(|table| {
        let written = format!("secret={}", table.name);
        table.components.iter().map(move |component| (Granted { component, grant: &table.grant }, written.clone()))
    });
    grants.chain(secrets)
}

/// Which of these a run has used.
pub(super) fn used_by(
    store: &Store,
    run: palisade_model::RunId,
    folder: &WorkingFolder,
    grants: &[Granted<'_>],
) -> Result<Used, HistoryError> {
    let mut used = Used { begun: BTreeSet::new(), planned: BTreeSet::new() };
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
    for (step, call) in plan.steps.iter().flat_map(|step| step.workers().map(move |call| (step, call))) {
        for (_, asked) in named_uses(call).filter(|(_, asked)| authorise(&call.authority, asked).allowed()) {
            let asked = seen_from(folder, of_run.as_deref(), &asked);
            let allows = |granted: &Granted<'_>| {
                granted.component.means(&call.component, &call.version) && granted.grant.capability().allows(&asked)
            };
            for (number, _) in grants.iter().enumerate().filter(|(_, granted)| allows(granted)) {
                used.planned.insert(number);
                if started.contains(&step.id) {
                    used.begun.insert(number);
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

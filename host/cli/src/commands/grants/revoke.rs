//! `palisade grants revoke`: takes grants out of `palisade.toml`, and says who used them.

use super::add::{capability, target};
use super::edit::{Change, File, not_changed};
use super::unused::{Granted, Used, used_by};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::policy::Policy;
use crate::workspace::{Workspace, not_read};
use palisade_authority::{Capability, Grant};
use palisade_model::{RunId, neutral};
use palisade_settings::{GrantTable, Target, without_grants};
use serde_json::json;
use std::collections::BTreeSet;

/// Most runs that are named.
const MAX_NAMED: usize = 3;

/// A grant in the file.
struct Given<'f> {
    /// The number of its table, and its own in it.
    number: (usize, usize),
    grant: &'f Grant,
    written: &'f str,
}

pub(super) fn exec(
    context: &Context,
    component: &str,
    capabilities: &[String],
    yes: bool,
) -> Result<ExitCode, CliError> {
    let file = File::of(context)?;
    let target = target(&file, component)?;
    let tables = &file.written.grants;
    let all = given(tables, &target);
    if all.is_empty() {
        let message = format!("palisade.toml grants nothing to {target}");
        return Err(CliError::usage(message).help("`palisade grants show` says who may use what, and by which line"));
    }
    let mut gone = BTreeSet::new();
    for text in capabilities {
        gone.extend(meant(&target, &all, text, &capability(&file, text)?)?);
    }
    if capabilities.is_empty() {
        gone.extend(all.iter().map(|one| one.number));
    }
    let new = without_grants(&file.text, &gone).map_err(not_changed)?;
    file.grants_of(&new)?;
    let workspace = Workspace::open(&context.settings)?;
    let policy = Policy::new(&context.settings, &workspace.folder)?;
    let (revoked, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| gone.contains(&one.number));
    let mut notes = still_allowed(&policy, &workspace, &target, &revoked, &kept);
    let (runs, waiting) = users(&workspace, tables, &gone)?;
    notes.extend(used(&runs, &waiting));
    let rows: Vec<_> = revoked.iter().map(|one| json!({"allow": one.written, "stated": one.grant.stated()})).collect();
    let told = json!({"component": target.to_string(), "revoked": rows, "used_by": runs, "waiting": waiting});
    file.change(&Change { new, notes, told }, yes)
}

/// What the file grants to a component; where no version is named, to each of its versions by itself too.
fn given<'f>(tables: &'f [GrantTable], target: &Target) -> Vec<Given<'f>> {
    let of = |table: &GrantTable| {
        let same = target.version.is_none() || table.component.version == target.version;
        table.component.id == target.id && same
    };
    let tables = tables.iter().enumerate().filter(|(_, table)| of(table));
    let in_table = |(number, table): (usize, &'f GrantTable)| {
        let listed = table.allow.iter().zip(&table.written).enumerate();
        listed.map(move |(index, (grant, written))| Given { number: (number, index), grant, written })
    };
    tables.flat_map(in_table).collect()
}

/// The grants of just that capability.
fn meant(
    target: &Target,
    all: &[Given<'_>],
    text: &str,
    capability: &Capability,
) -> Result<Vec<(usize, usize)>, CliError> {
    let same = |one: &&Given<'_>| one.grant.capability() == capability;
    let found: Vec<_> = all.iter().filter(same).map(|one| one.number).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let text = neutral::line(text, 200);
    if let Some(wider) = all.iter().find(|one| one.grant.capability().covers(capability)) {
        let (written, stated) = (neutral::line(wider.written, 200), wider.grant.stated());
        return Err(CliError::usage(format!("{text} is a part of {written}, which {stated} grants to {target}"))
            .help("revoke that as a whole, and add what is still needed"));
    }
    let listed: Vec<_> =
        all.iter().map(|one| format!("{} ({})", neutral::line(one.written, 200), one.grant.stated())).collect();
    Err(CliError::usage(format!("palisade.toml does not grant {text} to {target}"))
        .help(format!("it grants {}", listed.join(", "))))
}

/// What may be used all the same, and by whose word.
fn still_allowed(
    policy: &Policy<'_>,
    workspace: &Workspace,
    target: &Target,
    revoked: &[Given<'_>],
    kept: &[Given<'_>],
) -> Vec<String> {
    let gone: BTreeSet<&str> = revoked.iter().map(|one| one.grant.stated()).collect();
    let kept: Vec<Grant> = match target.version {
        None => kept.iter().map(|one| one.grant.clone()).collect(),
        // What is granted to all versions is granted to this one.
        Some(_) => policy.grants_to(target).filter(|grant| !gone.contains(grant.stated())).cloned().collect(),
    };
    let entries = workspace.catalogue.list();
    let first_party = entries.iter().any(|entry| entry.first_party && entry.manifest.id == target.id);
    let default = if first_party { Grant::default_set() } else { Vec::new() };
    let mut notes = Vec::new();
    for one in revoked {
        let wide = |grant: &&Grant| grant.capability().covers(one.grant.capability());
        if let Some(other) = kept.iter().chain(&default).find(wide) {
            let written = neutral::line(one.written, 200);
            notes.push(format!("note: {written} stays allowed, by {}", other.stated()));
        }
    }
    notes
}

/// The stored runs that used one of these, the newest first, and those that wait for a person and used one or will.
fn users(
    workspace: &Workspace,
    tables: &[GrantTable],
    gone: &BTreeSet<(usize, usize)>,
) -> Result<(Vec<RunId>, Vec<RunId>), CliError> {
    let (mut runs, mut waiting) = (Vec::new(), Vec::new());
    let revoked = tables.iter().enumerate().flat_map(|(number, table)| {
        let listed = table.allow.iter().enumerate().filter(move |(index, _)| gone.contains(&(number, *index)));
        listed.map(|(_, grant)| Granted { component: &table.component, grant })
    });
    let revoked: Vec<_> = revoked.collect();
    let Some(store) = workspace.stored() else { return Ok((runs, waiting)) };
    for row in store.runs().map_err(|fault| not_read(&fault))? {
        // What can't be read can't be said; `palisade doctor` tells of it.
        let Ok(Used { begun, planned }) = used_by(store, row.run, &workspace.folder, &revoked) else { continue };
        if !begun.is_empty() {
            runs.push(row.run);
        }
        if !planned.is_empty() && row.summary.status == "waiting" {
            waiting.push(row.run);
        }
    }
    runs.sort_unstable_by(|a, b| b.cmp(a));
    Ok((runs, waiting))
}

fn used(runs: &[RunId], waiting: &[RunId]) -> Vec<String> {
    let named = |runs: &[RunId]| {
        let shown: Vec<_> = runs.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let more = if runs.len() > MAX_NAMED { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    };
    let mut notes = Vec::new();
    notes.push(match runs.len() {
        0 => "note: no stored run has used it".to_owned(),
        1 => format!("note: 1 stored run has used it: {}", named(runs)),
        many => format!("note: {many} stored runs have used it: {}", named(runs)),
    });
    if !waiting.is_empty() {
        // A run goes on with the plan that it began with.
        notes.push(format!("note: these wait for a person, and go on with what they were granted: {}", named(waiting)));
    }
    notes
}

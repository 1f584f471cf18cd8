//! `palisade grants add`: writes a grant into `palisade.toml`.

use super::edit::{Change, File, not_changed};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::named;
use crate::policy::{Policy, forbid_all_of, powers};
use crate::workspace::Workspace;
use palisade_authority::{Capability, Deny, Grant, ParseCapabilityError, Place, ScopedPath, WorkingFolder};
use palisade_engine::Entry;
use palisade_model::manifest::Power;
use palisade_model::{causes, neutral};
use palisade_runbook::suggestion;
use palisade_settings::{Target, grant_table, with_grant};
use serde_json::json;

/// What is to be granted.
struct Wanted {
    /// As it is to stand in the file.
    written: String,
    capability: Capability,
}

pub(super) fn exec(
    context: &Context,
    component: &str,
    capabilities: &[String],
    reason: Option<&str>,
    yes: bool,
) -> Result<ExitCode, CliError> {
    let file = File::of(context)?;
    let target = target(&file, component)?;
    let wanted = wanted(&file, capabilities)?;
    let workspace = Workspace::open(&context.settings)?;
    let policy = Policy::new(&context.settings, &workspace.folder)?;
    let entries: Vec<&Entry> = workspace
        .catalogue
        .list()
        .into_iter()
        .filter(|entry| target.means(&entry.manifest.id, &entry.manifest.version))
        .collect();
    refuse_covered(&policy, &target, &entries, &wanted)?;
    let written: Vec<String> = wanted.iter().map(|wanted| wanted.written.clone()).collect();
    let table = grant_table(&target.to_string(), &written, reason);
    let new = with_grant(&file.text, &table).map_err(not_changed)?;
    let grants = file.grants_of(&new)?;
    let line = grants.last().map(|grant| grant.line);
    let change = Change {
        new,
        notes: notes(&policy, &workspace, &target, &entries, &wanted),
        told: json!({"component": target.to_string(), "allow": written, "line": line}),
    };
    file.change(&change, yes)
}

/// The component that is meant.
///
/// # Errors
/// When the text names none.
pub(super) fn target(file: &File<'_>, component: &str) -> Result<Target, CliError> {
    file.written.target(&file.place, component).map_err(|(message, help)| {
        let error = CliError::usage(format!("the component: {}", neutral::line(&message, 300)));
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    })
}

/// Reads a capability as it is typed, with paths relative to the working folder.
///
/// # Errors
/// When it is none, or this build does not have the power.
pub(super) fn capability(file: &File<'_>, text: &str) -> Result<Capability, CliError> {
    let granted = Grant::parse(&file.place.folder, text.as_bytes()).map(|grant| grant.capability().clone());
    granted.map_err(|error| {
        let help = match &error {
            ParseCapabilityError::UnknownPower { name } => {
                // The error lists what is known already.
                suggestion(name, Power::LINKED.iter().map(|power| power.name())).filter(|help| help.starts_with("did"))
            }
            _ => None,
        };
        let error = CliError::usage(format!("{}: {}", neutral::line(text, 200), causes(&error)));
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    })
}

fn wanted(file: &File<'_>, capabilities: &[String]) -> Result<Vec<Wanted>, CliError> {
    let mut all: Vec<Wanted> = Vec::new();
    for text in capabilities {
        let capability = capability(file, text)?;
        if let Some(other) = all.iter().find(|other| other.capability.covers(&capability)) {
            let message = format!(
                "{} is part of {}, which is given too",
                neutral::line(text, 200),
                neutral::line(&other.written, 200)
            );
            return Err(CliError::usage(message).help("leave one of them away"));
        }
        let written = seen_from(&file.place.folder, &file.place.base, text, capability.power());
        all.push(Wanted { written, capability });
    }
    Ok(all)
}

/// A capability as a file of the folder `base` writes it, whose path was typed in `folder`.
fn seen_from(folder: &WorkingFolder, base: &WorkingFolder, text: &str, power: Power) -> String {
    let path = text.split_once('=').filter(|_| power.is_over_paths() && folder != base).map(|(_, path)| path);
    let path = path.and_then(|path| ScopedPath::parse_in(base, folder, path.as_bytes()).ok());
    let path = path.and_then(|path| String::from_utf8(path.to_bytes()).ok());
    path.map_or_else(|| text.to_owned(), |path| format!("{}={path}", power.name()))
}

/// Refuses what is granted already: a second line would say nothing, and be forgotten when the first is revoked.
fn refuse_covered(policy: &Policy<'_>, target: &Target, entries: &[&Entry], wanted: &[Wanted]) -> Result<(), CliError> {
    let default = if entries.iter().any(|entry| entry.first_party) { Grant::default_set() } else { Vec::new() };
    let by_file = policy.grants_to(target);
    for wanted in wanted {
        let covered = |grant: &&Grant| grant.capability().covers(&wanted.capability);
        if let Some(by) = by_file.clone().find(covered).or_else(|| default.iter().find(covered)) {
            let written = neutral::line(&wanted.written, 200);
            let message = format!("{written} is granted to {target} already, by {}", by.stated());
            return Err(CliError::usage(message).help("`palisade grants show` says who may use what"));
        }
    }
    Ok(())
}

/// What a person is to know before they say yes.
fn notes(
    policy: &Policy<'_>,
    workspace: &Workspace,
    target: &Target,
    entries: &[&Entry],
    wanted: &[Wanted],
) -> Vec<String> {
    let mut notes = Vec::new();
    if entries.is_empty() {
        let near = named::near(workspace, &target.id.to_string());
        let near = near.filter(|help| help.starts_with("did")).map_or_else(String::new, |help| format!("; {help}"));
        notes.push(format!("warning: {target} is not registered{near}"));
    }
    for wanted in wanted {
        let (power, written) = (wanted.capability.power(), neutral::line(&wanted.written, 200));
        if !entries.is_empty() && !entries.iter().any(|entry| powers(&entry.manifest).contains(&power)) {
            notes.push(format!("warning: {target} does not ask for {}", power.name()));
        }
        for deny in policy.denies_to(target) {
            let stated = deny.stated();
            match beaten(&wanted.capability, deny) {
                Beaten::Not => {}
                Beaten::Whole => notes.push(format!("warning: {written} is denied, whatever is granted, by {stated}")),
                Beaten::Part => {
                    let denied = format!("{}={}", deny.power().name(), deny.place());
                    notes.push(format!("note: {denied}, a part of {written}, is denied by {stated}"));
                }
            }
        }
    }
    for entry in entries.iter().filter(|entry| !policy.acceptance(entry).counts()) {
        let id = entry.manifest.versioned_id();
        let state = policy.acceptance(entry).name();
        notes.push(format!(
            "note: {id} is {state}: what is granted does not count before `palisade grants accept {id}`"
        ));
    }
    notes
}

/// How much of what is granted is forbidden.
enum Beaten {
    Not,
    Part,
    Whole,
}

fn beaten(capability: &Capability, deny: &Deny) -> Beaten {
    let power = capability.power();
    if !deny.concerns(power) {
        return Beaten::Not;
    }
    if forbid_all_of(std::slice::from_ref(deny), capability) {
        return Beaten::Whole;
    }
    let Some(denied) = deny.place_for(power) else { return Beaten::Whole };
    let is_touched = |place: &Place| place.holds(&denied) || denied.holds(place);
    match capability.places() {
        Some(places) if !places.iter().any(is_touched) => Beaten::Not,
        _ => Beaten::Part,
    }
}

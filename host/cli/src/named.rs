//! The components that `palisade.toml` names and that are not registered: without them a system would go unread, a check
//! undone or a deny unheeded, and nobody would hear of it. Those of grants are told by `grants show`.

use crate::failure::CliError;
use crate::settings::Settings;
use crate::workspace::{Workspace, named_as};
use palisade_model::id::ComponentName;
use palisade_runbook::suggestion;
use palisade_settings::Target;

const REGISTERED: &str = "`palisade component list` shows what is; `palisade component add` adds one";

/// Those that nothing can be planned without.
pub(crate) fn needed(workspace: &Workspace, settings: &Settings) -> impl Iterator<Item = CliError> {
    let written = &settings.written;
    let is_registered = |name: &ComponentName| {
        let mut known = workspace.catalogue.list().into_iter();
        known.any(|entry| {
            let manifest = &entry.manifest;
            // One that is pinned to a version that is not there would have another run in its place.
            manifest.id.to_string() == name.name && name.version.as_ref().is_none_or(|own| *own == manifest.version)
        })
    };
    let aliases = written.aliases.iter().filter(move |(_, name)| !is_registered(name));
    let aliases = aliases.map(|(alias, name)| (format!("[aliases] `{alias}`"), name));
    let is_there = |name: &ComponentName| workspace.entry(settings, &name.to_string()).is_ok();
    let systems = written.systems.iter().map(|system| (format!("[[system]] `{}`", system.name), &system.connector));
    let listed = written.generated.iter().flatten();
    let listed = listed.map(|entry| ("`components` of [generated]".to_owned(), &entry.component));
    let others = systems.chain(listed).filter(move |(_, name)| !is_there(name));
    aliases.chain(others).map(|(of, name)| told(workspace, &of, &name.to_string(), ""))
}

/// Those of denies, which forbid nothing then.
pub(crate) fn denied(workspace: &Workspace, settings: &Settings) -> impl Iterator<Item = CliError> {
    let tables =
        settings.written.denies.iter().filter_map(|table| Some(("deny", table.line, table.component.as_ref()?)));
    unregistered(workspace, tables, ": it forbids nothing yet")
}

/// Those that a secret or a declassification is for.
pub(crate) fn trusted(workspace: &Workspace, settings: &Settings) -> impl Iterator<Item = CliError> {
    let written = &settings.written;
    let secrets = written.secrets.iter();
    let secrets = secrets.flat_map(|table| table.components.iter().map(|target| ("secret", table.line, target)));
    let declassified = written.declassified.iter().map(|table| ("declassify", table.line, &table.component));
    unregistered(workspace, secrets.chain(declassified), "")
}

fn unregistered<'s>(
    workspace: &Workspace,
    tables: impl Iterator<Item = (&'static str, usize, &'s Target)>,
    so: &str,
) -> impl Iterator<Item = CliError> {
    let is_registered = |target: &Target| {
        let mut known = workspace.catalogue.list().into_iter();
        known.any(|entry| target.means(&entry.manifest.id, &entry.manifest.version))
    };
    tables.filter(move |(.., target)| !is_registered(target)).map(move |(table, line, target)| {
        told(workspace, &format!("the [[{table}]] on line {line} of palisade.toml"), &target.to_string(), so)
    })
}

fn told(workspace: &Workspace, of: &str, name: &str, so: &str) -> CliError {
    let help = near(workspace, name.split('@').next().unwrap_or(name)).unwrap_or_else(|| REGISTERED.to_owned());
    CliError::usage(format!("{of} names `{name}`, which is not registered{so}")).help(help)
}

/// What may have been meant by a name of nothing.
pub(crate) fn near(workspace: &Workspace, name: &str) -> Option<String> {
    let known = workspace.catalogue.list().into_iter();
    // A short name is near a short one, and a long one near a long one.
    let known = known.map(|entry| if name.contains(':') { entry.manifest.id.to_string() } else { named_as(entry) });
    let known: Vec<String> = known.collect();
    suggestion(name, known.iter().map(String::as_str))
}

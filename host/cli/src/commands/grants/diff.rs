//! `palisade grants diff`: what one file allows more or less than another, palisade.toml or palisade.lock, each as it lies there
//! or as it was in a commit.

use super::{FORM, committed, scope};
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::{settings, signature};
use palisade_authority::Labels;
use palisade_model::neutral;
use palisade_runbook::{OperatorEntry, Source};
use palisade_settings::{OperatorFile, Owner, SecretTable};
use palisade_store::LockFile;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn exec(context: &Context, old: &Path, new: &Path) -> Result<ExitCode, CliError> {
    let is_lock = |path: &Path| path.extension().is_some_and(|end| end == "lock");
    let (before, after) = match (is_lock(old), is_lock(new)) {
        (true, true) => (lock(context, old)?, lock(context, new)?),
        (false, false) => (file(context, old)?, file(context, new)?),
        _ => {
            return Err(CliError::usage(format!("{} and {} are not of one kind", old.display(), new.display()))
                .help("name two files like palisade.toml, or two that end with `.lock`"));
        }
    };
    let (gone, added): (Vec<_>, Vec<_>) =
        (before.difference(&after).collect::<Vec<_>>(), after.difference(&before).collect::<Vec<_>>());
    if context.format == Format::Json {
        console::json(&json!({"v": FORM, "added": added, "removed": gone}));
        return Ok(ExitCode::Done);
    }
    if gone.is_empty() && added.is_empty() {
        console::err("they say the same\n");
    }
    let mut lines: Vec<(&str, char)> =
        gone.iter().map(|line| (line.as_str(), '-')).chain(added.iter().map(|line| (line.as_str(), '+'))).collect();
    lines.sort_unstable_by_key(|&(line, mark)| (line, mark == '+'));
    console::out(&lines.iter().map(|(line, mark)| format!("{mark} {line}\n")).collect::<String>());
    Ok(ExitCode::Done)
}

/// A file; if there is none of that name and git may know it, as it was in a commit.
fn source(context: &Context, path: &Path) -> Result<Source, CliError> {
    let (here, shown) = (&context.settings.working_dir, path.display().to_string());
    let lies_here = here.join(path);
    if !lies_here.exists()
        && let Some(bytes) = committed::read(here, path, settings::MAX_FILE_BYTES)?
    {
        return Source::from_bytes(&shown, bytes)
            .map_err(|error| CliError::usage(format!("{shown} can't be read: {}", error.message)));
    }
    settings::source(&lies_here, &shown)
}

/// What a palisade.toml says that has to do with what may be done, one line for each thing.
fn file(context: &Context, path: &Path) -> Result<BTreeSet<String>, CliError> {
    let here = &context.settings.working_dir;
    let source = source(context, path)?;
    // As if both lay here: where a file lies is no difference in what it says.
    let place = settings::place(here, here)?;
    let file = palisade_settings::read(&source, &place).map_err(|mistakes| settings::mistaken(&source, &mistakes))?;
    Ok(said(&file))
}

fn said(file: &OperatorFile) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for table in &file.grants {
        lines.extend(
            table.written.iter().map(|written| format!("grant {} {}", table.component, neutral::line(written, 300))),
        );
    }
    for table in &file.denies {
        let whom = table.component.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
        lines.extend(table.written.iter().map(|written| format!("deny {whom} {}", neutral::line(written, 300))));
    }
    for SecretTable { from, grant, components, .. } in &file.secrets {
        let place = scope(grant.capability());
        let from = neutral::line(&from.to_string(), 300);
        lines.extend(components.iter().map(|whom| format!("secret {whom} {place}, from {from}")));
    }
    for rule in file.flows.rules() {
        let labels = match &rule.labels {
            Labels::All => "any label".to_owned(),
            Labels::These(labels) => labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", "),
        };
        let may = if rule.never { "never" } else { "may" };
        lines.extend(rule.sinks.iter().map(|sink| format!("flow of {labels} {may} to {sink}")));
    }
    for table in &file.declassified {
        let labels: Vec<String> = table.labels.iter().map(|label| format!("`{label}`")).collect();
        lines.insert(format!("declassify {} without {}: {}", table.component, labels.join(", "), table.reason));
    }
    lines.extend(file.owners.iter().map(|Owner { namespace, key, .. }| {
        format!("namespace {} of {}", namespace.as_str(), neutral::line(&key.to_string(), 300))
    }));
    lines.extend(file.aliases.iter().map(|(alias, name)| format!("alias {alias} = {name}")));
    match &file.generated {
        None => drop(lines.insert("generated runbooks may use what comes with Palisade".to_owned())),
        Some(listed) => lines.extend(listed.iter().map(|OperatorEntry { component, config }| {
            let bounds: Vec<String> = config.iter().map(ToString::to_string).collect();
            let bounds = if bounds.is_empty() { String::new() } else { format!(" where {}", bounds.join(" and ")) };
            format!("generated runbooks may use {component}{bounds}")
        })),
    }
    lines
}

/// What a palisade.lock says, one line for each component.
fn lock(context: &Context, path: &Path) -> Result<BTreeSet<String>, CliError> {
    let source = source(context, path)?;
    let lock = LockFile::parse(source.text()).map_err(|error| {
        let told = CliError::from_error(ExitCode::Usage, &error);
        CliError::usage(format!("{}: {}", source.name(), told.message))
    })?;
    let line = |(id, version, locked): (_, _, &palisade_store::Locked)| {
        let requests = locked.requests.iter().flatten().map(|power| power.name()).collect::<Vec<_>>().join(", ");
        let asks = if requests.is_empty() { "nothing".to_owned() } else { requests };
        let accepted = if locked.is_accepted() { "accepted" } else { "not accepted" };
        let in_force = if locked.in_force { ", in force" } else { "" };
        let signed = signature::by(locked.signed_by.as_ref());
        format!("{id}@{version} sha256:{} asks for {asks}, {signed}, {accepted}{in_force}", locked.digest)
    };
    Ok(lock.iter().map(line).collect())
}

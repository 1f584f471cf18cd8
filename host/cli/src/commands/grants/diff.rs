//! `palisade grants diff`: what one file allows more or less than another, palisade.toml or palisade.lock.

use super::{FORM, scope};
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::{settings, signature};
use palisade_model::neutral;
use palisade_runbook::OperatorEntry;
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

/// What a palisade.toml says that has to do with what may be done, one line for each thing.
fn file(context: &Context, path: &Path) -> Result<BTreeSet<String>, CliError> {
    let here = &context.settings.working_dir;
    let source = settings::source(&here.join(path), &path.display().to_string())?;
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
    let source = settings::source(&context.settings.working_dir.join(path), &path.display().to_string())?;
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

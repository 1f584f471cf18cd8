//! `palisade grants accept`: for which bytes of a component grants count, and which version its name means.

use super::{FORM, scope};
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::policy::{Acceptance, Policy, powers};
use crate::render::console;
use crate::workspace::{Workspace, changed};
use crate::{lock, person, signature};
use palisade_engine::Entry;
use palisade_model::id::ComponentName;
use palisade_model::manifest::Power;
use palisade_model::{Digest, neutral};
use palisade_runbook::NotAccepted;
use palisade_store::{LockFile, LockedComponent};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub(super) fn exec(context: &Context, name: &str, digest: Option<&str>) -> Result<ExitCode, CliError> {
    let settings = &context.settings;
    let stated = digest.map(parse).transpose()?;
    let workspace = Workspace::open(settings)?;
    let policy = Policy::new(settings, &workspace.folder)?;
    let entry = meant(context, &workspace, name)?;
    let (manifest, id) = (&entry.manifest, entry.manifest.versioned_id());
    if entry.first_party {
        return Err(CliError::usage(format!("`{id}` comes with Palisade: there is nothing to accept")));
    }
    if let Some(locked) =
        policy.lock.get(&manifest.id, &manifest.version).filter(|locked| locked.digest != entry.digest)
    {
        return Err(lock::mismatch(settings, ExitCode::Integrity, &id, locked.digest, entry.digest));
    }
    // The bytes that would run are those that are accepted: read now, they are compared with their digest.
    entry.check_bytes().map_err(|error| changed(&error))?;
    if stated.is_some_and(|stated| stated != entry.digest) {
        return Err(CliError::new(
            ExitCode::Integrity,
            format!("`{id}` is sha256:{}, not what --digest says", entry.digest),
        )
        .help("find out which bytes you mean: nothing was accepted"));
    }
    if let (Acceptance::NotSigned, Some(NotAccepted { why, help })) =
        (policy.acceptance(entry), policy.not_accepted(entry))
    {
        return Err(CliError::new(ExitCode::Denied, format!("{why}: nothing was accepted")).help(help));
    }
    let known = policy.lock.get(&manifest.id, &manifest.version);
    if known.is_some_and(|known| known.is_accepted_by_person() && known.in_force) {
        console::err(&format!("{id} is accepted and in force already\n"));
        return told(context, &id, entry.digest, "already accepted");
    }
    console::err(&difference(&policy, entry));
    if stated.is_none() && !person::agrees(&format!("accept sha256:{}?", entry.digest)) {
        let nothing = CliError::usage("nothing was accepted");
        if person::is_there() {
            return Err(nothing);
        }
        let line = format!("palisade grants accept {id} --digest sha256:{}", entry.digest);
        return Err(nothing.help(format!("without a terminal, name the bytes: `{line}`")));
    }
    let (of, version) = (manifest.id.clone(), manifest.version.clone());
    let added = LockedComponent {
        id: of.clone(),
        version: version.clone(),
        digest: entry.digest,
        requests: powers(manifest),
        signed_by: None,
    };
    let mut same = true;
    lock::change(settings, workspace.stored(), |lock| {
        // Somebody else may have written it while a person was being asked.
        same = lock.get(&of, &version).is_none_or(|locked| locked.digest == entry.digest);
        if same {
            lock.add(added);
            lock.accept(&of, &version);
        }
    })?;
    if !same {
        return Err(CliError::new(
            ExitCode::Integrity,
            format!("{} was changed meanwhile: nothing was accepted", lock::path(settings).display()),
        ));
    }
    console::err(&format!("accepted: {id}\n"));
    told(context, &id, entry.digest, "accepted")
}

fn told(context: &Context, id: &str, digest: Digest, status: &str) -> Result<ExitCode, CliError> {
    if context.format == Format::Json {
        console::json(&json!({"v": FORM, "id": id, "digest": digest, "status": status}));
    }
    Ok(ExitCode::Done)
}

fn parse(text: &str) -> Result<Digest, CliError> {
    text.strip_prefix("sha256:").unwrap_or(text).parse().map_err(|_| {
        CliError::usage(format!("--digest {}: this is no SHA-256 digest", neutral::line(text, 100)))
            .help("it is sha256: and 64 hexadecimal digits, as `palisade component show` prints them")
    })
}

/// The component of that name; without a version, the highest: a person who accepts means the new one.
fn meant<'w>(context: &Context, workspace: &'w Workspace, name: &str) -> Result<&'w Entry, CliError> {
    let entry = workspace.entry(&context.settings, name)?;
    let named = name.parse::<ComponentName>().ok().is_some_and(|name| name.version.is_some());
    let of = |other: &&Entry| other.manifest.id == entry.manifest.id;
    let highest = || workspace.catalogue.list().into_iter().rfind(of);
    Ok(if named { entry } else { highest().unwrap_or(entry) })
}

/// What becomes another, for the person who is asked.
fn difference(policy: &Policy<'_>, entry: &Entry) -> String {
    let manifest = &entry.manifest;
    let before = before(&policy.lock, entry);
    let mut text = format!("{}  {}\n", manifest.versioned_id(), neutral::line(&manifest.title, 80));
    let mut line = |name: &str, value: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {name:9} {value}");
    };
    line(
        "version",
        &match &before {
            Some((version, ..)) => format!("{version} -> {}", manifest.version),
            None => format!("{} (no version was accepted before)", manifest.version),
        },
    );
    if let Some((_, digest, _)) = &before {
        line("digest", &format!("sha256:{digest}\n            -> sha256:{}", entry.digest));
    } else {
        line("digest", &format!("sha256:{}", entry.digest));
    }
    line("signature", &signature::by(policy.signed_by(entry)));
    let (old, new) = (before.map(|(.., requests)| requests).unwrap_or_default(), powers(manifest));
    if new.is_empty() {
        line("asks for", "nothing");
    }
    for request in &manifest.requests {
        let is_new = if old.contains(&request.power) { "" } else { "NEW: " };
        line("asks for", &format!("{is_new}{}: {}", request.power.name(), neutral::line(&request.reason, 300)));
    }
    for gone in old.difference(&new) {
        line("no more", gone.name());
    }
    let mut granted = Vec::new();
    for table in policy.tables(manifest) {
        let written = table.written.iter().map(|written| neutral::line(written, 200));
        granted.extend(table.allow.iter().zip(written));
    }
    let secrets = policy.secrets(manifest);
    granted.extend(secrets.map(|table| (&table.grant, format!("secret={}", scope(table.grant.capability())))));
    for (grant, written) in &granted {
        let unasked = if new.contains(&grant.capability().power()) { "" } else { ", which it does not ask for" };
        line("granted", &format!("{written} ({}{unasked})", grant.stated()));
    }
    if granted.is_empty() {
        line("granted", "nothing by palisade.toml");
    }
    text
}

/// What is accepted now: version, digest and requests.
fn before(lock: &LockFile, entry: &Entry) -> Option<(String, Digest, BTreeSet<Power>)> {
    let (version, locked) = lock.accepted(&entry.manifest.id)?;
    Some((version.to_string(), locked.digest, locked.requests.clone().unwrap_or_default()))
}

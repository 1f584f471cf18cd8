//! `palisade.lock` of a project: written when a component is added, accepted or removed, believed before one is run.

use crate::audit_log::{actor, entry};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::settings::Settings;
use crate::workspace::not_read;
use palisade_audit::What;
use palisade_model::{Digest, causes};
use palisade_runbook::Plan;
use palisade_store::{Disk, LockFile, Store};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The file's name.
const FILE_NAME: &str = "palisade.lock";

/// Where it is: beside `palisade.toml`, or in the working folder where there is none.
pub(crate) fn path(settings: &Settings) -> PathBuf {
    folder(settings).join(FILE_NAME)
}

fn folder(settings: &Settings) -> &Path {
    settings.file.as_deref().and_then(Path::parent).unwrap_or(&settings.working_dir)
}

/// Reads it; empty where there is none.
///
/// # Errors
/// When it can't be read.
pub(crate) fn read(settings: &Settings) -> Result<LockFile, CliError> {
    let path = path(settings);
    match std::fs::read_to_string(&path) {
        Ok(text) => LockFile::parse(&text).map_err(|error| {
            failed(&path, &error).help("it is written by `palisade component` and `palisade grants accept` alone: take it from your version control")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LockFile::default()),
        Err(error) => Err(failed(&path, &error)),
    }
}

/// The components that it names, by digest.
///
/// # Errors
/// When it can't be read.
pub(crate) fn digests(settings: &Settings) -> Result<BTreeSet<Digest>, CliError> {
    Ok(read(settings)?.iter().map(|(_, _, locked)| locked.digest).collect())
}

/// Changes it, and writes it if there is a change. Two processes take turns.
///
/// # Errors
/// When it can't be read or written.
pub(crate) fn change(
    settings: &Settings,
    store: Option<&Store>,
    change: impl FnOnce(&mut LockFile),
) -> Result<(), CliError> {
    let path = path(settings);
    let folder = std::fs::File::open(folder(settings)).map_err(|error| failed(&path, &error))?;
    flock(&folder, FlockOperation::LockExclusive).map_err(|error| failed(&path, &error))?;
    let before = read(settings)?;
    let mut lock = before.clone();
    change(&mut lock);
    if lock == before {
        return Ok(());
    }
    let digest = || std::fs::read(&path).ok().map(|text| Digest::of(&text));
    let before = digest();
    lock.write(&Disk, &path).map_err(|error| failed(&path, &error))?;
    match (store, digest()) {
        (Some(store), Some(after)) => {
            let changed = entry(What::LockChanged { by: actor(), before, after });
            store.record(&[changed]).map_err(|fault| not_read(&fault))
        }
        // Without a store there is no log, and nothing that the file could speak of.
        _ => Ok(()),
    }
}

/// Refuses a plan with a component of which the file names other bytes.
///
/// # Errors
/// When it has one, or the file can't be read.
pub(crate) fn check(settings: &Settings, plan: &Plan) -> Result<(), CliError> {
    let lock = read(settings)?;
    for call in plan.calls() {
        let locked = lock.get(&call.component, &call.version).map(|locked| locked.digest);
        if let Some(locked) = locked.filter(|locked| *locked != call.component_digest) {
            let id = format!("{}@{}", call.component, call.version);
            return Err(mismatch(settings, ExitCode::Integrity, &id, locked, call.component_digest));
        }
    }
    Ok(())
}

/// Says that the file names other bytes for a component.
pub(crate) fn mismatch(
    settings: &Settings,
    code: ExitCode,
    component: &str,
    locked: Digest,
    found: Digest,
) -> CliError {
    CliError::new(code, format!("{component} is {found}, but {} says {locked}", path(settings).display()))
        .help("somebody gave this version other bytes: find out who, or remove the version and add the one you trust")
}

fn failed(path: &Path, error: &dyn std::error::Error) -> CliError {
    CliError::usage(format!("{}: {}", path.display(), causes(error).trim_end()))
}

//! `palisade audit prove` and `consistency`: what another program can check without this one (docs/audit.md).

use super::{FORM, read_checkpoints};
use crate::audit_log::not_signed;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::not_read;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_audit::{Checkpoint, Entry, Note, leaf_hash, verify_consistency, verify_inclusion};
use palisade_engine::now_ms;
use palisade_model::Digest;
use palisade_store::{AuditEntry, Fault, Store};
use serde_json::{Value, json};
use std::path::Path;

/// The log as it is signed now, for proofs of its entries.
pub(in crate::commands) struct Signed<'s> {
    store: &'s Store,
    note: Note,
    checkpoint: Checkpoint,
    key: String,
}

impl<'s> Signed<'s> {
    /// Signs it if anything is new.
    ///
    /// # Errors
    /// When it can't be signed.
    pub(in crate::commands) fn now(store: &'s Store) -> Result<Self, CliError> {
        let note = store.checkpoint(&[], now_ms()).map_err(|error| not_signed(&error))?;
        let checkpoint =
            Checkpoint::of_note(&note).map_err(|error| CliError::from_error(ExitCode::Integrity, &error))?;
        let key = store.verifying_key().map_err(|error| not_signed(&error.into()))?.to_string();
        Ok(Self { store, note, checkpoint, key })
    }

    /// The checkpoint, as it is handed out.
    pub(in crate::commands) const fn note(&self) -> &Note {
        &self.note
    }

    /// What shows that an entry is in the log; with the key of its run where that is to be opened.
    ///
    /// # Errors
    /// When the log does not show it, or nothing is there to open.
    pub(in crate::commands) fn proof(&self, entry: AuditEntry, open: bool) -> Result<Value, CliError> {
        let AuditEntry { number, bytes, .. } = entry;
        let Checkpoint { size, root, .. } = self.checkpoint;
        let failed = |fault: Fault| not_read(&fault);
        let path = self.store.audit_inclusion(number, size).map_err(failed)?.unwrap_or_default();
        // What the store has may have been changed: nothing is handed out that proves nothing.
        verify_inclusion(leaf_hash(&bytes), number, size, &path, root)
            .map_err(|error| broken(&format!("entry {number} can't be proven: {error}")))?;
        let leaf = String::from_utf8(bytes).map_err(|_| broken(&format!("entry {number} is no text")))?;
        let run = Entry::from_bytes(leaf.as_bytes()).and_then(|entry| entry.run);
        let mut proof = json!({
            "v": FORM, "entry": number, "leaf": leaf, "size": size, "path": texts(&path),
            "checkpoint": self.note.to_string(), "key": self.key,
        });
        if open {
            let none = || CliError::usage(format!("entry {number} is of no run: there is nothing to open"));
            proof["run_key"] = self.store.run_key(run.ok_or_else(none)?).map_err(failed)?.reveal().into();
        }
        Ok(proof)
    }
}

pub(super) fn prove(store: &Store, number: u64, open: bool) -> Result<ExitCode, CliError> {
    let page = store.audit_entries(number, number.saturating_add(1), 1, None).map_err(|fault| not_read(&fault))?;
    let Some(entry) = page.into_iter().next() else {
        let size = store.audit_size().map_err(|fault| not_read(&fault))?;
        return Err(CliError::usage(format!("there is no entry {number}: the log has {size}, counted from 0")));
    };
    console::json(&Signed::now(store)?.proof(entry, open)?);
    Ok(ExitCode::Done)
}

pub(super) fn consistency(store: &Store, old: &str, new: Option<&str>) -> Result<ExitCode, CliError> {
    let size = store.audit_size().map_err(|fault| not_read(&fault))?;
    let (old, new) = (state(store, old, size)?, new.map_or_else(|| at(store, size), |new| state(store, new, size))?);
    let path = store.audit_consistency(old.0, new.0).map_err(|fault| not_read(&fault))?;
    let path = path.ok_or_else(|| {
        CliError::usage(format!("the first is over {} entries, and the second only over {}", old.0, new.0))
            .help("name the older one first")
    })?;
    verify_consistency(old, new, &path).map_err(|error| {
        broken(&format!("the log of {} entries is not the beginning of that of {}: {error}", old.0, new.0))
    })?;
    let told = |(size, root): (u64, Digest)| json!({"size": size, "root": STANDARD.encode(root.as_bytes())});
    console::json(&json!({"v": FORM, "old": told(old), "new": told(new), "path": texts(&path)}));
    Ok(ExitCode::Done)
}

/// The size and root that a person means: of the last checkpoint in a file, or of the log when it had so many entries.
fn state(store: &Store, text: &str, size: u64) -> Result<(u64, Digest), CliError> {
    if let Ok(wanted) = text.parse() {
        let longer = || CliError::usage(format!("the log has {size} entries, and never had {wanted}"));
        return if wanted > size { Err(longer()) } else { at(store, wanted) };
    }
    let notes = read_checkpoints(Path::new(text))?;
    let note = notes.last().ok_or_else(|| CliError::usage(format!("{text} holds no checkpoint")))?;
    let checkpoint = Checkpoint::of_note(note).map_err(|error| CliError::usage(format!("{text}: {error}")))?;
    let told = format!("{text}: the checkpoint is over {} entries", checkpoint.size);
    if checkpoint.size > size {
        return Err(broken(&format!("{told}, and the log has {size}")));
    }
    let own = at(store, checkpoint.size)?;
    if own.1 == checkpoint.root {
        Ok(own)
    } else {
        Err(broken(&format!("{told}, and its root is not that of the log")))
    }
}

fn at(store: &Store, size: u64) -> Result<(u64, Digest), CliError> {
    Ok((size, store.audit_root(size).map_err(|fault| not_read(&fault))?))
}

fn texts(path: &[Digest]) -> Vec<String> {
    path.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect()
}

fn broken(what: &str) -> CliError {
    CliError::new(ExitCode::Integrity, what).help("`palisade audit verify` says all that is wrong")
}

//! What subcommands write into the audit log beside what belongs to runs, and how its signed states come to those who keep
//! them elsewhere.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use crate::render::console;
use crate::settings::Settings;
use crate::witnesses;
use crate::workspace::not_read;
use palisade_audit::{Actor, Entry, Exported, Note, What};
use palisade_engine::now_ms;
use palisade_model::{Digest, RunId};
use palisade_store::{AuditKeyError, CheckpointFailure, Store};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file that was written for people.
#[derive(Debug)]
pub(crate) struct ExportedFile {
    /// What it is: `output NAME`, `record`, `report`, `wcf`.
    pub(crate) what: String,
    /// SHA-256 of its bytes.
    pub(crate) digest: Digest,
}

/// Who uses the command line.
pub(crate) fn actor() -> Actor {
    Actor::unauthenticated(person::name())
}

/// An entry of what a person did just now.
pub(crate) fn entry(what: What) -> Entry {
    Entry::new(now_ms(), what)
}

/// Writes down what was written for people when a run had ended, signs the log with it, and hands the checkpoint out.
///
/// # Errors
/// When the log can't be written or signed, or a witness takes nothing.
pub(crate) fn close(settings: &Settings, store: &Store, run: RunId, exported: &[ExportedFile]) -> Result<(), CliError> {
    let mut entries = Vec::new();
    if !exported.is_empty() {
        let key = store.run_key(run).map_err(|fault| not_read(&fault))?;
        let file = |ExportedFile { what, digest }: &ExportedFile| Exported {
            what: what.clone(),
            keyed: key.digest(digest.as_bytes()),
        };
        let files = exported.iter().map(file).collect();
        entries.push(Entry::of_run(run, now_ms(), What::FilesExported { files }));
    }
    let note = store.checkpoint(&entries, now_ms()).map_err(|error| not_signed(&error))?;
    hand_out(settings, store, &note, &[]).map(drop)
}

/// Appends a checkpoint to the files that the operator and `more` name, gives it to the operator's program, and shows it to
/// the witnesses; gives it with what they signed. A program that fails keeps nobody from working: the next checkpoint holds
/// all that this one does.
///
/// # Errors
/// When a file can't be written, or a witness saw another log; the others have it.
pub(crate) fn hand_out(settings: &Settings, store: &Store, note: &Note, more: &[PathBuf]) -> Result<Note, CliError> {
    let mut failed = None;
    for witness in settings.witnesses.iter().chain(more) {
        if let Err(error) = append(&settings.data_dir, witness, note) {
            failed = Some(error);
        }
    }
    if let Some(Err(why)) = settings.witness_command.as_ref().map(|command| command.give(note)) {
        console::err(&format!("warning: the program that keeps the audit log's checkpoints did not take one: {why}\n"));
    }
    let signed = witnesses::show(settings, store, note)?;
    failed.map_or(Ok(signed), Err)
}

/// Says whether a file lies outside of the data directory: one within it would be changed with the log.
///
/// # Errors
/// When it lies within, or where it lies can't be known.
pub(crate) fn outside_of(data_dir: &Path, file: &Path) -> Result<(), CliError> {
    if file.is_symlink() && !file.exists() {
        // It could lead into the data directory by a name that nothing has yet.
        return Err(CliError::usage(format!("{} is a link that leads to nothing", file.display()))
            .help("make the file that it is to lead to"));
    }
    // Where it really is, links resolved, as far as it is there.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real(file.parent().unwrap_or(file));
    let is_inside =
        file.starts_with(data_dir) || folder.starts_with(real(data_dir)) || real(file).starts_with(real(data_dir));
    if !is_inside {
        return Ok(());
    }
    Err(CliError::usage(format!("{} lies in the data directory", file.display()))
        .help("keep checkpoints elsewhere: who can write the log could write them too"))
}

/// The checkpoint is one write, so that those of two processes don't mix.
fn append(data_dir: &Path, witness: &Path, note: &Note) -> Result<(), CliError> {
    outside_of(data_dir, witness)?;
    let failed = |what: String| {
        CliError::new(ExitCode::Failed, format!("the checkpoint was not appended to {}: {what}", witness.display()))
    };
    // Opening a pipe would wait for its reader.
    if std::fs::metadata(witness).is_ok_and(|there| !there.is_file()) {
        return Err(failed("it is no file".to_owned()));
    }
    append_note(witness, note).map_err(|error| failed(error.to_string()))
}

/// Appends a note to a file.
pub(crate) fn append_note(path: &Path, note: &Note) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{note}\n").as_bytes())?;
    file.sync_data()
}

/// Says why there is no checkpoint.
pub(crate) fn not_signed(error: &CheckpointFailure) -> CliError {
    match error {
        CheckpointFailure::Fault(fault) | CheckpointFailure::Key(AuditKeyError::Fault(fault)) => not_read(fault),
        CheckpointFailure::Key(AuditKeyError::Gone { .. } | AuditKeyError::Form { .. }) => {
            CliError::from_error(ExitCode::Integrity, error)
                .help("take it from a backup; without it nothing can be added that anybody could believe, so begin with another folder: `--data-dir DIR`")
        }
        CheckpointFailure::Contradiction { .. } | CheckpointFailure::Note(_) => CliError::from_error(ExitCode::Integrity, error).help("`palisade audit verify` says all that is wrong"),
    }
}

//! `palisade audit`: what was used, approved and denied, and the proof that nobody has changed what is said of it. Looking
//! takes no lock, so it works while runs go on.

mod checkpoint;
mod log;
mod proofs;
mod verify;

pub(super) use proofs::Signed;

use super::Context;
use crate::args::AuditCommand;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::input::read_bounded;
use crate::render::console;
use crate::workspace::{existing_store, not_read};
use palisade_audit::Note;
use palisade_store::Store;
use std::path::Path;

/// Version of the JSON forms.
const FORM: u32 = 1;
/// Most bytes of a file with checkpoints: a hundred thousand of them and more.
const MAX_CHECKPOINT_BYTES: u64 = 64 << 20;
/// Entries that are read at once.
const PAGE: usize = 1_000;

pub(crate) fn exec(context: &Context, command: &AuditCommand) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    let none = || {
        CliError::usage(format!("there is no audit log: {} is not there", context.settings.data_dir.display()))
            .help("nothing was run here yet; `--data-dir DIR` names another folder")
    };
    let store = store.ok_or_else(none)?;
    match command {
        AuditCommand::Log(args) => log::exec(context, &store, args),
        AuditCommand::Verify(args) => verify::exec(context, &store, args),
        AuditCommand::Prove { entry, open } => proofs::prove(&store, *entry, *open),
        AuditCommand::Consistency { old, new } => proofs::consistency(&store, old, new.as_deref()),
        AuditCommand::Export => export(&store),
        AuditCommand::Checkpoint { witness } => checkpoint::sign(context, &store, witness),
        AuditCommand::RotateKey => checkpoint::rotate(context, &store),
    }
}

/// The leaves as they are, so that whoever hashes the lines gets the tree.
fn export(store: &Store) -> Result<ExitCode, CliError> {
    let size = store.audit_size().map_err(|fault| not_read(&fault))?;
    let mut from = 0;
    while from < size && !console::closed() {
        let page = store.audit_entries(from, size, PAGE, None).map_err(|fault| not_read(&fault))?;
        let Some(last) = page.last() else { break };
        from = last.number + 1;
        let mut lines = String::new();
        for entry in &page {
            lines.push_str(&String::from_utf8_lossy(&entry.bytes));
            lines.push('\n');
        }
        console::out(&lines);
    }
    Ok(ExitCode::Done)
}

/// The checkpoints in a file.
fn read_checkpoints(file: &Path) -> Result<Vec<Note>, CliError> {
    let name = file.display();
    let bytes = read_bounded(file, MAX_CHECKPOINT_BYTES, "a file with checkpoints")?;
    let text = String::from_utf8(bytes).map_err(|_| CliError::usage(format!("{name} is not UTF-8")))?;
    let notes = Note::parse_all(&text)
        .map_err(|(number, error)| CliError::usage(format!("{name}: checkpoint {number}: {error}")))?;
    if notes.is_empty() {
        return Err(CliError::usage(format!("{name} holds no checkpoint")));
    }
    Ok(notes)
}

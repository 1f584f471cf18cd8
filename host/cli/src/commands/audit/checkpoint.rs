//! `palisade audit checkpoint` and `rotate-key`: the log signed as it is, and by whom from now on.

use super::FORM;
use crate::args::Format;
use crate::audit_log::{actor, hand_out, not_signed, outside_of};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use palisade_audit::{Checkpoint, Note};
use palisade_engine::now_ms;
use palisade_store::Store;
use serde_json::json;
use std::path::PathBuf;

pub(super) fn sign(context: &Context, store: &Store, witnesses: &[PathBuf]) -> Result<ExitCode, CliError> {
    witnesses.iter().try_for_each(|witness| outside_of(&context.settings.data_dir, witness))?;
    let note = store.checkpoint(&[], now_ms()).map_err(|error| not_signed(&error))?;
    told(context, store, &note, witnesses)
}

pub(super) fn rotate(context: &Context, store: &Store) -> Result<ExitCode, CliError> {
    let note = store.rotate_key(actor(), now_ms()).map_err(|error| not_signed(&error))?;
    console::err("another key signs from now on; the checkpoint is its first\n");
    told(context, store, &note, &[])
}

fn told(context: &Context, store: &Store, note: &Note, witnesses: &[PathBuf]) -> Result<ExitCode, CliError> {
    let handed_out = hand_out(&context.settings, store, note, witnesses);
    // With what witnesses signed of it.
    let note = handed_out.as_ref().unwrap_or(note);
    if context.format == Format::Json {
        let size = Checkpoint::of_note(note).map(|checkpoint| checkpoint.size).ok();
        console::json(&json!({"v": FORM, "size": size, "checkpoint": note.to_string()}));
    } else {
        console::out(&note.to_string());
    }
    handed_out.map(|_| ExitCode::Done)
}

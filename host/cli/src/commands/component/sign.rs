//! `palisade component sign`: the signature of who made a component.

use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::input::read_prefix;
use crate::render::console;
use crate::{approver, component_check, signature};
use palisade_audit::MAX_NOTE_BYTES;
use std::path::Path;

pub(super) fn exec(context: &Context, file: &Path, key: &Path, out: Option<&Path>) -> Result<ExitCode, CliError> {
    let key = approver::read(key)?;
    // Who signs is told what: the bytes are asked for their name.
    let bytes = component_check::read(file)?;
    let checked = component_check::check(&file.display().to_string(), &bytes)?;
    let note = signature::sign(checked.digest, &key).map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
    let out = out.map_or_else(|| signature::beside(file), Path::to_owned);
    if out.symlink_metadata().is_ok() && !signature::is_one(&read_prefix(&out, MAX_NOTE_BYTES as u64 + 1)?) {
        return Err(CliError::usage(format!("{} is there already, and is no signature of a component", out.display()))
            .help("name another file with `--out SIGNATURE`"));
    }
    std::fs::write(&out, note.to_string()).map_err(|error| {
        CliError::new(ExitCode::Failed, format!("the signature was not written to {}: {error}", out.display()))
    })?;
    let (id, public) = (checked.manifest.versioned_id(), key.verifying());
    console::err(&format!(
        "signed: {id}\n  digest   {}\n  key      {public}\n  wrote    {}\n",
        checked.digest,
        out.display()
    ));
    if context.format == Format::Json {
        console::json(&serde_json::json!({"id": id, "digest": checked.digest, "signed_by": public.to_string()}));
    }
    Ok(ExitCode::Done)
}

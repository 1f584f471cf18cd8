//! The keys of approvers: made, read from files, and what they are for.

use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use crate::render::console;
use palisade_audit::SigningKey;
use palisade_engine::asks_a_person;
use palisade_runbook::Plan;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Most bytes of a file that holds a key.
const MAX_BYTES: u64 = 1 << 10;

/// Makes a key in a new file that nobody else can read, and prints what the operator writes down of it.
///
/// # Errors
/// When the name is none of a key, or the file is there already or can't be written.
pub(crate) fn make(name: &str, file: &Path) -> Result<ExitCode, CliError> {
    let mut seed = [0; 32];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
    let key = SigningKey::from_seed(name, seed).map_err(|error| CliError::usage(format!("`{name}`: {error}")))?;
    let failed = |error: std::io::Error| {
        CliError::new(ExitCode::Failed, format!("the key was not written to {}: {error}", file.display()))
    };
    let mut written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    written.write_all(format!("{}\n", key.reveal()).as_bytes()).and_then(|()| written.sync_all()).map_err(failed)?;
    console::err(&format!(
        "{} holds the secret key of `{name}`: whoever has it answers for them. In palisade.toml:\n",
        file.display()
    ));
    console::out(&format!("[approval]\napprovers = [\"{}\"]\n", key.verifying()));
    Ok(ExitCode::Done)
}

/// Reads a secret key.
///
/// # Errors
/// When the file can't be read, or holds none. What it holds is never told.
pub(crate) fn read(file: &Path) -> Result<SigningKey, CliError> {
    let unreadable = |what: &dyn std::fmt::Display| CliError::usage(format!("--key {}: {what}", file.display()));
    let opened = std::fs::File::open(file).map_err(|error| unreadable(&error))?;
    if !opened.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(unreadable(&"it is no file"));
    }
    let mut text = String::new();
    opened.take(MAX_BYTES).read_to_string(&mut text).map_err(|_| unreadable(&"it holds no key"))?;
    text.parse::<SigningKey>()
        .map_err(|error| unreadable(&error).help("`palisade approvals key NAME --out FILE` writes such a file"))
}

/// Who starts a run: by their key, or as the system knows them.
///
/// # Errors
/// When the key can't be read, or two people are to look at what the run waits for, and no listed key starts it.
pub(crate) fn starts(context: &Context, key: Option<&Path>, plan: &Plan) -> Result<String, CliError> {
    let approving = &context.settings.approving;
    let key = key.map(read).transpose()?.map(|key| key.verifying());
    let waits = || std::iter::once(plan).chain(plan.children()).any(|plan| plan.steps.iter().any(asks_a_person));
    if approving.four_eyes && !key.as_ref().is_some_and(|key| approving.approvers.contains(key)) && waits() {
        let message = "two people are to look at what this run waits for, so one of them has to start it";
        return Err(CliError::new(ExitCode::Denied, message).help(
            "`--key FILE` with a key that [approval] approvers of palisade.toml lists; another one then approves",
        ));
    }
    Ok(key.map_or_else(person::name, |key| key.to_string()))
}

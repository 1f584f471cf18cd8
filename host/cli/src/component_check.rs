//! Whether bytes from foreign hands are a component that can be registered, and what it says of itself.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::input::read_bounded;
use palisade_model::{Digest, Manifest};
use palisade_sandbox::{Compiling, DescribeError, LoadError, Prepared, Sandbox, Settings, describe};
use palisade_schema::ArtifactSchema;
use std::path::Path;

/// A component that passed.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What it says of itself.
    pub(crate) manifest: Manifest,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// Its code, ready to run.
    pub(crate) prepared: Prepared,
}

/// Compiles a component under limits in a child process, type-checks it and asks it what it is.
///
/// # Errors
/// When it is no component, too much to compile, does not fit the world, or its manifest breaks rules.
pub(crate) fn check(name: &str, bytes: &[u8]) -> Result<Checked, CliError> {
    let sandbox = Sandbox::new(Settings::default()).map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
    check_in(&sandbox, name, bytes)
}

/// As [`check`], in a sandbox of the caller's, in which it can be run then.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_in(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Result<Checked, CliError> {
    let bug = |error: &dyn std::error::Error| CliError::from_error(ExitCode::Bug, error);
    let executable = std::env::current_exe().map_err(|error| bug(&error))?;
    let digest = Digest::of(bytes);
    let compiling = Compiling::child(&executable);
    let loaded =
        sandbox.load(&digest, || Ok(bytes.to_vec()), compiling, None).map_err(|error| not_loaded(name, &error))?;
    let manifest = describe(&loaded.prepared).map_err(|error| not_described(name, &error))?;
    for own in &manifest.schemas {
        ArtifactSchema::new(own.schema.clone(), own.json.clone())
            .map_err(|error| CliError::usage(format!("{name}: schema `{}` can't be used: {error}", own.schema)))?;
    }
    palisade_schema::ConfigSchema::new(&manifest.config_schema)
        .map_err(|error| CliError::usage(format!("{name}: its config schema can't be used: {error}")))?;
    Ok(Checked { manifest, digest, prepared: loaded.prepared })
}

/// Reads a component file, of no more bytes than a component may have.
///
/// # Errors
/// When it can't be read or is too large.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    read_bounded(file, palisade_sandbox::MAX_COMPONENT_BYTES as u64, "a component")
}

fn not_loaded(name: &str, error: &LoadError) -> CliError {
    let CliError { message, .. } = CliError::from_error(ExitCode::Usage, error);
    let told = CliError::usage(format!("{name} was not accepted: {}", palisade_model::neutral::block(&message, 2_000)));
    match error {
        LoadError::UnknownImport { .. } | LoadError::World(_) => told
            .help("build it for the world `analyser` or `connector` of the interface; `palisade plugin new` shows how"),
        _ => told,
    }
}

fn not_described(name: &str, error: &DescribeError) -> CliError {
    use std::fmt::Write as _;
    let CliError { mut message, .. } = CliError::from_error(ExitCode::Usage, error);
    if let DescribeError::Rules(rules) = error {
        for rule in rules {
            // Writing to a String can't fail.
            let _ = write!(message, "\n  - {rule}");
        }
    }
    CliError::usage(format!("{name} was not accepted: {}", palisade_model::neutral::block(&message, 4_000)))
}

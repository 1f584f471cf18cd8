//! Owns the one installation that the kit can make itself. Call it only when the user has agreed.

use crate::{Environment, TARGET};

/// Why the target could not be added.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// `rustup` can't be started.
    #[error("can't run rustup")]
    Start(#[source] std::io::Error),
    /// `rustup` failed.
    #[error("rustup can't add the target {TARGET}:\n{stderr}")]
    Failed {
        /// What it said.
        stderr: String,
    },
}

/// Lets `rustup` download the target for the chosen toolchain.
pub fn add_rustup_target(environment: &Environment) -> Result<(), InstallError> {
    let mut command = environment.command(&environment.rustup);
    let output = command.args(["target", "add", TARGET]).output().map_err(InstallError::Start)?;
    if output.status.success() {
        return Ok(());
    }
    Err(InstallError::Failed { stderr: String::from_utf8_lossy(&output.stderr).into_owned() })
}

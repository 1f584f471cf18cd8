//! `Ctrl-C`: the first ends the run cleanly, the second ends the process.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_engine::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Lets `SIGINT` and `SIGTERM` cancel a run.
///
/// # Errors
/// When the system takes no handler.
pub(crate) fn cancels(cancel: &Cancel) -> Result<(), CliError> {
    let second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds `second` unset, sets it and cancels; the next ends the process.
        signal_hook::flag::register_conditional_shutdown(signal, ExitCode::Interrupted as i32, Arc::clone(&second))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&second)))
            .and_then(|_| signal_hook::flag::register(signal, cancel.flag()))
            .map_err(|error| CliError::new(ExitCode::Bug, format!("no signal handler: {error}")))?;
    }
    Ok(())
}

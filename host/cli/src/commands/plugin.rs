//! `palisade plugin`: being written.
use super::Context;
use crate::args::PluginCommand;
use crate::exit_code::ExitCode;
use crate::failure::CliError;

pub(crate) fn exec(_context: &Context, _command: &PluginCommand) -> Result<ExitCode, CliError> {
    Err(CliError::usage("being written"))
}

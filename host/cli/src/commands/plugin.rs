//! `palisade plugin`: the kit of those who write components.

mod build;
mod case;
mod expectation;
mod headroom;
mod new;
mod project;
mod run;
mod template;
mod test;
mod workbench;

use super::Context;
use crate::args::PluginCommand;
use crate::exit_code::ExitCode;
use crate::failure::CliError;

pub(crate) fn exec(context: &Context, command: &PluginCommand) -> Result<ExitCode, CliError> {
    match command {
        PluginCommand::New { name, dir } => new::exec(context, name, dir.as_deref()),
        PluginCommand::Build { at, install_target } => build::exec(context, at, *install_target),
        PluginCommand::Test { at, accept, case } => test::exec(context, at, *accept, case.as_deref()),
        PluginCommand::Run { at, input, config, allow } => {
            run::exec(context, at, &run::Wanted { inputs: input, config: config.as_deref(), allow })
        }
    }
}

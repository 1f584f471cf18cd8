//! One file for each subcommand.

pub(crate) mod answer;
pub(crate) mod approvals;
mod asked;
pub(crate) mod audit;
pub(crate) mod cancel;
pub(crate) mod component;
pub(crate) mod costs;
pub(crate) mod debug;
pub(crate) mod doctor;
pub(crate) mod evidence;
pub(crate) mod grants;
pub(crate) mod init;
pub(crate) mod lineage;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod ruleset;
pub(crate) mod run;
pub(crate) mod runbook;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod validate;

use crate::args::Format;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::settings::Settings;
use crate::workspace::not_read;
use palisade_engine::DocumentError;

/// What every subcommand works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) format: Format,
}

/// Says why a document of a run can't be read.
fn unreadable(error: &DocumentError) -> CliError {
    match error {
        DocumentError::Store(fault) => not_read(fault),
        DocumentError::Erased { .. } => CliError::from_error(ExitCode::Failed, error),
        _ => CliError::from_error(ExitCode::Integrity, error).help("`palisade doctor` says all that is damaged"),
    }
}

/// The hidden subcommand that compiles one component under limits.
pub(crate) const COMPILE_WORKER: &str = palisade_sandbox::COMPILE_WORKER_SUBCOMMAND;

/// Runs the compile worker.
pub(crate) fn compile_worker() -> std::process::ExitCode {
    palisade_sandbox::compile_worker_main()
}

//! One file for each subcommand.

pub(crate) mod component;
pub(crate) mod doctor;
pub(crate) mod init;
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
use crate::settings::Settings;

/// What every subcommand works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) format: Format,
}

/// The hidden subcommand that compiles one component under limits.
pub(crate) const COMPILE_WORKER: &str = palisade_sandbox::COMPILE_WORKER_SUBCOMMAND;

/// Runs the compile worker.
pub(crate) fn compile_worker() -> std::process::ExitCode {
    palisade_sandbox::compile_worker_main()
}

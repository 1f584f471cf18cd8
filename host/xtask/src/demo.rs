//! Owns the demo: from a fresh checkout to a result that a person can read.

use std::process::Command;

use crate::{
    plugins,
    project::Project,
    setup::{self, Install},
    shell::{cargo, run as run_command, timed},
};

/// What the demo runs, from its own folder: paths in a runbook are relative to the folder in which Palisade runs.
const COMMAND: [&str; 6] =
    ["run", "runbook.yaml", "--out", "../../target/demo", "--report", "../../target/demo/report.html"];

/// Sets up, builds everything and runs the demo runbook.
pub(crate) fn run(project: &Project, install: Install) -> anyhow::Result<()> {
    let toolchain = setup::run(project, install)?;
    plugins::first_party(project, &toolchain)?;
    build_host(project)?;
    timed("running the demo", || {
        run_command(Command::new(project.palisade()).args(COMMAND).current_dir(project.root.join("examples/demo")))
    })?;
    eprintln!("the findings are in target/demo, the report for people is target/demo/report.html");
    Ok(())
}

/// Builds all programs of the host; the command line tool carries the first-party components that are there by then.
///
/// Always the whole workspace with its examples: cargo then settles on the same features of dependencies as for tests,
/// and the sandbox, which takes minutes, is built once.
pub(crate) fn build_host(project: &Project) -> anyhow::Result<()> {
    timed("building the host (the first time takes minutes)", || {
        run_command(cargo(project).args(["build", "--release", "--workspace", "--bins", "--examples"]))
    })
}

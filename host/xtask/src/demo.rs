//! Owns the demo: from a fresh checkout to a result that a person can read.

use std::process::Command;

use crate::{
    plugins,
    project::Project,
    setup::{self, Install},
    shell::{cargo, run as run_command, timed},
};

/// What the demo runs, from the project's root: paths in the runbook are relative to that.
const COMMAND: [&str; 6] =
    ["run", "examples/demo/runbook.yaml", "--out", "target/demo", "--report", "target/demo/report.html"];

/// Sets up, builds everything and runs the demo runbook.
pub(crate) fn run(project: &Project, install: Install) -> anyhow::Result<()> {
    let toolchain = setup::run(project, install)?;
    plugins::first_party(project, &toolchain)?;
    build_palisade(project)?;
    timed("running the demo", || {
        run_command(Command::new(project.palisade()).args(COMMAND).current_dir(&project.root))
    })?;
    eprintln!("the findings are in target/demo, the report for people is target/demo/report.html");
    Ok(())
}

/// Builds the command line tool, which carries the first-party components.
pub(crate) fn build_palisade(project: &Project) -> anyhow::Result<()> {
    timed("building palisade (the first time takes minutes)", || {
        run_command(cargo(project).args(["build", "--release", "--package", "palisade-cli"]))
    })
}

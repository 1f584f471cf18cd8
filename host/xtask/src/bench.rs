//! Owns running the benchmarks, which print one table.

use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::{
    demo, plugins,
    project::Project,
    setup::{self, Install},
    shell::{cargo, run as run_command, timed},
};

/// Builds everything and runs the benchmarks: whole processes (`tests`), and one instance (`sandbox`).
pub(crate) fn run(project: &Project, install: Install) -> anyhow::Result<()> {
    let toolchain = setup::run(project, install)?;
    plugins::first_party(project, &toolchain)?;
    plugins::of_tests(project, &toolchain)?;
    demo::build_host(project)?;
    let native = timed("personal_data without a sandbox", || native(project))?;
    timed("benchmarks", || {
        let benches = ["--bench", "table", "--bench", "instance"];
        let command = ["bench", "--profile", "release", "--workspace"];
        run_command(cargo(project).args(command).args(benches).env("PALISADE_BENCH_NATIVE", native))
    })
}

/// What the analyser takes natively, built as guests are: megabytes and milliseconds.
fn native(project: &Project) -> anyhow::Result<String> {
    let mut command = cargo(project);
    command.args(["bench", "--profile", "release", "--manifest-path", "plugins/Cargo.toml"]);
    command.args(["--package", "parity", "--bench", "native", "--target-dir"]).arg(project.guest_target());
    let output = command.stderr(Stdio::inherit()).output().context("can't run cargo")?;
    if !output.status.success() {
        bail!("the native benchmark ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

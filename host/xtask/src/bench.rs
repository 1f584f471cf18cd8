//! Owns running the benchmarks, which print one table.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{
    demo, plugins,
    project::Project,
    setup::{self, Install},
    shell::{cargo, run as run_command, timed},
};

/// Builds everything and runs the benchmarks: whole processes, durable steps, a long journal, many runs that wait and the audit log (`tests`), one instance (`sandbox`), and
/// one decision (`authority`).
pub(crate) fn run(project: &Project, install: Install) -> anyhow::Result<()> {
    let toolchain = setup::run(project, install)?;
    plugins::first_party(project, &toolchain)?;
    plugins::of_tests(project, &toolchain)?;
    demo::build_host(project)?;
    let native = timed("build personal_data without a sandbox", || native(project))?;
    timed("benchmarks", || {
        let benches = ["table", "process", "durable", "journal", "waiting", "audit", "instance", "authorise"]
            .map(|bench| ["--bench", bench]);
        let command = ["bench", "--profile", "release", "--workspace"];
        run_command(cargo(project).args(command).args(benches.as_flattened()).env("PALISADE_BENCH_NATIVE", native))
    })
}

/// Builds the program that runs the analyser natively, compiled as guests are.
fn native(project: &Project) -> anyhow::Result<PathBuf> {
    let mut command = cargo(project);
    command.args(["bench", "--no-run", "--message-format", "json-render-diagnostics"]);
    command.args(["--profile", "release", "--manifest-path", "plugins/Cargo.toml"]);
    command.args(["--package", "parity", "--bench", "native", "--target-dir"]).arg(project.guest_target());
    let output = command.stderr(Stdio::inherit()).output().context("can't run cargo")?;
    if !output.status.success() {
        bail!("cargo ended with {}", output.status);
    }
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let program = |message: Value| Some(PathBuf::from(message.get("executable")?.as_str()?));
    messages.filter_map(program).next_back().context("cargo built no native benchmark")
}

//! Owns running the benchmarks, which print one table.

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
    timed("benchmarks", || {
        run_command(cargo(project).args([
            "bench",
            "--profile",
            "release",
            "--workspace",
            "--bench",
            "table",
            "--bench",
            "instance",
        ]))
    })
}

//! Owns the order in which everything is tested.

use crate::{
    demo, foreign, plugins,
    project::Project,
    servers,
    setup::{self, Install},
    shell::{cargo, run as run_command, timed},
};

/// Sets up, builds everything and runs every test, the slow ones included.
pub(crate) fn run(project: &Project, install: Install) -> anyhow::Result<()> {
    let toolchain = setup::run(project, install)?;
    plugins::first_party(project, &toolchain)?;
    plugins::of_tests(project, &toolchain)?;
    foreign::build(project, install)?;
    servers::get(install);
    timed("native tests of the guests", || {
        let mut command = cargo(project);
        command.args(["test", "--release", "--workspace", "--manifest-path", "plugins/Cargo.toml"]);
        // The profile of guests is for small and quick wasm; here each test would be linked for half a minute.
        for setting in ["lto=\"off\"", "codegen-units=16", "overflow-checks=true"] {
            command.args(["--config", &format!("profile.release.{setting}")]);
        }
        run_command(command.arg("--target-dir").arg(project.guest_target()))
    })?;
    // Tests drive the binary, which cargo builds for them only in its own package.
    demo::build_host(project)?;
    timed("tests of the host", || {
        run_command(cargo(project).args(["test", "--release", "--workspace"]).env("PALISADE_SLOW_TESTS", "1"))
    })
}

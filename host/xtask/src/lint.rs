//! Owns formatting and lints of both workspaces.

use crate::{
    project::Project,
    shell::{cargo, run as run_command, timed},
};

/// Manifest and target folder of each workspace.
fn workspaces(project: &Project) -> [(&'static str, std::path::PathBuf); 2] {
    [("Cargo.toml", project.host_target.clone()), ("plugins/Cargo.toml", project.guest_target())]
}

/// Fails if anything is not formatted or a lint fires.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    for (manifest, target) in workspaces(project) {
        timed(&format!("checking {manifest}"), || {
            run_command(cargo(project).args(["fmt", "--all", "--check", "--manifest-path", manifest]))?;
            let mut clippy = cargo(project);
            clippy.args(["clippy", "--release", "--workspace", "--all-targets", "--manifest-path", manifest]);
            run_command(clippy.arg("--target-dir").arg(target).args(["--", "--deny", "warnings"]))
        })?;
    }
    Ok(())
}

/// Formats everything.
pub(crate) fn format(project: &Project) -> anyhow::Result<()> {
    for (manifest, _) in workspaces(project) {
        run_command(cargo(project).args(["fmt", "--all", "--manifest-path", manifest]))?;
    }
    Ok(())
}

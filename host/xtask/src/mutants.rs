//! Owns mutation runs: the code that decides is changed in one small way after the other, and a test of its crate must notice
//! each.

use anyhow::{Context, bail};

use crate::{
    project::Project,
    shell::{cargo, timed},
};

/// The crates whose code decides, and the files that do where it is not all of them.
const DECIDING: [(&str, &[&str]); 3] = [
    ("palisade-authority", &[]),
    ("palisade-audit", &[]),
    ("palisade-sandbox", &["host/sandbox/src/fuel.rs", "host/sandbox/src/limiter.rs", "host/sandbox/src/meter.rs"]),
];
/// Seconds after which a test has not ended.
const TEST_SECONDS: &str = "60";
/// How cargo-mutants ends where all changes were noticed, some since they go round for ever.
const SOME_FOR_EVER: i32 = 3;

/// Mutates one of the crates or, one after the other, all.
pub(crate) fn run(project: &Project, package: Option<&str>) -> anyhow::Result<()> {
    let chosen: Vec<_> = DECIDING.iter().filter(|(name, _)| package.is_none_or(|package| package == *name)).collect();
    if chosen.is_empty() {
        bail!("only these are mutated: {}", DECIDING.map(|(name, _)| name).join(", "));
    }
    for (name, files) in chosen {
        let found = project.host_target.join("mutants").join(name);
        std::fs::create_dir_all(&found)?;
        timed(&format!("mutating {name}"), || {
            let mut command = cargo(project);
            command.args(["mutants", "--package", name, "--test-package", name, "--timeout", TEST_SECONDS, "--output"]);
            command.arg(&found).args(files.iter().flat_map(|file| ["--file", *file]));
            let status = command.status().context("can't run `cargo mutants`")?;
            if !status.success() && status.code() != Some(SOME_FOR_EVER) {
                bail!("`cargo mutants` ended with {status}; what no test noticed is in {}", found.display());
            }
            Ok(())
        })?;
    }
    Ok(())
}

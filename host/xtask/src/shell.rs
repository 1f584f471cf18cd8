//! Owns running other programs: shows each command line, how long it took, and stops at the first failure.

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::project::Project;

/// Runs a piece of work under a heading and says how long it took.
pub(crate) fn timed<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    eprintln!("== {what}");
    let start = Instant::now();
    let result = work();
    eprintln!("== {what}: {}{}", if result.is_ok() { "" } else { "failed after " }, seconds(start.elapsed()));
    result
}

/// Makes a cargo command for the host workspace, as a person would start it: what the outer `cargo run` says of xtask itself
/// is taken out. There are build scripts that look at it, and would run again whenever one of the two calls came after the other.
pub(crate) fn cargo(project: &Project) -> Command {
    let mut command = Command::new(&project.environment.cargo);
    command.current_dir(&project.root);
    for (name, _) in env::vars_os() {
        let of_xtask = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_xtask) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program to its end. Fails if it does.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = show(command);
    eprintln!("+ {line}");
    let status = command.status().with_context(|| format!("can't run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

fn show(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let words = command.get_args().map(|word| {
        let word = word.to_string_lossy();
        if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
    });
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

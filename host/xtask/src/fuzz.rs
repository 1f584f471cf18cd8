//! Owns fuzzing: builds the targets of `tests/fuzz` with coverage marks, by the stable compiler, and lets libFuzzer run
//! them for a while. What it learns stays in `target/fuzz`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::{
    project::Project,
    shell::{cargo, run as run_command, timed},
};

/// What makes the compiler mark edges and comparisons for libFuzzer. No sanitizer: those need another compiler, and the
/// targets are safe code.
const MARKS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
];
/// Longest time for one input in seconds by the clock: far above what any takes, since a busy machine counts too.
const INPUT_SECONDS: u32 = 20;
/// Most memory of the fuzzer, which keeps what it has learnt there too.
const MEMORY_MIB: u32 = 2_048;
/// Builds the targets and runs one or, one after the other, all, each for so many seconds.
pub(crate) fn run(project: &Project, target: Option<&str>, seconds: u32) -> anyhow::Result<()> {
    let all = targets(project)?;
    let chosen = match target {
        Some(target) if !all.iter().any(|known| known == target) => {
            bail!("there is no target `{target}`; there are {}", all.join(", "))
        }
        Some(target) => vec![target.to_owned()],
        None => all,
    };
    let folder = project.host_target.join("fuzz");
    let program = build(project, &folder)?;
    for target in chosen {
        timed(&format!("fuzzing {target}"), || fuzz(project, &program, &folder, &target, seconds))?;
    }
    Ok(())
}

/// The targets' names: those of the folders of seeds.
fn targets(project: &Project) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(project.root.join("tests/fuzz/seeds")).context("there are no seeds")?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn build(project: &Project, folder: &Path) -> anyhow::Result<PathBuf> {
    let host = host()?;
    timed("building the fuzz targets", || {
        let mut build = cargo(project);
        // With a target named, the flags hold for what runs there and not for the programs of the build.
        build.args(["build", "--release", "--package", "palisade-fuzz", "--features", "libfuzzer", "--target", &host]);
        run_command(build.arg("--target-dir").arg(folder).env("CARGO_ENCODED_RUSTFLAGS", MARKS.join("\u{1f}")))
    })?;
    Ok(folder.join(host).join("release/fuzz"))
}

fn fuzz(project: &Project, program: &Path, folder: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let (learnt, found) = (folder.join("learnt").join(target), folder.join("found"));
    for folder in [&learnt, &found] {
        fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    let fuzz = project.root.join("tests/fuzz");
    let seeds = fuzz.join("seeds").join(target);
    let (words, more_seeds) = language(target);
    let mut command = Command::new(program);
    command
        .env("PALISADE_FUZZ_TARGET", target)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .arg("-print_final_stats=1")
        .args(words.map(|file| format!("-dict={}", fuzz.join("words").join(file).display())))
        .args([&learnt, &seeds])
        .args(more_seeds.iter().map(|folder| project.root.join(folder)));
    run_command(&mut command).with_context(|| {
        format!("what was found is in {}; mend it and keep it in {}", found.display(), seeds.display())
    })
}

/// What a target reads: the words of it, which changes of bytes hardly hit upon, and what else of the project is such.
fn language(target: &str) -> (Option<&'static str>, &'static [&'static str]) {
    match target {
        "conversion" | "runbook" => (Some("yaml.txt"), &["tests/runbooks"]),
        "ruleset" => (Some("yaml.txt"), &["examples"]),
        "manifest" => (Some("json.txt"), &["schemas"]),
        "document" | "items" => (Some("json.txt"), &[]),
        "condition" => (Some("cel.txt"), &[]),
        _ => (None, &[]),
    }
}

/// The machine's name for the compiler.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("can't run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    Ok(host.to_owned())
}

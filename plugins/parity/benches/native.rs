//! The CPU time that `personal_data` takes natively, without a sandbox, over the texts of the sample many times over:
//! prints megabytes of files and milliseconds of one run, for the benchmark of the host to compare with.
#![expect(clippy::unwrap_used, reason = "a benchmark that can not run may panic")]
#![expect(clippy::print_stdout, reason = "a figure is what it is for")]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod support;

use std::path::Path;

use palisade_sdk::{TestContext, TestInput};
use parity::personal_data::PersonalData;
use serde_json::json;
use support::{reference, ruleset};

/// Bytes of files that are searched.
const BYTES: usize = 70_000_000;

fn main() {
    let Some(reference) = reference() else { return };
    let mut texts = Vec::new();
    read(&reference.join("samples/filesystem_mock"), &mut texts);
    let once: usize = texts.iter().map(String::len).sum();
    let line = |text: &String| {
        let metadata =
            json!({"source": "data/a.txt", "connector_type": "filesystem_connector", "file_path": "data/a.txt"});
        format!("{}\n", json!({"content": text, "metadata": metadata}))
    };
    let lines: String = texts.iter().map(line).collect();
    let times = BYTES.div_ceil(once);
    let documents = lines.repeat(times);
    println!("{} {}", once * times / 1_000_000, run(&reference, &documents));
}

/// Milliseconds of CPU time of one run.
fn run(reference: &Path, documents: &str) -> u64 {
    let context = TestContext::new()
        .artifact(TestInput::lines("documents", documents))
        .artifact(ruleset(reference, "personal_data_indicator"));
    let before = cpu_ns();
    let outcome = context.run::<PersonalData>();
    let taken = cpu_ns() - before;
    assert!(outcome.lines("findings").is_ok(), "the analyser runs");
    taken / 1_000_000
}

/// The CPU time of this thread so far, as the kernel counts it.
fn cpu_ns() -> u64 {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    counts.split(' ').next().unwrap().parse().unwrap()
}

fn read(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, texts);
        } else {
            texts.push(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
        }
    }
}

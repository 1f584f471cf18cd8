//! What ten thousand runs cost that wait for a person, printed as a table: `just bench`.
//!
//! They are made through the engine's API in this process, and no process waits with them. What is measured is what people
//! do beside them, each time by a process of its own.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_engine::Silent;
use palisade_model::record::Status;
use palisade_store::Disk;
use palisade_tests::stepping::Stepping;
use palisade_tests::told::write_texts;
use palisade_tests::{Dir, Taken, command, root, taken_by};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const RUNS: usize = 10_000;
/// Runs that are made at once, so that one commit is for many of them.
const AT_ONCE: usize = 50;

const BOOK: &str = "
name: Waits
inputs: {docs: {input_schema: standard_input}}
execution:
  - {id: ask, type: approval, message: 'Shall it run?', input: docs}
  - {id: step, analyser: 'test:stepper', input: docs, after: ask, outputs: {texts: longer}}
";

fn main() {
    let dir = Dir::new();
    let Some(stepping) = Stepping::open(&dir, Arc::new(Disk)) else { return };
    let begun = Instant::now();
    make(&stepping);
    let each = begun.elapsed() / RUNS as u32;
    drop(stepping);
    println!("| {RUNS} runs that wait for a person | wall | CPU | peak memory | goal |");
    println!("|---|---|---|---|---|");
    println!("| each of them, to begin with, {AT_ONCE} at once | {each:.2?} | | | |");
    let stepper = root().join("target/stepper/stepper.wasm").display().to_string();
    let _ = called(&dir, &["component", "add", &stepper], 0);
    dir.write("book.yaml", BOOK);
    write_texts(&dir, "docs.json", &["a"]);
    for (args, code) in [
        (&["runs", "list"][..], 0),
        (&["runs", "list", "--limit", "10000"], 0),
        (&["approvals", "list"], 0),
        (&["approvals", "list", "--limit", "10000"], 0),
        (&["run", "-q", "book.yaml", "--input", "docs=docs.json"], 5),
        (&["approve", "-q", "last"], 0),
    ] {
        let Taken { wall, cpu, peak_kb, .. } = called(&dir, args, code);
        println!("| `palisade {}` | {wall:.0?} | {cpu:.0?} | {} MB | ≤ 100 MB |", args.join(" "), peak_kb / 1_000);
    }
    let bytes = bytes_below(&dir.join("state"));
    println!(
        "| what they take on the disk | {} MB, {} bytes each | | | ≤ 100 MB |",
        bytes / 1_000_000,
        bytes / RUNS as u64
    );
}

/// Begins all of them.
fn make(stepping: &Stepping) {
    let plan = stepping.plan(BOOK);
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let plan = &plan;
            scope.spawn(move || {
                for _ in 0..RUNS / AT_ONCE {
                    let ran = stepping.run(plan, BOOK, &format!("text {number}"), &Silent).expect("a run");
                    assert_eq!(ran.record.status, Status::Waiting);
                }
            });
        }
    });
}

fn called(dir: &Dir, args: &[&str], code: i32) -> Taken {
    let taken = taken_by(command::command(dir.path()).args(["--data-dir", "state"]).args(args));
    assert_eq!(taken.code, Some(code), "{args:?}: {}", taken.stderr);
    taken
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let bytes = entries.map(|entry| match entry.metadata().expect("an entry") {
        folder if folder.is_dir() => bytes_below(&entry.path()),
        file => file.len(),
    });
    bytes.sum()
}

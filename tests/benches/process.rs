//! Runs of small steps as whole processes, printed as a table: `just bench`.
//!
//! What is measured is from the start of a process to its end, with all that it makes durable, and compiled code at hand.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_tests::stepping::chain;
use palisade_tests::told::write_texts;
use palisade_tests::{Dir, Taken, command, journal, taken_by, with_stepper};
use serde_json::Value;

/// Counted runs of each row.
const RUNS: usize = 9;
/// How many items the map goes over.
const ITEMS: usize = 1_000;
/// How many steps the run has that is gone on with, and how many of them are done.
const STEPS: usize = 6;
const DONE: usize = 3;

const MAP: &str = "
name: Map
inputs: {docs: {input_schema: standard_input}}
execution:
  - {id: each, type: map, analyser: 'test:stepper', input: docs, max_items: 1000, outputs: {texts: longer}}
";

fn main() {
    let Some(dir) = with_stepper() else { return };
    let texts: Vec<String> = (0..ITEMS).map(|number| format!("text {number}")).collect();
    write_texts(&dir, "docs.json", &texts.iter().map(String::as_str).collect::<Vec<_>>());
    dir.write("map.yaml", MAP);
    write_texts(&dir, "one.json", &["a"]);
    dir.write("chain.yaml", chain(STEPS, "x"));
    println!("| work | wall, median (min–max) | CPU | goal |");
    println!("|---|---|---|---|");
    let map = || called(&dir, &["run", "-q", "map.yaml", "--no-cache", "--input", "docs=docs.json"]);
    row(&format!("a map over {ITEMS} items"), "≤ 100 ms", map);
    let _ = called(&dir, &["run", "-q", "chain.yaml", "--no-cache", "--input", "docs=one.json"]);
    let killed = killed_after_some(&dir);
    let resume = || {
        let connection = journal::open(&dir.join(".palisade"));
        journal::rewrite(&connection, &killed);
        connection.execute("UPDATE run SET status = 'running', ended_ms = NULL", []).expect("a run");
        drop(connection);
        called(&dir, &["resume", "-q", "last"])
    };
    row(&format!("go on with a run of {STEPS} steps that was killed after {DONE}"), "≤ 200 ms", resume);
}

/// The events of the latest run as they were when some of its steps were done and the next one ran.
fn killed_after_some(dir: &Dir) -> Vec<Value> {
    let mut events = journal::events(&journal::open(&dir.join(".palisade")));
    let done = events.iter().enumerate().filter(|(_, event)| event["kind"] == "AttemptSucceeded");
    let last = done.map(|(index, _)| index).nth(DONE - 1).expect("so many steps");
    let next = events.iter().skip(last).position(|event| event["kind"] == "AttemptStarted").expect("the next step");
    events.truncate(last + next + 1);
    events
}

fn row(work: &str, goal: &str, once: impl Fn() -> Taken) {
    let _ = once();
    let mut runs: Vec<Taken> = (0..RUNS).map(|_| once()).collect();
    runs.sort_by_key(|run| run.wall);
    let (least, median, most) = (&runs[0], &runs[RUNS / 2], &runs[RUNS - 1]);
    let ms = |taken: &Taken| taken.wall.as_millis();
    println!("| {work} | {} ({}–{}) ms | {} ms | {goal} |", ms(median), ms(least), ms(most), median.cpu.as_millis());
}

fn called(dir: &Dir, args: &[&str]) -> Taken {
    let taken = taken_by(command::command(dir.path()).args(args));
    assert_eq!(taken.code, Some(0), "{args:?}: {}", taken.stderr);
    taken
}

//! A step that the thread which drives its run runs itself: that thread still does whatever else there is to do.

use palisade_tests::told::{json_of, record, start, write_texts};
use palisade_tests::{Dir, palisade, with_stepper};
use std::time::{Duration, Instant};

/// Steps behind one that runs first, so that their component is known to be pure.
fn runbook(steps: &str) -> String {
    format!(
        "
name: At hand
inputs:
  texts: {{input_schema: standard_input}}
execution:
  - {{id: first, analyser: 'test:stepper', input: texts, outputs: {{texts: warm}}}}
{steps}"
    )
}

/// Computes until it is ended.
const LONG: &str = "  - {id: long, analyser: 'test:stepper', input: texts, after: first, config: {spin_at: a}, outputs: {texts: late}, \
                    limits: {fuel: 900000000000, wall: 60s}}\n";

fn run(runbook: &str) -> [&str; 5] {
    ["run", "-q", runbook, "--input", "texts=texts.json"]
}

fn bench() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a"]);
    Some(dir)
}

fn status(dir: &Dir, step: &str) -> String {
    let record = record(dir, "last");
    let steps = record["steps"].as_array().unwrap();
    steps.iter().find(|told| told["id"] == step).unwrap()["status"].as_str().unwrap().to_owned()
}

fn begins(dir: &Dir, step: &str) -> bool {
    let told = palisade(dir.path(), ["runs", "show", "last", "--events"]).stdout;
    told.lines().any(|line| line.contains("AttemptStarted") && line.contains(step))
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        // Far less than the step computes.
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_step_that_computes_is_cancelled_by_another_process() {
    let Some(dir) = bench() else { return };
    dir.write("long.yaml", runbook(LONG));
    let mut going = start(&dir, run("long.yaml"));
    until("the step does not begin", || begins(&dir, "long"));
    let begun = Instant::now();
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    let took = begun.elapsed();
    assert_eq!(going.wait().unwrap().code(), Some(6));
    // It would compute for a minute.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_step_that_computes_ends_with_the_time_of_its_run() {
    let Some(dir) = bench() else { return };
    dir.write("long.yaml", format!("limits: {{max_duration: 3s}}\n{}", runbook(LONG)));
    let begun = Instant::now();
    let _ = palisade(dir.path(), run("long.yaml")).exits(4);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(begins(&dir, "long"));
    assert_eq!(record(&dir, "last")["status"], "failed");
}

#[test]
fn a_step_that_computes_keeps_no_other_from_beginning() {
    let Some(dir) = bench() else { return };
    let steps = "  - {id: ask, type: approval, message: 'Shall it go on?', after: first}\n  \
                 - {id: then, analyser: 'test:stepper', input: texts, after: ask, outputs: {texts: soon}}\n";
    dir.write("two.yaml", runbook(&format!("{LONG}{steps}")));
    let mut going = start(&dir, run("two.yaml"));
    until("the step does not begin", || begins(&dir, "long"));
    let _ = palisade(dir.path(), ["approve", "last"]);
    until("what was approved does not run", || status(&dir, "then") == "succeeded");
    // So does a record say of what has not come to its end.
    assert_eq!(status(&dir, "long"), "interrupted");
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    assert_eq!(going.wait().unwrap().code(), Some(6));
}

/// There is one permit, and the other child has it.
#[test]
fn what_is_known_already_waits_for_no_permit() {
    let Some(dir) = bench() else { return };
    dir.write("long.yaml", runbook(LONG));
    let after = |number: u32| number.checked_sub(1).map_or("first".to_owned(), |before| format!("s{before}"));
    let step = |number: u32| {
        let after = after(number);
        format!(
            "  - {{id: s{number}, analyser: 'test:stepper', input: texts, after: {after}, outputs: {{texts: t{number}}}}}\n"
        )
    };
    let chain: String = (0..9).map(step).collect();
    dir.write("known.yaml", runbook(&chain));
    let child =
        |id: &str| format!("  - {{id: {id}, type: execute_workflow, file: {id}.yaml, inputs: {{texts: texts}}}}\n");
    dir.write("parent.yaml", runbook(&format!("{}{}", child("long"), child("known"))));
    let _ = palisade(dir.path(), run("known.yaml")).exits(0);
    let mut going = start(&dir, run("parent.yaml").into_iter().chain(["--threads", "1"]));
    // The one before it has ended too.
    let known = || {
        let all = json_of(&dir, &["runs", "list", "--children"]);
        all["runs"].as_array().unwrap().iter().filter(|run| run["state"] == "succeeded").count() == 2
    };
    until("what is known does not come to its end", known);
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    assert_eq!(going.wait().unwrap().code(), Some(6));
}

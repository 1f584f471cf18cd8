//! A step that the thread which drives its run runs itself: that thread still does whatever else there is to do.

use palisade_tests::told::{record, start, write_texts};
use palisade_tests::{Dir, palisade, with_stepper};
use std::time::{Duration, Instant};

/// One step waits for a person, one computes until it is ended, and the last waits for the first.
const RUNBOOK: &str = "
name: Two ways
inputs:
  texts: {input_schema: standard_input}
execution:
  - {id: ask, type: approval, message: 'Shall it go on?'}
  - {id: long, analyser: 'test:stepper', input: texts, config: {spin_at: a}, outputs: {texts: late}, limits: {fuel: 900000000000, wall: 60s}}
  - {id: then, analyser: 'test:stepper', input: texts, after: ask, outputs: {texts: soon}}
";

fn status(dir: &Dir, step: &str) -> String {
    let record = record(dir, "last");
    let steps = record["steps"].as_array().unwrap();
    steps.iter().find(|told| told["id"] == step).unwrap()["status"].as_str().unwrap().to_owned()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        // Far less than the step computes that is at hand.
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_step_that_computes_keeps_no_other_from_beginning_and_no_one_from_ending_it() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "texts.json", &["a"]);
    dir.write("two.yaml", RUNBOOK);
    let run = ["run", "-q", "--no-cache", "two.yaml", "--input", "texts=texts.json"];
    let mut going = start(&dir, run);
    let begins = || palisade(dir.path(), ["runs", "show", "last", "--events"]).stdout.contains("AttemptStarted");
    until("the step does not begin", begins);
    let _ = palisade(dir.path(), ["approve", "last"]);
    until("what was approved does not run", || status(&dir, "then") == "succeeded");
    assert_eq!(status(&dir, "long"), "running");
    let begun = Instant::now();
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    let took = begun.elapsed();
    assert_eq!(going.wait().unwrap().code(), Some(6));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

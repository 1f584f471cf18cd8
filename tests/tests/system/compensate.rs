//! A run that fails or is cancelled undoes what it did: in which order, over what, and through kills and interruptions.

use palisade_tests::told::{end_after, events, json_of, record, runs, start, write_texts};
use palisade_tests::{Dir, journal, palisade, with_stepper};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Two steps that can be undone, and one that does what `LAST` says.
const BOOK: &str = "
name: Undone
LIMITS
inputs:
  texts: {input_schema: standard_input}
execution:
  - id: first
    analyser: test:stepper
    input: texts
    outputs: {texts: one}
    compensate: {id: undo_first, analyser: 'test:stepper', input: one}
  - id: second
    analyser: test:stepper
    input: one
    outputs: {texts: two}
    compensate: {id: undo_second, analyser: 'test:stepper', input: two, config: {SECOND}, limits: {fuel: 900000000000, wall: 8s}}
  - {id: last, analyser: 'test:stepper', input: two, outputs: {texts: three}, config: {LAST}, limits: {fuel: 900000000000, wall: 60s}}
";

fn book(limits: &str, second: &str, last: &str) -> String {
    BOOK.replace("LIMITS", limits).replace("SECOND", second).replace("LAST", last)
}

/// A folder with the component, texts and that runbook.
fn bench(limits: &str, second: &str, last: &str) -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a", "bb"]);
    dir.write("book.yaml", book(limits, second, last));
    Some(dir)
}

const RUN: [&str; 6] = ["run", "-q", "--no-cache", "book.yaml", "--input", "texts=texts.json"];

/// What undid what, and how that ended, in order.
fn undone(dir: &Dir) -> Vec<[String; 3]> {
    let told = record(dir, "last")["compensations"].as_array().cloned().unwrap_or_default();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    told.iter().map(|step| ["id", "compensates", "status"].map(|key| text(step, key))).collect()
}

const BOTH: [[&str; 3]; 2] = [["undo_second", "second", "succeeded"], ["undo_first", "first", "succeeded"]];

/// The only run there is stands so, and `--at` its last event too.
fn state(dir: &Dir) -> String {
    runs(dir)[0]["state"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_failed_run_did_is_undone_the_last_first() {
    let Some(dir) = bench("", "", "fail_at: axx") else { return };
    let told = palisade(dir.path(), RUN).exits(1).stderr;
    assert!(told.contains("undid `first`") && told.contains("2 of 3 steps"), "{told}");
    assert_eq!(undone(&dir), BOTH);
    let events = events(&dir, "last");
    let began = events.iter().position(|event| event["kind"] == "CompensationStarted").unwrap();
    assert_eq!(events[began]["steps"], json!(["undo_second", "undo_first"]));
    // One begins when the one before has ended, and the run ends when all have.
    let kinds: Vec<_> = events[began + 1..].iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let attempt = ["StepScheduled", "AttemptStarted", "AttemptSucceeded"];
    assert_eq!(kinds, [&attempt[..], &attempt[..], &["RunEnded"][..]].concat());
    assert_eq!(json_of(&dir, &["replay", "last"])["runs"][0]["result"], "same");
    let tree = json_of(&dir, &["runs", "show", "last", "--tree"]);
    assert_eq!(tree["steps"][4]["compensates"], "first");
    let shown = palisade(dir.path(), ["runs", "show", "last", "--at", "16"]).exits(0).stdout;
    assert!(shown.contains("what was done is undone by"), "{shown}");
}

#[test]
fn a_run_that_ends_well_undoes_nothing() {
    let Some(dir) = bench("", "", "") else { return };
    let _ = palisade(dir.path(), RUN).exits(0);
    assert!(undone(&dir).is_empty());
}

#[test]
fn no_limit_of_the_run_holds_back_what_undoes() {
    // Its three attempts are all that it may make, and its time is over in the last.
    let Some(dir) = bench("limits: {max_runs: 3, max_duration: 1s}", "", "spin_at: axx") else { return };
    let begun = Instant::now();
    let _ = palisade(dir.path(), RUN).exits(4);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!((state(&dir).as_str(), undone(&dir)), ("failed", BOTH.map(|step| step.map(str::to_owned)).to_vec()));
    let Some(dir) = bench("limits: {max_runs: 2}", "", "") else { return };
    let _ = palisade(dir.path(), RUN).exits(4);
    assert_eq!(undone(&dir), BOTH);
}

/// Waits until an event of that kind is there, of that step.
fn until(dir: &Dir, kind: &str, step: &str) {
    let begun = Instant::now();
    let is_there = || {
        let listed = palisade(dir.path(), ["runs", "show", "last", "--events", "--format", "json"]);
        listed.stdout.lines().any(|line| {
            // As long as there is no run, that is told.
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["event"]["kind"] == kind && line["event"]["step"] == step
        })
    };
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{kind} of {step} does not come");
    }
}

#[test]
fn what_a_cancelled_run_did_is_undone_and_one_that_fails_leaves_the_others() {
    let Some(dir) = bench("", "fail_at: axx", "spin_at: axx") else { return };
    let mut process = start(&dir, RUN);
    until(&dir, "StepScheduled", "last");
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    let _ = process.wait().unwrap();
    assert_eq!(state(&dir), "cancelled");
    assert_eq!(undone(&dir), [["undo_second", "second", "failed"], BOTH[1]]);
}

#[test]
fn an_interruption_while_it_undoes_is_gone_on_from() {
    let Some(dir) = bench("", "spin_at: axx", "fail_at: axx") else { return };
    let process = start(&dir, RUN);
    until(&dir, "StepScheduled", "undo_second");
    // Nobody cancels what undoes.
    let cancel = start(&dir, ["cancel", "last"]);
    end_after(cancel, Duration::from_millis(200), "-KILL");
    end_after(process, Duration::ZERO, "-INT");
    assert_eq!(state(&dir), "interrupted");
    let _ = palisade(dir.path(), ["resume", "-q", "last"]).exits(4);
    assert_eq!(undone(&dir), [["undo_second", "second", "failed"], BOTH[1]]);
    assert_eq!(state(&dir), "failed");
    assert_eq!(json_of(&dir, &["replay", "last"])["runs"][0]["result"], "same");
}

#[test]
fn wherever_its_process_died_each_is_undone_once() {
    let Some(dir) = bench("", "", "fail_at: axx") else { return };
    let _ = palisade(dir.path(), RUN).exits(1);
    let connection = journal::open(&dir.join(".palisade"));
    let whole = journal::events(&connection);
    let ended = |events: &[Value]| {
        let mut ends: BTreeMap<String, u32> = BTreeMap::new();
        for event in events.iter().filter(|event| event["kind"] == "AttemptSucceeded") {
            *ends.entry(event["step"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        ends
    };
    for length in 1..whole.len() {
        journal::rewrite(&connection, &whole[..length]);
        let _ = palisade(dir.path(), ["resume", "-q", "last"]).exits(1);
        let events = journal::events(&connection);
        assert_eq!(events[..length], whole[..length]);
        assert_eq!(ended(&events), ended(&whole), "behind event {length}");
        assert_eq!(undone(&dir), BOTH);
        assert_eq!(events.iter().filter(|event| event["kind"] == "CompensationStarted").count(), 1);
        assert_eq!(json_of(&dir, &["replay", "last"])["runs"][0]["result"], "same", "behind event {length}");
    }
}

#[test]
fn a_child_undoes_what_it_did_and_its_parent_what_came_before() {
    let Some(dir) = bench("", "", "fail_at: axxxx") else { return };
    let parent = "
name: Parent
inputs:
  texts: {input_schema: standard_input}
execution:
  - {id: before, analyser: 'test:stepper', input: texts, outputs: {texts: some}, compensate: {id: undo_before, analyser: 'test:stepper', input: some}}
  - {id: good, type: execute_workflow, file: book.yaml, inputs: {texts: texts}, compensate: {id: undo_good, analyser: 'test:stepper', input: texts}}
  - {id: bad, type: execute_workflow, file: bad.yaml, inputs: {texts: some}}
";
    dir.write("bad.yaml", book("", "", "fail_at: axxx"));
    dir.write("parent.yaml", parent);
    let _ = palisade(dir.path(), ["run", "-q", "--no-cache", "parent.yaml", "--input", "texts=texts.json"]).exits(1);
    let told = undone(&dir);
    let ids: Vec<_> = told.iter().map(|step| step[0].as_str()).collect();
    assert_eq!(ids, ["undo_good", "undo_before"]);
    let children = record(&dir, "last")["children"].clone();
    let of_child = |index: usize| record(&dir, children[index].as_str().unwrap())["compensations"].clone();
    // That a child ended well is undone by its step, not step by step.
    assert_eq!(of_child(0), Value::Null);
    assert_eq!(of_child(1).as_array().unwrap().len(), 2);
    let child = events(&dir, children[1].as_str().unwrap());
    let began = |events: &[Value]| events.iter().find(|event| event["kind"] == "CompensationStarted").cloned().unwrap();
    assert!(began(&child)["at_ms"].as_u64() <= began(&events(&dir, "last"))["at_ms"].as_u64());
}

#[test]
fn a_fork_takes_nothing_over_that_was_undone() {
    let Some(dir) = bench("", "", "fail_at: axx") else { return };
    let _ = palisade(dir.path(), RUN).exits(1);
    let refused = palisade(dir.path(), ["runs", "fork", "last", "--at", "last"]).exits(2).stderr;
    assert!(refused.contains("step `first` ran before `last`, and its effect, which that run undid,"), "{refused}");
    let _ = palisade(dir.path(), ["runs", "fork", "-q", "last", "--at", "first"]).exits(1);
    assert_eq!(undone(&dir), BOTH);
}

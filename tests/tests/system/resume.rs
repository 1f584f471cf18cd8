//! Runs that lose their process, are interrupted, or have steps that fail for a while: all end as if nothing had been.

use palisade_tests::effects::nothing_is_done_twice;
use palisade_tests::told::end_at_each;
use palisade_tests::{Dir, command, palisade, root};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The demo's folder, with a runbook of its own.
fn demo() -> Dir {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    dir
}

fn start(dir: &Path, args: &[&str]) -> Child {
    command::command(dir).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Lets a process go on for that long, if it does.
fn let_go_on(child: &mut Child, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// Ends a process that has not ended yet, and gives its code.
fn signal(child: &mut Child, signal: &str) -> Option<i32> {
    if let Some(status) = child.try_wait().unwrap() {
        return status.code();
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    assert!(sent.success());
    child.wait().unwrap().code()
}

/// What a run made, without what differs from run to run.
fn made(out: &Path) -> Vec<String> {
    let mut documents: Vec<_> = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.sort();
    let documents = documents.iter().filter(|file| !file.ends_with("run.json"));
    documents
        .map(|file| {
            let mut value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            forget_times(&mut value);
            value.to_string()
        })
        .collect()
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !key.ends_with("timestamp"));
            map.values_mut().for_each(forget_times);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_times),
        _ => {}
    }
}

fn events(dir: &Path) -> Vec<Value> {
    let lines = palisade(dir, ["runs", "show", "last", "--events", "--format", "json"]).exits(0).stdout;
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect()
}

#[test]
fn whenever_its_process_ends_a_run_makes_the_same() {
    let whole = demo();
    let _ = palisade(whole.path(), ["run", "-q", "runbook.yaml", "--out", "out"]).exits(0);
    let expected = made(&whole.join("out"));
    end_at_each(40, Duration::from_millis(5), |life, how| {
        let dir = demo();
        let mut going = start(dir.path(), &["run", "-q", "runbook.yaml"]);
        let_go_on(&mut going, life);
        let code = signal(&mut going, how);
        let listed = palisade(dir.path(), ["runs", "list", "--format", "json"]).exits(0).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let Some(state) = listed["runs"][0]["state"].as_str().filter(|state| *state != "succeeded") else {
            return false;
        };
        assert!(
            how == "-KILL" && state == "abandoned" || state == "interrupted" && code == Some(6),
            "{state}, {code:?}"
        );
        let _ = palisade(dir.path(), ["resume", "last", "-q", "--out", "out"]).exits(0);
        assert_eq!(made(&dir.join("out")), expected);
        nothing_is_done_twice(&events(dir.path()));
        let _ = palisade(dir.path(), ["doctor"]).exits(0);
        true
    });
}

#[test]
fn only_what_was_interrupted_is_resumed_and_only_where_it_began() {
    let dir = demo();
    let none = palisade(dir.path(), ["resume", "last"]).exits(2).stderr;
    assert!(none.contains("there is no run `last`"), "{none}");
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    let over = palisade(dir.path(), ["resume", "last"]).exits(2).stderr;
    assert!(over.contains("has ended: it is succeeded"), "{over}");
}

const LATE: &str = "
name: Late
execution:
  - name: Files
    type: source
    connector: filesystem
    config: {path: late}
    retry: {max_attempts: MOST, backoff: 200ms}
    output: files
";

#[test]
fn a_step_that_fails_for_a_while_is_tried_again() {
    let dir = Dir::new();
    dir.write("runbook.yaml", LATE.replace("MOST", "9"));
    let mut going = start(dir.path(), &["run", "-q", "runbook.yaml", "--out", "out"]);
    // Until its first attempt has failed.
    let begun = Instant::now();
    let failed = || {
        let listed = palisade(dir.path(), ["runs", "list", "--format", "json"]).exits(0).stdout;
        listed.contains("running") && events(dir.path()).iter().any(|event| event["kind"] == "AttemptFailed")
    };
    while !failed() {
        assert!(begun.elapsed() < Duration::from_secs(60), "its first attempt does not fail");
    }
    dir.write("late/a.txt", "here");
    assert_eq!(going.wait().unwrap().code(), Some(0));
    let record: Value = serde_json::from_slice(&std::fs::read(dir.join("out/run.json")).unwrap()).unwrap();
    let step = &record["steps"][0];
    assert!(step["status"] == "succeeded" && step["attempts"].as_u64().unwrap() > 1, "{step:#}");
    let events = events(dir.path());
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[1..6], ["StepScheduled", "AttemptStarted", "AttemptFailed", "TimerFired", "StepScheduled"]);
    let wait = events[3]["retry_at_ms"].as_u64().unwrap() - events[3]["at_ms"].as_u64().unwrap();
    assert!((100..=200).contains(&wait), "{wait}");
}

#[test]
fn the_last_attempt_that_fails_fails_the_step() {
    let dir = Dir::new();
    dir.write("runbook.yaml", LATE.replace("MOST", "2"));
    let told = palisade(dir.path(), ["run", "runbook.yaml"]).exits(1).stderr;
    assert!(told.contains("files: attempt 1 failed, the next follows in "), "{told}");
    let started = events(dir.path()).iter().filter(|event| event["kind"] == "AttemptStarted").count();
    assert_eq!(started, 2);
}

//! What the binary tells of runs, as data; and what tests of runs give it and do to it.

use crate::{Dir, command, palisade, root};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A runbook of three steps, each of which appends its letter to every text; the last takes a value from the one before.
pub const CHAIN: &str = "
name: Chain
inputs:
  docs: {input_schema: standard_input}
outputs: {tc: tc}
execution:
  - {id: a, analyser: 'test:stepper', input: docs, config: {append: a}, outputs: {texts: ta}}
  - {id: b, analyser: 'test:stepper', input: ta, config: {append: b}, outputs: {texts: tb, lengths: lb}}
  - {id: c, analyser: 'test:stepper', input: tb, config: {append: c, enough: '{{ lb.summary.longest }}'}, outputs: {texts: tc}}
";

/// How often more a process is ended where none of the planned ends was in time.
const MORE_ENDS: u32 = 80;

/// Checks that a text has a part.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn holds(text: &str, part: &str) {
    assert!(text.contains(part), "no `{part}` in:\n{text}");
}

/// Checks a value against `schemas/NAME/1.0.0.json`.
///
/// # Panics
/// When it does not fit.
#[track_caller]
pub fn fits(name: &str, value: &Value) {
    let text = std::fs::read_to_string(root().join(format!("schemas/{name}/1.0.0.json"))).expect("a schema");
    let schema = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let broken: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(broken.is_empty(), "{name}:\n{}\n{value:#}", broken.join("\n"));
}

/// What a call prints with `--format json`.
///
/// # Panics
/// When it fails, or prints no JSON.
#[must_use]
#[track_caller]
pub fn json_of(dir: &Dir, args: &[&str]) -> Value {
    let told = palisade(dir.path(), args.iter().chain(&["--format", "json"])).exits(0).stdout;
    serde_json::from_str(&told).expect("a JSON document")
}

/// The runs that a person started, the latest first.
///
/// # Panics
/// When they can't be told.
#[must_use]
#[track_caller]
pub fn runs(dir: &Dir) -> Vec<Value> {
    list(&json_of(dir, &["runs", "list"])["runs"])
}

/// What is told of a run.
///
/// # Panics
/// When it can't be told.
#[must_use]
#[track_caller]
pub fn record(dir: &Dir, run: &str) -> Value {
    json_of(dir, &["runs", "show", run])["record"].clone()
}

/// The failure of the first step of the latest run; null if it has none.
///
/// # Panics
/// When it can't be told.
#[must_use]
#[track_caller]
pub fn first_failure(dir: &Dir) -> Value {
    record(dir, "last")["steps"][0]["failure"].clone()
}

/// The events of a run, each with its number and hash.
///
/// # Panics
/// When they can't be told.
#[must_use]
#[track_caller]
pub fn event_lines(dir: &Dir, run: &str) -> Vec<Value> {
    let lines = palisade(dir.path(), ["runs", "show", run, "--events", "--format", "json"]).exits(0).stdout;
    lines.lines().map(|line| serde_json::from_str(line).expect("an event on each line")).collect()
}

/// The events of a run.
///
/// # Panics
/// When they can't be told.
#[must_use]
#[track_caller]
pub fn events(dir: &Dir, run: &str) -> Vec<Value> {
    event_lines(dir, run).into_iter().map(|mut line| line["event"].take()).collect()
}

/// A document that a run wrote.
///
/// # Panics
/// When it is not there, or no JSON.
#[must_use]
#[track_caller]
pub fn document(dir: &Dir, file: impl AsRef<Path>) -> Value {
    let bytes = std::fs::read(dir.path().join(file)).expect("the document");
    serde_json::from_slice(&bytes).expect("a JSON document")
}

/// The texts of a document of schema `standard_input` that a run wrote.
///
/// # Panics
/// When it is not there, or something else.
#[must_use]
#[track_caller]
pub fn texts(dir: &Dir, file: impl AsRef<Path>) -> Vec<String> {
    let texts = list(&document(dir, file)["data"]);
    texts.iter().map(|item| item["content"].as_str().expect("a text").to_owned()).collect()
}

/// Writes a document of schema `standard_input` that holds these texts.
pub fn write_texts(dir: &Dir, file: &str, texts: &[&str]) {
    let data: Vec<_> = texts.iter().map(|text| json!({"content": text, "metadata": {"source": "x"}})).collect();
    dir.write(file, json!({"schemaVersion": "1.0.0", "name": "docs", "data": data}).to_string());
}

/// Starts the binary and does not wait for it.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn start<S: AsRef<std::ffi::OsStr>>(dir: &Dir, args: impl IntoIterator<Item = S>) -> Child {
    let mut started = command::command(dir.path());
    started.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary")
}

/// Lets a process live so long at most, then ends it by a signal, as `-KILL`.
///
/// # Panics
/// When it can't be waited for.
pub fn end_after(mut process: Child, life: Duration, signal: &str) {
    let begun = Instant::now();
    let mut goes_on = || process.try_wait().expect("a child process").is_none();
    while begun.elapsed() < life && goes_on() {
        std::thread::yield_now();
    }
    if goes_on() {
        let id = process.id().to_string();
        // It may have ended by itself just now.
        let _ = Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().expect("kill");
    }
    let _ = process.wait().expect("a child process");
}

/// Kills a process as soon as something holds, within a minute and before it ends by itself.
///
/// # Panics
/// When it does not hold by then.
#[track_caller]
pub fn kill_once(mut process: Child, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not hold after a minute");
        assert!(process.try_wait().expect("a child process").is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    process.kill().expect("a child process");
    let _ = process.wait().expect("a child process");
}

/// Has a process ended at `count` points of its work, `step` apart, by turns with `-KILL` and `-INT`. `end` says whether that was
/// while it worked. Where none was, since this machine is slow just now, it is ended later and later.
///
/// # Panics
/// When it never was.
#[track_caller]
pub fn end_at_each(count: u32, step: Duration, mut end: impl FnMut(Duration, &str) -> bool) {
    let mut in_time = 0;
    let mut life = Duration::ZERO;
    for (number, signal) in (0..count + MORE_ENDS).zip(["-KILL", "-INT"].into_iter().cycle()) {
        if number >= count && in_time > 0 {
            break;
        }
        in_time += u32::from(end(life, signal));
        // Whatever a run takes, some of them fall into it.
        life += if number < count { step } else { life / 16 };
    }
    assert!(in_time > 0, "it was never ended while it worked");
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

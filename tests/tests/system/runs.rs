//! Runs as another process sees them while they go on, and after their process is gone: with a component that computes
//! for ever at the text that it is told (`plugins/stepper`).

use palisade_tests::{Dir, command, palisade, with_stepper};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

const RUNBOOK: &str = r#"
name: Steps
inputs:
  docs: {input_schema: standard_input}
execution:
  - name: Grow
    type: loop
    analyser: test:stepper
    input: docs
    until: "texts.data.all(text, size(text.content) >= 3)"
    max_iterations: 9
    outputs: {texts: texts}
  - name: Each
    type: map
    analyser: test:stepper
    input: texts
    max_items: 9
    max_concurrency: 2
    config: {spin_at: SPIN}
    outputs: {texts: mapped}
  - name: Last
    analyser: test:stepper
    input: mapped
    output: last
"#;

/// A folder with a runbook whose second step never ends if `spin` is one of its texts.
fn bench(spin: &str) -> Option<Dir> {
    let dir = with_stepper()?;
    let data: Vec<_> = ["a", "bc"].map(|text| json!({"content": text, "metadata": {"source": "x"}})).to_vec();
    dir.write("docs.json", json!({"schemaVersion": "1.0.0", "name": "docs", "data": data}).to_string());
    dir.write("runbook.yaml", RUNBOOK.replace("SPIN", spin));
    Some(dir)
}

const RUN: [&str; 5] = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json"];

/// A run in the background, ended with the test.
struct Going(Child);

impl Going {
    fn start(dir: &Path) -> Self {
        Self(command::command(dir).args(RUN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let _ = self.0.wait().unwrap();
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who follows the latest run.
struct Following(Child, Lines<BufReader<ChildStdout>>);

impl Following {
    fn start(dir: &Path) -> Self {
        let args = ["runs", "show", "last", "--follow", "--format", "json"];
        let mut child = command::command(dir).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self(child, lines)
    }

    /// Reads up to an event of that kind.
    fn until(&mut self, kind: &str) -> Value {
        loop {
            let line = self.1.next().unwrap_or_else(|| panic!("it ended before {kind}")).unwrap();
            let told: Value = serde_json::from_str(&line).unwrap();
            if told["event"]["kind"] == kind {
                return told;
            }
        }
    }
}

fn shown(dir: &Path, form: &[&str]) -> Value {
    let args = ["runs", "show", "last", "--format", "json"];
    serde_json::from_str(&palisade(dir, args.iter().chain(form)).exits(0).stdout).unwrap()
}

/// Looks until the second step computes.
fn wait_until_it_spins(dir: &Path) {
    let begun = Instant::now();
    loop {
        let listed = palisade(dir, ["runs", "list", "--format", "json"]).exits(0);
        let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
        if listed["runs"][0]["state"] == "running" && shown(dir, &["--tree"])["steps"][1]["state"] == "running" {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{listed:#}");
    }
}

fn states(tree: &Value) -> Vec<&str> {
    tree["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

#[test]
fn a_run_that_goes_on_is_seen_from_another_process() {
    let Some(dir) = bench("axx") else { return };
    let mut going = Going::start(dir.path());
    wait_until_it_spins(dir.path());
    let whole = shown(dir.path(), &[]);
    assert_eq!((&whole["state"], &whole["process"]), (&json!("running"), &json!(going.0.id())));
    assert_eq!(whole["unended"], json!({"each": "running", "last": "waiting"}));
    assert_eq!(states(&shown(dir.path(), &["--tree"])), ["succeeded", "running", "waiting"]);
    let text = palisade(dir.path(), ["runs", "show", "last"]).exits(0).stdout;
    assert!(text.contains(&format!("■ running in process {} · 1 of 3 steps", going.0.id())), "{text}");

    let mut following = Following::start(dir.path());
    let ended = following.until("LoopEnded");
    assert_eq!((&ended["event"]["iteration"], &ended["event"]["held"]), (&json!(2), &json!(true)));
    assert_eq!(following.until("AttemptStarted")["event"]["step"], "each");
    // Nobody who looks has taken the lock: it still belongs to the run, which ends as it is told.
    going.kill("-INT");
    following.until("CancelRequested");
    assert_eq!(following.until("RunEnded")["seq"], shown(dir.path(), &[])["events"]);
    assert_eq!(following.0.wait().unwrap().code(), Some(0));
    assert_eq!(states(&shown(dir.path(), &["--tree"])), ["succeeded", "cancelled", "waiting"]);
}

#[test]
fn a_run_whose_process_is_gone_is_abandoned() {
    let Some(dir) = bench("axx") else { return };
    let mut going = Going::start(dir.path());
    wait_until_it_spins(dir.path());
    let mut following = Following::start(dir.path());
    following.until("LoopEnded");
    going.kill("-KILL");
    assert_eq!(following.0.wait().unwrap().code(), Some(6));
    let whole = shown(dir.path(), &[]);
    assert_eq!((&whole["state"], &whole["process"]), (&json!("abandoned"), &Value::Null));
    assert_eq!(whole["unended"], json!({"each": "abandoned", "last": "waiting"}));
    let tree = shown(dir.path(), &["--tree"]);
    assert_eq!(states(&tree), ["succeeded", "abandoned", "waiting"]);
    assert_eq!(tree["steps"][1]["attempts"][0]["state"], "abandoned");
    let text = palisade(dir.path(), ["runs", "show", "last"]).exits(0).stdout;
    assert!(text.contains("■ abandoned: its process is gone · 1 of 3 steps"), "{text}");
    let listed = palisade(dir.path(), ["runs", "list"]).exits(0).stdout;
    assert!(listed.contains("■ abandoned"), "{listed}");
}

#[test]
fn iterations_and_mapped_items_stand_below_their_steps() {
    let Some(dir) = bench("never") else { return };
    let _ = palisade(dir.path(), RUN).exits(0);
    let tree = shown(dir.path(), &["--tree"]);
    let of = |step: usize, key: &str| {
        let attempts = tree["steps"][step]["attempts"].as_array().unwrap();
        attempts.iter().map(|attempt| attempt[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!((of(0, "iteration"), of(0, "mapped_items")), (vec![json!(1), json!(2)], vec![Value::Null; 2]));
    assert_eq!((of(1, "iteration"), of(1, "mapped_items")), (vec![json!(0)], vec![json!(2)]));
    let text = palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout;
    for line in ["│    iteration 2  ✓ succeeded in ", "│      over 2 items, all done"] {
        assert!(text.contains(line), "{text}");
    }
    // How often a loop goes round is not known, and so nothing of what comes after it.
    let planned = palisade(dir.path(), ["plan", "runbook.yaml", "--input", "docs=docs.json"]).exits(0).stdout;
    assert!(planned.contains("not known: how often it goes round"), "{planned}");
    assert!(planned.contains("not known: it reads what `grow` makes"), "{planned}");
}

#[test]
fn a_run_is_resumed_by_nobody_else_nowhere_else_and_with_the_same_components() {
    let Some(dir) = bench("axx") else { return };
    let mut going = Going::start(dir.path());
    wait_until_it_spins(dir.path());
    let owned = palisade(dir.path(), ["resume", "last", "-q"]);
    assert!(owned.code != Some(0) && owned.stderr.contains("the run can't be owned"), "{owned:?}");
    going.kill("-KILL");
    let elsewhere = Dir::new();
    let data = dir.join(".palisade");
    let args = ["resume", "last", "-q", "--data-dir", data.to_str().unwrap()];
    let refused = palisade(elsewhere.path(), args).exits(2).stderr;
    assert!(refused.contains("the run works in the folder"), "{refused}");
    let lock = std::fs::read_to_string(dir.join("palisade.lock")).unwrap();
    let digest = lock.split('"').find(|text| text.len() == 64).unwrap();
    dir.write("palisade.lock", lock.replace(digest, &"0".repeat(64)));
    let refused = palisade(dir.path(), ["resume", "last", "-q"]).exits(7).stderr;
    assert!(refused.contains("somebody gave this version other bytes"), "{refused}");
}

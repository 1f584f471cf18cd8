//! What processes that work with one data directory share: `[ceilings.host]`. What exceeds it waits and says so.

use palisade_tests::told::{first_failure, json_of, record, runs, start, write_texts};
use palisade_tests::{Dir, palisade, with_stepper};
use serde_json::Value;
use std::process::Child;
use std::time::{Duration, Instant};

fn book(steps: &str) -> String {
    format!("name: Shared\ninputs:\n  texts: {{input_schema: standard_input}}\nexecution:\n{steps}")
}

/// A step that takes memory, and computes for ever where it finds `spin_at`.
fn step(id: &str, memory: &str, spin_at: &str) -> String {
    format!(
        "  - {{id: {id}, analyser: 'test:stepper', input: texts, outputs: {{texts: {id}}}, config: {{spin_at: {spin_at}}}, \
         limits: {{memory: {memory}, fuel: 900000000000, wall: 60s}}}}\n"
    )
}

fn bench(host: &str) -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a", "bb"]);
    dir.write("palisade.toml", format!("[ceilings.host]\n{host}\n"));
    dir.write("spins.yaml", book(&step("spins", "64MiB", "bb")));
    dir.write("quick.yaml", book(&step("quick", "64MiB", "zz")));
    Some(dir)
}

fn run(runbook: &str) -> [&str; 5] {
    ["run", "--no-cache", runbook, "--input", "texts=texts.json"]
}

/// The run that computes, once one does.
fn computing(dir: &Dir) -> Option<String> {
    // As long as there is no run, that is told.
    let listed = palisade(dir.path(), ["runs", "list", "--format", "json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
    let id = listed["runs"][0]["run_id"].as_str()?.to_owned();
    palisade(dir.path(), ["runs", "show", &id, "--events"]).stdout.contains("AttemptStarted").then_some(id)
}

/// Starts one that computes for ever and waits until it does; gives its id too.
fn spinning(dir: &Dir) -> (Child, String) {
    let process = start(dir, run("spins.yaml"));
    let begun = Instant::now();
    let mut id = computing(dir);
    while id.is_none() && begun.elapsed() < Duration::from_secs(60) {
        id = computing(dir);
    }
    (process, id.unwrap_or_default())
}

/// While one run computes for ever, another waits, visibly, until the first one is cancelled.
fn the_second_waits(host: &str, told: &str) {
    let Some(dir) = bench(host) else { return };
    let (mut first, id) = spinning(&dir);
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| palisade(dir.path(), run("quick.yaml")));
        let begun = Instant::now();
        while runs(&dir).len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
        }
        // It is there, and nothing of it runs, however often one looks.
        let mut seen = Value::Null;
        for look in 0_u32.. {
            let state = json_of(&dir, &["runs", "show", "last", "--tree"]);
            assert_eq!(state["state"], "running");
            assert!(look < 1_000 && (seen != "scheduled" || state["steps"][0]["state"] == seen), "{state:#}");
            seen = state["steps"][0]["state"].clone();
            if look > 20 && seen == "scheduled" {
                break;
            }
        }
        let _ = palisade(dir.path(), ["cancel", &id]).exits(0);
        second.join().unwrap()
    });
    let _ = first.wait().unwrap();
    let second = second.exits(0);
    assert!(second.stderr.contains(told), "{}", second.stderr);
    assert_eq!(second.stderr.matches("waits for room").count(), 1, "{}", second.stderr);
}

#[test]
fn a_run_waits_while_as_many_go_on_as_may() {
    the_second_waits("runs = 1", "waits for room: as many runs of this data directory go on as may");
}

#[test]
fn an_attempt_waits_for_memory_that_others_may_take() {
    the_second_waits("memory = '100 MiB'", "quick: waits for room, which other attempts of this data directory have");
}

#[test]
fn an_attempt_waits_while_others_compute() {
    the_second_waits("instances = 1", "quick: waits for room, which other attempts of this data directory have");
}

#[test]
fn who_died_holds_nothing() {
    let Some(dir) = bench("runs = 1") else { return };
    let (mut first, _) = spinning(&dir);
    first.kill().unwrap();
    let _ = first.wait().unwrap();
    let _ = palisade(dir.path(), run("quick.yaml")).exits(0);
}

#[test]
fn steps_of_one_run_share_too_and_what_can_never_run_fails() {
    let Some(dir) = bench("memory = '100 MiB'") else { return };
    let both = [step("one", "64MiB", "zz"), step("two", "64MiB", "zz")].concat();
    dir.write("both.yaml", book(&both));
    let _ = palisade(dir.path(), run("both.yaml")).exits(0);
    dir.write("large.yaml", book(&step("large", "101MiB", "zz")));
    let told = palisade(dir.path(), run("large.yaml")).exits(4).stderr;
    let expected = "it may take 101 MiB of memory, and all attempts of this data directory may take 100 MiB together";
    assert!(told.contains(expected), "{told}");
    assert_eq!(first_failure(&dir)["key"], "memory");
    assert_eq!(record(&dir, "last")["steps"][0]["attempts"], 0);
}

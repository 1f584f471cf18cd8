//! What is known from earlier runs is not made again, and what could be otherwise is.

use palisade_tests::told::record;
use palisade_tests::{Dir, palisade, root, with_stepper};
use serde_json::{Value, json};

/// The steps whose results were known.
fn known(dir: &Dir) -> Vec<String> {
    let record = record(dir, "last");
    let steps = record["steps"].as_array().unwrap().iter().filter(|step| step["cached_from"].is_object());
    steps.map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

fn because(dir: &Dir, step: &str) -> String {
    let shown = palisade(dir.path(), ["runs", "show", "last", "--why", "--format", "json"]).exits(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let steps = shown["steps"].as_array().unwrap();
    steps.iter().find(|told| told["step"] == step).unwrap()["because"].to_string()
}

#[test]
fn a_second_run_makes_only_anew_what_reads_the_world_or_reads_something_else() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let run = |more: &[&str]| {
        let args = ["run", "-q", "runbook.yaml", "--out", "out"];
        let _ = palisade(dir.path(), args.iter().chain(more)).exits(0);
        std::fs::read_to_string(dir.join("out/privacy.json")).unwrap()
    };
    let without_times = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("timestamp"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let first = run(&[]);
    assert_eq!(known(&dir), Vec::<String>::new());
    let second = run(&[]);
    assert_eq!(known(&dir), ["personal_data", "privacy"], "the connector looks each time");
    assert_eq!(without_times(&first), without_times(&second));
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
    let _ = run(&["--no-cache"]);
    assert_eq!(known(&dir), Vec::<String>::new());
    assert!(because(&dir, "privacy").contains("--no-cache"));
    dir.write("data/new.txt", "Her e-mail address.\n");
    let _ = run(&[]);
    assert_eq!(known(&dir), Vec::<String>::new());
    assert!(because(&dir, "personal_data").contains("its input `files` is "), "{}", because(&dir, "personal_data"));
    assert!(because(&dir, "files").contains("may depend on more than its inputs"));
}

#[test]
fn a_second_call_with_the_same_key_tells_of_the_first_run() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let run = ["run", "runbook.yaml", "--idempotency-key", "nightly", "--out"];
    let _ = palisade(dir.path(), run.iter().chain(&["first"])).exits(0);
    let again = palisade(dir.path(), run.iter().chain(&["second"])).exits(0).stderr;
    assert!(again.contains("has this key: nothing is run again"), "{again}");
    let made = |out: &str| std::fs::read_to_string(dir.join(out).join("privacy.json")).unwrap();
    assert_eq!(made("first"), made("second"), "times and all");
    let listed = palisade(dir.path(), ["runs", "list", "--format", "json"]).exits(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["runs"].as_array().unwrap().len(), 1);
    let text = std::fs::read_to_string(dir.join("runbook.yaml")).unwrap();
    dir.write("runbook.yaml", text.replace("small", "large"));
    let other = palisade(dir.path(), &run[..4]).exits(2).stderr;
    assert!(other.contains("which had another plan; nothing was started"), "{other}");
    let wrong = palisade(dir.path(), ["run", "runbook.yaml", "--idempotency-key", "a b"]).exits(2).stderr;
    assert!(wrong.contains("a key has 1 to 200 visible ASCII characters"), "{wrong}");
}

#[test]
fn what_a_result_could_depend_on_is_part_of_what_it_is_found_by() {
    let Some(dir) = with_stepper() else { return };
    let item = |text: &str| json!({"content": text, "metadata": {"source": "x"}});
    let texts = json!({"schemaVersion": "1.0.0", "name": "t", "data": [item("a"), item("bb")]});
    dir.write("texts.json", texts.to_string());
    let run = |kind: &str, config: &str, limits: &str| {
        dir.write(
            "runbook.yaml",
            format!(
                "name: Memo\ninputs:\n  texts: {{input_schema: standard_input}}\nexecution:\n  - {{id: step, {kind}\
                 analyser: 'test:stepper', input: texts, config: {config}, limits: {limits}, outputs: {{texts: made, lengths: lengths}}}}\n"
            ),
        );
        let done = palisade(dir.path(), ["run", "-q", "runbook.yaml", "--input", "texts=texts.json"]);
        (done.code, if done.code == Some(0) { known(&dir).len() } else { 0 })
    };
    assert_eq!(run("", "{append: x}", "{}"), (Some(0), 0));
    assert_eq!(run("", "{append: x}", "{}"), (Some(0), 1));
    // What it is called, and how long it may take, it can't see.
    assert_eq!(run("name: Another title, ", "{append: x}", "{wall: 50s}"), (Some(0), 1));
    assert_eq!(run("", "{append: y}", "{}"), (Some(0), 0));
    assert!(because(&dir, "step").contains("its config differs at `/append`"), "{}", because(&dir, "step"));
    assert_eq!(run("", "{append: x}", "{memory: 32 MiB}"), (Some(0), 0));
    assert!(because(&dir, "step").contains("its limit `memory` is 32 MiB"), "{}", because(&dir, "step"));
    // A limit that is too low is not passed by what was made with another.
    assert_eq!(run("", "{append: x}", "{fuel: 1000, fuel_per_input_byte: 0}").0, Some(4));
    // In a map each item is work of its own.
    assert_eq!(run("type: map, max_items: 9, ", "{append: x}", "{}"), (Some(0), 0));
    assert_eq!(run("type: map, max_items: 9, ", "{append: x}", "{}"), (Some(0), 1));
    // What failed is tried again.
    assert_eq!(run("", "{fail_at: bb}", "{}").0, Some(1));
    assert_eq!(run("", "{fail_at: bb}", "{}").0, Some(1));
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
}

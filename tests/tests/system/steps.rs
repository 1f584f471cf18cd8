//! Steps that run more than once, have several outputs, or take values from documents: with a component that is made for
//! it (`plugins/stepper`), through the binary.

use palisade_tests::{Dir, Outcome, palisade, with_stepper};
use serde_json::{Value, json};
use std::fs;

/// A folder in which the component was added, and texts to work on.
struct Bench(Dir);

impl Bench {
    fn new() -> Option<Self> {
        with_stepper().map(Self)
    }

    /// Runs steps over these texts with `--out out`.
    fn run(&self, steps: &str, texts: &[&str], more: &[&str]) -> Outcome {
        let item = |text: &&str| json!({"content": text, "metadata": {"source": "x"}});
        let data: Vec<_> = texts.iter().map(item).collect();
        self.0.write("docs.json", json!({"schemaVersion": "1.0.0", "name": "docs", "data": data}).to_string());
        self.0
            .write("runbook.yaml", format!("name: Steps\ninputs:\n  docs: {{input_schema: standard_input}}\n{steps}"));
        let _ = fs::remove_dir_all(self.0.join("out"));
        let fixed = ["run", "-q", "--no-cache", "runbook.yaml", "--input", "docs=docs.json", "--out", "out"];
        palisade(self.0.path(), fixed.iter().chain(more))
    }

    fn document(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.join("out").join(name)).unwrap()).unwrap()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let document = self.document(name);
        document["data"].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap().to_owned()).collect()
    }

    /// What `run.json` says of a step.
    fn step(&self, id: &str) -> Value {
        let record = self.document("run.json");
        record["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap().clone()
    }
}

const LOOP: &str = r#"
execution:
  - name: Grow
    type: loop
    analyser: test:stepper
    input: docs
    until: "texts.data.all(text, size(text.content) >= 4)"
    max_iterations: MOST
    outputs: {texts: texts, lengths: lengths}
"#;

#[test]
fn a_loop_feeds_what_it_made_until_its_condition_holds() {
    let Some(bench) = Bench::new() else { return };
    let _ = bench.run(&LOOP.replace("MOST", "9"), &["a", "bc"], &[]).exits(0);
    assert_eq!(bench.texts("texts.json"), ["axxx", "bcxxx"]);
    assert_eq!(bench.document("lengths.json")["summary"], json!({"parts": 1, "longest": 5, "enough": true}));
    let step = bench.step("grow");
    assert_eq!((&step["iterations"], &step["attempts"], &step["status"]), (&json!(3), &json!(3), &json!("succeeded")));
    // Two instances for each iteration: `run` and `finish`.
    assert_eq!(step["usage"]["instances"], 6);
    assert_eq!(bench.document("run.json")["warnings"], json!([]));
}

#[test]
fn a_loop_ends_at_its_bound_with_a_warning() {
    let Some(bench) = Bench::new() else { return };
    let outcome = bench.run(&LOOP.replace("MOST", "2"), &["a"], &[]).exits(0);
    assert_eq!(bench.texts("texts.json"), ["axx"]);
    let warnings = bench.document("run.json")["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("step `grow` came to its bound of 2 iterations"), "{warnings}");
    assert!(outcome.stderr.contains("came to its bound of 2 iterations"), "{}", outcome.stderr);
}

#[test]
fn a_loop_fails_with_its_iteration_and_with_its_condition() {
    let Some(bench) = Bench::new() else { return };
    let failing = LOOP.replace("MOST", "9").replace("    input: docs", "    input: docs\n    config: {fail_at: axx}");
    let _ = bench.run(&failing, &["a"], &[]).exits(1);
    assert_eq!((&bench.step("grow")["iterations"], &bench.step("grow")["output"]), (&json!(3), &Value::Null));
    assert!(!bench.0.join("out/texts.json").exists());
    let asking =
        LOOP.replace("MOST", "9").replace("texts.data.all(", "texts.data[7].content == 'x' && texts.data.all(");
    let _ = bench.run(&asking, &["a"], &[]).exits(1);
    let failure = bench.step("grow")["failure"].clone();
    assert_eq!(failure["kind"], "condition");
    assert!(failure["message"].as_str().unwrap().starts_with("its condition `until: texts.data[7]"), "{failure}");
}

const MAP: &str = r#"
execution:
  - name: Each
    type: map
    analyser: test:stepper
    input: docs
    max_items: 1000
    max_concurrency: CONCURRENCY
    config: CONFIG
    limits: {wall: 1}
    outputs: {texts: texts, lengths: lengths}
"#;

fn map(concurrency: u32, config: &str) -> String {
    MAP.replace("CONCURRENCY", &concurrency.to_string()).replace("CONFIG", config)
}

#[test]
fn a_map_gives_the_same_however_many_items_run_at_once() {
    let Some(bench) = Bench::new() else { return };
    let texts: Vec<_> = (0..1_000).map(|number| format!("text {number}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let mut digests = Vec::new();
    for (concurrency, threads) in [(1, "1"), (7, "3"), (1_000, "8")] {
        let _ = bench.run(&map(concurrency, "{append: '!'}"), &texts, &["--threads", threads]).exits(0);
        let step = bench.step("each");
        digests.push((step["output"]["digest"].clone(), step["more_outputs"][0]["digest"].clone()));
        // An instance for each item, and one to finish.
        assert_eq!(step["usage"]["instances"], 1_001);
        assert_ne!(step["usage"]["cpu_ms"], 0, "a thousand times less than a millisecond is not nothing");
    }
    assert!(digests.iter().all(|other| *other == digests[0]), "{digests:?}");
    let made = bench.texts("texts.json");
    assert_eq!((made.len(), made[0].as_str(), made[999].as_str()), (1_000, "text 0!", "text 999!"));
    assert_eq!(bench.document("lengths.json")["summary"], json!({"parts": 1_000, "longest": 9, "enough": true}));
}

#[test]
fn a_map_over_too_much_runs_nothing() {
    let Some(bench) = Bench::new() else { return };
    let outcome = bench.run(&map(2, "{}").replace("1000", "2"), &["a", "b", "c"], &[]).exits(4);
    assert!(outcome.stderr.contains("its input has 3 items, and the map goes over 2 at most"), "{}", outcome.stderr);
    let step = bench.step("each");
    assert_eq!((&step["usage"]["instances"], &step["failure"]["kind"]), (&json!(0), &json!("bound")));
    let _ = bench.run(&map(2, "{}").replace("1000", "3"), &["a", "b", "c"], &[]).exits(0);
}

#[test]
fn a_run_runs_components_as_often_as_it_may() {
    let Some(bench) = Bench::new() else { return };
    let steps = |most: u32| {
        format!(
            "limits: {{max_runs: {most}}}\nexecution:\n  - {{id: each, type: map, analyser: test:stepper, input: docs, max_items: 10, \
             outputs: {{texts: texts}}}}\n  - {{id: then, analyser: test:stepper, input: texts, outputs: {{texts: more}}}}\n"
        )
    };
    let _ = bench.run(&steps(4), &["a", "b", "c"], &[]).exits(0);
    let _ = bench.run(&steps(3), &["a", "b", "c"], &[]).exits(4);
    let step = bench.step("then");
    let said = "the run may run components 3 times at most; 3 are used, and this would take 1 more: nothing was run";
    assert_eq!(step["failure"]["message"], said);
    assert_eq!((&step["failure"]["kind"], &step["usage"]["instances"]), (&json!("bound"), &json!(0)));
    // A map takes as many as it has items, before the first of them.
    let _ = bench.run(&steps(2), &["a", "b", "c"], &[]).exits(4);
    let step = bench.step("each");
    assert!(step["failure"]["message"].as_str().unwrap().contains("0 are used, and this would take 3 more"), "{step}");
    assert_eq!(step["usage"]["instances"], 0);
    // So does a loop, iteration by iteration.
    let repeat = |most: u32| format!("limits: {{max_runs: {most}}}{}", LOOP.replace("MOST", "9"));
    let _ = bench.run(&repeat(3), &["a"], &[]).exits(0);
    let _ = bench.run(&repeat(2), &["a"], &[]).exits(4);
    assert_eq!(
        (&bench.step("grow")["failure"]["kind"], &bench.step("grow")["iterations"]),
        (&json!("bound"), &json!(2))
    );
}

#[test]
fn a_map_names_the_first_item_that_failed() {
    let Some(bench) = Bench::new() else { return };
    let mut texts = vec!["good"; 40];
    (texts[11], texts[12], texts[30]) = ("bad", "bad", "bad");
    for threads in ["1", "4"] {
        let outcome = bench.run(&map(4, "{fail_at: bad}"), &texts, &["--threads", threads]).exits(1);
        assert_eq!(bench.step("each")["failure"]["at"], json!(["texts", 11]));
        assert!(outcome.stderr.contains("at item 11 of `texts`, counted from 0"), "{}", outcome.stderr);
    }
}

#[test]
fn each_item_of_a_map_has_limits_of_its_own() {
    let Some(bench) = Bench::new() else { return };
    let outcome = bench.run(&map(2, "{spin_at: b}"), &["a", "b", "c"], &[]).exits(4);
    assert!(outcome.stderr.contains("it reached its limit"), "{}", outcome.stderr);
    assert_eq!(bench.step("each")["failure"]["at"], json!(["texts", 1]));
    // What one item may emit, a hundred together may pass.
    let narrow = map(2, "{}").replace("{wall: 1}", "{output_bytes: 1 KiB}");
    let text = "y".repeat(300);
    let _ = bench.run(&narrow, &vec![text.as_str(); 100], &[]).exits(0);
    assert!(bench.step("each")["usage"]["output_bytes"].as_u64().unwrap() > 30_000);
}

#[test]
fn the_time_of_a_step_and_of_the_run_end_a_guest() {
    let Some(bench) = Bench::new() else { return };
    let spinning = "execution:\n  - name: Spin\n    analyser: test:stepper\n    input: docs\n    config: {spin_at: a}\n    output: texts\n";
    let unbounded = format!("{spinning}    limits: {{fuel: 900000000000}}\n");
    let of_step = bench.run(&format!("{unbounded}    timeout: 1\n"), &["a"], &[]).exits(4);
    assert!(of_step.stderr.contains("limit `wall` of 1 s, set by the step"), "{}", of_step.stderr);
    let of_run = bench.run(&format!("limits: {{max_duration: 1}}\n{unbounded}"), &["a"], &[]).exits(4);
    assert!(of_run.stderr.contains("the time of the whole run, 1 s, was over"), "{}", of_run.stderr);
    assert!(of_run.stderr.contains("raise `limits.max_duration` of the runbook"), "{}", of_run.stderr);
}

#[test]
fn a_config_takes_values_from_documents() {
    let Some(bench) = Bench::new() else { return };
    let steps = |append: &str| {
        format!(
            "execution:\n  - name: First\n    analyser: test:stepper\n    input: docs\n    outputs: {{lengths: first}}\n  \
             - name: Second\n    analyser: test:stepper\n    input: docs\n    config: {{append: \"{append}\", enough: \
             \"{{{{ first.summary.longest }}}}\"}}\n    outputs: {{texts: second, lengths: lengths}}\n"
        )
    };
    let _ = bench.run(&steps("{{ docs.data[1].content }}"), &["a", "bcd"], &[]).exits(0);
    assert_eq!(bench.texts("second.json"), ["abcd", "bcdbcd"]);
    let outcome = bench.run(&steps("{{ docs.data[1].content }}"), &["a", "much too long"], &[]).exits(1);
    let failure = bench.step("second")["failure"].clone();
    assert_eq!(failure["kind"], "bad_config");
    assert_eq!(
        failure["message"],
        "its config does not fit once values are filled in: at `/append`, rule `maxLength`: it must have at most 8 \
         characters (it comes from `/data/1/content` of the input `docs`)"
    );
    assert!(outcome.stderr.contains("rule `maxLength`"), "{}", outcome.stderr);
    let _ = bench.run(&steps("{{ docs.data[5].content }}"), &["a"], &[]).exits(1);
    let failure = bench.step("second")["failure"].clone();
    assert!(failure["message"].as_str().unwrap().ends_with("where nothing is"), "{failure}");
}

#[test]
fn an_input_that_was_not_given_leaves_an_optional_port_unbound() {
    let Some(bench) = Bench::new() else { return };
    let steps = "  extra: {input_schema: standard_input, optional: true}\nexecution:\n  - name: Both\n    analyser: test:stepper\n    \
                 inputs: {texts: docs, more: extra}\n    outputs: {texts: texts}\n";
    let _ = bench.run(steps, &["a"], &[]).exits(0);
    assert_eq!(bench.texts("texts.json"), ["ax"]);
    let _ = bench.run(steps, &["a"], &["--input", "extra=docs.json"]).exits(0);
    assert_eq!(bench.texts("texts.json"), ["ax", "ax"]);
}

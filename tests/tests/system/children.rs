//! Child runs: what they hand over, what bounds them, and that they end and go on with their parent.

use palisade_tests::effects::nothing_is_done_twice;
use palisade_tests::told::{
    end_after, end_at_each, events, first_failure, fits, json_of, record, runs, start, texts, write_texts,
};
use palisade_tests::{Dir, journal, palisade, root, with_stepper};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A runbook that hands its texts through a child.
fn parent(child: &str, more: &str) -> String {
    format!(
        "name: Parent of {child}\ninputs:\n  texts: {{input_schema: standard_input}}\noutputs: {{found: found}}\n\
         execution:\n  - {{id: go, type: execute_workflow, file: {child}.yaml, inputs: {{texts: texts}}, \
         outputs: {{found: found}}{more}}}\n"
    )
}

const LEAF: &str = "
name: Leaf
inputs:
  texts: {input_schema: standard_input}
outputs: {found: longer}
execution:
  - {id: step, analyser: 'test:stepper', input: texts, outputs: {texts: longer}}
";

/// Texts, a leaf, and runbooks that run each other: `c3` runs `c2` runs `c1` runs the leaf.
fn family() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a", "bb"]);
    dir.write("leaf.yaml", LEAF);
    dir.write("c1.yaml", parent("leaf", ""));
    dir.write("c2.yaml", parent("c1", ""));
    dir.write("c3.yaml", parent("c2", ""));
    Some(dir)
}

fn run(runbook: &str) -> [&str; 5] {
    ["run", "-q", runbook, "--input", "texts=texts.json"]
}

#[test]
fn what_the_innermost_makes_comes_out_and_each_run_has_a_journal_that_names_its_parent() {
    let Some(dir) = family() else { return };
    let _ = palisade(dir.path(), run("c3.yaml").into_iter().chain(["--out", "out"])).exits(0);
    assert_eq!(texts(&dir, "out/found.json"), ["ax", "bbx"]);
    let roots = json_of(&dir, &["runs", "list"]);
    assert_eq!(roots["runs"].as_array().unwrap().len(), 1);
    let all = json_of(&dir, &["runs", "list", "--children"]);
    assert_eq!(all["runs"].as_array().unwrap().len(), 4);
    // Downwards by what a run says of its children, upwards by what they say of it.
    let root = record(&dir, "last")["run_id"].as_str().unwrap().to_owned();
    let mut above = root.clone();
    for depth in 1..=3 {
        let of_parent = events(&dir, &above);
        let seq = of_parent.iter().position(|event| event["kind"] == "ChildStarted").unwrap();
        let child = of_parent[seq]["child"].as_str().unwrap().to_owned();
        let parent = json!({"run": above, "seq": seq + 1, "step": "go", "root": root, "depth": depth});
        assert_eq!(events(&dir, &child)[0]["parent"], parent);
        above = child;
    }
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
}

#[test]
fn openlineage_is_told_which_attempt_a_child_is() {
    let Some(dir) = family() else { return };
    let _ = palisade(dir.path(), run("c2.yaml")).exits(0);
    let lineage = |run: &str, what: &str| -> Vec<Value> {
        let lines = palisade(dir.path(), ["lineage", what, "--run", run, "--format", "openlineage"]).exits(0).stdout;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let root = record(&dir, "last");
    let child = record(&dir, root["children"][0].as_str().unwrap());
    let leaf = record(&dir, child["children"][0].as_str().unwrap());
    let of_root = lineage("last", "found");
    assert_eq!(of_root[0].pointer("/run/facets/parent"), None);
    // The attempt in the run above is told there under the same id.
    let attempt = of_root.iter().find(|event| event.pointer("/run/facets/palisade_attempt/child").is_some()).unwrap();
    let of_child = lineage(child["run_id"].as_str().unwrap(), "found");
    let parent = &of_child[0]["run"]["facets"]["parent"];
    assert_eq!(parent["run"]["runId"], attempt["run"]["runId"]);
    assert_eq!(
        (&parent["job"]["name"], &attempt["job"]["name"]),
        (&json!("Parent of c1.go"), &json!("Parent of c1.go"))
    );
    let of_leaf = lineage(leaf["run_id"].as_str().unwrap(), "longer");
    let above = &of_leaf[0]["run"]["facets"]["parent"];
    assert_eq!(
        (&above["root"]["run"]["runId"], &above["root"]["job"]["name"]),
        (&root["run_id"], &json!("Parent of c1"))
    );
    assert_eq!(above["job"]["name"], "Parent of leaf.go");
}

/// A runbook that runs another, which asks, then looks for words in files; and one that runs the first.
fn searching() -> Dir {
    let dir = Dir::new();
    dir.write("palisade.toml", "[rulesets]\npaths = [\"rulesets\"]\n");
    dir.write(
        "rulesets/shop/1.0.0/shop.yaml",
        "name: shop\nversion: 1.0.0\ndescription: Words\ncategories: [contact]\nrules:\n\
         \x20 - {name: Contact, description: Ways to reach a person, category: contact, patterns: [telephone]}\n",
    );
    dir.write("data/a.txt", "Her telephone.\n");
    dir.write(
        "search.yaml",
        "name: Search\noutputs: {words: words}\nexecution:\n\
         \x20 - {id: ask, type: approval, message: 'Shall it look?'}\n\
         \x20 - {id: files, type: source, connector: filesystem, config: {path: data}, after: ask, output: files}\n\
         \x20 - {id: words, analyser: personal_data, input: files, output: words, \
         config: {pattern_matching: {ruleset: local/shop/1.0.0}}}\n",
    );
    for (name, file, output) in [("Middle", "search", "words"), ("Top", "middle", "found")] {
        let step = format!("{{id: go, type: execute_workflow, file: {file}.yaml, outputs: {{{output}: found}}}}");
        let text = format!("name: {name}\noutputs: {{found: found}}\nexecution:\n  - {step}\n");
        dir.write(&format!("{}.yaml", name.to_lowercase()), text);
    }
    dir
}

#[test]
fn what_came_from_a_child_is_followed_to_the_files_rules_components_and_answers_there() {
    let dir = searching();
    let _ = palisade(dir.path(), ["run", "-q", "top.yaml"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last"]).exits(0);
    let told = json_of(&dir, &["lineage", "found", "--run", "last"]);
    fits("palisade.lineage", &told);
    let names = |told: &Value, of: &str, key: &str| -> Vec<String> {
        let of = told.pointer(of).and_then(Value::as_array).unwrap();
        of.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&told, "/up/steps", "step"), ["go"]);
    let runs: Vec<&Value> = told["runs"].as_array().unwrap().iter().collect();
    let [middle, search] = runs[..] else { panic!("{told:#}") };
    assert_eq!((&middle["run"]["name"], &middle["results"]), (&json!("Middle"), &json!(["found"])));
    assert_eq!(told.pointer("/up/steps/0/children/0/run_id"), Some(&middle["run"]["run_id"]));
    assert_eq!((&search["run"]["name"], &search["results"]), (&json!("Search"), &json!(["words"])));
    assert_eq!(names(search, "/up/artifacts", "name"), ["local/shop/1.0.0", "files", "words"]);
    assert_eq!(names(search, "/up/steps", "step"), ["files", "words"]);
    let files = search.pointer("/up/steps/0").unwrap();
    assert_eq!((&files["data"], &files["allowed"][0]["answer"]), (&json!(["data"]), &json!("approved")));
    let component = search.pointer("/up/steps/1/component/digest").and_then(Value::as_str).unwrap();
    // As text it is one tree, in which the child's part hangs on the step that ran it.
    let text = palisade(dir.path(), ["lineage", "found", "--run", "last", "--up"]).exits(0).stdout;
    let after = |line: &str, next: &str| {
        let place = text.find(line).unwrap_or_else(|| panic!("no {line}:\n{text}"));
        assert!(text[place..].contains(next), "{line} before {next}:\n{text}");
    };
    after("step go", "of the child run");
    after("of the child run", "step words  analyse  palisade:personal_data@");
    after("step words", &component[..12]);
    after("step words", "data  file or folder that its config names");
    after("step words", "approved by ");
    after("step words", "local/shop/1.0.0  ruleset");
    let downwards = palisade(dir.path(), ["lineage", "found", "--run", "last", "--down"]).exits(0).stdout;
    assert!(!downwards.contains("step words"), "{downwards}");
    // Other programs are told of each run, with the attempt that it was in the one above.
    let lines = palisade(dir.path(), ["lineage", "found", "--run", "last", "--format", "openlineage"]).exits(0).stdout;
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended = |job: &str| {
        let is = |event: &&Value| event["job"]["name"] == job && event["eventType"] == "COMPLETE";
        events.iter().find(is).unwrap_or_else(|| panic!("no {job}:\n{lines}"))
    };
    // The attempt that began it: it waited for the answer, and another one went on.
    for (child, step) in [("Middle", "Top.go"), ("Search", "Middle.go")] {
        let parent = ended(child).pointer("/run/facets/parent/run/runId");
        let mut of_step = events.iter().filter(|event| event["job"]["name"] == step);
        assert!(of_step.any(|event| Some(&event["run"]["runId"]) == parent), "{child}:\n{lines}");
    }
    let inputs = ended("Search.words")["inputs"].to_string();
    assert!(inputs.contains("Search.files") && inputs.contains("local/shop/1.0.0"), "{inputs}");
    let file = dir.join("data").display().to_string();
    assert_eq!(ended("Search.files").pointer("/inputs/0/name"), Some(&json!(file)));
}

#[test]
fn a_depth_of_two_lets_child_and_grandchild_run_and_refuses_the_next() {
    let Some(dir) = family() else { return };
    dir.write("two.yaml", parent("c1", ", limits: {max_depth: 2}"));
    let _ = palisade(dir.path(), run("two.yaml")).exits(0);
    // Files are known when the parent is planned, and so is how deep they nest.
    dir.write("three.yaml", parent("c2", ", limits: {max_depth: 2}"));
    let refused = palisade(dir.path(), run("three.yaml")).exits(2).stderr;
    assert!(refused.contains("`max_depth` allows children 2 deep, and these are 3 deep"), "{refused}");
    // A bound of the whole runbook is looked at when it runs.
    dir.write("whole.yaml", format!("limits: {{max_depth: 2}}\n{}", parent("c2", "")));
    let _ = palisade(dir.path(), run("whole.yaml")).exits(4);
    let failure = first_failure(&dir);
    assert_eq!((&failure["kind"], &failure["key"]), (&json!("bound"), &json!("max_depth")));
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("so says `max_depth` of `Parent of c2`, which counts all runs below it"), "{message}");
    // The chain of runs, outermost first.
    let order = ["`Parent of c2` (", "runs `Parent of c1` (", "runs `Parent of leaf` ("];
    let places: Vec<_> = order.iter().map(|part| message.rfind(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{message}");
}

#[test]
fn attempts_of_all_runs_below_count_for_a_run() {
    let Some(dir) = family() else { return };
    let twice = |most: u64| {
        format!(
            "name: Twice\nlimits: {{max_runs: {most}}}\ninputs:\n  texts: {{input_schema: standard_input}}\nexecution:\n\
             \x20 - {{id: one, type: execute_workflow, file: c1.yaml, inputs: {{texts: texts}}, outputs: {{found: a}}}}\n\
             \x20 - {{id: two, type: execute_workflow, file: c1.yaml, inputs: {{texts: a}}, outputs: {{found: b}}}}\n"
        )
    };
    dir.write("enough.yaml", twice(2));
    let _ = palisade(dir.path(), run("enough.yaml")).exits(0);
    dir.write("less.yaml", twice(1));
    let _ = palisade(dir.path(), run("less.yaml")).exits(4);
    let record = record(&dir, "last");
    assert_eq!((&record["steps"][0]["status"], &record["steps"][1]["status"]), (&json!("succeeded"), &json!("failed")));
    let failure = &record["steps"][1]["failure"];
    assert_eq!((&failure["key"], &failure["most"], &failure["found"]), (&json!("max_runs"), &json!(1), &json!(2)));
}

const SPINS: &str = "
name: Spins
inputs:
  texts: {input_schema: standard_input}
execution:
  - {id: step, analyser: 'test:stepper', input: texts, config: {spin_at: bb}, outputs: {texts: found}, limits: {fuel: 900000000000, wall: 60s}}
";

#[test]
fn the_time_of_a_run_ends_all_runs_below_it() {
    let Some(dir) = family() else { return };
    dir.write("leaf.yaml", SPINS);
    dir.write("timed.yaml", format!("limits: {{max_duration: 1s}}\n{}", parent("c1", "")));
    let begun = Instant::now();
    let _ = palisade(dir.path(), run("timed.yaml")).exits(4);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(first_failure(&dir)["kind"], "limit");
    let all = json_of(&dir, &["runs", "list", "--children"]);
    let states: Vec<_> = all["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["cancelled", "cancelled", "failed"], "{all:#}");
}

/// Waits until as many runs go on.
fn until_running(dir: &Dir, count: usize) {
    let begun = Instant::now();
    let going = || {
        let listed = palisade(dir.path(), ["runs", "list", "--children", "--format", "json"]).exits(0).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["runs"].as_array().unwrap().iter().filter(|run| run["state"] == "running").count()
    };
    while going() < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "they do not run");
    }
}

#[test]
fn a_run_is_cancelled_from_another_process_with_all_runs_below_it() {
    let Some(dir) = family() else { return };
    dir.write("leaf.yaml", SPINS);
    let mut going = start(&dir, run("c2.yaml"));
    until_running(&dir, 3);
    let begun = Instant::now();
    let told = palisade(dir.path(), ["cancel", "last"]).exits(0).stderr;
    let took = begun.elapsed();
    assert!(told.contains("has ended: it is cancelled"), "{told}");
    // 100 ms without what it takes to start a process on a busy machine.
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(going.wait().unwrap().code(), Some(6));
    let all = json_of(&dir, &["runs", "list", "--children"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["state"] == "cancelled"), "{all:#}");
    let again = palisade(dir.path(), ["cancel", "last"]).exits(2).stderr;
    assert!(again.contains("has ended: it is cancelled"), "{again}");
    let resumed = palisade(dir.path(), ["resume", "last"]).exits(2).stderr;
    assert!(resumed.contains("has ended: it is cancelled"), "{resumed}");
}

#[test]
fn a_child_can_be_cancelled_alone_and_its_parent_fails() {
    let Some(dir) = family() else { return };
    dir.write("leaf.yaml", SPINS);
    let mut going = start(&dir, run("c1.yaml"));
    until_running(&dir, 2);
    let child = events(&dir, "last").iter().find(|event| event["kind"] == "ChildStarted").unwrap()["child"].clone();
    let _ = palisade(dir.path(), ["cancel", child.as_str().unwrap()]).exits(0);
    assert_eq!(going.wait().unwrap().code(), Some(1));
    assert_eq!(record(&dir, "last")["status"], "failed");
    let resumed = palisade(dir.path(), ["resume", child.as_str().unwrap()]).exits(2).stderr;
    assert!(resumed.contains("is a child of run"), "{resumed}");
}

#[test]
fn a_run_whose_process_is_gone_is_cancelled_in_its_place() {
    let Some(dir) = family() else { return };
    dir.write("leaf.yaml", SPINS);
    let mut going = start(&dir, run("c2.yaml"));
    until_running(&dir, 3);
    going.kill().unwrap();
    let _ = going.wait().unwrap();
    let told = palisade(dir.path(), ["cancel", "last"]).exits(0).stderr;
    assert!(told.contains("has ended: it is cancelled"), "{told}");
    let all = json_of(&dir, &["runs", "list", "--children"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["state"] == "cancelled"), "{all:#}");
}

#[test]
fn whenever_its_process_ends_a_run_with_children_makes_the_same() {
    let Some(whole) = family() else { return };
    let _ = palisade(whole.path(), run("c3.yaml").into_iter().chain(["--out", "out"])).exits(0);
    let expected = std::fs::read_to_string(whole.join("out/found.json")).unwrap();
    let Some(dir) = family() else { return };
    end_at_each(40, Duration::from_millis(2), |life, how| {
        end_after(start(&dir, run("c3.yaml")), life, how);
        // An early end leaves no run at all.
        let listed = runs(&dir);
        let state = listed.first().and_then(|run| run["state"].as_str());
        let goes_on = state.is_some_and(|state| ["abandoned", "interrupted"].contains(&state));
        if goes_on {
            let _ = palisade(dir.path(), ["resume", "last", "-q", "--out", "out"]).exits(0);
            assert_eq!(std::fs::read_to_string(dir.join("out/found.json")).unwrap(), expected);
        }
        goes_on
    });
    journal::all(&journal::open(&dir.join(".palisade"))).values().for_each(|events| nothing_is_done_twice(events));
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
}

#[test]
fn a_loop_over_a_child_feeds_it_what_it_made() {
    let Some(dir) = family() else { return };
    dir.write(
        "loop.yaml",
        "name: Loop\ninputs:\n  texts: {input_schema: standard_input}\nexecution:\n  - {id: again, type: loop, \
         file: leaf.yaml, inputs: {texts: texts}, outputs: {found: longer}, until: 'longer.data.exists(d, size(d.content) >= 4)', \
         max_iterations: 9}\n",
    );
    let _ = palisade(dir.path(), run("loop.yaml").into_iter().chain(["--out", "out"])).exits(0);
    assert_eq!(texts(&dir, "out/longer.json"), ["axx", "bbxx"]);
    assert_eq!(record(&dir, "last")["children"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failed_child_says_in_its_parent_what_failed_and_why() {
    let Some(dir) = family() else { return };
    dir.write("leaf.yaml", LEAF.replace("outputs: {texts: longer}", "config: {fail_at: bb}, outputs: {texts: longer}"));
    let _ = palisade(dir.path(), run("c1.yaml")).exits(1);
    let failure = first_failure(&dir);
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("(`Leaf`) failed: step `step`: it was told to fail here"), "{message}");
}

#[test]
fn a_child_may_do_no_more_than_its_parent() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let child = "name: Child\nexecution:\n  - {id: files, type: source, connector: filesystem, config: {path: data}}\n";
    let parent = "name: Parent\nMAYexecution:\n  - {id: go, type: execute_workflow, file: child.yaml}\n";
    dir.write("child.yaml", child.replace("path: data}", "path: data}, output: found"));
    dir.write("may.yaml", parent.replace("MAY", ""));
    let _ = palisade(dir.path(), ["run", "-q", "may.yaml", "--out", "out"]).exits(0);
    assert!(dir.join("out/go/found.json").is_file(), "what has no name in the parent is in a folder of its step");
    dir.write("may-not.yaml", parent.replace("MAY", "capabilities: []\n"));
    let denied = palisade(dir.path(), ["run", "-q", "may-not.yaml"]).exits(3).stderr;
    assert!(denied.contains("step `go/files` may not use what `/path` of its config names"), "{denied}");
}

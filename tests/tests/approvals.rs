//! Steps that wait for a person: no process waits with them, and the answer of whoever may give it counts.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use palisade_tests::told::record;
use palisade_tests::{Dir, palisade, root};
use serde_json::Value;

/// The demo's files, and a runbook that asks before it looks at them.
fn asking(approval: &str) -> Dir {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    dir.write(
        "ask.yaml",
        format!(
            "name: Asks\nexecution:\n  - {{id: files, type: source, connector: filesystem, config: {{path: data}}, output: files}}\n\
             \x20 - {{id: ask, type: approval, message: 'Shall it run?', input: files{approval}}}\n\
             \x20 - {{id: find, analyser: personal_data, input: files, after: ask, output: found,\n\
             \x20    config: {{pattern_matching: {{ruleset: local/demo_personal_data/1.0.0}}}}}}\n"
        ),
    );
    dir
}

fn awaited(dir: &Dir) -> Vec<Value> {
    let listed = palisade(dir.path(), ["approvals", "list", "--format", "json"]).exits(0).stdout;
    serde_json::from_str::<Value>(&listed).unwrap()["approvals"].as_array().unwrap().clone()
}

fn status(record: &Value, step: &str) -> String {
    let steps = record["steps"].as_array().unwrap();
    steps.iter().find(|told| told["id"] == step).unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_waits_as_a_row_and_goes_on_with_a_yes() {
    let dir = asking("");
    let told = palisade(dir.path(), ["run", "ask.yaml"]).exits(5).stderr;
    assert!(told.contains("palisade approve"), "{told}");
    let waiting = awaited(&dir);
    assert_eq!((waiting[0]["path"].as_str(), waiting[0]["message"].as_str()), (Some("ask"), Some("Shall it run?")));
    assert_eq!(status(&record(&dir, "last"), "find"), "waiting");
    // Nobody has answered: it waits on.
    let _ = palisade(dir.path(), ["resume", "last"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "last", "--note", "looks good", "--out", "out"]).exits(0);
    assert!(dir.join("out/found.json").is_file());
    assert!(awaited(&dir).is_empty());
    let events = palisade(dir.path(), ["runs", "show", "last", "--events"]).exits(0).stdout;
    assert!(events.contains("ask: yes, by ") && events.contains(": looks good"), "{events}");
    let again = palisade(dir.path(), ["approve", "last"]).exits(2).stderr;
    assert!(again.contains("does not wait for a person"), "{again}");
}

/// The example, as its first lines say.
#[test]
fn the_reviewed_example_classifies_what_a_person_let_through() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml", "--out", "plain"]).exits(0);
    let _ = palisade(dir.path(), ["run", "-q", "reviewed.yaml"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--out", "out"]).exits(0);
    let findings = |out: &str| {
        let text = std::fs::read(dir.join(out).join("privacy.json")).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        let findings = document["findings"].as_array().unwrap().iter();
        findings.map(|finding| (finding["id"].clone(), finding["matched_patterns"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(findings("out"), findings("plain"));
    assert!(!findings("out").is_empty());
    let tree = palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout;
    assert!(tree.contains("Privacy categories") && tree.contains("categories  analyse"), "{tree}");
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn a_no_fails_the_step_and_skips_what_comes_after_it() {
    let dir = asking("");
    let _ = palisade(dir.path(), ["run", "-q", "ask.yaml"]).exits(5);
    let _ = palisade(dir.path(), ["reject", "last", "ask", "--note", "not on a Friday"]).exits(3);
    let record = record(&dir, "last");
    assert_eq!(status(&record, "ask"), "failed");
    assert_eq!((status(&record, "find"), status(&record, "files")), ("skipped".to_owned(), "succeeded".to_owned()));
    let failure =
        record["steps"].as_array().unwrap().iter().find(|step| step["id"] == "ask").unwrap()["failure"].clone();
    assert_eq!(failure["kind"], "rejected");
    assert!(failure["message"].as_str().unwrap().ends_with(" said no: not on a Friday"), "{failure}");
}

#[test]
fn an_answer_can_be_written_down_alone() {
    let dir = asking("");
    let _ = palisade(dir.path(), ["run", "-q", "ask.yaml"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "last", "--no-run"]).exits(0);
    assert!(awaited(&dir).is_empty());
    assert_eq!(record(&dir, "last")["status"], "waiting");
    let _ = palisade(dir.path(), ["resume", "-q", "last"]).exits(0);
}

#[test]
fn time_answers_with_a_no_also_when_no_process_lives() {
    let dir = asking(", expires: 1ms");
    let _ = palisade(dir.path(), ["run", "-q", "ask.yaml"]);
    let late = asking(", expires: 1s");
    let _ = palisade(late.path(), ["run", "-q", "ask.yaml"]).exits(5);
    let expires = awaited(&late)[0]["expires_at_ms"].as_u64().unwrap();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    while now() < u128::from(expires) {
        std::thread::yield_now();
    }
    let told = palisade(late.path(), ["approve", "last"]).exits(2).stderr;
    assert!(told.contains("waited for a person was over"), "{told}");
    let _ = palisade(late.path(), ["resume", "-q", "last"]).exits(3);
    let _ = palisade(dir.path(), ["resume", "-q", "last"]);
    for dir in [&late, &dir] {
        let record = record(dir, "last");
        assert_eq!((status(&record, "ask").as_str(), status(&record, "find").as_str()), ("failed", "skipped"));
    }
}

#[test]
fn only_those_named_may_answer() {
    let dir = asking(", approvers: [nobody-by-this-name]");
    let _ = palisade(dir.path(), ["run", "-q", "ask.yaml"]).exits(5);
    let denied = palisade(dir.path(), ["approve", "last"]).exits(3).stderr;
    assert!(denied.contains("`ask` waits for nobody-by-this-name, and you are "), "{denied}");
    assert_eq!(awaited(&dir).len(), 1);
}

#[test]
fn what_a_child_waits_for_is_answered_through_its_parent() {
    let dir = asking("");
    dir.write(
        "parent.yaml",
        "name: Parent\nexecution:\n  - {id: one, type: execute_workflow, file: ask.yaml, outputs: {found: first}}\n  \
         - {id: two, type: execute_workflow, file: ask.yaml, outputs: {found: second}}\n",
    );
    let _ = palisade(dir.path(), ["run", "-q", "parent.yaml"]).exits(5);
    let paths: Vec<_> = awaited(&dir).iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths, ["one/ask", "two/ask"]);
    let several = palisade(dir.path(), ["approve", "last"]).exits(2).stderr;
    assert!(several.contains("several steps") && several.contains("`one/ask`, `two/ask`"), "{several}");
    let _ = palisade(dir.path(), ["approve", "-q", "last", "one/ask"]).exits(5);
    assert_eq!(status(&record(&dir, "last"), "one"), "succeeded");
    assert_eq!(status(&record(&dir, "last"), "two"), "waiting");
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--out", "out"]).exits(0);
    assert!(dir.join("out/first.json").is_file() && dir.join("out/second.json").is_file());
}

#[test]
fn a_waiting_run_can_be_cancelled_with_the_children_that_wait() {
    let dir = asking("");
    dir.write(
        "parent.yaml",
        "name: Parent\nexecution:\n  - {id: one, type: execute_workflow, file: ask.yaml, outputs: {found: first}}\n",
    );
    let _ = palisade(dir.path(), ["run", "-q", "parent.yaml"]).exits(5);
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    assert!(awaited(&dir).is_empty());
    let all = palisade(dir.path(), ["runs", "list", "--children", "--format", "json"]).exits(0).stdout;
    let all: Value = serde_json::from_str(&all).unwrap();
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["state"] == "cancelled"), "{all:#}");
}

//! Steps that wait for a person: no process waits with them, and the answer of whoever may give it counts.

use palisade_tests::command::command;
use palisade_tests::told::{record, write_texts};
use palisade_tests::{Dir, journal, palisade, root, skipped, with_stepper};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

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

/// A folder with one approval in a runbook, where the answers of two keys count and two people are to look.
fn with_approvers(four_eyes: bool) -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a", "bb"]);
    let listed: Vec<String> = ["ann", "bob", "eve"]
        .iter()
        .map(|name| {
            let file = format!("{name}.key");
            let told = palisade(dir.path(), ["approvals", "key", name, "--out", &file]).exits(0).stdout;
            told.split('"').nth(1).unwrap().to_owned()
        })
        .collect();
    let [ann, bob, _] = listed.as_slice() else { panic!("three keys") };
    let settings = format!("[approval]\nfour_eyes = {four_eyes}\napprovers = [\"{ann}\", \"{bob}\"]\n");
    dir.write("palisade.toml", settings);
    dir.write(
        "asks.yaml",
        "name: Asks\ninputs:\n  texts: {input_schema: standard_input}\nexecution:\n\
         \x20 - {id: look, type: approval, message: 'Go on?', input: texts}\n\
         \x20 - {id: then, analyser: 'test:stepper', input: texts, after: look, outputs: {texts: more}}\n",
    );
    Some(dir)
}

const ASKS: [&str; 5] = ["run", "-q", "asks.yaml", "--input", "texts=texts.json"];

#[test]
fn only_what_a_listed_approver_signed_is_an_approval() {
    let Some(dir) = with_approvers(false) else { return };
    let _ = palisade(dir.path(), ASKS).exits(5);
    let refused = |args: &[&str], code: i32, why: &str| {
        let told = palisade(dir.path(), args).exits(code).stderr;
        assert!(told.contains(why), "{told}");
    };
    refused(&["approve", "last"], 3, "the answer is not signed");
    refused(&["reject", "last"], 3, "the answer is not signed");
    refused(&["approve", "last", "--key", "eve.key"], 3, "no approver of that name is listed");
    refused(&["approve", "last", "--key", "palisade.toml"], 2, "--key palisade.toml: it is no Ed25519 key");
    refused(&["approve", "last", "--key", "palisade.toml"], 2, "`palisade approvals key NAME --out FILE` writes such");
    refused(&["approve", "last", "--key", "nowhere.key"], 2, "--key nowhere.key: No such file");
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--key", "bob.key", "--reason", "seen"]).exits(0);
    let told = palisade(dir.path(), ["runs", "show", "last", "--events"]).exits(0).stdout;
    assert!(told.contains("look: yes, by bob (signed): seen"), "{told}");
    let log = palisade(dir.path(), ["audit", "log", "--kind", "approval_decided", "--format", "json"]).exits(0).stdout;
    assert!(log.contains("\"authenticated\": true") || log.contains("\"authenticated\":true"), "{log}");
    // A run that was approved is not a run that may be forked without being asked again.
    let _ = palisade(dir.path(), ["runs", "fork", "-q", "last", "--at", "then"]).exits(5);
}

#[test]
fn who_starts_a_run_does_not_approve_it_where_two_are_to_look() {
    let Some(dir) = with_approvers(true) else { return };
    let told = palisade(dir.path(), ASKS).exits(3).stderr;
    assert!(told.contains("one of them has to start it"), "{told}");
    let _ = palisade(dir.path(), ASKS.iter().chain(&["--key", "eve.key"])).exits(3);
    let _ = palisade(dir.path(), ASKS.iter().chain(&["--key", "ann.key"])).exits(5);
    let told = palisade(dir.path(), ["approve", "last", "--key", "ann.key"]).exits(3).stderr;
    assert!(told.contains("`ann` started the run, and two people are to have looked at it"), "{told}");
    assert!(told.contains("help: another one of [approval] approvers answers"), "{told}");
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--key", "bob.key"]).exits(0);
    let settings = std::fs::read_to_string(dir.join("palisade.toml")).unwrap();
    let (one, _) = settings.rsplit_once(", ").unwrap();
    dir.write("palisade.toml", format!("{one}]\n"));
    let told = palisade(dir.path(), ["runs", "list"]).exits(2).stderr;
    assert!(told.contains("needs the keys of two approvers or more"), "{told}");
}

#[test]
fn a_row_in_the_database_is_no_approval() {
    let Some(dir) = with_approvers(false) else { return };
    let _ = palisade(dir.path(), ASKS).exits(5);
    let connection = journal::open(&dir.join(".palisade"));
    let waiting = journal::events(&connection);
    // As an answer that waits to be taken.
    let decide = json!({"kind": "decide", "step": "look", "approved": true, "by": "bob"}).to_string();
    let sql = "INSERT INTO request (tenant, run, bytes) SELECT tenant, run, CAST(?1 AS BLOB) FROM run";
    assert_eq!(connection.execute(sql, [&decide]).unwrap(), 1);
    let _ = palisade(dir.path(), ["resume", "-q", "last"]).exits(5);
    assert!(journal::events(&connection).iter().all(|event| event["kind"] != "ApprovalDecided"));
    // As an event of a journal whose chain holds: unsigned, and with the signature of another run's answer.
    let _ = palisade(dir.path(), ASKS).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--key", "bob.key"]).exits(0);
    let is_answer = |event: &&Value| event["kind"] == "ApprovalDecided";
    let signed = journal::events(&connection).iter().find(is_answer).unwrap().clone();
    let mut unsigned = signed.clone();
    unsigned.as_object_mut().unwrap().remove("signature");
    let _ = palisade(dir.path(), ASKS).exits(5);
    let another = journal::events(&connection);
    assert_eq!(another.len(), waiting.len());
    for (answer, why) in [(unsigned, "the answer is not signed"), (signed, "it is an answer to something else")] {
        journal::rewrite(&connection, &[another.as_slice(), &[answer]].concat());
        let told = palisade(dir.path(), ["resume", "-q", "last"]).exits(3).stderr;
        assert!(told.contains("holds an approval that does not count") && told.contains(why), "{told}");
    }
}

/// Runs the tool on a terminal of its own, with these lines typed; gives what was seen and the exit code.
fn at_a_terminal(dir: &Dir, args: &str, typed: &str) -> Option<(String, Option<i32>)> {
    let tool = command(dir.path()).get_program().to_string_lossy().into_owned();
    let mut terminal = command(dir.path());
    let mut terminal = std::process::Command::new("script")
        .args(["-qec", &format!("{tool} {args}"), "/dev/null"])
        .current_dir(dir.path())
        .envs(terminal.env("TERM", "dumb").get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    terminal.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let seen = terminal.wait_with_output().unwrap();
    Some((String::from_utf8_lossy(&seen.stdout).into_owned(), seen.status.code()))
}

#[test]
fn who_sits_at_a_terminal_is_asked_and_may_leave_it() {
    let dir = asking("");
    let Some((seen, code)) = at_a_terminal(&dir, "run ask.yaml", "\n") else {
        return skipped("there is no `script`");
    };
    assert_eq!(code, Some(5), "{seen}");
    assert!(seen.contains("Shall it run?") && seen.contains("yes, no, or Enter to leave it waiting?"), "{seen}");
    assert_eq!(awaited(&dir).len(), 1);
    let (seen, code) = at_a_terminal(&dir, "resume last", "no\n").unwrap();
    assert_eq!((code, awaited(&dir).len()), (Some(3), 0), "{seen}");
    let (seen, code) = at_a_terminal(&dir, "run ask.yaml --out out", "yes\n").unwrap();
    assert_eq!(code, Some(0), "{seen}");
    assert!(dir.join("out/found.json").is_file());
    // Nobody is asked who wants no more than the result, or whose answer would not count.
    let (seen, code) = at_a_terminal(&dir, "run -q ask.yaml", "yes\n").unwrap();
    assert_eq!((code, seen.contains("Enter to leave")), (Some(5), false), "{seen}");
    dir.write(
        "ask.yaml",
        fs::read_to_string(dir.join("ask.yaml"))
            .unwrap()
            .replace("input: files}", "input: files, approvers: [nobody-here]}"),
    );
    let (seen, code) = at_a_terminal(&dir, "run ask.yaml", "yes\n").unwrap();
    assert_eq!((code, seen.contains("Enter to leave")), (Some(5), false), "{seen}");
}

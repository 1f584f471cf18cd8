//! Runs again from their records: the same comes out, wherever and with whatever is left; and what was altered is named.

use palisade_model::Digest;
use palisade_model::canonical::artifact_digest;
use palisade_tests::{Dir, Outcome, command, journal, palisade, root, with_stepper};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn demo() -> Dir {
    let dir = Dir::new();
    dir.copy_from(&root().join("examples/demo"));
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    dir
}

/// Replays the latest run of a data directory from a folder that has nothing of it.
fn elsewhere(data_dir: &Path, more: &[&str]) -> Outcome {
    let away = Dir::new();
    let data_dir = data_dir.to_str().unwrap();
    palisade(away.path(), ["replay", "last", "--data-dir", data_dir].iter().chain(more))
}

/// What is told of the one run that was replayed.
fn told(outcome: &Outcome) -> Value {
    let all: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(all["runs"].as_array().map(Vec::len), Some(1), "{all}");
    all["runs"][0].clone()
}

#[track_caller]
fn is_the_same(data_dir: &Path, [replayed, fed, as_recorded]: [u64; 3]) {
    let told = told(&elsewhere(data_dir, &["--format", "json"]).exits(0));
    assert_eq!(told["result"], "same", "{told:#}");
    let expected = json!({"replayed": replayed, "fed": fed, "as_recorded": as_recorded});
    assert_eq!(told["attempts"], expected, "{told:#}");
}

#[test]
fn the_same_comes_out_when_all_but_the_record_is_gone() {
    let dir = demo();
    let before = database(dir.path()).1;
    let kept = Dir::new();
    std::fs::rename(dir.join(".palisade"), kept.join("data")).unwrap();
    drop(dir);
    is_the_same(&kept.join("data"), [2, 1, 0]);
    let text = elsewhere(&kept.join("data"), &[]).exits(0);
    assert!(text.stdout.starts_with("✓ the same  "), "{}", text.stdout);
    assert!(text.stdout.contains("attempts: 2 replayed, 1 fed from the record"), "{}", text.stdout);
    assert_eq!(text.stderr, "");
    // It wrote nothing down.
    assert_eq!(journal::events(&journal::open(&kept.join("data"))), before);
}

#[test]
fn all_runs_are_replayed_the_oldest_first() {
    let dir = demo();
    let _ = palisade(dir.path(), ["run", "-q", "special_categories.yaml"]).exits(0);
    let all = palisade(dir.path(), ["replay", "--all", "--format", "json"]).exits(0).stdout;
    let all: Value = serde_json::from_str(&all).unwrap();
    let results: Vec<_> = all["runs"].as_array().unwrap().iter().map(|run| (&run["name"], &run["result"])).collect();
    let name = |runbook: &str| {
        let text = std::fs::read_to_string(dir.join(runbook)).unwrap();
        json!(text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap().trim_matches('"'))
    };
    let same = json!("same");
    let (first, second) = (name("runbook.yaml"), name("special_categories.yaml"));
    assert_eq!(results, [(&first, &same), (&second, &same)]);
}

const STEPS: &str = r#"
name: Steps
inputs:
  docs: {input_schema: standard_input}
execution:
  - name: Grow
    type: loop
    analyser: test:stepper
    input: docs
    until: "texts.data.all(text, size(text.content) >= 4)"
    max_iterations: 9
    outputs: {texts: texts, lengths: lengths}
  - name: Each
    type: map
    analyser: test:stepper
    input: texts
    max_items: 9
    max_concurrency: 2
    config: {append: "!", enough: "{{ lengths.summary.longest }}"}
    outputs: {texts: mapped}
  - name: Never
    analyser: test:stepper
    input: mapped
    when: lengths.summary.longest > 90
    outputs: {texts: never}
  - name: Fails
    analyser: test:stepper
    input: mapped
    config: {fail_at: axxx!}
    optional: true
    outputs: {texts: failed}
  - name: Spins
    analyser: test:stepper
    input: mapped
    config: {spin_at: axxx!}
    limits: {fuel: 1000000, fuel_per_input_byte: 1}
    optional: true
    outputs: {texts: spun}
"#;

/// A run of steps of every kind, in a folder where the stepper is added.
fn steps() -> Option<Dir> {
    let dir = with_stepper()?;
    let data: Vec<_> = ["a", "bc"].map(|text| json!({"content": text, "metadata": {"source": "x"}})).to_vec();
    dir.write("docs.json", json!({"schemaVersion": "1.0.0", "name": "docs", "data": data}).to_string());
    dir.write("runbook.yaml", STEPS);
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml", "--input", "docs=docs.json"]).exits(4);
    Some(dir)
}

#[test]
fn loops_maps_conditions_values_and_failures_are_replayed() {
    let Some(dir) = steps() else { return };
    // Three iterations, the map, one that fails, one that comes to its limit.
    is_the_same(&dir.join(".palisade"), [6, 0, 0]);
    let one_thread = elsewhere(&dir.join(".palisade"), &["--threads", "1"]).exits(0);
    assert!(one_thread.stdout.starts_with("✓ the same"), "{}", one_thread.stdout);
}

#[test]
fn a_component_is_taken_from_the_record_when_it_was_removed() {
    let Some(dir) = steps() else { return };
    let _ = palisade(dir.path(), ["component", "remove", "test:stepper@1.0.0"]).exits(0);
    is_the_same(&dir.join(".palisade"), [6, 0, 0]);
    // It is no part of the installation again.
    let listed = palisade(dir.path(), ["component", "list"]).exits(0).stdout;
    assert!(!listed.contains("test:stepper"), "{listed}");
}

const LATE: &str = "
name: Late
execution:
  - name: Files
    type: source
    connector: filesystem
    config: {path: late}
    retry: {max_attempts: 9, backoff: 1h}
    output: files
";

#[test]
fn a_run_is_replayed_that_lost_its_process_and_went_on() {
    let dir = Dir::new();
    dir.write("runbook.yaml", LATE);
    let mut going =
        command::command(dir.path()).args(["run", "-q", "runbook.yaml"]).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !palisade(dir.path(), ["runs", "show", "last", "--events"]).stdout.contains("AttemptFailed") {
        assert_eq!(going.try_wait().unwrap(), None, "it has ended");
        assert!(begun.elapsed() < Duration::from_secs(60), "its first attempt does not fail");
    }
    let data_dir = dir.join(".palisade");
    // While it goes on.
    is_the_same(&data_dir, [0, 0, 1]);
    going.kill().unwrap();
    let _ = going.wait().unwrap();
    is_the_same(&data_dir, [0, 0, 1]);
    // The wait goes on in the next process, which is told to end; then there are two resumptions and an interruption.
    let mut resumed = command::command(dir.path())
        .args(["resume", "last", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !palisade(dir.path(), ["runs", "show", "last", "--events"]).stdout.contains("RunResumed") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not go on");
    }
    let sent = std::process::Command::new("kill").args(["-INT", &resumed.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let _ = resumed.wait().unwrap();
    let (_, events) = database(dir.path());
    assert_eq!(
        (&events[events.len() - 1]["status"], &events[1]["kind"]),
        (&json!("interrupted"), &json!("StepScheduled"))
    );
    is_the_same(&data_dir, [0, 0, 1]);
}

fn database(dir: &Path) -> (Connection, Vec<Value>) {
    let connection = journal::open(&dir.join(".palisade"));
    let events = journal::events(&connection);
    (connection, events)
}

fn position(events: &[Value], kind: &str, step: &str) -> usize {
    let is_it = |event: &Value| event["kind"] == kind && (step.is_empty() || event["step"] == step);
    events.iter().rposition(is_it).unwrap_or_else(|| panic!("no {kind} of {step}"))
}

/// Rewrites an event, checks where the replay finds it, and gives its message.
#[track_caller]
fn altered(dir: &Path, (kind, step): (&str, &str), alter: impl FnOnce(&mut Value)) -> String {
    let (connection, original) = database(dir);
    let index = position(&original, kind, step);
    let mut events = original.clone();
    alter(&mut events[index]);
    assert!(events != original, "nothing was altered");
    journal::rewrite(&connection, &events);
    let outcome = elsewhere(&dir.join(".palisade"), &["--format", "json"]).exits(7);
    let told = told(&outcome);
    assert_eq!(told["result"], "differs", "{told:#}");
    assert_eq!(told["difference"]["event"], index + 1, "{told:#}");
    journal::rewrite(&connection, &original);
    told["difference"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_changed_event_breaks_the_chain() {
    let dir = demo();
    let (connection, mut events) = database(dir.path());
    let index = position(&events, "AttemptSucceeded", "personal_data");
    events[index]["skipped_count"] = json!(7);
    let sql = "UPDATE event SET bytes = ?1 WHERE seq = ?2";
    connection.execute(sql, params![events[index].to_string().as_bytes(), index as i64 + 1]).unwrap();
    let outcome = elsewhere(&dir.join(".palisade"), &[]).exits(7);
    assert!(outcome.stderr.contains(&format!("event {} is not what was written", index + 1)), "{}", outcome.stderr);
}

#[test]
fn a_changed_event_is_found_though_the_chain_was_made_anew() {
    let Some(dir) = steps() else { return };
    let dir = dir.path();
    let same = |event: &mut Value, key: &str, value: Value| event[key] = value;
    let message = altered(dir, ("RunEnded", ""), |event| same(event, "status", json!("failed")));
    assert_eq!(message, "RunEnded as failed is recorded, and RunEnded as succeeded follows");
    let message = altered(dir, ("LoopEnded", "grow"), |event| same(event, "held", json!(false)));
    assert!(message.ends_with("since its condition held follows"), "{message}");
    let message = altered(dir, ("ConditionEvaluated", "never"), |event| same(event, "outcome", json!({"is": "true"})));
    assert_eq!(message, "its condition held when it was recorded, and did not hold");
    let message = altered(dir, ("ValueResolved", "each"), |event| event["outcome"]["values"][0]["value"] = json!(1));
    assert_eq!(message, "a number was recorded, and another one comes out");
    let message = altered(dir, ("AttemptSucceeded", "each"), |event| same(event, "skipped_count", json!(7)));
    assert_eq!(message, "what it left out or logged is not what was recorded");
    let message = altered(dir, ("AttemptSucceeded", "each"), |event| event["usage"]["fuel"] = json!(7));
    assert!(message.starts_with("it used 7 of fuel when it was recorded, and uses "), "{message}");
    let message = altered(dir, ("AttemptSucceeded", "each"), |event| event["outputs"][0]["items"] = json!(7));
    assert_eq!(message, "the event counts it otherwise than it is stored");
    let message = altered(dir, ("AttemptStarted", "each"), |event| same(event, "runs", json!(7)));
    assert!(message.contains("another number of runs"), "{message}");
    // As it was written before the plan alone said it.
    let message = altered(dir, ("AttemptStarted", "each"), |event| {
        (event["v"], event["limits"]) = (json!(1), json!({"fuel": {"value": 7, "set_by": "default", "ceiling": 7}}));
    });
    assert_eq!(message, "the attempt is recorded with other limits than its plan");
    let message = altered(dir, ("AttemptFailed", "fails"), |event| event["failure"]["kind"] = json!("failed"));
    assert_eq!(message, "it failed when it was recorded (failed), and fails otherwise: bad input");
}

#[test]
fn a_forged_artifact_is_found_at_its_item() {
    let dir = demo();
    let (connection, mut events) = database(dir.path());
    let index = position(&events, "AttemptSucceeded", "personal_data");
    let output = events[index]["outputs"][0].clone();
    let digest: Digest = output["artifact"].as_str().unwrap().parse().unwrap();
    let find = "SELECT artifact.metadata, content.bytes FROM artifact \
                JOIN content ON content.digest = artifact.items WHERE artifact.digest = ?1";
    let (metadata, lines): (String, Vec<u8>) =
        connection.query_row(find, params![digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    // The third finding is given another category, and nothing else is touched.
    let mut items: Vec<String> = String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect();
    let mut third: Value = serde_json::from_str(&items[2]).unwrap();
    third["category"] = json!("harmless");
    items[2] = third.to_string();
    let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
    let items_digest = Digest::of(lines.as_bytes());
    let schema = output["schema"].as_str().unwrap();
    let forged = artifact_digest(&schema.parse().unwrap(), items_digest, &serde_json::from_str(&metadata).unwrap());
    let insert =
        "INSERT INTO content (tenant, digest, length, lines, marks, bytes) SELECT tenant, ?1, ?2, ?3, ?4, ?5 FROM run";
    let (length, count) = (lines.len() as i64, items.len() as i64);
    connection.execute(insert, params![items_digest.as_bytes(), length, count, [0_u8; 0], lines.as_bytes()]).unwrap();
    let insert =
        "INSERT INTO artifact (tenant, digest, schema, items, metadata) SELECT tenant, ?1, ?2, ?3, ?4 FROM run";
    connection.execute(insert, params![forged.as_bytes(), schema, items_digest.as_bytes(), metadata]).unwrap();
    events[index]["outputs"][0]["artifact"] = json!(forged);
    events[index]["outputs"][0]["bytes"] = json!(length);
    journal::rewrite(&connection, &events);
    let outcome = elsewhere(&dir.join(".palisade"), &["--format", "json"]).exits(7);
    let told = told(&outcome);
    let difference = &told["difference"];
    assert_eq!(
        (&difference["event"], &difference["step"], &difference["port"], &difference["item"], &difference["pointer"]),
        (&json!(index + 1), &json!("personal_data"), &json!("findings"), &json!(2), &json!("/category")),
        "{told:#}"
    );
    let text = elsewhere(&dir.join(".palisade"), &[]).exits(7).stdout;
    let expected = format!(
        "event {}, step `personal_data`, attempt 1, output `findings`, item 2, `/category`: a text of 8 characters",
        index + 1
    );
    assert!(text.contains(&expected) && !text.contains("harmless"), "{text}");
}

/// Changes one byte of what is stored under a digest.
fn flip(dir: &Path, digest: &Value) {
    let digest: Digest = digest.as_str().unwrap().parse().unwrap();
    let (connection, _) = database(dir);
    let bytes =
        connection.query_row("SELECT bytes FROM content WHERE digest = ?1", params![digest.as_bytes()], |row| {
            row.get::<_, Option<Vec<u8>>>(0)
        });
    if let Some(mut bytes) = bytes.unwrap() {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        connection
            .execute("UPDATE content SET bytes = ?1 WHERE digest = ?2", params![bytes, digest.as_bytes()])
            .unwrap();
        return;
    }
    let find = "SELECT file FROM segment WHERE digest = ?1 AND position = 0";
    let file: String = connection.query_row(find, params![digest.as_bytes()], |row| row.get(0)).unwrap();
    let file = dir.join(".palisade/artifacts").join(file);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// The digest of the items of an artifact.
fn items_of(dir: &Path, artifact: &Value) -> Value {
    let digest: Digest = artifact.as_str().unwrap().parse().unwrap();
    let sql = "SELECT items FROM artifact WHERE digest = ?1";
    let items: [u8; 32] = database(dir).0.query_row(sql, params![digest.as_bytes()], |row| row.get(0)).unwrap();
    json!(Digest::from_bytes(items))
}

#[test]
fn one_changed_byte_is_located() {
    for (step, port) in [("files", "documents"), ("privacy", "findings")] {
        let dir = demo();
        let (_, events) = database(dir.path());
        let output = &events[position(&events, "AttemptSucceeded", step)]["outputs"][0];
        assert_eq!(output["port"], port);
        flip(dir.path(), &items_of(dir.path(), &output["artifact"]));
        let told = elsewhere(&dir.join(".palisade"), &[]).exits(7).stderr;
        let expected = format!("output `{port}` of step `{step}` is not what was recorded");
        assert!(told.contains(&expected), "{told}");
    }
    let dir = demo();
    let (_, events) = database(dir.path());
    for kind in ["component palisade:filesystem@", "ruleset ", "schema ", "plan"] {
        let contents = events[0]["contents"].as_object().unwrap();
        let (name, digest) = contents.iter().find(|(name, _)| name.starts_with(kind)).unwrap();
        let bytes = if kind == "ruleset " { items_of(dir.path(), digest) } else { digest.clone() };
        flip(dir.path(), &bytes);
        let told = elsewhere(&dir.join(".palisade"), &[]).exits(7).stderr;
        let expected = if kind == "plan" || kind == "schema " { "is damaged" } else { "is not what was recorded" };
        assert!(told.contains(expected) && told.contains(&bytes.as_str().unwrap()[..12]), "{name}: {told}");
        // The same bit again.
        flip(dir.path(), &bytes);
    }
    is_the_same(&dir.join(".palisade"), [2, 1, 0]);
}

#[test]
fn what_was_erased_is_told_as_missing() {
    let dir = demo();
    let (connection, events) = database(dir.path());
    let artifact = &events[position(&events, "AttemptSucceeded", "files")]["outputs"][0]["artifact"];
    let digest: Digest = artifact.as_str().unwrap().parse().unwrap();
    connection.execute("DELETE FROM artifact WHERE digest = ?1", params![digest.as_bytes()]).unwrap();
    let told = elsewhere(&dir.join(".palisade"), &[]).exits(7).stderr;
    let expected = format!("output `documents` of step `files` is not in the store any more: {digest}");
    assert!(told.contains(&expected), "{told}");
    let all = palisade(dir.path(), ["replay", "--all"]).exits(7).stdout;
    assert!(all.starts_with("■ not replayed  ") && all.contains(&expected), "{all}");
}

/// Replays the latest run by an edited runbook.
fn by(dir: &Path, runbook: &str, code: i32) -> Value {
    let args = ["replay", "last", "--runbook", runbook, "--format", "json"];
    told(&palisade(dir, args).exits(code))
}

#[test]
fn an_edited_runbook_names_the_first_step_that_makes_something_else() {
    let dir = demo();
    let runbook = std::fs::read_to_string(dir.join("runbook.yaml")).unwrap();
    // What the files say by now is not asked.
    std::fs::remove_dir_all(dir.join("data")).unwrap();
    let same = by(dir.path(), "runbook.yaml", 0);
    assert_eq!((&same["result"], &same["new"], &same["gone"]), (&json!("same"), &json!([]), &json!([])));
    assert_eq!(same["attempts"], json!({"replayed": 2, "fed": 1, "as_recorded": 0}));
    dir.write("edited.yaml", runbook.replace("evidence_context_size: small", "evidence_context_size: large"));
    let edited = by(dir.path(), "edited.yaml", 1);
    let difference = &edited["difference"];
    assert_eq!((&edited["result"], &difference["step"]), (&json!("differs"), &json!("personal_data")), "{edited:#}");
    assert!(difference["pointer"].as_str().unwrap().starts_with("/evidence"), "{edited:#}");
    assert!(difference["event"].is_null() && difference["item"].is_u64(), "{edited:#}");
    // A source that would read something else can't be told.
    dir.write("elsewhere.yaml", runbook.replace("path: \"data\"", "path: \"other\""));
    let args = ["replay", "last", "--runbook", "elsewhere.yaml"];
    let told = palisade(dir.path(), args).exits(2).stderr;
    assert!(
        told.contains("it is not comparable: step `files`: it reads from outside, and its component or config"),
        "{told}"
    );
    // All runs of that name, and no others.
    let _ = palisade(dir.path(), ["run", "-q", "special_categories.yaml"]);
    let all = palisade(dir.path(), ["replay", "--all", "--runbook", "edited.yaml"]).exits(1).stdout;
    assert_eq!(all.matches("✗ it differs").count(), 1, "{all}");
    assert!(!all.contains("Special categories"), "{all}");
}

#[test]
fn an_edited_runbook_may_have_other_steps_loops_and_conditions() {
    let Some(dir) = steps() else { return };
    let edit = |from: &str, to: &str| {
        let edited = STEPS.replace(from, to);
        assert_ne!(edited, STEPS);
        dir.write("edited.yaml", edited);
        let args = ["replay", "last", "--runbook", "edited.yaml", "--format", "json"];
        told(&palisade(dir.path(), args))
    };
    let message = |told: &Value| told["difference"]["message"].as_str().unwrap_or_default().to_owned();
    dir.write("same.yaml", STEPS);
    assert_eq!(by(dir.path(), "same.yaml", 0)["result"], "same");
    let longer = edit("size(text.content) >= 4", "size(text.content) >= 5");
    assert_eq!((&longer["difference"]["step"], &longer["difference"]["item"]), (&json!("grow"), &json!(0)));
    let other = edit(r#"append: "!""#, r#"append: "?""#);
    assert_eq!((&other["difference"]["step"], &other["difference"]["port"]), (&json!("each"), &json!("texts")));
    let held = edit("lengths.summary.longest > 90", "lengths.summary.longest > 1");
    assert_eq!(
        (&held["difference"]["step"], message(&held)),
        (&json!("never"), "it was not made when it was recorded, and is now".to_owned())
    );
    let fails = edit(r#"append: "!", "#, r#"append: "!", fail_at: axxx, "#);
    assert_eq!(message(&fails), "it was made when it was recorded, and is not now: the step is failed");
    let renamed = edit("texts: mapped}\n  - name: Never", "texts: mapped, lengths: measured}\n  - name: Never");
    assert_eq!(
        (&renamed["result"], &renamed["new"], &renamed["gone"]),
        (&json!("same"), &json!(["measured"]), &json!([]))
    );
}

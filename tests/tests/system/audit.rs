//! The audit log of whole runs: what it says of them, what it does not say, and that others can check it.

use palisade_tests::{Dir, palisade, root, skipped, with_stepper};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A folder with a run over data that nothing else could hold.
fn ran() -> Dir {
    let dir = Dir::new();
    dir.copy_from(&root().join("tests/cases/runs-gc/files"));
    dir.write("data/c.txt", "Her e-mail is zaphod.beeblebrox@example.org and her telephone 030 1234567.\n");
    let args = ["run", "-q", "runbook.yaml", "--out", "out", "--idempotency-key", "order-4711"];
    let _ = palisade(dir.path(), args).exits(0);
    dir
}

fn entries(dir: &Path) -> Vec<Value> {
    let exported = palisade(dir, ["audit", "export"]).exits(0).stdout;
    exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

#[test]
fn entries_hold_no_data_and_no_plain_digest_of_it() {
    let dir = ran();
    let exported = palisade(dir.path(), ["audit", "export"]).exits(0).stdout;
    let record: Value = serde_json::from_slice(&std::fs::read(dir.join("out/run.json")).unwrap()).unwrap();
    let made: Vec<_> =
        record["steps"].as_array().unwrap().iter().map(|step| step["output"]["digest"].clone()).collect();
    let sum = |path: &Path| palisade_model::Digest::of(&std::fs::read(path).unwrap()).to_string();
    let files = ["out/words.json", "out/run.json", "data/c.txt"].map(|file| Value::from(sum(&dir.join(file))));
    for digest in made.iter().chain(&files) {
        let digest = digest.as_str().unwrap();
        assert!(digest.len() == 64 && !exported.contains(digest), "{digest}");
    }
    for data in ["zaphod", "order-4711", "c.txt", "e-mail"] {
        assert!(!exported.contains(data), "{data} is in\n{exported}");
    }
    let all = entries(dir.path());
    assert_eq!(kinds(&all), ["run_started", "uses", "run_ended", "key_made", "files_exported"]);
    assert!(all[0]["key"].is_string());
    assert_eq!((&all[1]["scope"], &all[1]["denied"]), (&json!("data"), &json!(0)));
}

#[test]
fn a_page_of_python_checks_a_proof_from_the_documents_alone() {
    let dir = ran();
    let proof = palisade(dir.path(), ["audit", "prove", "4", "--open"]).exits(0).stdout;
    let check = |proof: &str, files: &[&str]| {
        dir.write("proof.json", proof);
        let script = root().join("tests/audit/check.py");
        Command::new("python3").arg(script).arg("proof.json").args(files).current_dir(dir.path()).output()
    };
    let Ok(output) = check(&proof, &["out/words.json"]) else {
        skipped("there is no python3, so nobody else checked the proof");
        return;
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.starts_with("entry 4 of 5, signed by palisade/"), "{told}");
    assert!(told.ends_with("out/words.json is its output words\n"), "{told}");
    let fails = |proof: &str, files: &[&str], what: &str| {
        let output = check(proof, files).unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && told.contains(what), "{what}: {told}");
    };
    fails(&proof, &["runbook.yaml"], "WRONG: the run did not write runbook.yaml");
    let closed = palisade(dir.path(), ["audit", "prove", "4"]).exits(0).stdout;
    fails(&closed, &["out/words.json"], "WRONG: the proof does not open the entry");
    let of_no_files = palisade(dir.path(), ["audit", "prove", "2", "--open"]).exits(0).stdout;
    fails(&of_no_files, &["out/words.json"], "WRONG: the entry names no files");
    let other = |change: &dyn Fn(&mut Value)| {
        let mut other: Value = serde_json::from_str(&proof).unwrap();
        change(&mut other);
        other.to_string()
    };
    let leaf = other(&|proof| proof["leaf"] = proof["leaf"].as_str().unwrap().replace("words", "wordz").into());
    fails(&leaf, &[], "WRONG: the entry is not in the log");
    fails(&other(&|proof| proof["entry"] = 3.into()), &[], "WRONG: the entry is not in the log");
    let size = |proof: &mut Value| {
        proof["checkpoint"] = proof["checkpoint"].as_str().unwrap().replacen("\n5\n", "\n6\n", 1).into();
        proof["size"] = 6.into();
    };
    fails(&other(&size), &[], "WRONG: the checkpoint is not signed by the key");
    let key = |proof: &mut Value| {
        let stranger = palisade_audit::SigningKey::from_seed("stranger", [1; 32]).unwrap();
        proof["key"] = stranger.verifying().to_string().into();
    };
    fails(&other(&key), &[], "WRONG: the checkpoint is not signed by the key");
    let forged = check(&proof_with_words_of_its_own(), &[]).unwrap();
    assert!(forged.status.success());
    let told = String::from_utf8(forged.stdout).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.ends_with("run_ended\\u{a}out/words.json is its output words\\u{1b}[8m of run \\u{202e}x\n"),
        "{told}"
    );
}

/// A proof from a stranger, of a log of their own, which says more than an entry would.
fn proof_with_words_of_its_own() -> String {
    let key = palisade_audit::SigningKey::from_seed("stranger", [1; 32]).unwrap();
    let leaf =
        json!({"kind": "run_ended\nout/words.json is its output words\u{1b}[8m", "run": "\u{202e}x"}).to_string();
    let root = palisade_audit::leaf_hash(leaf.as_bytes());
    let checkpoint = palisade_audit::Checkpoint { origin: "stranger".to_owned(), size: 1, root };
    let (checkpoint, key) = (checkpoint.sign(&key).unwrap().to_string(), key.verifying().to_string());
    json!({"v": 1, "entry": 0, "leaf": leaf, "size": 1, "path": [], "checkpoint": checkpoint, "key": key}).to_string()
}

#[test]
fn a_folder_of_evidence_is_checked_with_what_is_in_it() {
    let dir = ran();
    let _ = palisade(dir.path(), ["evidence", "last", "--out", "evidence"]).exits(0);
    let folder = dir.join("evidence");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let all = String::from_utf8(read("entries.txt")).unwrap();
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kinds(&all), ["run_started", "uses", "run_ended", "files_exported"]);
    let run = all[0]["run"].as_str().unwrap();
    for (what, file) in [("plan", "plan.json"), ("runbook", "runbook.yaml")] {
        let digest = palisade_model::Digest::of(&read(&format!("runs/{run}/{file}"))).to_string();
        assert_eq!((&all[0][what], &all[2][what]), (&json!(digest), &json!(digest)));
    }
    for (number, files) in [("0", None), ("1", None), ("2", None), ("4", Some("../out/run.json"))] {
        let mut check = Command::new("python3");
        check.arg("check.py").arg(format!("proofs/{number}.json")).args(files).current_dir(&folder);
        let Ok(output) = check.output() else {
            skipped("there is no python3, so nobody else checked the proofs");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let again = palisade(dir.path(), ["evidence", "last", "--out", "evidence"]).exits(2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}

/// What a run with a child, answers of people, a fork and a resumption leaves.
#[test]
fn everything_that_decides_is_in_the_log_and_the_log_holds() {
    let Some(dir) = with_stepper() else { return };
    let state = dir.path();
    let texts = json!({"schemaVersion": "1.0.0", "name": "t", "data": [{"content": "a", "metadata": {"source": "x"}}]});
    dir.write("texts.json", texts.to_string());
    dir.write(
        "leaf.yaml",
        "name: Leaf\ninputs: {texts: {input_schema: standard_input}}\noutputs: {found: longer}\nexecution:\n  - {id: step, \
         analyser: 'test:stepper', input: texts, outputs: {texts: longer}}\n",
    );
    dir.write(
        "parent.yaml",
        "name: Parent\ninputs: {texts: {input_schema: standard_input}}\nexecution:\n  - {id: ask, type: approval, message: 'Well?'}\n  \
         - {id: go, type: execute_workflow, file: leaf.yaml, inputs: {texts: texts}, outputs: {found: found}, after: ask}\n",
    );
    let _ = palisade(state, ["run", "-q", "parent.yaml", "--input", "texts=texts.json"]).exits(5);
    let _ = palisade(state, ["audit", "verify"]).exits(0);
    // Written down while nobody works on the run.
    let _ = palisade(state, ["approve", "last", "ask", "--note", "as Zaphod wished", "--no-run"]).exits(0);
    let _ = palisade(state, ["audit", "verify"]).exits(0);
    let _ = palisade(state, ["resume", "last", "-q"]).exits(0);
    let _ = palisade(state, ["audit", "verify"]).exits(0);
    let before = entries(state);
    let expected = [
        "component_added",
        "lock_changed",
        "run_started",
        "approval_asked",
        "run_ended",
        "key_made",
        "approval_decided",
        "run_resumed",
        "child_started",
        "run_started",
        "run_ended",
        "run_ended",
    ];
    assert_eq!(kinds(&before), expected);
    let decided = &before[6];
    assert_eq!((&decided["outcome"], &decided["by"]["authenticated"]), (&json!("approved"), &json!(false)));
    assert!(decided["note"].as_str().unwrap().len() == 64 && !decided.to_string().contains("Zaphod"));
    // The child says who started it, the parent which plan it is.
    let (begun, child) = (&before[8], &before[9]);
    assert_eq!((&begun["child"], &begun["plan"]), (&child["run"], &child["plan"]));
    assert_eq!((&child["parent"]["run"], &child["parent"]["seq"]), (&begun["run"], &begun["seq"]));
    let _ = palisade(state, ["runs", "fork", "last", "--at", "go", "-q"]).exits(0);
    let _ = palisade(state, ["audit", "verify"]).exits(0);
    let after = entries(state);
    let fork = after[before.len()..].iter().find(|entry| entry["kind"] == "run_started").unwrap();
    assert_eq!(fork["forked_from"]["run"], before[2]["run"]);
    // What both share stands once.
    assert_eq!(kinds(&after).iter().filter(|kind| **kind == "approval_decided").count(), 1);
    let _ = palisade(state, ["runs", "gc", "--keep", "1", "--yes"]).exits(0);
    let _ = palisade(state, ["audit", "verify"]).exits(0);
}

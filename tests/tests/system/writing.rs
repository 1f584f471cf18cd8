//! What a step may write, how it gets to its place, and that nothing else does.

use palisade_model::Digest;
use palisade_tests::guest::{Attempt, Guest, Setting};
use palisade_tests::{Dir, journal, palisade, root, skipped};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Does these acts in the sandbox, in a folder with `data/file` to read, and `out` to write to as far as it is allowed.
fn act(acts: &[&str], allow: &[&str], fails: bool) -> Option<Attempt> {
    let guest = Guest::hostile("file-writer")?;
    let dir = Dir::new();
    dir.write("data/file", "read").write("out/there", "not for the guest to see");
    let config = json!({"acts": acts, "times": 1, "fails": fails});
    let setting = Setting::default().files_with(dir.path(), &["data"], &["out"], &[], allow);
    let attempt = guest.run(&config.to_string(), &setting);
    assert_eq!(fs::read_to_string(dir.join("out/there")).unwrap(), "not for the guest to see");
    assert_eq!(fs::read_dir(dir.join("out")).unwrap().count(), 1, "nothing is put by the sandbox");
    assert_eq!(fs::read_to_string(dir.join("data/file")).unwrap(), "read");
    assert_eq!(fs::read_dir(dir.join("data")).unwrap().count(), 1);
    Some(attempt)
}

/// Each act with what comes of it.
fn check(expected: &[(&str, &str)]) -> Option<Attempt> {
    let acts: Vec<_> = expected.iter().map(|(act, _)| *act).collect();
    let attempt = act(&acts, &["fs-write=out"], false)?;
    assert!(attempt.result.is_ok(), "{:?}", attempt.result);
    let seen: Vec<_> = attempt.told.log.iter().filter(|line| !line.starts_with("preopen|")).collect();
    for ((act, outcome), seen) in expected.iter().zip(seen) {
        assert_eq!(*seen, format!("{act}|{outcome}"));
    }
    Some(attempt)
}

fn pair(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

#[test]
fn what_is_written_into_the_empty_folder_is_handed_over() {
    let Some(attempt) = check(&[
        ("list .", ""),
        ("write a 0 3", "3"),
        ("append a yz", "ok"),
        ("read a", "xxxyz"),
        ("folder d", "ok"),
        ("write d/b 2 1", "1"),
        ("stream d/c 4", "ok"),
        ("size d/c 2", "ok"),
        ("size-of d/b", "3"),
        ("list .", "a,d"),
        ("rename d e", "ok"),
        ("write gone 0 1", "1"),
        ("unlink gone", "ok"),
        ("rmdir e", "not-empty"),
        ("make a", "exist"),
        ("rename a e/a", "ok"),
        ("list e", "a,b,c"),
    ]) else {
        return;
    };
    let written = [pair("out/e/a", "xxxyz"), pair("out/e/b", "\0\0x"), pair("out/e/c", "yy")];
    assert_eq!(attempt.told.written, written);
    let usage = attempt.usage;
    assert_eq!((usage.files_written, usage.bytes_written), (5, 3 + 2 + 3 + 4 + 1));
    assert_eq!(usage.input_bytes, 0, "what it wrote itself gives it no more fuel");
    assert_eq!(attempt.told.log[..2], ["preopen|data|read", "preopen|out|written"]);
}

#[test]
fn nothing_leads_out_of_the_folder_and_nothing_links() {
    let Some(attempt) = check(&[
        ("make ../beside", "not-permitted"),
        ("make /tmp/x", "not-permitted"),
        ("folder d/../../x", "not-permitted"),
        ("make there/../../data/file", "not-permitted"),
        ("read ../data/file", "not-permitted"),
        ("rename there ../x", "not-permitted"),
        ("read there", "no-entry"),
        ("write a 0 1", "1"),
        ("symlink /etc/passwd b", "not-permitted"),
        ("symlink a b", "not-permitted"),
        ("link a b", "not-permitted"),
        ("readlink a", "invalid"),
        ("make a/", "not-directory"),
        ("make b/", "invalid"),
        ("read a/", "not-directory"),
        ("make a/b", "not-directory"),
        ("rename a b/", "not-directory"),
        ("rmdir .", "not-empty"),
        ("unlink .", "is-directory"),
        ("rename . x", "not-permitted"),
    ]) else {
        return;
    };
    assert_eq!(attempt.told.written, [pair("out/a", "x")]);
    let told = attempt.told.skips.iter().filter(|(_, why)| why.contains("leads out of the folder")).count();
    assert_eq!((told, attempt.usage.denials), (6, 6));
}

#[test]
fn what_may_be_read_is_not_written_by_any_way() {
    let Some(attempt) = check(&[
        ("link-from file stolen", "not-permitted"),
        ("rename-from file stolen", "read-only"),
        ("rename-back a b", "read-only"),
        ("symlink-in-from file b", "read-only"),
        ("unlink-in-from file", "read-only"),
        ("folder-in-from d", "read-only"),
        ("write-in-from file", "read-only"),
        ("truncate-in-from file", "read-only"),
        ("size-in-from file", "read-only"),
        // A handle is good for what it was opened for.
        ("write a 0 4", "4"),
        ("write-unasked a", "not-permitted"),
        ("size-unasked a", "not-permitted"),
        ("truncate-unasked a", "not-permitted"),
        ("read-unasked a", "not-permitted"),
        ("folder d", "ok"),
        ("make-in-reading d b", "read-only"),
    ]) else {
        return;
    };
    assert_eq!(attempt.told.written, [pair("out/a", "xxxx")]);
}

#[test]
fn what_is_closed_and_what_looks_like_a_key_is_not_written() {
    let names = [
        ".palisade",
        "palisade.toml",
        "PALISADE.lock",
        "id_rsa",
        "x.pem",
        ".ssh",
        // As other systems and other ways lead to them.
        ".Palisade",
        "Palisade.Toml",
        "ID_RSA",
        "x.PEM",
        "./palisade.toml",
        "d/../palisade.toml",
        "d/.//.palisade",
    ];
    let acts: Vec<String> =
        names.iter().flat_map(|name| [format!("make {name}"), format!("rename a {name}")]).collect();
    let mut expected = vec![("write a 0 1", "1"), ("folder d", "ok")];
    expected.extend(acts.iter().map(|act| (act.as_str(), "not-permitted")));
    // A folder is moved with all that is in it.
    expected.extend([("write d/b 0 1", "1"), ("rename d palisade.toml", "not-permitted")]);
    let Some(attempt) = check(&expected) else { return };
    assert_eq!(attempt.told.written, [pair("out/a", "x"), pair("out/d/b", "x")]);
    let denials: Vec<_> = attempt.told.denials.iter().map(|(why, _)| why.as_str()).collect();
    assert_eq!(denials.len(), 27);
    assert!(denials[0].contains("Palisade's own folder"), "{denials:?}");
    assert!(denials[2].contains("is for the operator to write"), "{denials:?}");
    assert!(denials[6].contains("it looks like a private key"), "{denials:?}");
}

#[test]
fn without_a_grant_there_is_no_folder_and_a_failure_leaves_nothing() {
    let Some(denied) = act(&["make a"], &[], false) else { return };
    assert!(denied.result.is_err());
    let (why, allow) = &denied.told.denials[0];
    assert!(why.contains("grants no `fs-write` of `out`"), "{why}");
    assert_eq!(allow.as_deref(), Some("--allow fs-write=out"));
    let Some(elsewhere) = act(&["make a"], &["fs-write=out/below", "fs-read=out"], false) else { return };
    assert!(elsewhere.result.is_err());
    let Some(failed) = act(&["write a 0 3"], &["fs-write=out"], true) else { return };
    assert!(failed.result.is_err() && failed.told.written.is_empty());
}

/// A folder in which `acme:writer` is registered and accepted, with these settings.
fn with_writer(settings: &str) -> Option<Dir> {
    let component = root().join("target/writer/writer.wasm");
    let Ok(bytes) = fs::read(&component) else {
        skipped("the writer is not in target/writer");
        return None;
    };
    let dir = Dir::new();
    dir.write("palisade.toml", settings);
    let add = [std::ffi::OsStr::new("component"), "add".as_ref(), component.as_os_str()];
    let _ = palisade(dir.path(), add).exits(0);
    let _ = palisade(dir.path(), ["grants", "accept", "acme:writer", "--digest", &Digest::of(&bytes).to_string()]);
    Some(dir)
}

const GRANT: &str = "[[grant]]\ncomponent = \"acme:writer\"\nallow = [\"fs-write=out\"]\n";

/// A runbook with one step that writes `a.txt` and `sub/b.txt`, and what its config says beside.
fn runbook(config: &str) -> String {
    format!(
        "name: W\nexecution:\n  - {{id: w, analyser: 'acme:writer', output: w, config: {{files: [a.txt, sub/b.txt]{config}}}}}\n"
    )
}

/// The files below a folder, with what they hold.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn both(text: &str) -> BTreeMap<String, String> {
    [pair("a.txt", text), pair("sub/b.txt", text)].into()
}

#[test]
fn a_step_that_succeeds_has_its_files_in_their_places() {
    let Some(dir) = with_writer(GRANT) else { return };
    dir.write("r.yaml", runbook(""));
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml", "--out", "made"]).exits(0);
    assert_eq!(files(&dir.join("out")), both("hello\n"));
    let record: Value = serde_json::from_slice(&fs::read(dir.join("made/run.json")).unwrap()).unwrap();
    let digest = Digest::of(b"hello\n").to_string();
    let file = |path: &str| json!({"path": path, "digest": digest, "bytes": 6});
    assert_eq!(record["steps"][0]["files"], json!([file("out/a.txt"), file("out/sub/b.txt")]));
    assert_eq!(record["steps"][0]["usage"]["files_written"], 3);

    // Once more the same is there: it is what was wanted. Something else is not replaced, and nothing of it is put.
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml"]).exits(0);
    fs::remove_file(dir.join("out/a.txt")).unwrap();
    dir.write("r.yaml", runbook(", text: other"));
    let refused = palisade(dir.path(), ["run", "r.yaml"]).exits(1).stderr;
    let what = "nothing was written: `out/sub/b.txt` can't be written: another file is there already";
    assert!(refused.contains(what), "{refused}");
    assert_eq!(files(&dir.join("out")), [pair("sub/b.txt", "hello\n")].into());
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
    assert_eq!(files(&dir.join("out")), [pair("sub/b.txt", "hello\n")].into(), "a replay writes nothing");

    let told = palisade(dir.path(), ["audit", "verify", "--file", "out/sub/b.txt"]).exits(0).stdout;
    assert!(told.contains("file 1 of step w of run"), "{told}");
    let log = palisade(dir.path(), ["audit", "log"]).exits(0).stdout;
    for line in ["files_written", "files_put        w #1: in their places", "files_put        w #1: NONE OF THEM"] {
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn a_step_that_fails_writes_nothing() {
    let Some(dir) = with_writer(GRANT) else { return };
    dir.write("r.yaml", runbook(", fails: true"));
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml"]).exits(1);
    assert_eq!(files(&dir.join("out")), BTreeMap::new());
    // Nor does one that is denied a part.
    dir.write("r.yaml", runbook(", text: x").replace("sub/b.txt", "sub/b.pem"));
    let told = palisade(dir.path(), ["run", "r.yaml"]).exits(0).stderr;
    assert!(told.contains("it looks like a private key"), "{told}");
    assert_eq!(files(&dir.join("out")), [pair("a.txt", "x")].into());
}

#[test]
fn nobody_writes_without_a_grant_that_counts_and_a_deny_beats_it() {
    for (settings, why) in [
        ("", "the operator grants no `fs-write` of `out`"),
        ("[[grant]]\ncomponent = \"acme:writer\"\nallow = [\"fs-write=out2\"]\n", "it is not below `out2`"),
        ("[[grant]]\ncomponent = \"acme:writer\"\nallow = [\"fs-read=out\"]\n", "`fs-read` is allowed there"),
        (&format!("{GRANT}[[deny]]\ndeny = [\"fs-write=out\"]\n"), "beats every allow"),
    ] {
        let Some(dir) = with_writer(settings) else { return };
        dir.write("r.yaml", runbook(""));
        let told = palisade(dir.path(), ["run", "r.yaml"]).exits(3).stderr;
        assert!(told.contains(why), "{why}: {told}");
        assert_eq!(files(&dir.join("out")), BTreeMap::new());
    }
    let Some(dir) = with_writer("") else { return };
    dir.write("r.yaml", runbook(", folder: palisade.toml"));
    let told = palisade(dir.path(), ["run", "r.yaml", "--allow", "fs-write=."]).exits(3).stderr;
    assert!(told.contains("is for the operator to write"), "{told}");
    dir.write("r.yaml", runbook(""));
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml", "--allow", "fs-write=out"]).exits(0);
    assert_eq!(files(&dir.join("out")), both("hello\n"));
    // Two keys: what the runbook does not list, it does not have.
    dir.write("r.yaml", format!("capabilities: ['fs-read=.']\n{}", runbook(", text: x, folder: out3")));
    let told = palisade(dir.path(), ["run", "r.yaml", "--allow", "fs-write=."]).exits(3).stderr;
    assert!(told.contains("the runbook's `capabilities` hold no `fs-write`"), "{told}");
}

#[test]
fn labels_keep_data_from_files_that_no_rule_lets_it_into() {
    let labelled = "[[system]]\nname = \"crm\"\nconnector = \"filesystem\"\nconfig = { path = \"crm\" }\nlabels = [\"personal\"]\n";
    let book = "name: W\nexecution:\n  - {id: s, type: source, system: crm, output: texts}\n  - {id: w, analyser: 'acme:writer', input: texts, output: w}\n";
    for (rule, code) in [("", 2), ("[[flow]]\nlabels = [\"personal\", \"*\"]\nto = [\"fs-write=out\"]\n", 0)] {
        let Some(dir) = with_writer(&format!("{GRANT}{labelled}{rule}")) else { return };
        dir.write("crm/a.txt", "Ann").write("r.yaml", book);
        let told = palisade(dir.path(), ["run", "r.yaml"]);
        assert!(code == 0 || told.stderr.contains("personal"), "{}", told.stderr);
        let _ = told.exits(code);
        assert_eq!(dir.join("out/a.txt").exists(), code == 0);
    }
}

#[test]
fn whenever_its_process_dies_a_run_has_the_same_files_in_the_end() {
    let Some(dir) = with_writer(GRANT) else { return };
    dir.write("r.yaml", runbook(""));
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml"]).exits(0);
    let connection = journal::open(&dir.join(".palisade"));
    let whole = journal::events(&connection);
    let kinds: Vec<_> = whole.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let expected = ["RunStarted", "StepScheduled", "AttemptStarted", "AttemptSucceeded", "FilesPut", "RunEnded"];
    assert_eq!(kinds, expected);
    // After each event; and with none, one and all of the files in their places.
    for kept in 1..whole.len() {
        for there in [&[][..], &["a.txt"], &["a.txt", "sub/b.txt"]] {
            // Before it was written down, nothing can be in its place; after it was said, all is.
            let possible = match kept {
                ..4 => there.is_empty(),
                4 => true,
                _ => there.len() == 2,
            };
            if !possible {
                continue;
            }
            let _ = fs::remove_dir_all(dir.join("out"));
            for name in there {
                dir.write(&format!("out/{name}"), "hello\n");
            }
            journal::rewrite(&connection, &whole[..kept]);
            connection.execute("UPDATE run SET status = 'running', ended_ms = NULL", []).unwrap();
            let _ = palisade(dir.path(), ["resume", "last", "-q"]).exits(0);
            assert_eq!(files(&dir.join("out")), both("hello\n"), "after {kept} events, with {there:?}");
            let events = journal::events(&connection);
            let count = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
            assert_eq!((count("AttemptSucceeded"), count("FilesPut")), (1, 1), "after {kept} events: {events:#?}");
            let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
        }
    }
}

#[test]
fn what_was_said_to_be_written_is_put_where_the_run_works_when_it_is_cancelled_elsewhere() {
    let Some(dir) = with_writer(GRANT) else { return };
    dir.write("r.yaml", runbook("")).write("elsewhere/x", "");
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml"]).exits(0);
    fs::remove_dir_all(dir.join("out")).unwrap();
    let connection = journal::open(&dir.join(".palisade"));
    journal::rewrite(&connection, &journal::events(&connection)[..4]);
    connection.execute("UPDATE run SET status = 'running', ended_ms = NULL", []).unwrap();
    // Without the run nobody would put them.
    let all = ["runs", "gc", "--older-than", "0s", "--include-interrupted", "--yes"];
    let kept = palisade(dir.path(), all).exits(0).stderr;
    assert!(kept.contains("files that it wrote wait to be put in their places; `palisade resume "), "{kept}");
    let _ = palisade(&dir.join("elsewhere"), ["cancel", "last"]).exits(0);
    assert_eq!(files(&dir.join("out")), both("hello\n"));
    assert_eq!(files(&dir.join("elsewhere")).len(), 1);
    let gone = palisade(dir.path(), all).exits(0).stderr;
    assert!(gone.contains("removed: "), "{gone}");
}

#[test]
fn what_is_erased_before_it_is_put_is_not_put() {
    let Some(dir) = with_writer(GRANT) else { return };
    dir.write("r.yaml", runbook("").replace("output: w, ", ""));
    let _ = palisade(dir.path(), ["run", "-q", "r.yaml"]).exits(0);
    let told = palisade(dir.path(), ["runs", "erase", "last", "--yes"]).exits(0);
    assert_eq!(files(&dir.join("out")), both("hello\n"), "what was put is the operator's: {}", told.stdout);
    fs::remove_dir_all(dir.join("out")).unwrap();
    let connection = journal::open(&dir.join(".palisade"));
    let whole = journal::events(&connection);
    journal::rewrite(&connection, &whole[..4]);
    connection.execute("UPDATE run SET status = 'running', ended_ms = NULL", []).unwrap();
    let refused = palisade(dir.path(), ["resume", "last"]).exits(1).stderr;
    assert!(refused.contains("are not in the store any more"), "{refused}");
    assert_eq!(files(&dir.join("out")), BTreeMap::new());
}

#[test]
fn a_second_step_does_not_write_over_the_first() {
    let Some(dir) = with_writer(GRANT) else { return };
    let step = |id: &str| format!("  - {{id: {id}, analyser: 'acme:writer', output: {id}, config: {{text: {id}}}}}\n");
    dir.write("r.yaml", format!("name: W\nexecution:\n{}{}", step("one"), step("two")));
    let planned = palisade(dir.path(), ["plan", "r.yaml"]).exits(0);
    assert!(planned.stderr.contains("`one` and `two` both write to `out`"), "{}", planned.stderr);
    let told = palisade(dir.path(), ["run", "r.yaml"]).exits(1).stderr;
    assert!(told.contains("another file is there already") || told.contains("something new is there"), "{told}");
    assert_eq!(files(&dir.join("out")).len(), 1);
}

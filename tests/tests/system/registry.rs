//! Adding, locking and removing a component with the command, over the guest that `cargo xtask plugins` builds.

use palisade_tests::{Dir, Outcome, palisade, root, skipped};
use std::fs;

const RUNBOOK: &str = "
name: Words
description: Counts the words of the files
artifacts:
  files:
    source: {type: filesystem, properties: {path: data}}
  counts:
    inputs: files
    process: {type: \"example:hello\"}
    output: true
";

/// A folder with a file, a runbook and, where it was built, the component.
fn folder() -> Option<Dir> {
    let Ok(component) = fs::read(root().join("target/hello/hello.wasm")) else {
        skipped("the guest hello is not in target/hello");
        return None;
    };
    let dir = Dir::new();
    dir.write("data/a.txt", "one two three").write("runbook.yaml", RUNBOOK).write("hello.wasm", component);
    Some(dir)
}

fn call(dir: &Dir, line: &str) -> Outcome {
    palisade(dir.path(), line.split(' '))
}

fn lock(dir: &Dir) -> String {
    fs::read_to_string(dir.join("palisade.lock")).unwrap_or_default()
}

#[test]
fn an_added_component_is_locked_run_and_removed() {
    let Some(dir) = folder() else { return };
    let unknown = call(&dir, "run -q runbook.yaml").exits(2);
    assert!(unknown.stderr.contains("no component is called `example:hello`"), "{}", unknown.stderr);
    let _ = call(&dir, "component add hello.wasm").exits(0);
    assert!(lock(&dir).contains("id = \"example:hello\""), "{}", lock(&dir));
    let again = call(&dir, "component add hello.wasm").exits(0);
    assert!(again.stderr.starts_with("already registered: example:hello@1.0.0"), "{}", again.stderr);
    let _ = call(&dir, "run -q runbook.yaml").exits(0);
    let doctor = call(&dir, "doctor").exits(0);
    assert!(doctor.stdout.contains("palisade.lock: 1 component registered as it says"), "{}", doctor.stdout);
    let removed = call(&dir, "component remove example:hello@1.0.0 --format json").exits(0);
    assert!(removed.stdout.contains("\"status\": \"removed\""), "{}", removed.stdout);
    assert!(!lock(&dir).contains("example:hello"), "{}", lock(&dir));
    let _ = call(&dir, "run -q runbook.yaml").exits(2);
}

#[test]
fn a_component_with_other_bytes_than_the_lock_names_is_neither_run_nor_added() {
    let Some(dir) = folder() else { return };
    let _ = call(&dir, "component add hello.wasm").exits(0);
    let before = lock(&dir);
    let digest = before.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_end_matches('"');
    let other = "0".repeat(64);
    dir.write("palisade.lock", before.replace(digest, &other));
    for (line, code) in [("run -q runbook.yaml", 7), ("component add hello.wasm --data-dir fresh", 2), ("doctor", 7)] {
        let refused = call(&dir, line).exits(code);
        let told = refused.stdout + &refused.stderr;
        assert!(told.contains(digest) && told.contains(&other), "{line}: {told}");
    }
    assert!(lock(&dir).contains(&other), "the lock is left as it was");
    let added = call(&dir, "component list --data-dir fresh").exits(0);
    assert!(!added.stdout.contains("example:hello"), "{}", added.stdout);
    dir.write("palisade.lock", before);
    let _ = call(&dir, "run -q runbook.yaml").exits(0);
}

#[test]
fn symbols_must_be_a_file_before_anything_is_added() {
    let Some(dir) = folder() else { return };
    let refused = call(&dir, "component add hello.wasm --symbols data").exits(2);
    assert_eq!(refused.stderr, "error: data is not a file\n");
    assert!(!dir.join(".palisade").exists() && lock(&dir).is_empty());
}

//! Data directories that earlier builds made: each of `tests/kept/*.tar.gz` is opened by this build, its runs are told,
//! replayed, gone on with and removed. An archive that is there is never written again; before the tables or the form of an event
//! change, one of the build before is added:
//!
//! ```text
//! PALISADE_KEEP=0.1.0-tables7 cargo test --release --test system kept::
//! ```
//!
//! Its runs work in `/`, the one folder that is everywhere, and read nothing of it.

use palisade_tests::{Dir, Outcome, palisade, root, with_stepper};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where data are in an archive.
pub(super) const STATE: &str = "state";

pub(super) fn archives() -> PathBuf {
    root().join("tests/kept")
}

/// Runs the binary over the data in a folder.
pub(super) fn over(dir: &Dir, args: &[&str]) -> Outcome {
    let state = dir.join(STATE);
    palisade(Path::new("/"), ["--data-dir", state.to_str().unwrap()].iter().chain(args))
}

pub(super) fn json_of(dir: &Dir, args: &[&str]) -> Value {
    serde_json::from_str(&over(dir, &[args, &["--format", "json"]].concat()).exits(0).stdout).unwrap()
}

/// The runs that a person started, the latest first.
pub(super) fn runs(dir: &Dir) -> Vec<Value> {
    json_of(dir, &["runs", "list"])["runs"].as_array().unwrap().clone()
}

pub(super) fn tar(args: &[&str], dir: &Dir, archive: &Path) {
    let done = Command::new("tar").args(args).arg(archive).arg("-C").arg(dir.path()).arg(STATE).status().unwrap();
    assert!(done.success(), "tar {args:?} {}", archive.display());
}

/// Makes data of all kinds: a run with a child that succeeded, one that failed, one that waits for a person to say whether
/// a runbook may run that is an artifact.
fn make(name: &str) {
    let archive = archives().join(format!("{name}.tar.gz"));
    assert!(!archive.exists(), "{} is there", archive.display());
    let Some(dir) = with_stepper() else { return };
    std::fs::rename(dir.join(".palisade"), dir.join(STATE)).unwrap();
    let item = |text: &str| json!({"content": text, "metadata": {"source": "x"}});
    let texts = json!({"schemaVersion": "1.0.0", "name": "t", "data": [item("a"), item("bb")]});
    dir.write("texts.json", texts.to_string());
    let step = "{id: step, analyser: 'test:stepper', input: texts, outputs: {texts: longer}MORE}";
    let leaf = |more: &str| {
        format!(
            "name: Leaf\ninputs: {{texts: {{input_schema: standard_input}}}}\noutputs: {{found: longer}}\nexecution:\n  - {}\n",
            step.replace("MORE", more)
        )
    };
    dir.write("leaf.yaml", leaf(""));
    dir.write("fails.yaml", leaf(", config: {fail_at: bb}"));
    dir.write(
        "parent.yaml",
        "name: Parent\ninputs: {texts: {input_schema: standard_input}}\nexecution:\n  - {id: go, type: execute_workflow, \
         file: leaf.yaml, inputs: {texts: texts}, outputs: {found: found}}\n  - {id: more, type: loop, analyser: 'test:stepper', \
         input: found, outputs: {texts: last}, until: 'last.data.exists(d, size(d.content) >= 4)', max_iterations: 9}\n",
    );
    dir.write(
        "waits.yaml",
        "name: Waits\ninputs: {texts: {input_schema: standard_input}, made: {input_schema: runbook_definition}}\nexecution:\n  \
         - {id: go, type: execute_workflow, workflow: '{{ made }}'}\n  - {id: step, analyser: 'test:stepper', input: texts, output: longer, after: go}\n",
    );
    // It uses no component: what is not the host's own, nobody's settings allow in `/`.
    let made = json!({"name": "Made", "execution": [{"id": "ask", "type": "approval", "message": "Well?"}]});
    dir.write("made.json", made.to_string());
    let path = |file: &str| dir.join(file).to_str().unwrap().to_owned();
    let run = |runbook: &str, more: &[String]| {
        let texts = format!("texts={}", path("texts.json"));
        let mut args = vec!["run".to_owned(), "-q".to_owned(), path(runbook), "--input".to_owned(), texts];
        args.extend_from_slice(more);
        over(&dir, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let _ = run("parent.yaml", &[]).exits(0);
    let _ = run("fails.yaml", &[]).exits(1);
    let made = format!("made={}", path("made.json"));
    let _ = run("waits.yaml", &["--input".to_owned(), made]).exits(5);
    std::fs::create_dir_all(archives()).unwrap();
    // What names functions in messages of traps is large, and may be missing.
    std::fs::remove_dir_all(dir.join(STATE).join("symbols")).unwrap();
    tar(&["-czf"], &dir, &archive);
}

#[test]
fn what_earlier_builds_stored_is_read_told_replayed_and_gone_on_with() {
    if let Ok(name) = std::env::var("PALISADE_KEEP") {
        make(&name);
    }
    let mut opened = 0;
    for entry in std::fs::read_dir(archives()).unwrap() {
        let archive = entry.unwrap().path();
        if archive.is_dir() {
            continue;
        }
        let dir = Dir::new();
        std::fs::create_dir(dir.join(STATE)).unwrap();
        tar(&["-xzf"], &dir, &archive);
        let _ = over(&dir, &["doctor"]).exits(0);
        let all = runs(&dir);
        let states: Vec<_> = all.iter().map(|run| run["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["waiting", "failed", "succeeded"], "{}", archive.display());
        for run in &all {
            let id = run["run_id"].as_str().unwrap();
            for form in [&[][..], &["--tree"], &["--events"], &["--why"]] {
                let _ = over(&dir, &[&["runs", "show", id], form].concat()).exits(0);
            }
        }
        let replayed = json_of(&dir, &["replay", "--all"]);
        assert!(replayed["runs"].as_array().unwrap().len() >= 4, "{replayed:#}");
        let out = dir.join("out");
        let _ = over(&dir, &["approve", "last", "-q"]).exits(5);
        let _ = over(&dir, &["approve", "last", "-q", "--out", out.to_str().unwrap()]).exits(0);
        let made: Value = serde_json::from_slice(&std::fs::read(out.join("longer.json")).unwrap()).unwrap();
        assert_eq!((&made["data"][0]["content"], &made["data"][1]["content"]), (&json!("ax"), &json!("bbx")));
        let _ = over(&dir, &["replay", "--all"]).exits(0);
        // The log begins with what was there before it.
        let log = json_of(&dir, &["audit", "verify"]);
        assert!(log["journals"].as_u64().unwrap() >= 4 && log["problem_count"] == 0, "{log:#}");
        let _ = over(&dir, &["runs", "gc", "--keep", "1", "--yes"]).exits(0);
        let _ = over(&dir, &["doctor"]).exits(0);
        assert_eq!(runs(&dir).len(), 1);
        assert_eq!(json_of(&dir, &["audit", "verify"])["problem_count"], 0);
        opened += 1;
    }
    assert!(opened > 0, "there is nothing in {}", archives().display());
}

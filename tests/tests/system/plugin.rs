//! What an author does, with nothing but the binary and Rust: a plugin is made, built, tested, run, added and used.
//!
//! Builds a guest with the real compiler, which can take minutes, so it runs when `PALISADE_SLOW_TESTS` is set, as
//! `cargo xtask test` does. It says so when it can't do its work: no compiler for guests, no network for dependencies.

use palisade_tests::{Dir, Outcome, command, skipped};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::path::Path;

/// What cargo says when it can't fetch what it has not got.
const OFFLINE: [&str; 4] = ["failed to download", "failed to get", "Could not resolve", "network failure"];

#[test]
fn a_new_plugin_is_built_tested_run_added_and_used() {
    let Some(author) = Author::new() else { return };
    let _ = author.palisade(["plugin", "new", "acme:word_count"]).exits(0);
    let refused = author.palisade(["plugin", "new", "acme:word_count"]).exits(2);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);

    let built = author.plugin(["build", "--format", "json"]);
    if OFFLINE.iter().any(|said| built.stderr.contains(said)) {
        skipped("cargo can't fetch the dependencies of a plugin");
        return;
    }
    let built = json_of(&built.exits(0));
    assert_eq!(built["id"], "acme:word_count@0.1.0");
    let file = author.dir.join("word_count/word_count.wasm");
    assert_eq!(built["bytes"], fs::metadata(&file).unwrap().len());
    assert!(author.dir.join("word_count/word_count.symbols.wasm").is_file());
    for import in built["imports"].as_array().unwrap() {
        assert!(import.as_str().unwrap().starts_with("palisade:plugin/"), "{import}");
    }

    author.cases_are_compared();
    author.one_run_writes_its_items();
    author.a_runbook_uses_it(&file);
}

struct Author {
    dir: Dir,
}

impl Author {
    /// An empty folder, if a plugin can be built at all.
    fn new() -> Option<Self> {
        if env::var_os("PALISADE_SLOW_TESTS").is_none() {
            skipped("PALISADE_SLOW_TESTS is not set");
            return None;
        }
        let author = Self { dir: Dir::new() };
        let checks = json_of(&author.palisade(["doctor", "--format", "json"]));
        let ready = checks.as_array()?.iter().any(|check| check["what"] == "plugin builds" && check["state"] == "ok");
        if !ready {
            skipped("there is no compiler for guests");
        }
        ready.then_some(author)
    }

    /// A call in the author's folder, with the Rust of whoever runs the test.
    fn palisade<const N: usize>(&self, args: [&str; N]) -> Outcome {
        call(self.dir.path(), &args)
    }

    fn plugin<const N: usize>(&self, args: [&str; N]) -> Outcome {
        let all: Vec<_> = ["plugin"].into_iter().chain(args).chain(["--dir", "word_count"]).collect();
        call(self.dir.path(), &all)
    }

    fn cases_are_compared(&self) {
        let first = self.plugin(["test"]).exits(0);
        assert!(first.stdout.contains("ok       counts-long-words  fuel "), "{}", first.stdout);
        assert!(first.stdout.contains("ok       refuses-binary"), "{}", first.stdout);

        let expected = "word_count/cases/counts-long-words/expected/counts.jsonl";
        let right = fs::read_to_string(self.dir.join(expected)).unwrap();
        self.dir.write(expected, right.replace("\"words\":6", "\"words\":7"));
        let differs = self.plugin(["test"]).exits(1);
        assert!(differs.stdout.contains("-{\"source\":\"b.txt\",\"words\":7}"), "{}", differs.stdout);
        assert!(differs.stdout.contains("+{\"source\":\"b.txt\",\"words\":6}"), "{}", differs.stdout);

        let _ = self.plugin(["test", "--accept", "--case", "counts"]).exits(0);
        assert_eq!(fs::read_to_string(self.dir.join(expected)).unwrap(), right);
        let recorded = self.plugin(["test"]).exits(0);
        assert!(recorded.stdout.contains("(as recorded)"), "{}", recorded.stdout);

        let fuel = "word_count/cases/counts-long-words/fuel";
        let used: u64 = fs::read_to_string(self.dir.join(fuel)).unwrap().trim().parse().unwrap();
        self.dir.write(fuel, (used * 100 / 106).to_string());
        assert!(self.plugin(["test"]).exits(1).stdout.contains("fuel     counts-long-words"));
        self.dir.write(fuel, (used * 100 / 104).to_string());
        let _ = self.plugin(["test"]).exits(0);
    }

    fn one_run_writes_its_items(&self) {
        let item = json!({"content": "one two", "metadata": {"source": "x"}});
        self.dir.write("texts.jsonl", format!("{item}\n"));
        let ran = self.plugin(["run", "--input", "documents=texts.jsonl"]).exits(0);
        assert_eq!(ran.stdout, "{\"source\":\"x\",\"words\":2}\n");
        let wrong =
            self.plugin(["run", "--input", "documents=texts.jsonl", "--config", r#"{"min_letters": 0}"#]).exits(2);
        assert!(wrong.stderr.contains("min_letters"), "{}", wrong.stderr);
    }

    fn a_runbook_uses_it(&self, component: &Path) {
        let user = Dir::new();
        user.write("data/a.txt", "one two three").write("runbook.yaml", RUNBOOK);
        let _ = call(user.path(), &["component", "add", component.to_str().unwrap()]).exits(0);
        let _ = call(user.path(), &["run", "runbook.yaml", "--out", "out"]).exits(0);
        let counts: Value = serde_json::from_slice(&fs::read(user.join("out/counts.json")).unwrap()).unwrap();
        assert_eq!(counts["counts"].as_array().unwrap().len(), 1);
        assert_eq!(counts["counts"][0]["words"], 3);
    }
}

const RUNBOOK: &str = "
name: Words
description: Counts the words of the files
artifacts:
  files:
    source:
      type: filesystem
      properties:
        path: data
  counts:
    inputs: files
    process:
      type: acme:word_count
    output: true
";

fn call(dir: &Path, args: &[&str]) -> Outcome {
    let mut command = command::command(dir);
    command.args(args).env("PATH", env::var_os("PATH").unwrap_or_default());
    if let Some(home) = env::home_dir() {
        for (name, below) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, env::var_os(name).unwrap_or_else(|| home.join(below).into()));
        }
    }
    command.output().unwrap().into()
}

#[track_caller]
fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

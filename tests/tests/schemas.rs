//! The published schemas of Palisade's own files fit what Palisade writes and reads.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use palisade_tests::{Dir, palisade, root};
use serde_json::Value;
use std::path::Path;

/// Checks values against `schemas/NAME/1.0.0.json`.
#[track_caller]
fn fits(name: &str, value: &Value) {
    let text = std::fs::read_to_string(root().join(format!("schemas/{name}/1.0.0.json"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let broken: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(broken.is_empty(), "{name}:\n{}\n{value:#}", broken.join("\n"));
}

fn demo() -> Dir {
    let dir = Dir::new();
    dir.copy_from(&root().join("examples/demo"));
    dir
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn what_is_told_of_a_run_fits() {
    let dir = demo();
    let done = palisade(dir.path(), ["run", "runbook.yaml", "--format", "json"]).exits(0);
    fits("palisade.run", &json(&done.stdout));
    let failing = std::fs::read_to_string(dir.join("runbook.yaml"))
        .unwrap()
        .replace("    inputs: files\n", "    inputs: files\n    limits: {fuel: 1000, fuel_per_input_byte: 1}\n");
    dir.write("failing.yaml", failing);
    let failed = palisade(dir.path(), ["run", "failing.yaml", "--format", "json"]).exits(4);
    fits("palisade.run", &json(&failed.stdout));
}

#[test]
fn what_is_told_of_a_wrong_runbook_fits() {
    let dir = Dir::new();
    dir.write("x.yaml", "name: yes\nartifacts:\n  a: {inputs: a, outptu: true}\n");
    let wrong = palisade(dir.path(), ["run", "x.yaml", "--format", "json"]).exits(2);
    let told = json(&wrong.stdout);
    let diagnostics = told.pointer("/diagnostics").and_then(Value::as_array).expect("diagnostics").clone();
    assert!(diagnostics.len() >= 3, "{told:#}");
    diagnostics.iter().for_each(|told| fits("palisade.diagnostic", told));
}

#[test]
fn the_manifests_of_all_components_fit() {
    let dir = Dir::new();
    let list = palisade(dir.path(), ["component", "list", "--format", "json"]).exits(0);
    let list = json(&list.stdout);
    let components = list.as_array().expect("a list");
    assert!(components.len() >= 15, "{list:#}");
    for component in components {
        let id = component["id"].as_str().expect("an id");
        let shown = palisade(dir.path(), ["component", "show", id, "--format", "json"]).exits(0);
        fits("palisade.manifest", &json(&shown.stdout)["manifest"]);
    }
}

#[test]
fn the_settings_that_init_writes_fit_with_every_line_in_force() {
    let dir = Dir::new();
    let _ = palisade(dir.path(), ["init"]).exits(0);
    let text = std::fs::read_to_string(dir.join("palisade.toml")).unwrap();
    let setting = |line: &str| line.contains(" = ") || line == "[[system]]";
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|rest| setting(rest)).unwrap_or(line));
    let settings: toml::Value = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    fits("palisade.settings", &serde_json::to_value(settings).unwrap());
}

#[test]
fn runbooks_fit_in_both_forms() {
    let dir = demo();
    let converted = palisade(dir.path(), ["runbook", "convert", "runbook.yaml"]).exits(0);
    dir.write("converted.yaml", &converted.stdout);
    for file in ["runbook.yaml", "converted.yaml"] {
        fits("runbook_definition", &yaml(&dir.join(file)));
    }
}

/// A runbook as JSON, read by the reader that runs read with.
fn yaml(file: &Path) -> Value {
    use palisade_runbook::yaml::{Budget, Dialect, read};
    let source = palisade_runbook::Source::new("x", std::fs::read_to_string(file).unwrap());
    read(&source, Budget::RUNBOOK, Dialect::V12).0.expect("YAML").to_json()
}

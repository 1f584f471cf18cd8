//! WCF's own runbooks over its own samples give WCF's own findings, driven as a person would.

use palisade_tests::{Dir, palisade, wcf};
use serde_json::{Value, json};
use std::path::Path;

/// A finding or summary without what differs from run to run, as in the expectations: ids and times gone, evidence
/// reduced to its text.
fn normal(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("id");
        if let Some(Value::Array(evidence)) = fields.get_mut("evidence") {
            for piece in evidence {
                *piece = piece.get("content").cloned().unwrap_or(Value::Null);
            }
        }
    }
    value
}

fn sorted(mut values: Vec<Value>) -> Vec<String> {
    let mut texts: Vec<_> = values.drain(..).map(|value| value.to_string()).collect();
    texts.sort();
    texts
}

/// Runs a runbook over the samples and compares what it finds. `converted`: it is rewritten into the execution form first.
fn check(wcf: &Path, runbook: &str, threads: &str, converted: bool) {
    let (work, out) = (Dir::new(), Dir::new());
    work.copy_into("samples", &wcf.join("samples"));
    let mut file = wcf.join(format!("runbooks/{runbook}.yaml"));
    if converted {
        let text = palisade(work.path(), ["runbook", "convert", file.to_str().unwrap()]).exits(0).stdout;
        assert!(text.contains("\nexecution:\n"), "{text}");
        work.write("converted.yaml", text);
        file = work.join("converted.yaml");
    }
    let rulesets = wcf.join("rulesets");
    let args = ["run", file.to_str().unwrap(), "--rulesets", rulesets.to_str().unwrap(), "--threads", threads, "--out"];
    let _ = palisade(work.path(), args.into_iter().chain([out.path().to_str().unwrap()])).exits(0);
    let expected = std::fs::read(wcf.join(format!("expected/{runbook}.json"))).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let record: Value = serde_json::from_slice(&std::fs::read(out.join("run.json")).unwrap()).unwrap();
    for (name, wanted) in expected.as_object().unwrap() {
        let document = std::fs::read(out.join(&format!("{name}.json"))).unwrap();
        let document: Value = serde_json::from_slice(&document).unwrap();
        let findings = document["findings"].as_array().unwrap().iter().cloned().map(normal).collect();
        let wanted_findings = wanted["findings"].as_array().unwrap().clone();
        assert_eq!(sorted(findings), sorted(wanted_findings), "{runbook}: {name}");
        let mut summary = document["summary"].clone();
        let mut wanted_summary = wanted["summary"].clone();
        // Unordered in WCF.
        for summary in [&mut summary, &mut wanted_summary] {
            if let Some(Value::Array(categories)) = summary.get_mut("categories_identified") {
                *categories = sorted(std::mem::take(categories)).into_iter().map(Value::String).collect();
            }
        }
        assert_eq!(summary, wanted_summary, "{runbook}: {name}");
        let step = record["steps"].as_array().unwrap().iter().find(|step| step["id"] == json!(name)).unwrap();
        let schema = step["output"]["schema"].as_str().unwrap();
        let wanted_schema = match &wanted["schema"] {
            Value::String(schema) => schema.clone(),
            parts => format!("{}/{}", parts["name"].as_str().unwrap(), parts["version"].as_str().unwrap()),
        };
        assert_eq!(schema, wanted_schema, "{runbook}: {name}");
    }
}

#[test]
fn files_give_wcfs_findings_with_any_number_of_threads() {
    let Some(wcf) = wcf() else { return };
    check(&wcf, "filesystem_three_analysers", "1", false);
    check(&wcf, "filesystem_three_analysers", "3", false);
}

#[test]
fn a_database_gives_wcfs_findings() {
    let Some(wcf) = wcf() else { return };
    check(&wcf, "sqlite_three_analysers", "2", false);
}

#[test]
fn a_converted_runbook_finds_the_same() {
    let Some(wcf) = wcf() else { return };
    check(&wcf, "filesystem_three_analysers", "2", true);
    check(&wcf, "sqlite_three_analysers", "2", true);
}

//! Reads what the tests compare with: rulesets and expected findings, which lie beside the project where they are.

use std::path::{Path, PathBuf};

use palisade_sdk::{TestInput, TestOutcome};
use serde_json::{Map, Value, json};

/// The folder of the reference data; nothing, said aloud, where it is absent.
pub(crate) fn reference() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wcf");
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    {
        eprintln!("skipped: there is no reference data at {}", folder.display());
    }
    None
}

/// A ruleset as the artifact that the host makes of it: rules are items, the rest is metadata.
pub(crate) fn ruleset(reference: &Path, name: &str) -> TestInput {
    let file = reference.join(format!("rulesets/{name}/1.0.0/{name}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let documents = <saphyr::Yaml as saphyr::LoadableYamlNode>::load_from_str(&text).unwrap();
    let Value::Object(mut document) = json_of(&documents[0]) else { panic!("{} is no map", file.display()) };
    let Some(Value::Array(rules)) = document.remove("rules") else { panic!("{} has no rules", file.display()) };
    TestInput::new("rules", rules).metadata(Value::Object(document))
}

fn json_of(yaml: &saphyr::Yaml<'_>) -> Value {
    use saphyr::{Scalar, Yaml};
    match yaml {
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Sequence(list) => list.iter().map(json_of).collect(),
        Yaml::Mapping(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json_of(value))).collect())
        }
        _ => Value::Null,
    }
}

/// The expected artifacts of a runbook.
pub(crate) fn expected(reference: &Path, runbook: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(reference.join(format!("expected/{runbook}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Compares findings as a multiset, in the form of the reference data, and the summary.
pub(crate) fn compare(name: &str, outcome: &TestOutcome, expected: &Map<String, Value>) {
    let mut found: Vec<String> =
        outcome.items("findings").into_iter().map(|finding| reduce(finding).to_string()).collect();
    let mut wanted: Vec<String> = expected[name]["findings"].as_array().unwrap().iter().map(Value::to_string).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted, "{name}");
    }
    assert_eq!(found.len(), wanted.len(), "{name}");
    let sorted = |summary: &Value| {
        let mut summary = summary.clone();
        if let Some(Value::Array(categories)) = summary.get_mut("categories_identified") {
            categories.sort_by_key(Value::to_string);
        }
        summary
    };
    assert_eq!(sorted(&outcome.metadata["findings"]["summary"]), sorted(&expected[name]["summary"]), "{name}");
}

/// A finding whose evidence is its text alone.
fn reduce(mut finding: Value) -> Value {
    for piece in finding["evidence"].as_array_mut().unwrap() {
        *piece = piece["content"].take();
    }
    finding
}

//! Runbooks that are artifacts: the text that the host writes of one says the same, and what is planned of it keeps to what
//! its caller and the operator allow.

use super::support::{World, schemas};
use super::{WORLD, check_diagnostics};
use palisade_model::strict_json;
use palisade_runbook::yaml::{self, Budget, Dialect};
use palisade_runbook::{Source, artifact_source};
use serde_json::Value;
use std::sync::LazyLock;

/// The runbook whose step runs what is read: it may use one component, and has two things to give.
const CALLER: &str = "
inputs:
  made: {input_schema: runbook_definition}
  texts: {input_schema: standard_input}
execution:
  - {id: go, type: execute_workflow, workflow: '{{ made }}', inputs: {texts: texts}, components: ['acme:words']}
";

static CALLED: LazyLock<Source> = LazyLock::new(|| Source::new("caller.yaml", CALLER));

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(document) = strict_json::from_str(text) else { return };
    let source = artifact_source("made", &document);
    says_the_same(&source, &document);
    let (plan, told) = World::check_artifact(&WORLD, &CALLED, &source);
    check_diagnostics(told.iter().map(|told| (&source, told)));
    let (again, _) = World::check_artifact(&WORLD, &CALLED, &source);
    assert_eq!(plan, again, "the same artifact has another plan");
    let Some(plan) = plan else { return };
    assert!(plan.steps.len() <= 200);
    for call in plan.calls() {
        assert_eq!(call.component.to_string(), "acme:words", "it uses what its caller does not allow");
        assert!(call.paths.is_empty() && call.connections.is_empty(), "it reaches something: {call:?}");
    }
    let known = |schema| schemas().get(schema).is_some();
    assert!(plan.inputs.iter().all(|input| known(&input.schema)));
}

/// Whoever approves the text approves the artifact.
fn says_the_same(source: &Source, document: &Value) {
    let (read, told) = yaml::read(source, Budget::RUNBOOK, Dialect::V12);
    // What is too deep, or holds numbers or characters that no runbook has, is refused as such.
    if told.is_empty() && is_plain(document) {
        let read = read.map(|node| node.to_json());
        assert_eq!(read.as_ref(), Some(document), "{}", source.text());
    }
}

/// It holds no number that YAML and JSON read otherwise.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64(),
        Value::Array(list) => list.iter().all(is_plain),
        Value::Object(map) => map.values().all(is_plain),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

//! Conditions: CEL over documents, under a bound of its steps.

use super::first_line;
use palisade_model::neutral::is_hidden;
use palisade_runbook::{Condition, EvaluationError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Elements of the list `many`.
const MANY: usize = 2_000;
/// Least bytes of the text `long`.
const LONG: usize = 64 << 10;

/// The first line is a condition, what follows the document `a`: without it, of no use. Two more names stand for much of
/// it, since what takes long takes long over much.
pub(crate) fn run(bytes: &[u8]) {
    let Some((line, rest)) = first_line(bytes) else { return };
    let condition = match Condition::parse(line) {
        Ok(condition) => condition,
        Err(error) => {
            assert!(!error.to_string().contains(is_hidden), "{error:?}");
            return;
        }
    };
    assert_eq!(condition.text(), line);
    assert_eq!(Condition::parse(line).as_ref(), Ok(&condition));
    let Ok(document) = serde_json::from_str::<Value>(rest) else { return };
    let documents: BTreeMap<String, Value> =
        condition.names().map(|name| (name.to_owned(), stands_for(name, &document))).collect();
    let answer = condition.evaluate(&documents);
    if let Err(EvaluationError::NotBoolean { kind: text } | EvaluationError::Failed { message: text }) = &answer {
        assert!(!text.contains(is_hidden), "{text:?}");
    }
    if let Some(constant) = condition.constant() {
        assert_eq!(answer, Ok(constant), "it is the same over any data");
    }
    if !documents.values().any(has_no_order) {
        assert_eq!(condition.evaluate(&documents), answer, "the same data has another answer");
    }
}

fn stands_for(name: &str, document: &Value) -> Value {
    match name {
        "many" => vec![document.clone(); MANY].into(),
        "long" => {
            let text = document.as_str().map_or_else(|| document.to_string(), str::to_owned);
            json!(text.repeat(LONG / text.len().max(1) + 1))
        }
        _ => document.clone(),
    }
}

/// Whether there is a mapping of several keys in it: going through one has no order in CEL, and a plan refuses to.
fn has_no_order(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.len() > 1 || map.values().any(has_no_order),
        Value::Array(list) => list.iter().any(has_no_order),
        _ => false,
    }
}

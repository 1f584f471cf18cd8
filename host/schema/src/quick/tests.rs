//! The quick look against the general validator.

use super::Quick;
use crate::validator::Validator;
use crate::{builtin, derive};
use palisade_model::strict_json;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

const NAMES: &[&str] = &["a", "b", "content", "é", "x y"];

/// Schemas of few names, mostly of what the quick look knows.
fn schemas() -> impl Strategy<Value = Value> {
    let bounds = (-3..3_i64, 0..5_i64);
    let leaf = prop_oneof![
        8 => select(vec!["string", "boolean", "integer", "number", "null", "object", "array"])
            .prop_map(|kind| json!({"type": kind, "description": "x"})),
        2 => Just(json!({"type": ["string", "null"]})),
        2 => Just(json!({"type": "string", "enum": ["a", "é", "b\n"]})),
        2 => bounds.prop_map(|(least, more)| json!({"type": "integer", "minimum": least, "maximum": least + more})),
        1 => Just(json!({"minimum": 0})),
        1 => Just(json!({"$ref": "#/$defs/shared"})),
        1 => Just(json!({"$ref": "#/$defs/shared", "type": "object"})),
        1 => select(vec![json!({}), json!(true), json!(false)]),
        1 => select(vec![json!({"maxLength": 2}), json!({"const": "a"}), json!({"pattern": "^a"}), json!({"minItems": 1})]),
        1 => Just(json!({"type": "string", "format": "uuid", "x-own": 1})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let properties = prop::collection::vec((select(NAMES), inner.clone()), 0..4);
        let required = prop::collection::vec(select(NAMES), 0..2);
        let others = prop::option::of(prop_oneof![3 => Just(json!(false)), 1 => inner.clone()]);
        prop_oneof![
            3 => (properties, required, others).prop_map(|(properties, required, others)| {
                let properties: Map<String, Value> =
                    properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
                let mut schema = json!({"type": "object", "properties": properties, "required": required});
                if let Some(others) = others {
                    schema["additionalProperties"] = others;
                }
                schema
            }),
            1 => inner.prop_map(|schema| json!({"type": "array", "items": schema})),
        ]
    })
}

/// Values of the same names.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        select(vec![
            json!(null),
            json!(true),
            json!(false),
            json!("a"),
            json!("é"),
            json!("b\n"),
            json!("\u{1f600}\u{7}")
        ]),
        (-4..8_i64).prop_map(|number| json!(number)),
        select(vec![json!(0.5), json!(1.0), json!(-0.0), json!(1e300), json!(u64::MAX), json!(i64::MIN)]),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec((select(NAMES), inner.clone()), 0..4).prop_map(|properties| {
                Value::Object(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

/// A value that is likely to fit a schema, from numbers that decide where there is a choice.
fn fitting(schema: &Value, document: &Value, choices: &mut impl Iterator<Item = usize>) -> Value {
    let mut choose = |from: &[Value]| from.get(choices.next().unwrap_or(0) % from.len().max(1)).cloned();
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return fitting(named, document, choices);
    }
    if let Some(texts) = schema.get("enum").and_then(Value::as_array) {
        return choose(texts).unwrap_or_default();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => choose(&[json!(""), json!("a"), json!("line\nline \"é\" \\ \u{1f600}")]).unwrap_or_default(),
        Some("boolean") => json!(true),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(7)),
        Some("number") => choose(&[json!(0.25), json!(-3)]).unwrap_or_default(),
        Some("array") => match schema.get("items") {
            Some(items) => (0..2).map(|_| fitting(items, document, choices)).collect(),
            None => json!([{}, [1]]),
        },
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            properties.map(|(name, schema)| (name.clone(), fitting(schema, document, choices))).collect()
        }
        _ => json!(null),
    }
}

fn fits(schema: &Value, line: &str) -> bool {
    strict_json::from_str(line).is_ok_and(|value| Validator::compile(schema).unwrap().fits(&value))
}

fn with_shared(mut schema: Value) -> Value {
    if let Some(keywords) = schema.as_object_mut() {
        let shared = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}});
        keywords.insert("$defs".to_owned(), json!({"shared": shared}));
    }
    schema
}

/// Changes a line in one place, mostly to something that is nearly JSON.
fn damaged(line: &str, at: Index, with: &str) -> String {
    let places: Vec<_> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
    let (before, after) = line.split_at(places[at.index(places.len())]);
    let mut rest = after.chars();
    rest.next();
    format!("{before}{with}{}", rest.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_surely_fits_fits(
        schema in schemas().prop_map(with_shared),
        value in values(),
        choices in prop::collection::vec(any::<usize>(), 8),
        at in any::<Index>(),
        with in select(vec!["", "\"", ",", "{", "}", "]", ":", "0", "01", "-", "-0", ".", "1e5", "1e999", " ", "\t", "\\",
            "\\u0061", "\\ud800", "\\uDbff", "\\u12", "\u{1}", "\u{7f}", "é", "null", "99999999999999999999", "\"a\":1,",
            "\"b\":1,\"b\":2,", "\"new\":[{\"k\":1,\"k\":1}],"]),
    ) {
        let Some(quick) = Quick::of(&schema) else { return Ok(()) };
        for value in [value, fitting(&schema, &schema, &mut choices.into_iter())] {
            let line = value.to_string();
            let damaged = damaged(&line, at, with);
            for line in [line, damaged] {
                if quick.surely_fits(&line) {
                    prop_assert!(fits(&schema, &line), "{schema} took {line}");
                }
            }
        }
    }

    /// It would be right, and of no use, to find that nothing surely fits.
    #[test]
    fn what_a_component_would_emit_surely_fits(
        schema in schemas().prop_map(with_shared),
        choices in prop::collection::vec(any::<usize>(), 8),
    ) {
        let Some(quick) = Quick::of(&schema) else { return Ok(()) };
        let line = fitting(&schema, &schema, &mut choices.into_iter()).to_string();
        // An enumeration may hold a text that is written with an escape.
        if fits(&schema, &line) && !line.contains(r#""b\n""#) {
            prop_assert!(quick.surely_fits(&line), "{schema} left {line} to the general validator");
        }
    }
}

#[test]
fn every_schema_of_palisades_own_is_known() {
    // Rulesets and runbooks are small, and what they must have depends on what they are.
    let streamed = |name: &str| !name.starts_with("ruleset.") && !name.starts_with("runbook_definition/");
    for (name, json) in builtin::SCHEMAS.iter().filter(|(name, _)| streamed(name)) {
        let json: Value = serde_json::from_str(json).unwrap();
        let (_, array) = derive::item_array(&json).unwrap();
        assert!(Quick::of(&derive::item_schema(&json, &array).unwrap()).is_some(), "{name}");
    }
}

fn check(line: &str, expected: bool) {
    let schema = json!({
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": ["string", "integer"], "maximum": 10}, "more": {"type": "object"}},
    });
    assert_eq!(Quick::of(&schema).unwrap().surely_fits(line), expected, "{line}");
    if expected {
        assert!(fits(&schema, line), "{line}");
    }
}

#[test]
fn what_is_understood() {
    check(r#" {"a" : "x\n\u00e9\"" , "b": [1, -2, 0.5, null, true, false, [], {}]} "#, true);
    check(r#"{"a": 10, "more": {"x": {"x": "a quite long text without an end so far"}, "y": {"x": 1}}}"#, true);
    check(r#"{"a": 11}"#, false);
    check(r#"{"more": {}}"#, false);
}

#[test]
fn what_is_left_to_the_general_validator() {
    for line in [
        r#"{"\u0061": "x"}"#,
        r#"{"a": "\ud83d\ude00"}"#,
        r#"{"a": "x", "b": 1e3}"#,
        r#"{"a": "x", "b": 1234567890123456789}"#,
        r#"{"a": "x", "b": -0}"#,
    ] {
        check(line, false);
    }
    let many: String = (0..=32).map(|n| format!(r#","k{n}":0"#)).collect();
    check(&format!(r#"{{"a":"x"{many}}}"#), false);
    check(&format!(r#"{{"a":"x","b":{}{}}}"#, "[".repeat(100), "]".repeat(100)), false);
    check(&format!(r#"{{"a":"x","b":{}{}}}"#, "[".repeat(99), "]".repeat(99)), true);
}

#[test]
fn keys_are_told_apart_in_each_object_alone() {
    check(r#"{"a": "x", "b": {"k": {"k": 1}, "l": 1}, "k": 1}"#, true);
    check(r#"{"a": "x", "b": {"k": {"m": 1}, "l": 1, "k": 1}}"#, false);
    check(r#"{"a": "x", "a": "y"}"#, false);
}

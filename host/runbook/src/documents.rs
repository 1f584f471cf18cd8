//! What a document of an artifact can hold, as far as its JSON Schema says: where a path leads, and which types stand
//! there. References and conditions are checked with it before anything runs.

use crate::reference::Segment;
use serde_json::Value;
use std::collections::BTreeSet;

/// The number of items of an artifact, which every document has beside what its schema says.
pub const ITEM_COUNT: &str = "item_count";
/// Most references (`$ref`) that are followed in a row.
const MAX_REFS: usize = 16;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place<'s> {
    /// To values that this schema describes.
    Schema(&'s Value),
    /// To the number of items.
    ItemCount,
    /// The schema says nothing of what stands there.
    Open,
    /// To nothing: the schema excludes it. The path up to the wrong segment, and what is known there.
    Nothing { segment: usize, known: Vec<String> },
}

/// The types that a value may have; none = all.
pub(crate) type Types = Option<BTreeSet<&'static str>>;

const TYPES: [&str; 6] = ["array", "boolean", "null", "number", "object", "string"];

/// Follows a path through the schema of a document.
pub(crate) fn follow<'s>(root: &'s Value, path: &[Segment]) -> Place<'s> {
    match path {
        [Segment::Key(key)] if key == ITEM_COUNT => Place::ItemCount,
        [Segment::Key(key), ..] if key == ITEM_COUNT => Place::Nothing { segment: 1, known: Vec::new() },
        _ => match follow_from(root, root, path) {
            Place::Nothing { segment: 0, mut known } => {
                known.push(ITEM_COUNT.to_owned());
                Place::Nothing { segment: 0, known }
            }
            place => place,
        },
    }
}

/// Follows a path from a part of a schema on. `root` is the whole, for references.
pub(crate) fn follow_from<'s>(root: &'s Value, part: &'s Value, path: &[Segment]) -> Place<'s> {
    let mut place = deref(root, part);
    for (at, segment) in path.iter().enumerate() {
        let next = match segment {
            Segment::Key(key) => property(place, key),
            Segment::Index(_) => element(place),
        };
        place = match next {
            Step::To(next) => deref(root, next),
            Step::Open => return Place::Open,
            Step::Nothing(known) => return Place::Nothing { segment: at, known },
        };
    }
    Place::Schema(place)
}

enum Step<'s> {
    To(&'s Value),
    Open,
    Nothing(Vec<String>),
}

fn property<'s>(schema: &'s Value, key: &str) -> Step<'s> {
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(found) = properties.and_then(|properties| properties.get(key)) {
        return Step::To(found);
    }
    let known = || properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default();
    let object = types(schema).is_none_or(|types| types.contains("object"));
    match schema.get("additionalProperties") {
        _ if !object => Step::Nothing(Vec::new()),
        Some(Value::Bool(false)) => Step::Nothing(known()),
        Some(more @ Value::Object(_)) => Step::To(more),
        // A schema that lists properties means those, and a misspelt one is what such a check is there to find.
        _ if properties.is_some_and(|properties| !properties.is_empty()) && !is_combined(schema) => {
            Step::Nothing(known())
        }
        _ => Step::Open,
    }
}

fn element(schema: &Value) -> Step<'_> {
    match schema.get("items") {
        _ if types(schema).is_some_and(|types| !types.contains("array")) => Step::Nothing(Vec::new()),
        Some(items @ Value::Object(_)) => Step::To(items),
        _ => Step::Open,
    }
}

/// Whether other parts of the schema may say more than its own keywords.
fn is_combined(schema: &Value) -> bool {
    ["allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"]
        .iter()
        .any(|key| schema.get(key).is_some())
}

fn deref<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..MAX_REFS {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// The types that a schema allows.
pub(crate) fn types(schema: &Value) -> Types {
    let named =
        |name: &str| TYPES.iter().copied().find(|known| *known == if name == "integer" { "number" } else { name });
    if let Some(constant) = schema.get("const") {
        return Some(BTreeSet::from([type_of(constant)]));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        return Some(allowed.iter().map(type_of).collect());
    }
    match schema.get("type")? {
        Value::String(name) => named(name).map(|name| BTreeSet::from([name])),
        Value::Array(names) => names.iter().map(|name| name.as_str().and_then(named)).collect(),
        _ => None,
    }
}

/// The type of a value.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Types for people: `a number or a text`.
pub(crate) fn in_words(types: &BTreeSet<&'static str>) -> String {
    let word = |name: &&str| match *name {
        "array" => "a list",
        "boolean" => "a truth value",
        "number" => "a number",
        "object" => "a mapping",
        "string" => "a text",
        _ => "null",
    };
    types.iter().map(word).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;
    use serde_json::json;

    fn check(path: &str, expected: &str) {
        let schema = json!({
            "type": "object",
            "properties": {
                "summary": {"$ref": "#/$defs/summary"},
                "findings": {"type": "array", "items": {"type": "object", "properties": {"category": {"type": "string"}}}},
                "free": {"type": "object"},
                "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
            "$defs": {"summary": {"type": "object", "additionalProperties": false, "properties": {"total": {"type": ["integer", "null"]}}}},
        });
        let reference = Reference::parse(&format!("a{path}")).unwrap();
        let found = match follow(&schema, &reference.path) {
            Place::Schema(found) => types(found).map_or("any".to_owned(), |types| in_words(&types)),
            Place::ItemCount => "count".to_owned(),
            Place::Open => "open".to_owned(),
            Place::Nothing { segment, known } => format!("nothing at {segment}, known {known:?}"),
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_lead_through_a_schema() {
        check("", "a mapping");
        check(".summary.total", "null or a number");
        check(".findings[3].category", "a text");
        check(".free.x.y", "open");
        check(".map.x", "a number");
        check(".item_count", "count");
        check(".summary.totl", r#"nothing at 1, known ["total"]"#);
        check(".sumary", r#"nothing at 0, known ["findings", "free", "map", "summary", "item_count"]"#);
        check(".item_count.x", "nothing at 1, known []");
        check(".findings.category", "nothing at 1, known []");
        check(".summary[0]", "nothing at 1, known []");
    }
}

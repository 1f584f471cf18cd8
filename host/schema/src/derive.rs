//! The schemas made from a published one: of an item as emitted, of the metadata as emitted.

use crate::check::{SchemaError, positions};
use crate::pointer::{join, parent_mut, split};
use crate::stamp::{is_stamped, resolve};
use serde_json::{Map, Value, json};

/// Keywords that may stand around the item array: those that can be checked without the items.
const AROUND_ITEMS: &[&str] = &[
    "$comment",
    "$defs",
    "$schema",
    "additionalProperties",
    "description",
    "examples",
    "properties",
    "required",
    "title",
    "type",
];
/// Keywords that would bear on the item array as a whole.
const OF_WHOLE_ARRAY: &[&str] = &[
    "allOf",
    "anyOf",
    "const",
    "contains",
    "else",
    "enum",
    "if",
    "maxContains",
    "maxItems",
    "minContains",
    "minItems",
    "not",
    "oneOf",
    "prefixItems",
    "then",
    "unevaluatedItems",
    "uniqueItems",
];

/// Finds the subschema of the item array: a pointer into the schema, such as `/properties/findings`.
pub(crate) fn item_array(schema: &Value) -> Result<(String, String), SchemaError> {
    let wrong = |why| SchemaError::Items { why };
    let items = schema.get("x-palisade-items").ok_or_else(|| wrong("it is absent"))?;
    let items = items.as_str().filter(|text| text.starts_with('/')).ok_or_else(|| wrong("it is no JSON pointer"))?;
    let found = positions(schema)?;
    let mut at = String::new();
    for segment in split(items) {
        for keyword in found.get(&at).and_then(|node| node.as_object()).into_iter().flat_map(Map::keys) {
            if !AROUND_ITEMS.contains(&keyword.as_str()) && !keyword.starts_with("x-") {
                return Err(SchemaError::NotStreamable { keyword: keyword.clone(), at });
            }
        }
        at = join(&join(&at, "properties"), &segment);
        if !found.contains_key(&at) {
            return Err(wrong("no such property is declared"));
        }
    }
    let array = resolve(&at, &found).unwrap_or_default();
    let node = found.get(&array).ok_or_else(|| wrong("no such property is declared"))?;
    if node.get("type").and_then(Value::as_str) != Some("array") {
        return Err(wrong("its `type` is not `array`"));
    }
    for keyword in node.as_object().into_iter().flat_map(Map::keys) {
        if OF_WHOLE_ARRAY.contains(&keyword.as_str()) {
            return Err(SchemaError::NotStreamable { keyword: keyword.clone(), at: array });
        }
    }
    Ok((items.to_owned(), at))
}

/// The schema of one item as emitted: no stamps.
pub(crate) fn item_schema(schema: &Value, array: &str) -> Result<Value, SchemaError> {
    let found = positions(schema)?;
    let target = resolve(array, &found).unwrap_or_else(|| array.to_owned());
    let mut document = without_stamps(schema)?;
    rebase(&mut document);
    let has_items = found.get(&target).is_some_and(|node| node.get("items").is_some());
    let item = if has_items { json!({"$ref": format!("#/$defs/document{target}/items")}) } else { json!({}) };
    let Value::Object(mut root) = item else { return Ok(item) };
    root.insert("$defs".to_owned(), json!({"document": document}));
    Ok(Value::Object(root))
}

/// The schema of the metadata as emitted: no item array, no stamps.
pub(crate) fn metadata_schema(schema: &Value, array: &str) -> Result<Value, SchemaError> {
    let mut document = without_stamps(schema)?;
    forbid(&mut document, array);
    Ok(document)
}

/// Forbids every stamped property and lets no one require it.
fn without_stamps(schema: &Value) -> Result<Value, SchemaError> {
    let found = positions(schema)?;
    let mut changed = schema.clone();
    for at in found.keys() {
        // `…/properties/NAME` of a subschema that has `properties`, not a property that happens to be called so.
        let parent = at.rsplit_once('/').and_then(|(map, _)| map.strip_suffix("/properties"));
        if parent.is_some_and(|parent| found.contains_key(parent)) && is_stamped(at, &found) {
            forbid(&mut changed, at);
        }
    }
    Ok(changed)
}

/// Replaces the property at `at` by one that nothing fits, and takes it out of `required`.
fn forbid(schema: &mut Value, at: &str) {
    let Some((properties, name)) = parent_mut(schema, at) else { return };
    if let Some(property) = properties.get_mut(&name) {
        *property = Value::Bool(false);
    }
    let Some((node, _)) = at.rsplit_once('/').and_then(|(properties, _)| parent_mut(schema, properties)) else {
        return;
    };
    if let Some(required) = node.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|required| required.as_str() != Some(&name));
    }
}

/// Moves every local reference below `#/$defs/document`, and the dialect to where it is implied.
fn rebase(document: &mut Value) {
    if let Some(root) = document.as_object_mut() {
        root.remove("$schema");
    }
    let Ok(all) = positions(document) else { return };
    let references: Vec<String> =
        all.into_iter().filter(|(_, node)| node.get("$ref").is_some()).map(|(at, _)| at).collect();
    for at in references {
        let Some(node) = document.pointer_mut(&at) else { continue };
        let moved = node.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        if let Some(moved) = moved.map(|pointer| format!("#/$defs/document{pointer}")) {
            node["$ref"] = Value::String(moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "x-palisade-items": "/findings",
            "required": ["findings", "summary"],
            "additionalProperties": false,
            "properties": {
                "findings": {"type": "array", "items": {"$ref": "#/$defs/finding"}},
                "summary": {"type": "object"},
            },
            "$defs": {"finding": {
                "required": ["id", "name"],
                "properties": {"id": {"x-palisade-stamp": "time"}, "name": {"type": "string"}},
            }},
        })
    }

    #[test]
    fn an_item_keeps_its_references_and_loses_its_stamps() {
        let (_, array) = item_array(&schema()).unwrap();
        let item = item_schema(&schema(), &array).unwrap();
        assert_eq!(item["$ref"], "#/$defs/document/properties/findings/items");
        let document = &item["$defs"]["document"];
        assert_eq!(document["properties"]["findings"]["items"]["$ref"], "#/$defs/document/$defs/finding");
        assert_eq!(document["$defs"]["finding"]["required"], json!(["name"]));
        assert_eq!(document["$defs"]["finding"]["properties"]["id"], false);
    }

    #[test]
    fn metadata_has_no_item_array() {
        let (_, array) = item_array(&schema()).unwrap();
        let metadata = metadata_schema(&schema(), &array).unwrap();
        assert_eq!(metadata["required"], json!(["summary"]));
        assert_eq!(metadata["properties"]["findings"], false);
    }

    #[test]
    fn what_can_not_be_checked_while_streaming_is_refused() {
        let with = |pointer: &str, value: Value| {
            let mut schema = schema();
            let (parent, key) = parent_mut(&mut schema, pointer).unwrap();
            parent[&key] = value;
            item_array(&schema).unwrap_err().to_string()
        };
        assert!(with("/properties/findings/minItems", json!(1)).contains("`minItems`"));
        assert!(with("/anyOf", json!([])).contains("`anyOf`"));
        assert!(with("/x-palisade-items", json!("/nowhere")).contains("no such property"));
        assert!(with("/x-palisade-items", json!("findings")).contains("no JSON pointer"));
        assert!(with("/properties/findings/type", json!("object")).contains("not `array`"));
    }
}

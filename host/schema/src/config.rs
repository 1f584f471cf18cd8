//! Configs of components: coercion (artifacts form), defaults, validation.
//!
//! The order is: [`ConfigSchema::drop_unknown`] and [`ConfigSchema::coerce`] in the artifacts form only, then
//! [`ConfigSchema::fill_defaults`], then [`ConfigSchema::validate`]. The first three walk nested `properties` alone: a
//! property below a reference or a combinator is validated, but neither filled nor coerced.

use crate::check::{self, SchemaError};
use crate::lax;
use crate::pointer::{join, split};
use crate::validator::Validator;
use crate::violation::ConfigViolation;
use serde_json::{Map, Value};

/// Most violations that are told of one config.
const MAX_VIOLATIONS: usize = 50;
/// Deepest nesting of properties that is walked; deeper schemas are validated only.
const MAX_DEPTH: usize = 16;

/// A component's config schema, compiled.
#[derive(Debug)]
pub struct ConfigSchema {
    json: Value,
    validator: Validator,
}

/// A key that was left out of a config, since WCF would have ignored it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// JSON pointer to the object that had it.
    pub pointer: String,
    /// The key.
    pub key: String,
    /// The keys that the schema knows in that place.
    pub known_keys: Vec<String>,
}

impl ConfigSchema {
    /// Checks and compiles a config schema.
    ///
    /// # Errors
    /// When it breaks a rule or can't be compiled.
    pub fn new(json: &Value) -> Result<Self, SchemaError> {
        check::check(json)?;
        Ok(Self { json: json.clone(), validator: Validator::compile(json)? })
    }

    /// The schema.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Takes keys that the schema does not know out of the objects that it marks `"x-palisade-wcf-lax": true`.
    pub fn drop_unknown(&self, config: &mut Value) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        drop_unknown(&self.json, config, "", 0, &mut dropped);
        dropped
    }

    /// Reads numbers and booleans the way WCF does: `"7"`, `7.0` and, as 1, `true` where an integer is wanted; `"0.5"`
    /// where a number is; `"yes"`, `"off"`, 1 where a boolean is. What has no exact reading stays as it is.
    pub fn coerce(&self, config: &mut Value) {
        coerce(&self.json, config);
    }

    /// Gives each absent property its whole `default`, then goes into the properties.
    pub fn fill_defaults(&self, config: &mut Value) {
        fill_defaults(&self.json, config, 0);
    }

    /// Every rule that the config breaks, at most 50.
    #[must_use]
    pub fn validate(&self, config: &Value) -> Vec<ConfigViolation> {
        let mut found = self.validator.violations(config, MAX_VIOLATIONS);
        for violation in found.iter_mut().filter(|violation| !violation.unknown_keys.is_empty()) {
            violation.known_keys = known_keys(self.at(&violation.pointer));
        }
        found
    }

    /// The subschema for the value at a pointer into the config, where plain properties lead to one.
    fn at(&self, pointer: &str) -> &Value {
        split(pointer).fold(&self.json, |schema, segment| {
            schema.get("properties").and_then(|properties| properties.get(&segment)).unwrap_or(&Value::Null)
        })
    }
}

fn known_keys(schema: &Value) -> Vec<String> {
    properties(schema).map(|(name, _)| name.clone()).collect()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn drop_unknown(schema: &Value, value: &mut Value, pointer: &str, depth: usize, dropped: &mut Vec<Dropped>) {
    let Some(map) = value.as_object_mut().filter(|_| depth <= MAX_DEPTH) else { return };
    if schema.get("x-palisade-wcf-lax").and_then(Value::as_bool) == Some(true) {
        let known_keys = known_keys(schema);
        map.retain(|key, _| {
            let known = known_keys.contains(key);
            if !known {
                dropped.push(Dropped { pointer: pointer.to_owned(), key: key.clone(), known_keys: known_keys.clone() });
            }
            known
        });
    }
    for (name, property) in properties(schema) {
        if let Some(inner) = map.get_mut(name) {
            drop_unknown(property, inner, &join(pointer, name), depth + 1, dropped);
        }
    }
}

fn fill_defaults(schema: &Value, value: &mut Value, depth: usize) {
    let Some(map) = value.as_object_mut().filter(|_| depth <= MAX_DEPTH) else { return };
    for (name, property) in properties(schema) {
        if let (None, Some(default)) = (map.get(name), property.get("default")) {
            map.insert(name.clone(), default.clone());
        }
        if let Some(inner) = map.get_mut(name) {
            fill_defaults(property, inner, depth + 1);
        }
    }
}

/// Reads the numbers and booleans of a document the way WCF does; see [`ConfigSchema::coerce`].
pub fn coerce(schema: &Value, document: &mut Value) {
    coerce_at(schema, document, 0);
}

fn coerce_at(schema: &Value, value: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, property) in properties(schema) {
                if let Some(inner) = map.get_mut(name) {
                    coerce_at(property, inner, depth + 1);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                list.iter_mut().for_each(|element| coerce_at(items, element, depth + 1));
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if let Some(read) = read_as(schema.get("type"), value) {
                *value = read;
            }
        }
        Value::Null => {}
    }
}

/// Reads a scalar as the first wanted type that takes it; none if it already has a wanted type.
fn read_as(wanted: Option<&Value>, value: &Value) -> Option<Value> {
    let wanted: Vec<&str> = match wanted? {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let has = match value {
        Value::Bool(_) => wanted.contains(&"boolean"),
        Value::Number(number) => wanted.contains(&"number") || (wanted.contains(&"integer") && !number.is_f64()),
        _ => wanted.contains(&"string"),
    };
    if has {
        return None;
    }
    wanted.into_iter().find_map(|wanted| match wanted {
        "integer" => lax::integer(value).map(Value::from),
        "number" => lax::number(value).map(Value::from),
        "boolean" => lax::boolean(value).map(Value::from),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> ConfigSchema {
        ConfigSchema::new(&json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["path"],
            "properties": {
                "path": {"type": "string"},
                "max_files": {"type": "integer", "default": 1000, "exclusiveMinimum": 0},
                "share": {"type": ["number", "null"]},
                "size": {"enum": ["small", "large"], "default": "small"},
                "sizes": {"type": "array", "items": {"type": "integer"}},
                "matching": {
                    "type": "object",
                    "default": {"ruleset": "local/a/1.0.0"},
                    "required": ["ruleset"],
                    "additionalProperties": false,
                    "x-palisade-wcf-lax": true,
                    "properties": {
                        "ruleset": {"type": "string"},
                        "enabled": {"type": "boolean", "default": false},
                        "count": {"type": "integer", "default": 3, "minimum": 1, "maximum": 20},
                    },
                },
            },
        }))
        .unwrap()
    }

    fn coerced(config: Value) -> Value {
        let mut config = config;
        schema().coerce(&mut config);
        config
    }

    #[test]
    fn an_absent_property_takes_its_whole_default() {
        let mut config = json!({"path": "x"});
        schema().fill_defaults(&mut config);
        let matching = json!({"ruleset": "local/a/1.0.0", "enabled": false, "count": 3});
        assert_eq!(config, json!({"path": "x", "max_files": 1000, "size": "small", "matching": matching}));
        // Once it is given, nothing of the default is mixed in but the defaults of its own properties.
        let mut config = json!({"path": "x", "matching": {"count": 5}});
        schema().fill_defaults(&mut config);
        assert_eq!(config["matching"], json!({"count": 5, "enabled": false}));
        assert_eq!(schema().validate(&config)[0].violation.message, "lacks the property `ruleset`");
    }

    #[test]
    fn numbers_are_read_as_wcf_reads_them() {
        for seven in [json!("7"), json!(" 7 "), json!("7.0"), json!("0_7"), json!(7.0)] {
            assert_eq!(coerced(json!({"max_files": seven}))["max_files"], json!(7), "{seven}");
        }
        assert_eq!(coerced(json!({"max_files": true})), json!({"max_files": 1}));
        for stays in [json!(2.5), json!("2.5"), json!("seven"), json!("_7"), json!("7."), json!(1e300), json!("")] {
            assert_eq!(coerced(json!({"max_files": stays}))["max_files"], stays);
        }
        assert_eq!(coerced(json!({"share": "0.5"})), json!({"share": 0.5}));
        assert_eq!(coerced(json!({"share": null})), json!({"share": null}));
        assert_eq!(coerced(json!({"share": "inf"})), json!({"share": "inf"}));
        assert_eq!(coerced(json!({"sizes": ["1", 2]})), json!({"sizes": [1, 2]}));
        assert_eq!(coerced(json!({"path": 7})), json!({"path": 7}));
        assert_eq!(coerced(json!({"matching": {"enabled": "Yes"}})), json!({"matching": {"enabled": true}}));
        assert_eq!(coerced(json!({"matching": {"enabled": 2}})), json!({"matching": {"enabled": 2}}));
    }

    #[test]
    fn keys_are_dropped_only_where_the_schema_says_so() {
        let mut config = json!({"path": "x", "pth": 1, "matching": {"ruleset": "r", "cuont": 1}});
        let dropped = schema().drop_unknown(&mut config);
        assert_eq!(dropped.len(), 1);
        assert_eq!((dropped[0].pointer.as_str(), dropped[0].key.as_str()), ("/matching", "cuont"));
        assert!(dropped[0].known_keys.contains(&"count".to_owned()));
        let violations = schema().validate(&config);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].unknown_keys, ["pth"]);
        assert!(violations[0].known_keys.contains(&"path".to_owned()));
    }

    #[test]
    fn every_violation_is_told_with_its_place() {
        let config = json!({"path": 1, "max_files": 0, "size": "huge", "matching": {"ruleset": "r", "count": 21}});
        let found: Vec<_> = schema().validate(&config).into_iter().map(|v| (v.pointer, v.violation.message)).collect();
        let of = |pointer: &str| found.iter().find(|(at, _)| at == pointer).map(|(_, message)| message.as_str());
        assert_eq!(of("/path"), Some("must be a text"));
        assert_eq!(of("/max_files"), Some("must be more than 0"));
        assert_eq!(of("/size"), Some("must be one of `small`, `large`"));
        assert_eq!(of("/matching/count"), Some("must be at most 20"));
    }
}

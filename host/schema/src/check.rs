//! The rules that every schema keeps before it is compiled. They bound what a foreign schema can cost: without them one
//! could name files, recurse, or take exponential time for one small item.

use crate::pointer::join;
use palisade_model::{canonical, neutral};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most bytes of a schema in canonical form.
pub(crate) const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// Deepest nesting of a schema's JSON.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most subschemas and listed values or names once every reference is replaced by what it names: the work for one value
/// is at most that.
pub(crate) const MAX_EXPANDED: usize = 20_000;
/// Most values of one `enum`, which are compared with a value one after the other. Countries, languages and currencies
/// have a few hundred.
pub(crate) const MAX_ENUM_VALUES: usize = 1_000;
/// Most patterns: each is compiled under a limit of its own.
pub(crate) const MAX_PATTERNS: usize = 64;
/// Most bytes of one pattern.
pub(crate) const MAX_PATTERN_BYTES: usize = 1_024;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords whose value is a map of subschemas.
const MAPS: &[&str] = &["$defs", "dependentSchemas", "patternProperties", "properties"];
/// Keywords whose value is one subschema.
const SINGLES: &[&str] = &[
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of subschemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// The other keywords that are understood.
const PLAIN: &[&str] = &[
    "$comment",
    "$ref",
    "$schema",
    "const",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// Palisade's own keywords.
const OWN: &[&str] = &[
    "x-palisade-connection",
    "x-palisade-database",
    "x-palisade-id-of",
    "x-palisade-items",
    "x-palisade-members",
    "x-palisade-model",
    "x-palisade-path",
    "x-palisade-ruleset",
    "x-palisade-secret",
    "x-palisade-sensitive",
    "x-palisade-stamp",
    "x-palisade-text",
    "x-palisade-url",
    "x-palisade-wcf-lax",
    "x-palisade-write",
];

/// Why a JSON value is no schema that Palisade takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is no JSON, or an object in it has a key twice.
    #[error("the schema is no JSON: {message}")]
    NotJson {
        /// What the reader says, neutralised.
        message: String,
    },
    /// It is too large.
    #[error("the schema has {bytes} bytes, at most {MAX_SCHEMA_BYTES} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It nests too deep.
    #[error("the schema nests deeper than {MAX_DEPTH} levels at `#{at}`")]
    TooDeep {
        /// JSON pointer into the schema.
        at: String,
    },
    /// The references make too many subschemas.
    #[error("the schema has more than {MAX_EXPANDED} subschemas and listed values once its references are followed")]
    TooManySubschemas,
    /// An `enum` is too long.
    #[error("the `enum` at `#{at}` has {values} values, at most {MAX_ENUM_VALUES} are allowed")]
    EnumTooLong {
        /// JSON pointer to the subschema that has it.
        at: String,
        /// How many it has.
        values: usize,
    },
    /// There are too many patterns.
    #[error("the schema has more than {MAX_PATTERNS} patterns")]
    TooManyPatterns,
    /// A pattern is too long.
    #[error("the pattern at `#{at}` has more than {MAX_PATTERN_BYTES} bytes")]
    PatternTooLong {
        /// JSON pointer into the schema.
        at: String,
    },
    /// A keyword is not understood, or is refused.
    #[error("`{keyword}` at `#{at}` is no keyword that Palisade knows")]
    UnknownKeyword {
        /// The keyword, neutralised.
        keyword: String,
        /// JSON pointer to the subschema that has it.
        at: String,
    },
    /// A keyword's value has the wrong form.
    #[error("`{keyword}` at `#{at}` must be {wanted}")]
    KeywordForm {
        /// The keyword.
        keyword: String,
        /// JSON pointer to the subschema that has it.
        at: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A reference leaves the document or names no subschema.
    #[error("the reference `{reference}` at `#{at}` names no subschema of this document")]
    Reference {
        /// The reference, neutralised.
        reference: String,
        /// JSON pointer to the subschema that has it.
        at: String,
    },
    /// References lead back to where they began.
    #[error("the reference at `#{at}` leads back to itself")]
    Recursive {
        /// JSON pointer to the subschema that has it.
        at: String,
    },
    /// The root does not say which array holds the items, or that array is not declared.
    #[error("`x-palisade-items` must be a pointer to an array that the root's `properties` declare: {why}")]
    Items {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A rule bears on the item array as a whole, or on an object around it in a way that can't be checked while items
    /// stream.
    #[error("`{keyword}` at `#{at}` can't be checked while items stream")]
    NotStreamable {
        /// The keyword.
        keyword: String,
        /// JSON pointer to the subschema that has it.
        at: String,
    },
    /// A stamp stands where it can't be filled, or says something unknown.
    #[error("the stamp at `#{at}` {why}")]
    Stamp {
        /// JSON pointer to the subschema that has it.
        at: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The validator can't be built from it.
    #[error("the schema can't be compiled: {message}")]
    Compile {
        /// What the compiler says, neutralised.
        message: String,
    },
}

/// Checks all rules but those of `x-palisade-items` and stamps.
///
/// # Errors
/// The first rule that is broken.
pub(crate) fn check(schema: &Value) -> Result<(), SchemaError> {
    check_depth(schema)?;
    let bytes = canonical::to_vec(schema).len();
    if bytes > MAX_SCHEMA_BYTES {
        return Err(SchemaError::TooLarge { bytes });
    }
    let found = positions(schema)?;
    let mut patterns = 0;
    for (at, node) in &found {
        if let Value::Object(keywords) = node {
            check_keywords(at, keywords, &found, &mut patterns)?;
        }
    }
    let mut sizes = BTreeMap::new();
    match expanded("", &found, &mut sizes, 0)? {
        0..=MAX_EXPANDED => Ok(()),
        _ => Err(SchemaError::TooManySubschemas),
    }
}

/// Every subschema with its pointer, root first.
pub(crate) fn positions(schema: &Value) -> Result<BTreeMap<String, &Value>, SchemaError> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), schema)];
    while let Some((at, node)) = open.pop() {
        if !matches!(node, Value::Object(_) | Value::Bool(_)) {
            return Err(SchemaError::KeywordForm {
                keyword: at.rsplit('/').next().unwrap_or_default().to_owned(),
                at: at.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default(),
                wanted: "a schema",
            });
        }
        open.extend(children(&at, node)?);
        found.insert(at, node);
    }
    Ok(found)
}

/// The subschemas that stand directly in a schema.
fn children<'s>(at: &str, schema: &'s Value) -> Result<Vec<(String, &'s Value)>, SchemaError> {
    let mut found = Vec::new();
    let Some(keywords) = schema.as_object() else { return Ok(found) };
    let form =
        |keyword: &str, wanted| SchemaError::KeywordForm { keyword: keyword.to_owned(), at: at.to_owned(), wanted };
    for (keyword, value) in keywords {
        let here = join(at, keyword);
        if MAPS.contains(&keyword.as_str()) {
            let map = value.as_object().ok_or_else(|| form(keyword, "an object of schemas"))?;
            found.extend(map.iter().map(|(name, schema)| (join(&here, name), schema)));
        } else if SINGLES.contains(&keyword.as_str()) {
            found.push((here, value));
        } else if LISTS.contains(&keyword.as_str()) {
            let list = value.as_array().ok_or_else(|| form(keyword, "a list of schemas"))?;
            found.extend(list.iter().enumerate().map(|(index, schema)| (format!("{here}/{index}"), schema)));
        }
    }
    Ok(found)
}

/// What a local reference names.
pub(crate) fn target(reference: &str) -> Option<String> {
    let pointer = reference.strip_prefix('#')?;
    // A percent sign would need decoding and is never needed in our own documents.
    (pointer.is_empty() || pointer.starts_with('/')).then(|| pointer.to_owned()).filter(|p| !p.contains('%'))
}

fn check_keywords(
    at: &str,
    keywords: &Map<String, Value>,
    found: &BTreeMap<String, &Value>,
    patterns: &mut usize,
) -> Result<(), SchemaError> {
    let form =
        |keyword: &str, wanted| SchemaError::KeywordForm { keyword: keyword.to_owned(), at: at.to_owned(), wanted };
    for (keyword, value) in keywords {
        let known = [MAPS, SINGLES, LISTS, PLAIN, OWN].iter().any(|list| list.contains(&keyword.as_str()));
        let foreign = keyword.starts_with("x-") && !keyword.starts_with("x-palisade-");
        if !known && !foreign {
            return Err(SchemaError::UnknownKeyword { keyword: neutral::line(keyword, 80), at: at.to_owned() });
        }
        match keyword.as_str() {
            "$schema" if !at.is_empty() || value != DIALECT => {
                return Err(form(keyword, "that of JSON Schema 2020-12, at the root"));
            }
            "$ref" => {
                let text = value.as_str().ok_or_else(|| form(keyword, "a text"))?;
                if target(text).is_none_or(|pointer| !found.contains_key(&pointer)) {
                    return Err(SchemaError::Reference { reference: neutral::line(text, 80), at: at.to_owned() });
                }
            }
            "enum" => {
                let values = value.as_array().map(Vec::len).filter(|&values| values > 0);
                match values.ok_or_else(|| form(keyword, "a list of at least one value"))? {
                    0..=MAX_ENUM_VALUES => {}
                    values => return Err(SchemaError::EnumTooLong { at: at.to_owned(), values }),
                }
            }
            "pattern" => {
                let pattern = value.as_str().ok_or_else(|| form(keyword, "a text"))?;
                count_pattern(at, pattern, patterns)?;
            }
            "patternProperties" => {
                for pattern in value.as_object().into_iter().flatten() {
                    count_pattern(at, pattern.0, patterns)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn count_pattern(at: &str, pattern: &str, patterns: &mut usize) -> Result<(), SchemaError> {
    *patterns += 1;
    if *patterns > MAX_PATTERNS {
        return Err(SchemaError::TooManyPatterns);
    }
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(SchemaError::PatternTooLong { at: at.to_owned() });
    }
    Ok(())
}

/// Values and names that a subschema lists itself: each may be compared with one of the data.
fn listed(schema: &Value) -> usize {
    let length = |list: &Value| list.as_array().map_or(0, Vec::len);
    let of = |keyword: &str| schema.get(keyword).map_or(0, length);
    let dependent = schema.get("dependentRequired").and_then(Value::as_object);
    of("enum") + of("required") + dependent.into_iter().flatten().map(|(_, names)| 1 + length(names)).sum::<usize>()
}

/// Subschemas below `at` and what they list, with references followed; a marker of 0 in `sizes` stands for "being
/// counted".
fn expanded(
    at: &str,
    found: &BTreeMap<String, &Value>,
    sizes: &mut BTreeMap<String, usize>,
    depth: usize,
) -> Result<usize, SchemaError> {
    match sizes.get(at) {
        Some(0) => return Err(SchemaError::Recursive { at: at.to_owned() }),
        Some(&size) => return Ok(size),
        None => {}
    }
    // References may chain subschemas of one document deeper than its JSON nests.
    if depth > 4 * MAX_DEPTH {
        return Err(SchemaError::TooDeep { at: at.to_owned() });
    }
    sizes.insert(at.to_owned(), 0);
    let mut size = 1_usize;
    if let Some(node) = found.get(at) {
        size += listed(node);
        let referred = node.get("$ref").and_then(Value::as_str).and_then(target);
        let definitions = format!("{at}/$defs/");
        let inner = children(at, node)?.into_iter().map(|(pointer, _)| pointer);
        for pointer in inner.filter(|pointer| !pointer.starts_with(&definitions)).chain(referred) {
            size = size.saturating_add(expanded(&pointer, found, sizes, depth + 1)?);
        }
    }
    sizes.insert(at.to_owned(), size);
    Ok(size)
}

fn check_depth(schema: &Value) -> Result<(), SchemaError> {
    let mut open = vec![(String::new(), schema, 0_usize)];
    while let Some((at, value, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(SchemaError::TooDeep { at });
        }
        match value {
            Value::Object(map) => open.extend(map.iter().map(|(key, value)| (join(&at, key), value, depth + 1))),
            Value::Array(list) => {
                open.extend(list.iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value, depth + 1)));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(schema: Value) -> String {
        check(&schema).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_schema_passes() {
        let schema = json!({
            "$schema": DIALECT, "type": "object", "x-vendor": 1,
            "properties": {"$id": {"$ref": "#/$defs/id"}, "pattern": {"pattern": "^a+$"}},
            "$defs": {"id": {"type": "string"}},
        });
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn references_stay_inside_and_do_not_recurse() {
        assert!(wrong(json!({"$ref": "https://example.org/x"})).contains("names no subschema"));
        assert!(wrong(json!({"$ref": "file:///etc/passwd"})).contains("names no subschema"));
        assert!(wrong(json!({"$ref": "#/default", "default": {}})).contains("names no subschema"));
        assert!(wrong(json!({"$ref": "#"})).contains("leads back"));
        let through = json!({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}});
        assert!(wrong(through).contains("leads back"));
    }

    #[test]
    fn unknown_and_dynamic_keywords_are_refused() {
        for keyword in ["$dynamicRef", "$anchor", "$id", "requried", "x-palisade-itmes", "definitions"] {
            assert!(wrong(json!({keyword: "#"})).contains("no keyword"), "{keyword}");
        }
        assert!(wrong(json!({"$schema": "http://json-schema.org/draft-07/schema#"})).contains("2020-12"));
        assert!(wrong(json!({"properties": 1})).contains("object of schemas"));
        assert!(wrong(json!({"items": 1})).contains("must be a schema"));
    }

    #[test]
    fn references_can_not_multiply_without_bound() {
        // Each level names the next twice: 2^n subschemas.
        let doubling = |levels: usize| {
            let mut definitions = Map::new();
            for level in 0..levels {
                let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
                definitions.insert(format!("d{level}"), json!({"allOf": [next, next]}));
            }
            definitions.insert(format!("d{levels}"), json!({}));
            json!({"$ref": "#/$defs/d0", "$defs": definitions})
        };
        assert_eq!(check(&doubling(11)), Ok(()));
        assert_eq!(check(&doubling(13)), Err(SchemaError::TooManySubschemas));
    }

    #[test]
    fn listed_values_count_as_often_as_they_are_compared() {
        let codes = |values: usize| (0..values).map(|value| json!(value)).collect::<Vec<_>>();
        let once = |values| json!({"properties": {"code": {"enum": codes(values)}}});
        assert_eq!(check(&once(MAX_ENUM_VALUES)), Ok(()));
        let long = SchemaError::EnumTooLong { at: "/properties/code".to_owned(), values: MAX_ENUM_VALUES + 1 };
        assert_eq!(check(&once(MAX_ENUM_VALUES + 1)), Err(long));
        assert!(wrong(json!({"enum": []})).contains("at least one value"));
        assert!(wrong(json!({"enum": "a"})).contains("at least one value"));
        // The root, and for each name the reference, its target and the thousand values of it.
        let often = |times: usize| {
            let code = json!({"$ref": "#/$defs/code"});
            json!({"allOf": vec![code; times], "$defs": {"code": {"enum": codes(998)}}})
        };
        assert_eq!(check(&often(19)), Ok(()));
        assert_eq!(check(&often(20)), Err(SchemaError::TooManySubschemas));
        let required = |names: usize| json!({"required": vec!["x"; names]});
        assert_eq!(check(&required(MAX_EXPANDED - 1)), Ok(()));
        assert_eq!(check(&required(MAX_EXPANDED)), Err(SchemaError::TooManySubschemas));
        let dependent = |names: usize| json!({"dependentRequired": {"x": vec!["y"; names]}});
        assert_eq!(check(&dependent(MAX_EXPANDED - 2)), Ok(()));
        assert_eq!(check(&dependent(MAX_EXPANDED - 1)), Err(SchemaError::TooManySubschemas));
    }

    #[test]
    fn size_depth_and_patterns_are_bounded() {
        let nested = |levels| (0..levels).fold(json!({}), |inner, _| json!({"not": inner}));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert!(wrong(nested(MAX_DEPTH + 1)).contains("nests deeper"));
        let text = |length| json!({"description": "x".repeat(length)});
        assert_eq!(check(&text(MAX_SCHEMA_BYTES - 20)), Ok(()));
        assert!(wrong(text(MAX_SCHEMA_BYTES)).contains("at most"));
        let patterns = |count| json!({"allOf": vec![json!({"pattern": "a"}); count]});
        assert_eq!(check(&patterns(MAX_PATTERNS)), Ok(()));
        assert!(wrong(patterns(MAX_PATTERNS + 1)).contains("patterns"));
        assert_eq!(check(&json!({"pattern": "a".repeat(MAX_PATTERN_BYTES)})), Ok(()));
        assert!(wrong(json!({"pattern": "a".repeat(MAX_PATTERN_BYTES + 1)})).contains("the pattern at"));
    }
}

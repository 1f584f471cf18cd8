//! The canonical JSON form (RFC 8785, JCS): equal values have equal bytes, so a digest can name them.

mod writer;

use crate::digest::Digest;
use serde::Serialize;
use serde_json::Value;

/// Writes a value in canonical form, without a copy of it as JSON. The value must have text keys and finite numbers only,
/// as every [`Value`] has; one that has others has no form, and gives nothing.
#[must_use]
pub fn to_vec(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    writer::to_vec(value).unwrap_or_default()
}

/// What an entry of an object is made of, in canonical form.
#[derive(Debug)]
pub enum Written {
    /// The value.
    Whole(Vec<u8>),
    /// Lists, whose elements in this order are those of the one list that is the value.
    Lists(Vec<Vec<u8>>),
}

/// Writes the object of these entries piece by piece, so that nobody has to hold what is as large as all its parts.
pub fn write_object(mut entries: Vec<(&str, Written)>, put: &mut dyn FnMut(&[u8])) {
    entries.sort_by(|(a, _), (b, _)| writer::order(a, b));
    put(b"{");
    for (number, (key, value)) in entries.into_iter().enumerate() {
        if number > 0 {
            put(b",");
        }
        put(&to_vec(key));
        put(b":");
        match value {
            Written::Whole(value) => put(&value),
            Written::Lists(lists) => write_list(&lists, put),
        }
    }
    put(b"}");
}

fn write_list(lists: &[Vec<u8>], put: &mut dyn FnMut(&[u8])) {
    put(b"[");
    let inner = lists.iter().filter_map(|list| list.strip_prefix(b"[")?.strip_suffix(b"]"));
    let filled = inner.filter(|elements| !elements.is_empty());
    for (number, elements) in filled.enumerate() {
        if number > 0 {
            put(b",");
        }
        put(elements);
    }
    put(b"]");
}

/// The digest of a value's canonical form; of what [`to_vec`] gives.
#[must_use]
pub fn digest(value: &impl Serialize) -> Digest {
    Digest::of(&to_vec(value))
}

/// The digest of an artifact: of its schema, of its item lines as emitted, and of its metadata.
#[must_use]
pub fn artifact_digest(schema: &crate::SchemaRef, items: Digest, metadata: &Value) -> Digest {
    #[derive(Serialize)]
    struct Parts<'a> {
        items: Digest,
        metadata: Digest,
        schema: &'a crate::SchemaRef,
    }
    digest(&Parts { items, metadata: digest(metadata), schema })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn the_form_is_that_of_the_rfc() {
        // RFC 8785, section 3.2.4, in part.
        let value =
            json!({"numbers": [333_333_333.333_333_3, 1E30, 4.50, 2e-3, 1e-27], "literals": [null, true, false]});
        let text = String::from_utf8(to_vec(&value)).unwrap();
        assert_eq!(text, r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}"#);
    }

    #[test]
    fn structures_and_variants_are_written_as_their_json() {
        #[derive(Serialize)]
        enum Kind {
            Unit,
            One(u8),
            Two(u8, char),
            Named { z: Option<u8>, a: () },
        }
        #[derive(Serialize)]
        struct All {
            z: Vec<Kind>,
            a: BTreeMap<Kinds, f32>,
            pair: (i64, u64),
            bytes: &'static [u8],
        }
        #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
        enum Kinds {
            B,
            A,
        }
        let value = All {
            z: vec![Kind::Unit, Kind::One(1), Kind::Two(2, '"'), Kind::Named { z: None, a: () }],
            a: BTreeMap::from([(Kinds::B, 1.5), (Kinds::A, 2.0)]),
            pair: (i64::MIN, u64::MAX),
            bytes: b"\n",
        };
        assert_eq!(to_vec(&value), serde_json_canonicalizer::to_vec(&value).unwrap());
        assert_eq!(to_vec(&value), to_vec(&serde_json::to_value(&value).unwrap()));
    }

    fn some_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-100_i64..100).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn some_list() -> impl Strategy<Value = Vec<Value>> {
        proptest::collection::vec(some_json(), 0..4)
    }

    proptest! {
        #[test]
        fn the_form_is_that_of_the_library(value in some_json()) {
            prop_assert_eq!(to_vec(&value), serde_json_canonicalizer::to_vec(&value).unwrap());
        }

        #[test]
        fn what_is_made_of_parts_is_as_the_whole(lists in proptest::collection::vec(some_list(), 0..4), key in ".*") {
            prop_assume!(key != "k");
            let parts = Written::Lists(lists.iter().map(to_vec).collect());
            let mut written = Vec::new();
            let entries = vec![("k", parts), (key.as_str(), Written::Whole(to_vec(&1)))];
            write_object(entries, &mut |piece| written.extend_from_slice(piece));
            prop_assert_eq!(written, to_vec(&json!({"k": lists.concat(), key.as_str(): 1})));
        }
    }

    #[test]
    fn an_artifact_is_named_by_schema_items_and_metadata() {
        let of = |schema: &str, items: &[u8], metadata| {
            artifact_digest(&schema.parse().unwrap(), Digest::of(items), &metadata)
        };
        let one = of("a/1.0.0", b"{}\n", json!({"x": 1, "y": 2}));
        assert_eq!(one, of("a/1.0.0", b"{}\n", json!({"y": 2, "x": 1})));
        assert_ne!(one, of("a/1.0.1", b"{}\n", json!({"x": 1, "y": 2})));
        assert_ne!(one, of("a/1.0.0", b"{ }\n", json!({"x": 1, "y": 2})));
        assert_ne!(one, of("a/1.0.0", b"{}\n", json!({"x": 1})));
    }
}

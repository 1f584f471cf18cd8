//! Reads the document of a schema item by item: memory does not grow with the number of items. The other way round than
//! [`crate::DocumentWriter`].

use crate::artifact::ArtifactSchema;
use crate::check::SchemaError;
use crate::pointer::split;
use crate::stamp;
use crate::validator::ItemValidator;
use crate::violation::Violation;
use palisade_model::neutral;
use palisade_model::strict_json::Strict;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::{self, Read};

/// Why a file is no document of a schema.
#[derive(Debug, thiserror::Error)]
pub enum DocumentReadError {
    /// It can't be read.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// It has no array of items where the schema has it.
    #[error("it has no array at `{pointer}`")]
    NoItems {
        /// Where the items should be.
        pointer: String,
    },
    /// An item does not fit.
    #[error("item {number} does not fit")]
    Item {
        /// Its number from 0.
        number: u64,
        /// What is wrong.
        violation: Violation,
    },
    /// What stands beside the items does not fit.
    #[error("what stands beside its items does not fit")]
    Metadata(Violation),
    /// The schema can't be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// Reads a document as an export has it, or without the fields that the host fills in then; they are left away in any
/// case, as in what a component emits. Hands each item to `take` as a line of JSON without its line end, and gives the
/// rest.
///
/// # Errors
/// When it can't be read, is no JSON, has a key twice in one object, does not fit the schema, or `take` fails.
pub fn read_document(
    schema: &ArtifactSchema,
    input: impl Read,
    take: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<Value, DocumentReadError> {
    let mut json = serde_json::Deserializer::from_reader(input);
    let way: Vec<String> = split(schema.items_pointer()).collect();
    let mut reading = Reading { schema, item: schema.item()?, take, number: 0, found: false, failed: None };
    let read = Level { reading: &mut reading, way: &way }.deserialize(&mut json).and_then(|document| {
        json.end()?;
        Ok(document)
    });
    if let Some(failed) = reading.failed {
        return Err(failed);
    }
    let found = reading.found;
    let mut metadata = read.map_err(|error| {
        if error.is_io() { DocumentReadError::Read(error.into()) } else { DocumentReadError::Json(error) }
    })?;
    if !found {
        return Err(DocumentReadError::NoItems { pointer: schema.items_pointer().to_owned() });
    }
    stamp::remove(&schema.stamps().metadata, &mut metadata);
    schema.metadata()?.check(&metadata).map_err(DocumentReadError::Metadata)?;
    Ok(metadata)
}

struct Reading<'a> {
    schema: &'a ArtifactSchema,
    item: &'a ItemValidator,
    take: &'a mut dyn FnMut(&str) -> io::Result<()>,
    number: u64,
    /// The array of items was there.
    found: bool,
    /// Why it was given up: what a serde error can't carry.
    failed: Option<DocumentReadError>,
}

impl Reading<'_> {
    fn item(&mut self, mut item: Value) -> Result<(), DocumentReadError> {
        stamp::remove(&self.schema.stamps().item, &mut item);
        let number = self.number;
        self.item.check(&item).map_err(|violation| DocumentReadError::Item { number, violation })?;
        (self.take)(&item.to_string()).map_err(DocumentReadError::Read)?;
        self.number += 1;
        Ok(())
    }

    /// Ends the reading; the error that serde gets is not the one that is told.
    fn give_up<E: serde::de::Error>(&mut self, failed: DocumentReadError) -> E {
        self.failed = Some(failed);
        E::custom("given up")
    }

    fn no_items<E: serde::de::Error>(&mut self) -> E {
        let pointer = self.schema.items_pointer().to_owned();
        self.give_up(DocumentReadError::NoItems { pointer })
    }
}

/// An object on the way to the items, or the array of items at the way's end.
struct Level<'r, 'a> {
    reading: &'r mut Reading<'a>,
    way: &'r [String],
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.way.is_empty() { "an array of items" } else { "a document" })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        if !self.way.is_empty() {
            return Err(self.reading.no_items());
        }
        self.reading.found = true;
        while let Some(item) = access.next_element_seed(Strict)? {
            if let Err(failed) = self.reading.item(item) {
                return Err(self.reading.give_up(failed));
            }
        }
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let Some((next, behind)) = self.way.split_first() else { return Err(self.reading.no_items()) };
        let mut map = Map::new();
        let mut seen = false;
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) || (seen && key == *next) {
                let key = neutral::line(&key, 80);
                return Err(A::Error::custom(format_args!("key `{key}` stands twice in one object")));
            }
            if key != *next {
                map.insert(key, access.next_value_seed(Strict)?);
                continue;
            }
            seen = true;
            let inner = access.next_value_seed(Level { reading: &mut *self.reading, way: behind })?;
            if !behind.is_empty() {
                map.insert(key, inner);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> ArtifactSchema {
        let json = json!({
            "type": "object", "x-palisade-items": "/body/lines", "additionalProperties": false,
            "properties": {
                "body": {"type": "object", "additionalProperties": false, "properties": {
                    "lines": {"type": "array", "items": {
                        "type": "object", "required": ["text", "at"],
                        "properties": {"text": {"type": "string"}, "at": {"type": "string", "x-palisade-stamp": "time"}},
                    }},
                    "title": {"type": "string"},
                }},
                "made": {"type": "string", "x-palisade-stamp": "time"},
            },
        });
        ArtifactSchema::new("acme.x/1.0.0".parse().unwrap(), json).unwrap()
    }

    fn check(text: &str, expected: Result<(&[&str], Value), &str>) {
        let mut lines = Vec::new();
        let read = read_document(&schema(), text.as_bytes(), &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        match (read, expected) {
            (Ok(metadata), Ok(expected)) => {
                let lines: Vec<_> = lines.iter().map(String::as_str).collect();
                assert_eq!((lines.as_slice(), metadata), expected, "{text}");
            }
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn items_come_one_by_one_and_what_the_host_fills_is_left_away() {
        let emitted = r#"{"body": {"title": "t", "lines": [{"text": "a"}, {"text": "b"}]}}"#;
        let lines: &[&str] = &[r#"{"text":"a"}"#, r#"{"text":"b"}"#];
        check(emitted, Ok((lines, json!({"body": {"title": "t"}}))));
        let exported = r#"{"made": "now", "body": {"lines": [{"at": "now", "text": "a"}]}}"#;
        check(exported, Ok((&[r#"{"text":"a"}"#], json!({"body": {}}))));
        check(r#"{"body": {"lines": []}}"#, Ok((&[], json!({"body": {}}))));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        check(r#"{"body": {"lines": [{"text": "a"}, {"text": 5}]}}"#, Err("item 1 does not fit"));
        check(r#"{"body": {"title": 5, "lines": []}}"#, Err("what stands beside its items does not fit"));
        check(r#"{"body": {"title": "t"}}"#, Err("no array at `/body/lines`"));
        check(r#"{"body": []}"#, Err("no array at `/body/lines`"));
        check(r#"{"body": {"lines": {}}}"#, Err("no array at `/body/lines`"));
        check("[]", Err("no array at `/body/lines`"));
        check("7", Err("it is no JSON"));
        check(r#"{"body": {"lines": []}} x"#, Err("it is no JSON"));
        check(r#"{"body": {"lines": [], "lines": []}}"#, Err("twice"));
        check(r#"{"body": {"lines": [{"text": "a", "text": "b"}]}}"#, Err("twice"));
        check(r#"{"body": {"lines": [{"text": "a"}"#, Err("it is no JSON"));
    }

    #[test]
    fn whoever_takes_the_items_may_refuse() {
        let refused = read_document(&schema(), &br#"{"body": {"lines": [{"text": "a"}]}}"#[..], &mut |_| {
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(refused, Err(DocumentReadError::Read(error)) if error.kind() == io::ErrorKind::StorageFull));
    }
}

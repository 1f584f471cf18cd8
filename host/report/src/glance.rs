//! What counting needs of an item, read from its line without building the rest.

use crate::vocabulary::{Mark, Marks, Vocabulary};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Most characters of a category or rule that is told apart from others.
const MAX_NAME_CHARS: usize = 200;

/// An item's category, marks and source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// None where the schema is not in the vocabulary or the item lacks it.
    pub(crate) category: Option<String>,
    pub(crate) marks: Marks,
    /// `metadata.source`.
    pub(crate) source: Option<String>,
}

impl Glance {
    /// Reads a line; one that is no JSON object has nothing.
    pub(crate) fn at(line: &str, vocabulary: Option<&'static Vocabulary>) -> Self {
        let mut reader = serde_json::Deserializer::from_str(line);
        Seed { category: vocabulary.map(|vocabulary| vocabulary.category) }.deserialize(&mut reader).unwrap_or_default()
    }
}

/// A name as it is counted and shown: strings as they are, other scalars as JSON, cut.
pub(crate) fn name_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.chars().take(MAX_NAME_CHARS).collect()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

struct Seed {
    category: Option<&'static str>,
}

/// What a key of an item, or of its metadata, is to counting.
enum Key {
    Category,
    Mark(Mark),
    Metadata,
    Other,
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Glance;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Glance, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Glance;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Glance, A::Error> {
        let mut glance = Glance::default();
        while let Some(key) = map.next_key_seed(KeySeed(self.category))? {
            match key {
                Key::Category => glance.category = name_of(&map.next_value()?),
                Key::Mark(mark) => {
                    if mark.is_set_by(&map.next_value()?) {
                        glance.marks.set(mark);
                    }
                }
                Key::Metadata => {
                    let metadata: Value = map.next_value()?;
                    glance.source = metadata.get("source").and_then(Value::as_str).map(str::to_owned);
                }
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(glance)
    }
}

struct KeySeed(Option<&'static str>);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(if self.0 == Some(key) {
            Key::Category
        } else if key == "metadata" {
            Key::Metadata
        } else {
            Mark::of_key(key).map_or(Key::Other, Key::Mark)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn category_marks_and_source_are_read_and_the_rest_is_not() {
        let line = r#"{"evidence": [{"content": "x", "category": "no"}], "category": "health", "special_category": true,
            "require_review": true, "metadata": {"context": {}, "source": "a.txt"}}"#;
        let glance = Glance::at(line, Vocabulary::of("personal_data_indicator"));
        assert_eq!(glance.category.as_deref(), Some("health"));
        assert_eq!(glance.source.as_deref(), Some("a.txt"));
        assert_eq!(glance.marks.iter().collect::<Vec<_>>(), [Mark::Special, Mark::Review]);
    }

    #[test]
    fn an_odd_item_is_counted_without_a_name() {
        let vocabulary = Vocabulary::of("personal_data_indicator");
        for line in ["7", "[]", "{", "{}", r#"{"category": {"a": 1}, "metadata": 3, "special_category": "yes"}"#] {
            assert_eq!(Glance::at(line, vocabulary), Glance::default(), "{line}");
        }
        assert_eq!(Glance::at(r#"{"category": 7}"#, vocabulary).category.as_deref(), Some("7"));
        assert_eq!(Glance::at(r#"{"category": "x"}"#, None).category, None);
    }

    #[test]
    fn an_endless_name_is_cut() {
        let line = format!(r#"{{"category": "{}"}}"#, "x".repeat(MAX_NAME_CHARS + 1));
        let glance = Glance::at(&line, Vocabulary::of("personal_data_indicator"));
        assert_eq!(glance.category.map(|name| name.len()), Some(MAX_NAME_CHARS));
    }
}

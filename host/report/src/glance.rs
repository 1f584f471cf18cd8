//! What counting needs of an item, read from its line without building the rest.

use crate::fields::Fields;
use crate::vocabulary::{Mark, Marks, Vocabulary};
use serde_json::Value;

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
        let category = vocabulary.map(|vocabulary| vocabulary.category);
        let mut glance = Self::default();
        for (key, value) in Fields::of(line) {
            if category == Some(&*key) {
                glance.category = name_of(&read(value));
            } else if key == "metadata" {
                let source = Fields::of(value).filter(|(key, _)| key == "source").last();
                glance.source = source.and_then(|(_, value)| serde_json::from_str(value).ok());
            } else if let Some(mark) = Mark::of_key(&key).filter(|mark| mark.is_set_by(&read(value))) {
                glance.marks.set(mark);
            }
        }
        glance
    }
}

fn read(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_default()
}

/// A name as it is counted and shown: strings as they are, other scalars as JSON, cut.
pub(crate) fn name_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let end = text.char_indices().nth(MAX_NAME_CHARS).map_or(text.len(), |(at, _)| at);
            text.get(..end).map(str::to_owned)
        }
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
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
        for line in [
            "7",
            "[]",
            "{",
            "{}",
            r#"{"\u0063ategory": []}"#,
            r#"{"category": {"a": 1}, "metadata": 3, "special_category": "yes"}"#,
        ] {
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

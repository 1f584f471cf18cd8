//! What a page shows of an item.

use crate::glance::name_of;
use crate::vocabulary::{Mark, Marks, Vocabulary};
use serde_json::Value;

/// Keys of items that say what a rule means in law or practice, with their titles.
const FACTS: [(&str, &str); 5] = [
    ("article_references", "Articles"),
    ("typical_lawful_bases", "Typical lawful bases"),
    ("dpia_recommendation", "DPIA"),
    ("risk_modifiers", "Risk modifiers"),
    ("polarity", "Polarity"),
];
/// Most patterns of a finding that are looked for in its evidence.
const MAX_PATTERNS: usize = 64;

/// An item, seen as a finding. What an item lacks, or has in another form, is absent.
pub(crate) struct Finding<'a> {
    pub(crate) category: Option<String>,
    /// What tells the rules of a category apart.
    pub(crate) rule: Option<String>,
    pub(crate) marks: Marks,
    pub(crate) source: Option<&'a str>,
    /// `metadata.line_number`.
    pub(crate) line: Option<u64>,
    /// What matched, and how often.
    pub(crate) patterns: Vec<(&'a str, u64)>,
    /// The pieces of text in which it matched.
    pub(crate) evidence: Vec<&'a str>,
    item: &'a Value,
}

impl<'a> Finding<'a> {
    pub(crate) fn of(item: &'a Value, vocabulary: Option<&Vocabulary>) -> Self {
        let mut marks = Marks::default();
        for (key, value) in item.as_object().into_iter().flatten() {
            if let Some(mark) = Mark::of_key(key).filter(|mark| mark.is_set_by(value)) {
                marks.set(mark);
            }
        }
        let name = |key: &str| item.get(key).and_then(name_of);
        let metadata = item.get("metadata");
        Self {
            category: vocabulary.and_then(|vocabulary| name(vocabulary.category)),
            rule: vocabulary.and_then(|vocabulary| vocabulary.rule).and_then(name),
            marks,
            source: metadata.and_then(|metadata| metadata.get("source")).and_then(Value::as_str),
            line: metadata.and_then(|metadata| metadata.get("line_number")).and_then(Value::as_u64),
            patterns: list(item, "matched_patterns").filter_map(pattern).take(MAX_PATTERNS).collect(),
            evidence: list(item, "evidence").filter_map(piece).collect(),
            item,
        }
    }

    /// What the rule means: title and values.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
        FACTS.into_iter().filter_map(|(key, title)| {
            let values: Vec<_> = match self.item.get(key)? {
                Value::Array(values) => values.iter().filter_map(name_of).collect(),
                value => name_of(value).into_iter().collect(),
            };
            (!values.is_empty()).then_some((title, values))
        })
    }
}

fn list<'a>(item: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    item.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn pattern(value: &Value) -> Option<(&str, u64)> {
    let pattern = value.get("pattern")?.as_str().filter(|pattern| !pattern.is_empty())?;
    Some((pattern, value.get("match_count").and_then(Value::as_u64).unwrap_or(1)))
}

/// A piece of evidence: an object with `content`, or the text itself.
fn piece(value: &Value) -> Option<&str> {
    value.get("content").unwrap_or(value).as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_is_read_in_both_forms_of_evidence() {
        let item = json!({
            "privacy_category": "health_data", "indicator_type": "health", "special_category": true,
            "article_references": ["Article 9"], "evidence": [{"content": "a"}, "b", 7],
            "matched_patterns": [{"pattern": "x", "match_count": 3}, {"pattern": ""}, "y"],
            "metadata": {"source": "f.txt", "line_number": 4},
        });
        let finding = Finding::of(&item, Vocabulary::of("gdpr_personal_data"));
        assert_eq!((finding.category.as_deref(), finding.rule.as_deref()), (Some("health_data"), Some("health")));
        assert_eq!((finding.source, finding.line), (Some("f.txt"), Some(4)));
        assert_eq!((&finding.evidence[..], &finding.patterns[..]), (&["a", "b"][..], &[("x", 3)][..]));
        assert!(finding.marks.special());
        assert_eq!(finding.facts().collect::<Vec<_>>(), [("Articles", vec!["Article 9".to_owned()])]);
    }

    #[test]
    fn an_odd_item_has_nothing() {
        for item in [json!(7), json!([]), json!({"evidence": 3, "metadata": [], "matched_patterns": {"pattern": "x"}})]
        {
            let finding = Finding::of(&item, Vocabulary::of("gdpr_personal_data"));
            assert!(finding.source.is_none() && finding.evidence.is_empty() && finding.patterns.is_empty());
        }
    }
}

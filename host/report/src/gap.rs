//! Where a privacy policy and the data disagree, as reports show it: read from the items of a gap report, in bounded
//! memory. What is amiss is said in this crate's words; the items' own sentences may hold text of the inputs.

use crate::document::walk;
use crate::glance::name_of;
use crate::{Document, ReportError};
use serde_json::Value;

/// The schema whose items are gaps.
const SCHEMA: &str = "policy_gap_report";
/// Most gaps of one severity that are shown.
const MAX_SHOWN: usize = 200;
/// Most of what agrees that is shown.
const MAX_AGREED: usize = 100;

/// How grave a gap is, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    High,
    Medium,
    Low,
    /// Something that nobody could check.
    Info,
}

/// A gap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) severity: Severity,
    /// What is amiss.
    pub(crate) what: &'static str,
    /// What the category is one of.
    pub(crate) about: &'static str,
    /// Foreign.
    pub(crate) category: String,
    pub(crate) special: bool,
    pub(crate) findings: u64,
    pub(crate) place_count: u64,
    pub(crate) more_places: bool,
    /// One of the places. Foreign.
    pub(crate) place: Option<String>,
    /// What the policy says: text of the inputs.
    pub(crate) sentence: Option<String>,
}

/// The gaps of one document.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Gravest first, those of one severity as the document has them.
    pub(crate) shown: Vec<Gap>,
    /// How many are not shown.
    pub(crate) left_out: u64,
    /// Of which policy. Foreign.
    pub(crate) title: String,
    /// What agrees. Foreign.
    pub(crate) agreed: Vec<String>,
}

impl Severity {
    /// What a person reads.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "note",
        }
    }

    fn of(name: Option<&str>) -> Self {
        match name {
            Some("high") => Self::High,
            Some("medium") => Self::Medium,
            Some("low") => Self::Low,
            _ => Self::Info,
        }
    }
}

impl Gaps {
    /// Walks a gap report; none for other documents.
    pub(crate) fn of(document: &dyn Document) -> Result<Option<Self>, ReportError> {
        if document.schema().name() != SCHEMA {
            return Ok(None);
        }
        let text = |value: Option<&Value>| value.and_then(name_of);
        let agreed = document.metadata().get("agreed").and_then(Value::as_array).into_iter().flatten();
        let mut gaps = Self {
            title: text(document.metadata().get("title")).unwrap_or_default(),
            agreed: agreed.filter_map(name_of).take(MAX_AGREED).collect(),
            ..Self::default()
        };
        let mut of_severity = [0_usize; 4];
        walk(document, &mut |item| {
            let gap = Gap::of(&item);
            match of_severity.get_mut(gap.severity as usize).filter(|count| **count < MAX_SHOWN) {
                Some(count) => {
                    *count += 1;
                    gaps.shown.push(gap);
                }
                None => gaps.left_out += 1,
            }
            Ok(())
        })?;
        gaps.shown.sort_by_key(|gap| gap.severity);
        Ok(Some(gaps))
    }

    /// Those that are more than notes, and the notes.
    pub(crate) fn split(&self) -> (&[Gap], &[Gap]) {
        self.shown.split_at(self.shown.partition_point(|gap| gap.severity < Severity::Info))
    }
}

impl Gap {
    fn of(item: &Value) -> Self {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let number = |key: &str| item.get(key).and_then(Value::as_u64).unwrap_or_default();
        let place = item.get("places").and_then(|places| places.get(0)).and_then(Value::as_str);
        Self {
            severity: Severity::of(text("severity")),
            what: what(text("kind")),
            about: about(text("about")),
            category: item.get("category").and_then(name_of).unwrap_or_default(),
            special: item.get("special").is_some_and(|special| *special == true),
            findings: number("findings"),
            place_count: number("place_count"),
            more_places: item.get("more_places").is_some_and(|more| *more == true),
            place: place.map(|place| place.chars().take(1_000).collect()),
            sentence: text("sentence").map(str::to_owned),
        }
    }
}

fn what(kind: Option<&str>) -> &'static str {
    match kind {
        Some("found_but_denied") => "denied, yet found",
        Some("found_not_stated") => "not stated, yet found",
        Some("stated_by_model_alone") => "stated as a model alone reads it",
        Some("special_without_basis") => "stated without a ground of Article 9(2)",
        Some("system_not_checked") => "named, not checked",
        Some("stated_not_found") => "stated, not found",
        Some("not_comparable") => "can't be compared: the vocabulary has no word for it",
        Some("not_checkable") => "nothing here checks it",
        _ => "of a kind that this version does not know",
    }
}

fn about(about: Option<&str>) -> &'static str {
    match about {
        Some("data_category") => "personal data",
        Some("data_subject") => "people",
        Some("third_party") => "recipient",
        Some("purpose") => "purpose",
        Some("system") => "system",
        Some("retention") => "retention",
        Some("transfer") => "transfer",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Made;
    use serde_json::json;

    fn gaps(items: Vec<Value>) -> Gaps {
        let document = Made::new("gaps", "policy_gap_report/1.0.0", items).with_pointer("/gaps");
        Gaps::of(&document.with_metadata(json!({"title": "P", "agreed": ["name", 7]}))).unwrap().unwrap()
    }

    fn gap(severity: &str, category: &str) -> Value {
        json!({"severity": severity, "kind": "found_not_stated", "about": "data_category", "category": category})
    }

    #[test]
    fn the_gravest_come_first_and_notes_stand_apart() {
        let gaps = gaps(vec![gap("info", "a"), gap("low", "b"), gap("high", "c"), gap("high", "d")]);
        let (grave, notes) = gaps.split();
        assert_eq!(grave.iter().map(|gap| gap.category.as_str()).collect::<Vec<_>>(), ["c", "d", "b"]);
        assert_eq!((notes.len(), gaps.left_out, &gaps.agreed[..]), (1, 0, &["name".to_owned(), "7".to_owned()][..]));
    }

    #[test]
    fn many_of_one_severity_keep_out_no_other() {
        let mut items: Vec<_> = (0..MAX_SHOWN).map(|n| gap("low", &n.to_string())).collect();
        assert_eq!(gaps(items.clone()).left_out, 0);
        items.extend([gap("low", "one more"), gap("high", "last")]);
        let gaps = gaps(items);
        assert_eq!((gaps.shown[0].category.as_str(), gaps.left_out), ("last", 1));
    }

    #[test]
    fn odd_items_and_other_documents_are_read_as_far_as_they_go() {
        let odd = gaps(vec![json!(7), json!({"severity": 1, "places": {}, "category": {}, "kind": "new"})]);
        assert!(odd.shown.iter().all(|gap| gap.severity == Severity::Info && gap.place.is_none()));
        assert!(Gaps::of(&Made::new("a", "gdpr_personal_data/1.0.0", vec![])).unwrap().is_none());
    }
}

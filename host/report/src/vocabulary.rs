//! What the findings of known schemas are counted by. A schema that is not in the table is counted as a whole.

/// How the findings of one schema are told apart.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    schema: &'static str,
    /// Key of the item that holds its category.
    pub(crate) category: &'static str,
    /// Key that tells the rules within a category apart.
    pub(crate) rule: Option<&'static str>,
    /// Its findings repeat words of findings that were their input.
    pub(crate) repeats: bool,
}

const fn first(schema: &'static str, category: &'static str, rule: Option<&'static str>) -> Vocabulary {
    Vocabulary { schema, category, rule, repeats: false }
}

const fn over(schema: &'static str, category: &'static str, rule: Option<&'static str>) -> Vocabulary {
    Vocabulary { schema, category, rule, repeats: true }
}

const TABLE: [Vocabulary; 12] = [
    first("crypto_quality_indicator", "algorithm", Some("quality_rating")),
    first("data_collection_indicator", "collection_type", Some("data_source")),
    first("data_subject_indicator", "subject_category", None),
    over("gdpr_data_collection", "gdpr_purpose_category", Some("collection_type")),
    over("gdpr_data_subject", "data_subject_category", None),
    over("gdpr_personal_data", "privacy_category", Some("indicator_type")),
    over("gdpr_processing_purpose", "purpose_category", Some("processing_purpose")),
    over("gdpr_service_integration", "gdpr_purpose_category", Some("service_category")),
    first("personal_data_indicator", "category", None),
    first("processing_purpose_indicator", "purpose", None),
    over("security_evidence", "security_domain", Some("description")),
    first("service_integration_indicator", "service_category", Some("purpose_category")),
];

impl Vocabulary {
    /// That of a schema, whatever its version.
    pub(crate) fn of(schema: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.schema == schema)
    }
}

/// A mark that makes a finding stand out, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// `special_category` is true: GDPR Article 9.
    Special,
    /// `sensitive_purpose` is true.
    Sensitive,
    /// `dpia_recommendation` is `required`.
    Dpia,
    /// `risk_modifiers` names any.
    Risk,
    /// `polarity` is `negative`.
    Weakness,
    /// `require_review` is true.
    Review,
}

impl Mark {
    /// All marks, gravest first.
    pub(crate) const ALL: [Self; 6] =
        [Self::Special, Self::Sensitive, Self::Dpia, Self::Risk, Self::Weakness, Self::Review];

    /// What a person reads.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Special => "special category",
            Self::Sensitive => "sensitive purpose",
            Self::Dpia => "DPIA required",
            Self::Risk => "risk modifier",
            Self::Weakness => "weakness",
            Self::Review => "needs review",
        }
    }

    /// The mark that a key of an item can set.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        match key {
            "special_category" => Some(Self::Special),
            "sensitive_purpose" => Some(Self::Sensitive),
            "dpia_recommendation" => Some(Self::Dpia),
            "risk_modifiers" => Some(Self::Risk),
            "polarity" => Some(Self::Weakness),
            "require_review" => Some(Self::Review),
            _ => None,
        }
    }

    /// Says whether the value of its key sets it.
    pub(crate) fn is_set_by(self, value: &serde_json::Value) -> bool {
        match self {
            Self::Special | Self::Sensitive | Self::Review => value == true,
            Self::Dpia => value == "required",
            Self::Weakness => value == "negative",
            Self::Risk => value.as_array().is_some_and(|names| !names.is_empty()),
        }
    }
}

/// Some marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    pub(crate) fn set(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u8;
    }

    pub(crate) fn has(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u8) != 0
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// A person looks at these first: special categories of data, sensitive purposes.
    pub(crate) fn special(self) -> bool {
        self.has(Mark::Special) || self.has(Mark::Sensitive)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Mark> {
        Mark::ALL.into_iter().filter(move |&mark| self.has(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_is_sorted_and_finds_each_row() {
        assert!(TABLE.is_sorted_by_key(|row| row.schema));
        assert_eq!(Vocabulary::of("gdpr_personal_data").map(|row| row.category), Some("privacy_category"));
        assert!(Vocabulary::of("acme.own").is_none());
    }

    #[test]
    fn marks_are_set_by_their_exact_values() {
        for (mark, sets, does_not) in [
            (Mark::Special, json!(true), json!("true")),
            (Mark::Sensitive, json!(true), json!(false)),
            (Mark::Dpia, json!("required"), json!("recommended")),
            (Mark::Risk, json!(["health_related"]), json!([])),
            (Mark::Weakness, json!("negative"), json!("neutral")),
            (Mark::Review, json!(true), json!(null)),
        ] {
            assert!(mark.is_set_by(&sets) && !mark.is_set_by(&does_not), "{mark:?}");
        }
        let mut marks = Marks::default();
        marks.set(Mark::Review);
        assert!(!marks.special());
        marks.set(Mark::Sensitive);
        assert!(marks.special());
        assert_eq!(marks.iter().collect::<Vec<_>>(), [Mark::Sensitive, Mark::Review]);
    }
}

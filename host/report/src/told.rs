//! A finding as lists show it: by what it is told apart, where it was found, and as much of its evidence as is wanted.

use crate::evidence::{Evidence, Left, masked};
use crate::finding::Finding;
use crate::trust::names_rules_only;
use crate::vocabulary::Vocabulary;
use palisade_model::record::RunRecord;
use palisade_model::{OutputName, SchemaRef};
use serde::Serialize;
use serde_json::Value;

/// Most characters of a source that are told.
const MAX_SOURCE_CHARS: usize = 1_000;
/// Most characters of a piece of evidence that are told; a report shows more.
const MAX_PIECE_CHARS: usize = 300;
/// Most pieces of a finding.
const MAX_PIECES: usize = 5;
/// Most pieces that are looked at to find some that differ.
const MAX_LOOKED_AT: usize = 50;
/// Most patterns of a finding.
const MAX_PATTERNS: usize = 20;
/// What stands for hidden text of any length.
const HIDDEN: &str = "•••••";

/// What is told of a finding. Its texts are foreign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ToldFinding {
    /// Its category; none where its schema is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What tells the rules of the category apart, where it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What makes it stand out, gravest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<&'static str>,
    /// Where it was found, as the finding says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The line there, as the finding says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The patterns that matched, where they may be shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Pieces of evidence that differ, masked unless all was asked for; bounded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// Tells the findings of one artifact.
#[derive(Debug, Clone, Copy)]
pub struct FindingTeller {
    vocabulary: Option<&'static Vocabulary>,
    evidence: Evidence,
    /// Rules and patterns may be shown.
    words: bool,
}

impl FindingTeller {
    /// Of an artifact of that name in a run: by the same rules as a report, it may show its words or not. Of one without
    /// a name it may not.
    #[must_use]
    pub fn new(run: &RunRecord, name: Option<&OutputName>, schema: &SchemaRef, evidence: Evidence) -> Self {
        let rules_only = || name.is_some_and(|name| names_rules_only(run, name.as_str()));
        let words = evidence == Evidence::Full || rules_only();
        Self { vocabulary: Vocabulary::of(schema.name()), evidence, words }
    }

    /// Tells one; what it lacks, or has in another form, is absent.
    #[must_use]
    pub fn tell(&self, item: &Value) -> ToldFinding {
        let finding = Finding::of(item, self.vocabulary);
        let patterns: Vec<&str> = if self.words {
            finding.patterns.iter().map(|(pattern, _)| *pattern).take(MAX_PATTERNS).collect()
        } else {
            Vec::new()
        };
        let piece = |text: &&str| match self.evidence {
            Evidence::Full => Some(cut(text, MAX_PIECE_CHARS)),
            Evidence::Masked => masked(text, &patterns).map(|left| shown(&left)),
        };
        let mut evidence: Vec<String> = Vec::new();
        for piece in finding.evidence.iter().take(MAX_LOOKED_AT).filter_map(piece) {
            // Masked pieces are often equal, and a second one says no more.
            if evidence.len() < MAX_PIECES && !evidence.contains(&piece) {
                evidence.push(piece);
            }
        }
        ToldFinding {
            category: finding.category,
            rule: finding.rule.filter(|_| self.words),
            marks: finding.marks.iter().map(crate::vocabulary::Mark::label).collect(),
            source: finding.source.map(|source| cut(source, MAX_SOURCE_CHARS)),
            line: finding.line,
            evidence,
            patterns: patterns.iter().map(|pattern| cut(pattern, MAX_PIECE_CHARS)).collect(),
        }
    }
}

fn shown(left: &[Left<'_>]) -> String {
    let word = |left: &Left<'_>| match left {
        Left::Hidden => HIDDEN.to_owned(),
        Left::Word(pattern) => cut(pattern, MAX_PIECE_CHARS),
    };
    left.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut kept: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{component_of, run};
    use serde_json::json;

    fn told(run: &RunRecord, item: &Value, evidence: Evidence) -> ToldFinding {
        let (name, schema) = ("gdpr".parse().unwrap(), "gdpr_personal_data/1.0.0".parse().unwrap());
        FindingTeller::new(run, Some(&name), &schema, evidence).tell(item)
    }

    fn item() -> Value {
        json!({
            "privacy_category": "health_data", "indicator_type": "allergy", "special_category": true,
            "evidence": [{"content": "Jane Doe has an Allergy"}, "nothing of it"],
            "matched_patterns": [{"pattern": "allergy", "match_count": 1}],
            "metadata": {"source": "notes.txt", "line_number": 3},
        })
    }

    #[test]
    fn evidence_is_masked_unless_all_is_asked_for() {
        let masked = told(&run(), &item(), Evidence::Masked);
        assert_eq!((masked.category.as_deref(), masked.rule.as_deref()), (Some("health_data"), Some("allergy")));
        assert_eq!((masked.source.as_deref(), masked.line), (Some("notes.txt"), Some(3)));
        assert_eq!(
            (&masked.marks[..], &masked.evidence[..]),
            (&["special category"][..], &["••••• allergy".to_owned()][..])
        );
        let full = told(&run(), &item(), Evidence::Full);
        assert_eq!(full.evidence, ["Jane Doe has an Allergy", "nothing of it"]);
    }

    #[test]
    fn of_a_foreign_component_no_word_is_shown() {
        let mut foreign = run();
        for step in &mut foreign.steps {
            step.component = Some(component_of("acme:own"));
        }
        let masked = told(&foreign, &item(), Evidence::Masked);
        assert_eq!((masked.rule, masked.patterns.len(), masked.evidence.len()), (None, 0, 0));
        assert_eq!(masked.category.as_deref(), Some("health_data"));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let long = "x".repeat(MAX_PIECE_CHARS);
        let pieces = |count: usize| {
            let pieces: Vec<_> = (0..count).map(|number| format!("{number}{long}")).collect();
            told(&run(), &json!({"evidence": pieces}), Evidence::Full).evidence
        };
        assert_eq!((pieces(MAX_PIECES).len(), pieces(MAX_PIECES + 1).len()), (MAX_PIECES, MAX_PIECES));
        assert_eq!(pieces(1)[0].chars().count(), MAX_PIECE_CHARS + 1);
        assert!(pieces(1)[0].ends_with("x…"));
        assert_eq!(told(&run(), &json!({"evidence": ["a", "b", "a"]}), Evidence::Full).evidence, ["a", "b"]);
    }
}

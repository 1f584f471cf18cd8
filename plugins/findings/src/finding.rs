//! What a finding looks like. Stamped fields (ids, times) are missing on purpose: the host fills them.

use std::borrow::Cow;

use palisade_matching::{ContextSize, Lines, PatternMatches, PatternMatching, WindowSize, evidence};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::document::Document;
use crate::rules::FoundLines;
use crate::settings::{LlmValidation, LlmValidationMode};

/// A finding: what is common to all, and in `fields` what the kind of finding adds.
#[derive(Debug, Serialize)]
pub struct Finding<'a, F> {
    /// What the kind of finding adds.
    #[serde(flatten)]
    pub fields: F,
    /// Pieces of the text.
    pub evidence: Vec<Evidence<'a>>,
    /// What matched, and how often.
    pub matched_patterns: Vec<MatchedPattern<'a>>,
    /// Where it was found.
    pub metadata: Origin<'a>,
}

impl<'a, F> Finding<'a, F> {
    /// A finding in a text; evidence is picked over all of `patterns`.
    pub fn in_text(
        fields: F,
        patterns: &[PatternMatches<'a>],
        document: &'a Document<'_>,
        settings: &PatternMatching,
    ) -> Self {
        Self {
            fields,
            evidence: evidence(&document.content, patterns, settings).into_iter().map(Evidence::from).collect(),
            matched_patterns: patterns.iter().map(MatchedPattern::from).collect(),
            metadata: Origin { source: Cow::Borrowed(&document.origin.source), ..document.origin },
        }
    }

    /// A finding in a source file: its evidence is the lines around its first hit.
    pub fn in_lines<R>(
        fields: F,
        found: FoundLines<'a, R>,
        path: &'a str,
        lines: &Lines<'_>,
        window: WindowSize,
    ) -> Self {
        Self {
            fields,
            evidence: vec![Evidence::from(Cow::Owned(lines.window(found.line, window)))],
            matched_patterns: found.patterns,
            metadata: Origin { line_number: Some(found.line + 1), ..Origin::new(Cow::Borrowed(path)) },
        }
    }
}

/// A piece of the text that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence<'a> {
    /// The piece.
    #[serde(borrow)]
    pub content: Cow<'a, str>,
}

impl<'a> From<Cow<'a, str>> for Evidence<'a> {
    fn from(content: Cow<'a, str>) -> Self {
        Self { content }
    }
}

/// A pattern that matched, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedPattern<'a> {
    /// The pattern as the ruleset writes it.
    #[serde(borrow)]
    pub pattern: Cow<'a, str>,
    /// Matches, or lines with one.
    pub match_count: u64,
}

impl<'a> From<&PatternMatches<'a>> for MatchedPattern<'a> {
    fn from(matches: &PatternMatches<'a>) -> Self {
        Self { pattern: Cow::Borrowed(matches.pattern), match_count: matches.count }
    }
}

/// Where a text is from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin<'a> {
    /// A path, or what stands for one.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// What the connector knows beside; an empty object if it says nothing.
    #[serde(borrow, default, serialize_with = "context_or_empty")]
    pub context: Option<&'a RawValue>,
    /// The line of the first hit, from 1, where source code was searched by lines. Never read from an input: a
    /// classification does not keep it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub line_number: Option<usize>,
}

impl<'a> Origin<'a> {
    /// A place that nothing more is known of.
    pub fn new(source: Cow<'a, str>) -> Self {
        Self { source, context: None, line_number: None }
    }
}

fn context_or_empty<S: serde::Serializer>(context: &Option<&RawValue>, serializer: S) -> Result<S::Ok, S::Error> {
    match context {
        Some(context) => context.serialize(serializer),
        None => serde::ser::SerializeMap::end(serializer.serialize_map(Some(0))?),
    }
}

/// How an analysis was done: part of the metadata of every document of findings.
#[derive(Debug, Clone, Serialize)]
pub struct AnalysisMetadata<'a> {
    /// The name of the ruleset, as the runbook writes it.
    pub ruleset_used: &'a str,
    /// Whether findings were to be checked by a model.
    pub llm_validation_enabled: bool,
    /// How much text around a match is evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_context_size: Option<ContextSize>,
    /// How strictly a model was to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_validation_mode: Option<LlmValidationMode>,
    /// Version of the way in which findings are made; not the component's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyser_version: Option<&'static str>,
    /// What became of checking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_summary: Option<ValidationSummary>,
}

impl<'a> AnalysisMetadata<'a> {
    /// An analysis without a model and without a choice of context.
    pub fn new(ruleset_used: &'a str) -> Self {
        Self {
            ruleset_used,
            llm_validation_enabled: false,
            evidence_context_size: None,
            llm_validation_mode: None,
            analyser_version: None,
            validation_summary: None,
        }
    }

    /// An analysis whose findings a model may check. There is none, so all are kept and the metadata says so.
    pub fn checked(patterns: &'a PatternMatching, validation: LlmValidation, findings: u64) -> Self {
        let wanted = validation.enable_llm_validation;
        Self {
            llm_validation_enabled: wanted,
            evidence_context_size: Some(patterns.evidence_context_size),
            llm_validation_mode: Some(validation.llm_validation_mode),
            analyser_version: Some("1.0.0"),
            validation_summary: (wanted && findings > 0).then(|| ValidationSummary::no_model(findings)),
            ..Self::new(&patterns.ruleset)
        }
    }
}

/// What became of checking findings by a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ValidationSummary {
    /// It was wanted, and there is no model: all findings are kept.
    NoModel {
        /// How findings are put together for a model.
        strategy: &'static str,
        /// Findings that a model looked at.
        samples_validated: u64,
        /// Whether every call of a model worked.
        all_succeeded: bool,
        /// Findings that no model looked at.
        skipped_count: u64,
        /// The artifact with the findings that a model removed.
        removed_findings_artifact_id: Option<String>,
    },
    /// How modifiers of risk were found.
    Method {
        /// `regex`: by patterns.
        method_used: &'static str,
    },
}

impl ValidationSummary {
    /// All of `findings` are kept as they are.
    pub fn no_model(findings: u64) -> Self {
        Self::NoModel {
            strategy: "orchestrated",
            samples_validated: 0,
            all_succeeded: false,
            skipped_count: findings,
            removed_findings_artifact_id: None,
        }
    }
}

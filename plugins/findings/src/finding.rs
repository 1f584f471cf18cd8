//! What a finding looks like. Stamped fields (ids, times) are missing on purpose: the host fills them.

use std::borrow::Cow;

use palisade_matching::{LineHits, Lines, PatternMatches, PatternMatching, WindowSize, evidence};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::document::Document;

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

    /// A finding in a source file: its evidence is the lines around its first hit, which is the first of `patterns`.
    /// Equal patterns are listed once.
    pub fn in_lines(
        fields: F,
        patterns: &[LineHits<'a>],
        path: &'a str,
        lines: &Lines<'_>,
        window: WindowSize,
    ) -> Self {
        let line = patterns.first().map_or(0, |first| first.first_line);
        let mut matched_patterns: Vec<MatchedPattern<'a>> = Vec::with_capacity(patterns.len());
        for hits in patterns {
            match matched_patterns.iter_mut().find(|known| known.pattern == hits.pattern) {
                Some(known) => known.match_count += hits.count,
                None => matched_patterns
                    .push(MatchedPattern { pattern: Cow::Borrowed(hits.pattern), match_count: hits.count }),
            }
        }
        Self {
            fields,
            evidence: vec![Evidence::from(Cow::Owned(lines.window(line, window)))],
            matched_patterns,
            metadata: Origin { line_number: Some(line + 1), ..Origin::new(Cow::Borrowed(path)) },
        }
    }
}

/// A piece of the text that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence<'a> {
    /// The piece.
    pub content: Cow<'a, str>,
}

impl<'a> From<Cow<'a, str>> for Evidence<'a> {
    fn from(content: Cow<'a, str>) -> Self {
        Self { content }
    }
}

/// A pattern that matched, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatchedPattern<'a> {
    /// The pattern as the ruleset writes it.
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

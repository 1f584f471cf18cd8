//! The rules of a step, read from its ruleset, and what they find.

use std::borrow::Cow;

use palisade_matching::{Lines, Matcher, PatternMatches, PatternMatching, Rule};
use palisade_sdk::{Context, Failure, Result};
use serde::de::DeserializeOwned;

use crate::finding::MatchedPattern;

/// The rules of a ruleset, ready to search; `F` is what is particular to their kind.
#[derive(Debug)]
pub struct Rules<F> {
    rules: Vec<Rule<F>>,
    matcher: Matcher,
}

/// What one rule found in a text.
#[derive(Debug)]
pub struct Found<'m, F> {
    /// The rule.
    pub rule: &'m Rule<F>,
    /// Its patterns that matched, in the order of the ruleset.
    pub patterns: Vec<PatternMatches<'m>>,
}

/// What the rules of one group found in the lines of a file.
#[derive(Debug)]
pub struct FoundLines<'m, F> {
    /// What is particular to the first rule.
    pub first: &'m F,
    /// The rules, in the order of the ruleset, each with its hits: one for every line and pattern.
    pub rules: Vec<(&'m Rule<F>, u64)>,
    /// The patterns in order of first hit, one entry for equal patterns.
    pub patterns: Vec<MatchedPattern<'m>>,
    /// The line of the first hit, from 0: the first line that the first rule hit.
    pub line: usize,
}

impl<F: DeserializeOwned> Rules<F> {
    /// Reads the rules from the port [`RULES`](crate::RULES). Fails if a value pattern can't be used.
    pub fn read(ctx: &Context) -> Result<Self> {
        let rules: Vec<Rule<F>> = ctx.collect_items(crate::RULES)?;
        let matcher = Matcher::new(&rules).map_err(|error| {
            Failure::bad_config(format!("{error}: {}", error.source))
                .help("value patterns can't look around, refer back to groups, or take more than 1 MiB when compiled")
        })?;
        Ok(Self { rules, matcher })
    }
}

impl<F> Rules<F> {
    /// What the rules find in a text as a whole, in the order of the ruleset.
    pub fn search<'m>(&'m mut self, text: &str, settings: &PatternMatching) -> Vec<Found<'m, F>> {
        let Self { rules, matcher } = self;
        matcher
            .search(text, settings.clusters())
            .into_iter()
            .filter_map(|found| Some(Found { rule: rules.get(found.rule)?, patterns: found.patterns }))
            .collect()
    }

    /// What the rules find line by line, those of equal `key` together, groups in order of their first rule.
    pub fn search_lines<'m, K: PartialEq + ?Sized>(
        &'m mut self,
        text: &str,
        lines: &Lines<'_>,
        key: impl for<'f> Fn(&'f F) -> &'f K,
    ) -> Vec<FoundLines<'m, F>> {
        let Self { rules, matcher } = self;
        let mut groups: Vec<FoundLines<'m, F>> = Vec::new();
        for found in matcher.search_lines(text, lines) {
            let (Some(rule), Some(first)) = (rules.get(found.rule), found.patterns.first()) else { continue };
            let same = |group: &FoundLines<'m, F>| key(group.first) == key(&rule.fields);
            let place = groups.iter().position(same).unwrap_or(groups.len());
            if place == groups.len() {
                groups.push(FoundLines {
                    first: &rule.fields,
                    rules: Vec::new(),
                    patterns: Vec::new(),
                    line: first.first_line,
                });
            }
            let Some(group) = groups.get_mut(place) else { continue };
            group.rules.push((rule, found.patterns.iter().map(|hits| hits.count).sum()));
            for hits in found.patterns {
                match group.patterns.iter_mut().find(|known| known.pattern == hits.pattern) {
                    Some(known) => known.match_count += hits.count,
                    None => group
                        .patterns
                        .push(MatchedPattern { pattern: Cow::Borrowed(hits.pattern), match_count: hits.count }),
                }
            }
        }
        groups
    }
}

/// Puts what rules of equal `key` found into one list each, in order of their first rule.
pub fn group<'m, F, K: PartialEq + ?Sized>(
    found: Vec<Found<'m, F>>,
    key: impl for<'f> Fn(&'f F) -> &'f K,
) -> Vec<(Vec<&'m Rule<F>>, Vec<PatternMatches<'m>>)> {
    let mut groups: Vec<(Vec<&'m Rule<F>>, Vec<PatternMatches<'m>>)> = Vec::new();
    for mut one in found {
        let same = |(rules, _): &&mut (Vec<&'m Rule<F>>, _)| {
            rules.first().is_some_and(|first| key(&first.fields) == key(&one.rule.fields))
        };
        match groups.iter_mut().find(same) {
            Some((rules, patterns)) => {
                rules.push(one.rule);
                patterns.append(&mut one.patterns);
            }
            None => groups.push((vec![one.rule], one.patterns)),
        }
    }
    groups
}

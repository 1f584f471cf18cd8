//! The rules of a step, read from its ruleset, and what they find.

use palisade_matching::{LineHits, Lines, Matcher, PatternMatches, PatternMatching, Rule};
use palisade_sdk::{Context, Failure, Result};
use serde::de::DeserializeOwned;

/// The rules of a ruleset, ready to search; `F` is what is particular to their kind.
#[derive(Debug)]
pub struct Rules<F> {
    rules: Vec<Rule<F>>,
    matcher: Matcher,
}

/// What the rules of one finding matched: `P` is what is known of a pattern in a text or in lines.
#[derive(Debug)]
pub struct Found<'m, F, P> {
    /// The first of the rules.
    pub first: &'m Rule<F>,
    /// What is particular to each rule, in the order of the ruleset, with how often it counts: once in a text, in
    /// lines once for every pattern and line that it hits.
    pub rules: Vec<(&'m F, u64)>,
    /// Their patterns that matched, rule by rule.
    pub patterns: Vec<P>,
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
    /// What the rules find in a text as a whole, in the order of the ruleset, those that join with their first.
    pub fn search<'m>(
        &'m mut self,
        text: &str,
        settings: &PatternMatching,
        joins: impl Fn(&F, &F) -> bool,
    ) -> Vec<Found<'m, F, PatternMatches<'m>>> {
        let found = self.matcher.search(text, settings.clusters()).into_iter();
        join(&self.rules, found.map(|found| (found.rule, 1, found.patterns)), joins)
    }

    /// What the rules find line by line, in the order of the ruleset, those that join with their first.
    pub fn search_lines<'m>(
        &'m mut self,
        text: &str,
        lines: &Lines<'_>,
        joins: impl Fn(&F, &F) -> bool,
    ) -> Vec<Found<'m, F, LineHits<'m>>> {
        let found = self.matcher.search_lines(text, lines).into_iter();
        let hits = |patterns: &[LineHits<'_>]| patterns.iter().map(|hits| hits.count).sum();
        join(&self.rules, found.map(|found| (found.rule, hits(&found.patterns), found.patterns)), joins)
    }
}

/// Puts what joining rules found into one place each, in order of their first rule.
fn join<'m, F, P>(
    rules: &'m [Rule<F>],
    found: impl Iterator<Item = (usize, u64, Vec<P>)>,
    joins: impl Fn(&F, &F) -> bool,
) -> Vec<Found<'m, F, P>> {
    let mut joined: Vec<Found<'m, F, P>> = Vec::new();
    for (place, times, mut patterns) in found {
        let Some(rule) = rules.get(place) else { continue };
        match joined.iter_mut().find(|group| joins(&group.first.fields, &rule.fields)) {
            Some(group) => {
                group.rules.push((&rule.fields, times));
                group.patterns.append(&mut patterns);
            }
            None => joined.push(Found { first: rule, rules: vec![(&rule.fields, times)], patterns }),
        }
    }
    joined
}

//! What was found, by what it is called in policies: how often and where, never with what evidence.

use crate::facts::Facts;
use crate::vocabulary::{Kind, Vocabulary};
use palisade_sdk::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most places of one thing that are told apart.
const MAX_PLACES: usize = 10_000;
/// Most things that are told apart: a ruleset has tens, only broken findings have more.
const MAX_THINGS: usize = 1_000;
/// What holds all that is beyond.
const FURTHER: &str = "further categories";

/// What findings say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    /// Something that has a word in policies.
    Called(String),
    /// A category that neither the vocabulary nor the policy knows.
    Unknown(String),
}

/// How often and where something was found.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) findings: u64,
    pub(crate) places: BTreeSet<String>,
    pub(crate) more_places: bool,
    /// The findings' own categories.
    pub(crate) found_as: BTreeSet<String>,
    pub(crate) special: bool,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) things: BTreeMap<(Kind, Thing), Seen>,
    /// What was looked for.
    pub(crate) kinds: BTreeSet<Kind>,
    /// How many findings there were in all.
    pub(crate) findings: u64,
}

/// A finding, whatever its schema.
#[derive(Deserialize)]
struct Finding {
    #[serde(
        alias = "indicator_type",
        alias = "subject_category",
        alias = "data_subject_category",
        alias = "service_category"
    )]
    category: String,
    #[serde(default)]
    special_category: bool,
    matched_patterns: Vec<Pattern>,
    metadata: Place,
}

#[derive(Deserialize)]
struct Pattern {
    pattern: String,
}

#[derive(Deserialize)]
struct Place {
    source: String,
}

impl Found {
    pub(crate) fn read(ctx: &Context, vocabulary: &Vocabulary, facts: &Facts) -> Result<Self> {
        let mut found = Self::default();
        let ports = [
            (crate::FINDINGS, Kind::DataCategory),
            (crate::SUBJECTS, Kind::DataSubject),
            (crate::SERVICES, Kind::ThirdParty),
        ];
        for (port, kind) in ports {
            if ctx.inputs(port).next().is_some() {
                found.kinds.insert(kind);
            }
            ctx.for_each_item(port, |item| {
                found.add(kind, item.parse()?, vocabulary, facts);
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn add(&mut self, kind: Kind, finding: Finding, vocabulary: &Vocabulary, facts: &Facts) {
        self.findings += 1;
        let mut things = BTreeMap::new();
        let patterns = finding.matched_patterns.iter().map(|pattern| Some(pattern.pattern.as_str()));
        let none = finding.matched_patterns.is_empty().then_some(None);
        for pattern in patterns.chain(none) {
            let rule = vocabulary.rule(kind, &finding.category, pattern);
            let stated =
                || pattern.and_then(|word| facts.word(kind, word)).or_else(|| facts.word(kind, &finding.category));
            let thing = match rule {
                Some(rule) => Thing::Called(rule.name().to_owned()),
                None => stated()
                    .map_or_else(|| Thing::Unknown(finding.category.clone()), |word| Thing::Called(word.to_owned())),
            };
            *things.entry(thing).or_default() |= rule.is_some_and(|rule| rule.special_category);
        }
        for (thing, special) in things {
            let known = self.things.contains_key(&(kind, thing.clone()));
            let thing =
                if known || self.things.len() < MAX_THINGS { thing } else { Thing::Unknown(FURTHER.to_owned()) };
            let seen = self.things.entry((kind, thing)).or_default();
            seen.findings += 1;
            seen.special |= special || finding.special_category;
            if seen.found_as.len() < MAX_THINGS && !seen.found_as.contains(&finding.category) {
                seen.found_as.insert(finding.category.clone());
            }
            let place = without_row(&finding.metadata.source);
            if !seen.places.contains(place) {
                if seen.places.len() < MAX_PLACES {
                    seen.places.insert(place.to_owned());
                } else {
                    seen.more_places = true;
                }
            }
        }
    }
}

/// A source without the `_row_(7)` that connectors of databases write: the cells of a column are one place.
fn without_row(source: &str) -> &str {
    let split = source.strip_suffix(')').and_then(|rest| rest.rsplit_once("_row_("));
    match split {
        Some((column, row)) if !row.is_empty() && row.bytes().all(|byte| byte.is_ascii_digit()) => column,
        _ => source,
    }
}

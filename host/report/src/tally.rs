//! Counts over the items of one document, in bounded memory.

use crate::document::{has_findings, walk_lines};
use crate::glance::Glance;
use crate::place::Place;
use crate::vocabulary::{Mark, Marks, Vocabulary};
use crate::{Document, ReportError};
use palisade_model::Digest;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Most categories of a document that are counted one by one; a schema has tens, only a broken component has more.
const MAX_CATEGORIES: usize = 1_000;
/// Most places that are told apart over all documents: 200,000 are 17 MB.
const MAX_PLACES: usize = 200_000;

/// How many, and how many of them bear each mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) findings: u64,
    marked: [u64; Mark::ALL.len()],
}

impl Count {
    fn add(&mut self, marks: Marks) {
        self.findings += 1;
        for mark in marks.iter() {
            if let Some(count) = self.marked.get_mut(mark as usize) {
                *count += 1;
            }
        }
    }

    /// How many bear the mark.
    pub(crate) fn of(&self, mark: Mark) -> u64 {
        self.marked.get(mark as usize).copied().unwrap_or_default()
    }

    /// How many marks of those are special that a person looks at first.
    pub(crate) fn special(&self) -> u64 {
        self.of(Mark::Special) + self.of(Mark::Sensitive)
    }

    /// The marks that any of them bears, with how many do.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (Mark, u64)> {
        Mark::ALL.into_iter().map(|mark| (mark, self.of(mark))).filter(|&(_, count)| count > 0)
    }
}

/// Documents with their counts, in the order in which they were given, and the places of all.
type Tallies<'d> = (Vec<(&'d dyn Document, Tally)>, Places);

/// Walks each document once, side by side. The counts are the same however many are walked at once.
pub(crate) fn tally_all<'d>(documents: &[&'d dyn Document]) -> Result<Tallies<'d>, ReportError> {
    let walk = |document: &&'d dyn Document| {
        let mut places = Places::default();
        Tally::of(*document, &mut places).map(|tally| (*document, tally, places))
    };
    let walked = documents.par_iter().map(walk).collect::<Result<Vec<_>, _>>()?;
    let mut all = Places::default();
    let mut tallies = Vec::with_capacity(walked.len());
    for (document, tally, places) in walked {
        tallies.push((document, tally));
        all.take(places);
    }
    Ok((tallies, all))
}

/// The counts of one document.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) all: Count,
    categories: BTreeMap<String, Count>,
    /// Findings of categories beyond the bound.
    beyond: u64,
}

impl Tally {
    /// Walks the document once. Only findings are counted by place.
    pub(crate) fn of(document: &dyn Document, places: &mut Places) -> Result<Self, ReportError> {
        let vocabulary = Vocabulary::of(document.schema().name());
        let mut tally = Self::default();
        walk_lines(document, &mut |line| {
            let glance = Glance::at(line, vocabulary);
            tally.all.add(glance.marks);
            if has_findings(document) {
                places.add(glance.source.as_deref(), glance.marks);
            }
            let Some(category) = glance.category else { return };
            if let Some(count) = tally.categories.get_mut(&category) {
                count.add(glance.marks);
            } else if tally.categories.len() < MAX_CATEGORIES {
                tally.categories.entry(category).or_default().add(glance.marks);
            } else {
                tally.beyond += 1;
            }
        })?;
        Ok(tally)
    }

    /// At most `most` categories, the most frequent first, then by name; and how many categories and findings are left
    /// out. Categories with special data are never behind others that are left out.
    pub(crate) fn ranked(&self, most: usize) -> (Vec<(&str, Count)>, Option<Rest>) {
        let mut ranked: Vec<_> = self.categories.iter().map(|(name, &count)| (name.as_str(), count)).collect();
        let frequent = |(_, count): &(&str, Count)| std::cmp::Reverse(count.findings);
        if ranked.len() > most {
            ranked.sort_by_key(|row| (row.1.special() == 0, frequent(row)));
        }
        let left_out = ranked.split_off(most.min(ranked.len()));
        ranked.sort_by_key(frequent);
        let rest = Rest {
            categories: left_out.len() as u64,
            findings: left_out.iter().map(|(_, count)| count.findings).sum::<u64>() + self.beyond,
        };
        (ranked, (rest.findings > 0).then_some(rest))
    }
}

/// What a ranking leaves out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Categories; those beyond [`MAX_CATEGORIES`] are not told apart, so there may be more.
    pub(crate) categories: u64,
    pub(crate) findings: u64,
}

/// The first half of a place's SHA-256: a million places don't need their names in memory.
pub(crate) type PlaceKey = u128;

/// What was found in one place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PlaceCount {
    pub(crate) findings: u32,
    pub(crate) special: u32,
}

/// The places of all documents, with their counts.
#[derive(Debug, Default)]
pub(crate) struct Places {
    counts: HashMap<PlaceKey, PlaceCount>,
    /// Findings in places beyond the bound.
    beyond: u64,
    /// Findings that name no source.
    nowhere: u64,
    /// The source that was added last, with its key: the findings of a place mostly follow each other.
    last: Option<(String, PlaceKey)>,
}

impl Places {
    /// The key of a source, its row left out.
    pub(crate) fn key(source: &str) -> PlaceKey {
        let digest = Digest::of(Place::of(source).whole.as_bytes());
        digest.as_bytes().iter().take(16).fold(0, |key, &byte| key << 8 | u128::from(byte))
    }

    fn add(&mut self, source: Option<&str>, marks: Marks) {
        match source {
            Some(source) => {
                let key = match &self.last {
                    Some((last, key)) if last == source => *key,
                    _ => self.last.insert((source.to_owned(), Self::key(source))).1,
                };
                self.count(key, PlaceCount { findings: 1, special: u32::from(marks.special()) });
            }
            None => self.nowhere += 1,
        }
    }

    fn count(&mut self, key: PlaceKey, more: PlaceCount) {
        if self.counts.len() >= MAX_PLACES && !self.counts.contains_key(&key) {
            self.beyond += u64::from(more.findings);
            return;
        }
        let count = self.counts.entry(key).or_default();
        count.findings = count.findings.saturating_add(more.findings);
        count.special = count.special.saturating_add(more.special);
    }

    /// Adds the places of another document. Which of them pass the bound is the same each time.
    fn take(&mut self, other: Self) {
        let mut others: Vec<_> = other.counts.into_iter().collect();
        if self.counts.len() + others.len() > MAX_PLACES {
            others.sort_unstable_by_key(|&(key, _)| key);
        }
        others.into_iter().for_each(|(key, more)| self.count(key, more));
        self.beyond += other.beyond;
        self.nowhere += other.nowhere;
    }

    /// How many there are; true if there may be more.
    pub(crate) fn len(&self) -> (usize, bool) {
        (self.counts.len(), self.beyond > 0)
    }

    /// Findings that name no source.
    pub(crate) fn nowhere(&self) -> u64 {
        self.nowhere
    }

    /// At most `most` places: those with special findings first, then by number of findings. Equal ones are in the
    /// order of their keys, so that the choice is the same each time.
    pub(crate) fn foremost(&self, most: usize) -> Vec<(PlaceKey, PlaceCount)> {
        let mut ranked: Vec<_> = self.counts.iter().map(|(&key, &count)| (key, count)).collect();
        ranked.sort_unstable_by_key(|&(key, count)| {
            (std::cmp::Reverse(count.special), std::cmp::Reverse(count.findings), key)
        });
        ranked.truncate(most);
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Made;
    use serde_json::json;

    fn finding(category: &str, special: bool, source: &str) -> serde_json::Value {
        json!({"privacy_category": category, "special_category": special, "metadata": {"source": source}})
    }

    #[test]
    fn categories_are_ranked_by_count_then_name() {
        let items = ["b", "c", "a", "c"].map(|category| finding(category, false, "x")).to_vec();
        let tally = Tally::of(&Made::new("a", "gdpr_personal_data/1.0.0", items), &mut Places::default()).unwrap();
        let (ranked, rest) = tally.ranked(9);
        assert_eq!(ranked.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["c", "a", "b"]);
        assert_eq!((tally.all.findings, rest), (4, None));
    }

    #[test]
    fn what_is_cut_is_counted_and_special_categories_are_not_cut() {
        let items = vec![
            finding("many", false, "x"),
            finding("many", false, "x"),
            finding("few", false, "x"),
            finding("health", true, "x"),
        ];
        let tally = Tally::of(&Made::new("a", "gdpr_personal_data/1.0.0", items), &mut Places::default()).unwrap();
        let (ranked, rest) = tally.ranked(2);
        assert_eq!(ranked.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["many", "health"]);
        assert_eq!(rest, Some(Rest { categories: 1, findings: 1 }));
        assert_eq!(tally.ranked(3).1, None);
    }

    #[test]
    fn categories_beyond_the_bound_are_only_counted() {
        let items = (0..=MAX_CATEGORIES).map(|n| finding(&n.to_string(), false, "x")).collect();
        let tally = Tally::of(&Made::new("a", "gdpr_personal_data/1.0.0", items), &mut Places::default()).unwrap();
        let (ranked, rest) = tally.ranked(usize::MAX);
        assert_eq!((ranked.len(), rest.map(|rest| rest.findings)), (MAX_CATEGORIES, Some(1)));
    }

    #[test]
    fn places_with_special_findings_come_first() {
        let items = vec![
            finding("a", false, "often"),
            finding("a", false, "often"),
            finding("health", true, "special"),
            json!({"privacy_category": "a"}),
        ];
        let mut places = Places::default();
        Tally::of(&Made::new("a", "gdpr_personal_data/1.0.0", items), &mut places).unwrap();
        let keys: Vec<_> = places.foremost(9).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [Places::key("special"), Places::key("often")]);
        assert_eq!((places.len(), places.nowhere()), ((2, false), 1));
    }
}

//! The categories of personal data that a sentence names, by an index of how the words of the vocabulary begin: there are
//! thousands of them, and a policy has thousands of sentences.

use crate::text::has_stem;
use crate::vocabulary::{DATA, SPECIAL};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

/// A category of personal data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Category {
    /// Its name in documents.
    pub(crate) name: &'static str,
    /// It is one of Article 9(1) or 10 of the GDPR.
    pub(crate) special: bool,
}

/// What a word of the vocabulary says, see `vocabulary.rs`.
enum Says {
    /// It stands for the category, with any ending.
    Stem,
    /// It does as a whole word.
    Word,
    /// It does if another one stands in the sentence too.
    With(&'static str),
    /// What stands in it does not count.
    Hides,
}

struct Entry {
    category: usize,
    text: &'static str,
    says: Says,
}

struct Index {
    categories: Vec<Category>,
    /// By the first bytes.
    entries: BTreeMap<[u8; 2], Vec<Entry>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { categories: Vec::new(), entries: BTreeMap::new() };
    for (lists, special) in [(DATA, false), (SPECIAL, true)] {
        for (name, words) in lists.iter().copied().flatten() {
            let category = index.categories.len();
            index.categories.push(Category { name, special });
            for word in *words {
                let (text, says) = match (word.split_once(" & "), word.strip_prefix('='), word.strip_prefix('!')) {
                    (Some((first, second)), ..) => (first, Says::With(second)),
                    (_, Some(word), _) => (word, Says::Word),
                    (.., Some(phrase)) => (phrase, Says::Hides),
                    _ => (*word, Says::Stem),
                };
                let begins = start(text).unwrap_or_default();
                index.entries.entry(begins).or_default().push(Entry { category, text, says });
            }
        }
    }
    index
});

fn start(text: &str) -> Option<[u8; 2]> {
    text.as_bytes().first_chunk().copied()
}

/// The category of a name.
pub(crate) fn called(name: &str) -> Option<Category> {
    INDEX.categories.iter().find(|category| category.name == name).copied()
}

/// What category stands where.
type Match = (usize, Range<usize>);

/// The categories that a text names, in the order of the vocabulary. `lower` is in lower case.
pub(crate) fn named(lower: &str) -> impl Iterator<Item = Category> {
    let (mut found, mut hidden): (Vec<Match>, Vec<Match>) = Default::default();
    let mut last = None;
    for (at, c) in lower.char_indices() {
        let begins = !last.replace(c).is_some_and(char::is_alphanumeric);
        let rest = &lower[at..];
        let Some(entries) = start(rest).filter(|_| begins).and_then(|start| INDEX.entries.get(&start)) else {
            continue;
        };
        for entry in entries {
            let Some(behind) = rest.strip_prefix(entry.text) else { continue };
            let is_whole = !behind.chars().next().is_some_and(char::is_alphanumeric);
            let range = at..at + entry.text.len();
            match entry.says {
                Says::Hides => hidden.push((entry.category, range)),
                Says::Word if !is_whole => {}
                Says::With(other) if !has_stem(lower, other) => {}
                _ => found.push((entry.category, range)),
            }
        }
    }
    found.retain(|(category, range)| {
        let hides = |(of, within): &Match| of == category && within.start < range.end && range.start < within.end;
        !hidden.iter().any(hides)
    });
    let named: BTreeSet<usize> = found.into_iter().map(|(category, _)| category).collect();
    named.into_iter().filter_map(|category| INDEX.categories.get(category).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(lower: &str) -> Vec<&'static str> {
        named(lower).map(|category| category.name).collect()
    }

    #[test]
    fn a_word_counts_where_it_begins_and_nothing_hides_it() {
        assert_eq!(names("your email, and your ip address"), ["email address", "IP address"]);
        assert_eq!(names("your e-mail address"), ["email address"]);
        assert_eq!(names("a postcode"), ["postal address"]);
        assert!(names("the foremail").is_empty() && names("a surname-less domain name").len() == 1);
        assert_eq!(names("calls to us are sometimes recorded").first(), Some(&"voice recordings"));
        assert!(names("").is_empty() && names("é").is_empty() && names("=").is_empty());
    }

    #[test]
    fn every_word_of_the_vocabulary_can_be_found() {
        for (name, words) in DATA.iter().chain(SPECIAL).copied().flatten() {
            let mut seen = BTreeSet::new();
            for word in *words {
                assert!(seen.insert(word), "{name}: {word} is there twice");
                assert_eq!(word.to_lowercase(), **word, "{name}");
                let text = word.trim_start_matches(['=', '!']);
                assert!(text.starts_with(char::is_alphanumeric) && text.len() > 1, "{name}: {word}");
            }
        }
    }
}

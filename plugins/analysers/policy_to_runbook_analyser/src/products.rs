//! The products that a sentence names, by an index of how their names begin: there are many, and a policy has thousands of
//! sentences.

use crate::text::{Sentence, has_word};
use crate::vocabulary::{PRODUCTS, WORDS};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The place of a name in the list, and the name in lower case.
type Name = (usize, String);

/// By the first bytes, in lower case.
static INDEX: LazyLock<BTreeMap<[u8; 2], Vec<Name>>> = LazyLock::new(|| {
    let mut index: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (at, product) in PRODUCTS.iter().enumerate() {
        let lower = product.to_lowercase();
        index.entry(start(&lower).unwrap_or_default()).or_default().push((at, lower));
    }
    index
});

fn start(text: &str) -> Option<[u8; 2]> {
    text.as_bytes().first_chunk().copied()
}

/// Those that a text in lower case names, in the order of the list.
fn in_text(lower: &str) -> impl Iterator<Item = &'static str> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for (at, c) in lower.char_indices() {
        let begins = !last.replace(c).is_some_and(char::is_alphanumeric);
        let rest = &lower[at..];
        let Some(names) = start(rest).filter(|_| begins).and_then(|start| INDEX.get(&start)) else { continue };
        let is_there = |name: &str| {
            rest.strip_prefix(name).is_some_and(|behind| !behind.chars().next().is_some_and(char::is_alphanumeric))
        };
        found.extend(names.iter().filter(|(_, name)| is_there(name)).map(|(at, _)| *at));
    }
    found.into_iter().filter_map(|at| PRODUCTS.get(at).copied())
}

/// The products that a sentence names; one whose name is a word only if it is written as a name.
pub(crate) fn named(sentence: &Sentence) -> impl Iterator<Item = &'static str> {
    in_text(&sentence.lower).filter(|product| !WORDS.contains(product) || has_word(&sentence.text, product))
}

/// Whether a cell names one, however it is written.
pub(crate) fn names_one(cell: &str) -> bool {
    in_text(&cell.to_lowercase()).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::sentences;
    use crate::vocabulary::{HOSTERS, SOCIAL};

    fn named_in(text: &str) -> Vec<&'static str> {
        named(&sentences(None, text)[0]).collect()
    }

    #[test]
    fn a_name_counts_as_a_whole_and_one_that_is_a_word_as_it_is_written() {
        assert_eq!(named_in("We use mixpanel, and Slack."), ["Slack", "Mixpanel"]);
        assert!(named_in("Cut some slack for a mixpanelist.").is_empty());
        assert!(names_one("SLACK (USA)") && !names_one("") && !names_one("é"));
    }

    #[test]
    fn every_product_is_there_once_and_the_other_lists_are_of_them() {
        let mut seen = BTreeSet::new();
        for product in PRODUCTS {
            assert!(seen.insert(product.to_lowercase()), "{product} is there twice");
            assert!(product.len() > 1 && product.starts_with(char::is_alphanumeric), "{product}");
        }
        for product in WORDS.iter().chain(SOCIAL).chain(HOSTERS) {
            assert!(PRODUCTS.contains(product), "{product} is no product");
        }
    }
}

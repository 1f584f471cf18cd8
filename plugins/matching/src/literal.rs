//! One literal pattern in folded form, and the test whether it fits a text at a given place.

use crate::fold::{fold, is_word};

/// A folded pattern, cut where its first word begins.
///
/// A match has no word character on either side, so every word inside a pattern is a whole word of the text: looking
/// for the first one finds all places where the pattern can be.
#[derive(Debug)]
pub(crate) struct Literal {
    /// What is before the first word; everything if there is no word.
    before: String,
    /// The first word and all after it.
    rest: String,
    /// Length in bytes of the first word, 0 if there is none.
    word: usize,
    /// Nothing but white space: matches no blank line.
    pub(crate) blank: bool,
}

impl Literal {
    /// Folds `pattern`; `None` if it is empty and so would match nothing anywhere.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        if pattern.is_empty() {
            return None;
        }
        let folded: String = pattern.chars().map(fold).collect();
        let start = folded.find(is_word).unwrap_or(folded.len());
        let (before, rest) = folded.split_at(start);
        Some(Self {
            word: rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            blank: crate::white_space::is_blank(pattern),
            before: before.to_owned(),
            rest: rest.to_owned(),
        })
    }

    /// The first word, folded; empty if the pattern has none.
    pub(crate) fn word(&self) -> &str {
        self.rest.get(..self.word).unwrap_or_default()
    }

    /// The first character of the pattern, folded.
    pub(crate) fn first(&self) -> Option<char> {
        self.before.chars().chain(self.rest.chars()).next()
    }

    /// The match whose first word is at `word` (a place where a word of `text` begins), as byte range; for a pattern
    /// without a word, the match that ends its leading part there.
    pub(crate) fn fit_word(&self, text: &str, word: usize) -> Option<(usize, usize)> {
        let (head, tail) = text.split_at_checked(word)?;
        let end = word + prefix_length(tail, &self.rest)?;
        let start = word - suffix_length(head, &self.before)?;
        is_bounded(text, start, end).then_some((start, end))
    }

    /// The match of a pattern without a word at `start`, as byte range.
    pub(crate) fn fit_start(&self, text: &str, start: usize) -> Option<(usize, usize)> {
        let end = start + prefix_length(text.get(start..)?, &self.before)?;
        is_bounded(text, start, end).then_some((start, end))
    }
}

/// Length in bytes of the part of `text` that, folded, is `folded`, if `text` begins with it.
fn prefix_length(text: &str, folded: &str) -> Option<usize> {
    let mut characters = text.chars();
    for wanted in folded.chars() {
        if fold(characters.next()?) != wanted {
            return None;
        }
    }
    Some(text.len() - characters.as_str().len())
}

/// As [`prefix_length`] for the end of `text`.
fn suffix_length(text: &str, folded: &str) -> Option<usize> {
    let mut characters = text.chars();
    for wanted in folded.chars().rev() {
        if fold(characters.next_back()?) != wanted {
            return None;
        }
    }
    Some(text.len() - characters.as_str().len())
}

/// Tells whether there is no word character on either side of the byte range.
fn is_bounded(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|head| head.chars().next_back());
    let after = text.get(end..).and_then(|tail| tail.chars().next());
    !before.is_some_and(is_word) && !after.is_some_and(is_word)
}

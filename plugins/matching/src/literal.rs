//! One literal pattern in folded form, and the test whether it fits a text at a given place.

use crate::fold::{fold, is_word};

/// A folded pattern, cut around one of its words.
///
/// A match has no word character on either side, so every word inside a pattern is a whole word of the text: looking
/// for one of them finds all places where the pattern can be.
#[derive(Debug)]
pub(crate) struct Literal {
    /// What is before the word; everything if there is no word.
    before: String,
    word: String,
    after: String,
    /// Nothing but white space: matches no blank line.
    pub(crate) blank: bool,
}

/// The words of a folded pattern, with the places where they begin.
pub(crate) fn words(folded: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + folded.get(at..)?.find(is_word)?;
        let rest = folded.get(start..)?;
        let word = rest.get(..rest.find(|c| !is_word(c)).unwrap_or(rest.len()))?;
        at = start + word.len();
        Some((start, word))
    })
}

impl Literal {
    /// Cuts a folded pattern around the one of its words that comes first among those with the least `weight`.
    pub(crate) fn new(folded: &str, weight: impl Fn(&str) -> usize) -> Self {
        let blank = crate::white_space::is_blank(folded);
        let Some((start, word)) = words(folded).min_by_key(|(_, word)| weight(word)) else {
            return Self { before: folded.to_owned(), word: String::new(), after: String::new(), blank };
        };
        let (before, rest) = folded.split_at(start);
        let after = rest.get(word.len()..).unwrap_or_default();
        Self { before: before.to_owned(), word: word.to_owned(), after: after.to_owned(), blank }
    }

    /// The word to look for, folded; empty if the pattern has none.
    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    /// The first character of a pattern without a word, folded.
    pub(crate) fn first(&self) -> Option<char> {
        self.before.chars().next()
    }

    /// The match around the whole word of `text` that is at these bytes and is known to be [`Literal::word`], as byte
    /// range.
    pub(crate) fn fit_word(&self, text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
        let (head, tail) = (text.get(..start)?, text.get(end..)?);
        let from = start - suffix_length(head, &self.before)?;
        let to = end + prefix_length(tail, &self.after)?;
        // Beside a whole word there is no other word character.
        let starts = from == start || !ends_in_word(text.get(..from)?);
        let ends = to == end || !begins_with_word(text.get(to..)?);
        (starts && ends).then_some((from, to))
    }

    /// The match of a pattern without a word at `start`, as byte range.
    pub(crate) fn fit_start(&self, text: &str, start: usize) -> Option<(usize, usize)> {
        let end = start + prefix_length(text.get(start..)?, &self.before)?;
        (!ends_in_word(text.get(..start)?) && !begins_with_word(text.get(end..)?)).then_some((start, end))
    }
}

/// Tells whether `text`, folded, is `folded`.
pub(crate) fn equals(text: &str, folded: &str) -> bool {
    prefix_length(text, folded) == Some(text.len())
}

/// Length in bytes of the part of `text` that, folded, is `folded`, if `text` begins with it.
fn prefix_length(text: &str, folded: &str) -> Option<usize> {
    // Both are nearly always ASCII; then they are as long as each other.
    let same = text.as_bytes().get(..folded.len()).is_some_and(|start| start.eq_ignore_ascii_case(folded.as_bytes()));
    if same {
        return Some(folded.len());
    }
    let mut rest = text.chars();
    for wanted in folded.chars() {
        if fold(rest.next()?) != wanted {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}

/// As [`prefix_length`] for the end of `text`.
fn suffix_length(text: &str, folded: &str) -> Option<usize> {
    let mut rest = text.chars();
    for wanted in folded.chars().rev() {
        if fold(rest.next_back()?) != wanted {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}

fn begins_with_word(text: &str) -> bool {
    text.chars().next().is_some_and(is_word)
}

fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_word)
}

//! How words of a vocabulary are looked for: see `vocabulary.rs` for what its entries mean.

use crate::text::{has_stem, has_word};
use crate::vocabulary::{NUMBERS, UNITS};
use std::borrow::Cow;

fn one(lower: &str, word: &str) -> bool {
    if let Some((first, second)) = word.split_once(" & ") {
        return has_stem(lower, first) && has_stem(lower, second);
    }
    match word.strip_prefix('=') {
        Some(word) => has_word(lower, word),
        None => !word.starts_with('!') && has_stem(lower, word),
    }
}

/// Whether one of the words stands there. A `!` before a phrase: what stands in it does not count.
pub(crate) fn any(lower: &str, words: &[&str]) -> bool {
    let but = words.iter().filter_map(|word| word.strip_prefix('!'));
    let rest = but.fold(Cow::Borrowed(lower), |rest, phrase| match rest.contains(phrase) {
        true => rest.replace(phrase, "; ").into(),
        false => rest,
    });
    words.iter().any(|word| one(&rest, word))
}

/// What of a vocabulary stands in a sentence.
pub(crate) fn named<'v>(lower: &'v str, words: &'v [(&'v str, &'v [&'v str])]) -> impl Iterator<Item = &'v str> {
    words.iter().filter(|(_, words)| any(lower, words)).map(|(value, _)| *value)
}

/// Spans of time in a sentence, as `3 years`.
pub(crate) fn times(lower: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| {
        word.parse::<u32>().ok().or_else(|| NUMBERS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number))
    };
    let unit =
        |word: &str| UNITS.iter().find(|(_, words)| words.iter().any(|unit| one(word, unit))).map(|(unit, _)| *unit);
    let spans = words.windows(2).filter_map(move |pair| {
        let [first, second] = pair else { return None };
        let (number, unit) = (number(first)?, unit(second)?);
        Some(if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") })
    });
    spans.collect::<Vec<_>>().into_iter()
}

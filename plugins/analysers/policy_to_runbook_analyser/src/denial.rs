//! Where a policy says that something is not so.

use crate::vocabulary::{ANSWERS, DENIALS, NOT, WITHIN_BOUNDS};
use crate::words::any;

/// Most words of a sentence that says no of the one before it.
const MAX_BACK: usize = 6;

/// What stands before the part of a sentence that says no.
pub(crate) fn before_no(lower: &str) -> &str {
    let parts = lower.match_indices([',', '–', '(']).map(|(at, _)| at).take_while(|at| !any(&lower[..*at], NOT));
    parts.last().map_or("", |at| &lower[..at])
}

/// Whether a sentence says no of what the one before it names: "we don't receive it".
pub(crate) fn denies_the_last(lower: &str) -> bool {
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.len() <= MAX_BACK
        && words.last().is_some_and(|last| ["it", "them", "those"].contains(last))
        && is_denial(lower)
}

/// Whether a text begins with a yes or a no.
pub(crate) fn answer(lower: &str) -> Option<bool> {
    let first = lower.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty())?;
    ANSWERS.iter().find(|(word, _)| *word == first).map(|(_, yes)| *yes)
}

/// Whether an address for mail or a number to ring stands there: it is the author's.
pub(crate) fn is_contact(lower: &str) -> bool {
    let mut digits = 0;
    let has_number = lower.chars().any(|c| {
        digits = match c {
            '0'..='9' => digits + 1,
            ' ' | '-' | '/' | '(' | ')' => digits,
            _ => 0,
        };
        digits >= 7
    });
    has_number
        || lower
            .split_whitespace()
            .any(|word| word.trim_start_matches('(').find('@').is_some_and(|at| at > 0 && word[at..].contains('.')))
}

/// Whether a sentence says that something is not collected. "Not without consent" and "not longer than" do not say so, nor
/// does "not passed on".
pub(crate) fn is_denial(lower: &str) -> bool {
    if any(lower, WITHIN_BOUNDS) {
        return false;
    }
    let words: Vec<&str> = lower.split_whitespace().collect();
    DENIALS.iter().filter(|(no, _, to)| any(lower, no) && any(lower, to)).any(|(no, most, to)| {
        let Some(most) = most else { return true };
        let follows = |at: usize| any(&words[at + 1..words.len().min(at + 1 + most)].join(" "), to);
        words.iter().enumerate().any(|(at, word)| any(word, no) && follows(at))
    })
}

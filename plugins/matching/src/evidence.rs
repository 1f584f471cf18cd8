//! Evidence of a finding: snippets of the text around some of its matches.

use std::borrow::Cow;

use crate::matcher::{PatternMatches, Span};
use crate::settings::{ContextSize, PatternMatching};
use crate::white_space::strip;

/// Picks the evidence of a finding: in each round the next representative of each pattern in turn, until there are
/// `maximum_evidence_count` pieces or nothing is left. Equal pieces are kept.
pub fn evidence<'t>(text: &'t str, patterns: &[PatternMatches<'_>], settings: &PatternMatching) -> Vec<Cow<'t, str>> {
    let rounds = patterns.iter().map(|pattern| pattern.representatives.len()).max().unwrap_or(0);
    (0..rounds)
        .flat_map(|round| patterns.iter().filter_map(move |pattern| pattern.representatives.get(round)))
        .take(settings.maximum_evidence_count)
        .map(|&span| snippet(text, span, settings.evidence_context_size))
        .collect()
}

/// The text around a match without white space at its ends, with `...` where something was cut off.
pub fn snippet(text: &str, span: Span, size: ContextSize) -> Cow<'_, str> {
    let Some(characters) = size.characters() else { return Cow::Borrowed(strip(text)) };
    let start = back(text, span.start, characters);
    let end = forward(text, span.end, characters);
    let piece = strip(text.get(start..end).unwrap_or_default());
    let (before, after) = (start > 0, end < text.len());
    if !before && !after {
        return Cow::Borrowed(piece);
    }
    let mut dotted = String::with_capacity(piece.len() + 6);
    if before {
        dotted.push_str("...");
    }
    dotted.push_str(piece);
    if after {
        dotted.push_str("...");
    }
    Cow::Owned(dotted)
}

/// The place `characters` before `place`, or the start of the text.
fn back(text: &str, place: usize, characters: usize) -> usize {
    // Nearly always each character is one byte; then nothing has to be counted.
    let Some(start) = place.checked_sub(characters) else { return 0 };
    if is_ascii(text, start, place) {
        return start;
    }
    let head = text.get(..place).unwrap_or_default();
    head.char_indices().rev().take(characters).last().map_or(place, |(at, _)| at)
}

/// The place `characters` after `place`, or the end of the text.
fn forward(text: &str, place: usize, characters: usize) -> usize {
    let end = place + characters;
    if end >= text.len() {
        return text.len();
    }
    if is_ascii(text, place, end) {
        return end;
    }
    let tail = text.get(place..).unwrap_or_default();
    tail.char_indices().nth(characters).map_or(text.len(), |(at, _)| place + at)
}

fn is_ascii(text: &str, start: usize, end: usize) -> bool {
    text.as_bytes().get(start..end).is_some_and(<[u8]>::is_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, word: &str, size: ContextSize, expected: &str) {
        let start = text.find(word).unwrap();
        assert_eq!(snippet(text, Span { start, end: start + word.len() }, size), expected);
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let fifty = "é".repeat(50);
        check(&format!("{fifty}x{fifty}"), "x", ContextSize::Small, &format!("{fifty}x{fifty}"));
        check(&format!("漢{fifty}x{fifty}漢"), "x", ContextSize::Small, &format!("...{fifty}x{fifty}..."));
    }

    #[test]
    fn dots_are_decided_before_white_space_goes() {
        let spaces = " ".repeat(51);
        check(&format!("{spaces}x{spaces}"), "x", ContextSize::Small, "...x...");
        check(&format!("{}x{}", " ".repeat(50), " ".repeat(50)), "x", ContextSize::Small, "x");
    }

    #[test]
    fn full_is_the_whole_text_without_dots() {
        let text = format!(" {} x {}\n", "a".repeat(300), "b".repeat(300));
        check(&text, "x", ContextSize::Full, text.trim());
    }
}

//! A text as regular expressions see it: the four characters beyond ASCII that are equal to an ASCII letter are that
//! letter, since the engine knows the case of ASCII letters alone.

use std::borrow::Cow;

use crate::fold::{fold, is_word};

/// The text, and where places of it are in the original.
#[derive(Debug)]
pub(crate) struct Plain<'t> {
    text: Cow<'t, str>,
    /// The places behind each letter that stands for a longer one, with the bytes that are missing up to there.
    missing: Vec<(usize, usize)>,
}

impl<'t> Plain<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let is_odd = |c: char| !c.is_ascii() && is_word(c);
        if !text.contains(is_odd) {
            return Self { text: Cow::Borrowed(text), missing: Vec::new() };
        }
        let (mut plain, mut missing, mut bytes) = (String::with_capacity(text.len()), Vec::new(), 0);
        for c in text.chars() {
            if is_odd(c) {
                plain.push(fold(c));
                bytes += c.len_utf8() - 1;
                missing.push((plain.len(), bytes));
            } else {
                plain.push(c);
            }
        }
        Self { text: Cow::Owned(plain), missing }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where a place of this text is in the original, in bytes.
    pub(crate) fn original(&self, place: usize) -> usize {
        let before = self.missing.partition_point(|&(end, _)| end <= place);
        place + before.checked_sub(1).and_then(|last| self.missing.get(last)).map_or(0, |&(_, bytes)| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_original() {
        let original = "aİ\u{212a}é\u{131}ſb";
        let plain = Plain::new(original);
        assert_eq!(plain.text(), "aikéisb");
        let places: Vec<usize> = plain
            .text()
            .char_indices()
            .map(|(at, _)| at)
            .chain([plain.text().len()])
            .map(|at| plain.original(at))
            .collect();
        let expected: Vec<usize> = original.char_indices().map(|(at, _)| at).chain([original.len()]).collect();
        assert_eq!(places, expected);
        assert!(matches!(Plain::new("aé漢").text, Cow::Borrowed(_)));
    }
}

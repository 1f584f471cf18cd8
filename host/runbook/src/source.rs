//! Texts with a name, and places in them.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A text that diagnostics point into. A clone is the same text: every diagnostic can have one.
#[derive(Debug, Clone)]
pub struct Source(Arc<Text>);

#[derive(Debug)]
struct Text {
    name: String,
    text: String,
    /// Byte offset of each line's first byte.
    lines: Vec<usize>,
}

/// A place in a [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl Span {
    /// The place of a part of a text that stands here, from byte to byte of it: the whole, if the text is not written as
    /// it is read, on one line and with at most plain quotes around it.
    pub(crate) fn part(self, text: &str, part: Range<usize>) -> Self {
        let quote = match (self.end - self.start).checked_sub(text.len()) {
            Some(0) => 0,
            Some(2) => 1,
            _ => return self,
        };
        let Some(before) = text.get(..part.start).filter(|_| !text.contains('\n') && part.end <= text.len()) else {
            return self;
        };
        let start = self.start + quote + part.start;
        let column = self.column + quote + before.chars().count();
        Self { start, end: start + part.len(), line: self.line, column }
    }
}

impl Source {
    /// Takes a text and the name that people know it by, usually its path. A byte order mark is left away.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self(Arc::new(Text { name: name.into(), text, lines }))
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// A diagnostic where they are not UTF-8.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Diagnostic> {
        let name = name.into();
        String::from_utf8(bytes).map(|text| Self::new(name.clone(), text)).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
            let span = Self::new(name.clone(), before).span(good, good);
            Diagnostic::new(Code::NotUtf8, &name, span, "the file is not UTF-8 from here on")
        })
    }

    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The place between two byte offsets, moved to the nearest character borders.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> Span {
        let start = self.0.text.floor_char_boundary(start);
        let end = self.0.text.floor_char_boundary(end).max(start);
        let line = self.0.lines.partition_point(|&first| first <= start).max(1);
        let first = self.0.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.0.text.get(first..start).map_or(0, |before| before.chars().count()) + 1;
        Span { start, end, line, column }
    }

    /// The text of a place.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.0.text.get(span.start..span.end).unwrap_or_default()
    }

    /// A line without its end, counted from 1.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let start =
            number.checked_sub(1).and_then(|index| self.0.lines.get(index)).copied().unwrap_or(self.0.text.len());
        let end = self.0.lines.get(number).copied().unwrap_or(self.0.text.len());
        self.0.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }
}

impl<T> Spanned<T> {
    /// Puts a value and its place together.
    #[must_use]
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let source = Source::new("x", "\u{feff}äb\r\ncd");
        let span = source.span(2, 3);
        assert_eq!((source.slice(span), span.line, span.column), ("b", 1, 2));
        let span = source.span(6, 99);
        assert_eq!((source.slice(span), span.line, span.column), ("d", 2, 2));
        assert_eq!(source.span(1, 1).start, 0, "not inside of a character");
        assert_eq!((source.line(1), source.line(2), source.line(3), source.line(0)), ("äb", "cd", "", ""));
    }

    #[test]
    fn a_part_of_a_text_has_its_place_where_it_is_written_so() {
        let source = Source::new("x", "a: 'äbc'\nb: äbc\nc: \"\\u00e4bc\"");
        let check = |start, end, expected: (&str, usize)| {
            let span = source.span(start, end).part("äbc", 2..3);
            assert_eq!((source.slice(span), span.column), expected);
        };
        check(3, 9, ("b", 6));
        check(13, 17, ("b", 5));
        check(21, 31, ("\"\\u00e4bc\"", 4));
    }
}

//! The lines of a text, by number.

use crate::settings::WindowSize;
use crate::white_space::strip_end;

/// A text cut into lines. A line ends at LF, CR, CR LF, VT, FF, U+001C–001E, U+0085, U+2028 or U+2029; an end of line
/// at the end of the text adds no empty line.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    /// Where each line starts, and where its characters end.
    bounds: Vec<(usize, usize)>,
}

impl<'t> Lines<'t> {
    /// Cuts `text` into lines.
    pub fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut bounds = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..) {
            let Some(plain) = rest.iter().position(|&byte| may_end_line(byte)) else { break };
            let end = at + plain;
            let length = line_end(bytes.get(end..).unwrap_or_default());
            if length == 0 {
                at = end + 1;
            } else {
                bounds.push((start, end));
                at = end + length;
                start = at;
            }
        }
        if start < bytes.len() {
            bounds.push((start, bytes.len()));
        }
        Self { text, bounds }
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.bounds.len()
    }

    /// The line of that number, from 0, without its end.
    pub fn get(&self, number: usize) -> Option<&'t str> {
        let &(start, end) = self.bounds.get(number)?;
        self.text.get(start..end)
    }

    /// The place after the last character of the line of that number.
    pub(crate) fn end_of(&self, number: usize) -> usize {
        self.bounds.get(number).map_or(self.text.len(), |&(_, end)| end)
    }

    /// The number of the line that the byte at `place` is in, from 0.
    pub fn number_at(&self, place: usize) -> usize {
        self.bounds.partition_point(|&(start, _)| start <= place).saturating_sub(1)
    }

    /// The lines around line `number`, each after its own number (from 1, in four columns).
    pub fn window(&self, number: usize, size: WindowSize) -> String {
        let (first, last) = match size.lines() {
            Some(lines) => (number.saturating_sub(lines), number.saturating_add(lines).saturating_add(1)),
            None => (0, self.count()),
        };
        let mut window = String::new();
        for number in first..last.min(self.count()) {
            if !window.is_empty() {
                window.push('\n');
            }
            let line = strip_end(self.get(number).unwrap_or_default());
            window.push_str(&format!("{:>4}  {line}", number + 1));
        }
        window
    }
}

/// Tells whether a byte is the first one of an end of line, or may be.
fn may_end_line(byte: u8) -> bool {
    matches!(byte, b'\n'..=b'\r' | 0x1c..=0x1e | 0xc2 | 0xe2)
}

/// Length in bytes of the end of line that `bytes` begins with, 0 if there is none.
fn line_end(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
        [b'\n'..=b'\r' | 0x1c..=0x1e, ..] => 1,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let lines = Lines::new(text);
        let found: Vec<&str> = (0..lines.count()).filter_map(|number| lines.get(number)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn every_end_of_line_ends_a_line() {
        check("", &[]);
        check("\n", &[""]);
        check("a", &["a"]);
        check("a\n", &["a"]);
        check("a\n\n", &["a", ""]);
        check(
            "a\r\nb\rc\u{b}d\u{c}e\u{1c}f\u{1d}g\u{1e}h\u{85}i\u{2028}j\u{2029}k",
            &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
        );
        check("\n\r\n\r", &["", "", ""]);
        check("a\u{1f}é…\u{a0}b", &["a\u{1f}é…\u{a0}b"]);
    }

    #[test]
    fn a_place_belongs_to_the_line_around_it() {
        let lines = Lines::new("ab\nc\r\n\nd");
        let numbers: Vec<usize> = [0, 1, 3, 6, 7].iter().map(|&place| lines.number_at(place)).collect();
        assert_eq!(numbers, [0, 0, 1, 2, 3]);
    }

    #[test]
    fn a_window_is_numbered_and_clipped() {
        let text = "one  \n\nthree\nfour\nfive\nsix";
        let lines = Lines::new(text);
        assert_eq!(lines.window(0, WindowSize::Small), "   1  one\n   2  \n   3  three\n   4  four");
        assert_eq!(lines.window(5, WindowSize::Small), "   3  three\n   4  four\n   5  five\n   6  six");
        assert_eq!(lines.window(2, WindowSize::Full).lines().count(), 6);
    }
}

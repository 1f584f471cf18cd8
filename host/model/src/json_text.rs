//! Lines of JSON, and where a text in one ends, found by looking at many bytes at a time: texts are most of what
//! components emit, and each of their lines is looked at when it comes and when it is counted.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The lines of a text that ends with the end of its last line. Of one that does not, the rest is the last line.
pub fn lines(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (line, rest) = match memchr::memchr(b'\n', text.as_bytes()) {
            Some(end) => (text.get(..end)?, text.get(end + 1..)?),
            None if text.is_empty() => return None,
            None => (text, ""),
        };
        text = rest;
        Some(line)
    })
}

/// The end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEnd {
    /// The place behind its closing quote.
    pub behind: usize,
    /// There is no escape in it: its bytes are what it says.
    pub plain: bool,
    /// A half of a character is escaped in it: only who joins them knows whether each has its other half.
    pub halves: bool,
}

/// Finds the end of the text whose first byte, behind its opening quote, is at `start`. None where it has no end, or
/// has a control character or an escape that JSON does not know.
#[must_use]
pub fn text_end(bytes: &[u8], start: usize) -> Option<TextEnd> {
    let mut end = TextEnd { behind: start, plain: true, halves: false };
    loop {
        let at = special(bytes, end.behind);
        match bytes.get(at)? {
            b'"' => return Some(TextEnd { behind: at + 1, ..end }),
            b'\\' => {
                end.plain = false;
                end.behind = at + 2;
                match bytes.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        end.behind += 4;
                        let digits = bytes.get(at + 2..end.behind)?;
                        end.halves |= matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                    }
                    _ => return None,
                }
            }
            // A control character.
            _ => return None,
        }
    }
}

/// The first place from `at` on that is a quote, a backslash or a control character; the end if there is none.
fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*eight);
        // The highest bit of each byte that is zero. A borrow can set it in bytes above such a byte too, but the lowest
        // one that is set is right.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
}

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_end_at_line_ends() {
        for text in ["", "\n", "a\n", "a\nbé\n\n", "a\r\nb", "\n\n"] {
            assert_eq!(lines(text).collect::<Vec<_>>(), text.split_terminator('\n').collect::<Vec<_>>(), "{text:?}");
        }
    }

    #[test]
    fn a_text_ends_at_its_quote_wherever_that_is() {
        for before in 0..40 {
            for filling in ["-", "é", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\uDE00", "😀"] {
                let text = format!("{}{filling}", "-".repeat(before)).repeat(2);
                let line = format!("\"{text}\",\"");
                let (plain, halves) = (!filling.starts_with('\\'), filling.starts_with("\\ud"));
                assert_eq!(
                    text_end(line.as_bytes(), 1),
                    Some(TextEnd { behind: text.len() + 2, plain, halves }),
                    "{line}"
                );
                assert_eq!(text_end(text.as_bytes(), 0), None, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_text_has_no_end() {
        for wrong in ["\n", "\u{0}", "\u{1f}", "\\x", "\\", "\\u12", "\\u12g4"] {
            for before in 0..20 {
                let text = format!("{}{wrong}{}\"", "-".repeat(before), "-".repeat(20 - before));
                assert_eq!(text_end(text.as_bytes(), 0), None, "{text:?}");
            }
        }
        assert_eq!(text_end(b"\"", 2), None);
    }

    proptest! {
        #[test]
        fn a_text_ends_where_a_reader_ends(text in "([a-z\u{e9}]|\\\\[nu\"\\\\]|[\"\n]|[a-z]{9,20}|\\\\u[0-9a-g]{4}){0,9}\"") {
            let line = format!("\"{text}");
            let mut reader = serde_json::Deserializer::from_str(&line).into_iter::<String>();
            let read = reader.next();
            let end = text_end(line.as_bytes(), 1);
            match read {
                Some(Ok(read)) => {
                    let behind = reader.byte_offset();
                    prop_assert_eq!(end.map(|end| end.behind), Some(behind));
                    prop_assert_eq!(end.map(|end| end.plain), Some(line.get(1..behind - 1) == Some(&*read)));
                }
                _ => prop_assert!(end.is_none_or(|end| end.halves), "{:?}", end),
            }
        }
    }
}

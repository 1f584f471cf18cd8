//! Foreign text made safe to show to a person: it can't move a cursor, hide, reorder or fake lines.

/// Rewrites `text` on one line: control characters, bidirectional controls, zero-width and other invisible
/// characters appear as `\u{…}`; at most `max_chars` characters are kept, `…` marks a cut.
#[must_use]
pub fn line(text: &str, max_chars: usize) -> String {
    neutral(text, max_chars, false)
}

/// As [`line`], but line feeds and tabs stay as they are.
#[must_use]
pub fn block(text: &str, max_chars: usize) -> String {
    neutral(text, max_chars, true)
}

/// Says whether a character would be shown as `\u{…}` by [`line`].
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian separators,
            // zero-width and bidi marks, line and paragraph separators, bidi embeddings and isolates, invisible
            // operators, BOM, specials, variation selectors supplement and tags.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

fn neutral(text: &str, max_chars: usize, keep_lines: bool) -> String {
    let mut shown = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    for (count, c) in text.chars().enumerate() {
        if count == max_chars {
            shown.push('…');
            break;
        }
        if is_hidden(c) && !(keep_lines && (c == '\n' || c == '\t')) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_spelled_out() {
        assert_eq!(line("a\x1b[2Jb\nc", 99), "a\\u{1b}[2Jb\\u{a}c");
        assert_eq!(line("abc\u{202e}txt.exe", 99), "abc\\u{202e}txt.exe");
        assert_eq!(line("zero\u{200b}width", 99), "zero\\u{200b}width");
        assert_eq!(line("Grüße, 世界 🙂", 99), "Grüße, 世界 🙂");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(line("abc", 3), "abc");
    }

    #[test]
    fn a_block_keeps_its_lines() {
        assert_eq!(block("a\n\tb\r", 99), "a\n\tb\\u{d}");
    }
}

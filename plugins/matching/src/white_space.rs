//! What counts as white space: a fixed list, which is not the one of Unicode's `White_Space` property
//! (U+001C–001F are in it, U+200B and U+FEFF are not).

/// Tells whether `c` is white space.
pub fn is_white_space(c: char) -> bool {
    matches!(
        c,
        '\u{9}'..='\u{d}'
            | '\u{1c}'..='\u{20}'
            | '\u{85}'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

/// Tells whether `text` is empty or white space alone.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_white_space)
}

/// Removes white space from both ends.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_white_space)
}

/// Removes white space from the end.
pub fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_white_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_white_space_and_invisible_letters_are_not() {
        assert_eq!(strip("\u{1c}\u{1f} \u{3000}x\u{85}\u{a0}"), "x");
        assert_eq!(strip("\u{feff}x\u{200b}"), "\u{feff}x\u{200b}");
        assert!(is_blank("") && is_blank("\t\u{2028}") && !is_blank(" \u{0}"));
        assert_eq!(strip_end("  x \u{b}"), "  x");
    }
}

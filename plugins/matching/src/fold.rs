//! When two characters are equal without regard to case, and which characters are part of a word.
//!
//! Works on one character at a time: `ß` never becomes `ss`, and nothing is normalised.

/// Lower-case letters that share their upper case with another one, each with the representative of its class.
///
/// Sorted by the first. Made from Unicode's data; a test compares it with the standard library's over all characters.
const CLASSES: [(char, char); 26] = [
    ('\u{131}', 'i'),
    ('\u{17f}', 's'),
    ('\u{3b9}', '\u{345}'),
    ('\u{3bc}', '\u{b5}'),
    ('\u{3c3}', '\u{3c2}'),
    ('\u{3d0}', '\u{3b2}'),
    ('\u{3d1}', '\u{3b8}'),
    ('\u{3d5}', '\u{3c6}'),
    ('\u{3d6}', '\u{3c0}'),
    ('\u{3f0}', '\u{3ba}'),
    ('\u{3f1}', '\u{3c1}'),
    ('\u{3f5}', '\u{3b5}'),
    ('\u{1c80}', '\u{432}'),
    ('\u{1c81}', '\u{434}'),
    ('\u{1c82}', '\u{43e}'),
    ('\u{1c83}', '\u{441}'),
    ('\u{1c84}', '\u{442}'),
    ('\u{1c85}', '\u{442}'),
    ('\u{1c86}', '\u{44a}'),
    ('\u{1c87}', '\u{463}'),
    ('\u{1e9b}', '\u{1e61}'),
    ('\u{1fbe}', '\u{345}'),
    ('\u{1fd3}', '\u{390}'),
    ('\u{1fe3}', '\u{3b0}'),
    ('\u{a64b}', '\u{1c88}'),
    ('\u{fb06}', '\u{fb05}'),
];

/// Returns the one character that stands for all that are equal to `c` without regard to case.
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    // U+0130 is the only character whose full lower case is longer than its simple one, which is `i`.
    let lower = if c == '\u{130}' { 'i' } else { c.to_lowercase().next().unwrap_or(c) };
    match CLASSES.binary_search_by_key(&lower, |&(letter, _)| letter) {
        Ok(found) => CLASSES.get(found).map_or(lower, |&(_, representative)| representative),
        Err(_) => lower,
    }
}

/// Tells whether `c` is part of a word: an ASCII letter or digit, or one of the four characters equal to one.
pub fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two characters are equal if their simple lower cases are, or if those have the same upper case.
    #[test]
    fn folding_is_equality_of_the_upper_case_of_the_lower_case() {
        let upper_of_lower = |c: char| -> Vec<char> {
            let lower = if c == '\u{130}' { 'i' } else { c.to_lowercase().next().unwrap() };
            lower.to_uppercase().collect()
        };
        let mut representatives = std::collections::HashMap::new();
        for c in '\0'..=char::MAX {
            let folded = fold(c);
            assert_eq!(fold(folded), folded, "{c:?} folds to {folded:?}, which is not its own representative");
            let representative = *representatives.entry(upper_of_lower(c)).or_insert(folded);
            assert_eq!(folded, representative, "{c:?} is in the wrong class");
            assert_eq!(upper_of_lower(folded), upper_of_lower(c), "{c:?} and {folded:?} share no upper case");
        }
    }

    #[test]
    fn exactly_four_characters_fold_into_ascii_words() {
        let strangers: Vec<char> = ('\u{80}'..=char::MAX).filter(|&c| fold(c).is_ascii() || is_word(c)).collect();
        assert_eq!(strangers, ['\u{130}', '\u{131}', '\u{17f}', '\u{212a}']);
        assert!(strangers.iter().all(|&c| fold(c).is_ascii_lowercase() && is_word(c)));
    }

    #[test]
    fn neighbours_in_case_are_equal_and_look_alikes_are_not() {
        for (a, b) in [('σ', 'ς'), ('µ', 'μ'), ('ß', 'ẞ'), ('É', 'é'), ('K', '\u{212a}'), ('S', 'ſ'), ('ı', 'İ')]
        {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        for (a, b) in [('ß', 's'), ('é', 'e'), ('ａ', 'a'), ('а', 'a'), ('_', '-')] {
            assert_ne!(fold(a), fold(b), "{a} {b}");
        }
    }
}

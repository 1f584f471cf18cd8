//! Regular expressions of rules: where they match.
//!
//! Most begin with plain letters. Those are looked for first and the expression is tried where they are, since the
//! engine by itself reads a few megabytes a second.

use regex_lite::{Error, Regex, RegexBuilder};

/// Most bytes that a compiled expression may take. Without it, one such as `(.{999}){999}` takes all memory there is.
const MAX_BYTES: usize = 1 << 20;

/// A compiled expression.
#[derive(Debug)]
pub(crate) enum ValuePattern {
    /// It begins with these letters, folded; the expression matches at the start of a text alone.
    Prefixed(Vec<u8>, Regex),
    /// It may begin with anything.
    Free(Regex),
}

impl ValuePattern {
    /// Compiles an expression: without regard to the case of ASCII letters, `.` not matching a line feed.
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        let compile = |pattern: &str| RegexBuilder::new(pattern).case_insensitive(true).size_limit(MAX_BYTES).build();
        // Compiled by itself first, so that an error is about what the ruleset says.
        let free = compile(pattern)?;
        let prefix = plain_prefix(pattern);
        Ok(if prefix.is_empty() {
            Self::Free(free)
        } else {
            Self::Prefixed(prefix, compile(&format!(r"\A(?:{pattern})"))?)
        })
    }

    /// Calls `found` with start and end (in bytes) of each match, from left to right, not overlapping.
    pub(crate) fn scan(&self, text: &str, mut found: impl FnMut(usize, usize)) {
        let (prefix, expression) = match self {
            Self::Free(expression) => {
                expression.find_iter(text).for_each(|one| found(one.start(), one.end()));
                return;
            }
            Self::Prefixed(prefix, expression) => (prefix, expression),
        };
        let mut from = 0;
        while let Some(start) = find(text.as_bytes(), from, prefix) {
            // The prefix is ASCII, so it starts at a character.
            match text.get(start..).and_then(|rest| expression.find(rest)) {
                Some(one) => {
                    from = start + one.end();
                    found(start, from);
                }
                None => from = start + 1,
            }
        }
    }
}

/// The ASCII letters, digits and `_` that every match begins with, folded; none if that can't be told at a glance.
fn plain_prefix(pattern: &str) -> Vec<u8> {
    if pattern.contains('|') {
        return Vec::new();
    }
    let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let mut prefix: Vec<u8> = pattern.bytes().take_while(|byte| plain(&byte)).collect();
    // What follows may make the last one optional; `+` does if another repetition follows it.
    if matches!(pattern.as_bytes().get(prefix.len()), Some(b'*' | b'?' | b'{' | b'+')) {
        prefix.pop();
    }
    prefix.make_ascii_lowercase();
    prefix
}

/// The first place at or after `from` where `folded` is, without regard to case.
fn find(text: &[u8], from: usize, folded: &[u8]) -> Option<usize> {
    let (first, rest) = folded.split_first()?;
    let upper = first.to_ascii_uppercase();
    let mut at = from;
    loop {
        at += memchr::memchr2(*first, upper, text.get(at..)?)?;
        let after = text.get(at + 1..at + folded.len())?;
        if after.eq_ignore_ascii_case(rest) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_prefix_is_what_every_match_begins_with() {
        for (pattern, expected) in [
            ("under.*years", "under"),
            ("Third.country", "third"),
            ("ab?c", "a"),
            ("ab*", "a"),
            ("ab+", "a"),
            ("a+??", ""),
            ("ab{0,2}", "a"),
            ("a?", ""),
            ("ab|cd", ""),
            (r"\bab", ""),
            ("(ab)", ""),
            ("[ab]c", ""),
            ("é", ""),
            ("(?i)a", ""),
            ("a_1-", "a_1"),
        ] {
            assert_eq!(plain_prefix(pattern), expected.as_bytes(), "{pattern}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn looking_for_the_prefix_changes_nothing(pattern in r"[abé.*+?\\b]{1,6}", text in "[abABéÉ\n ]{0,24}") {
            let Ok(quick) = ValuePattern::new(&pattern) else { return Ok(()) };
            let slow = RegexBuilder::new(&pattern).case_insensitive(true).build().unwrap();
            let mut found = Vec::new();
            quick.scan(&text, |start, end| found.push((start, end)));
            let expected: Vec<_> = slow.find_iter(&text).map(|one| (one.start(), one.end())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

//! Evidence of findings: how much of it is shown, where patterns stand in it, and what is left of it when it is masked.

/// How much of the evidence is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// None of it. Of a piece, there are the words of the ruleset that matched in it, as the ruleset writes them, and
    /// between them the same mark whatever and how much stands there. Of components that don't come with Palisade, or
    /// that repeat what such a component said, the words are left out too, and so are their messages.
    /// Names of files, tables and categories, and reasons of skips that the host gives, are shown.
    #[default]
    Masked,
    /// All of it, cut to what a person reads, and what components said.
    Full,
}

/// Most characters of a piece that are searched: evidence may be a whole file.
pub(crate) const MAX_SEARCHED_CHARS: usize = 65_536;
/// Most matches marked in a masked piece.
pub(crate) const MAX_MASKED_MATCHES: usize = 12;

/// What is left of a masked piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left<'a> {
    /// Text of any length stands there.
    Hidden,
    /// A pattern, as the ruleset writes it.
    Word(&'a str),
}

/// What is left of a piece of which only the ruleset's words are shown; none where that is nothing. It says of `text`
/// which pattern stands after which, and whether anything else stands between.
pub(crate) fn masked<'a>(text: &str, patterns: &[&'a str]) -> Option<Vec<Left<'a>>> {
    let text = Searched::new(text);
    let hits = text.hits(patterns);
    if hits.is_empty() {
        return None;
    }
    let stands = |from: usize, to: usize| {
        text.chars.get(from..to).is_some_and(|between| between.iter().any(|c| !c.is_whitespace()))
    };
    let (mut left, mut at) = (Vec::new(), 0);
    for hit in hits.into_iter().take(MAX_MASKED_MATCHES) {
        left.extend(stands(at, hit.start).then_some(Left::Hidden));
        left.push(Left::Word(hit.pattern));
        at = hit.end;
    }
    left.extend(stands(at, text.chars.len()).then_some(Left::Hidden));
    Some(left)
}

/// The text with every letter and digit outside of matches made a `0`.
#[cfg(test)]
pub(crate) fn blank(text: &str, patterns: &[&str]) -> String {
    let mut searched = Searched::new(text);
    let matched: Vec<_> = searched.hits(patterns).iter().map(|hit| hit.start..hit.end).collect();
    for (index, c) in searched.chars.iter_mut().enumerate() {
        if c.is_alphanumeric() && !matched.iter().any(|range| range.contains(&index)) {
            *c = '0';
        }
    }
    searched.chars.into_iter().collect()
}

/// Where a pattern stands, in characters.
pub(crate) struct Hit<'a> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pattern: &'a str,
}

/// A text that is searched, or its beginning.
pub(crate) struct Searched {
    pub(crate) chars: Vec<char>,
    /// There is more text than was taken.
    pub(crate) cut: bool,
}

impl Searched {
    pub(crate) fn new(text: &str) -> Self {
        let mut chars = text.chars();
        let taken: Vec<_> = chars.by_ref().take(MAX_SEARCHED_CHARS).collect();
        Self { cut: chars.next().is_some(), chars: taken }
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> String {
        self.chars.get(from..to).unwrap_or_default().iter().collect()
    }

    /// Where the patterns stand as whole words, whatever their case; the longest where several begin.
    ///
    /// This is to show a person what matched. What matches is decided by analysers alone.
    pub(crate) fn hits<'a>(&self, patterns: &[&'a str]) -> Vec<Hit<'a>> {
        let mut folded: Vec<(&'a str, Vec<char>)> =
            patterns.iter().map(|pattern| (*pattern, pattern.chars().map(fold).collect())).collect();
        folded.retain(|(_, chars)| !chars.is_empty());
        folded.sort_by_key(|(_, chars)| std::cmp::Reverse(chars.len()));
        let text: Vec<char> = self.chars.iter().copied().map(fold).collect();
        let mut hits = vec![];
        let mut at = 0;
        while at < text.len() {
            let begins = |(_, chars): &&(&str, Vec<char>)| {
                let end = at + chars.len();
                text.get(at..end) == Some(chars)
                    && !at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(char::is_ascii_alphanumeric)
                    && !text.get(end).is_some_and(char::is_ascii_alphanumeric)
            };
            match folded.iter().find(begins) {
                Some((pattern, chars)) => {
                    hits.push(Hit { start: at, end: at + chars.len(), pattern });
                    at += chars.len();
                }
                None => at += 1,
            }
        }
        hits
    }
}

/// One character for one, so that places in the text stay where they are.
fn fold(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_is_hidden_between_them_are_left() {
        let check = |text: &str, patterns: &[&'static str], expected: Option<&[Left<'static>]>| {
            assert_eq!(masked(text, patterns).as_deref(), expected, "{text}");
        };
        let (email, name) = (Left::Word("email"), Left::Word("name"));
        check("Name: x EMAIL y", &["email", "name"], Some(&[name, Left::Hidden, email, Left::Hidden]));
        check("email name", &["email", "name"], Some(&[email, name]));
        check("secret", &["email"], None);
        check("emails", &["email"], None);
        check("", &[], None);
    }
}

//! A piece of evidence on a page: whole with its match highlighted, or masked.

use super::escape::lines;

/// How much of the evidence a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// None of it. Of a piece, a page has the words of the ruleset that matched in it, as the ruleset writes them, and
    /// between them the same mark whatever and how much stands there. Of components that don't come with Palisade, or
    /// that repeat what such a component said, the words are left out too, and so are their messages.
    /// Names of files, tables and categories, and reasons of skips that the host gives, are shown.
    #[default]
    Masked,
    /// All of it, cut to what a person reads, and what components said.
    Full,
}

/// Most characters of a piece that are shown.
const MAX_SHOWN_CHARS: usize = 1_000;
/// Characters shown before the first match where a piece is cut.
const LEAD_CHARS: usize = 300;
/// Most characters of a piece that are searched: evidence may be a whole file.
const MAX_SEARCHED_CHARS: usize = 65_536;
/// Most matches marked in a masked piece.
const MAX_MASKED_MATCHES: usize = 12;
/// What stands for hidden text of any length.
const HIDDEN: &str = "<i>•••••</i>";

/// A piece with each match in `<mark>`, as HTML.
pub(super) fn full(text: &str, patterns: &[&str]) -> String {
    let text = Searched::new(text);
    let hits = text.hits(patterns);
    let first = hits.first().map_or(0, |hit| hit.start);
    let from = if text.chars.len() > MAX_SHOWN_CHARS { first.saturating_sub(LEAD_CHARS) } else { 0 };
    let to = text.chars.len().min(from + MAX_SHOWN_CHARS);
    let mut html = String::new();
    let mut at = from;
    if from > 0 {
        html.push('…');
    }
    for hit in hits.iter().filter(|hit| hit.start >= from && hit.end <= to) {
        html.push_str(&lines(&text.slice(at, hit.start)));
        html.push_str("<mark>");
        html.push_str(&lines(&text.slice(hit.start, hit.end)));
        html.push_str("</mark>");
        at = hit.end;
    }
    html.push_str(&lines(&text.slice(at, to)));
    if to < text.chars.len() || text.cut {
        html.push('…');
    }
    html
}

/// A piece of which only the ruleset's words are left, as HTML; none where that is nothing. What it has of `text` is
/// which pattern stands after which, and whether anything else stands between.
pub(super) fn masked(text: &str, patterns: &[&str]) -> Option<String> {
    let text = Searched::new(text);
    let hits = text.hits(patterns);
    if hits.is_empty() {
        return None;
    }
    let mut html = String::new();
    let mut at = 0;
    let gap = |html: &mut String, from: usize, to: usize| {
        if text.chars.get(from..to).is_some_and(|between| between.iter().any(|c| !c.is_whitespace())) {
            html.push_str(HIDDEN);
        }
        html.push(' ');
    };
    for hit in hits.into_iter().take(MAX_MASKED_MATCHES) {
        gap(&mut html, at, hit.start);
        html.push_str("<mark>");
        html.push_str(&lines(hit.pattern));
        html.push_str("</mark> ");
        at = hit.end;
    }
    gap(&mut html, at, text.chars.len());
    Some(html.trim().to_owned())
}

/// The text with every letter and digit outside of matches made a `0`.
#[cfg(test)]
pub(super) fn blank(text: &str, patterns: &[&str]) -> String {
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
struct Hit<'a> {
    start: usize,
    end: usize,
    pattern: &'a str,
}

struct Searched {
    chars: Vec<char>,
    /// There is more text than was taken.
    cut: bool,
}

impl Searched {
    fn new(text: &str) -> Self {
        let mut chars = text.chars();
        let taken: Vec<_> = chars.by_ref().take(MAX_SEARCHED_CHARS).collect();
        Self { cut: chars.next().is_some(), chars: taken }
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.chars.get(from..to).unwrap_or_default().iter().collect()
    }

    /// Where the patterns stand as whole words, whatever their case; the longest where several begin.
    ///
    /// This is to show a person what matched. What matches is decided by analysers alone.
    fn hits<'a>(&self, patterns: &[&'a str]) -> Vec<Hit<'a>> {
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
    fn matches_are_highlighted_as_whole_words_in_any_case() {
        assert_eq!(
            full("My E-Mail, email_x, emails", &["email", "e-mail"]),
            "My <mark>E-Mail</mark>, <mark>email</mark>_x, emails"
        );
        assert_eq!(full("post code", &["post", "post code"]), "<mark>post code</mark>");
        assert_eq!(full("İX straße ÉTÉ", &["été", ""]), "İX straße <mark>ÉTÉ</mark>");
    }

    #[test]
    fn no_markup_gets_out_of_evidence_or_pattern() {
        assert_eq!(full("</script><mark>\"x'", &["<mark>"]), "&lt;/script&gt;<mark>&lt;mark&gt;</mark>&quot;x&#39;");
        assert_eq!(masked("<b>", &["<b>"]).as_deref(), Some("<mark>&lt;b&gt;</mark>"));
        assert_eq!(full("a\u{202e}\u{1b}b\nc", &[]), "a\\u{202e}\\u{1b}b\nc");
    }

    #[test]
    fn long_evidence_is_cut_around_its_first_match() {
        let text = format!("{} needle {}", "a".repeat(2_000), "b".repeat(2_000));
        let html = full(&text, &["needle"]);
        assert!(html.starts_with("…a") && html.ends_with("b…") && html.contains("<mark>needle</mark>"), "{html}");
        assert_eq!(html.replace("<mark>", "").replace("</mark>", "").chars().count(), MAX_SHOWN_CHARS + 2);
        assert_eq!(full(&"a".repeat(MAX_SHOWN_CHARS), &["x"]).chars().count(), MAX_SHOWN_CHARS);
        assert_eq!(full(&"a".repeat(MAX_SEARCHED_CHARS + 1), &["x"]).chars().count(), MAX_SHOWN_CHARS + 1);
    }

    #[test]
    fn a_masked_piece_has_the_words_of_the_ruleset_and_nothing_else() {
        assert_eq!(
            masked("...Name: John SMITH, EMAIL john@x.org", &["email", "name"]).as_deref(),
            Some("<i>•••••</i> <mark>name</mark> <i>•••••</i> <mark>email</mark> <i>•••••</i>")
        );
        assert_eq!(masked("email", &["email"]).as_deref(), Some("<mark>email</mark>"));
        assert_eq!(masked("secret", &[]), None);
        assert_eq!(masked("secret", &["email"]), None);
        let many = "email, ".repeat(50);
        assert_eq!(masked(&many, &["email"]).unwrap().matches("<mark>").count(), MAX_MASKED_MATCHES);
    }

    #[test]
    fn masked_pieces_of_equal_structure_are_equal_whatever_they_hide() {
        let patterns = &["email"];
        assert_eq!(masked("x email y", patterns), masked("Jane Doe, 12 High St: email (jane@doe.org)\n\n7", patterns));
    }
}

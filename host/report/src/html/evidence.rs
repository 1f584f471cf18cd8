//! A piece of evidence on a page: whole with its match highlighted, or masked.

use super::escape::lines;
use crate::evidence::{self, Left, Searched};

/// Most characters of a piece that are shown.
const MAX_SHOWN_CHARS: usize = 1_000;
/// Characters shown before the first match where a piece is cut.
const LEAD_CHARS: usize = 300;
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

/// A piece of which only the ruleset's words are left, as HTML; none where that is nothing.
pub(super) fn masked(text: &str, patterns: &[&str]) -> Option<String> {
    let html = |left: Left<'_>| match left {
        Left::Hidden => HIDDEN.to_owned(),
        Left::Word(pattern) => format!("<mark>{}</mark>", lines(pattern)),
    };
    Some(evidence::masked(text, patterns)?.into_iter().map(html).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{MAX_MASKED_MATCHES, MAX_SEARCHED_CHARS};

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

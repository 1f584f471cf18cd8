//! Foreign text, made fit to stand in a runbook.

/// Text on one line that means nothing to whoever reads it on: no control or format characters, no `${` and no `{{`.
pub fn plain(text: &str, most: usize) -> String {
    let is_seen = |c: &char| !c.is_control() && !is_format(*c);
    let words = text.split_whitespace().filter(|word| word.chars().any(|c| is_seen(&c))).enumerate();
    let mut chars =
        words.flat_map(|(at, word)| (at > 0).then_some(' ').into_iter().chain(word.chars().filter(is_seen)));
    // No more is read than is shown: many names may be cut out of one long text.
    let mut out: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        out.truncate(out.trim_end().len());
        out.push('…');
    }
    out.replace('{', "(").replace('}', ")")
}

/// Characters that are not seen and change what is.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_text_is_cut_and_nothing_in_it_means_anything() {
        assert_eq!(plain(" a\u{200b}b \u{feff} ${c}\n{{d}}\u{7} ", 40), "ab $(c) ((d))");
        assert_eq!(
            (plain("abc de", 6), plain("abc de", 5), plain("abc de", 4)),
            ("abc de".into(), "abc d…".into(), "abc…".into())
        );
        assert_eq!((plain("", 0), plain("\u{200b}", 0), plain("a", 0)), (String::new(), String::new(), "…".into()));
    }

    #[test]
    fn a_long_text_costs_what_is_shown_of_it() {
        let text = "word ".repeat(1 << 20);
        for _ in 0..100_000 {
            assert_eq!(plain(&text, 4), "word…");
        }
    }
}

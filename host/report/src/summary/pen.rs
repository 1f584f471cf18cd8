//! Text on a terminal: foreign text neutralised, widths as a terminal counts them, colour if wanted.

use palisade_model::neutral;
use unicode_width::UnicodeWidthStr as _;

/// How a summary is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Use ANSI colours.
    pub colour: bool,
    /// Columns of the terminal; taken as at least 40 and at most 120.
    pub width: usize,
}

impl Default for TextStyle {
    /// No colour, 100 columns.
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}

/// What a piece of text is, from which its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Heading,
    Good,
    Bad,
    Notable,
    Quiet,
}

impl TextStyle {
    /// The columns there are.
    pub(super) fn columns(self) -> usize {
        self.width.clamp(40, 120)
    }

    /// Colours a text that is already neutral.
    pub(super) fn ink(self, ink: Ink, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Heading => "1",
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Notable => "33",
            Ink::Quiet => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Columns that a neutral text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Foreign text on one line, neutralised, cut to `columns` with `…` as its last.
pub(super) fn fit(text: &str, columns: usize) -> String {
    // No character that takes a column is lost by this first cut, which keeps the work on endless text small.
    let neutral = neutral::line(text, columns.saturating_mul(4).max(16));
    if neutral.width() <= columns {
        return neutral;
    }
    let mut kept = String::new();
    for c in neutral.chars() {
        kept.push(c);
        if kept.width() > columns.saturating_sub(1) {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// Adds spaces behind up to `columns`.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Adds spaces before up to `columns`.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Most characters of a foreign text that is shown in whole.
const MAX_WRAPPED_CHARS: usize = 1_200;

/// Foreign text on as many lines as it needs, broken at spaces, neutralised; long words are cut hard.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let neutral = neutral::line(text, MAX_WRAPPED_CHARS);
    let mut lines = vec![];
    let mut line = String::new();
    for word in neutral.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            line.push(c);
            if line.width() > columns {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

/// A bar of at most `columns` for a share of the largest value; something is drawn for anything above nothing.
pub(super) fn bar(value: u64, largest: u64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let full = columns as u128 * 8;
    let eighths = (u128::from(value) * full).div_ceil(u128::from(largest.max(1))).min(full);
    let whole = usize::try_from(eighths / 8).unwrap_or(columns);
    let part = EIGHTHS.get((eighths % 8) as usize).copied().unwrap_or_default();
    format!("{}{part}", "█".repeat(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_columns_not_to_characters() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("世界地図", 5), "世界…");
        assert_eq!(fit("世界地図", 4), "世…");
        assert_eq!(fit("a\u{1b}[2J", 40), "a\\u{1b}[2J");
    }

    #[test]
    fn padding_counts_columns() {
        assert_eq!(left("世", 4), "世  ");
        assert_eq!(right("7", 3), "  7");
        assert_eq!(right("long", 2), "long");
    }

    #[test]
    fn long_text_is_broken_at_spaces_and_long_words_hard() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghijkl", 8), ["abcdefgh", "ijkl"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("a\nb", 20), ["a\\u{a}b"]);
    }

    #[test]
    fn a_bar_is_a_share_and_never_nothing() {
        assert_eq!(bar(8, 8, 4), "████");
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(0, 8, 4), "");
        assert_eq!(bar(9, 8, 2), "██");
        assert_eq!(bar(u64::MAX, u64::MAX, 2), "██");
    }

    #[test]
    fn colour_is_only_used_when_wanted() {
        let plain = TextStyle { colour: false, width: 1 };
        assert_eq!((plain.ink(Ink::Bad, "x").as_str(), plain.columns()), ("x", 40));
        assert_eq!(TextStyle { colour: true, width: 500 }.ink(Ink::Bad, "x"), "\u{1b}[1;31mx\u{1b}[0m");
    }
}

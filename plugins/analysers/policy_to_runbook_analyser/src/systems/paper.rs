//! What a sentence says to be on paper: `loan files are on paper`, `Personalakten auf Papier`, `dossiers sur papier`.

use super::{Where, Word};
use crate::vocabulary::{ON_PAPER, PAPER_FILES};

/// Words that say that nothing is.
const NO: &[&str] = &["no", "not", "kein", "keine", "nicht", "aucun", "aucune", "pas"];

/// Most words between what is on paper and what says so.
const MAX_BETWEEN: usize = 6;

/// What is on paper, where the sentence says where things are.
pub(super) fn on_paper(words: &[Word<'_>], place: Where) -> Option<String> {
    if place < Where::Kept || words.iter().any(|word| word.is(NO)) {
        return None;
    }
    let is_said =
        |pair: &[Word<'_>]| ON_PAPER.iter().any(|said| pair.iter().zip(*said).all(|(word, is)| word.lower == *is));
    let at = words.windows(2).position(is_said)?;
    let said = match words[at].lower.as_str() {
        "forme" => words[at + 1].text.to_owned(),
        _ => format!("{} {}", words[at].text, words[at + 1].text),
    };
    let earlier = &words[at.saturating_sub(MAX_BETWEEN)..at];
    let noun = earlier.last().filter(|word| words[at].is(&["auf", "aus"]) && word.text.starts_with(char::is_uppercase));
    let what = noun.or_else(|| earlier.iter().rev().find(|word| word.is(PAPER_FILES)))?;
    Some(if words[at].lower == "on" { format!("paper {}", what.lower) } else { format!("{} {said}", what.text) })
}

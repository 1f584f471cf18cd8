//! What was given and is not what it should be: no text, or no privacy policy. It is read all the same, and that is told.

use crate::facts::{Fact, Kind};
use crate::text::Sentence;
use crate::vocabulary::{COLLECTS, KEEPS};
use crate::words::any;

/// What a text that says what becomes of data speaks of.
const OF_DATA: &[&str] =
    &["data", "privacy", "personal", "daten", "datenschutz", "donnée", "vie privée", "confidentialité"];

/// Why what was given is hardly a text.
pub(crate) fn is_no_text(content: &str) -> Option<String> {
    let is_strange = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}') || *c == '\u{fffd}';
    let count = content.chars().filter(is_strange).count();
    (count > 0).then(|| format!("it has {} that no text has, so that it may be none", counted(count, "character")))
}

/// Why what was given as a policy hardly is one: it states nothing, or what it states has nothing to do with data.
pub(crate) fn is_no_policy(sentences: &[Sentence], facts: &[Fact]) -> Option<String> {
    let count = facts.iter().filter(|fact| fact.kind != Kind::System).count();
    let speaks = |sentence: &Sentence| [OF_DATA, COLLECTS, KEEPS].iter().any(|words| any(&sentence.lower, words));
    if count > 0 && sentences.iter().any(speaks) {
        return None;
    }
    let (of, stated) = (counted(sentences.len(), "sentence"), counted(count, "statement"));
    Some(format!("it reads like none, with {stated} in {of}: what it is told not to state proves nothing"))
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

//! Where a policy says that something is not so.

use crate::text::{Sentence, has_word};
use crate::vocabulary::{
    ANSWERS, COLLECTS, DEFINES, DENIALS, LAW_SAYS, LAWS, LISTED_DENIALS, NONE, NOT, OURS, SENSITIVE, WITHIN_BOUNDS,
    YOURS,
};
use crate::words::any;
use std::borrow::Cow;

/// Most words of a sentence that says no of the one before it.
const MAX_BACK: usize = 6;

/// What stands before the part of a sentence that says no.
pub(crate) fn before_no(lower: &str) -> &str {
    let parts = lower.match_indices([',', '–', '(']).map(|(at, _)| at).take_while(|at| !any(&lower[..*at], NOT));
    parts.last().map_or("", |at| &lower[..at])
}

/// At what a part of a sentence begins that says something by itself.
const TURNS: &[&str] = &[
    "; ",
    ": ",
    " – ",
    ", and ",
    ", but ",
    ", who ",
    ", which ",
    ", und ",
    ", aber ",
    ", sondern ",
    ", et ",
    ", mais ",
    ", qui ",
];

/// Of a sentence, not of a row, that says no of something: the parts that say no of nothing.
pub(crate) fn affirmed(sentence: &Sentence) -> Option<Sentence> {
    if sentence.row().next().is_some() {
        return None;
    }
    let mut rest = sentence.text.as_str();
    let mut said: Vec<&str> = Vec::new();
    loop {
        let turn = TURNS.iter().filter_map(|turn| rest.find(turn).map(|at| (at, turn.len()))).min();
        let (part, behind) = turn.map_or((rest, ""), |(at, len)| (&rest[..at], &rest[at + len..]));
        let lower = part.to_lowercase();
        if !any(&lower, NOT) && !any(&lower, NONE) {
            said.push(part);
        }
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    let text = said.join("; ");
    let lower = text.to_lowercase().replace('’', "'");
    let mut part = sentence.clone();
    (part.text, part.lower) = (text, lower);
    (!part.text.is_empty()).then_some(part)
}

/// Most words behind a `no` that it says no of.
const MAX_NONE: usize = 3;

/// A sentence without what a `no` stands before: `we use no advertising cookies`.
pub(crate) fn without_none(lower: &str) -> Cow<'_, str> {
    // `no cookies other than those that keep you logged in`
    if !has_word(lower, "no") || has_word(lower, "other than") {
        return lower.into();
    }
    let mut hidden = 0;
    let words = lower.split(' ').filter(|word| {
        hidden = if *word == "no" { MAX_NONE + 1 } else { hidden };
        let is_hidden = hidden > 0;
        hidden = if word.ends_with([',', ';', ':']) { 0 } else { hidden.saturating_sub(1) };
        !is_hidden
    });
    words.collect::<Vec<_>>().join(" ").into()
}

/// Whether a sentence says no of what the one before it names: "we don't receive it".
fn denies_the_last(lower: &str) -> bool {
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.len() <= MAX_BACK
        && words.last().is_some_and(|last| ["it", "them", "those"].contains(last))
        && is_denial(lower)
}

/// Whether what a sentence names is not collected: it says so itself, or what it stands under or after, or what follows.
pub(crate) fn is_denied(sentence: &Sentence, next: Option<&Sentence>) -> bool {
    is_denial(&sentence.lower)
        || any(&sentence.context, LISTED_DENIALS)
        || is_denial(&sentence.intro)
        || next.is_some_and(|next| next.heading == sentence.heading && denies_the_last(&next.lower))
}

/// Whether a sentence says what a word means, or speaks of special categories without saying who does what with them.
pub(crate) fn defines(lower: &str) -> bool {
    any(lower, DEFINES) || any(lower, SENSITIVE) && !any(lower, OURS) || is_of_a_law(lower)
}

/// Most words between a law and what it does, and before it.
const MAX_LAW: usize = 3;

/// Words by which a sentence says that something is so by a law, and not what the law says.
const BY_LAW: &[&str] = &["under", "by", "that", "which", "on", "unter", "nach", "selon"];

/// Whether a sentence says what a law says, and nothing of its author or the reader: `some state laws list examples`.
fn is_of_a_law(lower: &str) -> bool {
    let words: Vec<&str> = lower.split_whitespace().collect();
    let says = |at: usize| {
        let part = words[at + 1..].iter().take(MAX_LAW).take_while(|word| !word.ends_with([',', ';', ':', '.']));
        let mut part = part.take_while(|word| !BY_LAW.contains(word));
        !words[at].ends_with([',', ';', ':', '.']) && part.any(|word| LAW_SAYS.contains(word))
    };
    let is_subject = |at: usize| !words[..at].iter().any(|word| BY_LAW.contains(word));
    let mut laws = words.iter().enumerate().take(MAX_LAW + 1).filter(|(_, word)| LAWS.contains(word));
    laws.any(|(at, _)| is_subject(at) && says(at)) && !any(lower, OURS) && !any(lower, YOURS) && !any(lower, COLLECTS)
}

/// Whether a text begins with a yes or a no.
pub(crate) fn answer(lower: &str) -> Option<bool> {
    let first = lower.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty())?;
    ANSWERS.iter().find(|(word, _)| *word == first).map(|(_, yes)| *yes)
}

/// Whether an address for mail or a number to ring stands there: it is the author's.
pub(crate) fn is_contact(lower: &str) -> bool {
    let mut digits = 0;
    let has_number = lower.chars().any(|c| {
        digits = match c {
            '0'..='9' => digits + 1,
            ' ' | '-' | '/' | '(' | ')' => digits,
            _ => 0,
        };
        digits >= 7
    });
    let is_mail = |word: &str| word.split_once('@').is_some_and(|(who, at)| !who.is_empty() && at.contains('.'));
    has_number || lower.split([' ', '(', ')', ',']).any(is_mail)
}

/// Whether a sentence says that something is not collected. "Not without consent" and "not longer than" do not say so, nor
/// does "not passed on".
fn is_denial(lower: &str) -> bool {
    if any(lower, WITHIN_BOUNDS) {
        return false;
    }
    let words: Vec<&str> = lower.split_whitespace().collect();
    DENIALS.iter().filter(|(no, _, to)| any(lower, no) && any(lower, to)).any(|(no, most, to)| {
        let Some(most) = most else { return true };
        let follows = |at: usize| any(&words[at + 1..words.len().min(at + 1 + most)].join(" "), to);
        words.iter().enumerate().any(|(at, word)| any(word, no) && follows(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_number_is_told_from_words_and_years() {
        for contact in ["write to (é@posteo.example)", "ring 0113 496 0000", "tel. +49 40/5550-314"] {
            assert!(is_contact(contact), "{contact}");
        }
        for other in ["we keep your email", "@home since 2018", "between 2016 and 2018", "a@b", "§ 26 abs. 3"] {
            assert!(!is_contact(other), "{other}");
        }
    }

    #[test]
    fn what_a_sentence_says_beside_its_no_stays() {
        let said = |text: &str| affirmed(&crate::text::sentences(None, text)[0]).map(|said| said.text);
        assert_eq!(said("Gifts go to A, and we never see your card.").as_deref(), Some("Gifts go to A"));
        assert_eq!(said("We do not use A, B or C."), None);
    }

    #[test]
    fn a_no_counts_for_what_it_stands_before() {
        for denied in [
            "we do not collect your photo",
            "no fingerprint is taken",
            "ein foto brauchen wir nicht",
            "nous ne demandons pas votre âge",
        ] {
            assert!(is_denial(denied), "{denied}");
        }
        for stated in [
            "we do not sell your photo",
            "no later than may we keep it",
            "nicht länger als ein jahr gespeichert",
            "we keep it without fail",
        ] {
            assert!(!is_denial(stated), "{stated}");
        }
        assert!(denies_the_last("we don't receive it.") && !denies_the_last("we don't receive letters."));
        assert_eq!((answer("no."), answer("only for loans"), answer("nobody")), (Some(false), Some(true), None));
        assert!(defines("the law calls some of it sensitive data") && !defines("we hold sensitive data"));
        assert_eq!(without_none("we use no advertising cookies, your name"), "we use your name");
        assert_eq!(without_none("a note of your size"), "a note of your size");
        assert_eq!(before_no("your name, your age, not your size"), "your name, your age");
    }
}

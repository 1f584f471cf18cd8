//! A sentence without the names in it that only sound like data: of laws and offices, and what something is written in.

use std::borrow::Cow;

/// With what names of laws end. Small words may stand in them.
const LAWS: &[&str] = &["Act", "Acts", "Regulations", "Directive"];

/// With what names of organisations end.
const OFFICES: &[&str] = &[
    "Bank",
    "Office",
    "Registry",
    "Society",
    "Authority",
    "Agency",
    "Commission",
    "Trust",
    "Association",
    "Board",
    "Ministry",
    "Department",
];

/// What begins the name of one, before `of`.
const OFFICES_OF: &[&str] = &["Department", "Ministry", "Office", "Board", "Registrar"];

/// Small words within names of laws.
const SMALL: &[&str] = &["and", "of", "the", "for", "(and", "&"];

/// What begins a comparison with what is written elsewhere.
const AS: &[&str] = &[
    "as in ",
    "as it appears ",
    "as they appear ",
    "as shown ",
    "exactly as ",
    "wie im ",
    "wie in ",
    "tel qu'il figure ",
    "tels qu'ils figurent ",
];

/// The sentence in lower case without them. `text` is as it stands, `lower` the same in lower case.
pub(crate) fn without<'s>(text: &str, lower: &'s str) -> Cow<'s, str> {
    let words: Vec<&str> = text.split(' ').collect();
    let mut is_name = vec![false; words.len()];
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let begins_at = |may_be_small: bool| {
            let before =
                words[..at].iter().rev().take_while(|word| is_proper(word) || may_be_small && SMALL.contains(word));
            let count = before.count();
            let small = words[at - count..at].iter().take_while(|word| SMALL.contains(word)).count();
            at - count + small
        };
        if LAWS.contains(&bare) || OFFICES.contains(&bare) {
            let first = begins_at(LAWS.contains(&bare));
            if first < at {
                is_name[first..=at].fill(true);
            }
        }
        if OFFICES_OF.contains(&bare) && words.get(at + 1) == Some(&"of") {
            let behind = words[at + 2..].iter().take_while(|word| is_proper(word)).count();
            is_name[at..at + 2 + behind].fill(true);
        }
    }
    let cut = cut_comparison(lower);
    let is_whole = !is_name.contains(&true);
    if is_whole && cut.len() == lower.len() {
        return lower.into();
    }
    if is_whole {
        return cut.to_owned().into();
    }
    let kept = words.iter().zip(&is_name).filter(|(_, is_name)| !**is_name).map(|(word, _)| *word);
    let kept = crate::text::lower(&kept.collect::<Vec<_>>().join(" "));
    cut_comparison(&kept).to_owned().into()
}

/// Whether a word is written as a name, and nothing ends with it.
fn is_proper(word: &&str) -> bool {
    word.trim_start_matches('(').starts_with(char::is_uppercase)
        && !word.ends_with([',', ';', ':', '.'])
        && !["Your", "Our", "The", "We", "You", "Their", "A"].contains(word)
}

/// What stands before a comparison: `title and name, as in the passport`.
fn cut_comparison(lower: &str) -> &str {
    let at = AS.iter().filter_map(|said| lower.find(said).filter(|at| lower[..*at].ends_with([' ', ',']))).min();
    let Some(at) = at else { return lower };
    // What goes on behind a comma counts.
    if [",", " and ", " und ", " et "].iter().any(|more| lower[at..].contains(more)) { lower } else { &lower[..at] }
}

#[cfg(test)]
mod tests {
    use super::without;
    use crate::text::lower;

    fn cleaned(text: &str) -> String {
        without(text, &lower(text)).into_owned()
    }

    #[test]
    fn names_of_laws_and_offices_are_no_data() {
        assert_eq!(cleaned("Under the Criminal Justice (Money Laundering) Acts we check."), "we check.");
        assert_eq!(cleaned("Corrib Savings Bank keeps it."), "keeps it.");
        assert_eq!(cleaned("The Department of Social Protection asks."), "the asks.");
        assert_eq!(cleaned("title and name, as in the passport"), "title and name, ");
    }

    #[test]
    fn what_is_no_name_stays() {
        for text in [
            "Your Bank details",
            "your bank",
            "Act now",
            "An act of 1997",
            "of",
            "",
            "as in",
            "the name as in the passport, your age",
        ] {
            assert_eq!(cleaned(text), text.to_lowercase(), "{text}");
        }
    }
}

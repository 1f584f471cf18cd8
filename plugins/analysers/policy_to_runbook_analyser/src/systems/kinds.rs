//! The words that say that something is a system of some kind, in three languages.

use super::names::{is_name, name};
use super::{MAX_MORE, Where, Word};
use crate::vocabulary::{
    ADJECTIVES, ADJECTIVES_FRENCH, ALONE_FRENCH, ALONE_GERMAN, ALONE_GERMAN_THERE, ARTICLES, BEHIND, BOOKS, CALLED,
    COMPANY_FORMS, ENGLISH, HAS, HEADS, HEADS_FRENCH, HEADS_FRENCH_THERE, HEADS_THERE, INTO, NAMED_GERMAN,
    NO_SYSTEMS_GERMAN, OWNED, PAPERS, PLACED, SELLS, SMALL_WORDS, SOCIAL, SUFFIXES_GERMAN, SUFFIXES_GERMAN_THERE,
};

/// Small words of French between what something is and what it is for.
const LINKS: &[&str] = &["de", "du", "des", "à", "au", "sur", "dans", "en", "pour"];

/// What somebody does with a thing of their own.
const YOU_HAVE: &[&str] = &["have", "own", "rely", "bring", "buy", "wear"];

/// What becomes of a book.
const BECOMES: &[&str] =
    &["kept", "held", "stored", "locked", "archived", "destroyed", "shredded", "deleted", "emptied"];

/// What German says before that in which something is.
const IN_GERMAN: &[&str] = &["in", "im", "ins", "auf", "über", "vom"];

/// Fewest bytes of an ending that says by itself what something is.
const MIN_ALONE: usize = 11;

/// Most words of where a system stands: `in the accounts office`.
const MAX_PLACE: usize = 5;

/// What is named by the word that stands there, from its first word to behind its last.
pub(super) fn kind(words: &[Word<'_>], at: usize, place: Where) -> Option<(usize, usize)> {
    english(words, at, place).or_else(|| french(words, at, place)).or_else(|| german(words, at, place))
}

/// The words of a system whose last word is the one at `at`, and where it stands if that is all that is said of it.
fn english(words: &[Word<'_>], at: usize, place: Where) -> Option<(usize, usize)> {
    let head = words[at].lower.as_str();
    let behind = BEHIND.iter().find(|(heads, _)| heads.contains(&head));
    // `Priority Services Register`
    let is_proper = is_name(&words[at]) && at > 1 && is_name(&words[at - 1]) && !words[at - 1].ends;
    let is_paper = PAPERS.0.contains(&head) && at > 0 && words[at - 1].is(PAPERS.1);
    let is_weak = HEADS_THERE.contains(&head) && behind.is_none() && !is_proper && !is_paper;
    if !is_paper && behind.is_none() && !HEADS.contains(&head) && !HEADS_THERE.contains(&head) {
        return None;
    }
    // German writes it as a name, with small words before it.
    let before = at.checked_sub(1).map(|before| &words[before])?;
    if is_name(&words[at]) && !is_name(before) {
        return None;
    }
    // `Driftless Apps LLC` is a company.
    if !words[at].ends && words.get(at + 1).is_some_and(|next| COMPANY_FORMS.contains(&next.text)) {
        return None;
    }
    // `cloud database` is no cloud.
    let goes_on = !words[at].ends && words.get(at + 1).is_some_and(|next| next.is(HEADS));
    if goes_on || !is_paper && behind.is_some_and(|(_, words)| !before.is(words)) {
        return None;
    }
    let is_more = |word: &Word<'_>| !word.ends && !word.is(SMALL_WORDS) && word.lower.len() > 1;
    let mut more = words[..at].iter().rev().take(MAX_MORE).take_while(|word| is_more(word)).count();
    // `Wexcom Solutions Limited (banking software)`
    if let Some(opens) = words[at - more..at].iter().rposition(|word| word.opens) {
        more -= opens;
    }
    let bare = words[at - more..at].iter().take_while(|word| word.is(ADJECTIVES)).count();
    // `locked cabinet`, yet `filing cabinet` of a locked one.
    let more = if bare < more { more - bare } else { more.min(1) };
    let first = at - more;
    let is_had = || place >= Where::Said && BOOKS.contains(&head) && is_behind(words, first, HAS);
    let is_said_of = || more > 0 && is_kept_itself(words, first, at + 1);
    let is_there = || is_gone_into(words, first, place) || is_had() || is_said_of();
    if is_weak && !is_there() || is_told_of_another(words, first, at) || is_the_readers(words, first) {
        return None;
    }
    if more > 0 {
        return Some((first, at + 1));
    }
    if ["server", "servers"].contains(&head) && before.is(OWNED) && place != Where::Unsaid {
        return Some((at - 1, at + 1));
    }
    // `a log of the addresses` stands in none of them.
    let is_of_what = BOOKS.contains(&head) && words.get(at + 1).is_some_and(|next| next.is(&["of"]));
    let end = if is_of_what { at + 1 } else { placed(words, at + 1) };
    // What it begins with in brackets, or as the first word of the sentence, is one all the same.
    let is_enough = end > at + 1
        || [
            "laptop",
            "recorder",
            "recorders",
            "spreadsheet",
            "nas",
            "log",
            "logbook",
            "notebook",
            "diary",
            "album",
            "strongroom",
        ]
        .contains(&head);
    is_enough.then_some((first, end))
}

/// Whether a system is what somebody sells, or what a company in front of it is for: `Front, Inc. (support inbox)`.
fn is_told_of_another(words: &[Word<'_>], first: usize, last: usize) -> bool {
    let before = first.checked_sub(1).map(|before| &words[before]);
    let is_sold = words[first..last].iter().chain(before).any(|word| word.is(SELLS));
    let is_purpose = words[first].opens && !words[first].quotes && words[last].ends;
    is_sold || is_purpose && before.is_some_and(|before| before.text.starts_with(char::is_uppercase))
}

/// Whether it is the reader who has what begins there: `if you have a smart meter`, `your phone or laptop`.
fn is_the_readers(words: &[Word<'_>], first: usize) -> bool {
    let is = |back: usize, list: &[&str]| first.checked_sub(back).is_some_and(|at| words[at].is(list));
    let is_had = is(1, &["a", "an"]) && (is(2, YOU_HAVE) && is(3, &["you"]) || is(3, YOU_HAVE) && is(4, &["you"]));
    // `sign in with your Facebook account`
    let is_account = is(1, &["your"]) && words.get(first + 1).is_some_and(|word| word.is(&["account"]));
    is_had || is_account || is(1, &["or", "and"]) && is(3, &["your"])
}

/// Whether something is said to go into what begins there: `is kept in the day diary`.
fn is_gone_into(words: &[Word<'_>], first: usize, place: Where) -> bool {
    place >= Where::Kept && is_behind(words, first, INTO)
}

/// Whether a sentence begins with a book and says what becomes of it: `The visitors' book is destroyed each year`.
pub(super) fn is_kept_itself(words: &[Word<'_>], first: usize, end: usize) -> bool {
    let begins = first == 0 || first == 1 && words[0].is(ARTICLES) && !words[0].is(&["your"]);
    let is_verb = words.get(end).is_some_and(|verb| verb.is(&["is", "are", "was", "were"])) && !words[end - 1].ends;
    let becomes = |word: &Word<'_>| word.is(BECOMES);
    begins && is_verb && words.get(end + 1).is_some_and(becomes) && words[end - 1].is(BOOKS)
}

/// Whether German says that something is in it, by a word that is long enough to say what it is: `im Kundenportal`.
pub(super) fn is_in(words: &[Word<'_>], first: usize) -> bool {
    words[first].lower.len() >= MIN_ALONE && is_behind(words, first, IN_GERMAN)
}

/// Whether one of some words stands before what begins there, with small words between them at most.
fn is_behind(words: &[Word<'_>], first: usize, list: &[&str]) -> bool {
    let mut before = words[..first].iter().rev().take(MAX_MORE).take_while(|word| !word.ends);
    let between = |word: &&Word<'_>| !word.is(list) && (word.is(SMALL_WORDS) || word.is(ADJECTIVES));
    before.find(|word| !between(word)).is_some_and(|word| word.is(list))
}

/// Where it ends where something stands: `in our own building`. Where it begins if nothing says so.
fn placed(words: &[Word<'_>], at: usize) -> usize {
    let is_place = !words[at - 1].ends
        && words.get(at).is_some_and(|word| word.is(PLACED) && !word.ends)
        && words.get(at + 1).is_some_and(|word| word.is(ARTICLES) && !word.ends || is_name(word));
    if !is_place {
        return at;
    }
    let is_german =
        words[at].is(&["im", "bei", "auf", "am"]) || words[at + 1].is(&["der", "dem", "den", "einem", "einer"]);
    let rest = words[at + 1..].iter().take(MAX_PLACE);
    let mut count = 0;
    for word in rest {
        let is_noun = word.text.starts_with(char::is_uppercase);
        if !word.is(ARTICLES) && (word.is(SMALL_WORDS) || is_german && !is_noun) {
            break;
        }
        count += 1;
        if word.ends {
            break;
        }
    }
    if count == 0 || words[at + count].is(ARTICLES) { at } else { at + 1 + count }
}

/// The words of a system whose first word is the one at `at`.
fn french(words: &[Word<'_>], at: usize, place: Where) -> Option<(usize, usize)> {
    let word = &words[at];
    let plain = word.lower.strip_prefix("l'").or_else(|| word.lower.strip_prefix("l’")).unwrap_or(&word.lower);
    let is_paper = words.get(at + 1).is_some_and(|next| next.is(&["papier"])) && place >= Where::Kept;
    let is_weak = HEADS_FRENCH_THERE.contains(&plain) && (is_paper || is_gone_into(words, at, place));
    if !is_weak && plain != "page" && !HEADS_FRENCH.contains(&plain) || words.iter().any(|word| word.is(ENGLISH)) {
        return None;
    }
    // `notre page Facebook`
    if plain == "page" {
        let is_social = words.get(at + 1).is_some_and(|next| SOCIAL.contains(&next.text));
        return is_social.then_some((at, at + 2));
    }
    if plain == "serveurs" && at > 0 && words[at - 1].is(&["propres"]) {
        return Some((at - 1, at + 1));
    }
    if words.get(at + 1).is_some_and(is_name) && !word.ends {
        return name(words, at + 1).map(|_| (at, at + 1));
    }
    let mut end = at + 1;
    while end < words.len() && end - at <= MAX_MORE && !words[end - 1].ends {
        let next = words[end].lower.as_str();
        let links = LINKS.contains(&next);
        if links && end + 1 < words.len() {
            // `le système de gestion de la bibliothèque`
            let is_of = |at: usize| words.get(at).is_some_and(|word| word.is(&["de", "du", "des"]));
            let behind = linked(words, end);
            return Some((at, if is_of(end) && is_of(behind) { linked(words, behind) } else { behind }));
        }
        let is_adjective = ADJECTIVES_FRENCH.iter().any(|ending| next.ends_with(ending));
        if !is_adjective && !next.starts_with("d'") && !next.starts_with("d’") {
            break;
        }
        end += 1;
    }
    // `une base active` is no system.
    if plain == "base" && !words.get(at + 1).is_some_and(|next| next.is(&["de", "clients", "client"])) {
        return None;
    }
    // `le portail famille`
    if end == at + 1
        && !word.ends
        && words.get(end).is_some_and(|next| {
            next.ends && !next.is(SMALL_WORDS) && !next.text.starts_with(|c: char| c.is_ascii_digit())
        })
    {
        end += 1;
    }
    // `base` alone is many things.
    (end > at + 1 || ALONE_FRENCH.contains(&plain)).then_some((at, end))
}

/// Where ends what a small word of French links to what stands before it: `de la bibliothèque`. Where it begins if none does.
fn linked(words: &[Word<'_>], at: usize) -> usize {
    let is_link = !words[at - 1].ends && words.get(at).is_some_and(|word| word.is(LINKS) && !word.ends);
    let noun = at + 1 + usize::from(words.get(at + 1).is_some_and(|next| next.is(ARTICLES)) && at + 2 < words.len());
    if is_link && noun < words.len() { noun + 1 } else { at }
}

/// The word of a system, which German writes as one.
fn german(words: &[Word<'_>], at: usize, place: Where) -> Option<(usize, usize)> {
    let word = &words[at];
    let is_noun = word.text.starts_with(char::is_uppercase);
    let ends = |ends: &[&str]| ends.iter().any(|end| word.lower.len() > end.len() + 2 && word.lower.ends_with(end));
    // What is long enough says it by itself: `Telefonanlage`.
    let is_long = || word.lower.len() >= MIN_ALONE && word.is(SUFFIXES_GERMAN);
    let gone_into = || is_gone_into(words, at, place);
    let is_kind = ends(SUFFIXES_GERMAN) || is_long() || ends(SUFFIXES_GERMAN_THERE) && gone_into();
    let is_alone = word.is(ALONE_GERMAN) || word.is(ALONE_GERMAN_THERE) && gone_into();
    let link = usize::from(words.get(at + 1).is_some_and(|next| next.is(CALLED)));
    let is_named = word.is(NAMED_GERMAN) && !word.ends && words.get(at + 1 + link).is_some_and(is_name);
    let is_other = !is_long() && NO_SYSTEMS_GERMAN.iter().any(|other| word.lower.starts_with(other));
    if !is_noun || is_other || !(is_kind || is_alone || is_named) || words.iter().any(|word| word.is(ENGLISH)) {
        return None;
    }
    let is_placed = is_alone && word.lower != "papierform";
    Some((at, if is_placed { placed(words, at + 1) } else { at + 1 }))
}

/// What German says of a system before its name, as a name has it: `verschlossener` of `in einem verschlossenen Schrank`.
pub(super) fn adjective(words: &[Word<'_>], first: usize) -> Option<String> {
    let before = words.get(first.checked_sub(1)?).filter(|word| !word.ends)?;
    let noun = words.get(first)?.lower.as_str();
    let stem = ["eigen", "verschlossen", "abgeschlossen"].into_iter().find(|stem| before.lower.starts_with(stem))?;
    let is_short = before.lower.len() <= stem.len() + 2;
    (is_short && ["server", "schrank"].contains(&noun)).then(|| format!("{stem}er"))
}

//! Names of those who do something with data: `Sendbird powers chat`, `Salesforce, which hosts our database`, `fourni par la
//! société Hivebrite`, `Amplitude (analytics)` in a list of who works for the author.

use super::names::{is_name, is_written_oddly, looks_german, name};
use super::{MAX_MORE, Where, Word};
use crate::vocabulary::{
    AUTOMATIC, COMPANIES, DOING, DOING_FOR_OTHERS, GOES, MEASURES, PROVIDERS_FRENCH, SELLS, SMALL_WORDS, WHICH,
};

/// Most words of a label.
const MAX_LABEL: usize = 4;

/// Most letters of what is written in capitals and is no name: `KI`.
const MAX_SHORT: usize = 3;

/// What German puts between a verb and what it is about.
const ADVERBS_GERMAN: &[&str] =
    &["zudem", "auch", "dafür", "hierfür", "außerdem", "ferner", "zusätzlich", "dazu", "hierzu"];

/// What German says of what is used.
const USED_GERMAN: &[&str] = &["nutzen", "nutzt", "verwenden", "verwendet", "benutzen", "benutzt"];

/// What joins two parts of a sentence.
const AND: &[&str] = &["and", "but", "while", "et", "mais"];

/// What joins two words of a name.
const JOINING: &[&str] = &["du", "de", "des", "of", "von", "der", "zum", "zur", "am"];

/// With what words end for those who do something.
const DOERS: &[&str] = &["ors", "ers", "ants", "ents", "ies"];

/// Verbs of German for what is done with a tool.
const DONE_GERMAN: &[&str] =
    &["mach", "führ", "erledig", "erstell", "arbeit", "verwalt", "schreib", "versend", "verschick"];

/// Most words between what somebody is and their name.
const MAX_BETWEEN: usize = 5;

/// Where a name ends that begins there, of somebody or something that is said to do a system's work.
pub(super) fn doing(words: &[Word<'_>], at: usize, place: Where, works_for_us: bool) -> Option<usize> {
    let before = at.checked_sub(1).map(|before| &words[before]);
    let begins = is_name(&words[at]) && before.is_none_or(|before| before.ends || !is_name(before));
    let is_measured =
        before.is_some_and(|before| before.is(MEASURES) && !before.ends && before.text.starts_with(char::is_lowercase));
    if !begins || words[at].opens && !is_measured || place == Where::Unsaid && !works_for_us {
        return None;
    }
    let end = run(words, at);
    let is_done = || place >= Where::Said && acts(words, at, end, place);
    let is_one = is_measured
        || is_done()
        || place == Where::Listed && is_labelled(words, at, end)
        || works_for_us && has_purpose(words, at, end)
        || before.is_some_and(|before| {
            is_called_a_company(words, before, place)
                || before.is(&["let", "lets"]) && words.iter().any(is_cookie)
                || is_means(words, at)
                || is_of_cookies(words, at)
                || is_with_french(words, at)
                || is_french_provider(words, at)
                || is_sent(words, at)
        });
    is_one.then_some(end)
}

/// Where a run of names ends that begins there, at the first word of a sentence, too.
fn run(words: &[Word<'_>], at: usize) -> usize {
    let count = words[at..].iter().take(MAX_MORE).take_while(|word| is_name(word)).count();
    at + words[at..at + count].iter().position(|word| word.ends).map_or(count, |last| last + 1)
}

/// Whether what stands behind a name says what it does: `powers chat`, `, which hosts our database`. A sentence that begins
/// with a name may be the author's.
fn acts(words: &[Word<'_>], at: usize, end: usize, place: Where) -> bool {
    // `our treasurer Anne Kelly keeps the list`
    let is_somebody = at > 0 && !words[at - 1].ends && !words[at - 1].is(SMALL_WORDS) && !words[at - 1].is(AND);
    // `L'Atelier du Pont traite vos données`
    let is_rest = at > 1 && !words[at - 1].ends && words[at - 1].is(JOINING) && is_name(&words[at - 2]);
    let verbs = if at == 0 || is_somebody || is_rest { DOING_FOR_OTHERS } else { DOING };
    let does = |at: usize, verbs: &[&str]| {
        words.get(at).is_some_and(|word| word.is(verbs) && (place >= Where::Kept || !word.is(SELLS)) && !word.ends)
    };
    if !words[end - 1].ends {
        return does(end, verbs);
    }
    words.get(end).is_some_and(|word| word.is(WHICH) && !word.ends) && does(end + 1, DOING)
}

/// Whether what somebody is for stands in brackets or behind a dash, in a list of those who work for the author. What an
/// item begins with is written as a name anyway: `Accountants`.
fn has_purpose(words: &[Word<'_>], at: usize, end: usize) -> bool {
    let is_purpose = |word: &Word<'_>| word.text.starts_with(char::is_lowercase);
    let behind = words.get(end);
    let last = &words[end - 1];
    // `Payment Processors: to take your payment`
    let is_kind = DOERS.iter().any(|end| last.lower.ends_with(end)) && !is_written_oddly(last.text);
    let may_be_one = !is_kind && (at > 0 || end > at + 1 || is_written_oddly(words[at].text));
    let is_told = || behind.is_some_and(|next| next.opens && !next.quotes && is_purpose(next));
    may_be_one && (is_told() || at == 0 && words[end - 1].ends && behind.is_none_or(is_purpose))
}

/// Whether it is called a company that is said to keep something: `la société Hivebrite`.
fn is_called_a_company(words: &[Word<'_>], before: &Word<'_>, place: Where) -> bool {
    let is_french = !words.iter().any(|word| word.is(&["the", "der", "die"]));
    let is_named = before.is(COMPANIES) && before.text.starts_with(|c: char| c.is_lowercase() || !is_french);
    place >= Where::Kept && is_named && !before.ends
}

/// Whether French says before it what it does for the author: `au prestataire d'envoi de courriels Brevo`.
fn is_french_provider(words: &[Word<'_>], at: usize) -> bool {
    let earlier = words[..at].iter().rev().take(MAX_BETWEEN + 1);
    let mut between = earlier.take_while(|word| !word.ends && word.text.starts_with(char::is_lowercase));
    // `hébergeur certifié HDS`
    !words[at - 1].lower.ends_with('é') && between.any(|word| word.is(PROVIDERS_FRENCH))
}

/// Whether what machines tell is said to go there: `Crash reports go to Sentry`.
fn is_sent(words: &[Word<'_>], at: usize) -> bool {
    let is_to = words[at - 1].is(&["to"]) && !words[at - 1].ends;
    let earlier = &words[..at - 1];
    is_to
        && earlier.iter().rev().take(2).any(|word| word.is(GOES))
        && earlier.iter().take_while(|word| !word.ends).any(|word| word.is(AUTOMATIC))
}

/// Whether it is all that stands behind a label: `Email: Fastmail`.
fn is_labelled(words: &[Word<'_>], at: usize, end: usize) -> bool {
    at > 0 && at <= MAX_LABEL && words[at - 1].ends && !words[at - 1].comma && end == words.len()
}

/// Whether something is done by means of it: `au moyen de Brevo`.
fn is_means(words: &[Word<'_>], at: usize) -> bool {
    let is = |back: usize, list: &[&str]| at.checked_sub(back).is_some_and(|at| words[at].is(list) && !words[at].ends);
    is(1, &["mittels"])
        || is(1, &["of", "de", "von"]) && is(2, &["means", "help", "moyen", "l'aide", "l’aide", "mithilfe"])
}

/// Whether cookies are of it: `those of Google Analytics`, `un cookie de Matomo`.
fn is_of_cookies(words: &[Word<'_>], at: usize) -> bool {
    let is_of = words[at - 1].is(&["of", "by", "from", "de", "von"]) && !words[at - 1].ends;
    let earlier = words[..at - 1].iter().rev().take(MAX_BETWEEN).take_while(|word| !word.ends);
    is_of && words.iter().any(is_cookie) && { earlier }.any(|word| is_cookie(word) || word.is(&["those", "ceux"]))
}

/// Whether a word is one for cookies.
fn is_cookie(word: &Word<'_>) -> bool {
    word.lower.starts_with("cookie") || word.lower.ends_with("-cookie")
}

/// Whether French says that the author does something with it: `que nous expédions avec Brevo`.
fn is_with_french(words: &[Word<'_>], at: usize) -> bool {
    let is_with = words[at - 1].is(&["avec"]) && !words[at - 1].ends;
    is_with && at > 1 && words[at - 2].lower.ends_with("ons") && !words[at - 2].is(WORKS_TOGETHER)
}

/// What somebody does with others, not with a tool.
const WORKS_TOGETHER: &[&str] = &["travaillons", "collaborons", "partageons", "échangeons", "coopérons"];

/// Where a name ends that begins there, of what German says is put to use: `setzen wir Little Bird ein`, `nutzen wir Matomo`,
/// `macht Frau Stolle mit DATEV`.
pub(super) fn put_to_use(words: &[Word<'_>], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).filter(|before| !words[*before].ends)?;
    let end = name(words, at)?;
    let last = words[end - 1].text;
    let is_short = last.len() <= MAX_SHORT && last.bytes().all(|byte| byte.is_ascii_uppercase());
    // `SSL-Verschlüsselung`, `IP-Adressen`
    let is_compound =
        last.rsplit_once('-').is_some_and(|(_, noun)| noun.starts_with(char::is_uppercase) && looks_german(noun));
    if is_short || is_compound || looks_german(last) && !is_written_oddly(words[at].text) {
        return None;
    }
    if words[before].is(&["mit"]) || is_of_cookies(words, at) || is_means(words, at) {
        // `Kinder mit ADHS` have it, and do nothing with it.
        let is_done = || words.iter().any(|word| DONE_GERMAN.iter().any(|verb| word.lower.starts_with(verb)));
        let is_tool = last.chars().any(char::is_lowercase) || words[end - 1].ends && is_done();
        let is_odd = is_written_oddly(words[at].text) && !words[at].text.contains('-') && is_tool;
        return (is_odd || !words[before].is(&["mit"])).then_some(end);
    }
    let earlier = words[..=before].iter().rev().skip_while(|word| word.is(ADVERBS_GERMAN));
    let mut verb = earlier.skip_while(|word| word.is(&["wir", "man"])).take(1);
    let verb = verb.next()?;
    let by_us = words[..at].iter().any(|word| word.is(&["wir", "man"]));
    let is_put = verb.is(&["setzen", "setzt"]) && words[end..].iter().any(|word| word.is(&["ein"]));
    (by_us && (is_put || verb.is(USED_GERMAN))).then_some(end)
}

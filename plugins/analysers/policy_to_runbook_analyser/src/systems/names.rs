//! Names of systems: beside the word for their kind, and behind what says that something is kept there.

use super::{MAX_MORE, Where, Word, joined};
use crate::vocabulary::{
    ARTICLES, BY_WAY_OF, CALLED, COMPANY_FORMS, ENDINGS, GERMAN_ENDINGS, GERMAN_NOUNS, HEADS, HEADS_FRENCH, HOLDING,
    INTRODUCED, IS, KEPT, NAMED, NO_ENDINGS, NO_NAMES, OWNED, PLACES, PROVIDERS, SMALL_WORDS, SUFFIXES_GERMAN,
    SUFFIXES_GERMAN_THERE, THROUGH, UNDER, USED,
};

/// Most words between what says that something is kept and the word before the name.
const MAX_BETWEEN: usize = 4;

/// What German says at the end of a sentence of what is done with data.
const HOSTED: &[&str] =
    &["gespeichert", "verarbeitet", "geführt", "verwaltet", "betrieben", "abgelegt", "gesichert", "erfasst"];

/// What joins two names.
const AND: &[&str] = &["and", "or", "und", "oder", "et", "ou"];

/// Most words between a kind of system and the name that ends the sentence.
const MAX_APART: usize = 9;

/// With what nouns of German end that stand without an article.
const NOUN_ENDINGS: &[&str] = &[
    "er", "en", "e", "ern", "s", "ung", "ik", "ät", "ion", "heit", "keit", "schaft", "ei", "ment", "al", "enz", "anz",
    "tur",
];

/// Nouns of German, and of other languages in it, that end otherwise.
const NOUNS: &[&str] = &[
    "system", "team", "video", "foto", "konto", "auto", "kamera", "firma", "thema", "schema", "logo", "risiko", "info",
    "material", "recht", "text", "bild", "post", "fax", "funk", "test", "chat", "link", "plugin", "tool", "web", "app",
    "cloud", "bank", "geld", "buch", "wort", "blatt", "brief", "stand", "ort", "art", "form", "zeit", "kraft", "macht",
    "telefon", "handy", "programm", "portal", "archiv", "werk", "gut", "rat", "amt", "dienst", "stift", "papier",
];

/// Fewest letters of a name that begins with no capital letter.
const MIN_SMALL: usize = 5;

/// Most words between quotation marks that are taken for a name.
const MAX_QUOTED: usize = 5;

/// With what the names of documents end, in which a policy says that more stands.
const DOCUMENTS: &[&str] = &[
    "policy",
    "policies",
    "notice",
    "notices",
    "statement",
    "statements",
    "schedule",
    "schedules",
    "terms",
    "guide",
    "handbook",
    "charter",
    "faq",
    "faqs",
    "agb",
    "politique",
    "politiques",
    "charte",
    "conditions",
];

/// The same in German, which joins words.
const GERMAN_DOCUMENTS: &[&str] =
    &["richtlinie", "richtlinien", "erklärung", "erklärungen", "hinweis", "hinweise", "hinweisen"];

/// Whether a name that ends with a word is one of a document: `our Cookie Policy`.
fn is_document(last: &Word<'_>) -> bool {
    last.is(DOCUMENTS) || GERMAN_DOCUMENTS.iter().any(|end| last.lower.ends_with(end))
}

/// Whether a word is written as a name and is none that is known for something else.
pub(super) fn is_name(word: &Word<'_>) -> bool {
    let is_owner = word.text.ends_with(['s', 'S']) && word.text.contains(['\'', '’']);
    is_written_so(word) && !is_owner && word.text.chars().nth(1).is_some() && !NO_NAMES.contains(&word.text)
}

fn is_written_so(word: &Word<'_>) -> bool {
    let has_dot = || word.text.len() > 4 && word.text.contains('.') && !word.text.contains('@');
    !PLACES.contains(&word.text) && (word.text.starts_with(char::is_uppercase) || has_dot() || has_hump(word.text))
}

/// As `easyVerein` and `InfluxDB` are written, and no other word.
fn has_hump(word: &str) -> bool {
    word.chars().zip(word.chars().skip(1)).any(|(one, next)| one.is_lowercase() && next.is_uppercase())
}

/// Where a name ends that begins there, unless it is one of a document. The first word of a sentence is written as one anyway.
pub(super) fn name(words: &[Word<'_>], at: usize) -> Option<usize> {
    written(words, at).filter(|end| !is_document(&words[end - 1]))
}

/// Where ends what is written as a name.
fn written(words: &[Word<'_>], at: usize) -> Option<usize> {
    if let Some(end) = quoted(words, at) {
        return Some(end);
    }
    words.get(at).filter(|word| is_name(word))?;
    // `Domus 4000`
    let goes_on = |word: &Word<'_>| is_written_so(word) || word.text.bytes().all(|byte| byte.is_ascii_digit());
    // `Nimbus Ltd ("Nimbus")`
    let goes_on = |(more, word): &(usize, &Word<'_>)| (*more == 0 || !word.opens) && goes_on(word);
    let count = words[at..].iter().take(MAX_MORE).enumerate().take_while(goes_on).count();
    let within = words[at..at + count].iter().position(|word| word.ends).map_or(count, |last| last + 1);
    (at > 0 && within > 0).then_some(at + within)
}

/// Where ends what begins with a quotation mark there: `„Meine Belege“`.
fn quoted(words: &[Word<'_>], at: usize) -> Option<usize> {
    words.get(at).filter(|word| word.quotes)?;
    let end = at + words[at..].iter().take(MAX_QUOTED).position(|word| word.closes)? + 1;
    // `we use “we” of the association`
    let is_named = words[at..end].iter().any(|word| word.text.chars().any(|c| c.is_uppercase() || c.is_ascii_digit()));
    is_named.then_some(end)
}

/// What is of the kind that stands there, with the name beside it, and where that ends: `our core platform, Symitar`,
/// `the platform (Symitar)`, `Praxissystem MEDISTAR`, `ClubRight, our membership system`.
pub(super) fn with_name(words: &[Word<'_>], first: usize, end: usize, is_german: bool) -> (String, usize) {
    let kind = without_ending(joined(words, first, end).trim_start_matches("l'").trim_start_matches("l’").to_owned());
    let link = link(words, end);
    let is_noun =
        is_german && words.get(end).is_some_and(|word| word.opens && !word.quotes && !is_written_oddly(word.text));
    if let Some(to) = name(words, end + link).filter(|_| !is_noun).map(|to| to + small_name(words, to, is_german)) {
        let is_verb = words[end].is(IS);
        let is_apart = words[end - 1].ends || words[end].opens || is_verb;
        let from = if words[end - 1].ends { end + link } else { end + usize::from(is_verb) };
        let text = match is_apart {
            true => format!("{} ({kind})", joined(words, from, to)),
            false => format!("{kind} {}", joined(words, end, to)),
        };
        return (text, to);
    }
    let small = if words[end - 1].ends { 0 } else { small_name(words, end, is_german) };
    if small > 0 {
        return (format!("{kind} {}", joined(words, end, end + small)), end + small);
    }
    match named_before(words, first) {
        Some((from, to)) => (format!("{} ({kind})", joined(words, from, to)), end),
        None => (kind, end),
    }
}

/// How many words of a name stand there that begins with no capital letter, in German behind a kind of system or the rest of
/// the name: `Hotelprogramm protel`, `Archivsystem d.3`. What ends as German words do is none.
fn small_name(words: &[Word<'_>], at: usize, is_german: bool) -> usize {
    let is_behind = |at: usize| at.checked_sub(1).is_some_and(|before| !words[before].ends);
    let is_small = |word: &&Word<'_>| {
        let text = word.text;
        let is_version = text.contains('.') && text.chars().any(|c| c.is_ascii_digit());
        let is_word =
            text.len() < MIN_SMALL || !text.is_ascii() || GERMAN_ENDINGS.iter().any(|end| text.ends_with(end));
        let is_quoted = word.quotes && word.closes && text.len() > 3;
        let is_plain = !word.opens && !word.is(SMALL_WORDS) && (is_version || !is_word);
        text.starts_with(char::is_lowercase) && (is_quoted || is_plain)
    };
    // `d.velop documents`
    let is_behind_dot = || {
        let before = at.checked_sub(1).map(|before| words[before].text);
        before.is_some_and(|text| text.starts_with(char::is_lowercase) && text.find('.').is_some_and(|dot| dot < 3))
    };
    let is_more = |word: &&Word<'_>| {
        let is_plain = word.text.is_ascii() && word.text.starts_with(char::is_lowercase) && !word.is(SMALL_WORDS);
        is_plain && word.text.ends_with('s') && is_behind_dot()
    };
    usize::from(is_german && is_behind(at) && words.get(at).is_some_and(|word| is_small(&word) || is_more(&word)))
}

/// How many words link a kind of system and its name: `inbox in Front`, `folder of our Drive`.
fn link(words: &[Word<'_>], end: usize) -> usize {
    let is = |at: usize, list: &[&str]| words.get(at).is_some_and(|word| word.is(list) && !word.ends);
    // `, das heißt WERBAS`
    if words[end - 1].ends && is(end, &["das", "der", "die"]) && is(end + 1, &["heißt"]) {
        return 2;
    }
    if words[end - 1].ends || !is(end, CALLED) {
        return 0;
    }
    1 + usize::from(is(end + 1, ARTICLES))
}

/// German plurals after a preposition have an ending that their names have not.
fn without_ending(name: String) -> String {
    let lower = name.to_lowercase();
    let is_plural = ["ordnern", "servern", "laufwerken", "rechnern"].iter().any(|end| lower.ends_with(end));
    match is_plural {
        true => name.trim_end_matches("en").trim_end_matches('n').to_owned(),
        false => name,
    }
}

/// The name before `, our` or `, the` and what it is.
fn named_before(words: &[Word<'_>], first: usize) -> Option<(usize, usize)> {
    let article = first.checked_sub(1).filter(|at| words[*at].is(ARTICLES))?;
    let mut end = article;
    if words.get(end.checked_sub(1)?)?.is(IS) {
        end -= 1;
    }
    if words.get(end.checked_sub(1)?)?.is(&["which"]) {
        end -= 1;
    }
    let last = words.get(end.checked_sub(1)?).filter(|word| word.ends)?;
    let count = words[..end]
        .iter()
        .rev()
        .take(MAX_MORE)
        .take_while(|word| is_name(word) && (std::ptr::eq(*word, last) || !word.ends))
        .count();
    (count > 0 && end > count).then_some((end - count, end))
}

/// Where a name ends that begins there and stands behind what says that something is kept or done there.
pub(super) fn kept_in(words: &[Word<'_>], at: usize, place: Where, is_german: bool) -> Option<usize> {
    // German writes every noun as a name: only what no noun looks like is one.
    let is_numbered = || !words[at].ends && words.get(at + 1).is_some_and(|next| next.text.parse::<u32>().is_ok());
    // `wird bei Mittwald gehostet`
    let is_hosted = || {
        let is_noun = GERMAN_NOUNS.iter().any(|end| words[at].lower.ends_with(end));
        let is_at = at.checked_sub(1).is_some_and(|before| words[before].is(&["bei"]));
        words.get(at + 1).is_some_and(|next| next.is(&["gehostet"]) || is_at && !is_noun && next.is(HOSTED))
    };
    // `bei der Hetzner Online GmbH`
    let is_company = is_company(words, at);
    let is_done_there = || words[at..].iter().any(|word| word.is(HOSTED) || word.is(&["gehostet"]));
    if is_german
        && !is_written_oddly(words[at].text)
        && !words[at].opens
        && !is_numbered()
        && !is_hosted()
        && !is_company
    {
        return None;
    }
    let mut before = at.checked_sub(1)?;
    // `in our Freshdesk`
    let is_ours = || !is_german && words[before].is(OWNED) && name(words, at).is_some_and(|end| words[end - 1].ends);
    // `in einer InfluxDB`
    let is_named_so = || is_company || has_hump(words[at].text) || is_ours();
    if before > 0 && words[before].is(ARTICLES) && !words[before].ends && is_named_so() {
        before -= 1;
    }
    let is_used = words[before].is(USED) && !words[before].ends;
    let is_behind = words[before].is(NAMED) && !words[before].ends;
    let earlier = &words[before.saturating_sub(MAX_BETWEEN)..before];
    let says_so = || match words[before].is(&["by"]) {
        true => earlier.iter().rev().take(2).any(|word| word.is(KEPT) && !word.is(IS)),
        false => earlier.iter().rev().take_while(|word| !word.ends).any(|word| word.is(KEPT)),
    };
    let is_kept = place == Where::Kept
        && (words[before].is(THROUGH) || is_hosted() || is_company && is_done_there() || says_so())
        || place == Where::Said && words[before].is(BY_WAY_OF);
    if !(is_used && place >= Where::Said || is_behind && (place == Where::Listed || is_kept)) {
        return None;
    }
    // `on a server of our own in Keswick`, `answered by Moneypenny in Wrexham`
    let is_of_a_company = || !is_german && before > 1 && earlier.last().is_some_and(|word| is_name(word) && !word.ends);
    if words[before].is(&["in"]) && (earlier.iter().any(|word| word.is(UNDER)) || is_of_a_company()) {
        return None;
    }
    let end = name(words, at)?;
    // `in Valencia, Spain`
    let is_place = words[end - 1].ends && words.get(end).is_some_and(|next| PLACES.contains(&next.text));
    (!is_place).then_some(end)
}

/// Where the other name begins and ends that stands behind one: `Worldpay and PayPal`.
pub(super) fn and_another(words: &[Word<'_>], end: usize, is_german: bool) -> Option<(usize, usize)> {
    let is_joined = !words[end - 1].ends && words.get(end).is_some_and(|word| word.is(AND) && !word.ends);
    let first = words.get(end + 1).filter(|first| is_joined && (!is_german || is_written_oddly(first.text)))?;
    let last = name(words, end + 1).filter(|_| !first.quotes)?;
    Some((end + 1, last))
}

/// Where a name ends that begins there, behind the word for what it is: `a program called StockHound`, `our telephone
/// provider, Blueface`.
pub(super) fn introduced(words: &[Word<'_>], at: usize, place: Where) -> Option<usize> {
    let before = words.get(at.checked_sub(1)?)?;
    let is_called = || {
        let what = at.checked_sub(2).map(|what| &words[what]);
        before.is(INTRODUCED) && what.is_some_and(|what| what.is(PROVIDERS) || what.is(HEADS) || what.is(HEADS_FRENCH))
    };
    let is_provider = || before.is(PROVIDERS) && !before.text.starts_with(char::is_uppercase);
    if place == Where::Unsaid || !is_provider() && !is_called() {
        return None;
    }
    name(words, at)
}

/// Where a name ends that begins there, behind a comma, and ends what says of which kind it is: `in the software that came with
/// the scanner, Romexis`.
pub(super) fn apposed(words: &[Word<'_>], at: usize, place: Where, is_german: bool) -> Option<usize> {
    let is_listed = |word: &Word<'_>| is_name(word) && (!is_german || is_written_oddly(word.text));
    let before = at.checked_sub(1).filter(|before| words[*before].comma && !is_listed(&words[*before]))?;
    let end = name(words, at)?;
    let is_last = words[end - 1].ends || words.get(end).is_none_or(|next| next.is(CALLED));
    let is_odd = !is_german || is_written_oddly(words[at].text);
    let earlier = words[..=before].iter().rev().take(MAX_APART);
    let mut part = earlier.enumerate().take_while(|(back, word)| *back == 0 || !word.ends).map(|(_, word)| word);
    let is_german_kind =
        |word: &Word<'_>| SUFFIXES_GERMAN.iter().chain(SUFFIXES_GERMAN_THERE).any(|end| word.lower.ends_with(end));
    let is_kind = |word: &Word<'_>| match is_german {
        true => is_german_kind(word),
        false => word.is(HEADS) || word.is(HEADS_FRENCH),
    };
    (place >= Where::Kept && is_last && is_odd && part.any(is_kind)).then_some(end)
}

/// Where a name ends with which a sentence begins that says what it holds: `Workday holds your personnel record`.
pub(super) fn holding(words: &[Word<'_>], at: usize, place: Where) -> Option<usize> {
    if at > 0 || place != Where::Listed {
        return None;
    }
    let count = words.iter().take(MAX_MORE).take_while(|word| is_name(word)).count();
    let verb = words.get(count)?;
    let is_used = || verb.is(IS) && words.get(count + 1).is_some_and(|word| word.is(&["used"]));
    (count > 0 && !is_document(&words[count - 1]) && (verb.is(HOLDING) || is_used())).then_some(count)
}

/// Whether the name of a company stands there, behind `bei` or `bei der`.
fn is_company(words: &[Word<'_>], at: usize) -> bool {
    let form = words.iter().skip(at).take(MAX_MORE).position(|word| COMPANY_FORMS.contains(&word.text));
    let is_whole = |form: usize| words[at..at + form].iter().all(|word| is_name(word) && !word.ends);
    let before = words[..at].iter().rev().take(2).find(|word| !word.is(&["der"]));
    form.is_some_and(|form| form > 0 && is_whole(form)) && before.is_some_and(|word| word.is(&["bei"]))
}

/// As no noun of German is written: `DATEV`, `TriNotar`, `mailbox.org`, `Inxmail`.
pub(super) fn is_written_oddly(word: &str) -> bool {
    let lower = word.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| lower.ends_with(end));
    word.contains('.')
        || has_hump(word)
        || ends(ENDINGS) && !ends(NO_ENDINGS)
        || word.chars().filter(|c| c.is_uppercase()).nth(1).is_some()
}

/// Whether a word ends as nouns of German do, or as what it has from other languages.
pub(super) fn looks_german(word: &str) -> bool {
    let lower = word.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| lower.ends_with(end));
    !is_written_oddly(word) && (ends(NO_ENDINGS) || ends(NOUN_ENDINGS) || ends(NOUNS))
}

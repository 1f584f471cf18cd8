//! The systems that a sentence names without any list: by the word that says what they are (`our booking database`), and by
//! a name that stands behind one or where something is said to be kept (`kept in Arthur`).

use crate::text::Sentence;
use crate::vocabulary::{HEADS, HEADS_FRENCH, HEADS_THERE, NAMED, NO_NAMES, SMALL_WORDS, SUFFIXES_GERMAN};

/// Most words of a name, beside the word that says what it is.
const MAX_MORE: usize = 3;

/// A word of a sentence.
struct Word<'s> {
    text: &'s str,
    lower: String,
    /// Something ends with it: a comma or the like follows.
    ends: bool,
}

/// What a sentence calls systems. `by_name`: it says where things are kept, so that a name behind `in` or `on` is one.
pub(crate) fn called(sentence: &Sentence, by_name: bool) -> Vec<String> {
    let words = words(&sentence.text);
    let is_german = words.iter().any(|word| {
        ["der", "die", "das", "und", "wir", "im", "werden", "mit", "sie", "ist", "wird"].contains(&word.lower.as_str())
    });
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: String| {
        // Of a name within another one the longer stays.
        if !name.is_empty() && !found.iter().any(|known| known.contains(&name)) {
            found.push(name);
        }
    };
    for at in 0..words.len() {
        let kind = english(&words, at, by_name).or_else(|| french(&words, at)).or_else(|| german(&words, at));
        let Some((first, end)) = kind else {
            // German writes every noun as a name: only what no noun looks like is one.
            let may_be = by_name && is_behind(&words, at) && (!is_german || is_written_oddly(words[at].text));
            if let Some(end) = may_be.then(|| name(&words, at)).flatten() {
                add(joined(&words, at, end));
            }
            continue;
        };
        add(without_ending(joined(&words, first, end).trim_start_matches("l'").trim_start_matches("l’").to_owned()));
        // `our core platform, Symitar`, `the platform (Symitar)`, `Praxissystem MEDISTAR`.
        if let Some(to) = name(&words, end) {
            add(joined(&words, end, to));
        }
        // `ClubRight, our membership system`
        if let Some((from, to)) = named_before(&words, first) {
            add(joined(&words, from, to));
        }
    }
    found
}

/// German plurals after a preposition have an ending that their names have not.
fn without_ending(name: String) -> String {
    let is_plural =
        ["ordnern", "servern", "datenbanken", "laufwerken"].iter().any(|end| name.to_lowercase().ends_with(end));
    match is_plural {
        true => name.trim_end_matches('n').trim_end_matches("banke").to_owned(),
        false => name,
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let trimmed = |raw: &'_ str| raw.trim_matches(|c: char| !c.is_alphanumeric()).len();
    let words = text.split_whitespace().filter(|raw| trimmed(raw) > 0).map(|raw| {
        let from_first = raw.trim_start_matches(|c: char| !c.is_alphanumeric());
        let text = from_first.trim_end_matches(|c: char| !c.is_alphanumeric());
        Word {
            text,
            lower: text.to_lowercase(),
            ends: from_first.ends_with([',', ';', ':', '.', ')', '–', '|', '”', '"']),
        }
    });
    words.collect()
}

fn joined(words: &[Word<'_>], from: usize, to: usize) -> String {
    words[from..to].iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// The words of a system whose last word is the one at `at`.
fn english(words: &[Word<'_>], at: usize, there: bool) -> Option<(usize, usize)> {
    let head = words[at].lower.as_str();
    let is_head = HEADS.contains(&head) || there && HEADS_THERE.contains(&head);
    if !is_head {
        return None;
    }
    // German writes it as a name, with small words before it.
    let before = at.checked_sub(1).map(|before| &words[before])?;
    if is_name(&words[at]) && !is_name(before) {
        return None;
    }
    if ["centre", "center"].contains(&head) && before.lower != "data"
        || head == "card" && before.lower != "memory"
        || head.starts_with("file") && before.lower != "paper"
    {
        return None;
    }
    let is_more = |word: &Word<'_>| !word.ends && !SMALL_WORDS.contains(&word.lower.as_str()) && word.lower.len() > 1;
    let more = words[..at].iter().rev().take(MAX_MORE).take_while(|word| is_more(word)).count();
    // What it begins with in brackets, or as the first word of the sentence, is one all the same.
    let is_enough = more > 0 || ["laptop", "recorder", "recorders", "spreadsheet"].contains(&head);
    is_enough.then_some((at - more, at + 1))
}

/// The words of a system whose first word is the one at `at`.
fn french(words: &[Word<'_>], at: usize) -> Option<(usize, usize)> {
    let word = &words[at];
    let plain = word.lower.strip_prefix("l'").or_else(|| word.lower.strip_prefix("l’")).unwrap_or(&word.lower);
    if !HEADS_FRENCH.contains(&plain) || HEADS.contains(&plain) {
        return None;
    }
    if words.get(at + 1).is_some_and(is_name) && !word.ends {
        return name(words, at + 1).map(|end| (at + 1, end));
    }
    let mut end = at + 1;
    while end < words.len() && end - at <= MAX_MORE && !words[end - 1].ends {
        let next = words[end].lower.as_str();
        let links = ["de", "du", "des", "à"].contains(&next);
        if links && end + 1 < words.len() {
            return Some((at, end + 2));
        }
        let is_adjective = [
            "numérique",
            "manuscrit",
            "fermé",
            "fermée",
            "partagé",
            "interne",
            "métier",
            "forte",
            "métallique",
            "dur",
            "chiffré",
            "local",
            "commun",
        ]
        .contains(&next);
        if !is_adjective && !next.starts_with("d'") && !next.starts_with("d’") {
            break;
        }
        end += 1;
    }
    // `base` alone is many things.
    let alone = ["tableur", "classeur", "progiciel", "logiciel", "registre", "enregistreur", "extranet", "intranet"];
    (end > at + 1 || alone.contains(&plain)).then_some((at, end))
}

/// The word of a system, which German writes as one.
fn german(words: &[Word<'_>], at: usize) -> Option<(usize, usize)> {
    let word = &words[at];
    let is_noun = word.text.starts_with(char::is_uppercase);
    let alone = [
        "tresor",
        "laptop",
        "papier",
        "onlinebanking",
        "reservierungsbuch",
        "rekorder",
        "aktenschrank",
        "server",
        "ordner",
        "ordnern",
        "archivraum",
        "panzerschrank",
        "postfach",
        "festplatte",
        "rechner",
    ];
    let is_kind = SUFFIXES_GERMAN.iter().any(|end| word.lower.len() > end.len() + 2 && word.lower.ends_with(end));
    let is_other = ["betriebssystem", "ökosystem", "dateisystem"].iter().any(|other| word.lower.starts_with(other));
    (is_noun && !is_other && (is_kind || alone.contains(&word.lower.as_str()))).then_some((at, at + 1))
}

fn is_name(word: &Word<'_>) -> bool {
    let mut chars = word.text.chars();
    chars.next().is_some_and(char::is_uppercase) && chars.next().is_some() && !NO_NAMES.contains(&word.text)
}

/// Where a name ends that begins there. The first word of a sentence is written as one anyway.
fn name(words: &[Word<'_>], at: usize) -> Option<usize> {
    let is_name = |word: &&Word<'_>| is_name(word);
    let count = words.get(at..)?.iter().take(MAX_MORE).take_while(is_name).count();
    let within = words[at..at + count].iter().position(|word| word.ends).map_or(count, |last| last + 1);
    (at > 0 && within > 0).then_some(at + within)
}

/// As no noun is written: `DATEV`, `TriNotar`.
fn is_written_oddly(word: &str) -> bool {
    word.chars().filter(|c| c.is_uppercase()).nth(1).is_some()
}

fn is_behind(words: &[Word<'_>], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| NAMED.contains(&words[before].lower.as_str()) && !words[before].ends)
}

/// The name before `, our` or `, the` and what it is.
fn named_before(words: &[Word<'_>], first: usize) -> Option<(usize, usize)> {
    let article = first
        .checked_sub(1)
        .filter(|at| ["our", "the", "a", "an", "unser", "unserem"].contains(&words[*at].lower.as_str()))?;
    let mut end = article;
    if ["is", "as"].contains(&words.get(end.checked_sub(1)?)?.lower.as_str()) {
        end -= 1;
    }
    if words.get(end.checked_sub(1)?)?.lower == "which" {
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

#[cfg(test)]
mod tests {
    use crate::text::sentences;

    fn called(text: &str, by_name: bool) -> Vec<String> {
        super::called(&sentences(None, text)[0], by_name)
    }

    #[test]
    fn what_keeps_data_is_told_by_its_kind_and_by_the_name_beside_it() {
        assert_eq!(
            called("Accounts are kept on our core banking platform, Symitar.", false),
            ["core banking platform", "Symitar"]
        );
        assert_eq!(called("They are in ClubRight, our membership system.", false), ["membership system", "ClubRight"]);
        assert_eq!(
            called("Wir führen sie im Praxisverwaltungssystem MEDISTAR.", false),
            ["Praxisverwaltungssystem", "MEDISTAR"]
        );
        assert_eq!(called("Sie stehen in Ordnern.", false), ["Ordner"]);
        assert_eq!(called("Il est tenu dans le logiciel Galette.", false), ["Galette"]);
        assert_eq!(called("La cour a un enregistreur numérique.", false), ["enregistreur numérique"]);
    }

    #[test]
    fn a_name_behind_in_is_one_where_a_policy_says_where() {
        assert_eq!(called("Tenancies are on Arthur.", true), ["Arthur"]);
        assert!(called("Tenancies are on Arthur.", false).is_empty());
        for place in ["They are kept in Dublin.", "Sie liegen in Falkenstein.", "We keep them in the EU."] {
            assert!(called(place, true).is_empty(), "{place}");
        }
    }

    #[test]
    fn any_words_end_in_names_or_none() {
        for text in [
            "the",
            "system",
            "our , system",
            "( system )",
            "’s system’s",
            "Ordnern",
            "in",
            "in A",
            ", our system",
            "le logiciel",
            "logiciel de",
        ] {
            let _ = called(text, true);
        }
    }
}

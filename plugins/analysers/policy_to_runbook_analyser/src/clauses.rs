//! Categories that a policy names by a clause and not by a noun, whoever they are of: `where the child lives`, `wann ihr geboren
//! seid`, `den wir im Notfall anrufen sollen`.

use crate::categories::{Category, called};
use crate::vocabulary::{CLAUSES, COMPOUNDS, KNOWS};

/// What has to be said around a clause.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// Nothing: it is always of somebody.
    Nothing,
    /// That somebody knows or notes it: `we see what you bought`.
    Known,
    /// The same, of something: `the position of your phone`.
    KnownOf,
    /// Whom it is of, before what is asked: `how you are called`.
    OfSomebody,
    /// That somebody may, or of a child: `who may collect the child`.
    May,
    /// That the author acts if need be: `whom we should ring`.
    ByUs,
}

/// A question, what is asked, and the category that answers it.
pub(crate) struct Clause {
    /// Words that begin it, whole.
    pub(crate) asks: &'static [&'static str],
    /// Beginnings of words that say what is asked; with `=` in front whole ones.
    pub(crate) says: &'static [&'static str],
    /// What has to be said around it.
    pub(crate) around: Around,
    /// The category.
    pub(crate) category: &'static str,
}

/// Most words between the question and what is asked.
const MAX_BETWEEN: usize = 6;
/// Most words between the verb that says that it is known and the question.
const MAX_BEFORE: usize = 8;

/// Those who act when the author does.
const BY_US: &[&str] = &["we", "to", "should", "wir", "zu", "nous"];

/// Words that say that they do so if need be.
const IN_NEED: &[&str] = &[
    "should",
    "if",
    "emergency",
    "emergencies",
    "case",
    "soll",
    "sollen",
    "notfall",
    "notfällen",
    "falls",
    "wenn",
    "urgence",
    "cas",
    "besoin",
];

/// Those whose data they are not.
const BY_AUTHOR: &[&str] = &["we", "wir", "nous"];

/// Those whose data they are.
const SOMEBODY: &[&str] = &[
    "you", "he", "she", "they", "somebody", "someone", "person", "child", "children", "people", "ihr", "sie", "du",
    "er", "jemand", "kind", "kinder", "vous", "tu", "il", "elle", "ils", "elles", "enfant", "enfants",
];

/// Words that say that somebody may do something, or with whom.
const MAY: &[&str] = &[
    "may",
    "allowed",
    "authorised",
    "darf",
    "dürfen",
    "berechtigt",
    "kind",
    "kinder",
    "peut",
    "peuvent",
    "autorisé",
    "autorisés",
    "autorisée",
    "autorisées",
    "habilité",
    "habilités",
    "habilitées",
    "enfant",
    "enfants",
];

/// Before whom or what something is.
const OF: &[&str] = &["of", "der", "des", "deines", "eures", "ihres", "vom", "von", "de", "du"];

/// Those to whom a clause is of no interest: it tells how to reach them.
const OF_US: &[&str] = &["us", "uns", "me", "mich"];

/// What joins two questions.
const AND: &[&str] = &["and", "or", "und", "oder", "et", "ou"];

/// What begins another question.
const QUESTIONS: &[&str] = &["where", "when", "how", "whether", "wo", "wann", "wie", "ob", "où", "quand", "comment"];

/// What begins a sentence that says in which case something is so: `When a child is born, we …`.
const CONDITIONS: &[&str] = &["when", "where", "wann", "quand"];

/// What is no person: `where the data live`.
const OF_THINGS: &[&str] = &[
    "data",
    "information",
    "servers",
    "files",
    "records",
    "it",
    "this",
    "everything",
    "system",
    "systems",
    "points",
    "rewards",
    "miles",
    "interest",
    "processor",
    "processors",
    "provider",
    "providers",
    "recipient",
    "recipients",
    "company",
    "companies",
    "baby",
    "cookies",
    "daten",
    "alles",
    "es",
    "données",
    "cela",
];

/// What a sentence speaks of that tells whom to ask.
const OF_RIGHTS: &[&str] = &[
    "complain",
    "complaint",
    "question",
    "questions",
    "authority",
    "court",
    "frage",
    "fragen",
    "beschwerde",
    "aufsichtsbehörde",
    "réclamation",
    "autorité",
    "policy",
    "notice",
    "law",
];

/// The categories that clauses of a sentence name. `lower` is in lower case.
pub(crate) fn named(lower: &str) -> Vec<Category> {
    let words = words(lower);
    if words.iter().any(|word| OF_RIGHTS.contains(&word.text)) {
        return Vec::new();
    }
    let compounds = COMPOUNDS.iter().filter(|(_, ends)| words.iter().any(|word| is_compound(word.text, ends)));
    let compounds = compounds.filter_map(|(category, _)| called(category));
    let is_said = |clause: &&Clause| (0..words.len()).any(|at| stands(&words, at, clause));
    CLAUSES.iter().filter(is_said).filter_map(|clause| called(clause.category)).chain(compounds).collect()
}

/// Fewest bytes before the end of a compound.
const MIN_BEFORE: usize = 3;

/// Whether a word is a compound of German that ends so: `Wohnanschrift`.
fn is_compound(word: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| word.strip_suffix(end).is_some_and(|before| before.len() >= MIN_BEFORE))
}

/// A word, and whether a part of the sentence ends with it.
struct Word<'s> {
    text: &'s str,
    ends: bool,
}

fn words(lower: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for raw in lower.split([' ', '\'', '-']) {
        let text = raw.trim_matches(|c: char| !c.is_alphanumeric());
        let ends = raw.ends_with([',', ';', ':', '.', ')', '?', '!']);
        match words.last_mut() {
            Some(Word { ends: last, .. }) if text.is_empty() => *last |= ends,
            _ if text.is_empty() => {}
            _ => words.push(Word { text, ends }),
        }
    }
    words
}

fn stands(words: &[Word<'_>], at: usize, clause: &Clause) -> bool {
    if at == 0 && CONDITIONS.contains(&words[at].text) || !clause.asks.contains(&words[at].text) || words[at].ends {
        return false;
    }
    let rest = &words[at + 1..words.len().min(at + MAX_BETWEEN + 3)];
    // `quand et où il est né`
    let joined = if rest.first().is_some_and(|word| AND.contains(&word.text)) { 2 } else { 0 };
    let end = rest.iter().take(MAX_BETWEEN).position(|word| word.ends).map_or(MAX_BETWEEN, |last| last + 1);
    let next =
        rest.iter().skip(joined).position(|word| QUESTIONS.contains(&word.text)).map_or(end, |next| next + joined);
    let part = &rest[..end.min(next).min(rest.len())];
    let is_said = |word: &Word<'_>, says: &str| {
        says.strip_prefix('=').map_or(word.text.starts_with(says), |whole| word.text == whole)
    };
    let Some(said) = part.iter().position(|word| clause.says.iter().any(|says| is_said(word, says))) else {
        return false;
    };
    let has = |part: &[Word<'_>], list: &[&str]| part.iter().any(|word| list.contains(&word.text));
    let is_known = || has(&words[at.saturating_sub(MAX_BEFORE)..at], KNOWS);
    let around = match clause.around {
        Around::Nothing => true,
        Around::Known => is_known(),
        Around::KnownOf => is_known() && has(&rest[..1], OF),
        Around::OfSomebody => has(&part[..said], SOMEBODY),
        Around::May => has(rest, MAY),
        Around::ByUs => has(&part[..said], BY_US) && has(rest, IN_NEED),
    };
    let is_of_us = clause.around != Around::ByUs && has(&part[..said], BY_AUTHOR);
    around && !is_of_us && !has(part, OF_US) && !has(&part[..said], OF_THINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_names_what_answers_it_whoever_it_is_of() {
        for (text, category) in [
            ("we note where the child lives", "postal address"),
            ("wo ihr wohnt, wissen wir", "postal address"),
            ("ihr sagt uns, wann ihr geboren seid", "date of birth"),
            ("le jour de sa naissance", "date of birth"),
            ("nous notons quand et où il est né", "date of birth"),
            ("den namen von jemandem, den wir anrufen sollen", "emergency contact"),
            ("whom we should ring if you are taken ill", "emergency contact"),
            ("the till knows what you bought", "order history"),
            ("the app reads the position of your phone", "location data"),
        ] {
            assert!(named(text).iter().any(|found| found.name == category), "{text}");
        }
    }

    #[test]
    fn what_tells_how_to_reach_the_author_or_when_something_is_so_names_nothing() {
        for text in [
            "you may complain to the authority where you live",
            "whom to contact with a question",
            "how you can reach us",
            "when you came to us in 2019, things were simpler",
            "what you bought can be sent back",
            "someone who calls",
            "we tell you where our data live",
            "when your baby is born, we send a card",
            "it shows in what order they came",
            "we use what are called cookies",
            "you see how much interest you earn",
            "nous conservons les données le jour où elles sont nécessaires",
            "fehlerdiagnose der anlage",
            "das übereinkommen hat einen hohen informationsgehalt",
            "wir zeigen produktfotos und notrufnummern",
            "customers whom we contact for marketing may object",
            "we tell you how much we earn from affiliate links",
            "les points que vous gagnez expirent",
            "wie die anbieter heißen, steht unten",
            "wir sind verantwortlich, wie das im gesetz heißt",
            "we keep the position you apply for and your career history",
            "die satzung der stadt ist verbindlich",
            "our servers in another country are connected by tls",
            "personen, die ihre ware abholen, zahlen bar",
            "we tell you which pages set cookies",
            "we show which opening hours apply",
            "the country where the processor resides is listed",
            "we send a card when a baby is born",
        ] {
            assert!(named(text).is_empty(), "{text}");
        }
    }
}

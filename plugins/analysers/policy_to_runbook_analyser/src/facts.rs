//! What a policy states, each with its sentence.

use crate::categories::{self, Category};
use crate::clauses;
use crate::denial::{affirmed, answer, before_no, defines, is_contact, is_denied, without_none};
use crate::names;
use crate::products;
use crate::systems::{Where, called, is_place};
use crate::text::{Sentence, has_word, title};
use crate::vocabulary::{
    ARTICLES, BASES, COLLECTS, CONTACT, COUNTRY_COLUMNS, DATA, DOES, FOR_US, HOLDS, HOSTERS, INTO, KEEPS, LEAVES, NONE,
    NOT, OWN_SERVERS, PRODUCTS, PROVIDER_COLUMNS, PURPOSES, RECIPIENT_COLUMNS, RENOUNCES, RETENTION, RIGHTS, SCOPES,
    SELLS, SHARES, SOCIAL, SPECIAL, SPECIAL_BASES, SUBJECTS, SYSTEM_COLUMNS, SYSTEMS, TRANSFERS, WHERE, Words,
};
use crate::words::{any, named, times};
use palisade_planning::{System, World};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Most words of what stands before a colon and is taken for a name.
const MAX_NAME_WORDS: usize = 5;
/// Most words around an `or` that can be what it joins.
const MAX_BEHIND_OR: usize = 3;
/// The category of those who may drive.
const LICENCE: &str = "driving licence";
/// The category of faces and fingers.
const BIOMETRIC: &str = "biometric data";
/// Words for what a device does with a face or a finger by itself: nobody else gets it.
const UNLOCKS: &[&str] = &[
    "unlock & phone",
    "unlock & device",
    "face id",
    "touch id",
    "entsperr & handy",
    "entsperr & gerät",
    "déverrouill & téléphone",
];
/// What somebody could conclude of something else.
const CONCLUDED: &[&str] = &["religion", "ethnic origin", "sexual orientation"];
/// Words that say that something else could be concluded.
const SUGGESTS: &[&str] =
    &["may suggest", "may indicate", "might indicate", "might suggest", "no conclusion", "draw no", "keine schlüsse"];
/// What shows who somebody is, by the beginnings of words.
const IDENTITY_PAPERS: &[&str] =
    &["passport", "identity", "id", "card", "personalausweis", "reisepass", "ausweis", "identité"];
/// How words for driving licences begin.
const LICENCES: &[&str] = &["driv", "führerschein", "permis"];
/// With what words for those who work for others end, and for what they do.
const COMMON_ENDINGS: &[&str] = &["s", "ing", "ion", "ift", "ment", "or", "er", "en", "e", "y", "ung"];
/// What systems run on.
const GROUND: &[&str] = &["servers", "computers"];
/// Most systems of which it is looked at whether they are the same.
const MAX_JOINED: usize = 200;

/// What kind of thing is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A category of personal data.
    DataCategory,
    /// One of which it is said that it is not collected.
    DeniedCategory,
    /// What they are used for.
    Purpose,
    /// Whose they are.
    DataSubject,
    /// Where they are kept.
    System,
    /// Who else gets them.
    ThirdParty,
    /// How long they are kept.
    Retention,
    /// Where they go that leave the European Economic Area.
    Transfer,
    /// On what ground they are processed.
    LegalBasis,
}

/// Something that a policy states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fact {
    /// What kind of thing it is.
    pub(crate) kind: Kind,
    /// What is stated, in English.
    pub(crate) value: String,
    /// A special category of data, or a ground for those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) special_category: Option<bool>,
    /// The system is one that can be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checked: Option<bool>,
    /// A model alone reads it there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_model: bool,
    /// The description of the systems says it, not the policy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_architecture: bool,
    /// The sentence that says it first.
    pub(crate) sentence: String,
    /// The heading it stands under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heading: Option<String>,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::DataCategory,
        Self::DeniedCategory,
        Self::Purpose,
        Self::DataSubject,
        Self::System,
        Self::ThirdParty,
        Self::Retention,
        Self::Transfer,
        Self::LegalBasis,
    ];

    /// Its name in documents.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DataCategory => "data_category",
            Self::DeniedCategory => "denied_category",
            Self::Purpose => "purpose",
            Self::DataSubject => "data_subject",
            Self::System => "system",
            Self::ThirdParty => "third_party",
            Self::Retention => "retention",
            Self::Transfer => "transfer",
            Self::LegalBasis => "legal_basis",
        }
    }
}

/// What the rules read, in the order of the policy.
pub(crate) fn found(sentences: &[Sentence], world: &World) -> Facts {
    let mut facts = Facts::default();
    let title = title(sentences);
    let own: Vec<String> = title.iter().flat_map(|title| alphanumeric(title)).chain(called_short(sentences)).collect();
    let mut answered_no: Option<&str> = None;
    for (at, sentence) in sentences.iter().enumerate() {
        let lower = &sentence.lower;
        let around = |words: &[&str]| any(lower, words) || any(&sentence.context, words);
        let not = any(lower, NOT);
        let heading = sentence.heading.as_deref();
        // "Do you need my photo?" - "No."
        let is_question = lower.ends_with('?');
        if is_question && sentences.get(at + 1).and_then(|next| answer(&next.lower)) == Some(false) {
            answered_no = Some(&sentence.text);
        }
        let is_answer =
            heading.is_some() && heading == answered_no || is_question && answered_no == Some(&sentence.text);
        let denies = is_answer || is_denied(sentence, sentences.get(at + 1));
        if !is_question || is_answer {
            data(sentence, denies, not, &mut facts);
        }
        if !sentence.is_heading && !denies {
            named(lower, SUBJECTS).for_each(|value| facts.add(fact(Kind::DataSubject, value, sentence)));
            if !not {
                named(lower, PURPOSES).for_each(|value| facts.add(fact(Kind::Purpose, value, sentence)));
            }
        }
        let is_all_said = !not || !denies && !any(lower, SHARES) && !any(lower, RENOUNCES);
        let part = if is_all_said { None } else { affirmed(sentence) };
        let before = facts.list.len();
        let said = if is_all_said { Some(sentence) } else { part.as_ref() };
        // What somebody asks for, or a policy covers, keeps nothing, unless it is said to.
        let is_title = sentence.is_heading && title.as_ref() == Some(&sentence.text)
            || at == 0 && sentences.len() > 1 && heads(sentence);
        let names_systems = !is_question && !is_title && !defines(lower) && (!any(lower, SCOPES) || any(lower, KEEPS));
        if let Some(said) = said {
            mapped(said, world, &mut facts);
            if names_systems {
                others(said, world, &own, &mut facts);
            }
        }
        // What was read of a part is in the whole sentence.
        facts.list.iter_mut().skip(before).for_each(|fact| fact.sentence.clone_from(&sentence.text));
        if !not && (around(LEAVES) || around(SHARES)) {
            named(lower, TRANSFERS).for_each(|value| facts.add(fact(Kind::Transfer, value, sentence)));
        }
        // "Never longer than" is a time all the same.
        if around(RETENTION) {
            times(lower).for_each(|value| facts.add(fact(Kind::Retention, &value, sentence)));
        }
        for (words, special) in [(BASES, false), (SPECIAL_BASES, true)] {
            for value in named(lower, words) {
                facts.add(Fact { special_category: Some(special), ..fact(Kind::LegalBasis, value, sentence) });
            }
        }
    }
    facts.join_systems();
    facts
}

/// Categories of data that a sentence states or denies.
fn data(sentence: &Sentence, denies: bool, not: bool, facts: &mut Facts) {
    if defines(&sentence.lower) || any(&sentence.context, RIGHTS) {
        return;
    }
    // The cells of a row are no name together.
    let spoken = match sentence.row().next() {
        Some(_) => Cow::Borrowed(sentence.lower.as_str()),
        None => names::without(&sentence.text, &sentence.lower),
    };
    // Of a row that says yes or no, what stands beside the yes.
    let said = sentence.row().find_map(|cell| answer(&cell).map(|yes| (cell, yes)));
    let (lower, denies) = match &said {
        Some((_, false)) => (sentence.lower.as_str(), true),
        Some((cell, true)) if cell.contains(' ') => (cell.as_str(), false),
        _ => (spoken.as_ref(), denies),
    };
    // "We never sell your address" neither states nor denies that there is one.
    let (kind, lower) = match denies {
        true => (Kind::DeniedCategory, lower),
        false if !not || any(lower, COLLECTS) => (Kind::DataCategory, lower),
        false => (Kind::DataCategory, before_no(lower)),
    };
    let stated = match kind {
        Kind::DataCategory => without_none(lower),
        _ => Cow::Borrowed(lower),
    };
    let lower = stated.as_ref();
    let tells_how_to_reach = is_contact(lower);
    // What a sentence denies, it denies, whatever it says of it.
    let is_stated = kind == Kind::DataCategory;
    // Of a passport or a driving licence nobody knows which one it was.
    let is_either = is_stated && is_either(lower);
    let unlocks = is_stated && any(lower, UNLOCKS) && !any(lower, KEEPS);
    let suggests = is_stated && any(lower, SUGGESTS);
    let is_other = |category: &Category| {
        tells_how_to_reach && CONTACT.contains(&category.name)
            || is_either && category.name == LICENCE
            || unlocks && category.name == BIOMETRIC
            || suggests && CONCLUDED.contains(&category.name)
    };
    for Category { name, special } in
        categories::named(lower).chain(clauses::named(lower)).filter(|category| !is_other(category))
    {
        facts.add(Fact { special_category: Some(special), ..fact(kind, name, sentence) });
    }
}

/// Whether somebody shows a driving licence or something else by which one is known.
fn is_either(lower: &str) -> bool {
    [" or ", " oder ", " ou "].into_iter().filter_map(|or| lower.split_once(or)).any(|(before, behind)| {
        let is_paper = |word: &str| IDENTITY_PAPERS.iter().any(|paper| word.starts_with(paper));
        let next: Vec<&str> = behind.split(' ').take(MAX_BEHIND_OR).collect();
        before.split(' ').rev().take(MAX_BEHIND_OR).any(is_paper)
            && next.iter().any(|word| LICENCES.iter().any(|licence| word.starts_with(licence)))
    })
}

/// Facts, each once: the first that was told.
#[derive(Default)]
pub(crate) struct Facts {
    /// In the order in which they were told.
    pub(crate) list: Vec<Fact>,
    known: BTreeSet<(Kind, String)>,
}

impl Facts {
    pub(crate) fn add(&mut self, fact: Fact) {
        if self.known.insert((fact.kind, fact.value.to_lowercase())) {
            self.list.push(fact);
        }
    }

    /// Leaves a system out that another one's name names too: `the membership system` is `ClubRight (membership system)`.
    fn join_systems(&mut self) {
        let is_unknown = |fact: &&Fact| fact.kind == Kind::System && fact.checked == Some(false);
        // `Server` is none of the `Server-Logfiles`.
        let joined = |fact: &Fact| fact.value.to_lowercase().replace('-', "0");
        let names = self.list.iter().filter(is_unknown).take(MAX_JOINED).map(joined);
        let names: Vec<String> = names.collect();
        self.list.retain(|fact| {
            let lower = joined(fact);
            let is_within = |name: &String| name.len() > lower.len() && has_word(name, &lower);
            !is_unknown(&fact) || !names.iter().any(is_within)
        });
    }
}

fn fact(kind: Kind, value: &str, sentence: &Sentence) -> Fact {
    Fact {
        kind,
        value: value.to_owned(),
        special_category: None,
        checked: None,
        by_model: false,
        in_architecture: false,
        sentence: sentence.text.clone(),
        heading: sentence.heading.clone(),
    }
}

/// A fact of the description of the systems.
pub(crate) fn of_architecture(
    kind: Kind,
    value: String,
    checked: bool,
    sentence: String,
    heading: Option<String>,
) -> Fact {
    let (special_category, by_model) = (None, false);
    Fact { kind, value, special_category, checked: Some(checked), by_model, in_architecture: true, sentence, heading }
}

/// The systems that a sentence of such a description names. It speaks of systems, so that a product that it names is one; what
/// stands before a colon is the name of what is told behind it to keep data.
pub(crate) fn systems_in(sentence: &Sentence, world: &World) -> Vec<Fact> {
    let lower = &sentence.lower;
    if any(lower, NOT) {
        return Vec::new();
    }
    let told = |value: &str, checked| {
        let (sentence, heading) = (sentence.text.clone(), sentence.heading.clone());
        of_architecture(Kind::System, value.to_owned(), checked, sentence, heading)
    };
    let mut facts: Vec<Fact> = mapped_in(lower, world).map(|system| told(&system.name, true)).collect();
    let mut unknown: Vec<&str> = Vec::new();
    unknown.extend(sentence.cells().filter(|(column, _)| any(column, SYSTEM_COLUMNS)).map(|(_, cell)| cell));
    if let Some((name, about)) = sentence.text.split_once([':', '–', '—'])
        && name.split_whitespace().count() <= MAX_NAME_WORDS
        && any(&about.to_lowercase(), HOLDS)
    {
        unknown.push(name.trim());
    }
    if unknown.is_empty() {
        products::named(sentence).for_each(|product| unknown.push(product));
        unknown.extend(SYSTEMS.iter().filter(|system| has_word(lower, system)));
    }
    let is_new = |name: &&str| !name.is_empty() && system_called(world, &name.to_lowercase()).is_none();
    facts.extend(unknown.into_iter().filter(is_new).map(|name| told(name, false)));
    facts
}

/// The systems that the operator set up and that a sentence names.
fn mapped_in<'w>(lower: &str, world: &'w World) -> impl Iterator<Item = &'w System> {
    let is_named = move |system: &&System| {
        let mut names = std::iter::once(&system.name).chain(&system.aliases);
        !system.builtin && names.any(|name| has_word(lower, &name.to_lowercase()))
    };
    world.systems.iter().filter(is_named)
}

/// The systems that the operator named.
fn mapped(sentence: &Sentence, world: &World, facts: &mut Facts) {
    for system in mapped_in(&sentence.lower, world) {
        facts.add(Fact { checked: Some(true), ..fact(Kind::System, &system.name, sentence) });
    }
}

/// Other systems and third parties: products that are known, and kinds of systems.
fn others(sentence: &Sentence, world: &World, own: &[String], facts: &mut Facts) {
    let lower = &sentence.lower;
    let is_mapped = |value: &str| system_called(world, value).is_some();
    // What a heading says of all that stands under it; a table with a column of them says itself who they are.
    let is_provider = |column: &str| any(column, PROVIDER_COLUMNS);
    let works_for_us = sentence.heading.as_ref().is_some_and(|heading| any(&heading.to_lowercase(), FOR_US))
        && !sentence.cells().any(|(column, _)| is_provider(column) || any(column, RECIPIENT_COLUMNS));
    for (at, (column, cell)) in sentence.cells().enumerate() {
        if any(column, COUNTRY_COLUMNS) {
            named(&cell.to_lowercase(), TRANSFERS).for_each(|value| facts.add(fact(Kind::Transfer, value, sentence)));
        }
        if (is_provider(column) || any(column, RECIPIENT_COLUMNS)) && !products::names_one(cell) {
            facts.add(fact(Kind::ThirdParty, cell, sentence));
        }
        if is_provider(column) || works_for_us && at == 0 {
            let name = cell.split([',', '(']).next().unwrap_or_default().trim();
            if is_named(name) && !products::names_one(cell) && !is_place(name) && !is_mapped(&name.to_lowercase()) {
                facts.add(Fact { checked: Some(false), ..fact(Kind::System, name, sentence) });
            }
        }
        // `Perch Cloud (our own, on Microsoft Azure)`
        let cell = cell.split_once(" (").map_or(cell, |(head, _)| if products::names_one(cell) { head } else { cell });
        if any(column, SYSTEM_COLUMNS)
            && !products::names_one(cell)
            && !is_place(cell)
            && !is_mapped(&cell.to_lowercase())
        {
            facts.add(Fact { checked: Some(false), ..fact(Kind::System, cell, sentence) });
        }
    }
    let place = place(sentence);
    let products: Vec<&str> = products::named(sentence).collect();
    for product in &products {
        // Who runs a product itself gives it to nobody.
        if !any(lower, OWN_SERVERS) {
            facts.add(fact(Kind::ThirdParty, product, sentence));
        }
        let is_other = SOCIAL.contains(product) || HOSTERS.contains(product);
        if !is_other && (place >= Where::Kept || !any(lower, SHARES)) && !is_mapped(&product.to_lowercase()) {
            facts.add(Fact { checked: Some(false), ..fact(Kind::System, product, sentence) });
        }
    }
    // `Intranet » HR » Policies` leads there, and says nothing.
    let is_trail = [" » ", " › "].iter().any(|to| sentence.text.contains(to)) && !sentence.text.contains('«');
    let is_cell = sentence.is_heading || sentence.cells().any(|(column, _)| any(column, SYSTEM_COLUMNS));
    let mut systems = if is_cell || is_trail { Vec::new() } else { called(sentence, place, own) };
    systems.retain(|system| !PRODUCTS.contains(&system.as_str()) || HOSTERS.contains(&system.as_str()));
    // Of a system that runs on servers somewhere the servers are no other.
    if systems.len() + products.len() > 1 {
        systems.retain(|system| !is_ground(system));
    }
    // `Our web shop runs on Shopify` names one system, `kept in the web shop and in Shopify` two.
    let is_named = !products.is_empty() || !systems.is_empty();
    let is_told = |listed: &str| {
        let is_known = systems.iter().any(|known| has_word(&known.to_lowercase(), listed));
        !sentence.is_heading && has_word(lower, listed) && !is_known && (!is_named || is_put_in(lower, listed))
    };
    let listed: Vec<&str> = SYSTEMS.iter().copied().filter(|listed| is_told(listed)).collect();
    for system in
        listed.into_iter().chain(systems.iter().map(String::as_str)).filter(|system| !is_mapped(&system.to_lowercase()))
    {
        facts.add(Fact { checked: Some(false), ..fact(Kind::System, system, sentence) });
    }
}

/// Whether a cell is written as a name: one word of those that are written so anyway, and is no plural, or several.
fn is_named(cell: &str) -> bool {
    let begins = |word: &str| word.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit() || c == '&');
    let is_common = || COMMON_ENDINGS.iter().any(|end| cell.ends_with(end));
    !cell.is_empty() && cell.split(' ').all(begins) && (cell.contains(' ') || !is_common())
}

/// Whether it is what other systems run on, has no name, and stands in some town or nobody knows where: a server in the
/// author's own rooms is one that they can look into.
fn is_ground(system: &str) -> bool {
    let (head, place) = [" in ", " at "].into_iter().find_map(|at| system.split_once(at)).unwrap_or((system, ""));
    let lower = head.to_lowercase();
    let bare = lower.strip_prefix("our ").unwrap_or(&lower);
    let place = place.trim_start_matches("the ").trim_start_matches("our ");
    GROUND.contains(&bare) && !place.starts_with(char::is_lowercase)
}

/// Whether a text that begins with it does so with a title: it ends as no sentence does, and says of nothing what is done.
fn heads(sentence: &Sentence) -> bool {
    let lower = &sentence.lower;
    let ends = sentence.text.ends_with(['.', ':', ';', '!', '?', ',']);
    !ends && sentence.row().next().is_none() && !any(lower, KEEPS) && !any(lower, COLLECTS) && !any(lower, DOES)
}

/// Most sentences in which an author says how it is called in the rest.
const MAX_INTRODUCED: usize = 20;

/// Words by which a sentence says what others do: the name that stands in brackets is theirs.
const WORK_FOR_IT: &[&str] = &["hosted by", "stored by", "stored with", "provided by", "gehostet", "hébergé"];

/// The words by which an author calls itself in brackets: `(im Folgenden „SWA“)`, `("Clipharbor", "we")`.
fn called_short(sentences: &[Sentence]) -> impl Iterator<Item = String> {
    let brackets = |sentence: &'_ Sentence| -> Vec<String> {
        if any(&sentence.lower, WORK_FOR_IT) {
            return Vec::new();
        }
        let within = sentence.text.split('(').skip(1).filter_map(|rest| rest.split_once(')')).map(|(within, _)| within);
        within.filter(|within| within.contains(['"', '“', '„', '«'])).flat_map(alphanumeric).collect()
    };
    sentences.iter().take(MAX_INTRODUCED).flat_map(brackets).collect::<Vec<_>>().into_iter()
}

/// The words of a text, in lower case.
fn alphanumeric(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Whether something is said to go into a system: `in der Zeiterfassung`. A backup is one wherever it is named.
fn is_put_in(lower: &str, system: &str) -> bool {
    let before = lower.split(system).next().unwrap_or_default();
    system == "backup" || before.split_whitespace().rev().take(2).any(|word| INTO.contains(&word))
}

/// What a sentence says of where things are.
fn place(sentence: &Sentence) -> Where {
    let lower = &sentence.lower;
    // `Payroll: on the accountant's PC`
    let behind_colon = lower.split_once(": ").and_then(|(_, rest)| rest.split(' ').next());
    let is_item = || behind_colon.is_some_and(|word| ARTICLES.contains(&word) || INTO.contains(&word));
    if any(&sentence.context, WHERE) {
        Where::Listed
    } else if any(lower, KEEPS) || any(lower, DOES) || is_item() {
        Where::Kept
    } else if says_what_is(sentence) {
        Where::Said
    } else {
        Where::Unsaid
    }
}

/// Whether a sentence says what is so, and not what isn't, who the author is, what they sell, for how long something is kept
/// or whom to write to. A row of a table is no sentence.
fn says_what_is(sentence: &Sentence) -> bool {
    let lower = &sentence.lower;
    let is_other = any(lower, NOT) || any(lower, NONE) || any(lower, SELLS) || any(&sentence.context, RIGHTS);
    !is_other && sentence.row().next().is_none() && times(lower).next().is_none() && !is_contact(lower)
}

/// The system that the operator named so, or nearly so. `value` is in lower case.
pub(crate) fn system_called<'w>(world: &'w World, value: &str) -> Option<&'w str> {
    let names = |name: &String| has_word(&name.to_lowercase(), value) || has_word(value, &name.to_lowercase());
    let is_called =
        |system: &&System| !system.builtin && std::iter::once(&system.name).chain(&system.aliases).any(names);
    world.systems.iter().find(is_called).map(|system| system.name.as_str())
}

/// The words of a kind of facts, each with whether it stands for something special where that is told.
pub(crate) fn words(kind: Kind) -> impl Iterator<Item = (&'static str, Option<bool>)> {
    let lists: &[(&[Words], Option<bool>)] = match kind {
        Kind::DataCategory | Kind::DeniedCategory => &[(DATA, Some(false)), (SPECIAL, Some(true))],
        Kind::LegalBasis => &[(&[BASES], Some(false)), (&[SPECIAL_BASES], Some(true))],
        Kind::Purpose => &[(&[PURPOSES], None)],
        Kind::DataSubject => &[(&[SUBJECTS], None)],
        Kind::Transfer => &[(&[TRANSFERS], None)],
        Kind::System | Kind::ThirdParty | Kind::Retention => &[],
    };
    let of = |words: &'static [Words]| words.iter().flat_map(|words| words.iter().map(|(word, _)| *word));
    lists.iter().flat_map(move |(words, special)| of(words).map(move |word| (word, *special)))
}

/// The word of a kind of facts that is meant. `lower` is in lower case.
pub(crate) fn known_word(kind: Kind, lower: &str) -> Option<(&'static str, Option<bool>)> {
    words(kind).find(|(word, _)| word.to_lowercase() == lower)
}

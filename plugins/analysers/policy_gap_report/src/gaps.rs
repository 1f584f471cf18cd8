//! The comparison: every fact and everything that was found comes out as agreed or as a gap, nothing is dropped.

use crate::facts::{About, Fact, Facts};
use crate::found::{Found, Seen, Thing};
use crate::vocabulary::{Kind, Vocabulary, same};
use serde::Serialize;
use std::collections::BTreeSet;

/// Most places that are named of a gap; all are counted.
const MAX_NAMED: usize = 5;

/// What is amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapKind {
    FoundButDenied,
    FoundNotStated,
    SpecialWithoutBasis,
    StatedByModelAlone,
    SystemNotChecked,
    StatedNotFound,
    NotComparable,
    NotCheckable,
}

/// How grave it is, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    High,
    Medium,
    Low,
    Info,
}

/// Where policy and data disagree, or can't be compared.
#[derive(Debug, Serialize)]
pub(crate) struct Gap {
    pub(crate) severity: Severity,
    pub(crate) kind: GapKind,
    pub(crate) about: About,
    pub(crate) category: String,
    pub(crate) special: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) found_as: BTreeSet<String>,
    pub(crate) findings: u64,
    pub(crate) place_count: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) more_places: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) places: Vec<String>,
    pub(crate) explanation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sentence: Option<String>,
}

/// What a policy says of something that was found.
#[derive(Debug, Clone, Copy)]
enum Says<'f> {
    Denied(&'f Fact),
    Stated(&'f Fact),
}

impl<'f> Says<'f> {
    const fn fact(self) -> &'f Fact {
        match self {
            Self::Denied(fact) | Self::Stated(fact) => fact,
        }
    }
}

/// What the comparison comes to.
pub(crate) struct Report {
    /// Gravest first.
    pub(crate) gaps: Vec<Gap>,
    /// What is stated and was found; with `no` before it, what is denied and was not found.
    pub(crate) agreed: BTreeSet<String>,
}

impl GapKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FoundButDenied => "found_but_denied",
            Self::FoundNotStated => "found_not_stated",
            Self::SpecialWithoutBasis => "special_without_basis",
            Self::StatedByModelAlone => "stated_by_model_alone",
            Self::SystemNotChecked => "system_not_checked",
            Self::StatedNotFound => "stated_not_found",
            Self::NotComparable => "not_comparable",
            Self::NotCheckable => "not_checkable",
        }
    }
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

/// Compares what is stated with what was found.
pub(crate) fn compare(facts: &Facts, found: &Found, vocabulary: &Vocabulary) -> Report {
    let mut report = Report { gaps: Vec::new(), agreed: BTreeSet::new() };
    // What findings have spoken of, in the words of policies.
    let mut spoken: Vec<(Kind, &str)> = Vec::new();
    for ((kind, thing), seen) in &found.things {
        match thing {
            Thing::Called(name) => {
                let words: Vec<&str> = vocabulary.called(*kind, name).chain([name.as_str()]).collect();
                report.found(facts, *kind, name, &words, seen);
                spoken.extend(words.into_iter().map(|word| (*kind, word)));
            }
            Thing::Unknown(category) => report.unknown(*kind, category, seen),
        }
    }
    let is_spoken = |kind: Kind, value: &str| spoken.iter().any(|(other, word)| *other == kind && same(word, value));
    for fact in facts.of(About::DeniedCategory).filter(|fact| !is_spoken(Kind::DataCategory, &fact.value)) {
        if vocabulary.knows(Kind::DataCategory, &fact.value) {
            report.agreed.insert(format!("no {}", fact.value));
        } else {
            let why = "the policy denies it, and no category of the findings stands for it in the vocabulary";
            report.add(fact, GapKind::NotComparable, Severity::Info, why);
        }
    }
    for kind in [Kind::DataCategory, Kind::DataSubject, Kind::ThirdParty] {
        for fact in facts.of(kind.about()) {
            if !found.kinds.contains(&kind) {
                report.add(fact, GapKind::NotCheckable, Severity::Info, not_looked_for(kind));
            } else if is_spoken(kind, &fact.value) {
                // It was told with what was found.
            } else if vocabulary.knows(kind, &fact.value) {
                let why = "the policy states it, and nothing of it was found in what was checked";
                report.add(fact, GapKind::StatedNotFound, Severity::Low, why);
            } else {
                let why = "the policy states it, and no category of the findings stands for it in the vocabulary";
                report.add(fact, GapKind::NotComparable, Severity::Info, why);
            }
        }
    }
    for fact in facts.of(About::System).filter(|fact| fact.checked != Some(true)) {
        let why = match fact.in_architecture {
            true => {
                "the architecture has this system and no system is set up under that name, so that it was not checked"
            }
            false => "the policy names this system and no system is set up under that name, so that it was not checked",
        };
        report.add(fact, GapKind::SystemNotChecked, Severity::Medium, why);
    }
    for (about, why) in [
        (About::Purpose, "what data are used for can't be seen in them"),
        (About::Retention, "how long data are kept can't be seen in them"),
        (About::Transfer, "where data are sent can't be seen in them"),
    ] {
        for fact in facts.of(about) {
            report.add(fact, GapKind::NotCheckable, Severity::Info, why);
        }
    }
    report
        .gaps
        .sort_by(|a, b| (a.severity, a.kind, a.about, &a.category).cmp(&(b.severity, b.kind, b.about, &b.category)));
    report
}

fn not_looked_for(kind: Kind) -> &'static str {
    match kind {
        Kind::DataCategory => "nothing looked for personal data",
        Kind::DataSubject => "nothing looked whose data they are",
        Kind::ThirdParty => "nothing looked for services of others",
    }
}

impl Report {
    /// Something that has a word in policies.
    fn found(&mut self, facts: &Facts, kind: Kind, name: &str, words: &[&str], seen: &Seen) {
        let one_of = |fact: &&Fact| words.iter().any(|word| same(word, &fact.value));
        let read = |about, by_model| facts.of(about).filter(move |fact| fact.by_model == by_model).find(one_of);
        let denied = |by_model| read(About::DeniedCategory, by_model).filter(|_| kind == Kind::DataCategory);
        // What the rules read goes before what a model does. A policy that denies a thing in one place and states it in another
        // is wrong in one of them.
        let says = denied(false)
            .map(Says::Denied)
            .or_else(|| read(kind.about(), false).map(Says::Stated))
            .or_else(|| denied(true).map(Says::Denied))
            .or_else(|| read(kind.about(), true).map(Says::Stated));
        let special = seen.special || says.is_some_and(|says| says.fact().special_category);
        let (gap, severity, explanation) = match says {
            Some(Says::Denied(fact)) if fact.by_model => (
                GapKind::FoundButDenied,
                if special { Severity::High } else { Severity::Medium },
                "the data hold it, and a model reads in this sentence of the policy that it is not collected: look whether it says so",
            ),
            Some(Says::Denied(_)) => (
                GapKind::FoundButDenied,
                Severity::High,
                "the policy says that it is not collected, and the data hold it",
            ),
            None if special => (
                GapKind::FoundNotStated,
                Severity::High,
                "the data hold this special category, and the policy does not state it",
            ),
            None => (GapKind::FoundNotStated, Severity::Medium, "the data hold it, and the policy does not state it"),
            Some(Says::Stated(fact)) if fact.by_model => (
                GapKind::StatedByModelAlone,
                if special { Severity::Medium } else { Severity::Low },
                "the data hold it, and a model alone reads it in this sentence of the policy: look whether it says so",
            ),
            Some(Says::Stated(fact)) => {
                self.agreed.insert(fact.value.clone());
                if !special || kind != Kind::DataCategory || facts.has_special_basis() {
                    return;
                }
                (
                    GapKind::SpecialWithoutBasis,
                    Severity::Medium,
                    "the policy states this special category and names no ground of Article 9(2) of the GDPR for it",
                )
            }
        };
        self.gaps.push(Gap {
            special,
            sentence: says.map(|says| says.fact().sentence.clone()),
            ..seen.gap(gap, severity, kind, name, explanation)
        });
    }

    fn unknown(&mut self, kind: Kind, category: &str, seen: &Seen) {
        let severity = if seen.special { Severity::Medium } else { Severity::Low };
        let why = "it was found, and the vocabulary does not say what policies call it";
        self.gaps.push(seen.gap(GapKind::NotComparable, severity, kind, category, why));
    }

    /// Of something that is only stated.
    fn add(&mut self, fact: &Fact, kind: GapKind, severity: Severity, explanation: &'static str) {
        self.gaps.push(Gap {
            severity,
            kind,
            about: match fact.kind {
                About::DeniedCategory => About::DataCategory,
                other => other,
            },
            category: fact.value.clone(),
            special: fact.special_category,
            found_as: BTreeSet::new(),
            findings: 0,
            place_count: 0,
            more_places: false,
            places: Vec::new(),
            explanation,
            sentence: Some(fact.sentence.clone()),
        });
    }
}

impl Seen {
    fn gap(&self, gap: GapKind, severity: Severity, kind: Kind, category: &str, explanation: &'static str) -> Gap {
        Gap {
            severity,
            kind: gap,
            about: kind.about(),
            category: category.to_owned(),
            special: self.special,
            found_as: self.found_as.clone(),
            findings: self.findings,
            place_count: self.places.len() as u64,
            more_places: self.more_places,
            places: self.places.iter().take(MAX_NAMED).cloned().collect(),
            explanation,
            sentence: None,
        }
    }
}

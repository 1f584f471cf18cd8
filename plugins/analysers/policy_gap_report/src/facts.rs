//! What the policy states, as the component that read it says.

use crate::vocabulary::{Kind, same};
use palisade_sdk::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a fact is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum About {
    DataCategory,
    DeniedCategory,
    DataSubject,
    ThirdParty,
    Purpose,
    System,
    Retention,
    Transfer,
    LegalBasis,
}

/// Something that the policy states.
#[derive(Debug, Deserialize)]
pub(crate) struct Fact {
    pub(crate) kind: About,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) special_category: bool,
    pub(crate) checked: Option<bool>,
    /// A model alone reads it in the policy.
    #[serde(default)]
    pub(crate) by_model: bool,
    /// The description of the systems says it, not the policy.
    #[serde(default)]
    pub(crate) in_architecture: bool,
    pub(crate) sentence: String,
}

/// All of it.
pub(crate) struct Facts {
    pub(crate) title: String,
    pub(crate) language: String,
    pub(crate) list: Vec<Fact>,
}

#[derive(Deserialize)]
struct Beside {
    title: String,
    language: String,
}

impl Facts {
    pub(crate) fn read(ctx: &Context) -> Result<Self> {
        let mut facts = Self { title: String::new(), language: String::new(), list: ctx.collect_items(crate::FACTS)? };
        if let Some(reader) = ctx.inputs(crate::FACTS).next() {
            Beside { title: facts.title, language: facts.language } = reader.info().metadata()?;
        }
        Ok(facts)
    }

    /// Those of one sort.
    pub(crate) fn of(&self, about: About) -> impl Iterator<Item = &Fact> {
        self.list.iter().filter(move |fact| fact.kind == about)
    }

    /// What the policy says of a word that is its own, be it that it denies it.
    pub(crate) fn word(&self, kind: Kind, word: &str) -> Option<&str> {
        let speaks = |fact: &&Fact| {
            let denied = kind == Kind::DataCategory && fact.kind == About::DeniedCategory;
            (fact.kind == kind.about() || denied) && same(&fact.value, word)
        };
        self.list.iter().find(speaks).map(|fact| fact.value.as_str())
    }

    /// Whether it names a ground that allows to process special categories. What a model alone reads there does not count:
    /// no word of a model takes a gap away.
    pub(crate) fn has_special_basis(&self) -> bool {
        self.of(About::LegalBasis).any(|fact| fact.special_category && !fact.by_model)
    }
}

//! How the categories of findings and the words of policies go together, as the operator's ruleset says.

use crate::facts::About;
use palisade_sdk::{Context, Result};
use serde::Deserialize;

/// What can be found and stated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Categories of personal data.
    #[default]
    DataCategory,
    /// Whose they are.
    DataSubject,
    /// Who else gets them.
    ThirdParty,
}

/// What one category of findings, or a part of it, is called in policies.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    #[serde(default)]
    kind: Kind,
    category: String,
    /// Only what these matched; none = everything.
    #[serde(default)]
    patterns: Vec<String>,
    pub(crate) stated_as: Vec<String>,
    #[serde(default)]
    pub(crate) special_category: bool,
}

/// The rules.
pub(crate) struct Vocabulary(Vec<Rule>);

impl Kind {
    /// The facts it is compared with.
    pub(crate) fn about(self) -> About {
        match self {
            Self::DataCategory => About::DataCategory,
            Self::DataSubject => About::DataSubject,
            Self::ThirdParty => About::ThirdParty,
        }
    }
}

impl Vocabulary {
    pub(crate) fn read(ctx: &Context) -> Result<Self> {
        Ok(Self(ctx.collect_items(crate::VOCABULARY)?))
    }

    /// The rule for what a pattern of a category matched: one that names the pattern goes before one that names none.
    pub(crate) fn rule(&self, kind: Kind, category: &str, pattern: Option<&str>) -> Option<&Rule> {
        let of_category = || self.0.iter().filter(|rule| rule.kind == kind && same(&rule.category, category));
        let names = |rule: &&Rule| pattern.is_some_and(|pattern| rule.patterns.iter().any(|one| same(one, pattern)));
        of_category().find(names).or_else(|| of_category().find(|rule| rule.patterns.is_empty()))
    }

    /// All that is called as a rule says that has this name: rules for one thing may be many.
    pub(crate) fn called<'v>(&'v self, kind: Kind, name: &'v str) -> impl Iterator<Item = &'v str> {
        let rules = self.0.iter().filter(move |rule| rule.kind == kind && rule.name() == name);
        rules.flat_map(|rule| rule.stated_as.iter().map(String::as_str))
    }

    /// Whether findings can say that a word of a policy holds.
    pub(crate) fn knows(&self, kind: Kind, word: &str) -> bool {
        self.0.iter().any(|rule| rule.kind == kind && rule.stated_as.iter().any(|one| same(one, word)))
    }
}

impl Rule {
    /// What it is called in reports.
    pub(crate) fn name(&self) -> &str {
        self.stated_as.first().map_or(&self.category, String::as_str)
    }
}

/// Whether two words are one, whatever their case and whether a space, `_` or `-` parts them.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let plain = |word: &str| {
        let lower = word.trim().chars().flat_map(char::to_lowercase).collect::<String>();
        lower.replace(['_', '-'], " ")
    };
    plain(one) == plain(other)
}

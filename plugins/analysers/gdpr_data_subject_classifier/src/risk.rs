//! What raises or lowers the risk of a finding: words in its evidence.

use std::collections::BTreeSet;

use palisade_findings::{RULES, RawEvidence};
use palisade_matching::{Clusters, Matcher};
use palisade_sdk::{Context, Failure, Result};
use serde::Deserialize;

/// Where matches lie does not matter here.
const NO_CLUSTERS: Clusters = Clusters { most: 0, apart: 0 };

/// The modifiers of a ruleset, ready to search.
#[derive(Debug)]
pub(crate) struct Modifiers {
    names: Vec<String>,
    matcher: Matcher,
}

/// The part of the ruleset beside its rules that matters here.
#[derive(Default, Deserialize)]
struct RulesetMetadata {
    #[serde(default)]
    risk_modifiers: RiskModifiers,
}

#[derive(Default, Deserialize)]
struct RiskModifiers {
    #[serde(default)]
    risk_increasing: Vec<Modifier>,
    #[serde(default)]
    risk_decreasing: Vec<Modifier>,
}

#[derive(Deserialize)]
struct Modifier {
    modifier: String,
    #[serde(default)]
    patterns: Vec<String>,
    #[serde(default)]
    value_patterns: Vec<String>,
}

impl Modifiers {
    /// Reads the modifiers from the metadata of the ruleset. Fails if a value pattern can't be used.
    pub(crate) fn read(ctx: &Context) -> Result<Self> {
        let metadata: RulesetMetadata = match ctx.inputs(RULES).next() {
            Some(reader) => reader.info().metadata()?,
            None => RulesetMetadata::default(),
        };
        let RiskModifiers { mut risk_increasing, mut risk_decreasing } = metadata.risk_modifiers;
        risk_increasing.append(&mut risk_decreasing);
        let rules =
            risk_increasing.iter().map(|one| (one.modifier.as_str(), &one.patterns[..], &one.value_patterns[..]));
        let matcher = Matcher::compile(rules)
            .map_err(|error| Failure::bad_config(format!("risk modifiers: {error}: {}", error.source)))?;
        Ok(Self { names: risk_increasing.into_iter().map(|one| one.modifier).collect(), matcher })
    }

    /// The names of those that match any piece of evidence, each once, sorted.
    pub(crate) fn of(&mut self, evidence: &[RawEvidence<'_>]) -> Result<Vec<String>> {
        let mut found = BTreeSet::new();
        for piece in evidence {
            found.extend(self.matcher.search(&piece.text()?, NO_CLUSTERS).iter().map(|rule| rule.rule));
        }
        let names: BTreeSet<&String> = found.into_iter().filter_map(|rule| self.names.get(rule)).collect();
        Ok(names.into_iter().cloned().collect())
    }
}

//! What the classifiers share: indicators in, the rule that names their value, classified findings out.

use std::collections::HashMap;

use palisade_sdk::{ConfigSchema, Context, Description, Failure, Input, Property, Result, limit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::finding::Origin;
use crate::{FINDINGS, INDICATORS, RULES};

/// What a classification says of a value that no rule names.
pub const UNCLASSIFIED: &str = "unclassified";

/// The config of a classifier that has a ruleset alone.
#[derive(Debug, Clone, Deserialize)]
pub struct ClassifierConfig {
    /// Name of the ruleset, as the runbook writes it.
    pub ruleset: String,
}

/// The manifest of the classifier under the GDPR of indicators of a `kind`, such as `personal_data`.
pub fn classifier(kind: &str, title: &str, config: ConfigSchema) -> Description {
    let indicators = Input::new(INDICATORS).accepts(format!("{kind}_indicator/1")).many().per_item();
    let rules = Input::new(RULES).ruleset("/ruleset");
    Description::classifier(format!("palisade:gdpr_{kind}_classifier"), env!("CARGO_PKG_VERSION"), title)
        .input(indicators.about("What to classify"))
        .input(rules.about("Which value is of which class"))
        .output(FINDINGS, format!("gdpr_{kind}/1.0.0"))
        .config(config)
        .limit(limit::FUEL, 2_000_000_000)
        // Each finding is read, looked up and written once; the host takes 60 for each byte written.
        .limit(limit::FUEL_PER_INPUT_BYTE, 2_000)
        .limit(limit::OUTPUT_BYTES, 64 << 20)
        // The smallest indicator has 150 bytes, what the law says of it a few hundred.
        .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 16)
        // The largest indicator, with whole texts as evidence, as JSON, decoded and written.
        .limit(limit::MEMORY, 256 << 20)
}

/// The schema of the config of such a classifier: `ruleset`.
pub fn classifier_config(kind: &str) -> ConfigSchema {
    let rule_type = format!("gdpr_{kind}_classification");
    let default = format!("local/{rule_type}/1.0.0");
    let about = "Which value is of which class, as local/NAME/VERSION";
    ConfigSchema::new().property("ruleset", Property::string().ruleset(rule_type).default(default).about(about))
}

/// A rule that names the values of its class.
pub trait ClassRule: DeserializeOwned {
    /// The values of indicators that are of this class.
    fn values(&self) -> &[String];
}

/// The rules of a classification, by the values that they name.
#[derive(Debug)]
pub struct Classes<R> {
    rules: Vec<R>,
    by_value: HashMap<String, usize>,
}

impl<R: ClassRule> Classes<R> {
    /// Reads the rules from the port [`RULES`].
    pub fn read(ctx: &Context) -> Result<Self> {
        let rules: Vec<R> = ctx.collect_items(RULES)?;
        let named =
            |(place, rule): (usize, &R)| rule.values().iter().map(|value| (value.clone(), place)).collect::<Vec<_>>();
        // A value that several rules name is of the last one's class: later pairs replace earlier ones.
        let by_value = rules.iter().enumerate().flat_map(named).collect();
        Ok(Self { rules, by_value })
    }

    /// The rule that names `value`.
    pub fn get(&self, value: &str) -> Option<&R> {
        self.rules.get(*self.by_value.get(value)?)
    }
}

/// An indicator, and what becomes of it; `F` is what its kind adds. Evidence and patterns are most of it and go from one
/// to the other as they are written.
#[derive(Serialize, Deserialize)]
struct Classified<'a, F> {
    #[serde(flatten)]
    fields: F,
    #[serde(borrow)]
    evidence: Vec<RawEvidence<'a>>,
    #[serde(borrow)]
    matched_patterns: &'a RawValue,
    #[serde(borrow)]
    metadata: Origin<'a>,
}

/// A piece of evidence that is read when it is looked at. Times in it are dropped: the host stamps the copies.
#[derive(Debug, Serialize, Deserialize)]
pub struct RawEvidence<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

impl RawEvidence<'_> {
    /// Reads the text. Fails with `bad-input` if it is none.
    pub fn text(&self) -> Result<String> {
        serde_json::from_str(self.content.get()).map_err(|error| Failure::bad_input(format!("evidence: {error}")))
    }
}

/// Calls `work` for each indicator and emits a finding with the fields that it returns and the indicator's evidence,
/// patterns and origin. A failure of `work` is one of that indicator.
pub fn classify<F: DeserializeOwned, S: Serialize>(
    ctx: &Context,
    mut work: impl FnMut(F, &[RawEvidence<'_>]) -> Result<S>,
) -> Result<()> {
    ctx.for_each_item(INDICATORS, |item| {
        let Classified { fields, evidence, matched_patterns, metadata } = item.parse::<Classified<'_, F>>()?;
        let fields = work(fields, &evidence).map_err(|failure| failure.at(INDICATORS, item.number()))?;
        ctx.emit(FINDINGS, &Classified { fields, evidence, matched_patterns, metadata })
    })
}

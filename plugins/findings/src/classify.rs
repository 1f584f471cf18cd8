//! What the classifiers share: indicators in, the rule that names their value, classified findings out.

use std::collections::HashMap;

use palisade_sdk::{ConfigSchema, Context, Description, Input, Property, Result, limit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::finding::{Evidence, Finding, MatchedPattern, Origin};
use crate::tally::Tally;
use crate::{FINDINGS, INDICATORS, RULES};

/// What a classification says of a value that no rule names.
pub const UNCLASSIFIED: &str = "unclassified";
/// The purpose category that a person has to look at.
const CONTEXT_DEPENDENT: &str = "context_dependent";
/// The recommendation of an impact assessment that counts in the summary.
const REQUIRED: &str = "required";
/// The recommendation where no rule says anything.
const NOT_REQUIRED: &str = "not_required";

/// The config of a classifier that has a ruleset alone.
#[derive(Debug, Clone, Deserialize)]
pub struct ClassifierConfig {
    /// Name of the ruleset, as the runbook writes it.
    pub ruleset: String,
}

/// The manifest of a classifier of `indicators`, a schema name as `output` is.
pub fn classifier(name: &str, title: &str, indicators: &str, output: &str, config: ConfigSchema) -> Description {
    let indicators = Input::new(INDICATORS).accepts(format!("{indicators}/1")).many().per_item();
    let rules = Input::new(RULES).ruleset("/ruleset");
    Description::classifier(format!("palisade:{name}"), env!("CARGO_PKG_VERSION"), title)
        .input(indicators.about("What to classify"))
        .input(rules.about("Which value is of which class"))
        .output(FINDINGS, format!("{output}/1.0.0"))
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

/// The schema of a config with `ruleset`, by default the first-party one of `rule_type`.
pub fn classifier_config(rule_type: &str) -> ConfigSchema {
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

/// An indicator to classify; `F` is what its kind adds.
#[derive(Deserialize)]
struct Indicator<'a, F> {
    #[serde(flatten)]
    fields: F,
    /// Times in it are dropped: the host stamps the copies.
    #[serde(borrow)]
    evidence: Vec<Evidence<'a>>,
    #[serde(borrow)]
    matched_patterns: Vec<MatchedPattern<'a>>,
    #[serde(borrow)]
    metadata: Origin<'a>,
}

/// Calls `work` for each indicator and emits a finding with the fields that it returns and the indicator's evidence,
/// patterns and origin.
pub fn classify<F: DeserializeOwned, S: Serialize>(
    ctx: &Context,
    mut work: impl FnMut(&F, &[Evidence<'_>]) -> S,
) -> Result<()> {
    ctx.for_each_item(INDICATORS, |item| {
        let Indicator { fields, evidence, matched_patterns, metadata } = item.parse::<Indicator<'_, F>>()?;
        let fields = work(&fields, &evidence);
        ctx.emit(FINDINGS, &Finding { fields, evidence, matched_patterns, metadata })
    })
}

/// A rule of the three classifications whose classes are categories of purposes.
#[derive(Debug, Deserialize)]
pub struct PurposeRule {
    #[serde(
        alias = "indicator_purposes",
        alias = "indicator_service_categories",
        alias = "indicator_collection_types"
    )]
    values: Vec<String>,
    purpose_category: String,
    article_references: Vec<String>,
    typical_lawful_bases: Vec<String>,
    sensitive_purpose: bool,
    dpia_recommendation: String,
}

impl ClassRule for PurposeRule {
    fn values(&self) -> &[String] {
        &self.values
    }
}

/// What a category of purposes means in law. Part of a finding.
#[derive(Debug, Serialize)]
pub struct Assessment {
    article_references: Vec<String>,
    typical_lawful_bases: Vec<String>,
    sensitive_purpose: bool,
    dpia_recommendation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_review: Option<bool>,
}

/// What the summaries of the three classifications by purpose count.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PurposeTotals {
    categories: Tally,
    sensitive: u64,
    required: u64,
    review: u64,
}

/// The summary of a classification by purpose, but for its counts by category.
#[derive(Debug, Serialize)]
pub struct PurposeSummary {
    total_findings: u64,
    sensitive_purposes_count: u64,
    dpia_required_count: u64,
    requires_review_count: u64,
}

impl PurposeTotals {
    /// Assesses and counts one finding; returns its category with what that means.
    pub fn assess(&mut self, rule: Option<&PurposeRule>) -> (String, Assessment) {
        let category = rule.map_or(UNCLASSIFIED, |rule| &rule.purpose_category).to_owned();
        let assessment = Assessment {
            article_references: rule.map(|rule| rule.article_references.clone()).unwrap_or_default(),
            typical_lawful_bases: rule.map(|rule| rule.typical_lawful_bases.clone()).unwrap_or_default(),
            sensitive_purpose: rule.is_some_and(|rule| rule.sensitive_purpose),
            dpia_recommendation: rule.map_or(NOT_REQUIRED, |rule| &rule.dpia_recommendation).to_owned(),
            require_review: (category == CONTEXT_DEPENDENT).then_some(true),
        };
        self.categories.add(&category);
        self.sensitive += u64::from(assessment.sensitive_purpose);
        self.required += u64::from(assessment.dpia_recommendation == REQUIRED);
        self.review += u64::from(assessment.require_review.is_some());
        (category, assessment)
    }

    /// Adds up the parts.
    pub fn sum(parts: Vec<Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut sum, part| {
            sum.categories.merge(&part.categories);
            sum.sensitive += part.sensitive;
            sum.required += part.required;
            sum.review += part.review;
            sum
        })
    }

    /// The counts by category.
    pub fn categories(&self) -> &Tally {
        &self.categories
    }

    /// The rest of the summary.
    pub fn summary(&self) -> PurposeSummary {
        PurposeSummary {
            total_findings: self.categories.total(),
            sensitive_purposes_count: self.sensitive,
            dpia_required_count: self.required,
            requires_review_count: self.review,
        }
    }
}

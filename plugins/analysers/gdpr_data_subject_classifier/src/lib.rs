//! Classifies indicators of data subjects under the GDPR: one finding for each indicator, with what raises the risk.

use std::collections::BTreeSet;

use palisade_findings::{
    AnalysisMetadata, ClassRule, Classes, LlmValidation, UNCLASSIFIED, ValidationSummary, classifier,
    classifier_config, classify, findings_metadata, llm_validation,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

mod risk;

/// The component.
pub struct GdprDataSubject;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    ruleset: String,
    llm_validation: LlmValidation,
}

/// A rule of the classification.
#[derive(Deserialize)]
struct Class {
    indicator_categories: Vec<String>,
    data_subject_category: String,
    article_references: Vec<String>,
    typical_lawful_bases: Vec<String>,
}

impl ClassRule for Class {
    fn values(&self) -> &[String] {
        &self.indicator_categories
    }
}

/// What an indicator says.
#[derive(Deserialize)]
struct Indicator {
    subject_category: String,
    #[serde(default)]
    confidence_score: u64,
}

/// What a finding says.
#[derive(Serialize)]
struct Classified<'c> {
    data_subject_category: &'c str,
    article_references: &'c [String],
    typical_lawful_bases: &'c [String],
    risk_modifiers: Vec<String>,
    confidence_score: u64,
}

/// What a part of the input came to.
#[derive(Default, Serialize, Deserialize)]
pub struct Totals {
    findings: u64,
    high_risk: u64,
    categories: BTreeSet<String>,
}

#[derive(Serialize)]
struct Summary {
    total_findings: u64,
    categories_identified: BTreeSet<String>,
    high_risk_count: u64,
    requires_review_count: u64,
}

impl Analyser for GdprDataSubject {
    type Config = Config;
    type Partial = Totals;

    fn describe() -> Description {
        let config = classifier_config("data_subject").property("llm_validation", llm_validation());
        classifier("data_subject", "Classifies data subjects under the GDPR", config).about(
            "Says of each indicator of data subjects its category, usual lawful bases, and what raises the risk.",
        )
    }

    fn run(ctx: &Context, _: Config) -> Result<Totals> {
        let classes = Classes::<Class>::read(ctx)?;
        let mut modifiers = risk::Modifiers::read(ctx)?;
        let mut totals = Totals::default();
        classify(ctx, |indicator: Indicator, evidence| {
            let class = classes.get(&indicator.subject_category);
            let category = class.map_or(UNCLASSIFIED, |class| &class.data_subject_category);
            let risk_modifiers = modifiers.of(evidence)?;
            totals.findings += 1;
            totals.high_risk += u64::from(!risk_modifiers.is_empty());
            if !totals.categories.contains(category) {
                totals.categories.insert(category.to_owned());
            }
            Ok(Classified {
                data_subject_category: category,
                article_references: class.map_or(&[], |class| &class.article_references),
                typical_lawful_bases: class.map_or(&[], |class| &class.typical_lawful_bases),
                risk_modifiers,
                confidence_score: indicator.confidence_score,
            })
        })?;
        Ok(totals)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Totals>) -> Result<Vec<Metadata>> {
        let mut summary = Summary {
            total_findings: 0,
            categories_identified: BTreeSet::new(),
            high_risk_count: 0,
            // Nothing that is known of data subjects makes a review necessary.
            requires_review_count: 0,
        };
        for mut part in parts {
            summary.total_findings += part.findings;
            summary.high_risk_count += part.high_risk;
            summary.categories_identified.append(&mut part.categories);
        }
        let analysis_metadata = AnalysisMetadata {
            llm_validation_enabled: config.llm_validation.enable_llm_validation,
            validation_summary: Some(ValidationSummary::Method { method_used: "regex" }),
            ..AnalysisMetadata::new(&config.ruleset)
        };
        findings_metadata(&summary, &analysis_metadata)
    }
}

palisade_sdk::export!(GdprDataSubject);

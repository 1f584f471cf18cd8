//! Classifies indicators of data subjects under the GDPR: one finding for each indicator, with what raises the risk.

use std::collections::BTreeSet;

use palisade_findings::{
    AnalysisMetadata, ClassRule, Classes, FINDINGS, LlmValidation, UNCLASSIFIED, ValidationSummary, classifier,
    classifier_config, classify, llm_validation,
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
struct Fields {
    data_subject_category: String,
    article_references: Vec<String>,
    typical_lawful_bases: Vec<String>,
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

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary,
    analysis_metadata: AnalysisMetadata<'a>,
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
        classifier(
            "gdpr_data_subject_classifier",
            "Classifies data subjects under the GDPR",
            "data_subject_indicator",
            "gdpr_data_subject",
            classifier_config("gdpr_data_subject_classification").property("llm_validation", llm_validation()),
        )
        .about("Says of each indicator of data subjects its category, usual lawful bases, and what raises the risk.")
    }

    fn run(ctx: &Context, _: Config) -> Result<Totals> {
        let classes = Classes::<Class>::read(ctx)?;
        let mut modifiers = risk::Modifiers::read(ctx)?;
        let mut totals = Totals::default();
        classify(ctx, |indicator: &Indicator, evidence| {
            let class = classes.get(&indicator.subject_category);
            let category = class.map_or(UNCLASSIFIED, |class| &class.data_subject_category);
            let risk_modifiers = modifiers.of(evidence);
            totals.findings += 1;
            totals.high_risk += u64::from(!risk_modifiers.is_empty());
            if !totals.categories.contains(category) {
                totals.categories.insert(category.to_owned());
            }
            Fields {
                data_subject_category: category.to_owned(),
                article_references: class.map(|class| class.article_references.clone()).unwrap_or_default(),
                typical_lawful_bases: class.map(|class| class.typical_lawful_bases.clone()).unwrap_or_default(),
                risk_modifiers,
                confidence_score: indicator.confidence_score,
            }
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
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(GdprDataSubject);

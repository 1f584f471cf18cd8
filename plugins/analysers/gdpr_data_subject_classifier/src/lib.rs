//! Classifies indicators of data subjects under the GDPR: one finding for each indicator, with what raises the risk.

use palisade_findings::{
    AnalysisMetadata, ClassRule, Classes, LlmValidation, UNCLASSIFIED, ValidationSummary, classifier,
    classifier_config, classify, findings_metadata, llm_validation, subjects::SubjectTotals,
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

impl Analyser for GdprDataSubject {
    type Config = Config;
    type Partial = SubjectTotals;

    fn describe() -> Description {
        let config = classifier_config("data_subject").property("llm_validation", llm_validation());
        classifier("data_subject", "Classifies data subjects under the GDPR", config).about(
            "Says of each indicator of data subjects its category, usual lawful bases, and what raises the risk.",
        )
    }

    fn run(ctx: &Context, _: Config) -> Result<SubjectTotals> {
        let classes = Classes::<Class>::read(ctx)?;
        let mut modifiers = risk::Modifiers::read(ctx)?;
        let mut totals = SubjectTotals::default();
        classify(ctx, |indicator: Indicator, evidence| {
            let class = classes.get(&indicator.subject_category);
            let category = class.map_or(UNCLASSIFIED, |class| &class.data_subject_category);
            let risk_modifiers = modifiers.of(evidence)?;
            // Nothing that is known of data subjects makes a review necessary.
            totals.add(category, !risk_modifiers.is_empty(), false);
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

    fn finish(_: &Context, config: Config, parts: Vec<SubjectTotals>) -> Result<Vec<Metadata>> {
        let analysis_metadata = AnalysisMetadata {
            llm_validation_enabled: config.llm_validation.enable_llm_validation,
            validation_summary: Some(ValidationSummary::Method { method_used: "regex" }),
            ..AnalysisMetadata::new(&config.ruleset)
        };
        findings_metadata(&SubjectTotals::summary(parts), &analysis_metadata)
    }
}

palisade_sdk::export!(GdprDataSubject);

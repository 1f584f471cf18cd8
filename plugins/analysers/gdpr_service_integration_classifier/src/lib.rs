//! Classifies integrated services under the GDPR: one finding for each indicator.

use palisade_findings::{
    AnalysisMetadata, Assessment, Classes, ClassifierConfig, FINDINGS, PurposeRule, PurposeSummary, PurposeTotals,
    Tally, classifier, classifier_config, classify,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprServiceIntegration;

/// What an indicator says.
#[derive(Deserialize)]
struct Indicator {
    service_category: String,
    purpose_category: String,
}

/// What a finding says.
#[derive(Serialize)]
struct Fields {
    service_category: String,
    /// The purpose that the indicator names, as opposed to that of the classification.
    service_integration_purpose: String,
    gdpr_purpose_category: String,
    #[serde(flatten)]
    assessment: Assessment,
}

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary<'a>,
    analysis_metadata: AnalysisMetadata<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    totals: PurposeSummary,
    #[serde(serialize_with = "Tally::as_map")]
    gdpr_purpose_categories: &'a Tally,
}

impl Analyser for GdprServiceIntegration {
    type Config = ClassifierConfig;
    type Partial = PurposeTotals;

    fn describe() -> Description {
        classifier(
            "gdpr_service_integration_classifier",
            "Classifies integrated services under the GDPR",
            "service_integration_indicator",
            "gdpr_service_integration",
            classifier_config("gdpr_service_integration_classification"),
        )
        .about("Says of each integrated service its purpose category, usual lawful bases, and whether an impact assessment is due.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<PurposeTotals> {
        let classes = Classes::<PurposeRule>::read(ctx)?;
        let mut totals = PurposeTotals::default();
        classify(ctx, |indicator: &Indicator, _| {
            let (gdpr_purpose_category, assessment) = totals.assess(classes.get(&indicator.service_category));
            Fields {
                service_category: indicator.service_category.clone(),
                service_integration_purpose: indicator.purpose_category.clone(),
                gdpr_purpose_category,
                assessment,
            }
        })?;
        Ok(totals)
    }

    fn finish(_: &Context, config: ClassifierConfig, parts: Vec<PurposeTotals>) -> Result<Vec<Metadata>> {
        let totals = PurposeTotals::sum(parts);
        let summary = Summary { totals: totals.summary(), gdpr_purpose_categories: totals.categories() };
        let analysis_metadata = AnalysisMetadata::new(&config.ruleset);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(GdprServiceIntegration);

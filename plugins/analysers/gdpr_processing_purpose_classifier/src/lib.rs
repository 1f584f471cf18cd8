//! Classifies purposes of processing under the GDPR: one finding for each indicator.

use palisade_findings::{
    AnalysisMetadata, Assessment, Classes, ClassifierConfig, FINDINGS, PurposeRule, PurposeSummary, PurposeTotals,
    Tally, classifier, classifier_config, classify,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprProcessingPurpose;

/// What an indicator says.
#[derive(Deserialize)]
struct Indicator {
    purpose: String,
}

/// What a finding says.
#[derive(Serialize)]
struct Fields {
    processing_purpose: String,
    purpose_category: String,
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
    purpose_categories: &'a Tally,
}

impl Analyser for GdprProcessingPurpose {
    type Config = ClassifierConfig;
    type Partial = PurposeTotals;

    fn describe() -> Description {
        classifier(
            "gdpr_processing_purpose_classifier",
            "Classifies purposes of processing under the GDPR",
            "processing_purpose_indicator",
            "gdpr_processing_purpose",
            classifier_config("gdpr_processing_purpose_classification"),
        )
        .about("Says of each purpose its category, usual lawful bases, and whether an impact assessment is due.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<PurposeTotals> {
        let classes = Classes::<PurposeRule>::read(ctx)?;
        let mut totals = PurposeTotals::default();
        classify(ctx, |indicator: &Indicator, _| {
            let (purpose_category, assessment) = totals.assess(classes.get(&indicator.purpose));
            Fields { processing_purpose: indicator.purpose.clone(), purpose_category, assessment }
        })?;
        Ok(totals)
    }

    fn finish(_: &Context, config: ClassifierConfig, parts: Vec<PurposeTotals>) -> Result<Vec<Metadata>> {
        let totals = PurposeTotals::sum(parts);
        let summary = Summary { totals: totals.summary(), purpose_categories: totals.categories() };
        let analysis_metadata = AnalysisMetadata::new(&config.ruleset);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(GdprProcessingPurpose);

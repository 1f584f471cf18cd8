//! Classifies collection of data under the GDPR: one finding for each indicator.

use palisade_findings::{
    AnalysisMetadata, Assessment, Classes, ClassifierConfig, FINDINGS, PurposeRule, PurposeSummary, PurposeTotals,
    Tally, classifier, classifier_config, classify,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprDataCollection;

/// What an indicator says.
#[derive(Deserialize)]
struct Indicator {
    collection_type: String,
    data_source: String,
}

/// What a finding says.
#[derive(Serialize)]
struct Fields {
    collection_type: String,
    data_source: String,
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

impl Analyser for GdprDataCollection {
    type Config = ClassifierConfig;
    type Partial = PurposeTotals;

    fn describe() -> Description {
        classifier(
            "gdpr_data_collection_classifier",
            "Classifies collection of data under the GDPR",
            "data_collection_indicator",
            "gdpr_data_collection",
            classifier_config("gdpr_data_collection_classification"),
        )
        .about("Says of each way of collecting data its purpose category, usual lawful bases, and whether an impact assessment is due.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<PurposeTotals> {
        let classes = Classes::<PurposeRule>::read(ctx)?;
        let mut totals = PurposeTotals::default();
        classify(ctx, |indicator: &Indicator, _| {
            let (gdpr_purpose_category, assessment) = totals.assess(classes.get(&indicator.collection_type));
            Fields {
                collection_type: indicator.collection_type.clone(),
                data_source: indicator.data_source.clone(),
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

palisade_sdk::export!(GdprDataCollection);

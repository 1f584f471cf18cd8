//! Classifies purposes of processing under the GDPR: one finding for each indicator.

use palisade_findings::{
    ClassifierConfig, Purpose, PurposeTotals, classifier, classifier_config, classify_purposes, purposes_metadata,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprProcessingPurpose;

/// What an indicator says and its finding repeats.
#[derive(Serialize, Deserialize)]
struct ProcessingPurpose {
    #[serde(rename(deserialize = "purpose"))]
    processing_purpose: String,
}

impl Purpose for ProcessingPurpose {
    const CATEGORY: &'static str = "purpose_category";
    const CATEGORIES: &'static str = "purpose_categories";

    fn value(&self) -> &str {
        &self.processing_purpose
    }
}

impl Analyser for GdprProcessingPurpose {
    type Config = ClassifierConfig;
    type Partial = PurposeTotals;

    fn describe() -> Description {
        let config = classifier_config("processing_purpose");
        classifier("processing_purpose", "Classifies purposes of processing under the GDPR", config)
            .about("Says of each purpose its category, usual lawful bases, and whether an impact assessment is due.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<PurposeTotals> {
        classify_purposes::<ProcessingPurpose>(ctx)
    }

    fn finish(_: &Context, config: ClassifierConfig, parts: Vec<PurposeTotals>) -> Result<Vec<Metadata>> {
        purposes_metadata::<ProcessingPurpose>(&config, &parts)
    }
}

palisade_sdk::export!(GdprProcessingPurpose);

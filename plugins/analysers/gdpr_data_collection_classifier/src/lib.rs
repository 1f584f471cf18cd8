//! Classifies collection of data under the GDPR: one finding for each indicator.

use palisade_findings::{
    ClassifierConfig, Purpose, PurposeTotals, classifier, classifier_config, classify_purposes, purposes_metadata,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprDataCollection;

/// What an indicator says and its finding repeats.
#[derive(Serialize, Deserialize)]
struct Collection {
    collection_type: String,
    data_source: String,
}

impl Purpose for Collection {
    fn value(&self) -> &str {
        &self.collection_type
    }
}

impl Analyser for GdprDataCollection {
    type Config = ClassifierConfig;
    type Partial = PurposeTotals;

    fn describe() -> Description {
        let config = classifier_config("data_collection");
        classifier("data_collection", "Classifies collection of data under the GDPR", config)
            .about("Says of each way of collecting data its purpose category, usual lawful bases, and whether an impact assessment is due.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<PurposeTotals> {
        classify_purposes::<Collection>(ctx)
    }

    fn finish(_: &Context, config: ClassifierConfig, parts: Vec<PurposeTotals>) -> Result<Vec<Metadata>> {
        purposes_metadata::<Collection>(&config, &parts)
    }
}

palisade_sdk::export!(GdprDataCollection);

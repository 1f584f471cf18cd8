//! Classifies integrated services under the GDPR: one finding for each indicator.

use palisade_findings::{
    ClassifierConfig, Purpose, PurposeTotals, classifier, classifier_config, classify_purposes, purposes_metadata,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprServiceIntegration;

/// What an indicator says and its finding repeats.
#[derive(Serialize, Deserialize)]
struct Service {
    service_category: String,
    /// The purpose that the indicator names, as opposed to that of the classification.
    #[serde(rename(deserialize = "purpose_category"))]
    service_integration_purpose: String,
}

impl Purpose for Service {
    fn value(&self) -> &str {
        &self.service_category
    }
}

impl Analyser for GdprServiceIntegration {
    type Config = ClassifierConfig;
    type Partial = PurposeTotals;

    fn describe() -> Description {
        let config = classifier_config("service_integration");
        classifier("service_integration", "Classifies integrated services under the GDPR", config)
            .about("Says of each integrated service its purpose category, usual lawful bases, and whether an impact assessment is due.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<PurposeTotals> {
        classify_purposes::<Service>(ctx)
    }

    fn finish(_: &Context, config: ClassifierConfig, parts: Vec<PurposeTotals>) -> Result<Vec<Metadata>> {
        purposes_metadata::<Service>(&config, &parts)
    }
}

palisade_sdk::export!(GdprServiceIntegration);

//! Finds services of third parties in source code: one finding for each source file and pair of service and purpose.

use palisade_findings::{
    AnalysisMetadata, Breakdown, Indicator, Settings, Tally, analyser, find, findings_metadata, settings, window,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct ServiceIntegration;

/// What a rule says that its finding repeats.
#[derive(PartialEq, Serialize, Deserialize)]
struct Service {
    service_category: String,
    purpose_category: String,
}

impl Indicator for Service {
    fn category(&self) -> &str {
        &self.service_category
    }

    fn joins(&self, later: &Self) -> bool {
        self == later
    }

    fn finding(&self, _: &[(&Self, u64)]) -> impl Serialize {
        self
    }
}

impl Analyser for ServiceIntegration {
    type Config = Settings;
    type Partial = Tally;

    fn describe() -> Description {
        let config =
            settings("service_integration", "service_integrations").property("source_code_context_window", window());
        let title = "Finds services of third parties in source code";
        analyser("service_integration", title, &["source_code"], "service_integration_indicator", config)
            .about("Looks line by line for names of services that a program uses, and says what they are for.")
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        find::<Service>(ctx, &settings)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let findings = Tally::sum(&parts);
        let summary = Breakdown::new("categories", "service_category", findings.by_count());
        findings_metadata(&summary, &AnalysisMetadata::new(&settings.pattern_matching.ruleset))
    }
}

palisade_sdk::export!(ServiceIntegration);

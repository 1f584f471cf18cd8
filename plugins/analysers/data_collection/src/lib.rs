//! Finds places in source code where data is collected: one finding for each source file and pair of type and source.

use palisade_findings::{
    AnalysisMetadata, Breakdown, Indicator, Settings, Tally, analyser, find, findings_metadata, settings, window,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct DataCollection;

/// What a rule says that its finding repeats.
#[derive(PartialEq, Serialize, Deserialize)]
struct Collection {
    collection_type: String,
    data_source: String,
}

impl Indicator for Collection {
    fn category(&self) -> &str {
        &self.collection_type
    }

    fn joins(&self, later: &Self) -> bool {
        self == later
    }

    fn finding(&self, _: &[(&Self, u64)]) -> impl Serialize {
        self
    }
}

impl Analyser for DataCollection {
    type Config = Settings;
    type Partial = Tally;

    fn describe() -> Description {
        let config = settings("data_collection", "data_collection").property("source_code_context_window", window());
        let title = "Finds places in source code where data is collected";
        analyser("data_collection", title, &["source_code"], "data_collection_indicator", config)
            .about("Looks line by line for ways in which a program takes in data, and says from where.")
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        find::<Collection>(ctx, &settings)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let findings = Tally::sum(&parts);
        let summary = Breakdown::new("categories", "collection_type", findings.by_count());
        findings_metadata(&summary, &AnalysisMetadata::new(&settings.pattern_matching.ruleset))
    }
}

palisade_sdk::export!(DataCollection);

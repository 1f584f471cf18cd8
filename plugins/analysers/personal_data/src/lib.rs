//! Finds indicators of personal data: one finding for each text and rule.

use palisade_findings::{
    AnalysisMetadata, Indicator, Settings, Tally, analyser, find, findings_metadata, llm_validation, settings, summary,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct PersonalData;

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct PersonalDatum {
    category: String,
}

impl Indicator for PersonalDatum {
    fn category(&self) -> &str {
        &self.category
    }

    fn finding(&self, _: &[(&Self, u64)]) -> impl Serialize {
        self
    }
}

impl Analyser for PersonalData {
    type Config = Settings;
    type Partial = Tally;

    fn describe() -> Description {
        let config =
            settings("personal_data_indicator", "personal_data_indicator").property("llm_validation", llm_validation());
        let (title, documents) = ("Finds indicators of personal data", &["standard_input", "source_code"]);
        analyser("personal_data", title, documents, "personal_data_indicator", config)
            .about("Looks for words that indicate personal data, such as names of fields, and says of which category.")
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        find::<PersonalDatum>(ctx, &settings)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let findings = Tally::sum(&parts);
        findings_metadata(&summary::personal_data(&findings), &AnalysisMetadata::checked(&settings, &findings))
    }
}

palisade_sdk::export!(PersonalData);

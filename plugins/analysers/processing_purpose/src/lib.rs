//! Finds purposes of processing: one finding for each text and rule, or for each source file and purpose.

use palisade_findings::{
    AnalysisMetadata, Indicator, Settings, Tally, analyser, find, findings_metadata, llm_validation, settings, summary,
    window,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct ProcessingPurpose;

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Purpose {
    purpose: String,
}

impl Indicator for Purpose {
    fn category(&self) -> &str {
        &self.purpose
    }

    fn finding(&self, _: &[(&Self, u64)]) -> impl Serialize {
        self
    }
}

impl Analyser for ProcessingPurpose {
    type Config = Settings;
    type Partial = Tally;

    fn describe() -> Description {
        let config = settings("processing_purpose", "processing_purposes")
            .property("llm_validation", llm_validation())
            .property("source_code_context_window", window());
        let (title, documents) = ("Finds purposes of processing", &["standard_input", "source_code"]);
        analyser("processing_purpose", title, documents, "processing_purpose_indicator", config).about(
            "Looks for words that indicate why personal data is processed. Source code is searched line by line.",
        )
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        find::<Purpose>(ctx, &settings)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let findings = Tally::sum(&parts);
        findings_metadata(&summary::purposes(&findings), &AnalysisMetadata::checked(&settings, &findings))
    }
}

palisade_sdk::export!(ProcessingPurpose);

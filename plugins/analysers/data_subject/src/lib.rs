//! Finds categories of data subjects: one finding for each text or source file and category.

use palisade_findings::{
    AnalysisMetadata, Indicator, Settings, Tally, analyser, find, findings_metadata, llm_validation, settings, summary,
    window,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The highest score of a finding, however many rules matched.
const MAX_CONFIDENCE: u64 = 100;

/// The component.
pub struct DataSubject;

/// What a rule says of whom it indicates.
#[derive(Deserialize)]
struct Subject {
    subject_category: String,
    confidence_weight: u64,
}

/// What a finding says.
#[derive(Serialize)]
struct Indicated<'r> {
    subject_category: &'r str,
    confidence_score: u64,
}

impl Indicator for Subject {
    const JOINS_IN_TEXT: bool = true;

    fn category(&self) -> &str {
        &self.subject_category
    }

    fn finding(&self, rules: &[(&Self, u64)]) -> impl Serialize {
        let weights = rules.iter().map(|(rule, times)| rule.confidence_weight.saturating_mul(*times));
        let confidence_score = weights.fold(0, u64::saturating_add).min(MAX_CONFIDENCE);
        Indicated { subject_category: &self.subject_category, confidence_score }
    }
}

impl Analyser for DataSubject {
    type Config = Settings;
    type Partial = Tally;

    fn describe() -> Description {
        let config = settings("data_subject_indicator", "data_subject_indicator")
            .property("llm_validation", llm_validation())
            .property("source_code_context_window", window());
        let (title, documents) = ("Finds categories of data subjects", &["standard_input", "source_code"]);
        analyser("data_subject", title, documents, "data_subject_indicator", config)
            .about("Looks for words that indicate whose data is processed, and says how sure that is.")
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        find::<Subject>(ctx, &settings)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let findings = Tally::sum(&parts);
        findings_metadata(&summary::data_subjects(&findings), &AnalysisMetadata::checked(&settings, &findings))
    }
}

palisade_sdk::export!(DataSubject);

//! Finds uses of cryptography and rates them: one finding for each text and rule.

use palisade_findings::{AnalysisMetadata, Indicator, Settings, Tally, analyser, find, findings_metadata, settings};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct CryptoQuality;

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Algorithm {
    algorithm: String,
    quality_rating: QualityRating,
}

/// What is thought of an algorithm today.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum QualityRating {
    Strong,
    Weak,
    Deprecated,
}

/// What a finding says.
#[derive(Serialize)]
struct Use<'r> {
    #[serde(flatten)]
    algorithm: &'r Algorithm,
    polarity: &'static str,
}

#[derive(Serialize)]
struct Summary {
    total_findings: u64,
}

impl Indicator for Algorithm {
    fn category(&self) -> &str {
        &self.algorithm
    }

    fn finding(&self, _: &[(&Self, u64)]) -> impl Serialize {
        let polarity = if self.quality_rating == QualityRating::Strong { "positive" } else { "negative" };
        Use { algorithm: self, polarity }
    }
}

impl Analyser for CryptoQuality {
    type Config = Settings;
    type Partial = Tally;

    fn describe() -> Description {
        let config = settings("crypto_quality_indicator", "crypto_quality_indicator");
        let (title, documents) = ("Finds uses of cryptography", &["standard_input", "source_code"]);
        analyser("crypto_quality", title, documents, "crypto_quality_indicator", config)
            .about("Looks for names of cryptographic algorithms and rates each as strong, weak or deprecated.")
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        find::<Algorithm>(ctx, &settings)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let analysis_metadata = AnalysisMetadata {
            evidence_context_size: Some(settings.pattern_matching.evidence_context_size),
            ..AnalysisMetadata::new(&settings.pattern_matching.ruleset)
        };
        findings_metadata(&Summary { total_findings: Tally::sum(&parts).total() }, &analysis_metadata)
    }
}

palisade_sdk::export!(CryptoQuality);

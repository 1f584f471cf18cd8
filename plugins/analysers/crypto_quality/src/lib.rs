//! Finds uses of cryptography and rates them: one finding for each text and rule.

use palisade_findings::{
    AnalysisMetadata, FINDINGS, Finding, Rules, for_each_document, pattern_matching, text_analyser,
};
use palisade_matching::PatternMatching;
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct CryptoQuality;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
}

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Fields {
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
    fields: &'r Fields,
    polarity: &'static str,
}

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary,
    analysis_metadata: AnalysisMetadata<'a>,
}

#[derive(Serialize)]
struct Summary {
    total_findings: u64,
}

impl<'r> From<&'r Fields> for Use<'r> {
    fn from(fields: &'r Fields) -> Self {
        let polarity = if fields.quality_rating == QualityRating::Strong { "positive" } else { "negative" };
        Self { fields, polarity }
    }
}

impl Analyser for CryptoQuality {
    type Config = Config;
    /// How many findings there are.
    type Partial = u64;

    fn describe() -> Description {
        let rule_type = "crypto_quality_indicator";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/crypto_quality_indicator/1.0.0"));
        text_analyser("crypto_quality", "Finds uses of cryptography", "crypto_quality_indicator", config)
            .about("Looks for names of cryptographic algorithms and rates each as strong, weak or deprecated.")
    }

    fn run(ctx: &Context, config: Config) -> Result<u64> {
        let mut rules = Rules::<Fields>::read(ctx)?;
        let mut total = 0;
        for_each_document(ctx, |item| {
            let document = item.into_document();
            for found in rules.search(&document.content, &config.pattern_matching) {
                let fields = Use::from(&found.rule.fields);
                ctx.emit(FINDINGS, &Finding::in_text(fields, &found.patterns, &document, &config.pattern_matching))?;
                total += 1;
            }
            Ok(())
        })?;
        Ok(total)
    }

    fn finish(_: &Context, config: Config, totals: Vec<u64>) -> Result<Vec<Metadata>> {
        let summary = Summary { total_findings: totals.iter().sum() };
        let analysis_metadata = AnalysisMetadata {
            evidence_context_size: Some(config.pattern_matching.evidence_context_size),
            ..AnalysisMetadata::new(&config.pattern_matching.ruleset)
        };
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(CryptoQuality);

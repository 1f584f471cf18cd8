//! Finds indicators of personal data: one finding for each text and rule.

use palisade_findings::{
    AnalysisMetadata, FINDINGS, Finding, LlmValidation, Rules, for_each_document, llm_validation, pattern_matching,
    text_analyser,
};
use palisade_matching::PatternMatching;
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct PersonalData;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
    llm_validation: LlmValidation,
}

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Fields {
    category: String,
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

impl Analyser for PersonalData {
    type Config = Config;
    /// How many findings there are.
    type Partial = u64;

    fn describe() -> Description {
        let rule_type = "personal_data_indicator";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/personal_data_indicator/1.0.0"))
            .property("llm_validation", llm_validation());
        text_analyser("personal_data", "Finds indicators of personal data", "personal_data_indicator", config)
            .about("Looks for words that indicate personal data, such as names of fields, and says of which category.")
    }

    fn run(ctx: &Context, config: Config) -> Result<u64> {
        let mut rules = Rules::<Fields>::read(ctx)?;
        let mut total = 0;
        for_each_document(ctx, |item| {
            let document = item.into_document();
            for found in rules.search(&document.content, &config.pattern_matching) {
                let fields = &found.rule.fields;
                ctx.emit(FINDINGS, &Finding::in_text(fields, &found.patterns, &document, &config.pattern_matching))?;
                total += 1;
            }
            Ok(())
        })?;
        Ok(total)
    }

    fn finish(_: &Context, config: Config, totals: Vec<u64>) -> Result<Vec<Metadata>> {
        let total_findings = totals.iter().sum();
        let analysis_metadata =
            AnalysisMetadata::checked(&config.pattern_matching, config.llm_validation, total_findings);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary: Summary { total_findings }, analysis_metadata })?])
    }
}

palisade_sdk::export!(PersonalData);

//! Finds purposes of processing: one finding for each text and rule, or for each source file and purpose.

use palisade_findings::{
    AnalysisMetadata, FINDINGS, Finding, Item, LlmValidation, Rules, Tally, for_each_document, llm_validation,
    pattern_matching, text_analyser, window,
};
use palisade_matching::{Lines, PatternMatching, WindowSize};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct ProcessingPurpose;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
    llm_validation: LlmValidation,
    source_code_context_window: WindowSize,
}

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Fields {
    purpose: String,
}

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary<'a>,
    analysis_metadata: AnalysisMetadata<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    total_findings: u64,
    purposes_identified: usize,
    purposes: Vec<PurposeCount<'a>>,
}

#[derive(Serialize)]
struct PurposeCount<'a> {
    purpose: &'a str,
    findings_count: u64,
}

impl Analyser for ProcessingPurpose {
    type Config = Config;
    /// Findings by purpose.
    type Partial = Tally;

    fn describe() -> Description {
        let rule_type = "processing_purpose";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/processing_purposes/1.0.0"))
            .property("llm_validation", llm_validation())
            .property("source_code_context_window", window());
        let output = "processing_purpose_indicator";
        text_analyser("processing_purpose", "Finds purposes of processing", output, config).about(
            "Looks for words that indicate why personal data is processed. Source code is searched line by line.",
        )
    }

    fn run(ctx: &Context, config: Config) -> Result<Tally> {
        let mut rules = Rules::<Fields>::read(ctx)?;
        let mut purposes = Tally::default();
        for_each_document(ctx, |item| {
            match item {
                Item::Text(document) => {
                    for found in rules.search(&document.content, &config.pattern_matching) {
                        let fields = &found.rule.fields;
                        purposes.add(&fields.purpose);
                        let finding = Finding::in_text(fields, &found.patterns, &document, &config.pattern_matching);
                        ctx.emit(FINDINGS, &finding)?;
                    }
                }
                Item::File(file) => {
                    let lines = Lines::new(&file.raw_content);
                    for found in rules.search_lines(&file.raw_content, &lines, |fields| fields.purpose.as_str()) {
                        let fields = found.first;
                        purposes.add(&fields.purpose);
                        let window = config.source_code_context_window;
                        ctx.emit(FINDINGS, &Finding::in_lines(fields, found, &file.file_path, &lines, window))?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(purposes)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let purposes = Tally::sum(parts);
        let count = |(purpose, findings_count)| PurposeCount { purpose, findings_count };
        let summary = Summary {
            total_findings: purposes.total(),
            purposes_identified: purposes.names(),
            purposes: purposes.by_name().into_iter().map(count).collect(),
        };
        let analysis_metadata =
            AnalysisMetadata::checked(&config.pattern_matching, config.llm_validation, summary.total_findings);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(ProcessingPurpose);

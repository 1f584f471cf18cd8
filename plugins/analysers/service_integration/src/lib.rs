//! Finds services of third parties in source code: one finding for each source file and pair of service_category and purpose_category.

use palisade_findings::{
    AnalysisMetadata, FINDINGS, Finding, Item, Rules, Tally, for_each_document, line_analyser, pattern_matching, window,
};
use palisade_matching::{Lines, PatternMatching, WindowSize};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct ServiceIntegration;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
    source_code_context_window: WindowSize,
}

/// What a rule says that its finding repeats.
#[derive(PartialEq, Serialize, Deserialize)]
struct Fields {
    service_category: String,
    purpose_category: String,
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
    categories_identified: usize,
    categories: Vec<CategoryCount<'a>>,
}

#[derive(Serialize)]
struct CategoryCount<'a> {
    service_category: &'a str,
    findings_count: u64,
}

impl Analyser for ServiceIntegration {
    type Config = Config;
    /// Findings by service_category.
    type Partial = Tally;

    fn describe() -> Description {
        let rule_type = "service_integration";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/service_integrations/1.0.0"))
            .property("source_code_context_window", window());
        line_analyser(
            "service_integration",
            "Finds services of third parties in source code",
            "service_integration_indicator",
            config,
        )
        .about("Looks line by line for names of services that a program uses, and says what they are for.")
    }

    fn run(ctx: &Context, config: Config) -> Result<Tally> {
        let mut rules = Rules::<Fields>::read(ctx)?;
        let mut categories = Tally::default();
        for_each_document(ctx, |item| {
            // The port accepts source code alone, so nothing else comes here.
            let Item::File(file) = item else { return Ok(()) };
            let lines = Lines::new(&file.raw_content);
            for found in rules.search_lines(&file.raw_content, &lines, |fields| fields) {
                let fields = found.first;
                categories.add(&fields.service_category);
                let window = config.source_code_context_window;
                ctx.emit(FINDINGS, &Finding::in_lines(fields, found, &file.file_path, &lines, window))?;
            }
            Ok(())
        })?;
        Ok(categories)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let categories = Tally::sum(parts);
        let count = |(service_category, findings_count)| CategoryCount { service_category, findings_count };
        let summary = Summary {
            total_findings: categories.total(),
            categories_identified: categories.names(),
            categories: categories.by_count().into_iter().map(count).collect(),
        };
        let analysis_metadata = AnalysisMetadata::new(&config.pattern_matching.ruleset);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(ServiceIntegration);

//! Finds places in source code where data is collected: one finding for each source file and pair of collection_type and data_source.

use palisade_findings::{
    AnalysisMetadata, FINDINGS, Finding, Item, Rules, Tally, for_each_document, line_analyser, pattern_matching, window,
};
use palisade_matching::{Lines, PatternMatching, WindowSize};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct DataCollection;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
    source_code_context_window: WindowSize,
}

/// What a rule says that its finding repeats.
#[derive(PartialEq, Serialize, Deserialize)]
struct Fields {
    collection_type: String,
    data_source: String,
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
    collection_type: &'a str,
    findings_count: u64,
}

impl Analyser for DataCollection {
    type Config = Config;
    /// Findings by collection_type.
    type Partial = Tally;

    fn describe() -> Description {
        let rule_type = "data_collection";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/data_collection/1.0.0"))
            .property("source_code_context_window", window());
        line_analyser(
            "data_collection",
            "Finds places in source code where data is collected",
            "data_collection_indicator",
            config,
        )
        .about("Looks line by line for ways in which a program takes in data, and says from where.")
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
                categories.add(&fields.collection_type);
                let window = config.source_code_context_window;
                ctx.emit(FINDINGS, &Finding::in_lines(fields, found, &file.file_path, &lines, window))?;
            }
            Ok(())
        })?;
        Ok(categories)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let categories = Tally::sum(parts);
        let count = |(collection_type, findings_count)| CategoryCount { collection_type, findings_count };
        let summary = Summary {
            total_findings: categories.total(),
            categories_identified: categories.names(),
            categories: categories.by_count().into_iter().map(count).collect(),
        };
        let analysis_metadata = AnalysisMetadata::new(&config.pattern_matching.ruleset);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(DataCollection);

//! Finds categories of data subjects: one finding for each text or source file and category.

use palisade_findings::{
    AnalysisMetadata, FINDINGS, Finding, Item, LlmValidation, Rules, Tally, for_each_document, group, llm_validation,
    pattern_matching, text_analyser, window,
};
use palisade_matching::{Lines, PatternMatching, WindowSize};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The highest score of a finding, however many rules matched.
const MAX_CONFIDENCE: u64 = 100;

/// The component.
pub struct DataSubject;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
    llm_validation: LlmValidation,
    source_code_context_window: WindowSize,
}

/// What a rule says of whom it indicates.
#[derive(Deserialize)]
struct Fields {
    subject_category: String,
    confidence_weight: u64,
}

/// What a finding says.
#[derive(Serialize)]
struct Subject<'r> {
    subject_category: &'r str,
    confidence_score: u64,
}

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary<'a>,
    analysis_metadata: AnalysisMetadata<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    total_indicators: u64,
    categories_identified: Vec<&'a str>,
}

impl Fields {
    fn category(&self) -> &str {
        &self.subject_category
    }
}

impl<'r> Subject<'r> {
    /// The subject of rules of one category, each with how often its weight counts.
    fn new(rules: impl IntoIterator<Item = (&'r Fields, u64)>) -> Self {
        let mut subject = Self { subject_category: "", confidence_score: 0 };
        for (fields, times) in rules {
            subject.subject_category = &fields.subject_category;
            let weight = fields.confidence_weight.saturating_mul(times);
            subject.confidence_score = subject.confidence_score.saturating_add(weight).min(MAX_CONFIDENCE);
        }
        subject
    }
}

impl Analyser for DataSubject {
    type Config = Config;
    /// Findings by category.
    type Partial = Tally;

    fn describe() -> Description {
        let rule_type = "data_subject_indicator";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/data_subject_indicator/1.0.0"))
            .property("llm_validation", llm_validation())
            .property("source_code_context_window", window());
        text_analyser("data_subject", "Finds categories of data subjects", "data_subject_indicator", config)
            .about("Looks for words that indicate whose data is processed, and says how sure that is.")
    }

    fn run(ctx: &Context, config: Config) -> Result<Tally> {
        let mut rules = Rules::<Fields>::read(ctx)?;
        let mut categories = Tally::default();
        for_each_document(ctx, |item| {
            match item {
                Item::Text(document) => {
                    let found = rules.search(&document.content, &config.pattern_matching);
                    for (rules, patterns) in group(found, Fields::category) {
                        let subject = Subject::new(rules.iter().map(|rule| (&rule.fields, 1)));
                        categories.add(subject.subject_category);
                        let finding = Finding::in_text(subject, &patterns, &document, &config.pattern_matching);
                        ctx.emit(FINDINGS, &finding)?;
                    }
                }
                Item::File(file) => {
                    let lines = Lines::new(&file.raw_content);
                    for found in rules.search_lines(&file.raw_content, &lines, Fields::category) {
                        let subject = Subject::new(found.rules.iter().map(|(rule, hits)| (&rule.fields, *hits)));
                        categories.add(subject.subject_category);
                        let window = config.source_code_context_window;
                        ctx.emit(FINDINGS, &Finding::in_lines(subject, found, &file.file_path, &lines, window))?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(categories)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let categories = Tally::sum(parts);
        let summary = Summary {
            total_indicators: categories.total(),
            categories_identified: categories.by_name().into_iter().map(|(category, _)| category).collect(),
        };
        let analysis_metadata =
            AnalysisMetadata::checked(&config.pattern_matching, config.llm_validation, summary.total_indicators);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(DataSubject);

//! What all analysers of texts and source files are: a manifest, and rules that find indicators of one kind.

use palisade_matching::Lines;
use palisade_sdk::{ConfigSchema, Context, Description, Input, Result, limit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::document::{Item, for_each_document};
use crate::finding::Finding;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::tally::Tally;
use crate::{DOCUMENTS, FINDINGS, RULES};

/// What is particular to the rules of one kind of indicator, and what their findings say.
pub trait Indicator: DeserializeOwned {
    /// Whether rules that join make one finding in a text, as they always do in the lines of a source file.
    const JOINS_IN_TEXT: bool = false;

    /// By what a summary counts the findings.
    fn category(&self) -> &str;

    /// Tells whether this rule and a later one make one finding together.
    fn joins(&self, later: &Self) -> bool {
        self.category() == later.category()
    }

    /// What a finding says that is not said of all findings. `rules` are those that joined, this one first, each with
    /// how often it counts: see [`Found::rules`](crate::Found::rules).
    fn finding(&self, rules: &[(&Self, u64)]) -> impl Serialize;
}

/// Emits what the rules of the step find in its documents; returns how many findings there are of each category.
///
/// Source files are searched line by line if the analyser has the property `source_code_context_window`, else as any
/// text.
pub fn find<I: Indicator>(ctx: &Context, settings: &Settings) -> Result<Tally> {
    let Settings { pattern_matching, source_code_context_window, .. } = settings;
    let mut rules = Rules::<I>::read(ctx)?;
    let mut findings = Tally::default();
    for_each_document(ctx, |item| match (item, *source_code_context_window) {
        (Item::File(file), Some(window)) => {
            let lines = Lines::new(&file.raw_content);
            for found in rules.search_lines(&file.raw_content, &lines, I::joins) {
                let indicator = &found.first.fields;
                findings.add(indicator.category());
                let fields = indicator.finding(&found.rules);
                let finding = Finding::in_lines(fields, &found.patterns, &file.file_path, &lines, window);
                ctx.emit(FINDINGS, &finding)?;
            }
            Ok(())
        }
        (item, _) => {
            let document = item.into_document();
            let joins = |first: &I, later: &I| I::JOINS_IN_TEXT && first.joins(later);
            for found in rules.search(&document.content, pattern_matching, joins) {
                let indicator = &found.first.fields;
                findings.add(indicator.category());
                let fields = indicator.finding(&found.rules);
                ctx.emit(FINDINGS, &Finding::in_text(fields, &found.patterns, &document, pattern_matching))?;
            }
            Ok(())
        }
    })?;
    Ok(findings)
}

/// The manifest of an analyser of such documents: `standard_input`, `source_code` or both. `output` is a schema name.
pub fn analyser(name: &str, title: &str, documents: &[&str], output: &str, config: ConfigSchema) -> Description {
    let port = Input::new(DOCUMENTS).many().per_item().about("What to look through");
    let documents = documents.iter().fold(port, |port, schema| port.accepts(format!("{schema}/1")));
    let rules = Input::new(RULES).ruleset("/pattern_matching/ruleset").about("What to look for");
    Description::analyser(format!("palisade:{name}"), env!("CARGO_PKG_VERSION"), title)
        .input(documents)
        .input(rules)
        .output(FINDINGS, format!("{output}/1.0.0"))
        .config(config)
        // Reading and indexing the largest ruleset takes less than a hundredth of it.
        .limit(limit::FUEL, 2_000_000_000)
        // The host takes 60 for each byte of a finding; searching takes about as much for each byte of text. With whole
        // texts as evidence, 30 rules and 20 pieces a finding, there are 600 bytes of findings for one of text.
        .limit(limit::FUEL_PER_INPUT_BYTE, 50_000)
        .limit(limit::OUTPUT_BYTES, 64 << 20)
        .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 700)
        // The largest item as JSON and decoded, and a finding with all of it as evidence several times over.
        .limit(limit::MEMORY, 256 << 20)
}

//! The manifest that all analysers of texts and source files share.

use palisade_sdk::{ConfigSchema, Description, Input, limit};

use crate::{DOCUMENTS, FINDINGS, RULES};

/// The schema of texts.
const STANDARD_INPUT: &str = "standard_input/1";
/// The schema of source files.
const SOURCE_CODE: &str = "source_code/1";

/// An analyser of texts and source files.
pub fn text_analyser(name: &str, title: &str, output: &str, config: ConfigSchema) -> Description {
    analyser(name, title, &[STANDARD_INPUT, SOURCE_CODE], output, config)
}

/// An analyser of source files alone.
pub fn line_analyser(name: &str, title: &str, output: &str, config: ConfigSchema) -> Description {
    analyser(name, title, &[SOURCE_CODE], output, config)
}

fn analyser(name: &str, title: &str, accepts: &[&str], output: &str, config: ConfigSchema) -> Description {
    let documents = Input::new(DOCUMENTS).many().per_item().about("What to look through");
    let documents = accepts.iter().fold(documents, |port, schema| port.accepts(*schema));
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

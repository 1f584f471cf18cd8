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
    bounded(Description::analyser(format!("palisade:{name}"), env!("CARGO_PKG_VERSION"), title))
        .input(documents)
        .input(rules)
        .output(FINDINGS, format!("{output}/1.0.0"))
        .config(config)
}

/// The limits of everything that turns items into findings. They grow with the input, so one value fits all sizes.
pub(crate) fn bounded(description: Description) -> Description {
    description
        // Reading and indexing the largest ruleset takes 10 million; the rest is for rulesets a hundred times as large.
        .limit(limit::FUEL, 2_000_000_000)
        // Dense text with evidence of 200 characters takes about 200 for each byte; whole texts as evidence take more.
        .limit(limit::FUEL_PER_INPUT_BYTE, 2_000)
        // The largest item in JSON, decoded, with the findings of one batch.
        .limit(limit::MEMORY, 256 << 20)
        .limit(limit::OUTPUT_BYTES, 64 << 20)
        // A finding for each word of a text, with evidence from all around it, has about 100 times its size.
        .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 200)
}

//! What the first-party analysers and classifiers share beside matching: documents, rules, findings, settings.
//!
//! Owns everything that is the same in more than one of them, so that each is left with its manifest, its kind of rule
//! and what its findings say. Never reads files or databases.

mod classify;
mod document;
mod finding;
mod indicator;
mod rules;
mod settings;
mod tally;

pub use classify::{
    Assessment, ClassRule, Classes, ClassifierConfig, PurposeRule, PurposeSummary, PurposeTotals, UNCLASSIFIED,
    classifier, classifier_config, classify,
};
pub use document::{Document, File, Item, for_each_document};
pub use finding::{AnalysisMetadata, Evidence, Finding, MatchedPattern, Origin, ValidationSummary};
pub use indicator::{line_analyser, text_analyser};
pub use rules::{Found, FoundLines, Rules, group};
pub use settings::{LlmValidation, LlmValidationMode, llm_validation, pattern_matching, window};
pub use tally::Tally;

/// The port of the ruleset.
pub const RULES: &str = "rules";
/// The port of documents and source files.
pub const DOCUMENTS: &str = "documents";
/// The port that findings are emitted to.
pub const FINDINGS: &str = "findings";
/// The port of indicators.
pub const INDICATORS: &str = "indicators";

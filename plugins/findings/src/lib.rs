//! What the first-party components share beside matching: documents, rules, findings, settings.
//!
//! Owns everything that is the same in more than one of them, so that each is left with its manifest, its kind of rule
//! and what its findings say. Never reads files or databases.

mod analysis;
mod classify;
mod document;
mod finding;
mod indicator;
pub mod looking;
mod purpose;
mod rules;
mod settings;
mod standard_input;
pub mod subjects;
pub mod summary;
mod tally;
pub mod validation;

pub use analysis::{AnalysisMetadata, ValidationSummary, findings_metadata};
pub use classify::{
    ClassRule, Classes, ClassifierConfig, RawEvidence, UNCLASSIFIED, classifier, classifier_config, classify,
};
pub use document::{Document, File, Item, for_each_document};
pub use finding::{Evidence, Finding, MatchedPattern, Origin};
pub use indicator::{Indicator, analyser, find};
pub use purpose::{Purpose, PurposeTotals, classify_purposes, purposes_metadata};
pub use rules::{Found, Rules};
pub use settings::{LAX, LlmValidation, LlmValidationMode, Settings, llm_validation, settings, window};
pub use standard_input::{Empty, Texts, TextsMetadata};
pub use tally::{Breakdown, Tally};

/// The port of the ruleset.
pub const RULES: &str = "rules";
/// The port of documents and source files.
pub const DOCUMENTS: &str = "documents";
/// The port that findings are emitted to.
pub const FINDINGS: &str = "findings";
/// The port of indicators.
pub const INDICATORS: &str = "indicators";

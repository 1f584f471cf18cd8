//! The properties that several analysers have, with their schemas. The host has checked and completed them.

use palisade_matching::{PatternMatching, WindowSize};
use palisade_sdk::{ConfigSchema, Property};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Marks an object whose unknown keys are a warning where a runbook is in the form of the other framework.
pub const LAX: &str = "x-palisade-wcf-lax";

/// The properties of an analyser of texts and source files. Those that one does not have are absent.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// What to look for, and how much of the text is evidence.
    pub pattern_matching: PatternMatching,
    /// Whether a model checks the findings.
    pub llm_validation: Option<LlmValidation>,
    /// Lines around a hit in source code that are evidence.
    pub source_code_context_window: Option<WindowSize>,
}

/// The property `llm_validation`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct LlmValidation {
    /// Whether findings are to be checked by a model.
    pub enable_llm_validation: bool,
    /// How strictly.
    pub llm_validation_mode: LlmValidationMode,
    /// Most findings of a category that are checked.
    pub sampling_size: u64,
}

/// How strictly a model checks findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LlmValidationMode {
    /// Removes clear mistakes.
    Standard,
    /// Keeps what is in doubt.
    Conservative,
    /// Removes what is in doubt.
    Aggressive,
}

/// The schema of a config with `pattern_matching`; the ruleset has a default, a first-party one, only where the whole
/// property is absent.
pub fn settings(rule_type: &str, default_ruleset: &str) -> ConfigSchema {
    ConfigSchema::new().property("pattern_matching", pattern_matching(rule_type, default_ruleset))
}

fn pattern_matching(rule_type: &str, default_ruleset: &str) -> Property {
    let schema = ConfigSchema::new()
        .required("ruleset", Property::string().ruleset(rule_type).about("What to look for, as local/NAME/VERSION"))
        .property(
            "evidence_context_size",
            Property::one_of(["small", "medium", "large", "full"])
                .with("type", "string")
                .default("medium")
                .about("Text around a match that is evidence: 50, 100 or 200 characters on either side, or all"),
        )
        .property(
            "maximum_evidence_count",
            Property::integer().min(1).max(20).default(3).about("Most pieces of evidence of a finding"),
        )
        .property(
            "evidence_proximity_threshold",
            Property::integer()
                .min(50)
                .max(1000)
                .default(200)
                .about("Matches with at most so many characters between them are one piece of evidence"),
        );
    Property::object(schema.with(LAX, true))
        .default(json!({
            "ruleset": format!("local/{default_ruleset}/1.0.0"),
            "evidence_context_size": "medium",
            "maximum_evidence_count": 3,
            "evidence_proximity_threshold": 200,
        }))
        .about("What to look for, and how much of the text is evidence")
}

/// The schema of `llm_validation`.
pub fn llm_validation() -> Property {
    let schema = ConfigSchema::new()
        .property(
            "enable_llm_validation",
            Property::boolean().default(false).about("Have findings checked by a model; without one, all are kept"),
        )
        .property(
            "llm_validation_mode",
            Property::one_of(["standard", "conservative", "aggressive"])
                .with("type", "string")
                .default("standard")
                .about("How strictly a model checks"),
        )
        .property(
            "sampling_size",
            Property::integer().min(1).max(100).default(3).about("Findings of a category that a model looks at"),
        );
    Property::object(schema.with(LAX, true))
        .default(json!({"enable_llm_validation": false, "llm_validation_mode": "standard", "sampling_size": 3}))
        .about("Whether a model checks the findings")
}

/// The schema of `source_code_context_window`.
pub fn window() -> Property {
    Property::one_of(["small", "medium", "large", "full"])
        .with("type", "string")
        .default("small")
        .about("Lines around a hit in source code that are evidence: 3, 15 or 50 on either side, or all")
}

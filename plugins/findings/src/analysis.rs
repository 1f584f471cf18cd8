//! The metadata of a document of findings: its summary, and how the analysis was done.

use palisade_matching::ContextSize;
use palisade_sdk::{Metadata, Result};
use serde::Serialize;

use crate::FINDINGS;
use crate::settings::{LlmValidation, LlmValidationMode, Settings};
use crate::tally::Tally;

/// The metadata of the findings of a step, as `finish` returns them.
pub fn findings_metadata(summary: &impl Serialize, analysis_metadata: &AnalysisMetadata<'_>) -> Result<Vec<Metadata>> {
    #[derive(Serialize)]
    struct Analysis<'a, S> {
        summary: &'a S,
        analysis_metadata: &'a AnalysisMetadata<'a>,
    }
    Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
}

/// How an analysis was done.
#[derive(Debug, Clone, Serialize)]
pub struct AnalysisMetadata<'a> {
    /// The name of the ruleset, as the runbook writes it.
    pub ruleset_used: &'a str,
    /// Whether findings were to be checked by a model.
    pub llm_validation_enabled: bool,
    /// How much text around a match is evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_context_size: Option<ContextSize>,
    /// How strictly a model was to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_validation_mode: Option<LlmValidationMode>,
    /// Version of the way in which findings are made; not the component's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyser_version: Option<&'static str>,
    /// What became of checking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_summary: Option<ValidationSummary>,
}

impl<'a> AnalysisMetadata<'a> {
    /// An analysis without a model and without a choice of context.
    pub fn new(ruleset_used: &'a str) -> Self {
        Self {
            ruleset_used,
            llm_validation_enabled: false,
            evidence_context_size: None,
            llm_validation_mode: None,
            analyser_version: None,
            validation_summary: None,
        }
    }

    /// An analysis of whose findings a model may check a sample of each category. There is no model, so all are kept and
    /// the metadata says so.
    pub fn checked(settings: &'a Settings, findings: &Tally) -> Self {
        let patterns = &settings.pattern_matching;
        let wanted = settings.llm_validation.filter(|validation| validation.enable_llm_validation);
        let sampled = |validation: LlmValidation| -> u64 {
            findings.iter().map(|(_, count)| count.min(validation.sampling_size)).sum()
        };
        Self {
            llm_validation_enabled: wanted.is_some(),
            evidence_context_size: Some(patterns.evidence_context_size),
            llm_validation_mode: settings.llm_validation.map(|validation| validation.llm_validation_mode),
            analyser_version: Some("1.0.0"),
            validation_summary: wanted.map(sampled).filter(|&skipped| skipped > 0).map(ValidationSummary::no_model),
            ..Self::new(&patterns.ruleset)
        }
    }
}

/// What became of checking findings by a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ValidationSummary {
    /// It was wanted, and there is no model: all findings are kept.
    NoModel {
        /// How findings are put together for a model.
        strategy: &'static str,
        /// Findings that a model looked at.
        samples_validated: u64,
        /// Whether every call of a model worked.
        all_succeeded: bool,
        /// Findings that a model was to look at and did not.
        skipped_count: u64,
        /// The artifact with the findings that a model removed.
        removed_findings_artifact_id: Option<String>,
    },
    /// How modifiers of risk were found.
    Method {
        /// `regex`: by patterns.
        method_used: &'static str,
    },
}

impl ValidationSummary {
    /// So many would have been checked.
    fn no_model(skipped_count: u64) -> Self {
        Self::NoModel {
            strategy: "orchestrated",
            samples_validated: 0,
            all_succeeded: false,
            skipped_count,
            removed_findings_artifact_id: None,
        }
    }
}

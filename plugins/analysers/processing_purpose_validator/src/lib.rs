//! Has a language model look at findings of purposes.

use palisade_findings::{Tally, summary, validation};
use serde::Serialize;

/// The findings that it looks at.
pub enum ProcessingPurpose {}

/// The component.
pub type ProcessingPurposeValidator = validation::Validator<ProcessingPurpose>;

impl validation::Kind for ProcessingPurpose {
    const NAME: &'static str = "processing_purpose_validator";
    const TITLE: &'static str = "Has a language model look at findings of purposes";
    const SCHEMA: &'static str = "processing_purpose_indicator";
    const CATEGORY: &'static str = "purpose";
    const MEANS: &'static str = "a purpose of processing,";

    fn summary(findings: &Tally) -> impl Serialize {
        summary::purposes(findings)
    }
}

palisade_sdk::export!(ProcessingPurposeValidator);

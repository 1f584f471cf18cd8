//! Has a language model look at findings of personal data.

use palisade_findings::{Tally, summary, validation};
use serde::Serialize;

/// The findings that it looks at.
pub enum PersonalData {}

/// The component.
pub type PersonalDataValidator = validation::Validator<PersonalData>;

impl validation::Kind for PersonalData {
    const NAME: &'static str = "personal_data_validator";
    const TITLE: &'static str = "Has a language model look at findings of personal data";
    const SCHEMA: &'static str = "personal_data_indicator";
    const CATEGORY: &'static str = "category";
    const MEANS: &'static str = "personal data";

    fn summary(findings: &Tally) -> impl Serialize {
        summary::personal_data(findings)
    }
}

palisade_sdk::export!(PersonalDataValidator);

#[cfg(test)]
mod tests;

//! Has a language model look at findings of data subjects.

use palisade_findings::{Tally, summary, validation};
use serde::Serialize;

/// The findings that it looks at.
pub enum DataSubject {}

/// The component.
pub type DataSubjectValidator = validation::Validator<DataSubject>;

impl validation::Kind for DataSubject {
    const NAME: &'static str = "data_subject_validator";
    const TITLE: &'static str = "Has a language model look at findings of data subjects";
    const SCHEMA: &'static str = "data_subject_indicator";
    const CATEGORY: &'static str = "subject_category";
    const MEANS: &'static str = "a person whose data is processed,";

    fn summary(findings: &Tally) -> impl Serialize {
        summary::data_subjects(findings)
    }
}

palisade_sdk::export!(DataSubjectValidator);

//! Has a language model look at findings of data subjects.

use palisade_findings::summary::data_subjects;
use palisade_findings::validation::{Kind, Validated, ValidationConfig, validate, validated_metadata, validator};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result, serde_json::json};

/// The component.
pub struct DataSubjectValidator;

const KIND: Kind = Kind {
    name: "data_subject_validator",
    title: "Has a language model look at findings of data subjects",
    schema: "data_subject_indicator",
    category: "subject_category",
    means: "a person whose data is processed,",
};

impl Analyser for DataSubjectValidator {
    type Config = ValidationConfig;
    type Partial = Validated;

    fn describe() -> Description {
        validator(&KIND)
    }

    fn run(ctx: &Context, config: ValidationConfig) -> Result<Validated> {
        validate(ctx, &KIND, &config)
    }

    fn finish(_: &Context, config: ValidationConfig, parts: Vec<Validated>) -> Result<Vec<Metadata>> {
        validated_metadata(parts.first(), &config, |findings| json!(data_subjects(findings)))
    }
}

palisade_sdk::export!(DataSubjectValidator);

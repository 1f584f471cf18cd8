//! Has a language model look at findings of purposes.

use palisade_findings::summary::purposes;
use palisade_findings::validation::{Kind, Validated, ValidationConfig, validate, validated_metadata, validator};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result, serde_json::json};

/// The component.
pub struct ProcessingPurposeValidator;

const KIND: Kind = Kind {
    name: "processing_purpose_validator",
    title: "Has a language model look at findings of purposes",
    schema: "processing_purpose_indicator",
    category: "purpose",
    means: "a purpose of processing,",
};

impl Analyser for ProcessingPurposeValidator {
    type Config = ValidationConfig;
    type Partial = Validated;

    fn describe() -> Description {
        validator(&KIND)
    }

    fn run(ctx: &Context, config: ValidationConfig) -> Result<Validated> {
        validate(ctx, &KIND, &config)
    }

    fn finish(_: &Context, config: ValidationConfig, parts: Vec<Validated>) -> Result<Vec<Metadata>> {
        validated_metadata(parts.first(), &config, |findings| json!(purposes(findings)))
    }
}

palisade_sdk::export!(ProcessingPurposeValidator);

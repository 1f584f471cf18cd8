//! Has a language model look at findings of personal data.

use palisade_findings::summary::personal_data;
use palisade_findings::validation::{Kind, Validated, ValidationConfig, validate, validated_metadata, validator};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result, serde_json::json};

/// The component.
pub struct PersonalDataValidator;

const KIND: Kind = Kind {
    name: "personal_data_validator",
    title: "Has a language model look at findings of personal data",
    schema: "personal_data_indicator",
    category: "category",
    means: "personal data",
};

impl Analyser for PersonalDataValidator {
    type Config = ValidationConfig;
    type Partial = Validated;

    fn describe() -> Description {
        validator(&KIND)
    }

    fn run(ctx: &Context, config: ValidationConfig) -> Result<Validated> {
        validate(ctx, &KIND, &config)
    }

    fn finish(_: &Context, config: ValidationConfig, parts: Vec<Validated>) -> Result<Vec<Metadata>> {
        validated_metadata(parts.first(), &config, |findings| json!(personal_data(findings)))
    }
}

palisade_sdk::export!(PersonalDataValidator);

#[cfg(test)]
mod tests;

//! Compiled validators: of whole values, and of items that stream as lines.

use crate::check::{SchemaError, check};
use crate::quick::Quick;
use crate::violation::{ConfigViolation, Violation};
use jsonschema::PatternOptions;
use palisade_model::{neutral, strict_json};
use serde_json::Value;

/// Most bytes of one compiled pattern, and of its lazily built automaton.
const PATTERN_BYTES: usize = 256 << 10;

/// A compiled schema.
#[derive(Debug)]
pub struct Validator(jsonschema::Validator);

impl Validator {
    /// Compiles a schema from foreign hands.
    ///
    /// # Errors
    /// When it breaks a rule that bounds what a schema can cost, or is none.
    pub fn of_foreign(schema: &Value) -> Result<Self, SchemaError> {
        check(schema)?;
        Self::compile(schema)
    }

    /// Compiles a schema that has passed [`crate::check::check`], or is derived from one that has.
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaError> {
        jsonschema::draft202012::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES))
            .build(schema)
            .map(Self)
            .map_err(|error| SchemaError::Compile { message: neutral::line(&error.masked().to_string(), 400) })
    }

    /// Says whether `value` fits.
    #[must_use]
    pub fn fits(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// Checks `value`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, value: &Value) -> Result<(), Violation> {
        if self.0.is_valid(value) {
            return Ok(());
        }
        Err(self.0.iter_errors(value).next().map_or_else(
            || Violation { path: String::new(), rule: "schema".to_owned(), message: "does not fit".to_owned() },
            |error| Violation::of(&error),
        ))
    }

    /// The rules that a value breaks which a person wrote: at most `most`, with its keys named.
    #[must_use]
    pub fn violations(&self, value: &Value, most: usize) -> Vec<ConfigViolation> {
        self.0.iter_errors(value).take(most).map(|error| ConfigViolation::of(&error)).collect()
    }
}

/// Checks items as a component emits them: one JSON object per line, without the fields that the host fills.
#[derive(Debug)]
pub struct ItemValidator {
    quick: Option<Quick>,
    general: Validator,
}

impl ItemValidator {
    /// Compiles a schema that is derived from one that has passed [`crate::check::check`].
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaError> {
        Ok(Self { quick: Quick::of(schema), general: Validator::compile(schema)? })
    }

    /// Checks one line, without its line end.
    ///
    /// # Errors
    /// When it is no JSON, has a key twice in one object, or breaks a rule of the schema.
    pub fn check_line(&self, line: &str) -> Result<(), Violation> {
        if self.quick.as_ref().is_some_and(|quick| quick.surely_fits(line)) {
            return Ok(());
        }
        let value = strict_json::from_str(line).map_err(Violation::not_json)?;
        self.general.check(&value)
    }

    /// Checks an item that is already read.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, item: &Value) -> Result<(), Violation> {
        self.general.check(item)
    }
}

//! A quick look at the lines that components emit: most fit, and to see that takes neither a value in memory nor the
//! general validator.
//!
//! It says "fits" or nothing, never "does not fit". Whatever it does not understand (a keyword, an escape in a key, a
//! number with an exponent) is left to the general validator, which alone says what is wrong. So it may know less than
//! that one, but must never say "fits" where that one would not; a property test compares the two.

mod cursor;
mod rule;

use cursor::Cursor;
use rule::Rule;
use serde_json::Value;

/// The rules of a schema, as far as one look from left to right can check them.
#[derive(Debug)]
pub(crate) struct Quick(Rule);

impl Quick {
    /// Takes a schema that has passed [`crate::check::check`], or is derived from one that has; none if it has other
    /// rules than this module knows.
    pub(crate) fn of(schema: &Value) -> Option<Self> {
        Rule::of(schema, schema).map(Self)
    }

    /// Says whether the line is surely one JSON value without a key twice in one object, and fits.
    pub(crate) fn surely_fits(&self, line: &str) -> bool {
        Cursor::new(line).fits(&self.0)
    }
}

#[cfg(test)]
mod tests;

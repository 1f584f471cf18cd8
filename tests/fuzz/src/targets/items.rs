//! Items as a component emits them: strict JSON, checked against a schema by the quick look and by the general validator.

use super::{first_line, schema};
use palisade_model::{canonical, strict_json};
use serde_json::Value;

/// The first line is a schema or the name of one; the others are items.
pub(crate) fn run(bytes: &[u8]) {
    let Some((line, items)) = first_line(bytes) else { return };
    let Some(schema) = schema(line) else { return };
    let Ok(validator) = schema.item() else { return };
    for line in items.lines() {
        let checked = validator.check_line(line);
        let Ok(value) = strict_json::from_str(line) else {
            assert!(checked.is_err(), "what is no JSON fits: {line}");
            continue;
        };
        assert_eq!(checked.is_ok(), validator.check(&value).is_ok(), "{line}");
        let lenient: Value = serde_json::from_str(line).expect("what is strict JSON is JSON");
        assert_eq!(lenient, value);
        let written = canonical::to_vec(&value);
        let again: Value = serde_json::from_slice(&written).expect("the canonical form is JSON");
        assert_eq!(canonical::to_vec(&again), written, "the canonical form has another");
    }
}

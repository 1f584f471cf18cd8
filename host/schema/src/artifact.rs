//! One artifact schema with what is made from it.

use crate::check::{self, SchemaError};
use crate::derive;
use crate::stamp::{self, Stamps};
use crate::validator::{ItemValidator, Validator};
use palisade_model::{Digest, SchemaRef, canonical};
use serde_json::Value;
use std::sync::OnceLock;

/// The schema of an artifact: a document that is a metadata object and an array of items.
///
/// Validators are compiled when first asked for and then kept.
#[derive(Debug)]
pub struct ArtifactSchema {
    name: SchemaRef,
    json: Value,
    digest: Digest,
    /// Pointer into a document.
    items: String,
    /// Pointer to the array's subschema.
    array: String,
    stamps: Stamps,
    item: OnceLock<Result<ItemValidator, SchemaError>>,
    metadata: OnceLock<Result<Validator, SchemaError>>,
    document: OnceLock<Result<Validator, SchemaError>>,
}

impl ArtifactSchema {
    /// Checks the rules of `schemas/README.md` and takes the schema.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(name: SchemaRef, json: Value) -> Result<Self, SchemaError> {
        check::check(&json)?;
        let (items, array) = derive::item_array(&json)?;
        let stamps = stamp::find(&json, &array)?;
        let digest = canonical::digest(&json);
        let (item, metadata, document) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Self { name, json, digest, items, array, stamps, item, metadata, document })
    }

    /// Its name and version.
    #[must_use]
    pub fn name(&self) -> &SchemaRef {
        &self.name
    }

    /// The JSON Schema of the document, as published.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The digest of the schema's canonical form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// JSON pointer to the array of items in a document.
    #[must_use]
    pub fn items_pointer(&self) -> &str {
        &self.items
    }

    /// Says whether its items are findings with ids, which can be compared between runs.
    #[must_use]
    pub fn has_finding_ids(&self) -> bool {
        self.stamps.have_finding_id()
    }

    /// Says whether a text file may be given as an input of this schema.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        self.json.get("x-palisade-text").and_then(Value::as_bool) == Some(true)
    }

    /// The validator of items as they are emitted: without the fields that the host fills.
    ///
    /// # Errors
    /// When the schema can't be compiled.
    pub fn item(&self) -> Result<&ItemValidator, SchemaError> {
        let make = || derive::item_schema(&self.json, &self.array).and_then(|json| ItemValidator::compile(&json));
        self.item.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// The validator of metadata as it is emitted: the document without its items and the fields that the host fills.
    ///
    /// # Errors
    /// When the schema can't be compiled.
    pub fn metadata(&self) -> Result<&Validator, SchemaError> {
        let make = || derive::metadata_schema(&self.json, &self.array).and_then(|json| Validator::compile(&json));
        self.metadata.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// The validator of whole documents, stamps included: what an exported file fits.
    ///
    /// # Errors
    /// When the schema can't be compiled.
    pub fn document(&self) -> Result<&Validator, SchemaError> {
        self.document.get_or_init(|| Validator::compile(&self.json)).as_ref().map_err(Clone::clone)
    }

    pub(crate) fn stamps(&self) -> &Stamps {
        &self.stamps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> ArtifactSchema {
        let json = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "x-palisade-items": "/findings",
            "required": ["findings", "analysis_metadata"],
            "additionalProperties": false,
            "properties": {
                "findings": {"type": "array", "items": {"$ref": "#/$defs/finding"}},
                "analysis_metadata": {
                    "type": "object",
                    "required": ["ruleset", "at"],
                    "properties": {"ruleset": {"type": "string"}, "at": {"x-palisade-stamp": "time", "type": "string"}},
                },
            },
            "$defs": {"finding": {
                "type": "object",
                "required": ["id", "email"],
                "additionalProperties": false,
                "properties": {
                    "id": {"type": "string", "x-palisade-stamp": "finding-id", "x-palisade-id-of": ["/email"]},
                    "email": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"},
                },
            }},
        });
        ArtifactSchema::new("acme.x/1.0.0".parse().unwrap(), json).unwrap()
    }

    #[test]
    fn items_are_checked_without_their_stamps() {
        let schema = schema();
        let item = schema.item().unwrap();
        assert_eq!(item.check_line(r#"{"email": "abc"}"#), Ok(()));
        let wrong = |line: &str| item.check_line(line).unwrap_err();
        assert_eq!(wrong(r#"{"email": "abc", "id": "x"}"#).rule, "falseSchema");
        assert_eq!(wrong(r"{}").rule, "required");
        assert_eq!(wrong(r#"{"email": "a", "email": "b"}"#).rule, "json");
        assert_eq!(wrong(r#"{"email": 5}"#).path, "/email");
        assert_eq!(wrong(r#"{"email": "a", "x": 1}"#).rule, "additionalProperties");
    }

    #[test]
    fn a_violation_never_quotes_the_data() {
        let schema = schema();
        let secret = r#"{"email": "jane.doe@example.org"}"#;
        let violation = schema.item().unwrap().check_line(secret).unwrap_err();
        assert_eq!((violation.path.as_str(), violation.rule.as_str()), ("/email", "maxLength"));
        assert!(!violation.message.contains("jane"), "{violation:?}");
    }

    #[test]
    fn metadata_and_document_have_their_own_validators() {
        let schema = schema();
        let metadata = schema.metadata().unwrap();
        assert_eq!(metadata.check(&json!({"analysis_metadata": {"ruleset": "r"}})), Ok(()));
        assert!(metadata.check(&json!({"analysis_metadata": {"ruleset": "r", "at": "now"}})).is_err());
        assert!(metadata.check(&json!({"analysis_metadata": {"ruleset": "r"}, "findings": []})).is_err());
        let document = json!({
            "findings": [{"id": "1", "email": "a"}], "analysis_metadata": {"ruleset": "r", "at": "now"},
        });
        assert_eq!(schema.document().unwrap().check(&document), Ok(()));
    }
}

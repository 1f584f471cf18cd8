//! The canonical JSON form (RFC 8785, JCS): equal values have equal bytes, so a digest can name them.

use crate::digest::Digest;
use serde::Serialize;
use serde_json::Value;

/// Writes a value in canonical form.
#[must_use]
pub fn to_vec(value: &Value) -> Vec<u8> {
    // A `Value` has string keys and finite numbers, so it always has a canonical form.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// The digest of a value's canonical form.
#[must_use]
pub fn digest(value: &Value) -> Digest {
    Digest::of(&to_vec(value))
}

/// The digest of a large value's canonical form, without a copy of it as JSON. The value must have text keys and finite
/// numbers only.
#[must_use]
pub fn digest_of(value: &impl Serialize) -> Digest {
    Digest::of(&serde_json_canonicalizer::to_vec(value).unwrap_or_default())
}

/// The digest of an artifact: of its schema, of its item lines as emitted, and of its metadata.
#[must_use]
pub fn artifact_digest(schema: &crate::SchemaRef, items: Digest, metadata: &Value) -> Digest {
    digest(&serde_json::json!({
        "schema": schema.to_string(),
        "items": items.to_string(),
        "metadata": digest(metadata).to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_form_is_that_of_the_rfc() {
        // RFC 8785, section 3.2.4, in part.
        let value =
            json!({"numbers": [333_333_333.333_333_3, 1E30, 4.50, 2e-3, 1e-27], "literals": [null, true, false]});
        let text = String::from_utf8(to_vec(&value)).unwrap();
        assert_eq!(text, r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}"#);
    }

    #[test]
    fn an_artifact_is_named_by_schema_items_and_metadata() {
        let of = |schema: &str, items: &[u8], metadata| {
            artifact_digest(&schema.parse().unwrap(), Digest::of(items), &metadata)
        };
        let one = of("a/1.0.0", b"{}\n", json!({"x": 1, "y": 2}));
        assert_eq!(one, of("a/1.0.0", b"{}\n", json!({"y": 2, "x": 1})));
        assert_ne!(one, of("a/1.0.1", b"{}\n", json!({"x": 1, "y": 2})));
        assert_ne!(one, of("a/1.0.0", b"{ }\n", json!({"x": 1, "y": 2})));
        assert_ne!(one, of("a/1.0.0", b"{}\n", json!({"x": 1})));
    }
}

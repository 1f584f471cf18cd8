//! What a component says of itself, with the schemas that it brings: what `component add` does with it.

use super::support::schemas;
use palisade_model::manifest::marked;
use palisade_model::{Manifest, strict_json};
use palisade_schema::{ArtifactSchema, ConfigSchema};
use serde_json::{Value, json};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(json) = strict_json::from_str(text) else { return };
    // Beside a whole manifest each of its parts, which is a shorter way to them.
    schema(&json);
    config_schema(&json);
    let Ok(manifest) = serde_json::from_value::<Manifest>(json) else { return };
    let written = serde_json::to_value(&manifest).expect("a manifest can be written");
    assert_eq!(serde_json::from_value::<Manifest>(written).ok().as_ref(), Some(&manifest), "it is kept as another");
    if let Err(errors) = manifest.check() {
        assert!(!errors.is_empty(), "it is refused without a reason");
        return;
    }
    config_schema(&manifest.config_schema);
    let mut schemas = schemas().clone();
    for own in &manifest.schemas {
        schema(&own.json);
        if schemas.register(&own.schema, &own.json).is_ok() {
            assert!(schemas.register(&own.schema, &own.json).is_ok(), "the same schema is refused");
        }
    }
}

fn schema(json: &Value) {
    let Ok(schema) = ArtifactSchema::new("fuzz.schema/1.0.0".parse().expect("a name"), json.clone()) else { return };
    for validator in [schema.metadata(), schema.document()].into_iter().flatten() {
        let _ = validator.check(&json!({}));
        let _ = validator.check(json);
    }
    if let Ok(validator) = schema.item() {
        let _ = validator.check_line(&json.to_string());
    }
}

fn config_schema(json: &Value) {
    for mark in ["x-palisade-path", "x-palisade-connection", "x-palisade-database", "x-palisade-ruleset"] {
        let _ = marked(json, mark);
    }
    let Ok(schema) = ConfigSchema::new(json) else { return };
    let mut config = json!({});
    schema.fill_defaults(&mut config);
    let filled = config.clone();
    schema.fill_defaults(&mut config);
    assert_eq!(config, filled, "defaults that were filled in are filled in again");
    schema.coerce(&mut config);
    let _ = schema.validate(&config);
    let _ = schema.drop_unknown(&mut config);
}

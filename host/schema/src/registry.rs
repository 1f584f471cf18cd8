//! The artifact schemas that are known: those of Palisade and those that came with components.

use crate::artifact::ArtifactSchema;
use crate::builtin;
use crate::check::SchemaError;
use palisade_model::{SchemaRef, SchemaReq, canonical, neutral, strict_json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a schema is not taken into the registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Another schema has that name and version. A published schema never changes.
    #[error("schema `{schema}` is already known with other contents")]
    Conflict {
        /// Its name and version.
        schema: SchemaRef,
    },
    /// It breaks a rule.
    #[error("schema `{schema}` can't be taken")]
    Schema {
        /// Its name and version.
        schema: String,
        /// The rule.
        #[source]
        source: SchemaError,
    },
}

/// The artifact schemas that are known, by name and version.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    schemas: BTreeMap<SchemaRef, Arc<ArtifactSchema>>,
}

impl Registry {
    /// The schemas that come with Palisade.
    ///
    /// # Errors
    /// When one of them breaks a rule: a bug, which a test of this crate finds.
    pub fn builtin() -> Result<Self, RegisterError> {
        let mut registry = Self::default();
        for (name, text) in builtin::SCHEMAS {
            let wrong = |source| RegisterError::Schema { schema: (*name).to_owned(), source };
            let not_json = |message: &dyn std::fmt::Display| SchemaError::NotJson {
                message: neutral::line(&message.to_string(), 200),
            };
            let schema: SchemaRef = name.parse().map_err(|error| wrong(not_json(&error)))?;
            let json = strict_json::from_str(text).map_err(|error| wrong(not_json(&error)))?;
            registry.insert(schema, json)?;
        }
        Ok(registry)
    }

    /// Takes a schema that came with a component, and compiles it. One that is already known with the same contents
    /// changes nothing.
    ///
    /// # Errors
    /// When the name and version are taken by other contents, or the schema breaks a rule.
    pub fn register(&mut self, schema: &SchemaRef, json: &Value) -> Result<(), RegisterError> {
        let wrong = |source| RegisterError::Schema { schema: schema.to_string(), source };
        self.insert(schema.clone(), json.clone())?;
        let Some(taken) = self.schemas.get(schema).cloned() else { return Ok(()) };
        let compiled =
            taken.item().map(drop).and_then(|()| taken.metadata().map(drop)).and_then(|()| taken.document().map(drop));
        compiled.map_err(|source| {
            self.schemas.remove(schema);
            wrong(source)
        })
    }

    fn insert(&mut self, schema: SchemaRef, json: Value) -> Result<(), RegisterError> {
        if let Some(known) = self.schemas.get(&schema) {
            let same = known.digest() == canonical::digest(&json);
            return if same { Ok(()) } else { Err(RegisterError::Conflict { schema }) };
        }
        let taken = ArtifactSchema::new(schema.clone(), json)
            .map_err(|source| RegisterError::Schema { schema: schema.to_string(), source })?;
        self.schemas.insert(schema, Arc::new(taken));
        Ok(())
    }

    /// The schema of that name and version.
    #[must_use]
    pub fn get(&self, schema: &SchemaRef) -> Option<&Arc<ArtifactSchema>> {
        self.schemas.get(schema)
    }

    /// The newest schema that satisfies a requirement.
    #[must_use]
    pub fn resolve(&self, wanted: &SchemaReq) -> Option<&Arc<ArtifactSchema>> {
        self.iter().filter(|schema| wanted.accepts(schema.name())).max_by_key(|schema| schema.name().version())
    }

    /// All schemas, by name and then by version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ArtifactSchema>> {
        self.schemas.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn items(item: Value) -> Value {
        json!({"x-palisade-items": "/x", "properties": {"x": {"type": "array", "items": item}}})
    }

    #[test]
    fn every_schema_that_comes_with_palisade_compiles() {
        for schema in Registry::builtin().unwrap().iter() {
            schema.item().unwrap();
            schema.metadata().unwrap();
            schema.document().unwrap();
        }
    }

    #[test]
    fn a_published_schema_never_changes() {
        let mut registry = Registry::default();
        let name: SchemaRef = "acme.x/1.0.0".parse().unwrap();
        assert_eq!(registry.register(&name, &items(json!({"type": "object"}))), Ok(()));
        assert_eq!(registry.register(&name, &items(json!({"type": "object"}))), Ok(()));
        assert_eq!(
            registry.register(&name, &items(json!({"type": "string"}))),
            Err(RegisterError::Conflict { schema: name.clone() })
        );
        assert_eq!(registry.get(&name).unwrap().items_pointer(), "/x");
    }

    #[test]
    fn the_newest_that_satisfies_is_found() {
        let mut registry = Registry::default();
        for version in ["acme.x/1.9.0", "acme.x/1.10.0", "acme.x/2.0.0"] {
            registry.register(&version.parse().unwrap(), &items(json!({}))).unwrap();
        }
        let newest = |wanted: &str| registry.resolve(&wanted.parse().unwrap()).map(|schema| schema.name().to_string());
        assert_eq!(newest("acme.x/1").as_deref(), Some("acme.x/1.10.0"));
        assert_eq!(newest("acme.x").as_deref(), Some("acme.x/2.0.0"));
        assert_eq!(newest("acme.y"), None);
    }

    #[test]
    fn what_can_not_be_compiled_is_not_kept() {
        let mut registry = Registry::default();
        let name: SchemaRef = "acme.x/1.0.0".parse().unwrap();
        for pattern in ["(", "(?=a)b", "(a{999}){999}"] {
            let refused = registry.register(&name, &items(json!({"type": "string", "pattern": pattern})));
            assert!(matches!(refused, Err(RegisterError::Schema { .. })), "{pattern}: {refused:?}");
            assert!(registry.get(&name).is_none());
        }
    }
}

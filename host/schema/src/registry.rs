//! The artifact schemas that are known: those of Palisade and those that came with components.

use crate::artifact::ArtifactSchema;
use crate::builtin;
use crate::check::SchemaError;
use palisade_model::schema_ref::SchemaRefError;
use palisade_model::{SchemaRef, SchemaReq, canonical, neutral, strict_json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

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
    schemas: BTreeMap<SchemaRef, Arc<Entry>>,
}

/// A schema, and for one that comes with Palisade its text: it is read when it is first asked for, since a run needs few
/// of them.
#[derive(Debug)]
struct Entry {
    text: &'static str,
    schema: OnceLock<Result<Arc<ArtifactSchema>, RegisterError>>,
}

impl Entry {
    fn get(&self, name: &SchemaRef) -> Result<&Arc<ArtifactSchema>, RegisterError> {
        self.schema.get_or_init(|| read(name, self.text)).as_ref().map_err(Clone::clone)
    }
}

fn read(name: &SchemaRef, text: &str) -> Result<Arc<ArtifactSchema>, RegisterError> {
    let wrong = |source| RegisterError::Schema { schema: name.to_string(), source };
    let json = strict_json::from_str(text)
        .map_err(|error| wrong(SchemaError::NotJson { message: neutral::line(&error.to_string(), 200) }))?;
    ArtifactSchema::new(name.clone(), json).map(Arc::new).map_err(wrong)
}

impl Registry {
    /// The schemas that come with Palisade.
    ///
    /// # Errors
    /// When one of them has a name that none can have: a bug, which a test of this crate finds.
    pub fn builtin() -> Result<Self, RegisterError> {
        let entry = |(name, text): &(&str, &'static str)| {
            let message = |error: SchemaRefError| neutral::line(&error.to_string(), 200);
            let schema: SchemaRef = name.parse().map_err(|error| RegisterError::Schema {
                schema: (*name).to_owned(),
                source: SchemaError::NotJson { message: message(error) },
            })?;
            Ok((schema, Arc::new(Entry { text, schema: OnceLock::new() })))
        };
        let schemas = builtin::SCHEMAS.iter().map(entry).collect::<Result<_, RegisterError>>()?;
        Ok(Self { schemas })
    }

    /// Takes a schema that came with a component, and compiles it. One that is already known with the same contents
    /// changes nothing.
    ///
    /// # Errors
    /// When the name and version are taken by other contents, or the schema breaks a rule.
    pub fn register(&mut self, schema: &SchemaRef, json: &Value) -> Result<(), RegisterError> {
        if let Some(known) = self.schemas.get(schema) {
            let same = known.get(schema)?.digest() == canonical::digest(json);
            return if same { Ok(()) } else { Err(RegisterError::Conflict { schema: schema.clone() }) };
        }
        let wrong = |source| RegisterError::Schema { schema: schema.to_string(), source };
        let taken = ArtifactSchema::new(schema.clone(), json.clone()).map_err(wrong)?;
        taken.item().map_err(wrong)?;
        taken.metadata().map_err(wrong)?;
        taken.document().map_err(wrong)?;
        let entry = Entry { text: "", schema: OnceLock::from(Ok(Arc::new(taken))) };
        self.schemas.insert(schema.clone(), Arc::new(entry));
        Ok(())
    }

    /// The schema of that name and version.
    #[must_use]
    pub fn get(&self, schema: &SchemaRef) -> Option<&Arc<ArtifactSchema>> {
        self.schemas.get(schema)?.get(schema).ok()
    }

    /// The newest schema that satisfies a requirement.
    #[must_use]
    pub fn resolve(&self, wanted: &SchemaReq) -> Option<&Arc<ArtifactSchema>> {
        self.get(self.names().filter(|name| wanted.accepts(name)).max_by_key(|name| name.version())?)
    }

    /// The names and versions of all schemas, in order.
    pub fn names(&self) -> impl Iterator<Item = &SchemaRef> {
        self.schemas.keys()
    }

    /// All schemas, by name and then by version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ArtifactSchema>> {
        self.names().filter_map(|name| self.get(name))
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
        let registry = Registry::builtin().unwrap();
        for name in registry.names() {
            let schema = registry.schemas[name].get(name).unwrap();
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

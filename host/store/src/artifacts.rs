//! Artifacts: items and metadata of one schema, under their digest.

use crate::content::{self, Content, Pending};
use crate::fault::Fault;
use crate::store::Store;
use palisade_model::canonical::artifact_digest;
use palisade_model::{Digest, SchemaRef, TenantId};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;

/// An artifact to be stored.
#[derive(Debug)]
pub struct NewArtifact {
    digest: Digest,
    schema: SchemaRef,
    metadata: Value,
    pub(crate) items: Pending,
}

/// An artifact in the store.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Its digest: of schema, items and metadata.
    pub digest: Digest,
    /// The schema of its document.
    pub schema: SchemaRef,
    /// What its document holds beside the items.
    pub metadata: Value,
    /// Its items.
    pub items: Content,
}

impl NewArtifact {
    /// Puts the schema of a document, what it holds beside the items, and its items together.
    #[must_use]
    pub fn new(schema: SchemaRef, metadata: Value, items: Pending) -> Self {
        let digest = artifact_digest(&schema, items.content().digest(), &metadata);
        Self { digest, schema, metadata, items }
    }

    /// The digest under which it will be found.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The schema of its document.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Its items.
    #[must_use]
    pub const fn items(&self) -> &Content {
        self.items.content()
    }

    /// The artifact as it will be found: to be read as long as it lives, be it stored or not.
    #[must_use]
    pub fn unstored(&self) -> Artifact {
        let Self { digest, schema, metadata, items } = self;
        let (schema, metadata) = (schema.clone(), metadata.clone());
        Artifact { digest: *digest, schema, metadata, items: items.content().clone() }
    }
}

impl Store {
    /// Finds an artifact by its digest.
    ///
    /// # Errors
    /// When the database fails or is damaged.
    pub fn artifact(&self, digest: Digest) -> Result<Option<Artifact>, Fault> {
        let read = || {
            self.reader()
                .prepare_cached("SELECT schema, items, metadata FROM artifact WHERE tenant = ?1 AND digest = ?2")?
                .query_row(params![self.tenant().key(), digest.as_bytes()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, String>(2)?))
                })
                .optional()
        };
        let Some((schema, items, metadata)) = read().map_err(|error| self.fault(error))? else { return Ok(None) };
        let damaged = |what: &str| Fault::damaged(self.database(), format!("artifact {digest}: {what}"));
        let schema: SchemaRef = schema.parse().map_err(|_| damaged("its schema is no schema"))?;
        let metadata: Value = serde_json::from_str(&metadata).map_err(|_| damaged("its metadata is no JSON"))?;
        let items = Digest::from_bytes(items);
        if artifact_digest(&schema, items, &metadata) != digest {
            return Err(damaged("it does not have its digest"));
        }
        let items = self.content(items)?.ok_or_else(|| damaged("its items are missing"))?;
        Ok(Some(Artifact { digest, schema, metadata, items }))
    }
}

/// Writes the rows of an artifact. Says whether its items were new.
pub(crate) fn insert(connection: &Connection, tenant: &TenantId, artifact: &NewArtifact) -> rusqlite::Result<bool> {
    let is_new = content::insert(connection, tenant, &artifact.items)?;
    connection
        .prepare_cached(
            "INSERT INTO artifact (tenant, digest, schema, items, metadata) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (tenant, digest) DO NOTHING",
        )?
        .execute(params![
            tenant.key(),
            artifact.digest.as_bytes(),
            artifact.schema.to_string(),
            artifact.items.content().digest().as_bytes(),
            artifact.metadata.to_string(),
        ])?;
    Ok(is_new)
}

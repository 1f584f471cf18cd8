//! An artifact as a person reads it: its document with stamps filled in, streamed.

use crate::record::{Export, rfc3339};
use crate::run::RunError;
use palisade_model::json_text;
use palisade_schema::{
    ArtifactSchema, DocumentReadError, DocumentWriter, ExportError, FindingId, Registry, Stamper, read_document,
};
use palisade_store::{Artifact, Fault, NewArtifact, Store};
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;

/// Most bytes of what stands beside the items of an input: a component gets it in one piece, as long as its own may be.
pub const MAX_METADATA_BYTES: usize = 1 << 20;
/// Bytes of items that are read at once.
const BATCH_BYTES: usize = 256 << 10;

/// An exported artifact, opened.
#[derive(Debug, Clone)]
pub struct Document {
    export: Export,
    schema: Arc<ArtifactSchema>,
    artifact: Artifact,
}

/// Why a document can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The store can't be read.
    #[error("the store can't be read")]
    Store(#[from] Fault),
    /// It is not in the store.
    #[error("artifact `{name}` is not in the store")]
    Missing {
        /// Its name.
        name: String,
    },
    /// Somebody had it erased.
    #[error("artifact `{name}` was erased at {at}")]
    Erased {
        /// Its name.
        name: String,
        /// When, RFC 3339 in UTC.
        at: String,
    },
    /// It can't be written, or an item is damaged.
    #[error("the document can't be written")]
    Export(#[from] ExportError),
    /// An item is damaged.
    #[error("item {item} of artifact `{name}` is damaged")]
    Item {
        /// The artifact.
        name: String,
        /// The item's number from 0.
        item: u64,
    },
    /// Whoever takes the items failed.
    #[error(transparent)]
    Taker(#[from] std::io::Error),
}

impl DocumentError {
    fn erased(name: String, at_ms: u64) -> Self {
        Self::Erased { name, at: rfc3339(at_ms) }
    }
}

/// Takes a document that a runbook states itself as an artifact, not stored yet.
///
/// # Errors
/// When it does not fit its schema, is too large beside its items, or the store takes no more.
pub fn default_artifact(document: &Value, schema: &ArtifactSchema, store: &Store) -> Result<NewArtifact, RunError> {
    let mut spool = store.spool(0);
    let text = document.to_string();
    let metadata = read_document(schema, text.as_bytes(), &mut |item| {
        spool.append(format!("{item}\n").as_bytes()).map(drop).map_err(std::io::Error::other)
    })?;
    if metadata.to_string().len() > MAX_METADATA_BYTES {
        let large = std::io::Error::other("what stands beside the items has more than 1 MiB");
        return Err(DocumentReadError::Read(large).into());
    }
    let items = store.join(vec![spool])?;
    Ok(NewArtifact::new(schema.name().clone(), metadata, items))
}

impl Document {
    /// Opens an exported artifact.
    ///
    /// # Errors
    /// When it, or its schema, is not there.
    pub fn open(store: &Store, schemas: &Registry, export: &Export) -> Result<Self, DocumentError> {
        let missing = || DocumentError::Missing { name: export.name.to_string() };
        let schema = schemas.get(&export.schema).cloned().ok_or_else(missing)?;
        let Some(artifact) = store.artifact(export.artifact)? else {
            let erased = store.erased(export.artifact)?;
            return Err(erased.map_or_else(missing, |at_ms| DocumentError::erased(export.name.to_string(), at_ms)));
        };
        Ok(Self { export: export.clone(), schema, artifact })
    }

    /// Which export it is.
    #[must_use]
    pub fn export(&self) -> &Export {
        &self.export
    }

    /// What it holds beside its items, stamps filled in.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let mut metadata = self.artifact.metadata.clone();
        Stamper::new(&self.schema, self.export.started_ms).metadata(&mut metadata);
        metadata
    }

    /// Where in the document its items are, as a JSON pointer.
    #[must_use]
    pub fn items_pointer(&self) -> &str {
        self.schema.items_pointer()
    }

    /// Writes the whole document as JSON.
    ///
    /// # Errors
    /// When the items can't be read or `out` takes no more.
    pub fn write(&self, out: impl Write) -> Result<(), DocumentError> {
        let mut writer =
            DocumentWriter::begin(&self.schema, self.artifact.metadata.clone(), self.export.started_ms, out)?;
        self.lines(|_, line| Ok(writer.item(line)?))?;
        writer.finish()?.flush()?;
        Ok(())
    }

    /// Hands out each item, stamps filled in.
    ///
    /// # Errors
    /// When the items can't be read or `take` fails.
    pub fn for_each(&self, take: &mut dyn FnMut(Value) -> std::io::Result<()>) -> Result<(), DocumentError> {
        let mut stamper = Stamper::new(&self.schema, self.export.started_ms);
        self.lines(|number, line| {
            let damaged = |_| DocumentError::Item { name: self.export.name.to_string(), item: number };
            Ok(take(stamper.item(line).map_err(damaged)?)?)
        })
    }

    /// Hands out each item as it was emitted, stamps missing: for counting.
    ///
    /// # Errors
    /// When the items can't be read or `take` fails.
    pub fn for_each_line(&self, take: &mut dyn FnMut(&str) -> std::io::Result<()>) -> Result<(), DocumentError> {
        self.lines(|_, line| Ok(take(line)?))
    }

    /// Says whether its items are findings with ids.
    #[must_use]
    pub fn has_finding_ids(&self) -> bool {
        self.schema.has_finding_ids()
    }

    /// Hands out each finding: its number from 0, its id, and the item as it was emitted, stamps missing. Ids are not
    /// stored, so each item has to be read for it. Nothing if they have none.
    ///
    /// # Errors
    /// When the items can't be read.
    pub fn for_each_id(&self, take: &mut dyn FnMut(u64, FindingId, &str)) -> Result<(), DocumentError> {
        if !self.has_finding_ids() {
            return Ok(());
        }
        let mut stamper = Stamper::new(&self.schema, self.export.started_ms);
        self.lines(|number, line| {
            let damaged = |_| DocumentError::Item { name: self.export.name.to_string(), item: number };
            if let Some(id) = stamper.id(line).map_err(damaged)? {
                take(number, id, line);
            }
            Ok(())
        })
    }

    fn lines(&self, mut take: impl FnMut(u64, &str) -> Result<(), DocumentError>) -> Result<(), DocumentError> {
        let mut reader = self.artifact.items.items();
        let mut buffer = Vec::new();
        while let Some(batch) = reader.next(BATCH_BYTES, &mut buffer)? {
            let damaged = |_| DocumentError::Item { name: self.export.name.to_string(), item: batch.first };
            let text = std::str::from_utf8(&buffer).map_err(damaged)?;
            for (number, line) in (batch.first..).zip(json_text::lines(text)) {
                take(number, line)?;
            }
        }
        Ok(())
    }
}

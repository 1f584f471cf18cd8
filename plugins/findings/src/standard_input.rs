//! What connectors emit: the texts of `standard_input`, and what their document says beside them.

use palisade_sdk::{Bytes, Context, Line, Metadata, Result};
use serde::Serialize;

use crate::DOCUMENTS;

/// Makes the items of a connector.
#[derive(Debug)]
pub struct Texts<'c> {
    ctx: &'c Context,
    connector_type: &'static str,
    most_bytes: u64,
}

impl<'c> Texts<'c> {
    /// Prepares for a connector; the items name it so.
    pub fn new(ctx: &'c Context, connector_type: &'static str) -> Self {
        Self { ctx, connector_type, most_bytes: ctx.limits().call_bytes().unwrap_or(u64::MAX) }
    }

    /// The bytes that an item must stay below.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// Makes the item of a text from `source`, a path or what stands for one, as a line of JSON; `more` is what its
    /// metadata says beside. An item that is too large for the host is recorded as left out, and there is none.
    pub fn line(&self, content: &str, source: &str, more: &impl Serialize) -> Result<Option<Line>> {
        #[derive(Serialize)]
        struct Item<'a, M> {
            content: &'a str,
            metadata: ItemMetadata<'a, M>,
        }
        #[derive(Serialize)]
        struct ItemMetadata<'a, M> {
            source: &'a str,
            connector_type: &'static str,
            context: Empty,
            #[serde(flatten)]
            more: &'a M,
        }
        let metadata = ItemMetadata { source, connector_type: self.connector_type, context: Empty {}, more };
        let line = Line::of(&Item { content, metadata })?;
        if line.bytes() < self.most_bytes {
            return Ok(Some(line));
        }
        self.ctx.skip(source, self.too_large(line.bytes()));
        Ok(None)
    }

    /// Why so many bytes are left out.
    pub fn too_large(&self, bytes: u64) -> String {
        let (bytes, most) = (Bytes(bytes), Bytes(self.most_bytes));
        format!("{bytes} do not fit into one item, which must be smaller than {most} (limit `call-bytes`)")
    }
}

/// An object without members.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Empty {}

/// What a document of texts says beside them; `M` is particular to the connector.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TextsMetadata<'a, M> {
    /// What the document is called.
    pub name: String,
    /// What it holds, for people.
    pub description: String,
    /// The encoding that the texts had.
    pub content_encoding: &'a str,
    /// Where they are from, as the runbook writes it.
    pub source: &'a str,
    /// What the connector knows beside.
    pub metadata: M,
}

impl<M: Serialize> TextsMetadata<'_, M> {
    /// The metadata as `finish` returns them.
    pub fn finish(&self) -> Result<Vec<Metadata>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a, T> {
            schema_version: &'static str,
            #[serde(flatten)]
            texts: &'a T,
        }
        Ok(vec![Metadata::new(DOCUMENTS, &Document { schema_version: "1.0.0", texts: self })?])
    }
}

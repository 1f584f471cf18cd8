//! The items of `standard_input` and `source_code`, as far as analysers look at them. Borrowed from the batch.

use std::borrow::Cow;

use palisade_sdk::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::finding::Origin;

/// The schema of artifacts whose items are source files.
const SOURCE_CODE: &str = "source_code";

/// A text to look through.
#[derive(Debug)]
pub struct Document<'a> {
    /// The text.
    pub content: Cow<'a, str>,
    /// Where it is from.
    pub origin: Origin<'a>,
}

/// A source file of `source_code`.
#[derive(Debug, Deserialize)]
pub struct File<'a> {
    /// Its path.
    #[serde(borrow)]
    pub file_path: Cow<'a, str>,
    /// Its text.
    #[serde(borrow)]
    pub raw_content: Cow<'a, str>,
}

/// An item of `standard_input`.
#[derive(Deserialize)]
struct StandardItem<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    metadata: StandardMetadata<'a>,
}

/// What an item of `standard_input` says of itself.
#[derive(Deserialize)]
struct StandardMetadata<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
}

/// An item of either schema.
#[derive(Debug)]
pub enum Item<'a> {
    /// Of `standard_input`.
    Text(Document<'a>),
    /// Of `source_code`.
    File(File<'a>),
}

impl<'a> Item<'a> {
    /// The item as one text, whatever its schema.
    pub fn into_document(self) -> Document<'a> {
        match self {
            Self::Text(document) => document,
            Self::File(file) => Document { content: file.raw_content, origin: Origin::new(file.file_path) },
        }
    }
}

/// Calls `work` for each item of the port [`DOCUMENTS`](crate::DOCUMENTS), read as the schema of its artifact says.
pub fn for_each_document(ctx: &Context, mut work: impl FnMut(Item<'_>) -> Result<()>) -> Result<()> {
    for reader in ctx.inputs(crate::DOCUMENTS) {
        let is_source_code = reader.info().schema == SOURCE_CODE;
        reader.for_each(|item| {
            if is_source_code {
                return work(Item::File(item.parse()?));
            }
            let StandardItem { content, metadata } = item.parse()?;
            let origin = Origin { context: metadata.context, ..Origin::new(metadata.source) };
            work(Item::Text(Document { content, origin }))
        })?;
    }
    Ok(())
}

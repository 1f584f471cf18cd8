//! The items of an artifact, one after the other. Only a batch of them is in memory.

use crate::run::RunError;
use palisade_store::{Artifact, Fault, ItemsReader, NewArtifact, Store};

/// Bytes of items that are read at once.
const BATCH_BYTES: usize = 256 << 10;

/// Hands out items with their numbers, from 0.
#[derive(Debug)]
pub(crate) struct Feed {
    reader: ItemsReader,
    batch: Vec<u8>,
    offset: usize,
    next: u64,
    ended: bool,
}

impl Feed {
    pub(crate) fn new(reader: ItemsReader) -> Self {
        Self { reader, batch: Vec::new(), offset: 0, next: 0, ended: false }
    }

    /// The number of the next item.
    pub(crate) const fn number(&self) -> u64 {
        self.next
    }

    /// Hands out nothing more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.batch = Vec::new();
    }

    /// The next item with its number and its line end; none when there is no more.
    ///
    /// # Errors
    /// When the items can't be read.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        if self.ended {
            return Ok(None);
        }
        if self.offset == self.batch.len() {
            self.offset = 0;
            if self.reader.next(BATCH_BYTES, &mut self.batch)?.is_none() {
                self.end();
                return Ok(None);
            }
        }
        let rest = self.batch.get(self.offset..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |feed| feed + 1);
        let line = rest.get(..length).unwrap_or_default().to_vec();
        self.offset += length;
        let number = self.next;
        self.next += 1;
        Ok(Some((number, line)))
    }
}

/// Hands out the items of a map over a child, each as an artifact of its own with what stands beside all of them.
pub(crate) struct ItemFeed {
    artifact: Artifact,
    feed: Feed,
}

impl ItemFeed {
    pub(crate) fn new(artifact: Artifact) -> Self {
        let feed = Feed::new(artifact.items.items());
        Self { artifact, feed }
    }

    /// The item of that number, from 1; none if there is no such. One that stands before the last is looked for from the
    /// beginning: that is so only where a run was taken up, or an item is tried again.
    ///
    /// # Errors
    /// When the items can't be read or kept.
    pub(crate) fn artifact(&mut self, number: u32, store: &Store) -> Result<Option<NewArtifact>, RunError> {
        let number = u64::from(number).saturating_sub(1);
        if number < self.feed.number() {
            self.feed = Feed::new(self.artifact.items.items());
        }
        while let Some((found, line)) = self.feed.next()? {
            if found == number {
                let mut spool = store.spool(0);
                spool.append(&line)?;
                let (schema, metadata) = (self.artifact.schema.clone(), self.artifact.metadata.clone());
                return Ok(Some(NewArtifact::new(schema, metadata, store.join(vec![spool])?)));
            }
        }
        Ok(None)
    }
}

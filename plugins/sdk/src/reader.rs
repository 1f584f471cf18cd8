//! Owns reading: the artifacts wired to a port, their batches, their items.
//!
//! Never holds more than one batch. UTF-8 is checked once per batch, so that items are `&str` and parse without copies.

use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned};

use crate::{
    Failure, Result,
    host::{self, ReadItems},
};

/// What is known of an artifact before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Name of its schema.
    pub schema: String,
    /// Version of its schema, `major.minor.patch`.
    pub version: String,
    /// Items that the reader hands out: of this part, if the step is sharded.
    pub item_count: u64,
    /// Bytes of those items.
    pub byte_count: u64,
    /// Metadata object of the artifact, JSON text, at most 1 MiB.
    pub metadata: String,
}

impl Info {
    /// Parses the metadata. Fails with `bad-input` if it has another shape than `T`.
    pub fn metadata<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_str(&self.metadata)
            .map_err(|error| Failure::bad_input(format!("metadata of a `{}` artifact: {error}", self.schema)))
    }
}

/// A cursor over the items of one artifact. Only the batch is in memory.
#[derive(Debug)]
pub struct Reader {
    port: String,
    inner: host::Reader,
}

impl Reader {
    pub(crate) fn new(port: String, inner: host::Reader) -> Self {
        Self { port, inner }
    }

    /// The host's end of it.
    pub(crate) fn inner(&self) -> &host::Reader {
        &self.inner
    }

    /// Returns the input port that it is wired to; of what a tool made, its output port.
    pub fn port(&self) -> &str {
        &self.port
    }

    /// Asks the host what it knows of the artifact. Crosses the border: call it once.
    pub fn info(&self) -> Info {
        self.inner.info()
    }

    /// Reads the next whole items, about 256 KiB of them; `None` at the end, and again on every later call.
    ///
    /// Fails if the host refuses, or with `bad-input` if the bytes are not UTF-8.
    pub fn next_batch(&self) -> Result<Option<Batch<'_>>> {
        self.next_batch_of(0)
    }

    /// As [`Reader::next_batch`], about `max_bytes` large; at least one item, even if that one is larger.
    pub fn next_batch_of(&self, max_bytes: u32) -> Result<Option<Batch<'_>>> {
        let Some((first, bytes)) = self.inner.next(max_bytes)? else { return Ok(None) };
        let text = String::from_utf8(bytes)
            .map_err(|error| Failure::bad_input(format!("items are not UTF-8: {error}")).at(self.port(), first))?;
        Ok(Some(Batch { port: &self.port, first, text }))
    }

    /// Calls `work` for each item that is left, in order; stops at the first error.
    ///
    /// The quickest way to read: items borrow from the batch.
    pub fn for_each(&self, mut work: impl FnMut(Item<'_>) -> Result<()>) -> Result<()> {
        while let Some(batch) = self.next_batch()? {
            for item in batch.items() {
                work(item)?;
            }
        }
        Ok(())
    }
}

/// Whole items in order, as JSON Lines.
#[derive(Debug, Clone)]
pub struct Batch<'r> {
    port: &'r str,
    first: u64,
    text: String,
}

impl Batch<'_> {
    /// Returns the number of its first item in the artifact, from 0.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Returns all of its lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Iterates over its items.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        (self.first..).zip(self.text.lines()).map(|(number, line)| Item { port: self.port, number, line })
    }
}

/// One item: a line of JSON with its number.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    port: &'a str,
    number: u64,
    line: &'a str,
}

impl<'a> Item<'a> {
    /// Returns its number in the artifact, from 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns its JSON text.
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// Parses it; `T` may borrow, as with `Cow<str>` fields marked `#[serde(borrow)]`.
    ///
    /// Fails with `bad-input`, port and item number.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T> {
        serde_json::from_str(self.line).map_err(|error| self.bad_input(error.to_string()))
    }

    /// Makes a `bad-input` failure that points at this item.
    pub fn bad_input(&self, message: impl Into<String>) -> Failure {
        Failure::bad_input(message).at(self.port, self.number)
    }
}

/// Iterates over the parsed items of all artifacts of one port; made by [`Context::items`](crate::Context::items).
#[derive(Debug)]
pub struct Items<'c, T> {
    numbered: NumberedItems<'c, T>,
}

impl<'c, T> Items<'c, T> {
    pub(crate) fn new(readers: Vec<&'c Reader>, problem: Option<Failure>) -> Self {
        let readers = readers.into_iter();
        Self { numbered: NumberedItems { readers, batch: None, problem, item: PhantomData } }
    }

    /// Gives each item with its number in its artifact, from 0.
    pub fn numbered(self) -> NumberedItems<'c, T> {
        self.numbered
    }
}

impl<T: DeserializeOwned> Iterator for Items<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.numbered.next()?.map(|(_, item)| item))
    }
}

/// Iterates over numbered items; made by [`Items::numbered`].
#[derive(Debug)]
pub struct NumberedItems<'c, T> {
    readers: std::vec::IntoIter<&'c Reader>,
    batch: Option<Cursor<'c>>,
    problem: Option<Failure>,
    item: PhantomData<fn() -> T>,
}

/// A batch with the place up to which it was read. An iterator over its lines would borrow from its own struct.
#[derive(Debug)]
struct Cursor<'c> {
    reader: &'c Reader,
    batch: Batch<'c>,
    next: u64,
    rest: usize,
}

impl Cursor<'_> {
    fn take(&mut self) -> Option<Item<'_>> {
        let rest = self.batch.text.get(self.rest..).filter(|rest| !rest.is_empty())?;
        let (line, used) = match rest.find('\n') {
            Some(end) => (rest.get(..end)?, end + 1),
            None => (rest, rest.len()),
        };
        let number = self.next;
        self.next += 1;
        self.rest += used;
        Some(Item { port: self.batch.port, number, line })
    }
}

impl<T: DeserializeOwned> Iterator for NumberedItems<'_, T> {
    type Item = Result<(u64, T)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.problem.take() {
            return Some(Err(problem));
        }
        loop {
            let reader = match &mut self.batch {
                None => self.readers.next()?,
                Some(cursor) => match cursor.take() {
                    Some(item) => return Some(item.parse().map(|parsed| (item.number(), parsed))),
                    None => cursor.reader,
                },
            };
            self.batch = match reader.next_batch() {
                Ok(batch) => batch.map(|batch| Cursor { reader, next: batch.first, rest: 0, batch }),
                Err(failure) => {
                    self.batch = None;
                    return Some(Err(failure));
                }
            };
        }
    }
}

//! Reading items in batches of whole lines, and cutting them into parts. Only the batch is in memory.

use crate::content::{Content, Mark};
use crate::fault::Fault;
use std::fs::File;

/// Bytes that are read at once to find a place to cut.
const SCAN_BYTES: usize = 64 << 10;

/// A cursor over the items of a content, or of a part of it. Independent of every other.
#[derive(Debug)]
pub struct ItemsReader {
    content: Content,
    part: Part,
    at: Mark,
    open: Option<(usize, File)>,
}

/// Items that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    start: Mark,
    end: Mark,
}

/// What a batch holds; its bytes are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Number of the first item in the whole content, from 0.
    pub first: u64,
    /// How many items.
    pub items: u64,
}

impl Part {
    /// Number of the first item in the whole content, from 0.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.start.line
    }

    /// How many items.
    #[must_use]
    pub const fn items(&self) -> u64 {
        self.end.line - self.start.line
    }

    /// How many bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.end.byte - self.start.byte
    }
}

impl ItemsReader {
    pub(crate) fn new(content: Content) -> Self {
        let start = Mark { byte: 0, line: 0 };
        let part = Part { start, end: Mark { byte: content.length(), line: content.lines() } };
        Self { content, part, at: start, open: None }
    }

    /// A reader of one of the parts that [`ItemsReader::split`] gave.
    #[must_use]
    pub fn part(&self, part: Part) -> Self {
        Self { content: self.content.clone(), part, at: part.start, open: None }
    }

    /// The items that this reader hands out in all.
    #[must_use]
    pub const fn range(&self) -> Part {
        self.part
    }

    /// Reads the next whole items into `buffer`, in place of what it holds: about `max_bytes` of them, at least one
    /// even if it is larger, none at the end.
    ///
    /// # Errors
    /// When a file can't be read, or an item has no end.
    pub fn next(&mut self, max_bytes: usize, buffer: &mut Vec<u8>) -> Result<Option<Batch>, Fault> {
        if self.at.byte >= self.part.end.byte {
            buffer.clear();
            return Ok(None);
        }
        let mut wanted = max_bytes.max(1);
        loop {
            let all = self.fill(self.at.byte, wanted, buffer)?;
            // An item that is larger than what was asked for comes alone.
            let grown = wanted > max_bytes.max(1);
            let feed = if grown { memchr::memchr(b'\n', buffer) } else { memchr::memrchr(b'\n', buffer) };
            if let Some(feed) = feed {
                buffer.truncate(feed + 1);
                let items = memchr::memchr_iter(b'\n', buffer).count() as u64;
                let first = self.at.line;
                self.at = Mark { byte: self.at.byte + buffer.len() as u64, line: first + items };
                return Ok(Some(Batch { first, items }));
            }
            if all {
                return Err(Fault::damaged(&self.content.place_name(), "an item has no end"));
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    /// Cuts the items into at most `parts` parts of about equal length, none without items. Reads little: about 256 KiB
    /// for each cut.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn split(&mut self, parts: usize) -> Result<Vec<Part>, Fault> {
        let Part { start, end } = self.part;
        let parts = parts.max(1) as u128;
        let mut cuts = vec![start];
        for number in 1..parts {
            let target = start.byte + (u128::from(end.byte - start.byte) * number / parts) as u64;
            let cut = self.cut(target)?;
            if cuts.last().is_some_and(|last| cut.byte > last.byte) && cut.byte < end.byte {
                cuts.push(cut);
            }
        }
        cuts.push(end);
        Ok(cuts.windows(2).filter_map(|pair| Some(Part { start: *pair.first()?, end: *pair.last()? })).collect())
    }

    /// The first place behind a line feed at or after `target`.
    fn cut(&mut self, target: u64) -> Result<Mark, Fault> {
        let marks = self.content.marks();
        let before = marks.partition_point(|mark| mark.byte <= target);
        let marked = before.checked_sub(1).and_then(|last| marks.get(last)).copied();
        let mut at = marked.filter(|mark| mark.byte > self.part.start.byte).unwrap_or(self.part.start);
        if at.byte == target {
            return Ok(at);
        }
        let mut buffer = Vec::new();
        while at.byte < self.part.end.byte {
            self.fill(at.byte, SCAN_BYTES, &mut buffer)?;
            // The line feed that ends the line in which the target lies is at `target - 1` or behind it.
            let from = usize::try_from((target - 1).saturating_sub(at.byte)).unwrap_or(usize::MAX);
            let feed = buffer.get(from..).and_then(|behind| memchr::memchr(b'\n', behind));
            let seen = feed.map_or(buffer.len(), |feed| from + feed + 1);
            let passed = buffer.get(..seen).unwrap_or_default();
            at.byte += seen as u64;
            at.line += memchr::memchr_iter(b'\n', passed).count() as u64;
            if feed.is_some() {
                return Ok(at);
            }
        }
        Ok(self.part.end)
    }

    /// Reads up to `wanted` bytes from `position` on, not over the end of the part or of a segment. Says whether it came
    /// to such an end.
    fn fill(&mut self, position: u64, wanted: usize, buffer: &mut Vec<u8>) -> Result<bool, Fault> {
        let left = self.part.end.byte - position;
        if let Some(bytes) = self.content.memory() {
            let from = usize::try_from(position).unwrap_or(usize::MAX);
            let size = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
            buffer.clear();
            buffer.extend_from_slice(bytes.get(from..).and_then(|rest| rest.get(..size)).unwrap_or_default());
            return Ok(size as u64 == left);
        }
        let content = self.content.clone();
        let mut start = 0;
        for (index, segment) in content.segments().iter().enumerate() {
            let end = start + segment.length;
            if position < end {
                let left = left.min(end - position);
                let size = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
                buffer.resize(size, 0);
                let file = match self.open.take() {
                    Some((open, file)) if open == index => file,
                    _ => content.open(segment)?,
                };
                content.read(&file, segment, buffer, position - start)?;
                self.open = Some((index, file));
                return Ok(size as u64 == left);
            }
            start = end;
        }
        Err(Fault::damaged(&content.place_name(), "it is shorter than it was"))
    }
}

//! All bytes of a content, a piece at a time: for what need not fit into memory. Their digest is checked at the end.

use crate::content::Content;
use crate::fault::Fault;
use palisade_model::digest::Hasher;
use std::fs::File;
use std::io::{self, Read};

/// A reader of a content from the first byte to the last. Who has come to its end has read what was stored.
#[derive(Debug)]
pub struct ContentBytes {
    content: Content,
    /// The segment that is read, its file once it is open, and how far it was read.
    segment: usize,
    file: Option<File>,
    at: u64,
    hasher: Option<Hasher>,
}

impl ContentBytes {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, segment: 0, file: None, at: 0, hasher: Some(Hasher::new()) }
    }

    fn piece(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if let Some(bytes) = self.content.memory() {
            let from = usize::try_from(self.at).unwrap_or(usize::MAX);
            let rest = bytes.get(from..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            let taken = rest.get(..length).unwrap_or_default();
            buffer.get_mut(..length).unwrap_or_default().copy_from_slice(taken);
            self.at += length as u64;
            return Ok(length);
        }
        while let Some(segment) = self.content.segments().get(self.segment) {
            let rest = segment.length.saturating_sub(self.at);
            if rest == 0 {
                (self.segment, self.file, self.at) = (self.segment + 1, None, 0);
                continue;
            }
            let file = match self.file.take() {
                Some(file) => file,
                None => self.content.open(segment)?,
            };
            let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
            let wanted = buffer.get_mut(..length).unwrap_or_default();
            self.content.read(&file, segment, wanted, self.at)?;
            self.file = Some(file);
            self.at += length as u64;
            return Ok(length);
        }
        Ok(0)
    }
}

impl Read for ContentBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let length = self.piece(buffer).map_err(io::Error::other)?;
        match (&mut self.hasher, length) {
            (Some(hasher), 1..) => hasher.update(buffer.get(..length).unwrap_or_default()),
            (hasher, 0) => {
                let found = hasher.take().map(Hasher::finish);
                if found.is_some_and(|found| found != self.content.digest()) {
                    return Err(io::Error::other(self.content.damaged()));
                }
            }
            (None, 1..) => {}
        }
        Ok(length)
    }
}

//! Bytes on their way into the store: counted and hashed as they come, in memory while they are few.

use crate::backend::Backend;
use crate::content::{Counted, MAX_INLINE_BYTES, Mark, Pending};
use crate::fault::Fault;
use crate::session::{SegmentFile, Session};
use palisade_model::digest::Hasher;
use std::sync::Arc;

/// Bytes between two marks, about: what is read at most to cut a content at a given place.
const MARK_EVERY: usize = 256 << 10;
/// Bytes that are gathered before they are written: small appends cost no call each.
const WRITE_BUFFER: usize = 256 << 10;
/// Bytes that are read at once to hash what another part wrote.
const HASH_BUFFER: usize = 1 << 20;

/// Takes lines and keeps them out of memory: at most 256 KiB are held. Dropped, they are gone.
#[derive(Debug)]
pub struct Spool {
    backend: Arc<dyn Backend>,
    session: Arc<Session>,
    /// Bytes that are not in the file yet.
    buffer: Vec<u8>,
    file: Option<SegmentFile>,
    length: u64,
    lines: u64,
    marks: Vec<Mark>,
    hasher: Option<Hasher>,
    failed: bool,
}

/// Why bytes can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The bytes are not whole lines, each ended by a line feed.
    #[error("the bytes do not end with a line feed")]
    NotLines,
    /// An earlier append failed, so that it is not known what was written.
    #[error("an earlier append failed")]
    Failed,
    /// The disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Spool {
    /// Starts without bytes. What comes first in the joined content is best hashed as it is written.
    pub(crate) fn new(backend: Arc<dyn Backend>, session: Arc<Session>, hash_as_written: bool) -> Self {
        Self {
            backend,
            session,
            buffer: Vec::new(),
            file: None,
            length: 0,
            lines: 0,
            marks: Vec::new(),
            hasher: hash_as_written.then(Hasher::new),
            failed: false,
        }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Lines so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// An append failed: it is not known what was written.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Appends whole lines; none is fine. Returns how many they were.
    ///
    /// # Errors
    /// When the last line has no line feed (nothing is appended then), the disk fails, or it failed before.
    pub fn append(&mut self, lines: &[u8]) -> Result<u64, SpoolError> {
        if !lines.is_empty() && !lines.ends_with(b"\n") {
            return Err(SpoolError::NotLines);
        }
        if self.failed {
            return Err(SpoolError::Failed);
        }
        self.failed = true;
        self.write(lines)?;
        let before = self.lines;
        self.count(lines);
        self.failed = false;
        Ok(self.lines - before)
    }

    /// Takes over the lines of another spool, behind its own. What the other has in a file is copied.
    ///
    /// # Errors
    /// When the disk fails, or failed before for either of them.
    pub fn absorb(&mut self, other: Self) -> Result<(), SpoolError> {
        if other.failed {
            return Err(SpoolError::Failed);
        }
        if let Some(file) = &other.file {
            let written = other.length - other.buffer.len() as u64;
            let (mut offset, mut wanted, mut buffer) = (0, HASH_BUFFER as u64, Vec::new());
            while offset < written {
                let size = (written - offset).min(wanted);
                buffer.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
                self.backend.read_at(&file.file, &mut buffer, offset).map_err(|error| Fault::io(&file.path, error))?;
                // Whole lines only; one that is longer than the buffer needs a longer buffer.
                match memchr::memrchr(b'\n', &buffer) {
                    Some(feed) => {
                        self.append(buffer.get(..=feed).unwrap_or_default())?;
                        offset += feed as u64 + 1;
                    }
                    None if size == written - offset => return Err(SpoolError::NotLines),
                    None => wanted = wanted.saturating_mul(2),
                }
            }
        }
        self.append(&other.buffer).map(drop)
    }

    /// Takes bytes of any form. After an error the spool is of no more use.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write(bytes)?;
        self.count(bytes);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        let held = self.buffer.len().saturating_add(bytes.len());
        if held <= if self.file.is_some() { WRITE_BUFFER } else { MAX_INLINE_BYTES } {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(self.session.create()?);
        }
        if held <= WRITE_BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        self.put(bytes)
    }

    /// Writes what is held to the file, if there is one.
    fn flush(&mut self) -> Result<(), Fault> {
        if self.file.is_some() {
            self.put(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn put(&self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(file) = &self.file else { return Ok(()) };
        self.backend.append(&file.file, bytes).map_err(|error| Fault::io(&file.path, error))
    }

    /// Counts lines and sets marks, each behind a line feed, as long as what came before ended with one.
    fn count(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let marked = self.marks.last().map_or(0, |mark| mark.byte);
            let due = (marked + MARK_EVERY as u64).saturating_sub(self.length);
            if due == 0 {
                self.marks.push(Mark { byte: self.length, line: self.lines });
                continue;
            }
            // Up to the first line feed at which a mark is due.
            let at = usize::try_from(due - 1).unwrap_or(usize::MAX);
            let end = match rest.get(at..).and_then(|behind| memchr::memchr(b'\n', behind)) {
                Some(feed) => at + feed + 1,
                None => rest.len(),
            };
            let (now, later) = rest.split_at(end);
            self.lines += memchr::memchr_iter(b'\n', now).count() as u64;
            self.length += now.len() as u64;
            rest = later;
        }
    }
}

/// Puts the lines of all parts behind each other, in their order. Nothing is copied but what is still in memory: each
/// part's file becomes a segment.
pub(crate) fn join(backend: &Arc<dyn Backend>, session: &Arc<Session>, parts: Vec<Spool>) -> Result<Pending, Fault> {
    let mut whole = Joined {
        backend,
        session,
        hasher: Hasher::new(),
        length: 0,
        lines: 0,
        marks: Vec::new(),
        memory: Vec::new(),
        files: Vec::new(),
    };
    for part in parts {
        whole.add(part)?;
    }
    Ok(whole.finish())
}

struct Joined<'a> {
    backend: &'a Arc<dyn Backend>,
    session: &'a Arc<Session>,
    hasher: Hasher,
    length: u64,
    lines: u64,
    marks: Vec<Mark>,
    /// All bytes, as long as there is no file.
    memory: Vec<u8>,
    files: Vec<(SegmentFile, u64)>,
}

impl Joined<'_> {
    fn add(&mut self, mut part: Spool) -> Result<(), Fault> {
        if part.length == 0 {
            return Ok(());
        }
        match part.hasher.take() {
            Some(hasher) if self.length == 0 => self.hasher = hasher,
            _ => self.hash(&part)?,
        }
        if self.length > 0 && self.lines > 0 {
            self.marks.push(Mark { byte: self.length, line: self.lines });
        }
        let shifted = |mark: &Mark| Mark { byte: mark.byte + self.length, line: mark.line + self.lines };
        self.marks.extend(part.marks.iter().map(shifted));
        self.length += part.length;
        self.lines += part.lines;
        part.flush()?;
        match part.file.take() {
            Some(file) => {
                self.spill()?;
                self.files.push((file, part.length));
            }
            None if self.files.is_empty() && self.memory.len() + part.buffer.len() <= MAX_INLINE_BYTES => {
                self.memory.append(&mut part.buffer);
            }
            None => {
                self.spill()?;
                self.append(&part.buffer)?;
            }
        }
        Ok(())
    }

    /// Hashes what a part holds in its file, then what it holds in memory.
    fn hash(&mut self, part: &Spool) -> Result<(), Fault> {
        if let Some(file) = &part.file {
            let written = part.length - part.buffer.len() as u64;
            let mut buffer = vec![0; HASH_BUFFER];
            let mut offset = 0;
            while offset < written {
                let size = (written - offset).min(HASH_BUFFER as u64);
                let chunk = buffer.get_mut(..size as usize).unwrap_or_default();
                self.backend.read_at(&file.file, chunk, offset).map_err(|error| Fault::io(&file.path, error))?;
                self.hasher.update(chunk);
                offset += size;
            }
        }
        self.hasher.update(&part.buffer);
        Ok(())
    }

    /// Moves what is in memory to a file.
    fn spill(&mut self) -> Result<(), Fault> {
        let memory = std::mem::take(&mut self.memory);
        if memory.is_empty() { Ok(()) } else { self.append(&memory) }
    }

    /// Appends to the last file, or to a first one.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.files.is_empty() {
            self.files.push((self.session.create()?, 0));
        }
        if let Some((file, length)) = self.files.last_mut() {
            self.backend.append(&file.file, bytes).map_err(|error| Fault::io(&file.path, error))?;
            *length += bytes.len() as u64;
        }
        Ok(())
    }

    fn finish(self) -> Pending {
        let Self { backend, hasher, length, lines, marks, memory, files, .. } = self;
        let (backend, counted) = (Arc::clone(backend), Counted { digest: hasher.finish(), length, lines, marks });
        if files.is_empty() {
            Pending::in_memory(backend, counted, memory)
        } else {
            Pending::in_files(backend, counted, files)
        }
    }
}

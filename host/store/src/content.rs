//! Bytes under their digest: a few in the database, many in files.

use crate::backend::Backend;
use crate::bytes::ContentBytes;
use crate::fault::Fault;
use crate::items::ItemsReader;
use crate::session::{Folders, SegmentFile, segment_path};
use palisade_model::{Digest, TenantId};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of a content that are kept in the database, so that a small step costs one sync.
pub(crate) const MAX_INLINE_BYTES: usize = 64 << 10;

/// Bytes in the store, or about to be. Cheap to clone; readers of it share nothing. As long as one lives, its bytes can
/// be read, even if they never become part of the store.
#[derive(Debug, Clone)]
pub struct Content {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    digest: Digest,
    length: u64,
    lines: u64,
    marks: Vec<Mark>,
    place: Place,
    /// The files of a content that was pending: removed with the last clone, unless a row names them.
    files: Vec<SegmentFile>,
    backend: Arc<dyn Backend>,
}

/// A place behind a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Bytes before it.
    pub(crate) byte: u64,
    /// Lines before it.
    pub(crate) line: u64,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    Files(Vec<Segment>),
}

/// A file that holds the bytes from the end of the segment before it. A line never spans two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
}

/// Bytes that are not yet in the store. Given to [`crate::Store::append`] they are made durable and become part of it;
/// dropped, they are gone.
#[derive(Debug)]
#[must_use]
pub struct Pending {
    content: Content,
}

/// What was counted while bytes were written.
pub(crate) struct Counted {
    pub(crate) digest: Digest,
    pub(crate) length: u64,
    pub(crate) lines: u64,
    pub(crate) marks: Vec<Mark>,
}

impl Content {
    fn new(backend: Arc<dyn Backend>, counted: Counted, place: Place, files: Vec<SegmentFile>) -> Self {
        let Counted { digest, length, lines, marks } = counted;
        Self { shared: Arc::new(Shared { digest, length, lines, marks, place, files, backend }) }
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.shared.digest
    }

    /// How many bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.shared.length
    }

    /// How many line feeds: the number of items, where the bytes are items.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.shared.lines
    }

    /// A reader of the bytes as items, from the first to the last.
    #[must_use]
    pub fn items(&self) -> ItemsReader {
        ItemsReader::new(self.clone())
    }

    /// All bytes in memory: only for what is known to be small enough. Their digest is checked.
    ///
    /// # Errors
    /// When a file can't be read or the bytes are not those that were stored.
    pub fn read_all(&self) -> Result<Vec<u8>, Fault> {
        let bytes = match &self.shared.place {
            Place::Memory(bytes) => bytes.clone(),
            Place::Files(segments) => {
                let mut all = Vec::new();
                for segment in segments {
                    let file = self.open(segment)?;
                    let from = all.len();
                    all.resize(from.saturating_add(usize::try_from(segment.length).unwrap_or(usize::MAX)), 0);
                    self.read(&file, segment, all.get_mut(from..).unwrap_or_default(), 0)?;
                }
                all
            }
        };
        if Digest::of(&bytes) == self.shared.digest { Ok(bytes) } else { Err(self.damaged()) }
    }

    /// A reader of all bytes, a piece at a time. Their digest is checked at the end.
    #[must_use]
    pub fn bytes(&self) -> ContentBytes {
        ContentBytes::new(self.clone())
    }

    pub(crate) fn damaged(&self) -> Fault {
        Fault::damaged(&self.place_name(), format!("the bytes do not have the digest {}", self.shared.digest))
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.shared.marks
    }

    /// What it takes to hold it: its bytes if they are in memory, and for each open file as much as is in memory at most.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.memory().map_or(self.segments().len().saturating_mul(MAX_INLINE_BYTES), <[u8]>::len)
    }

    pub(crate) fn memory(&self) -> Option<&[u8]> {
        match &self.shared.place {
            Place::Memory(bytes) => Some(bytes),
            Place::Files(_) => None,
        }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        match &self.shared.place {
            Place::Memory(_) => &[],
            Place::Files(segments) => segments,
        }
    }

    pub(crate) fn open(&self, segment: &Segment) -> Result<File, Fault> {
        self.shared.backend.open(&segment.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Fault::damaged(&segment.path, "it is gone"),
            _ => Fault::io(&segment.path, error),
        })
    }

    pub(crate) fn read(&self, file: &File, segment: &Segment, buffer: &mut [u8], offset: u64) -> Result<(), Fault> {
        self.shared.backend.read_at(file, buffer, offset).map_err(|error| Fault::io(&segment.path, error))
    }

    /// What to call the place of these bytes in an error.
    pub(crate) fn place_name(&self) -> PathBuf {
        match self.segments().first() {
            Some(segment) => segment.path.clone(),
            None => PathBuf::from(format!("content {}", self.shared.digest)),
        }
    }
}

impl Pending {
    pub(crate) fn in_memory(backend: Arc<dyn Backend>, counted: Counted, bytes: Vec<u8>) -> Self {
        Self { content: Content::new(backend, counted, Place::Memory(bytes), Vec::new()) }
    }

    pub(crate) fn in_files(backend: Arc<dyn Backend>, counted: Counted, files: Vec<(SegmentFile, u64)>) -> Self {
        let segments =
            files.iter().map(|(file, length)| Segment { path: file.path.clone(), length: *length }).collect();
        let files = files.into_iter().map(|(file, _)| file).collect();
        Self { content: Content::new(backend, counted, Place::Files(segments), files) }
    }

    /// The bytes; they can be read before they are part of the store, as long as this lives.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Makes the files of all durable, which has to be before a row that names them is.
    pub(crate) fn make_durable<'a>(all: impl Iterator<Item = &'a Self>) -> Result<(), Fault> {
        SegmentFile::make_durable(all.flat_map(|pending| &pending.content.shared.files))
    }

    /// Leaves the files on the disk: a row names them, or may.
    pub(crate) fn keep(self) {
        self.content.shared.files.iter().for_each(SegmentFile::keep);
    }
}

/// Writes the rows of a content. Says whether they were new: if not, the pending bytes are a second copy.
pub(crate) fn insert(connection: &Connection, tenant: &TenantId, pending: &Pending) -> rusqlite::Result<bool> {
    let content = &pending.content;
    let (tenant, digest) = (tenant.key(), content.digest());
    let inserted = connection
        .prepare_cached(
            "INSERT INTO content (tenant, digest, length, lines, marks, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (tenant, digest) DO NOTHING",
        )?
        .execute(params![
            tenant,
            digest.as_bytes(),
            content.length().cast_signed(),
            content.lines().cast_signed(),
            marks_to_bytes(content.marks()),
            content.memory(),
        ])?;
    if inserted == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO segment (tenant, digest, position, file, length) VALUES (?1, ?2, ?3, ?4, ?5)";
    for (position, (file, segment)) in (0_i64..).zip(content.shared.files.iter().zip(content.segments())) {
        let row = params![tenant, digest.as_bytes(), position, file.name, segment.length.cast_signed()];
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(true)
}

/// Finds a content by its digest.
pub(crate) fn find(
    connection: &Connection,
    database: &Path,
    folders: &Folders,
    backend: &Arc<dyn Backend>,
    tenant: &TenantId,
    digest: Digest,
) -> Result<Option<Content>, Fault> {
    let fault = |error| Fault::database(database, error);
    let key = tenant.key();
    let row = connection
        .prepare_cached("SELECT length, lines, marks, bytes FROM content WHERE tenant = ?1 AND digest = ?2")
        .and_then(|mut statement| {
            let columns = |row: &rusqlite::Row<'_>| {
                let bytes: Option<Vec<u8>> = row.get(3)?;
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?, bytes))
            };
            statement.query_row(params![key, digest.as_bytes()], columns).optional()
        })
        .map_err(fault)?;
    let Some((length, lines, marks, bytes)) = row else { return Ok(None) };
    let damaged = |what: &str| Fault::damaged(database, format!("content {digest}: {what}"));
    let (length, lines) = (length.cast_unsigned(), lines.cast_unsigned());
    let marks = marks_from_bytes(&marks, length, lines).ok_or_else(|| damaged("its marks are not in order"))?;
    let (held, place) = match bytes {
        Some(bytes) => (bytes.len() as u64, Place::Memory(bytes)),
        None => {
            let segments = find_segments(connection, &key, digest).map_err(fault)?;
            let segments = segments
                .into_iter()
                .map(|(name, length)| {
                    let path = segment_path(folders, &name).ok_or_else(|| damaged("a file of it has a wrong name"))?;
                    Ok(Segment { path, length: length.cast_unsigned() })
                })
                .collect::<Result<Vec<_>, Fault>>()?;
            (segments.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.length)), Place::Files(segments))
        }
    };
    if held != length {
        return Err(damaged("its bytes are not all there"));
    }
    Ok(Some(Content::new(Arc::clone(backend), Counted { digest, length, lines, marks }, place, Vec::new())))
}

pub(crate) fn find_segments(
    connection: &Connection,
    tenant: &str,
    digest: Digest,
) -> rusqlite::Result<Vec<(String, i64)>> {
    connection
        .prepare_cached("SELECT file, length FROM segment WHERE tenant = ?1 AND digest = ?2 ORDER BY position")?
        .query_map(params![tenant, digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Says whether a row names this file, whoever's it is.
pub(crate) fn is_segment(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM segment WHERE file = ?1")?.exists(params![name])
}

fn marks_to_bytes(marks: &[Mark]) -> Vec<u8> {
    marks.iter().flat_map(|mark| [mark.byte.to_be_bytes(), mark.line.to_be_bytes()]).flatten().collect()
}

fn marks_from_bytes(bytes: &[u8], length: u64, lines: u64) -> Option<Vec<Mark>> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    let marks: Vec<Mark> = pairs
        .iter()
        .map(|pair| {
            let pair = u128::from_be_bytes(*pair);
            Mark { byte: (pair >> 64) as u64, line: pair as u64 }
        })
        .collect();
    let rising = marks.is_sorted_by(|a, b| a.byte < b.byte && a.line < b.line);
    let inside = marks.last().is_none_or(|last| last.byte < length && last.line <= lines);
    (rest.is_empty() && rising && inside).then_some(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_and_wrong_ones_are_noticed() {
        let marks = vec![Mark { byte: 10, line: 1 }, Mark { byte: 1 << 40, line: 7 }];
        let bytes = marks_to_bytes(&marks);
        assert_eq!(marks_from_bytes(&bytes, 1 << 41, 8), Some(marks));
        assert_eq!(marks_from_bytes(&bytes, 1 << 40, 8), None);
        assert_eq!(marks_from_bytes(&bytes, 1 << 41, 6), None);
        assert_eq!(marks_from_bytes(&bytes[1..], 1 << 41, 8), None);
        let twice = [bytes.as_slice(), bytes.as_slice()].concat();
        assert_eq!(marks_from_bytes(&twice, u64::MAX, u64::MAX), None);
    }
}

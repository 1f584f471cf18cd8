//! The bytes of all that an attempt writes: one file without a name, in blocks that each belong to one file of a guest.
//!
//! However many files are written by however many instances, they take one descriptor of the host. A block is never given to a second file, so
//! that what was not written reads as zeros. It knows no names and counts nothing.

use rustix::io::{Errno, pread, pwrite};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of a block. A file of a few bytes takes a page of the disk all the same: the rest of its block is a hole.
const BLOCK: u64 = 64 << 10;

/// The file in which all blocks are. Clones share it.
#[derive(Debug, Clone)]
pub struct Arena {
    file: Arc<File>,
    /// The number of the first block that belongs to nobody.
    next: Arc<AtomicU64>,
}

/// Where the bytes of one file are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The block behind each part of the file; what was never written has none.
    blocks: BTreeMap<u64, u64>,
    size: u64,
}

/// The bytes of a file that a guest wrote, from the first to the last.
#[derive(Debug)]
pub struct StagedBytes {
    /// None = nothing was written into any file.
    arena: Option<Arena>,
    extent: Extent,
    at: u64,
}

impl Arena {
    /// An arena in a file that nobody else has.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self { file: Arc::new(file), next: Arc::default() }
    }

    /// Writes all bytes at `offset` of the file whose place is `extent`; it grows as far as is needed.
    ///
    /// # Errors
    /// When the kernel can't write; a part may have been written.
    pub(super) fn write(&self, extent: &mut Extent, bytes: &[u8], offset: u64) -> Result<(), Errno> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(Errno::FBIG)?;
        let (mut rest, mut at) = (bytes, offset);
        while !rest.is_empty() {
            let block = *extent.blocks.entry(at / BLOCK).or_insert_with(|| self.next.fetch_add(1, Relaxed));
            let within = at % BLOCK;
            let length = (BLOCK - within).min(rest.len() as u64);
            let (now, later) = rest.split_at(usize::try_from(length).unwrap_or(rest.len()));
            write_all(&self.file, now, block.saturating_mul(BLOCK).saturating_add(within))?;
            (rest, at) = (later, at + length);
        }
        extent.size = extent.size.max(end);
        Ok(())
    }
}

impl Extent {
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Makes a file longer, or shorter: what is cut off is gone for good.
    ///
    /// # Errors
    /// When the kernel can't write.
    pub(super) fn set_size(&mut self, arena: Option<&Arena>, size: u64) -> Result<(), Errno> {
        if size < self.size {
            self.blocks.split_off(&size.div_ceil(BLOCK));
            let within = size % BLOCK;
            // The rest of the last block would show again if the file grew.
            if let (Some(arena), Some(&block)) = (arena, self.blocks.get(&(size / BLOCK)).filter(|_| within > 0)) {
                let zeros = vec![0; usize::try_from(BLOCK - within).unwrap_or(0)];
                write_all(&arena.file, &zeros, block * BLOCK + within)?;
            }
        }
        self.size = size;
        Ok(())
    }

    /// Reads at most `length` bytes at `offset`; none at the end.
    ///
    /// # Errors
    /// When the kernel can't read.
    pub(super) fn read(&self, arena: Option<&Arena>, length: usize, offset: u64) -> Result<Vec<u8>, Errno> {
        let wanted = self.size.saturating_sub(offset).min(length as u64);
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
        self.fill(arena.map(|arena| &*arena.file), &mut bytes, offset)?;
        Ok(bytes)
    }

    /// Fills a buffer of zeros with what is there.
    fn fill(&self, arena: Option<&File>, bytes: &mut [u8], offset: u64) -> Result<(), Errno> {
        let (mut rest, mut at) = (bytes, offset);
        while !rest.is_empty() {
            let within = at % BLOCK;
            let length = (BLOCK - within).min(rest.len() as u64);
            let (now, later) = rest.split_at_mut(usize::try_from(length).unwrap_or(usize::MAX));
            if let (Some(file), Some(block)) = (arena, self.blocks.get(&(at / BLOCK))) {
                read_all(file, now, block * BLOCK + within)?;
            }
            (rest, at) = (later, at + length);
        }
        Ok(())
    }

    /// All of it, for who reads it when the instance is gone.
    pub(super) fn into_bytes(self, arena: Option<&Arena>) -> StagedBytes {
        StagedBytes { arena: arena.cloned(), extent: self, at: 0 }
    }
}

impl StagedBytes {
    /// How many they are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.extent.size
    }
}

impl io::Read for StagedBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.extent.size - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        buffer.fill(0);
        self.extent.fill(self.arena.as_ref().map(|arena| &*arena.file), buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

fn write_all(file: &File, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match pwrite(file, bytes, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills the buffer, which holds zeros: behind the end of the arena there are none but them.
fn read_all(file: &File, mut buffer: &mut [u8], mut offset: u64) -> Result<(), Errno> {
    while !buffer.is_empty() {
        match pread(file, &mut *buffer, offset) {
            Ok(0) => break,
            Ok(read) => {
                buffer = buffer.get_mut(read..).unwrap_or_default();
                offset += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    /// What is done to one of three files.
    #[derive(Debug, Clone)]
    enum Act {
        Write { file: usize, offset: u64, length: usize, byte: u8 },
        Resize { file: usize, size: u64 },
    }

    fn some_act() -> impl Strategy<Value = Act> {
        let size = 0..3 * BLOCK + 10;
        prop_oneof![
            (0..3_usize, size.clone(), 0..BLOCK as usize + 10, 1..=u8::MAX)
                .prop_map(|(file, offset, length, byte)| Act::Write { file, offset, length, byte }),
            (0..3_usize, size).prop_map(|(file, size)| Act::Resize { file, size }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn files_hold_what_plain_vectors_would(acts in proptest::collection::vec(some_act(), 0..12)) {
            let arena = Arena::new(tempfile::tempfile().unwrap());
            let mut files: [(Extent, Vec<u8>); 3] = Default::default();
            for act in acts {
                match act {
                    Act::Write { file, offset, length, byte } => {
                        let (extent, plain) = &mut files[file];
                        let bytes = vec![byte; length];
                        arena.write(extent, &bytes, offset).unwrap();
                        let (start, end) = (offset as usize, offset as usize + length);
                        plain.resize(plain.len().max(end), 0);
                        plain[start..end].copy_from_slice(&bytes);
                    }
                    Act::Resize { file, size } => {
                        let (extent, plain) = &mut files[file];
                        extent.set_size(Some(&arena), size).unwrap();
                        plain.resize(size as usize, 0);
                    }
                }
            }
            for (extent, plain) in files {
                prop_assert_eq!(extent.size(), plain.len() as u64);
                prop_assert_eq!(extent.read(Some(&arena), usize::MAX, 7).unwrap(), plain.get(7..).unwrap_or_default());
                let mut all = Vec::new();
                extent.into_bytes(Some(&arena)).read_to_end(&mut all).unwrap();
                prop_assert_eq!(all, plain);
            }
        }
    }

    #[test]
    fn what_can_be_no_place_is_an_error_and_no_panic() {
        let arena = Arena::new(tempfile::tempfile().unwrap());
        let mut extent = Extent::default();
        assert_eq!(arena.write(&mut extent, b"x", u64::MAX), Err(Errno::FBIG));
        assert_eq!(extent.read(Some(&arena), 10, u64::MAX), Ok(Vec::new()));
    }
}

//! The names in a folder, read piece by piece: however many there are, at most one piece is in memory.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RawDir, statat};
use rustix::io::Errno;
use std::ffi::CString;
use std::mem::MaybeUninit;

/// Bytes of names that a listing holds. A guest may keep many listings open; each costs the host this much.
pub(super) const PIECE: usize = 8 << 10;

/// A name in a folder and what it is, links not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name's bytes, as the folder has them.
    pub(super) name: CString,
    /// What it is.
    pub(super) kind: FileType,
}

/// A cursor over the names in a folder, in the order of the file system, without `.` and `..`.
pub(super) struct Listing {
    folder: OwnedFd,
    /// The next entries in reverse order.
    pending: Vec<Entry>,
    at_end: bool,
}

impl Listing {
    /// Starts at the first name. `folder` is open for reading and used by this listing alone.
    pub(super) fn new(folder: OwnedFd) -> Self {
        Self { folder, pending: Vec::new(), at_end: false }
    }

    /// A listing of the one given name, if the folder has it.
    ///
    /// # Errors
    /// When the name can't be looked up, unless it is not there.
    pub(super) fn of_one(folder: OwnedFd, name: &str) -> Result<Self, Errno> {
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let pending = match statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => vec![Entry { kind: FileType::from_raw_mode(stat.st_mode), name }],
            Err(Errno::NOENT) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { folder, pending, at_end: true })
    }

    /// The next entry; `None` at the end and on every later call.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Errno> {
        loop {
            if let Some(mut entry) = self.pending.pop() {
                if entry.kind == FileType::Unknown {
                    // Some file systems keep the type elsewhere. A name that is gone by now is passed over.
                    match statat(&self.folder, &entry.name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => entry.kind = FileType::from_raw_mode(stat.st_mode),
                        Err(Errno::NOENT) => continue,
                        Err(error) => return Err(error),
                    }
                }
                return Ok(Some(entry));
            }
            if self.at_end {
                return Ok(None);
            }
            self.read_piece()?;
        }
    }

    fn read_piece(&mut self) -> Result<(), Errno> {
        let mut buffer = [MaybeUninit::uninit(); PIECE];
        let mut piece = RawDir::new(&self.folder, &mut buffer);
        loop {
            let Some(entry) = piece.next() else {
                self.at_end = true;
                break;
            };
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                self.pending.push(Entry { name: entry.file_name().to_owned(), kind: entry.file_type() });
            }
            if piece.is_buffer_empty() {
                break;
            }
        }
        self.pending.reverse();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, openat};
    use std::collections::BTreeSet;

    fn open(path: &std::path::Path) -> OwnedFd {
        openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    #[test]
    fn every_name_comes_once_and_little_is_held() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..3_000 {
            std::fs::write(dir.path().join(format!("file-{number:05}")), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let mut listing = Listing::new(open(dir.path()));
        let mut names = BTreeSet::new();
        let mut most_held = 0;
        while let Some(entry) = listing.next().unwrap() {
            most_held = most_held.max(listing.pending.len());
            assert_eq!(entry.kind == FileType::Directory, entry.name.to_bytes() == b"folder");
            assert!(names.insert(entry.name), "a name came twice");
        }
        assert_eq!(names.len(), 3_001);
        assert!(most_held < PIECE / 24, "{most_held} names were held");
        assert!(listing.next().unwrap().is_none());
    }

    #[test]
    fn a_listing_of_one_shows_that_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        std::fs::write(dir.path().join("b"), "").unwrap();
        let mut listing = Listing::of_one(open(dir.path()), "a").unwrap();
        assert_eq!(listing.next().unwrap().unwrap().name.to_bytes(), b"a");
        assert!(listing.next().unwrap().is_none());
        assert!(Listing::of_one(open(dir.path()), "missing").unwrap().next().unwrap().is_none());
    }
}

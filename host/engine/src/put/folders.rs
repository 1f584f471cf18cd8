//! Folders on the way to where a file is put: held open one after the other, never reached through a link.

use super::{PutError, io_error};
use palisade_authority::{Anchor, ScopedPath};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, fsync, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;

/// How a folder is held: for nothing but going on from it.
const HOLD: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The way to folders.
pub(super) struct Folders<'a> {
    /// Where the paths of a run begin.
    pub(super) root: BorrowedFd<'a>,
}

/// What has a name.
pub(super) enum Found {
    Nothing,
    File(File),
    /// Something else, in words.
    Other(&'static str),
}

/// Makes a folder: in which, its path, its name.
type Make<'m> = dyn FnMut(&OwnedFd, &ScopedPath, &OsStr) -> Result<(), PutError> + 'm;

impl Folders<'_> {
    /// The folder in which a path has its last name; none if it is not there.
    ///
    /// # Errors
    /// When something on the way is no folder, or the kernel says no.
    pub(super) fn open_above(&self, path: &ScopedPath) -> Result<Option<OwnedFd>, PutError> {
        self.walk(path, None)
    }

    /// As [`Self::open_above`]; what is not there is made.
    ///
    /// # Errors
    /// As [`Self::open_above`], and as `make` says.
    pub(super) fn make_above(&self, path: &ScopedPath, make: &mut Make<'_>) -> Result<OwnedFd, PutError> {
        self.walk(path, Some(make))?.ok_or_else(|| io_error(path, Errno::NOENT))
    }

    /// What a path leads to.
    ///
    /// # Errors
    /// As [`Self::open_above`].
    pub(super) fn find(&self, path: &ScopedPath) -> Result<Found, PutError> {
        let Some(folder) = self.open_above(path)? else { return Ok(Found::Nothing) };
        let kind = |folder: &OwnedFd| statat(folder, name(path), AtFlags::SYMLINK_NOFOLLOW);
        match kind(&folder).map(|found| FileType::from_raw_mode(found.st_mode)) {
            Ok(FileType::RegularFile) => {}
            Ok(other) => return Ok(Found::Other(noun(other))),
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(error) => return Err(io_error(path, error)),
        }
        // Without waiting, should it be a pipe by now.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let found = openat(&folder, name(path), flags, Mode::empty()).map_err(|error| io_error(path, error))?;
        let kind = fstat(&found).map_err(|error| io_error(path, error))?.st_mode;
        match FileType::from_raw_mode(kind) {
            FileType::RegularFile => Ok(Found::File(File::from(found))),
            other => Ok(Found::Other(noun(other))),
        }
    }

    fn walk(&self, path: &ScopedPath, mut make: Option<&mut Make<'_>>) -> Result<Option<OwnedFd>, PutError> {
        let mut at = ScopedPath::beginning(path.anchor());
        let begin = match path.anchor() {
            Anchor::Root => openat(self.root, ".", HOLD, Mode::empty()),
            Anchor::System => openat(CWD, "/", HOLD, Mode::empty()),
        };
        let mut folder = begin.map_err(|error| io_error(path, error))?;
        let names: Vec<&[u8]> = path.segments().collect();
        let Some((_, above)) = names.split_last() else {
            return Err(PutError::Taken { path: path.clone(), what: "a folder" });
        };
        for name in above {
            at = at.join(name).map_err(|_| io_error(path, Errno::NAMETOOLONG))?;
            let name = OsStr::from_bytes(name);
            let mut next = openat(&folder, name, HOLD, Mode::empty());
            if let (Err(Errno::NOENT), Some(make)) = (&next, &mut make) {
                make(&folder, &at, name)?;
                next = openat(&folder, name, HOLD, Mode::empty());
            }
            folder = match next {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let found = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
                    let what = found.map_or("gone", |found| noun(FileType::from_raw_mode(found.st_mode)));
                    return Err(PutError::NotAFolder { path: at, what });
                }
                Err(error) => return Err(io_error(&at, error)),
            };
        }
        Ok(Some(folder))
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &OwnedFd) -> Result<(), Errno> {
    // It is held without being open for anything.
    let open = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    fsync(open)
}

/// The last name of a path.
pub(super) fn name(path: &ScopedPath) -> &OsStr {
    OsStr::from_bytes(path.segments().next_back().unwrap_or(b"."))
}

/// Which object has a name: device and inode.
pub(super) fn identity(folder: &OwnedFd, name: impl AsRef<OsStr>) -> Result<(u64, u64), Errno> {
    let found = statat(folder, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((found.st_dev, found.st_ino))
}

fn noun(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something of unknown kind",
    }
}

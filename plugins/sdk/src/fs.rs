//! Owns files: folders that the plan opened to be read, their names, their bytes; and folders to write to.
//!
//! Reading needs the power `fs-read` ([`Request::fs_read`](crate::Request::fs_read)), writing `fs-write`
//! ([`Request::fs_write`](crate::Request::fs_write)). Nothing outside the opened folders has a name. Never holds a whole
//! folder in memory, never more of a file than was asked for, and gives no times.

use std::fmt;

use crate::{
    Context, Failure, FailureKind,
    host::{self, Host, ListNames, MakeFiles, OpenFiles, ReadBytes, WriteBytes},
};

/// Bytes asked for in one read.
const READ_BYTES: u64 = 256 << 10;
/// Most bytes handed over in one write.
const WRITE_BYTES: usize = 1 << 20;

/// Returns the folders that the plan opened, by the name that the config gives them. Those to be written to are among them,
/// behind the others, with what was written so far.
pub fn preopens(ctx: &Context) -> Vec<(String, Directory)> {
    ctx.host.preopens().into_iter().map(|(name, inner)| (name, Directory { inner })).collect()
}

/// Returns the folders that may be written to, by the name that the config gives them. Each is empty at first, whatever is
/// there on the disk.
///
/// What is in them when the step has succeeded is put in its place then, all of it or nothing; a step that fails leaves
/// nothing. Folders without files are not put. A file that is there already is not replaced: the step fails.
pub fn write_folders(ctx: &Context) -> Vec<(String, WriteFolder)> {
    ctx.host.write_folders().into_iter().map(|(name, inner)| (name, WriteFolder { inner })).collect()
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO, socket, device or what the system can't name. Reading it is refused.
    Special,
}

/// Whether a symbolic link at the end of a path is followed. One that leads out of the opened folder never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The thing it points to.
    Follow,
    /// The link itself.
    Keep,
}

/// What is known of a file without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Bytes of a regular file.
    pub size: u64,
}

/// Tells apart why a file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FsErrorKind {
    /// The plan, or the system, does not allow it.
    Denied,
    /// There is no such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// The folder is not empty.
    NotEmpty,
    /// A folder was expected.
    NotADirectory,
    /// A file was expected.
    IsADirectory,
    /// It is larger than the caller wants to read.
    TooLarge,
    /// The name is not Unicode, too long or malformed.
    BadName,
    /// Too many symbolic links.
    Loop,
    /// A limit of the attempt (files, bytes) is used up. Final.
    LimitExceeded,
    /// It is not a file that can be read: a FIFO, socket or device.
    Unsupported,
    /// The medium failed. May pass.
    Io,
    /// None of the above.
    Other,
}

/// Why a file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsError {
    /// What to decide on.
    pub kind: FsErrorKind,
    /// The system's word for it, in English.
    pub reason: &'static str,
}

impl FsError {
    pub(crate) fn new(kind: FsErrorKind, reason: &'static str) -> Self {
        Self { kind, reason }
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for FsError {}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        let kind = match error.kind {
            FsErrorKind::Io => FailureKind::Unavailable,
            _ => FailureKind::Failed,
        };
        Self::new(kind, error.reason)
    }
}

/// An open folder. Paths are relative to it, separated by `/`.
#[derive(Debug)]
pub struct Directory {
    inner: host::Directory,
}

impl Directory {
    /// Says what the folder itself is.
    pub fn stat(&self) -> Result<Stat, FsError> {
        self.inner.stat()
    }

    /// Says what is at a path.
    pub fn stat_at(&self, path: &str, links: Links) -> Result<Stat, FsError> {
        self.inner.stat_at(path, links)
    }

    /// Opens a file for reading. Counts toward `files-read`. Never blocks: a FIFO or device is refused.
    pub fn open_file(&self, path: &str, links: Links) -> Result<File, FsError> {
        Ok(File { inner: self.inner.open_file(path, links)? })
    }

    /// Opens a folder below this one.
    pub fn open_directory(&self, path: &str, links: Links) -> Result<Directory, FsError> {
        Ok(Directory { inner: self.inner.open_directory(path, links)? })
    }

    /// Iterates over the names in this folder, in the order in which the system has them; sort them for a stable result.
    pub fn entries(&self) -> Result<Entries, FsError> {
        Ok(Entries { names: Some(self.inner.names()?) })
    }
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name alone.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: FileKind,
}

/// Iterates over the names of a folder, one at a time; made by [`Directory::entries`].
///
/// A name that can't be told (not Unicode) is an error of kind [`FsErrorKind::BadName`] and the iteration goes on; any
/// other error ends it.
#[derive(Debug)]
pub struct Entries {
    names: Option<host::Names>,
}

impl Iterator for Entries {
    type Item = Result<Entry, FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.names.as_ref()?.next() {
            Ok(Some((name, kind))) => Some(Ok(Entry { name, kind })),
            Ok(None) => {
                self.names = None;
                None
            }
            Err(error) => {
                if error.kind != FsErrorKind::BadName {
                    self.names = None;
                }
                Some(Err(error))
            }
        }
    }
}

/// A file open for reading. Bytes read count toward `file-bytes-read`.
#[derive(Debug)]
pub struct File {
    inner: host::File,
}

impl File {
    /// Says how large it is now.
    pub fn stat(&self) -> Result<Stat, FsError> {
        self.inner.stat()
    }

    /// Reads at most `length` bytes from `offset`; also says whether the end was reached.
    pub fn read_at(&self, offset: u64, length: u64) -> Result<(Vec<u8>, bool), FsError> {
        self.inner.read(length, offset)
    }

    /// Reads the whole file. Fails with [`FsErrorKind::TooLarge`], having read nothing, if it has more than `max` bytes,
    /// and also if it grows beyond that while it is read.
    pub fn read_all(&self, max: u64) -> Result<Vec<u8>, FsError> {
        const TOO_LARGE: FsError = FsError { kind: FsErrorKind::TooLarge, reason: "larger than allowed" };
        let size = self.stat()?.size;
        if size > max {
            return Err(TOO_LARGE);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| TOO_LARGE)?);
        loop {
            let (piece, end) = self.inner.read(READ_BYTES, bytes.len() as u64)?;
            let nothing = piece.is_empty();
            if bytes.is_empty() && end {
                bytes = piece;
            } else {
                bytes.extend_from_slice(&piece);
            }
            if bytes.len() as u64 > max {
                return Err(TOO_LARGE);
            }
            if end || nothing {
                return Ok(bytes);
            }
        }
    }
}

/// A folder to write to. Paths are relative to it, separated by `/`.
#[derive(Debug)]
pub struct WriteFolder {
    inner: host::WriteFolder,
}

impl WriteFolder {
    /// Makes a new file. Counts toward `files-written`, as a folder does.
    pub fn create_file(&self, path: &str) -> Result<NewFile, FsError> {
        Ok(NewFile { inner: self.inner.create_file(path)? })
    }

    /// Makes a new file that holds these bytes.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FsError> {
        self.create_file(path)?.write_at(0, bytes)
    }

    /// Makes a new folder in one that is there.
    pub fn create_directory(&self, path: &str) -> Result<(), FsError> {
        self.inner.create_directory(path)
    }

    /// Gives a file or folder another name, in place of a file, or of an empty folder.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FsError> {
        self.inner.rename(from, to)
    }

    /// Removes a file.
    pub fn remove_file(&self, path: &str) -> Result<(), FsError> {
        self.inner.remove_file(path)
    }

    /// Removes an empty folder.
    pub fn remove_directory(&self, path: &str) -> Result<(), FsError> {
        self.inner.remove_directory(path)
    }
}

/// A file that was made. Bytes written, and those by which it grows without, count toward `bytes-written`.
#[derive(Debug)]
pub struct NewFile {
    inner: host::NewFile,
}

impl NewFile {
    /// Writes all bytes from `offset` on.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), FsError> {
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            // No larger than what one call may hand over.
            let (piece, later) = rest.split_at(rest.len().min(WRITE_BYTES));
            let written = self.inner.write(piece, at)?;
            at = at.saturating_add(written);
            rest = match usize::try_from(written) {
                Ok(written) if written < piece.len() => rest.get(written..).unwrap_or_default(),
                _ => later,
            };
        }
        Ok(())
    }

    /// Makes it longer, by zeros, or cuts it off.
    pub fn set_size(&self, size: u64) -> Result<(), FsError> {
        self.inner.set_size(size)
    }

    /// Reads at most `length` bytes of what was written; also says whether the end was reached.
    pub fn read_at(&self, offset: u64, length: u64) -> Result<(Vec<u8>, bool), FsError> {
        self.inner.read(length, offset)
    }
}

//! All that the store does to files, and the moment at which a transaction becomes durable.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Mode of every file: only the owner reads and writes.
pub(crate) const FILE_MODE: u32 = 0o600;
/// Mode of every folder.
pub(crate) const FOLDER_MODE: u32 = 0o700;

/// The disk as the store sees it. [`Disk`] is the real one; tests break each call of it.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Makes a folder that only the owner can enter, parents included. It may exist.
    ///
    /// # Errors
    /// As the file system says.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes a file that did not exist, for appending and reading.
    ///
    /// # Errors
    /// As the file system says, also when the file exists.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Makes a file for reading and writing anywhere in it, and takes its name away: it is gone with its last handle.
    ///
    /// # Errors
    /// As the file system says; an empty file may be left.
    fn scratch(&self, path: &Path) -> io::Result<File>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &Path) -> io::Result<File>;

    /// Writes all bytes at the end.
    ///
    /// # Errors
    /// As the file system says; a part may have been written.
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// As the file system says, also when the file is too short.
    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Makes the file's bytes durable.
    ///
    /// # Errors
    /// As the file system says; the bytes are then in doubt.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of what had it.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Commits: durable when it returns. After an error the transaction is in doubt.
    ///
    /// # Errors
    /// As SQLite says.
    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Backend for Disk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).append(true).create_new(true).mode(FILE_MODE).open(path)
    }

    fn scratch(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        transaction.commit()
    }
}

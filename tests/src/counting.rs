//! A backend that counts what is asked of the disk.

use palisade_store::{Backend, Disk};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The real disk, with a count of what makes something durable.
#[derive(Debug, Default)]
pub struct Counting {
    commits: AtomicU64,
    syncs: AtomicU64,
}

impl Counting {
    /// How many commits and how many syncs of files and folders there were.
    pub fn read(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }
}

impl Backend for Counting {
    crate::as_the_disk! { create_folder create scratch open append read_at rename remove }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Disk.sync(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Disk.sync_folder(folder)
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        Disk.commit(transaction)
    }
}

//! A folder that a test has for itself and that vanishes with it.

use std::fs;
use std::path::{Path, PathBuf};

/// A temporary folder.
#[derive(Debug)]
pub struct Dir(tempfile::TempDir);

impl Default for Dir {
    fn default() -> Self {
        Self::new()
    }
}

impl Dir {
    /// Makes an empty one.
    ///
    /// # Panics
    /// When the system has no place for it.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder");
        }
        fs::write(path, content).expect("a file");
        self
    }

    /// Copies all files of a folder into it.
    ///
    /// # Panics
    /// When they can't be copied.
    pub fn copy_from(&self, from: &Path) -> &Self {
        copy(from, self.path());
        self
    }

    /// Copies all files of a folder into a folder of that name in it.
    ///
    /// # Panics
    /// When they can't be copied.
    pub fn copy_into(&self, name: &str, from: &Path) -> &Self {
        copy(from, &self.join(name));
        self
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        // What somebody ran in the example is no part of it.
        if entry.file_name() == ".palisade" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // By content: what is copied may be read-only, the copy must not be.
            fs::write(target, fs::read(entry.path()).expect("a file to copy")).expect("a copy");
        }
    }
}

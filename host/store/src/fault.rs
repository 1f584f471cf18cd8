//! What can go wrong below every operation: the disk and the database.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// A failure of the disk or the database, told apart by what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The disk, or the quota, is full.
    #[error("the disk of `{}` is full", place.display())]
    Full {
        /// What was being written.
        place: PathBuf,
    },
    /// It may not be used so: it is another user's, or its file system is read-only.
    #[error("no permission to use `{}`, or its file system is read-only", place.display())]
    ReadOnly {
        /// What was to be used.
        place: PathBuf,
    },
    /// Another process held the database for longer than the store waits.
    #[error("`{}` is held by another process", place.display())]
    Busy {
        /// The database.
        place: PathBuf,
    },
    /// What was read is not what was written.
    #[error("`{}` is damaged: {what}", place.display())]
    Damaged {
        /// The file.
        place: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file system said something else.
    #[error("`{}` can't be used", place.display())]
    Io {
        /// The file.
        place: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The database said something else.
    #[error("the database `{}` can't be used", place.display())]
    Database {
        /// The database.
        place: PathBuf,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
}

impl Fault {
    /// Tells apart what the file system said of `place`.
    pub(crate) fn io(place: &Path, source: io::Error) -> Self {
        let place = place.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { place },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { place },
            io::ErrorKind::UnexpectedEof => Self::Damaged { place, what: "it is shorter than it was".to_owned() },
            _ => Self::Io { place, source },
        }
    }

    /// Tells apart what SQLite said of the database at `place`.
    pub(crate) fn database(place: &Path, source: rusqlite::Error) -> Self {
        let place = place.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { place },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { place },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { place },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { place, what: "SQLite finds it corrupt".to_owned() },
            Some(ErrorCode::NotADatabase) => Self::Damaged { place, what: "it is no SQLite database".to_owned() },
            _ => Self::Database { place, source },
        }
    }

    /// The same for another who is told of it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Full { place } => Self::Full { place: place.clone() },
            Self::ReadOnly { place } => Self::ReadOnly { place: place.clone() },
            Self::Busy { place } => Self::Busy { place: place.clone() },
            Self::Damaged { place, what } => Self::Damaged { place: place.clone(), what: what.clone() },
            Self::Io { place, source } => {
                Self::Io { place: place.clone(), source: io::Error::new(source.kind(), source.to_string()) }
            }
            Self::Database { place, source: rusqlite::Error::SqliteFailure(code, message) } => {
                let source = rusqlite::Error::SqliteFailure(*code, message.clone());
                Self::Database { place: place.clone(), source }
            }
            Self::Database { place, source } => {
                Self::Io { place: place.clone(), source: io::Error::other(source.to_string()) }
            }
        }
    }

    /// What was stored is not what is there any more: neither a person nor time can make it come right.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Says what is wrong with `place`.
    pub(crate) fn damaged(place: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { place: place.to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart() {
        let place = Path::new("x");
        let io = |kind: io::ErrorKind| Fault::io(place, kind.into());
        assert!(matches!(io(io::ErrorKind::StorageFull), Fault::Full { .. }));
        assert!(matches!(io(io::ErrorKind::QuotaExceeded), Fault::Full { .. }));
        assert!(matches!(io(io::ErrorKind::ReadOnlyFilesystem), Fault::ReadOnly { .. }));
        assert!(matches!(io(io::ErrorKind::PermissionDenied), Fault::ReadOnly { .. }));
        assert!(matches!(io(io::ErrorKind::UnexpectedEof), Fault::Damaged { .. }));
        assert!(matches!(io(io::ErrorKind::NotFound), Fault::Io { .. }));
        let database =
            |code| Fault::database(place, rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert!(matches!(database(rusqlite::ffi::SQLITE_FULL), Fault::Full { .. }));
        assert!(matches!(database(rusqlite::ffi::SQLITE_READONLY), Fault::ReadOnly { .. }));
        assert!(matches!(database(rusqlite::ffi::SQLITE_BUSY), Fault::Busy { .. }));
        assert!(matches!(database(rusqlite::ffi::SQLITE_CORRUPT), Fault::Damaged { .. }));
        assert!(matches!(database(rusqlite::ffi::SQLITE_NOTADB), Fault::Damaged { .. }));
        assert!(matches!(database(rusqlite::ffi::SQLITE_IOERR), Fault::Database { .. }));
    }
}

//! What a process leaves in its data directory that is killed behind any of its commits.

use crate::{Dir, journal};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of SQLite's write-ahead log before its first frame, and of a frame before its page.
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;

/// A data directory that can be brought back as it was behind each commit.
#[derive(Debug)]
pub struct Cuts {
    data_dir: PathBuf,
    kept: Dir,
    /// Where each commit ends in the write-ahead log.
    ends: Vec<u64>,
}

impl Cuts {
    /// Lets something work over a data directory that has a database, and keeps what it commits.
    ///
    /// # Panics
    /// When the commits are not all in the write-ahead log.
    #[must_use]
    pub fn of(data_dir: &Path, work: impl FnOnce()) -> Self {
        let database = data_dir.join("palisade.db");
        let before = fs::read(&database).expect("a database");
        let reader = journal::open(data_dir);
        // Whoever reads an old state keeps the log from being taken up into the database, and from being removed.
        let _old: i64 = reader
            .execute_batch("BEGIN")
            .and_then(|()| reader.query_row("SELECT count(*) FROM run", [], |row| row.get(0)))
            .expect("an old state");
        work();
        let kept = Dir::new();
        kept.copy_from(data_dir);
        drop(reader);
        assert!(
            fs::read(kept.join("palisade.db")).expect("a database") == before,
            "commits are in the database itself"
        );
        let ends = commits(&fs::read(kept.join("palisade.db-wal")).expect("a log"));
        fs::remove_file(kept.join("palisade.db-shm")).expect("what SQLite makes anew");
        Self { data_dir: data_dir.to_owned(), kept, ends }
    }

    /// How many commits there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Brings the directory back as it was behind the first `count` commits. Files that no row names yet are there already, as
    /// they may be.
    ///
    /// # Panics
    /// When there are not so many, or the directory can't be written.
    pub fn restore(&self, count: usize) {
        let end = count.checked_sub(1).map_or(0, |last| self.ends[last]);
        bring_back(&self.data_dir, &self.kept);
        let log = fs::File::options().write(true).open(self.data_dir.join("palisade.db-wal")).expect("a log");
        log.set_len(end).expect("a shorter log");
    }
}

/// Makes a data directory what a copy of it holds.
///
/// # Panics
/// When it can't be written.
pub fn bring_back(data_dir: &Path, kept: &Dir) {
    // It may not be there yet.
    let _ = fs::remove_dir_all(data_dir);
    crate::dir::copy(kept.path(), data_dir);
}

/// Where each commit ends: the last of its frames says how many pages the database has then.
fn commits(log: &[u8]) -> Vec<u64> {
    let number =
        |at: usize| log.get(at..at + 4).map_or(0, |four| u32::from_be_bytes(four.try_into().expect("four bytes")));
    let frame = FRAME_HEAD + number(8) as usize;
    let frames = (LOG_HEAD..).step_by(frame).take_while(|at| at + frame <= log.len());
    frames.filter(|at| number(at + 4) > 0).map(|at| (at + frame) as u64).collect()
}

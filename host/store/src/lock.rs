//! Kernel locks on files: who owns a run, and which processes live. The death of the owner releases them.
//!
//! Network file systems are not supported: their locks may not be what they seem.

use crate::backend::FILE_MODE;
use crate::fault::Fault;
use palisade_model::RunId;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The right to work on a run. Dropping it, or the death of the process, gives it back.
#[derive(Debug)]
pub struct RunLock {
    _lock: FileLock,
}

/// Why a run can't be owned.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// Another process, or another part of this one, owns it.
    #[error("run {run} is being worked on by {}", owner.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Owned {
        /// The run.
        run: RunId,
        /// The id of the owning process, where it could be read.
        owner: Option<u32>,
    },
    /// The lock file can't be used.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RunLock {
    pub(crate) fn acquire(folder: &Path, run: RunId) -> Result<Self, OwnError> {
        let path = folder.join(run.to_string());
        match FileLock::try_acquire(&path).map_err(|error| Fault::io(&path, error))? {
            Some(lock) => Ok(Self { _lock: lock }),
            None => Err(OwnError::Owned { run, owner: read_owner(&path) }),
        }
    }
}

/// The process that works on a run, if one does. Looks at what the kernel says and takes nothing, so that whoever wants
/// the lock at this moment gets it.
///
/// Asks for the open files of the process that the lock file names. `/proc/locks` lists all locks at once, but it is read
/// in pieces: while others come and go, one that is held can be missing.
pub(crate) fn owner(folder: &Path, run: RunId) -> Result<Option<u32>, Fault> {
    let path = folder.join(run.to_string());
    let inode = match std::fs::symlink_metadata(&path) {
        Ok(file) => file.ino(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::io(&path, error)),
    };
    let Some(owner) = read_owner(&path) else { return Ok(None) };
    let open = PathBuf::from(format!("/proc/{owner}/fdinfo"));
    // A process that ends at this moment is told in another way than one that is gone.
    let gone = [rustix::io::Errno::NOENT, rustix::io::Errno::SRCH].map(|errno| Some(errno.raw_os_error()));
    let files = match std::fs::read_dir(&open) {
        Ok(files) => files,
        Err(error) if gone.contains(&error.raw_os_error()) => return Ok(None),
        Err(error) => return Err(Fault::io(&open, error)),
    };
    for file in files {
        // What is closed meanwhile, or with its process, holds nothing.
        let Ok(told) = file.and_then(|file| std::fs::read_to_string(file.path())) else { continue };
        if told.lines().filter_map(|line| line.strip_prefix("lock:")).any(|lock| is_held(lock, inode)) {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}

/// Whether this is the lock of the file with that inode: `1: FLOCK  ADVISORY  WRITE 12 fe:00:77 0 EOF`. What it says of the
/// device is not what `stat` says on every file system, so the process in which it was found stands in for it.
fn is_held(lock: &str, inode: u64) -> bool {
    let mut words = lock.split_whitespace().skip(1);
    let (kind, file) = (words.next(), words.nth(3));
    kind == Some("FLOCK")
        && file.and_then(|file| file.rsplit(':').next()).and_then(|inode| inode.parse().ok()) == Some(inode)
}

/// As long as one lives, nothing is removed from the store. Whoever looks whether something is there, and then names it
/// without its bytes, holds one from before the look until the name is written.
#[derive(Debug)]
pub struct Pin {
    _file: File,
}

/// The right to remove: nobody holds a [`Pin`] meanwhile.
#[derive(Debug)]
pub(crate) struct RemovalLock {
    _file: File,
}

/// The right to make keys of the audit log, and to sign with them.
#[derive(Debug)]
pub(crate) struct KeyLock {
    _file: File,
}

/// The file that all of them lock who remove something or want it to stay; it stays.
const REMOVAL: &str = "removal";
/// The file that is locked where keys are made or used; it stays.
const KEYS: &str = "keys";
/// How long is waited for what is held for milliseconds: after that, its holder is a process that was stopped.
const PATIENCE: Duration = Duration::from_secs(30);

impl Pin {
    pub(crate) fn acquire(folder: &Path) -> Result<Self, Fault> {
        lock_patiently(&folder.join(REMOVAL), FlockOperation::NonBlockingLockShared).map(|file| Self { _file: file })
    }
}

impl RemovalLock {
    pub(crate) fn acquire(folder: &Path) -> Result<Self, Fault> {
        lock_patiently(&folder.join(REMOVAL), FlockOperation::NonBlockingLockExclusive).map(|file| Self { _file: file })
    }
}

impl KeyLock {
    pub(crate) fn acquire(folder: &Path) -> Result<Self, Fault> {
        lock_patiently(&folder.join(KEYS), FlockOperation::NonBlockingLockExclusive).map(|file| Self { _file: file })
    }
}

/// Waits for a lock that others hold for milliseconds.
pub(crate) fn lock_patiently(path: &Path, operation: FlockOperation) -> Result<File, Fault> {
    const PAUSE: Duration = Duration::from_millis(2);
    let file = open_or_make(path).map_err(|error| Fault::io(path, error))?;
    let give_up = Instant::now() + PATIENCE;
    loop {
        match flock(&file, operation) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < give_up => std::thread::sleep(PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Fault::Busy { place: path.to_owned() }),
            Err(error) => return Err(Fault::io(path, error.into())),
        }
    }
}

/// Whether somebody holds the lock of a file. If nobody does, it is held from here on until the file is closed.
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn open_or_make(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// A lock on a file that exists for nothing else.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    path: PathBuf,
    leave: bool,
}

impl FileLock {
    /// Takes the lock on `path`, making the file where it is missing; none if it is held.
    pub(crate) fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = open_or_make(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Whoever had the lock before removed the file while this one was being opened: a lock on a file without a
            // name keeps nobody out.
            if still_named(&file, path)? {
                let mut lock = Self { file, path: path.to_owned(), leave: false };
                lock.write(std::process::id().to_string().as_bytes())?;
                return Ok(Some(lock));
            }
        }
    }

    /// Writes something else into the file than which process has the lock.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(bytes)
    }

    /// Gives the lock back but leaves its file where it is, as the death of the process does.
    pub(crate) fn leave(mut self) {
        self.leave = true;
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.leave {
            return;
        }
        // Removed while still locked, so that the file can't be another owner's. If it can't be removed, the next owner
        // takes it over.
        let named = still_named(&self.file, &self.path);
        if matches!(named, Ok(true)) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn still_named(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_owner(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time_and_the_next_one_after() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::new(1, [1; 10]);
        let first = RunLock::acquire(folder.path(), run).unwrap();
        let refused = RunLock::acquire(folder.path(), run).unwrap_err();
        assert_eq!(refused.to_string(), format!("run {run} is being worked on by process {}", std::process::id()));
        RunLock::acquire(folder.path(), RunId::new(2, [1; 10])).unwrap();
        drop(first);
        RunLock::acquire(folder.path(), run).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn who_owns_a_run_is_told_without_taking_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::new(1, [1; 10]);
        assert_eq!(owner(folder.path(), run).unwrap(), None);
        let lock = RunLock::acquire(folder.path(), run).unwrap();
        assert_eq!(owner(folder.path(), run).unwrap(), Some(std::process::id()));
        lock._lock.leave();
        assert!(folder.path().join(run.to_string()).exists());
        assert_eq!(owner(folder.path(), run).unwrap(), None);
    }

    #[test]
    fn locks_are_told_apart_by_kind_and_file() {
        let check = |line: &str, expected: bool| assert_eq!(is_held(line, 77), expected, "{line}");
        check("\t1: FLOCK  ADVISORY  WRITE 12 fe:00:77 0 EOF", true);
        check("\t2: FLOCK  ADVISORY  WRITE 12 00:1b:77 0 EOF", true);
        check("\t1: FLOCK  ADVISORY  WRITE 12 fe:00:78 0 EOF", false);
        check("\t1: POSIX  ADVISORY  WRITE 12 fe:00:77 0 EOF", false);
        check("\t1: FLOCK", false);
        check("", false);
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::new(1, [1; 10]);
        std::fs::write(folder.path().join(run.to_string()), "999999999").unwrap();
        RunLock::acquire(folder.path(), run).unwrap();
    }

    #[test]
    fn many_owners_take_turns_and_never_overlap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let inside = std::sync::atomic::AtomicU32::new(0);
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut turns = 0;
                    while turns < 200 {
                        if let Some(lock) = FileLock::try_acquire(&path).unwrap() {
                            assert_eq!(inside.fetch_add(1, order), 0);
                            inside.fetch_sub(1, order);
                            drop(lock);
                            turns += 1;
                        }
                    }
                });
            }
        });
    }
}

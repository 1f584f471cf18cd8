//! The files that this process writes, so that those it leaves behind by its death are found and removed.
//!
//! A session is one opened store that wrote a file: `sessions/ID` is locked while it lives, `artifacts/ID/N` are its
//! files. A file is where it will stay from its first byte; a row of the table `segment` makes it part of the store.
//! Files of a dead session without such a row are removed when the store is next opened.

use crate::backend::Backend;
use crate::fault::Fault;
use crate::lock::FileLock;
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::BTreeSet;
use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Length of a session's id in hex digits.
const ID_LENGTH: usize = 32;
/// Most files of one append that are synced at once.
const MOST_SYNCS: usize = 16;

/// Makes files for spools.
#[derive(Debug)]
pub(crate) struct Session {
    backend: Arc<dyn Backend>,
    folders: Folders,
    live: Mutex<Option<Live>>,
    next: AtomicU64,
    /// There may be a file of this session that nobody holds and no row names.
    in_doubt: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Live {
    id: String,
    lock: FileLock,
}

/// Where sessions and their files are.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub(crate) sessions: PathBuf,
    pub(crate) artifacts: PathBuf,
}

/// A file of a spool. It is removed when dropped, unless it was kept.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    /// `SESSION/N`, as the table `segment` has it.
    pub(crate) name: String,
    backend: Arc<dyn Backend>,
    in_doubt: Arc<AtomicBool>,
    durable: AtomicBool,
    keep: AtomicBool,
}

impl Session {
    pub(crate) fn new(backend: Arc<dyn Backend>, folders: Folders) -> Self {
        Self { backend, folders, live: Mutex::new(None), next: AtomicU64::new(0), in_doubt: Arc::default() }
    }

    /// Makes a file that has no name and is nobody's but the caller's.
    pub(crate) fn scratch(&self) -> Result<File, Fault> {
        let path = self.folders.artifacts.join(self.next_name()?);
        self.backend.scratch(&path).map_err(|error| {
            self.set_in_doubt();
            Fault::io(&path, error)
        })
    }

    /// Makes an empty file.
    pub(crate) fn create(&self) -> Result<SegmentFile, Fault> {
        let name = self.next_name()?;
        let path = self.folders.artifacts.join(&name);
        let file = self.backend.create(&path).map_err(|error| {
            self.set_in_doubt();
            Fault::io(&path, error)
        })?;
        let (backend, in_doubt) = (Arc::clone(&self.backend), Arc::clone(&self.in_doubt));
        let (durable, keep) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(SegmentFile { file, path, name, backend, in_doubt, durable, keep })
    }

    /// Says that a file may or may not be there, or be named: what this session leaves is looked at when the store is next
    /// opened, even if the process ends in good order.
    pub(crate) fn set_in_doubt(&self) {
        self.in_doubt.store(true, Ordering::Relaxed);
    }

    fn next_name(&self) -> Result<String, Fault> {
        let id = self.id()?;
        Ok(format!("{id}/{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    fn id(&self) -> Result<String, Fault> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.as_ref() {
            return Ok(live.id.clone());
        }
        let id = random_id().map_err(|error| Fault::io(&self.folders.sessions, error.into()))?;
        let path = self.folders.sessions.join(&id);
        let lock = FileLock::try_acquire(&path).map_err(|error| Fault::io(&path, error))?;
        let lock = lock.ok_or_else(|| Fault::Busy { place: path })?;
        let folder = self.folders.artifacts.join(&id);
        self.backend.create_folder(&folder).map_err(|error| Fault::io(&folder, error))?;
        let above = &self.folders.artifacts;
        self.backend.sync_folder(above).map_err(|error| Fault::io(above, error))?;
        *live = Some(Live { id: id.clone(), lock });
        Ok(id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Live { id, lock }) = live else { return };
        // It only goes if it is empty.
        drop(std::fs::remove_dir(self.folders.artifacts.join(&id)));
        if self.in_doubt.load(Ordering::Relaxed) || self.backend.remove(&self.folders.sessions.join(&id)).is_err() {
            lock.leave();
        }
    }
}

impl SegmentFile {
    /// Makes files of one session durable, the bytes of each and then the names of all, unless they are. Nothing is written
    /// to them any more.
    pub(crate) fn make_durable<'a>(files: impl Iterator<Item = &'a Self>) -> Result<(), Fault> {
        let files: Vec<_> = files.filter(|file| !file.durable.load(Ordering::Relaxed)).collect();
        sync_all(&files)?;
        if let Some((first, folder)) = files.first().and_then(|first| Some((first, first.path.parent()?))) {
            first.backend.sync_folder(folder).map_err(|error| Fault::io(folder, error))?;
        }
        files.iter().for_each(|file| file.durable.store(true, Ordering::Relaxed));
        Ok(())
    }

    /// Leaves the file where it is: a row names it, or may.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) && self.backend.remove(&self.path).is_err() {
            self.in_doubt.store(true, Ordering::Relaxed);
        }
    }
}

/// Syncs the bytes of files side by side: most of what each waits for is the journal of the file system, which takes all
/// that wait at once.
fn sync_all(files: &[&SegmentFile]) -> Result<(), Fault> {
    let next = AtomicUsize::new(0);
    let sync = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            file.backend.sync(&file.file).map_err(|error| Fault::io(&file.path, error))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let helpers = files.len().min(MOST_SYNCS).saturating_sub(1);
        // Where no more threads are to be had, those that are there do it all.
        let helper = |_| std::thread::Builder::new().name("sync".to_owned()).spawn_scoped(scope, sync).ok();
        let helpers: Vec<_> = (0..helpers).map_while(helper).collect();
        let own = sync();
        let synced = helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        synced.fold(own, Result::and)
    })
}

/// Removes the files of dead sessions that `is_named` does not know. Returns how many.
pub(crate) fn sweep(
    backend: &dyn Backend,
    folders: &Folders,
    mut is_named: impl FnMut(&str) -> Result<bool, Fault>,
) -> Result<usize, Fault> {
    let mut removed = 0;
    for id in names(&folders.sessions)?.iter().filter(|name| is_session_id(name)) {
        let path = folders.sessions.join(id);
        let Some(lock) = FileLock::try_acquire(&path).map_err(|error| Fault::io(&path, error))? else { continue };
        let folder = folders.artifacts.join(id);
        for file in names(&folder)? {
            let name = format!("{id}/{file}");
            if !is_named(&name)? {
                let path = folder.join(file);
                backend.remove(&path).map_err(|error| Fault::io(&path, error))?;
                removed += 1;
            }
        }
        drop(std::fs::remove_dir(&folder));
        drop(lock);
    }
    Ok(removed)
}

/// Removes files of any session that no row names any more, and makes that durable; they may be gone already.
pub(crate) fn remove_unneeded(backend: &dyn Backend, folders: &Folders, names: &[String]) -> Result<(), Fault> {
    let mut touched = BTreeSet::new();
    for path in names.iter().filter_map(|name| segment_path(folders, name)) {
        match backend.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Fault::io(&path, error)),
            _ => touched.extend(path.parent().map(Path::to_owned)),
        }
    }
    for folder in touched.iter().filter(|folder| folder.exists()) {
        // Else a file whose bytes a person had erased could come back with the power.
        backend.sync_folder(folder).map_err(|error| Fault::io(folder, error))?;
        // The folder of a session that lives, or is still to be swept, is not ours. An ended one never comes back.
        let ended = folder.file_name().is_some_and(|id| !folders.sessions.join(id).exists());
        if ended {
            // It only goes if it is empty.
            drop(std::fs::remove_dir(folder));
        }
    }
    Ok(())
}

/// The path of a segment that the database names, if the name has the form that sessions give.
pub(crate) fn segment_path(folders: &Folders, name: &str) -> Option<PathBuf> {
    let (id, number) = name.split_once('/')?;
    let good =
        is_session_id(id) && (1..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| folders.artifacts.join(name))
}

fn is_session_id(name: &str) -> bool {
    name.len() == ID_LENGTH && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(crate) fn random_id() -> Result<String, rustix::io::Errno> {
    let mut bytes = [0_u8; ID_LENGTH / 2];
    // So few bytes come whole or not at all.
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The names of a folder's entries in order; none if there is no such folder. A name that is no UTF-8 is not ours.
fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    let fault = |error| Fault::io(folder, error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(fault)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash_tests::{BrokenDisk, Failing};

    #[test]
    fn only_names_that_a_session_gives_lead_to_files() {
        let folders = Folders { sessions: "/s".into(), artifacts: "/a".into() };
        let id = "0123456789abcdef0123456789abcdef";
        assert!(segment_path(&folders, &format!("{id}/17")).is_some());
        for wrong in ["", "x/1", "../../etc/passwd", &format!("{id}/"), &format!("{id}/../1"), &format!("{id}/1/2")] {
            assert!(segment_path(&folders, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn of_more_files_than_are_synced_at_once_each_is_durable_or_it_is_told() {
        const FILES: u64 = 3 * MOST_SYNCS as u64;
        // A folder is made and synced, then each file is made and written.
        const WRITTEN: u64 = 2 + 2 * FILES;
        // One operation fails, and all others work: that it failed must not be lost between the threads.
        for (operations, expected) in [(WRITTEN + FILES + 2, true), (WRITTEN + FILES / 2, false), (WRITTEN + 1, false)]
        {
            let dir = tempfile::tempdir().unwrap();
            let folders = Folders { sessions: dir.path().join("sessions"), artifacts: dir.path().join("artifacts") };
            std::fs::create_dir(&folders.sessions).unwrap();
            let disk = BrokenDisk::after(operations, Failing::Before, true);
            let session = Session::new(disk.clone(), folders);
            let files: Vec<_> = (0..FILES).map(|_| session.create().unwrap()).collect();
            files.iter().for_each(|file| file.backend.append(&file.file, b"written").unwrap());
            assert_eq!(SegmentFile::make_durable(files.iter()).is_ok(), expected, "after {operations}");
            disk.lose_what_is_not_durable();
            let is_whole = |file: &SegmentFile| std::fs::read(&file.path).is_ok_and(|bytes| bytes == b"written");
            assert_eq!(files.iter().all(is_whole), expected, "after {operations}");
        }
    }
}

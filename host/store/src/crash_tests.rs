//! The store against a disk that fails at every single operation, and against a plain model.
//!
//! The disk keeps apart what was written and what was made durable: when the process "dies", files lose what was not
//! synced and folders the names that were not. SQLite's own files are left alone, since SQLite syncs them itself; its
//! commits fail before they happen, or after, as when the answer is lost.

use crate::backend::{Backend, Disk};
use crate::{Append, AppendError, NewArtifact, NewEntry, NewEvent, NewUsage, RunSummary, Store};
use palisade_audit::{Entry, Place, What};
use palisade_model::{Digest, RunId, TenantId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What happens to the operation that fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failing {
    /// It does not happen.
    Before,
    /// It happens, but the answer is lost.
    After,
}

#[derive(Debug)]
pub(crate) struct BrokenDisk {
    failing: Failing,
    /// Only that one operation fails; the process lives on and closes the store in good order.
    recovers: bool,
    state: Mutex<DiskState>,
}

#[derive(Debug, Default)]
struct DiskState {
    /// Operations until one fails, and all after it.
    left: u64,
    /// Length of each file that was written here and is not synced.
    synced: BTreeMap<PathBuf, u64>,
    written: BTreeSet<PathBuf>,
    /// Names that are not durable yet.
    new_names: BTreeSet<PathBuf>,
    /// Files with durable names whose going is not durable yet, with what they held.
    going: BTreeMap<PathBuf, Vec<u8>>,
}

impl BrokenDisk {
    pub(crate) fn after(operations: u64, failing: Failing, recovers: bool) -> Arc<Self> {
        let state = Mutex::new(DiskState { left: operations, ..DiskState::default() });
        Arc::new(Self { failing, recovers, state })
    }

    fn operation<T>(&self, perform: impl FnOnce(&mut DiskState) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock().unwrap();
        if state.left == 0 && self.recovers {
            return perform(&mut state);
        }
        if state.left == 0 {
            return Err(io::Error::other("the disk is gone"));
        }
        state.left -= 1;
        if state.left == 0 && self.failing == Failing::Before {
            return Err(io::Error::other("the disk is going"));
        }
        let result = perform(&mut state)?;
        if state.left == 0 { Err(io::Error::other("the answer is lost")) } else { Ok(result) }
    }

    /// Operations that did not come to pass.
    pub(crate) fn left(&self) -> u64 {
        self.state.lock().unwrap().left
    }

    /// What the disk holds after the power went.
    pub(crate) fn lose_what_is_not_durable(&self) {
        let state = self.state.lock().unwrap();
        for path in &state.written {
            if let Ok(file) = File::options().write(true).open(path) {
                file.set_len(state.synced.get(path).copied().unwrap_or(0)).unwrap();
            }
        }
        for path in &state.new_names {
            let _ = std::fs::remove_file(path);
            let _ = std::fs::remove_dir_all(path);
        }
        for (path, bytes) in &state.going {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

fn path_of(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

impl Backend for BrokenDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.operation(|state| {
            if !folder.exists() && folder.parent().is_some_and(|above| above.ends_with("artifacts")) {
                state.new_names.insert(folder.to_owned());
            }
            Disk.create_folder(folder)
        })
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.operation(|state| {
            state.new_names.insert(path.to_owned());
            state.written.insert(path.to_owned());
            Disk.create(path)
        })
    }

    fn scratch(&self, path: &Path) -> io::Result<File> {
        self.operation(|_| Disk.scratch(path))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        Disk.open(path)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.operation(|_| Disk.append(file, bytes))
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Disk.read_at(file, buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.operation(|state| {
            state.synced.insert(path_of(file), file.metadata()?.len());
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.operation(|state| {
            state.new_names.retain(|path| path.parent() != Some(folder));
            state.going.retain(|path, _| path.parent() != Some(folder));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operation(|_| Disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operation(|state| {
            let held = std::fs::read(path)?;
            if !state.new_names.contains(path) {
                state.going.insert(path.to_owned(), held);
            }
            Disk.remove(path)
        })
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        let lost = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
        self.operation(|_| Disk.commit(transaction).map_err(io::Error::other)).map_err(lost)
    }
}

fn run() -> RunId {
    RunId::new(1, [7; 10])
}

fn lines(number: u64, bytes: usize) -> Vec<u8> {
    let line = format!("{{\"n\":{number},\"text\":\"{}\"}}\n", "x".repeat(90));
    line.repeat(bytes / line.len() + 1).into_bytes()
}

/// The work of a run: four appends, each with an artifact, small or in files, of one part or of three. Returns the digests
/// of the artifacts of those appends that were acknowledged.
fn work(store: &Store) -> Vec<Digest> {
    let mut acknowledged = Vec::new();
    for number in 0..4_u64 {
        let size = [300, 700_000, 90_000, 400_000][number as usize];
        let parts = if number < 2 { 1 } else { 3 };
        let mut spools = Vec::new();
        for part in 0..parts {
            let mut spool = store.spool(part);
            for _ in 0..2 {
                if spool.append(&lines(number, size / parts / 2)).is_err() {
                    return acknowledged;
                }
            }
            spools.push(spool);
        }
        let Ok(items) = store.join(spools) else { return acknowledged };
        let artifact = NewArtifact::new("thing/1.0.0".parse().unwrap(), json!({"n": number}), items);
        let digest = artifact.digest();
        let bytes = format!("{{\"n\":{number},\"artifact\":\"{digest}\"}}");
        let append = Append {
            events: &[NewEvent { kind: "Did", bytes: bytes.as_bytes() }],
            artifacts: vec![artifact],
            contents: Vec::new(),
            usages: vec![NewUsage { component: Digest::of(b"x"), event: 0, bytes: bytes.clone().into_bytes() }],
            memos: Vec::new(),
            entries: vec![NewEntry { event: 0, entry: Entry::of_run(run(), number, cancel()) }],
            answered: Vec::new(),
            summary: Some(summary(&format!("after {number}"))),
        };
        if store.append(run(), number, append).is_err() {
            return acknowledged;
        }
        acknowledged.push(digest);
    }
    acknowledged
}

fn cancel() -> What {
    What::CancelAsked { reason: "test".to_owned() }
}

fn summary(status: &str) -> RunSummary {
    RunSummary {
        title: "a run".to_owned(),
        status: status.to_owned(),
        started_ms: 1,
        ended_ms: None,
        items: None,
        parent: None,
        key: None,
    }
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

/// What must hold after any crash: the journal is a chain, holds everything that was acknowledged and at most one event
/// more, each artifact that it names is there, whole, and the audit log has an entry for each event and for no other.
fn check(folder: &Path, acknowledged: &[Digest]) {
    let store = Store::open(folder, TenantId::default()).unwrap();
    let Some(row) = store.run(run()).unwrap() else {
        assert!(acknowledged.is_empty());
        assert_eq!(files_below(&folder.join("artifacts")), 0);
        return;
    };
    assert_eq!(store.inspect(|_| {}).unwrap().damage_count, 0);
    let events = store.events(run(), 0, 100).unwrap();
    assert!(events.len() == acknowledged.len() || events.len() == acknowledged.len() + 1);
    assert_eq!(row.summary, summary(&format!("after {}", events.len() - 1)));
    assert_eq!(store.usages(Digest::of(b"x"), 99).unwrap().len(), events.len());
    let entries = store.audit_entries(0, 99, 99, None).unwrap();
    let places: Vec<_> = entries.iter().map(|entry| Entry::from_bytes(&entry.bytes).unwrap().event.unwrap()).collect();
    let expected: Vec<_> = events.iter().map(|event| Place { seq: event.seq, hash: event.hash }).collect();
    assert_eq!(places, expected);
    let mut segments = 0;
    for (number, event) in events.iter().enumerate() {
        let value: serde_json::Value = serde_json::from_slice(&event.bytes).unwrap();
        let digest: Digest = value["artifact"].as_str().unwrap().parse().unwrap();
        if let Some(known) = acknowledged.get(number) {
            assert_eq!(digest, *known);
        }
        let artifact = store.artifact(digest).unwrap().unwrap();
        artifact.items.read_all().unwrap();
        segments += artifact.items.segments().len();
    }
    // Nothing lies about that no row names.
    assert_eq!(files_below(&folder.join("artifacts")), segments);
    assert_eq!(files_below(&folder.join("sessions")), 0);
}

/// Runs the work on a disk that fails at each operation in turn, and looks at what is left after each.
fn break_everywhere(failing: Failing, recovers: bool, lose: bool) {
    let mut operations = 1;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        drop(Store::open(&data, TenantId::default()).unwrap());
        let disk = BrokenDisk::after(operations, failing, recovers);
        let acknowledged = match Store::open_on(Arc::clone(&disk) as Arc<dyn Backend>, &data, TenantId::default()) {
            Ok(store) => work(&store),
            Err(_) => Vec::new(),
        };
        if lose {
            disk.lose_what_is_not_durable();
        }
        check(&data, &acknowledged);
        if disk.left() > 0 {
            assert_eq!(acknowledged.len(), 4);
            assert!(operations > 30, "only {operations} operations were broken");
            return;
        }
        operations += 1;
    }
}

#[test]
fn a_process_that_dies_anywhere_loses_nothing_acknowledged() {
    break_everywhere(Failing::Before, false, false);
}

#[test]
fn a_machine_that_dies_anywhere_loses_nothing_acknowledged() {
    break_everywhere(Failing::Before, false, true);
}

#[test]
fn an_answer_that_is_lost_anywhere_leaves_all_or_nothing() {
    break_everywhere(Failing::After, false, true);
}

#[test]
fn a_disk_that_fails_once_anywhere_leaves_nothing_half_there() {
    break_everywhere(Failing::Before, true, false);
    break_everywhere(Failing::After, true, false);
}

#[test]
fn going_on_after_a_lost_answer_needs_no_error_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let event = [NewEvent { kind: "Did", bytes: b"{}" }];
    let first = || Append { events: &event, summary: Some(summary("s")), ..Append::default() };
    drop(Store::open(folder.path(), TenantId::default()).unwrap());
    // Opening takes four folders, then the commit.
    let disk = BrokenDisk::after(5, Failing::After, false);
    let store = Store::open_on(disk, folder.path(), TenantId::default()).unwrap();
    assert!(matches!(store.append(run(), 0, first()), Err(AppendError::Fault(_))));
    drop(store);
    let store = Store::open(folder.path(), TenantId::default()).unwrap();
    // The run is read again, which says how far it is; only a writer that does not look is told of a conflict.
    assert_eq!(store.run(run()).unwrap().unwrap().head.seq, 1);
    assert!(matches!(store.append(run(), 0, first()), Err(AppendError::Conflict { expected: 0, found: 1, .. })));
    assert_eq!(store.append(run(), 1, first()).unwrap().seq, 2);
}

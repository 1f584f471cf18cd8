//! What all processes of a data directory hold together: runs that go on, instances that compute, and their memory.
//!
//! Each process has a file with what it holds, which it keeps locked while it lives; one lock stands around every look and
//! every change. What a dead process held is free again, since its file is not locked any more.

use crate::fault::Fault;
use crate::lock::{FileLock, is_locked, lock_patiently};
use rustix::fs::FlockOperation;
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The file whose lock stands around every look and change.
const TURN: &str = "turn";
/// Most bytes of a process's file: three numbers.
const MAX_BYTES: u64 = 64;

/// Amounts of what is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Runs that go on and that a person started.
    pub runs: u64,
    /// Instances that compute.
    pub instances: u64,
    /// Bytes of memory that attempts may take.
    pub memory: u64,
}

/// Room that all processes of a data directory share. Clones share what this process holds.
#[derive(Debug, Clone)]
pub struct HostRoom {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    most: Amounts,
    own: Mutex<Option<Own>>,
}

/// The file of this process.
#[derive(Debug)]
struct Own {
    lock: FileLock,
    path: PathBuf,
    held: Amounts,
}

/// Room that was taken; given back when dropped.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared>,
    amounts: Amounts,
}

impl Amounts {
    /// No bound for any.
    pub const UNBOUNDED: Self = Self { runs: u64::MAX, instances: u64::MAX, memory: u64::MAX };

    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            runs: with(self.runs, other.runs),
            instances: with(self.instances, other.instances),
            memory: with(self.memory, other.memory),
        }
    }

    /// None of them is more than in `most`.
    #[must_use]
    pub const fn fits(self, most: Self) -> bool {
        self.runs <= most.runs && self.instances <= most.instances && self.memory <= most.memory
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(|word| word.parse().ok());
        let mut next = || words.next().flatten();
        Some(Self { runs: next()?, instances: next()?, memory: next()? })
    }

    fn written(self) -> String {
        format!("{} {} {}", self.runs, self.instances, self.memory)
    }
}

impl HostRoom {
    pub(crate) fn new(folder: PathBuf, most: Amounts) -> Self {
        Self { shared: Arc::new(Shared { folder, most, own: Mutex::new(None) }) }
    }

    /// The most that all processes may hold together.
    #[must_use]
    pub fn most(&self) -> Amounts {
        self.shared.most
    }

    /// Takes room if there is some now; none if others have it.
    ///
    /// # Errors
    /// When the files that say who holds what can't be used.
    pub fn try_take(&self, wanted: Amounts) -> Result<Option<Room>, Fault> {
        let mut own = self.shared.lock();
        let _turn = self.shared.turn()?;
        let own = match &mut *own {
            Some(own) => own,
            none => none.insert(self.shared.begin()?),
        };
        let held = own.held.zip(wanted, u64::saturating_add);
        let all = self.shared.held_by_others(&own.path)?.zip(held, u64::saturating_add);
        if !all.fits(self.shared.most) {
            return Ok(None);
        }
        own.write(held)?;
        Ok(Some(Room { shared: Arc::clone(&self.shared), amounts: wanted }))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Own>> {
        // What was written last stands in it, even if a holder panicked.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Result<std::fs::File, Fault> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|error| Fault::io(&self.folder, error))?;
        lock_patiently(&self.folder.join(TURN), FlockOperation::NonBlockingLockExclusive)
    }

    /// Makes the file of this process. Another store of the same process has another one.
    fn begin(&self) -> Result<Own, Fault> {
        for number in 0_u32.. {
            let path = self.folder.join(format!("{}-{number}", std::process::id()));
            if let Some(lock) = FileLock::try_acquire(&path).map_err(|error| Fault::io(&path, error))? {
                let mut own = Own { lock, path, held: Amounts::default() };
                own.write(Amounts::default())?;
                return Ok(own);
            }
        }
        Err(Fault::Busy { place: self.folder.clone() })
    }

    fn held_by_others(&self, own: &Path) -> Result<Amounts, Fault> {
        let fault = |error| Fault::io(&self.folder, error);
        let mut all = Amounts::default();
        for entry in std::fs::read_dir(&self.folder).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            if path == own || path.ends_with(TURN) {
                continue;
            }
            let fault = |error| Fault::io(&path, error);
            let file = std::fs::File::open(&path).map_err(fault)?;
            if !is_locked(&file).map_err(fault)? {
                std::fs::remove_file(&path).map_err(fault)?;
                continue;
            }
            let mut text = String::new();
            file.take(MAX_BYTES).read_to_string(&mut text).map_err(fault)?;
            let damaged = || Fault::Damaged { place: path.clone(), what: "it does not hold three numbers".to_owned() };
            all = all.zip(Amounts::read(&text).ok_or_else(damaged)?, u64::saturating_add);
        }
        Ok(all)
    }
}

impl Own {
    fn write(&mut self, held: Amounts) -> Result<(), Fault> {
        self.lock.write(held.written().as_bytes()).map_err(|error| Fault::io(&self.path, error))?;
        self.held = held;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut own = self.shared.lock();
        let Some(own) = own.as_mut() else { return };
        let held = own.held.zip(self.amounts, u64::saturating_sub);
        let told = self.shared.turn().and_then(|_turn| own.write(held));
        if let Err(fault) = told {
            // Others go on waiting until this process ends.
            tracing::warn!(%fault, "room could not be given back");
            own.held = held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Amounts = Amounts { runs: 2, instances: 3, memory: 100 };

    fn memory(memory: u64) -> Amounts {
        Amounts { memory, ..Amounts::default() }
    }

    #[test]
    fn what_others_hold_is_not_given_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let room = |name: &str| HostRoom::new(folder.path().join(name), MOST);
        let (one, other) = (room("room"), room("room"));
        let held = one.try_take(memory(60)).unwrap().unwrap();
        let more = one.clone().try_take(memory(10)).unwrap().unwrap();
        assert!(other.try_take(memory(31)).unwrap().is_none());
        let rest = other.try_take(memory(30)).unwrap().unwrap();
        assert!(one.try_take(memory(1)).unwrap().is_none());
        drop(held);
        assert!(other.try_take(memory(60)).unwrap().is_some());
        drop((more, rest));
        assert!(one.try_take(memory(100)).unwrap().is_some());
        assert!(one.try_take(memory(101)).unwrap().is_none());
        // Each amount by itself.
        let runs = Amounts { runs: 2, ..Amounts::default() };
        let _runs = one.try_take(runs).unwrap().unwrap();
        assert!(other.try_take(Amounts { runs: 1, ..Amounts::default() }).unwrap().is_none());
        assert!(other.try_take(Amounts { instances: 3, ..Amounts::default() }).unwrap().is_some());
        assert!(room("elsewhere").try_take(runs).unwrap().is_some());
    }

    #[test]
    fn what_the_dead_held_is_free_and_what_can_not_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let room = HostRoom::new(folder.path().to_owned(), MOST);
        std::fs::write(folder.path().join("77-0"), "9 9 9999").unwrap();
        drop(room.try_take(memory(100)).unwrap().unwrap());
        assert!(!folder.path().join("77-0").exists());
        let mut alive = FileLock::try_acquire(&folder.path().join("77-0")).unwrap().unwrap();
        alive.write(b"1 2 thirty").unwrap();
        assert!(matches!(room.try_take(memory(1)), Err(Fault::Damaged { .. })));
        alive.write(b"1 2 70").unwrap();
        assert!(room.try_take(memory(31)).unwrap().is_none());
        assert!(room.try_take(Amounts { runs: 1, instances: 1, memory: 30 }).unwrap().is_some());
    }
}

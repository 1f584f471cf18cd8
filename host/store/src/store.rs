//! The data directory, opened: what all operations share.

use crate::audit::{Edge, KeyFiles};
use crate::backend::{Backend, Disk, FOLDER_MODE};
use crate::content::{self, Content, Pending};
use crate::fault::Fault;
use crate::group::Group;
use crate::lock::{self, OwnError, Pin, RemovalLock, RunLock};
use crate::removal;
use crate::room::{Amounts, HostRoom};
use crate::session::{Folders, Session, sweep};
use crate::spool::{Spool, SpoolError, join};
use crate::sqlite::{self, DatabaseError, KNOWN};
use palisade_model::{Digest, RunId, TenantId};
use rusqlite::Connection;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Bytes that are read at once of what is to be stored.
const COPY_BUFFER: usize = 256 << 10;

/// One tenant's view of a data directory. Several processes, and several stores of one process, may share a directory.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    backend: Arc<dyn Backend>,
    session: Arc<Session>,
    folders: Folders,
    locks: PathBuf,
    database: PathBuf,
    connection: Mutex<Connection>,
    /// Another for what only reads: it does not wait for a commit.
    reader: Mutex<Connection>,
    group: Group,
    keys: KeyFiles,
    edge: Mutex<Option<Edge>>,
    tenant: TenantId,
}

/// Why a data directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to someone else, who could have put anything into it.
    #[error("the data directory `{}` belongs to another user", folder.display())]
    ForeignOwner {
        /// The directory.
        folder: PathBuf,
    },
    /// A newer Palisade wrote it.
    #[error("the data directory `{}` was written by a newer Palisade: its tables have version {found}, this one knows {KNOWN}", folder.display())]
    Newer {
        /// The directory.
        folder: PathBuf,
        /// The version of its tables.
        found: i64,
    },
    /// Its database was made by another program.
    #[error("`{}` holds a database that is not Palisade's", folder.display())]
    Foreign {
        /// The directory.
        folder: PathBuf,
    },
    /// The disk or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Store {
    /// Opens the data directory `folder` for a tenant, and makes it where it is missing: mode 0700, files 0600. What
    /// processes that died left half-written is removed.
    ///
    /// # Errors
    /// When the directory is another user's, its database is newer or not Palisade's, or the disk fails.
    pub fn open(folder: &Path, tenant: TenantId) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Disk), folder, tenant)
    }

    /// As [`Store::open`], on a disk of the caller's choice: for tests that break it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(backend: Arc<dyn Backend>, folder: &Path, tenant: TenantId) -> Result<Self, OpenError> {
        let folder = own_folder(backend.as_ref(), folder)?;
        let folders = Folders { sessions: folder.join("sessions"), artifacts: folder.join("artifacts") };
        let locks = folder.join("locks");
        for inner in [&folders.sessions, &folders.artifacts, &locks] {
            backend.create_folder(inner).map_err(|error| Fault::io(inner, error))?;
        }
        ignore_for_git(&folder)?;
        let database = folder.join("palisade.db");
        let mut connection = sqlite::open(backend.as_ref(), &database).map_err(|error| match error {
            DatabaseError::Newer { found } => OpenError::Newer { folder: folder.clone(), found },
            DatabaseError::Foreign => OpenError::Foreign { folder: folder.clone() },
            DatabaseError::Fault(fault) => OpenError::Fault(fault),
        })?;
        let removed = sweep(backend.as_ref(), &folders, |name| {
            content::is_segment(&connection, name).map_err(|error| Fault::database(&database, error))
        })?;
        if removed > 0 {
            tracing::info!(removed, "removed files that a process left when it died");
        }
        removal::remove_files(&mut connection, &database, backend.as_ref(), &folders)?;
        let session = Arc::new(Session::new(Arc::clone(&backend), folders.clone()));
        let reader = Mutex::new(sqlite::open_to_read(&database)?);
        let (connection, group, keys) = (Mutex::new(connection), Group::default(), KeyFiles::below(&folder));
        let edge = Mutex::default();
        let shared =
            Shared { backend, session, folders, locks, database, connection, reader, group, keys, edge, tenant };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes the right to work on a run, which one process has at a time.
    ///
    /// # Errors
    /// When someone has it, or the lock file can't be used.
    pub fn own(&self, run: RunId) -> Result<RunLock, OwnError> {
        RunLock::acquire(&self.shared.locks, run)
    }

    /// The process that works on a run; none if nobody does. Takes no lock.
    ///
    /// # Errors
    /// When the lock file, or what the kernel says of locks, can't be read.
    pub fn owner(&self, run: RunId) -> Result<Option<u32>, Fault> {
        lock::owner(&self.shared.locks, run)
    }

    /// Room that all processes which work in this data directory share, at most so much of it. Asked for once in a process.
    #[must_use]
    pub fn room(&self, most: Amounts) -> HostRoom {
        HostRoom::new(self.shared.locks.join("room"), most)
    }

    /// Keeps everything that is stored where it is as long as the pin lives: whoever would remove something waits. Who
    /// looks whether something is there, and then names it without its bytes, needs one.
    ///
    /// # Errors
    /// When somebody removes something for too long, or the lock file can't be used.
    pub fn pin(&self) -> Result<Pin, Fault> {
        Pin::acquire(&self.shared.locks)
    }

    pub(crate) fn removal_lock(&self) -> Result<RemovalLock, Fault> {
        RemovalLock::acquire(&self.shared.locks)
    }

    /// Removes the files that no row names any more.
    pub(crate) fn remove_files(&self) -> Result<usize, Fault> {
        let Shared { database, backend, folders, .. } = &*self.shared;
        removal::remove_files(&mut self.connection(), database, backend.as_ref(), folders)
    }

    /// A number that is another one when something was written since it was asked for last, by anyone but this store. None
    /// while this store writes: then it is not waited for.
    ///
    /// # Errors
    /// When the database fails.
    pub fn changes(&self) -> Result<Option<i64>, Fault> {
        let connection = match self.shared.connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let asked = connection.query_row("PRAGMA data_version", [], |row| row.get(0));
        asked.map(Some).map_err(|error| self.fault(error))
    }

    /// Starts a spool for the lines of part `part` of an output. Part 0 is hashed as it is written, the others when they
    /// are joined, since their bytes come later in the digest.
    #[must_use]
    pub fn spool(&self, part: usize) -> Spool {
        Spool::new(Arc::clone(&self.shared.backend), Arc::clone(&self.shared.session), part == 0)
    }

    /// Puts the lines of all parts behind each other, in order.
    ///
    /// # Errors
    /// When the disk fails, or failed while a part was written.
    pub fn join(&self, parts: Vec<Spool>) -> Result<Pending, SpoolError> {
        if parts.iter().any(Spool::has_failed) {
            return Err(SpoolError::Failed);
        }
        Ok(join(&self.shared.backend, &self.shared.session, parts)?)
    }

    /// Takes bytes of any form: a component, a runbook, a schema.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn prepare(&self, bytes: &[u8]) -> Result<Pending, Fault> {
        let mut whole = self.spool(0);
        whole.take(bytes)?;
        join(&self.shared.backend, &self.shared.session, vec![whole])
    }

    /// As [`Self::prepare`], for bytes that need not fit into memory. `what` names them where they can't be read.
    ///
    /// # Errors
    /// When they can't be read, or the disk fails.
    pub fn prepare_from(&self, what: &Path, bytes: &mut dyn Read) -> Result<Pending, Fault> {
        let mut whole = self.spool(0);
        let mut buffer = vec![0; COPY_BUFFER];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => return join(&self.shared.backend, &self.shared.session, vec![whole]),
                Ok(length) => whole.take(buffer.get(..length).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io(what, error)),
            }
        }
    }

    /// A file that has no name and is nobody's but the caller's: for what may become part of the store, or not.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn scratch(&self) -> Result<File, Fault> {
        self.shared.session.scratch()
    }

    /// Finds bytes by their digest.
    ///
    /// # Errors
    /// When the database fails or is damaged.
    pub fn content(&self, digest: Digest) -> Result<Option<Content>, Fault> {
        let Shared { database, folders, backend, tenant, .. } = &*self.shared;
        content::find(&self.reader(), database, folders, backend, tenant, digest)
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in between can't leave a transaction open: it is rolled back when it is dropped.
        self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that can't write, for reading what is committed.
    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.shared.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked while the connection is: only who writes asks for it.
    pub(crate) fn edge(&self) -> MutexGuard<'_, Option<Edge>> {
        self.shared.edge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys(&self) -> &KeyFiles {
        &self.shared.keys
    }

    pub(crate) fn locks(&self) -> &Path {
        &self.shared.locks
    }

    pub(crate) fn group(&self) -> &Group {
        &self.shared.group
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.shared.tenant
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        self.shared.backend.as_ref()
    }

    pub(crate) fn session(&self) -> &Session {
        &self.shared.session
    }

    pub(crate) fn database(&self) -> &Path {
        &self.shared.database
    }

    /// What SQLite said, as a fault of this store's database.
    pub(crate) fn fault(&self, error: rusqlite::Error) -> Fault {
        Fault::database(&self.shared.database, error)
    }
}

/// Makes the folder, or checks that it is this user's and closes it to others. Returns its path without links.
fn own_folder(backend: &dyn Backend, folder: &Path) -> Result<PathBuf, OpenError> {
    let fault = |error| Fault::io(folder, error);
    backend.create_folder(folder).map_err(fault)?;
    let folder = folder.canonicalize().map_err(fault)?;
    let metadata = std::fs::metadata(&folder).map_err(fault)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(OpenError::ForeignOwner { folder });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(FOLDER_MODE)).map_err(fault)?;
    }
    Ok(folder)
}

/// Keeps the folder, which may hold personal data, out of the version control of the project that it lies in.
fn ignore_for_git(folder: &Path) -> Result<(), Fault> {
    let path = folder.join(".gitignore");
    match Disk.create(&path).and_then(|file| Disk.append(&file, b"*\n")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Fault::io(&path, error)),
        _ => Ok(()),
    }
}

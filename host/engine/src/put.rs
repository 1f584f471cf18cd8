//! Puts what a step wrote in its place: each file whole or not at all, and none if one can't be.
//!
//! It goes by folders that it holds open, from the run's own folder down, name by name and never through a link, so that
//! nothing that is swapped meanwhile leads elsewhere. First it looks whether all names are free; then it writes each file
//! under a name of its own beside its place and makes it durable; then it gives them their names, in place of nothing.
//! Done again it does what is left to do: a file that is there with the same bytes is done. So whoever dies in between is
//! followed by one who comes to the same end.

mod folders;

use folders::{Folders, Found};
use palisade_authority::ScopedPath;
use palisade_interpreter::WrittenFile;
use palisade_model::{Digest, Failure, FailureKind, causes};
use palisade_store::{Fault, Store};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};

/// Bytes that are copied at once.
const BUFFER: usize = 256 << 10;

/// Puts files in their places.
pub(crate) struct Putter<'a> {
    pub(crate) store: &'a Store,
    /// The run's folder, held open.
    pub(crate) root: BorrowedFd<'a>,
    /// Names the work: the same each time it is done again, and no other's.
    pub(crate) work_key: &'a str,
    /// Whether something may be written there: asked of each file and of each folder that is to be made.
    pub(crate) may: &'a dyn Fn(&ScopedPath) -> bool,
    /// Hears of each change before it is made, and may refuse it; for tests that break things.
    pub(crate) before: &'a dyn Fn(Change) -> io::Result<()>,
}

/// A change on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A folder is made.
    MakeFolder,
    /// A file is made under a name of its own.
    Create,
    /// Bytes are written into it.
    Write,
    /// Its bytes are made durable.
    Sync,
    /// It gets its name.
    Rename,
    /// The names in a folder are made durable.
    SyncFolder,
}

/// Why files can't be put in their places. None of them is there then, unless it was before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// Something else has the name.
    #[error("`{path}` can't be written: {what} is there already")]
    Taken {
        /// The path.
        path: ScopedPath,
        /// What has it.
        what: &'static str,
    },
    /// A folder on the way is a link or no folder.
    #[error("`{path}` can't be written into: it is {what}, and folders are reached without links")]
    NotAFolder {
        /// The path.
        path: ScopedPath,
        /// What it is.
        what: &'static str,
    },
    /// A folder on the way is not there and may not be made.
    #[error("the folder `{path}` is not there, and the step may not make it")]
    MayNotMake {
        /// The path.
        path: ScopedPath,
    },
    /// The step may not write there.
    #[error("`{path}` may not be written")]
    MayNotWrite {
        /// The path.
        path: ScopedPath,
    },
    /// The journal names no path.
    #[error("the journal names a file by no path")]
    NoPath,
    /// The bytes are not in the store any more.
    #[error("the bytes of `{path}` are not in the store any more: {digest}")]
    Gone {
        /// The path.
        path: ScopedPath,
        /// Their digest.
        digest: Digest,
    },
    /// The store can't be read.
    #[error("the bytes of what was written can't be read")]
    Store(#[from] Fault),
    /// The file system says something else.
    #[error("`{path}` can't be written")]
    Io {
        /// The path.
        path: ScopedPath,
        /// What it says.
        #[source]
        source: io::Error,
    },
}

impl PutError {
    /// As the failure of a step.
    pub(crate) fn failure(&self) -> Failure {
        let message = format!("nothing was written: {}", causes(self));
        match self {
            Self::Taken { .. } => Failure::new(FailureKind::Failed, message)
                .with_help("a step makes new files only: take away what is there, or name another folder"),
            Self::MayNotMake { .. } => Failure::new(FailureKind::Failed, message)
                .with_help("make the folder, or let the step write to the one above it"),
            Self::NotAFolder { .. } | Self::MayNotWrite { .. } | Self::NoPath => {
                Failure::new(FailureKind::Failed, message)
            }
            Self::Gone { .. } | Self::Store(_) | Self::Io { .. } => Failure::new(FailureKind::Host, message),
        }
    }
}

/// A file that is to be put, and where.
struct Placed<'f> {
    path: ScopedPath,
    file: &'f WrittenFile,
}

/// What was done, to be taken back if the rest can't be.
enum Done {
    Folder(ScopedPath),
    /// A file under a name of its own beside its place.
    Written(ScopedPath),
    /// A file in its place, and which it is.
    Named(ScopedPath, (u64, u64)),
}

impl Putter<'_> {
    /// Puts all files in their places, durable when this returns.
    ///
    /// # Errors
    /// When one of them can't be; then what was done is taken back.
    pub(crate) fn put(&self, files: &[WrittenFile]) -> Result<(), PutError> {
        let mut done = Vec::new();
        let put = self.put_noting(files, &mut done);
        if put.is_err() {
            done.into_iter().rev().for_each(|done| self.take_back(done));
        }
        self.clear(files);
        put
    }

    /// Takes away what is left under names of our own: a process that died left it, and nobody comes after this one.
    fn clear(&self, files: &[WrittenFile]) {
        let folders = Folders { root: self.root };
        for path in files.iter().filter_map(|file| ScopedPath::of_stored(&file.path)) {
            let Ok(Some(folder)) = folders.open_above(&path) else { continue };
            if (self.may)(&path) && unlinkat(&folder, self.own_name(&path), AtFlags::empty()).is_ok() {
                let _best_that_can_be_done = folders::sync(&folder);
            }
        }
    }

    fn put_noting(&self, files: &[WrittenFile], done: &mut Vec<Done>) -> Result<(), PutError> {
        let folders = Folders { root: self.root };
        let mut left = Vec::new();
        for file in files {
            let path = ScopedPath::of_stored(&file.path).ok_or(PutError::NoPath)?;
            if !(self.may)(&path) {
                return Err(PutError::MayNotWrite { path });
            }
            if !self.is_there(&folders, &path, file)? {
                left.push(Placed { path, file });
            }
        }
        for placed in &left {
            let folder = self.make_folder(&folders, &placed.path, done)?;
            self.write(&folder, placed, done)?;
        }
        // A file in each folder whose names are to be durable.
        let mut named = BTreeMap::new();
        for Placed { path, .. } in &left {
            let folder = folders.open_above(path)?.ok_or_else(|| io_error(path, Errno::NOENT))?;
            self.name(&folder, path, done)?;
            named.insert(path.above(), path);
        }
        for path in named.into_values() {
            let folder = folders.open_above(path)?.ok_or_else(|| io_error(path, Errno::NOENT))?;
            self.sync_folder(&folder, path)?;
        }
        Ok(())
    }

    /// Whether the very file is in its place.
    ///
    /// # Errors
    /// When something else is.
    fn is_there(&self, folders: &Folders<'_>, path: &ScopedPath, file: &WrittenFile) -> Result<bool, PutError> {
        let taken = |what| PutError::Taken { path: path.clone(), what };
        match folders.find(path)? {
            Found::Nothing => Ok(false),
            Found::Other(what) => Err(taken(what)),
            Found::File(mut found) => match is_same(&mut found, file) {
                Ok(true) => Ok(true),
                Ok(false) => Err(taken("another file")),
                Err(source) => Err(PutError::Io { path: path.clone(), source }),
            },
        }
    }

    /// The folder in which a file has its place; made, and all above it, where it is not there and may be.
    fn make_folder(&self, folders: &Folders<'_>, path: &ScopedPath, done: &mut Vec<Done>) -> Result<OwnedFd, PutError> {
        folders.make_above(path, &mut |above, folder, name| {
            if !(self.may)(folder) {
                return Err(PutError::MayNotMake { path: folder.clone() });
            }
            self.change(Change::MakeFolder, folder)?;
            match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => done.push(Done::Folder(folder.clone())),
                // Somebody else was quicker; what it is will be seen.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(io_error(folder, error)),
            }
            self.sync_folder(above, folder)
        })
    }

    /// Writes a file beside its place.
    fn write(&self, folder: &OwnedFd, placed: &Placed<'_>, done: &mut Vec<Done>) -> Result<(), PutError> {
        let Placed { path, file } = placed;
        let wrong = |source| PutError::Io { path: path.clone(), source };
        let content = self.store.content(file.digest)?;
        let content = content.ok_or_else(|| PutError::Gone { path: path.clone(), digest: file.digest })?;
        let name = self.own_name(path);
        self.change(Change::Create, path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || openat(folder, &name, flags, Mode::from_raw_mode(0o666));
        let new = match create() {
            // It was left by a process that died.
            Err(Errno::EXIST) => unlinkat(folder, &name, AtFlags::empty()).and_then(|()| create()),
            other => other,
        };
        let mut new = File::from(new.map_err(|error| io_error(path, error))?);
        done.push(Done::Written(path.clone()));
        let mut bytes = content.bytes();
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = bytes.read(&mut buffer).map_err(wrong)?;
            if length == 0 {
                break;
            }
            self.change(Change::Write, path)?;
            new.write_all(buffer.get(..length).unwrap_or_default()).map_err(wrong)?;
        }
        self.change(Change::Sync, path)?;
        new.sync_all().map_err(wrong)
    }

    /// Gives a file its name, in place of nothing.
    fn name(&self, folder: &OwnedFd, path: &ScopedPath, done: &mut Vec<Done>) -> Result<(), PutError> {
        let (own, name) = (self.own_name(path), folders::name(path));
        self.change(Change::Rename, path)?;
        let identity = folders::identity(folder, &own).map_err(|error| io_error(path, error))?;
        match renameat_with(folder, &own, folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                done.push(Done::Named(path.clone(), identity));
                Ok(())
            }
            Err(Errno::EXIST) => Err(PutError::Taken { path: path.clone(), what: "something new" }),
            Err(error) => Err(io_error(path, error)),
        }
    }

    fn sync_folder(&self, folder: &OwnedFd, path: &ScopedPath) -> Result<(), PutError> {
        self.change(Change::SyncFolder, path)?;
        folders::sync(folder).map_err(|error| io_error(path, error))
    }

    /// Takes back what was done, as far as it still is what was done.
    fn take_back(&self, done: Done) {
        let folders = Folders { root: self.root };
        let (Done::Folder(path) | Done::Written(path) | Done::Named(path, _)) = &done;
        let Ok(Some(folder)) = folders.open_above(path) else { return };
        let _best_that_can_be_done = match &done {
            Done::Folder(path) => unlinkat(&folder, folders::name(path), AtFlags::REMOVEDIR),
            Done::Written(path) => unlinkat(&folder, self.own_name(path), AtFlags::empty()),
            Done::Named(path, identity) if folders::identity(&folder, folders::name(path)) == Ok(*identity) => {
                unlinkat(&folder, folders::name(path), AtFlags::empty())
            }
            Done::Named(..) => Ok(()),
        }
        .and_then(|()| folders::sync(&folder));
    }

    /// The name that a file has until it gets its own.
    fn own_name(&self, path: &ScopedPath) -> String {
        let digest = Digest::of(format!("{}\0{}", self.work_key, path.stored()).as_bytes()).to_string();
        format!(".palisade-{}.part", digest.get(..32).unwrap_or(&digest))
    }

    fn change(&self, change: Change, path: &ScopedPath) -> Result<(), PutError> {
        (self.before)(change).map_err(|source| PutError::Io { path: path.clone(), source })
    }
}

fn is_same(found: &mut File, file: &WrittenFile) -> io::Result<bool> {
    if found.metadata()?.len() != file.bytes {
        return Ok(false);
    }
    let (mut hasher, mut buffer) = (palisade_model::digest::Hasher::new(), vec![0; BUFFER]);
    loop {
        match found.read(&mut buffer)? {
            0 => return Ok(hasher.finish() == file.digest),
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

fn io_error(path: &ScopedPath, error: Errno) -> PutError {
    PutError::Io { path: path.clone(), source: error.into() }
}

#[cfg(test)]
mod tests;

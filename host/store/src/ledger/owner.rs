//! Which processes live that reserved something, seen by the locks that their death releases.

use crate::fault::Fault;
use crate::lock::{FileLock, is_locked};
use crate::session::random_id;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The folder of their files, within that of locks.
const FOLDER: &str = "llm";

/// One that lives: a locked file whose name nobody had before.
#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    _lock: FileLock,
}

impl Owner {
    pub(super) fn new(locks: &Path) -> Result<Self, Fault> {
        let folder = locks.join(FOLDER);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| Fault::io(&folder, error))?;
        let name = random_id().map_err(|error| Fault::io(&folder, error.into()))?;
        let path = folder.join(&name);
        let lock = FileLock::try_acquire(&path).map_err(|error| Fault::io(&path, error))?;
        Ok(Self { name, _lock: lock.ok_or(Fault::Busy { place: path })? })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// One that died. Its file goes with this.
pub(super) struct Dead {
    file: Option<File>,
    path: PathBuf,
}

impl Drop for Dead {
    fn drop(&mut self) {
        if self.file.is_some() {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Finds out whether the process of that name died; none if it lives. One without a file ended in good order.
pub(super) fn dead(locks: &Path, name: &str) -> Result<Option<Dead>, Fault> {
    let path = locks.join(FOLDER).join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Dead { file: None, path })),
        Err(error) => return Err(Fault::io(&path, error)),
    };
    let lives = is_locked(&file).map_err(|error| Fault::io(&path, error))?;
    Ok(if lives { None } else { Some(Dead { file: Some(file), path }) })
}

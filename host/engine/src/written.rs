//! What an attempt writes, until it is put in its place: first in an arena that its instances share, then in the store.

use palisade_authority::ScopedPath;
use palisade_interpreter::WrittenFile;
use palisade_model::{Failure, FailureKind};
use palisade_sandbox::ports::{Arena, StagedFile};
use palisade_store::{Fault, Pending, Store};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the bytes are that the instances of an attempt write. Made with the first of them; gone with the attempt.
#[derive(Clone)]
pub(crate) struct Written {
    store: Store,
    arena: Arc<Mutex<Option<Arena>>>,
}

/// A file that an attempt wrote, on the disk but not yet in the store, nor in its place.
#[derive(Debug)]
pub struct NewFile {
    /// Where it is to be put.
    pub path: ScopedPath,
    /// Its bytes.
    pub bytes: Pending,
}

impl Written {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, arena: Arc::default() }
    }

    pub(crate) fn arena(&self) -> Result<Arena, Fault> {
        let mut arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        match &*arena {
            Some(arena) => Ok(arena.clone()),
            None => Ok(arena.insert(Arena::new(self.store.scratch()?)).clone()),
        }
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

/// Makes what all instances of an attempt wrote durable, in the order of the paths.
///
/// # Errors
/// When two of them wrote the same file, or one a file where another made a folder; or the disk fails.
pub(crate) fn new_files(store: &Store, mut staged: Vec<StagedFile>) -> Result<Vec<NewFile>, Failure> {
    staged.sort_by(|a, b| a.path.cmp(&b.path));
    // What lies below a path comes right behind it.
    let both = staged.iter().zip(staged.iter().skip(1)).find(|(file, next)| next.path.is_within(&file.path));
    if let Some((file, next)) = both {
        let message = match file.path == next.path {
            true => format!("two instances of the component wrote `{}`", file.path),
            false => format!("`{}` was written as a file, and `{}` below it", file.path, next.path),
        };
        return Err(Failure::new(FailureKind::Failed, message));
    }
    let keep = |StagedFile { path, mut bytes }: StagedFile| {
        let bytes = store.prepare_from(&path.to_path_buf(), &mut bytes).map_err(|fault| {
            let message = format!("what was written to `{path}` can't be kept: {}", palisade_model::causes(&fault));
            Failure::new(FailureKind::Host, message)
        })?;
        Ok(NewFile { path, bytes })
    };
    staged.into_iter().map(keep).collect()
}

impl NewFile {
    /// What the journal says of it, and what the store keeps.
    pub(crate) fn into_written(self) -> (WrittenFile, Pending) {
        let Self { path, bytes } = self;
        let (digest, length) = (bytes.content().digest(), bytes.content().length());
        (WrittenFile { path: path.stored(), digest, bytes: length }, bytes)
    }
}

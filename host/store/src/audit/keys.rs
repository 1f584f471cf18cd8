//! The two secrets of an audit log, as files that only the owner reads: the key that signs, and the one under which digests
//! of data are taken. Each is made when it is needed first.

use crate::backend::Backend;
use crate::fault::Fault;
use crate::lock::KeyLock;
use crate::store::Store;
use palisade_audit::{DirectoryKey, KeyError, NoteError, RunKey, SigningKey};
use palisade_model::{Digest, RunId};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Most bytes of a key file that are read.
const MAX_KEY_BYTES: u64 = 1024;

/// Where the keys are.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    /// The key that signs.
    pub(super) signing: PathBuf,
    /// The key that is to sign next, until the log says so.
    pub(super) next: PathBuf,
    /// The secret of the data directory.
    directory: PathBuf,
    known: OnceLock<DirectoryKey>,
}

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditKeyError {
    /// The file is no key.
    #[error("the key `{}` can't be used", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
    /// The log was signed before, and the key that did is not there.
    #[error("the key `{}` is gone, with which the audit log was signed before", file.display())]
    Gone {
        /// The file.
        file: PathBuf,
    },
    /// The disk fails.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why no checkpoint was signed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFailure {
    /// The key can't be used.
    #[error(transparent)]
    Key(#[from] AuditKeyError),
    /// The log does not begin with what the last checkpoint says. Nothing was signed and nothing written.
    #[error("the audit log is not what was signed before, over {size} entries")]
    Contradiction {
        /// Over how many entries the last checkpoint is.
        size: u64,
    },
    /// A note can't be made or read: a bug, or the log is damaged.
    #[error("the checkpoint can't be made")]
    Note(#[from] NoteError),
    /// The disk or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl KeyFiles {
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            signing: folder.join("audit.key"),
            next: folder.join("audit.key.next"),
            directory: folder.join("audit.secret"),
            known: OnceLock::new(),
        }
    }
}

impl Store {
    /// The secret under which digests of a run's data are taken.
    ///
    /// # Errors
    /// When the disk fails, or the file is damaged.
    pub fn run_key(&self, run: RunId) -> Result<RunKey, Fault> {
        if let Some(key) = self.keys().known.get() {
            return Ok(key.of_run(run));
        }
        let file = &self.keys().directory;
        let text = match read(file)? {
            Some(text) => text,
            None => {
                let _lock = KeyLock::acquire(self.locks())?;
                match read(file)? {
                    Some(text) => text,
                    None => {
                        let text = Digest::from_bytes(random(file)?).to_string();
                        write(self.backend(), file, &text)?;
                        text
                    }
                }
            }
        };
        let secret: Digest = text.trim_end().parse().map_err(|_| Fault::damaged(file, "it is no key"))?;
        Ok(self.keys().known.get_or_init(|| DirectoryKey::new(*secret.as_bytes())).of_run(run))
    }

    /// The key that signs; made where there is none and nothing was ever signed. The caller holds the lock of keys.
    pub(super) fn signing_key(&self, was_signed: bool) -> Result<SigningKey, AuditKeyError> {
        let file = &self.keys().signing;
        match read_key(file)? {
            Some(key) => Ok(key),
            None if was_signed => Err(AuditKeyError::Gone { file: file.clone() }),
            None => {
                let name: String = random::<8>(file)?.iter().map(|byte| format!("{byte:02x}")).collect();
                let key = self.new_key(&format!("palisade/{name}"))?;
                write(self.backend(), file, &key.reveal())?;
                Ok(key)
            }
        }
    }

    /// A key of that name that nobody had before.
    pub(super) fn new_key(&self, name: &str) -> Result<SigningKey, AuditKeyError> {
        let file = &self.keys().signing;
        let key = SigningKey::from_seed(name, random(file)?);
        key.map_err(|source| AuditKeyError::Form { file: file.clone(), source })
    }
}

/// Reads a key that signs; none where there is no file.
pub(super) fn read_key(file: &Path) -> Result<Option<SigningKey>, AuditKeyError> {
    let key = read(file)?.map(|text| text.parse());
    key.transpose().map_err(|source| AuditKeyError::Form { file: file.to_owned(), source })
}

/// Writes a secret so that it is there as a whole or not at all.
pub(super) fn write(backend: &dyn Backend, file: &Path, text: &str) -> Result<(), Fault> {
    let fault = |error| Fault::io(file, error);
    let new = file.with_added_extension(format!("new-{}", std::process::id()));
    let made = || {
        // What is left of a process that died under this number.
        drop(backend.remove(&new));
        let written = backend.create(&new)?;
        backend.append(&written, format!("{text}\n").as_bytes())?;
        backend.sync(&written)?;
        backend.rename(&new, file)?;
        file.parent().map_or(Ok(()), |folder| backend.sync_folder(folder))
    };
    made().map_err(fault)
}

fn read(file: &Path) -> Result<Option<String>, Fault> {
    use std::io::Read as _;
    let mut text = String::new();
    match std::fs::File::open(file).and_then(|file| file.take(MAX_KEY_BYTES).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Fault::damaged(file, "it is no key")),
        Err(error) => Err(Fault::io(file, error)),
    }
}

fn random<const N: usize>(file: &Path) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    // So few bytes come in one piece.
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(read) if read == N => Ok(bytes),
        Ok(_) => Err(Fault::io(file, io::ErrorKind::UnexpectedEof.into())),
        Err(error) => Err(Fault::io(file, error.into())),
    }
}

//! The components of this installation: those that the binary carries and those that were added.

use palisade_model::{Digest, Manifest};
use palisade_sandbox::Symbols;
use palisade_store::{Fault, Store};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder below the data directory that holds symbol files of added components.
const SYMBOLS: &str = "symbols";
/// Most bytes of a symbol file that are read.
pub const MAX_SYMBOL_BYTES: u64 = 256 << 20;

/// A component that comes with Palisade.
#[derive(Debug, Clone)]
pub struct FirstParty {
    /// Its manifest, as `describe` answered when Palisade was built.
    pub manifest: Manifest,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// A component that can be run.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// The digest of its bytes.
    pub digest: Digest,
    /// It comes with Palisade.
    pub first_party: bool,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
enum Bytes {
    Carried(&'static [u8]),
    Stored(Store),
}

/// The bytes of a component are not those that were added.
#[derive(Debug, thiserror::Error)]
#[error("the bytes of `{component}` can't be read as they were added")]
pub struct ChangedBytes {
    component: String,
    source: io::Error,
}

/// All components of this installation, by digest.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: BTreeMap<Digest, Entry>,
    symbols: PathBuf,
}

impl Catalogue {
    /// Lists what the binary carries and what the store has, if there is one. `data_dir` is the store's folder.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn new(first_party: Vec<FirstParty>, store: Option<&Store>, data_dir: &Path) -> Result<Self, Fault> {
        let carried = first_party.into_iter().map(|component| Entry {
            manifest: Arc::new(component.manifest),
            digest: component.digest,
            first_party: true,
            bytes: Bytes::Carried(component.bytes),
        });
        let mut added = Vec::new();
        if let Some(store) = store {
            added.extend(store.components()?.into_iter().map(|component| Entry {
                manifest: Arc::new(component.manifest),
                digest: component.digest,
                first_party: false,
                bytes: Bytes::Stored(store.clone()),
            }));
        }
        let entries = added.into_iter().chain(carried).map(|entry| (entry.digest, entry)).collect();
        Ok(Self { entries, symbols: data_dir.join(SYMBOLS) })
    }

    /// The component of that digest.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&Entry> {
        self.entries.get(digest)
    }

    /// Adds a component whose bytes are in the store.
    pub(crate) fn take_in(&mut self, digest: Digest, manifest: Manifest, store: &Store) {
        let (manifest, bytes) = (Arc::new(manifest), Bytes::Stored(store.clone()));
        self.entries.insert(digest, Entry { manifest, digest, first_party: false, bytes });
    }

    /// All components, by id and version.
    #[must_use]
    pub fn list(&self) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.values().collect();
        entries.sort_by(|a, b| (&a.manifest.id, &a.manifest.version).cmp(&(&b.manifest.id, &b.manifest.version)));
        entries
    }

    /// Where the symbol file of a component is, if it has one.
    #[must_use]
    pub fn symbol_file(&self, digest: &Digest) -> PathBuf {
        self.symbols.join(format!("{digest}.wasm"))
    }

    /// The symbols of a component. The file is read when a stack trace needs it, never before.
    pub(crate) fn symbols(&self, digest: &Digest) -> Symbols {
        let path = self.symbol_file(digest);
        Symbols::new(move || read_bounded(&path).ok())
    }
}

impl Entry {
    /// Compares its bytes, as they are stored now, with the digest under which it was added. Those that come with Palisade are
    /// part of it.
    ///
    /// # Errors
    /// When they are others by now, or gone.
    pub fn check_bytes(&self) -> Result<(), ChangedBytes> {
        if self.first_party {
            return Ok(());
        }
        self.bytes().map(drop).map_err(|source| ChangedBytes { component: self.manifest.versioned_id(), source })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When the store does not have them any more, or they were changed.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        match &self.bytes {
            Bytes::Carried(bytes) => Ok(bytes.to_vec()),
            Bytes::Stored(store) => {
                let content = store.content(self.digest).map_err(io::Error::other)?;
                let content = content.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                content.read_all().map_err(io::Error::other)
            }
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_SYMBOL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

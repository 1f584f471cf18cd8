//! `palisade.lock`: which bytes stand behind each component that was added. Written when one is added or removed, and by
//! nothing else; the components that come with Palisade are not in it, since its own version names them.

use crate::backend::Backend;
use crate::fault::Fault;
use palisade_model::Digest;
use palisade_model::id::ComponentId;
use semver::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// The version of the form.
const VERSION: u32 = 1;
/// Most bytes that are read.
const MAX_BYTES: usize = 4 << 20;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    components: BTreeMap<(ComponentId, Version), Digest>,
}

/// A component in the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedComponent {
    /// Its id.
    pub id: ComponentId,
    /// Its version.
    pub version: Version,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// Why a text is no lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockFileError {
    /// It is larger than any lock file.
    #[error("the lock file is larger than 4 MiB")]
    TooLarge,
    /// It is not the TOML that is wanted.
    #[error("the lock file can't be read")]
    Form(#[source] Box<toml::de::Error>),
    /// A newer Palisade wrote it.
    #[error("the lock file has version {found}, this Palisade knows {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// One component stands in it twice.
    #[error("`{id}@{version}` stands twice in the lock file")]
    Twice {
        /// Its id.
        id: ComponentId,
        /// Its version.
        version: Version,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    #[serde(default, rename = "component")]
    components: Vec<LockedComponent>,
}

impl LockFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is too large, has another form or version, or names a component twice.
    pub fn parse(text: &str) -> Result<Self, LockFileError> {
        if text.len() > MAX_BYTES {
            return Err(LockFileError::TooLarge);
        }
        let form: Form = toml::from_str(text).map_err(|error| LockFileError::Form(Box::new(error)))?;
        if form.version != VERSION {
            return Err(LockFileError::Version { found: form.version });
        }
        let mut file = Self::default();
        for LockedComponent { id, version, digest } in form.components {
            if file.components.insert((id.clone(), version.clone()), digest).is_some() {
                return Err(LockFileError::Twice { id, version });
            }
        }
        Ok(file)
    }

    /// The digest that the file holds for a component.
    #[must_use]
    pub fn digest(&self, id: &ComponentId, version: &Version) -> Option<Digest> {
        self.components.get(&(id.clone(), version.clone())).copied()
    }

    /// Adds a component, or gives it another digest.
    pub fn insert(&mut self, component: LockedComponent) {
        self.components.insert((component.id, component.version), component.digest);
    }

    /// Takes a component out. Says whether it was in.
    pub fn remove(&mut self, id: &ComponentId, version: &Version) -> bool {
        self.components.remove(&(id.clone(), version.clone())).is_some()
    }

    /// All components, by id and version.
    pub fn iter(&self) -> impl Iterator<Item = (&ComponentId, &Version, Digest)> {
        self.components.iter().map(|((id, version), &digest)| (id, version, digest))
    }

    /// Writes the file so that a reader sees the old one or the new one, also after a crash.
    ///
    /// # Errors
    /// When the disk fails; the old file is then still there.
    pub fn write(&self, backend: &dyn Backend, path: &Path) -> Result<(), Fault> {
        let mut new = OsString::from(path);
        new.push(format!(".new-{}", std::process::id()));
        let new = Path::new(&new);
        let fault = |error| Fault::io(path, error);
        let write = || {
            let file = backend.create(new)?;
            backend.append(&file, self.to_string().as_bytes())?;
            backend.sync(&file)?;
            backend.rename(new, path)
        };
        if let Err(error) = write() {
            drop(backend.remove(new));
            return Err(fault(error));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        backend.sync_folder(folder).map_err(fault)
    }
}

/// The file's text. Ids, versions and digests hold nothing that TOML would want escaped.
impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Written by `palisade component add` and `remove`: not to be edited, but to be committed.")?;
        writeln!(f, "version = {VERSION}")?;
        for (id, version, digest) in self.iter() {
            write!(f, "\n[[component]]\nid = \"{id}\"\nversion = \"{version}\"\ndigest = \"{digest}\"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Disk;

    fn component(id: &str, version: &str) -> LockedComponent {
        LockedComponent {
            id: id.parse().unwrap(),
            version: version.parse().unwrap(),
            digest: Digest::of(id.as_bytes()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut file = LockFile::default();
        assert_eq!(LockFile::parse(&file.to_string()).unwrap(), file);
        file.insert(component("b:x", "1.0.0-rc.1+b"));
        file.insert(component("a:y", "10.0.0"));
        file.insert(component("a:y", "9.0.0"));
        let text = file.to_string();
        assert_eq!(LockFile::parse(&text).unwrap(), file);
        let ids: Vec<_> = file.iter().map(|(id, version, _)| format!("{id}@{version}")).collect();
        assert_eq!(ids, ["a:y@9.0.0", "a:y@10.0.0", "b:x@1.0.0-rc.1+b"]);
        assert!(file.remove(&"a:y".parse().unwrap(), &Version::new(9, 0, 0)));
        assert_eq!(file.digest(&"a:y".parse().unwrap(), &Version::new(9, 0, 0)), None);
        assert_eq!(file.digest(&"b:x".parse().unwrap(), &"1.0.0-rc.1+b".parse().unwrap()), Some(Digest::of(b"b:x")));
    }

    #[test]
    fn what_is_no_lock_file_is_refused() {
        let entry = "[[component]]\nid = \"a:b\"\nversion = \"1.0.0\"\n";
        let digest = Digest::of(b"x");
        assert!(matches!(LockFile::parse("version = 2"), Err(LockFileError::Version { found: 2 })));
        for wrong in ["", "version = 1\nmore = 1", "version = 1\n<<<<<<< ours", &format!("version = 1\n{entry}")] {
            assert!(matches!(LockFile::parse(wrong), Err(LockFileError::Form(_))), "{wrong}");
        }
        let twice = format!("version = 1\n{entry}digest = \"{digest}\"\n{entry}digest = \"{digest}\"\n");
        assert!(matches!(LockFile::parse(&twice), Err(LockFileError::Twice { .. })));
        assert!(matches!(LockFile::parse(&" ".repeat(MAX_BYTES + 1)), Err(LockFileError::TooLarge)));
    }

    #[test]
    fn the_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("palisade.lock");
        LockFile::default().write(&Disk, &path).unwrap();
        let mut file = LockFile::default();
        file.insert(component("a:y", "1.0.0"));
        file.write(&Disk, &path).unwrap();
        assert_eq!(LockFile::parse(&std::fs::read_to_string(&path).unwrap()).unwrap(), file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(file.write(&Disk, &folder.path().join("none/palisade.lock")).is_err());
    }
}

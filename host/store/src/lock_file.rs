//! `palisade.lock`: which bytes stand behind each component that was added, for which of them a person accepted what is
//! granted, and which version a name without one means. Written when a component is added, accepted or removed, and by
//! nothing else; the components that come with Palisade are not in it, since its own version names them.

use crate::backend::Backend;
use crate::fault::Fault;
use palisade_audit::VerifyingKey;
use palisade_model::Digest;
use palisade_model::id::ComponentId;
use palisade_model::manifest::Power;
use semver::Version;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// The version of the form. The first had ids, versions and digests alone; such a file is read, and accepts nothing.
const VERSION: u32 = 2;
/// Most bytes that are read.
const MAX_BYTES: usize = 4 << 20;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    components: BTreeMap<(ComponentId, Version), Locked>,
}

/// What the file says of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The powers that its manifest requests; none = a file of the first form did not say.
    pub requests: Option<BTreeSet<Power>>,
    /// The bytes for which grants were accepted: those of `digest`, or it counts for nothing.
    pub accepted: Option<Digest>,
    /// A person looked at these bytes and accepted them; not only do they request no more than others that were accepted.
    pub by_person: bool,
    /// It is the version that a name without one means.
    pub in_force: bool,
    /// The key that signed these bytes, as it was checked when they were added; none = *unsigned*.
    pub signed_by: Option<VerifyingKey>,
}

/// A component that is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedComponent {
    /// Its id.
    pub id: ComponentId,
    /// Its version.
    pub version: Version,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The powers that its manifest requests.
    pub requests: BTreeSet<Power>,
    /// The key that signed its bytes; none = what is known of these bytes stays so.
    pub signed_by: Option<VerifyingKey>,
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
    /// Two versions of a component are said to be in force.
    #[error("two versions of `{id}` are in force in the lock file")]
    TwoInForce {
        /// Its id.
        id: ComponentId,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    #[serde(default, rename = "component")]
    components: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: ComponentId,
    version: Version,
    digest: Digest,
    requests: Option<BTreeSet<Power>>,
    accepted: Option<Digest>,
    #[serde(default)]
    by_person: bool,
    #[serde(default)]
    in_force: bool,
    #[serde(default, deserialize_with = "key")]
    signed_by: Option<VerifyingKey>,
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<VerifyingKey>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Locked {
    /// Says whether what is granted to it counts.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.accepted == Some(self.digest)
    }

    /// Says whether a person accepted these very bytes.
    #[must_use]
    pub fn is_accepted_by_person(&self) -> bool {
        self.by_person && self.is_accepted()
    }
}

impl LockFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is too large, has another form or version, names a component twice, or two versions of one as in force.
    pub fn parse(text: &str) -> Result<Self, LockFileError> {
        if text.len() > MAX_BYTES {
            return Err(LockFileError::TooLarge);
        }
        let form: Form = toml::from_str(text).map_err(|error| LockFileError::Form(Box::new(error)))?;
        if !(1..=VERSION).contains(&form.version) {
            return Err(LockFileError::Version { found: form.version });
        }
        let mut file = Self::default();
        for Row { id, version, digest, requests, accepted, by_person, in_force, signed_by } in form.components {
            if in_force && file.in_force(&id).is_some() {
                return Err(LockFileError::TwoInForce { id });
            }
            let locked = Locked { digest, requests, accepted, by_person, in_force, signed_by };
            if file.components.insert((id.clone(), version.clone()), locked).is_some() {
                return Err(LockFileError::Twice { id, version });
            }
        }
        Ok(file)
    }

    /// What the file says of a component.
    #[must_use]
    pub fn get(&self, id: &ComponentId, version: &Version) -> Option<&Locked> {
        self.components.get(&(id.clone(), version.clone()))
    }

    /// The version of a component that a name without one means; none where the file does not say.
    #[must_use]
    pub fn in_force(&self, id: &ComponentId) -> Option<&Version> {
        self.versions(id).find(|(_, locked)| locked.in_force).map(|(version, _)| version)
    }

    /// The version whose grants were accepted and with which a new one is compared: the one in force, else the highest.
    #[must_use]
    pub fn accepted(&self, id: &ComponentId) -> Option<(&Version, &Locked)> {
        let accepted = || self.versions(id).filter(|(_, locked)| locked.is_accepted());
        accepted().find(|(_, locked)| locked.in_force).or_else(|| accepted().last())
    }

    /// Adds a component. What was accepted for the same bytes stays so. Other bytes are accepted if they request nothing
    /// that the accepted version does not; the first version of a component is in force.
    pub fn add(&mut self, component: LockedComponent) {
        let LockedComponent { id, version, digest, requests, signed_by } = component;
        if let Some(known) = self.components.get_mut(&(id.clone(), version.clone()))
            && known.digest == digest
        {
            known.requests = Some(requests);
            known.signed_by = signed_by.or(known.signed_by.take());
            return;
        }
        let before = self.accepted(&id).and_then(|(_, locked)| locked.requests.clone()).unwrap_or_default();
        let accepted = requests.is_subset(&before).then_some(digest);
        let in_force = self.versions(&id).next().is_none();
        let locked = Locked { digest, requests: Some(requests), accepted, by_person: false, in_force, signed_by };
        self.components.insert((id, version), locked);
    }

    /// Accepts what is granted to a version, and puts it in force. Says whether it is there.
    pub fn accept(&mut self, id: &ComponentId, version: &Version) -> bool {
        if self.get(id, version).is_none() {
            return false;
        }
        for ((of, other), locked) in &mut self.components {
            if of == id {
                locked.in_force = other == version;
                if locked.in_force {
                    locked.accepted = Some(locked.digest);
                    locked.by_person = true;
                }
            }
        }
        true
    }

    /// Takes a component out. Says whether it was in.
    pub fn remove(&mut self, id: &ComponentId, version: &Version) -> bool {
        self.components.remove(&(id.clone(), version.clone())).is_some()
    }

    /// All components, by id and version.
    pub fn iter(&self) -> impl Iterator<Item = (&ComponentId, &Version, &Locked)> {
        self.components.iter().map(|((id, version), locked)| (id, version, locked))
    }

    fn versions<'s>(&'s self, id: &ComponentId) -> impl Iterator<Item = (&'s Version, &'s Locked)> {
        self.iter().filter(move |(of, ..)| *of == id).map(|(_, version, locked)| (version, locked))
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

/// The file's text. Ids, versions, digests and powers hold nothing that TOML would want escaped; the name of a key may.
impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Written by `palisade component add` and `remove` and by `palisade grants accept`: not to be edited,"
        )?;
        writeln!(f, "# but to be committed. What is granted counts for the bytes that are `accepted`.")?;
        writeln!(f, "version = {VERSION}")?;
        for (id, version, locked) in self.iter() {
            write!(f, "\n[[component]]\nid = \"{id}\"\nversion = \"{version}\"\ndigest = \"{}\"\n", locked.digest)?;
            if let Some(requests) = &locked.requests {
                let requests: Vec<_> = requests.iter().map(|power| format!("\"{}\"", power.name())).collect();
                writeln!(f, "requests = [{}]", requests.join(", "))?;
            }
            if let Some(accepted) = &locked.accepted {
                writeln!(f, "accepted = \"{accepted}\"")?;
            }
            if locked.by_person {
                writeln!(f, "by_person = true")?;
            }
            if locked.in_force {
                writeln!(f, "in_force = true")?;
            }
            if let Some(key) = &locked.signed_by {
                // Without control characters, which no key has in its name, a text of JSON is one of TOML.
                writeln!(f, "signed_by = {}", serde_json::Value::from(key.to_string()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Disk;
    use palisade_audit::SigningKey;

    fn component(id: &str, version: &str, requests: &[Power]) -> LockedComponent {
        LockedComponent {
            id: id.parse().unwrap(),
            version: version.parse().unwrap(),
            digest: Digest::of(format!("{id}{version}").as_bytes()),
            requests: requests.iter().copied().collect(),
            signed_by: None,
        }
    }

    fn signed(component: LockedComponent, name: &str) -> LockedComponent {
        let key = SigningKey::from_seed(name, [7; 32]).unwrap().verifying();
        LockedComponent { signed_by: Some(key), ..component }
    }

    /// The versions of `a:x` with what the file says of each: `+` accepted, `*` in force.
    fn told(file: &LockFile) -> Vec<String> {
        let mark = |is: bool, mark: &'static str| if is { mark } else { "" };
        let one = |(_, version, locked): (&ComponentId, &Version, &Locked)| {
            format!("{version}{}{}", mark(locked.is_accepted(), "+"), mark(locked.in_force, "*"))
        };
        file.iter().map(one).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut file = LockFile::default();
        assert_eq!(LockFile::parse(&file.to_string()).unwrap(), file);
        file.add(component("b:x", "1.0.0-rc.1+b", &[Power::FsRead, Power::Sql]));
        file.add(component("a:y", "10.0.0", &[]));
        file.add(component("a:y", "9.0.0", &[Power::Sql]));
        let text = file.to_string();
        assert_eq!(LockFile::parse(&text).unwrap(), file);
        let ids: Vec<_> = file.iter().map(|(id, version, _)| format!("{id}@{version}")).collect();
        assert_eq!(ids, ["a:y@9.0.0", "a:y@10.0.0", "b:x@1.0.0-rc.1+b"]);
        let (y, nine) = ("a:y".parse().unwrap(), Version::new(9, 0, 0));
        assert!(file.remove(&y, &nine));
        assert_eq!(file.get(&y, &nine), None);
    }

    #[test]
    fn who_signed_the_bytes_is_kept_with_them_and_with_no_others() {
        let mut file = LockFile::default();
        file.add(signed(component("a:x", "1.0.0", &[]), "an\"n\\\u{e9}"));
        file.add(component("a:x", "1.1.0", &[]));
        assert_eq!(LockFile::parse(&file.to_string()).unwrap(), file);
        let signer = |file: &LockFile, version: &str| {
            let locked = file.get(&"a:x".parse().unwrap(), &version.parse().unwrap()).unwrap();
            locked.signed_by.as_ref().map(|key| key.name().to_owned())
        };
        assert_eq!(signer(&file, "1.0.0").as_deref(), Some("an\"n\\\u{e9}"));
        assert_eq!(signer(&file, "1.1.0"), None);
        file.add(component("a:x", "1.0.0", &[]));
        assert!(signer(&file, "1.0.0").is_some(), "the same bytes are signed as they were");
        file.add(signed(component("a:x", "1.1.0", &[]), "bob"));
        assert_eq!(signer(&file, "1.1.0").as_deref(), Some("bob"));
        let other = LockedComponent { digest: Digest::of(b"other"), ..component("a:x", "1.0.0", &[]) };
        file.add(other);
        assert_eq!(signer(&file, "1.0.0"), None);
    }

    #[test]
    fn a_new_version_keeps_grants_unless_it_asks_for_more() {
        let mut file = LockFile::default();
        file.add(component("a:x", "1.0.0", &[Power::FsRead]));
        assert_eq!(told(&file), ["1.0.0*"], "what asks for something is accepted by nobody but a person");
        let id = "a:x".parse().unwrap();
        assert!(file.accept(&id, &Version::new(1, 0, 0)) && !file.accept(&id, &Version::new(5, 0, 0)));
        file.add(component("a:x", "1.1.0", &[Power::FsRead]));
        file.add(component("a:x", "1.2.0", &[]));
        file.add(component("a:x", "1.3.0", &[Power::FsRead, Power::Sql]));
        file.add(component("a:x", "1.4.0", &[Power::Sql]));
        assert_eq!(told(&file), ["1.0.0+*", "1.1.0+", "1.2.0+", "1.3.0", "1.4.0"]);
        assert!(file.accept(&id, &Version::new(1, 3, 0)));
        file.add(component("a:x", "2.0.0", &[Power::Sql]));
        assert_eq!(told(&file), ["1.0.0+", "1.1.0+", "1.2.0+", "1.3.0+*", "1.4.0", "2.0.0+"]);
        file.add(component("a:x", "1.4.0", &[Power::Sql]));
        assert_eq!(told(&file)[4], "1.4.0", "adding it again accepts nothing");
        assert!(file.remove(&id, &Version::new(1, 3, 0)) && file.in_force(&id).is_none());
    }

    #[test]
    fn other_bytes_under_a_known_version_are_accepted_by_nobody() {
        let mut file = LockFile::default();
        file.add(component("a:x", "1.0.0", &[Power::FsRead]));
        let id = "a:x".parse().unwrap();
        file.accept(&id, &Version::new(1, 0, 0));
        let text = file.to_string().replacen(&Digest::of(b"a:x1.0.0").to_string(), &Digest::of(b"evil").to_string(), 1);
        let edited = LockFile::parse(&text).unwrap();
        assert_eq!(told(&edited), ["1.0.0*"]);
        assert_eq!(edited.accepted(&id), None);
    }

    #[test]
    fn a_file_of_the_first_form_accepts_nothing() {
        let digest = Digest::of(b"x");
        let text = format!("version = 1\n[[component]]\nid = \"a:x\"\nversion = \"1.0.0\"\ndigest = \"{digest}\"\n");
        let mut file = LockFile::parse(&text).unwrap();
        assert_eq!(told(&file), ["1.0.0"]);
        assert!(file.to_string().contains("version = 2"));
        assert_eq!(LockFile::parse(&file.to_string()).unwrap(), file);
        file.add(component("a:x", "1.1.0", &[]));
        assert_eq!(told(&file), ["1.0.0", "1.1.0+"], "who was in force before is so still");
    }

    #[test]
    fn what_is_no_lock_file_is_refused() {
        let entry = "[[component]]\nid = \"a:b\"\nversion = \"1.0.0\"\n";
        let digest = Digest::of(b"x");
        assert!(matches!(LockFile::parse("version = 3"), Err(LockFileError::Version { found: 3 })));
        assert!(matches!(LockFile::parse("version = 0"), Err(LockFileError::Version { found: 0 })));
        let full = format!("version = 2\n{entry}digest = \"{digest}\"\n");
        for wrong in [
            "",
            "version = 1\nmore = 1",
            "version = 1\n<<<<<<< ours",
            &format!("version = 1\n{entry}"),
            &format!("{full}requests = [\"fs-erase\"]\n"),
            &format!("{full}accepted = \"yes\"\n"),
            &format!("{full}granted = true\n"),
            &format!("{full}signed_by = \"acme\"\n"),
            &format!("{full}signed_by = true\n"),
        ] {
            assert!(matches!(LockFile::parse(wrong), Err(LockFileError::Form(_))), "{wrong}");
        }
        let twice = format!("version = 1\n{entry}digest = \"{digest}\"\n{entry}digest = \"{digest}\"\n");
        assert!(matches!(LockFile::parse(&twice), Err(LockFileError::Twice { .. })));
        let other = entry.replace("1.0.0", "1.1.0");
        let two = format!("{full}in_force = true\n{other}digest = \"{digest}\"\nin_force = true\n");
        assert!(matches!(LockFile::parse(&two), Err(LockFileError::TwoInForce { .. })));
        assert!(matches!(LockFile::parse(&" ".repeat(MAX_BYTES + 1)), Err(LockFileError::TooLarge)));
    }

    #[test]
    fn the_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("palisade.lock");
        LockFile::default().write(&Disk, &path).unwrap();
        let mut file = LockFile::default();
        file.add(component("a:y", "1.0.0", &[]));
        file.write(&Disk, &path).unwrap();
        assert_eq!(LockFile::parse(&std::fs::read_to_string(&path).unwrap()).unwrap(), file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(file.write(&Disk, &folder.path().join("none/palisade.lock")).is_err());
    }
}

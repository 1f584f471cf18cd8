//! Keys, by which servers know who asks: read from where the operator keeps them, sent, and shown nowhere.

use palisade_model::llm::KeyPlace;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Most bytes of a key.
const MAX_BYTES: u64 = 8 << 10;
/// A shorter one could be a word of any text, and replacing it everywhere would tell it.
const MIN_BYTES: usize = 8;
/// What stands where a key stood.
const HIDDEN: &str = "[key]";

/// A key. It can't be printed, and its bytes are overwritten when it goes.
#[derive(Clone)]
pub struct Key(Zeroizing<String>);

/// Why there is no key. None of them tells a part of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing is where it should be.
    #[error("{0} is not set")]
    Missing(KeyPlace),
    /// Its file can't be read.
    #[error("{place} can't be read")]
    Unreadable {
        /// Where it should be.
        place: KeyPlace,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner could read or change it.
    #[error("what stands in {place} is not secret: {why}")]
    Open {
        /// Where it is.
        place: KeyPlace,
        /// What is wrong with the file.
        why: &'static str,
    },
    /// It is no key of any server.
    #[error("what stands in {0} is no key: one has 8 to 8192 visible ASCII characters and no spaces")]
    Form(KeyPlace),
}

impl Key {
    /// Reads a key. `folder` is that of the operator's file, to which its paths are relative; `variable` gives the value of an
    /// environment variable.
    ///
    /// # Errors
    /// When it is not there, others could read it, or it has not the form of a key.
    pub fn read(
        place: &KeyPlace,
        folder: &Path,
        variable: impl FnOnce(&str) -> Option<OsString>,
    ) -> Result<Self, KeyError> {
        let text = match place {
            KeyPlace::Env(name) => {
                let value = variable(name).ok_or_else(|| KeyError::Missing(place.clone()))?;
                Zeroizing::new(value.into_encoded_bytes())
            }
            KeyPlace::File(path) => read_file(place, &folder.join(path))?,
        };
        let text = text.trim_ascii();
        let good = (MIN_BYTES..=MAX_BYTES as usize).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(text) {
            Ok(text) if good => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err(KeyError::Form(place.clone())),
        }
    }

    /// The key itself, for the header in which it is sent, and to look for it in what comes back.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without the key: a provider may send back what it was sent.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        text.replace(self.0.as_str(), HIDDEN)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

fn read_file(place: &KeyPlace, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let unreadable = |source| KeyError::Unreadable { place: place.clone(), source };
    let open = |why| KeyError::Open { place: place.clone(), why };
    // Not blocking: a pipe with nobody at its other end is no key, and must not be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(open("it is no ordinary file"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(open("it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(open("others than its owner may use the file (`chmod 600` mends that)"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 2));
    file.take(MAX_BYTES + 2).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const SECRET: &str = "sk-test-0123456789";

    fn told(result: Result<Key, KeyError>) -> String {
        let told = match result {
            Ok(key) => format!("{key:?} {}", key.reveal().len()),
            Err(error) => format!("{error} {error:?}").chars().take(160).collect(),
        };
        assert!(!told.contains(SECRET), "{told}");
        told
    }

    #[test]
    fn a_key_comes_from_the_environment_and_can_not_be_printed() {
        let place = KeyPlace::Env("THE_KEY".to_owned());
        let read = |value: Option<&str>| {
            told(Key::read(&place, Path::new("/"), |name| {
                assert_eq!(name, "THE_KEY");
                value.map(OsString::from)
            }))
        };
        assert_eq!(read(Some(SECRET)), "[key] 18");
        assert_eq!(read(Some(" sk-test-0123456789\n")), "[key] 18");
        assert!(read(None).starts_with("the environment variable `THE_KEY` is not set"));
        for wrong in ["", "1234567", "with space in it", "line\nbreak-in-it", "ümlaut-in-it"] {
            assert!(read(Some(wrong)).starts_with("what stands in the environment variable `THE_KEY` is no key"));
        }
        assert_eq!(read(Some("12345678")), "[key] 8");
    }

    #[test]
    fn a_key_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = || told(Key::read(&KeyPlace::File("key".to_owned()), folder.path(), |_| None));
        assert!(read().starts_with("the file `key` can't be read"));
        std::fs::write(&path, SECRET).unwrap();
        for (mode, secret) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read() == "[key] 18", secret, "{mode:o}: {}", read());
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read().contains("it is no ordinary file"));
    }

    #[test]
    fn what_comes_back_with_the_key_loses_it() {
        let key = Key::read(&KeyPlace::Env(String::new()), Path::new("/"), |_| Some(SECRET.into())).unwrap();
        assert_eq!(key.hide("wrong key sk-test-0123456789!"), "wrong key [key]!");
    }
}

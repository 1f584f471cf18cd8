//! Detached signatures of components: a signed note beside the file, over its digest and nothing else, and whether it is
//! one of the owner of the namespace. A note names its key without holding it, so only a key of `palisade.toml` can check one.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::input::read_prefix;
use palisade_audit::{MAX_NOTE_BYTES, Note, NoteError, SigningKey, VerifyingKey};
use palisade_model::{Digest, neutral};
use palisade_settings::Owner;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The first line of what is signed: a signature of something else can't pass for one of a component.
const FORM: &str = "palisade component 1";
/// Most characters of a key that are shown.
const MAX_SHOWN: usize = 300;

/// A signature file: where it is looked for, and its bytes if it is there.
#[derive(Debug)]
pub(crate) struct Found {
    file: PathBuf,
    bytes: Option<Vec<u8>>,
}

/// Why a component is not taken for its owner's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// There is no signature.
    #[error("there is none")]
    Missing,
    /// There is one, of other keys.
    #[error("it is of another key")]
    OtherKey,
    /// It is no signed note.
    #[error(transparent)]
    Note(NoteError),
    /// It is a note about something else than a component.
    #[error("what it signs is no component: it does not begin with `{FORM}`")]
    OtherThing,
    /// It is one of other bytes.
    #[error("it signs other bytes than these, which are sha256:{0}")]
    OtherBytes(Digest),
}

impl Refused {
    /// What is missing can be had; what does not fit is evidence of a change.
    const fn code(&self) -> ExitCode {
        match self {
            Self::Missing | Self::OtherKey => ExitCode::Denied,
            Self::Note(_) | Self::OtherThing | Self::OtherBytes(_) => ExitCode::Integrity,
        }
    }
}

/// Where the signature of a component is, unless somebody says otherwise.
pub(crate) fn beside(component: &Path) -> PathBuf {
    let mut file = component.as_os_str().to_owned();
    file.push(".sig");
    file.into()
}

/// Signs the bytes of that digest.
///
/// # Errors
/// When a note can't be made of it, which would be a bug.
pub(crate) fn sign(digest: Digest, key: &SigningKey) -> Result<Note, NoteError> {
    Note::sign(text(digest), &[key])
}

fn text(digest: Digest) -> String {
    format!("{FORM}\nsha256:{digest}\n")
}

/// Says whether bytes are a signature of a component, of whatever key.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    Note::parse(bytes).is_ok_and(|note| is_of_a_component(&note))
}

fn is_of_a_component(note: &Note) -> bool {
    note.text().lines().next() == Some(FORM)
}

/// Reads the signature of a component: the file that is named, which must be there, or the one beside it.
///
/// # Errors
/// When it is there and can't be read.
pub(crate) fn find(component: &Path, named: Option<&Path>) -> Result<Found, CliError> {
    let file = named.map_or_else(|| beside(component), Path::to_owned);
    // What is there and can't be read is not the same as none: a dangling link, for one.
    let is_absent = || file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if named.is_none() && is_absent() {
        return Ok(Found { file, bytes: None });
    }
    // One byte more than a note has: it is too large then, and is refused as one.
    let bytes = read_prefix(&file, MAX_NOTE_BYTES as u64 + 1)?;
    Ok(Found { file, bytes: Some(bytes) })
}

impl Found {
    /// Whether there is one.
    pub(crate) const fn is_there(&self) -> bool {
        self.bytes.is_some()
    }

    /// The owner's key, if the namespace has one; what has no owner is unsigned, whatever somebody signed.
    ///
    /// # Errors
    /// When the owner's signature is missing, or what is there does not fit.
    pub(crate) fn signer(
        &self,
        id: &str,
        digest: Digest,
        owner: Option<&Owner>,
    ) -> Result<Option<VerifyingKey>, CliError> {
        let key = owner.map(|owner| &owner.key);
        judge(self.bytes.as_deref(), digest, key).map_err(|refused| {
            let file = self.file.display();
            let of = owner.map_or_else(String::new, |owner| format!(": it needs a signature by {}", self::owner(owner)));
            let wrong = match refused {
                Refused::Missing => format!("{file} is not there"),
                _ => format!("{file}: {refused}"),
            };
            let help = match refused {
                Refused::Missing | Refused::OtherKey => {
                    "its owner makes one with `palisade component sign FILE --key KEY`; put it there, or name it with `--signature FILE`"
                }
                _ => "get the component and its signature again from its owner, and find out who changed one of them",
            };
            CliError::new(refused.code(), format!("{id} was not added{of}; {wrong}")).help(help)
        })
    }
}

fn judge(bytes: Option<&[u8]>, digest: Digest, key: Option<&VerifyingKey>) -> Result<Option<VerifyingKey>, Refused> {
    let Some(bytes) = bytes else {
        return if key.is_some() { Err(Refused::Missing) } else { Ok(None) };
    };
    let note = Note::parse(bytes).map_err(Refused::Note)?;
    if !is_of_a_component(&note) {
        return Err(Refused::OtherThing);
    }
    if note.text() != text(digest) {
        return Err(Refused::OtherBytes(digest));
    }
    let Some(key) = key else { return Ok(None) };
    match note.verify(key) {
        Ok(()) => Ok(Some(key.clone())),
        Err(NoteError::Unsigned { .. }) => Err(Refused::OtherKey),
        Err(wrong) => Err(Refused::Note(wrong)),
    }
}

/// Who signed, for a person.
pub(crate) fn by(key: Option<&VerifyingKey>) -> String {
    key.map_or_else(|| "unsigned".to_owned(), |key| format!("signed by {}", neutral::line(key.name(), MAX_SHOWN)))
}

/// The owner of a namespace, with the place that says so.
pub(crate) fn owner(owner: &Owner) -> String {
    let key = neutral::line(&owner.key.to_string(), MAX_SHOWN);
    format!("`{key}`, which owns the namespace `{}` (palisade.toml:{})", owner.namespace.as_str(), owner.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, [seed; 32]).unwrap()
    }

    #[test]
    fn only_the_owners_signature_over_these_bytes_counts() {
        let (acme, eve) = (key("acme", 1), key("eve", 2));
        let (digest, other) = (Digest::of(b"these"), Digest::of(b"those"));
        let note = |digest, key: &SigningKey| sign(digest, key).unwrap().to_string();
        let check = |bytes: Option<&str>, owned: bool, expected: Result<Option<&str>, ExitCode>| {
            let owner = acme.verifying();
            let found = judge(bytes.map(str::as_bytes), digest, owned.then_some(&owner));
            let found = found.as_ref().map(|key| key.as_ref().map(VerifyingKey::name)).map_err(Refused::code);
            assert_eq!(found, expected, "{bytes:?}, owned: {owned}");
        };
        let good = note(digest, &acme);
        check(Some(&good), true, Ok(Some("acme")));
        check(None, true, Err(ExitCode::Denied));
        check(Some(&note(digest, &eve)), true, Err(ExitCode::Denied));
        // The same name over another key is another key.
        check(Some(&note(digest, &key("acme", 3))), true, Err(ExitCode::Denied));
        check(Some(&note(other, &acme)), true, Err(ExitCode::Integrity));
        check(Some(&good.replace(&digest.to_string(), &other.to_string())), true, Err(ExitCode::Integrity));
        // The owner's name and hash over somebody else's signature.
        let line = |note: &str| note.lines().last().unwrap().to_owned();
        let moved = good.replace(&line(&good), &line(&note(other, &acme)));
        check(Some(&moved), true, Err(ExitCode::Integrity));
        // Both signatures, in whatever order, are the owner's too.
        let both = Note::sign(text(digest), &[&eve, &acme]).unwrap().to_string();
        check(Some(&both), true, Ok(Some("acme")));
        // Nobody can be believed where there is no owner; what can't fit is refused all the same.
        check(None, false, Ok(None));
        check(Some(&good), false, Ok(None));
        check(Some(&note(other, &acme)), false, Err(ExitCode::Integrity));
        for owned in [true, false] {
            check(Some(""), owned, Err(ExitCode::Integrity));
            check(Some("garbage"), owned, Err(ExitCode::Integrity));
            check(Some(&"x".repeat(MAX_NOTE_BYTES + 1)), owned, Err(ExitCode::Integrity));
            let more = Note::sign(format!("{}trusted\n", text(digest)), &[&acme]).unwrap().to_string();
            check(Some(&more), owned, Err(ExitCode::Integrity));
            let checkpoint = Note::sign(format!("palisade\n1\nsha256:{digest}\n"), &[&acme]).unwrap().to_string();
            check(Some(&checkpoint), owned, Err(ExitCode::Integrity));
        }
    }

    #[test]
    fn what_is_signed_is_two_lines() {
        let digest = Digest::of(b"these");
        assert_eq!(sign(digest, &key("acme", 1)).unwrap().text(), format!("palisade component 1\nsha256:{digest}\n"));
        assert_eq!(beside(Path::new("a/b.wasm")), Path::new("a/b.wasm.sig"));
        assert!(is_one(sign(digest, &key("acme", 1)).unwrap().to_string().as_bytes()));
        assert!(!is_one(b"\0asm"));
    }
}

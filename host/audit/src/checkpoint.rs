//! The state of a log, signed: which log, how many entries, the root over them (c2sp.org/tlog-checkpoint).

use crate::key::SigningKey;
use crate::note::{Note, NoteError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_model::Digest;
use std::fmt;

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is of.
    pub origin: String,
    /// How many entries the log had.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// Why a note is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no checkpoint: {what}")]
pub struct CheckpointError {
    /// What is wrong.
    pub what: &'static str,
}

impl Checkpoint {
    /// Signs it.
    ///
    /// # Errors
    /// When its origin is no line.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        Note::sign(self.to_string(), &[key])
    }

    /// Reads what a note says. Lines behind the third belong to others and are passed over.
    ///
    /// # Errors
    /// When it is no checkpoint.
    pub fn of_note(note: &Note) -> Result<Self, CheckpointError> {
        let wrong = |what| CheckpointError { what };
        let mut lines = note.text().split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or_else(|| wrong("it has no origin"))?;
        let size = lines.next().unwrap_or_default();
        let is_number = size.bytes().all(|byte| byte.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| is_number).ok_or_else(|| wrong("its second line is no size"))?;
        let root = STANDARD.decode(lines.next().unwrap_or_default()).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or_else(|| wrong("its third line is not the base64 of a hash"))?;
        Ok(Self { origin: origin.to_owned(), size, root: Digest::from_bytes(root) })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed("palisade/test", [3; 32]).unwrap()
    }

    #[test]
    fn a_checkpoint_survives_its_note() {
        let checkpoint = Checkpoint { origin: "palisade/test".to_owned(), size: 12, root: Digest::of(b"x") };
        let note = checkpoint.sign(&key()).unwrap();
        let text = "palisade/test\n12\nLXEWQrcmsEQBYnyp++6/mpOwo6iiK0tNEMFFmVCYbII=\n";
        assert!(note.text().starts_with("palisade/test\n12\n") && note.text().len() == text.len());
        assert_eq!(Checkpoint::of_note(&note), Ok(checkpoint.clone()));
        let more = Note::sign(format!("{checkpoint}more of others\n"), &[&key()]).unwrap();
        assert_eq!(Checkpoint::of_note(&more), Ok(checkpoint));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = "LXEWQrcmsEQBYnyp++6/mpOwo6iiK0tNEMFFmVCYbII=";
        for wrong in [
            "origin\n",
            "origin\n1\n",
            &format!("\n1\n{root}\n"),
            &format!("origin\n01\n{root}\n"),
            &format!("origin\n+1\n{root}\n"),
            &format!("origin\n-1\n{root}\n"),
            &format!("origin\n99999999999999999999\n{root}\n"),
            &format!("origin\n1\n{}\n", &root[4..]),
            &format!("origin\n1\n{root} \n"),
        ] {
            let note = Note::sign(wrong, &[&key()]).unwrap();
            assert!(Checkpoint::of_note(&note).is_err(), "{wrong:?}");
        }
    }
}

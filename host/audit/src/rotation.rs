//! That another key signs from now on, said by both: the old one hands over, the new one shows that somebody has it.

use crate::key::{SigningKey, VerifyingKey};
use crate::note::{Note, NoteError};

/// What both sign.
fn text(old: &VerifyingKey, new: &VerifyingKey) -> String {
    format!("palisade key rotation\n{}\n{old}\n{new}\n", old.name())
}

/// Says that `new` signs in place of `old`.
///
/// # Errors
/// When a key's name is no line, which none is.
pub fn rotation(old: &SigningKey, new: &SigningKey) -> Result<Note, NoteError> {
    Note::sign(text(&old.verifying(), &new.verifying()), &[old, new])
}

/// Checks that both keys said so.
///
/// # Errors
/// When one of them did not, or the note says something else.
pub fn verify_rotation(note: &Note, old: &VerifyingKey, new: &VerifyingKey) -> Result<(), NoteError> {
    if note.text() != text(old, new) {
        return Err(NoteError::Form { what: "it does not say that this key follows that one" });
    }
    note.verify(old)?;
    note.verify(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_must_say_so() {
        let key = |seed| SigningKey::from_seed("log", [seed; 32]).unwrap();
        let (old, new, other) = (key(1), key(2), key(3));
        let note = rotation(&old, &new).unwrap();
        assert_eq!(verify_rotation(&note, &old.verifying(), &new.verifying()), Ok(()));
        assert!(verify_rotation(&note, &new.verifying(), &old.verifying()).is_err());
        assert!(verify_rotation(&note, &old.verifying(), &other.verifying()).is_err());
        for alone in [&old, &new] {
            let note = Note::sign(note.text(), &[alone]).unwrap();
            assert!(matches!(
                verify_rotation(&note, &old.verifying(), &new.verifying()),
                Err(NoteError::Unsigned { .. })
            ));
        }
    }
}

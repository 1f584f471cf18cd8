//! Signed notes as C2SP has them (c2sp.org/signed-note): a text, an empty line, a line for each signature.
//!
//! Notes come from files that others keep: they are read within bounds, and what is not exactly of the form is refused.

use crate::key::{SigningKey, VerifyingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Most bytes of a note that are read.
pub const MAX_NOTE_BYTES: usize = 64 << 10;
/// Most signatures of a note.
const MAX_SIGNATURES: usize = 100;
/// What a signature's line begins with.
const MARK: &str = "\u{2014} ";

/// A text with its signatures, which nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// A signature of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// The first four bytes of the key's hash.
    pub key_hash: [u8; 4],
    /// The bytes, whose meaning depends on the key.
    pub bytes: Vec<u8>,
}

/// Why bytes are no note, or one that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is larger than any note.
    #[error("a note has at most {MAX_NOTE_BYTES} bytes")]
    TooLarge,
    /// It is not a text, an empty line, and signatures.
    #[error("it is no signed note: {what}")]
    Form {
        /// What is wrong.
        what: &'static str,
    },
    /// None of its signatures is of that key.
    #[error("it has no signature of the key `{key}`")]
    Unsigned {
        /// The key.
        key: String,
    },
    /// A signature that says to be of that key is not.
    #[error("its signature is not one of the key `{key}`")]
    Forged {
        /// The key.
        key: String,
    },
}

impl Note {
    /// Signs a text: lines that each end with a line feed.
    ///
    /// # Errors
    /// When it is not such a text.
    pub fn sign(text: impl Into<String>, keys: &[&SigningKey]) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        let sign = |key: &&SigningKey| {
            let verifying = key.verifying();
            let bytes = key.sign(text.as_bytes()).to_vec();
            Signature { name: verifying.name().to_owned(), key_hash: verifying.hash(), bytes }
        };
        let signatures = keys.iter().map(sign).collect();
        Ok(Self { text, signatures })
    }

    /// Reads a note.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let (text, lines) =
            text.rsplit_once("\n\n").ok_or_else(|| wrong("there is no empty line before signatures"))?;
        let text = format!("{text}\n");
        check_text(&text)?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| wrong("its last line has no end"))?;
        let signatures = lines.split('\n').map(signature).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(wrong("it has more than 100 signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// Reads notes that stand one behind the other, with or without empty lines between them.
    ///
    /// # Errors
    /// The number of the first that is none, from 1, and why.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, (usize, NoteError)> {
        let (mut notes, mut note, mut signed) = (Vec::new(), String::new(), false);
        let mut take = |note: &mut String| {
            let read = Self::parse(note.as_bytes()).map_err(|error| (notes.len() + 1, error))?;
            note.clear();
            notes.push(read);
            Ok(())
        };
        for line in text.split_inclusive('\n') {
            let is_signature = line.starts_with(MARK);
            if signed && !is_signature {
                take(&mut note)?;
            }
            signed = is_signature;
            if !(note.is_empty() && line.trim_end().is_empty()) {
                note.push_str(line);
            }
        }
        if !note.is_empty() {
            take(&mut note)?;
        }
        Ok(notes)
    }

    /// With the signatures of another note of the same text that it does not have.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        let more = other.signatures.iter().filter(|_| self.text == other.text);
        let more: Vec<_> = more.filter(|signature| !self.signatures.contains(signature)).cloned().collect();
        self.signatures.extend(more);
        self
    }

    /// With one signature more.
    #[must_use]
    pub(crate) fn with(mut self, signature: Signature) -> Self {
        self.signatures.push(signature);
        self
    }

    /// What was signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in order.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Checks that a key signed the text.
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), NoteError> {
        let of_key = |signature: &&Signature| signature.name == key.name() && signature.key_hash == key.hash();
        let Some(signature) = self.signatures.iter().find(of_key) else {
            return Err(NoteError::Unsigned { key: key.to_string() });
        };
        if key.verifies(self.text.as_bytes(), &signature.bytes) {
            Ok(())
        } else {
            Err(NoteError::Forged { key: key.to_string() })
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, key_hash, bytes } in &self.signatures {
            writeln!(f, "{MARK}{name} {}", STANDARD.encode([key_hash.as_slice(), bytes].concat()))?;
        }
        Ok(())
    }
}

fn wrong(what: &'static str) -> NoteError {
    NoteError::Form { what }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    // A line feed at its end, and no other control character: what is shown is what was signed.
    if text.trim_end_matches('\n').is_empty() || !text.ends_with('\n') {
        return Err(wrong("its text is empty or has no line end"));
    }
    if text.chars().any(|c| c.is_ascii_control() && c != '\n') {
        return Err(wrong("there is a control character in it"));
    }
    Ok(())
}

fn signature(line: &str) -> Result<Signature, NoteError> {
    let line = line.strip_prefix(MARK).ok_or_else(|| wrong("a line behind its text is no signature"))?;
    let (name, encoded) = line.split_once(' ').ok_or_else(|| wrong("a signature has no name"))?;
    if !is_key_name(name) {
        return Err(wrong("a signature has a wrong name"));
    }
    let bytes = STANDARD.decode(encoded).map_err(|_| wrong("a signature is not base64"))?;
    let (key_hash, bytes) = bytes.split_first_chunk().ok_or_else(|| wrong("a signature is too short"))?;
    if bytes.is_empty() {
        return Err(wrong("a signature is too short"));
    }
    Ok(Signature { name: name.to_owned(), key_hash: *key_hash, bytes: bytes.to_vec() })
}

/// Whether a key may be called so.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note, which C2SP has taken over.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_note_holds_and_is_made_again() {
        let (key, note): (VerifyingKey, _) = (KEY.parse().unwrap(), Note::parse(NOTE.as_bytes()).unwrap());
        assert_eq!(note.verify(&key), Ok(()));
        assert_eq!(note.to_string(), NOTE);
        let secret: SigningKey = SECRET.parse().unwrap();
        assert_eq!(secret.verifying().to_string(), KEY);
        assert_eq!(Note::sign(note.text(), &[&secret]).unwrap(), note);
        let other = NOTE.replace("problem is", "problem was");
        let forged = Note::parse(other.as_bytes()).unwrap().verify(&key);
        assert_eq!(forged, Err(NoteError::Forged { key: KEY.to_owned() }));
        let stranger = SigningKey::from_seed("PeterNeumann", [1; 32]).unwrap();
        assert!(matches!(note.verify(&stranger.verifying()), Err(NoteError::Unsigned { .. })));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let signature = NOTE.rsplit_once("\n\n").unwrap().1;
        let wrong = [
            String::new(),
            "text\n".to_owned(),
            "text\n\n".to_owned(),
            format!("\n\n{signature}"),
            format!("text\n{signature}"),
            format!("text\n\n{}", signature.trim_end()),
            format!("te\txt\n\n{signature}"),
            format!("text\n\n{signature}more\n"),
            "text\n\n\u{2014} name\n".to_owned(),
            "text\n\n\u{2014} na+me AAAAAAA=\n".to_owned(),
            "text\n\n\u{2014} name AAAA\n".to_owned(),
            "text\n\n\u{2014} name AAAAA===\n".to_owned(),
            format!("text\n\n{}", signature.repeat(101)),
            format!("{}\n\n{signature}", "x".repeat(MAX_NOTE_BYTES)),
        ];
        for wrong in wrong {
            assert!(Note::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Note::parse(format!("text\n\n{}", signature.repeat(100)).as_bytes()).is_ok());
        let of_bytes = |bytes: usize| format!("{}\n\n{signature}", "x".repeat(bytes - 2 - signature.len()));
        assert!(Note::parse(of_bytes(MAX_NOTE_BYTES).as_bytes()).is_ok());
        assert_eq!(Note::parse(of_bytes(MAX_NOTE_BYTES + 1).as_bytes()), Err(NoteError::TooLarge));
    }

    #[test]
    fn signatures_of_the_same_text_come_together() {
        let key = |seed| SigningKey::from_seed("log", [seed; 32]).unwrap();
        let of = |text: &str, keys: &[&SigningKey]| Note::sign(text, keys).unwrap();
        let (a, b) = (key(1), key(2));
        let joined = of("text\n", &[&a]).joined(&of("text\n", &[&a, &b]));
        assert_eq!(joined, of("text\n", &[&a, &b]));
        assert_eq!(joined.clone().joined(&of("other\n", &[&key(3)])), joined, "those of another text are no use");
    }

    #[test]
    fn notes_stand_one_behind_the_other() {
        for between in ["", "\n", "\n\n"] {
            let text = format!("{NOTE}{between}{NOTE}{between}");
            assert_eq!(Note::parse_all(&text).unwrap().len(), 2, "{between:?}");
        }
        assert_eq!(Note::parse_all(""), Ok(Vec::new()));
        let (number, _) = Note::parse_all(&format!("{NOTE}\nhalf a note")).unwrap_err();
        assert_eq!(number, 2);
    }
}

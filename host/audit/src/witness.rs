//! What a witness is asked and what it answers (c2sp.org/tlog-witness), and its signatures (c2sp.org/tlog-cosignature): it
//! signs a checkpoint only if what it saw before is the beginning of it, so that a log can't show one thing to one and
//! another to others.

use crate::checkpoint::Checkpoint;
use crate::key::{self, KeyError};
use crate::note::{Note, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_model::Digest;
use std::fmt;
use std::str::FromStr;

/// The kind of key that makes cosignatures: Ed25519 over a text with a time.
const COSIGNATURE: u8 = 4;

/// A key that checks cosignatures: `NAME+HASH+BASE64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

/// What a witness made of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witnessed {
    /// It signed it.
    Cosigned {
        /// The checkpoint with its signature.
        note: Note,
        /// When, in seconds since 1970, by its clock.
        at: u64,
    },
    /// It saw a log of another size than the one from which it was shown the way.
    Has(u64),
    /// It saw another log: no way leads from that one to this one.
    Split,
    /// It does not know the log, or its key.
    Unknown,
    /// It answered something else.
    Refused {
        /// What.
        what: String,
    },
}

impl WitnessKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it signed a note, in seconds since 1970; none unless it did.
    #[must_use]
    pub fn signed(&self, note: &Note) -> Option<u64> {
        note.signatures().iter().find_map(|signature| self.time(note.text(), signature))
    }

    fn time(&self, text: &str, signature: &Signature) -> Option<u64> {
        let hash = key::hash(&self.name, COSIGNATURE, self.key.as_bytes());
        if signature.name != self.name || signature.key_hash != hash {
            return None;
        }
        let (time, bytes) = signature.bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        let signed = format!("cosignature/v1\ntime {time}\n{text}");
        let bytes = ed25519_dalek::Signature::from_slice(bytes).ok()?;
        self.key.verify_strict(signed.as_bytes(), &bytes).is_ok().then_some(time)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = key::hash(&self.name, COSIGNATURE, self.key.as_bytes());
        f.write_str(&key::text(&self.name, hash, COSIGNATURE, self.key.as_bytes()))
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, key) = key::public(text, COSIGNATURE)?;
        Ok(Self { name, key })
    }
}

/// The body of `add-checkpoint`: what it saw last, the way from there, the checkpoint.
#[must_use]
pub fn add_checkpoint(old: u64, way: &[Digest], note: &Note) -> String {
    let way: String = way.iter().map(|hash| format!("{}\n", STANDARD.encode(hash.as_bytes()))).collect();
    format!("old {old}\n{way}\n{note}")
}

/// What an answer means to one who showed the way from `old` entries.
#[must_use]
pub fn answered(status: u16, body: &[u8], old: u64, note: &Note, key: &WitnessKey) -> Witnessed {
    let text = String::from_utf8_lossy(body);
    let refused = |what: &str| Witnessed::Refused { what: what.to_owned() };
    match status {
        200 => {
            let cosigned = Note::parse(format!("{}\n{text}", note.text()).as_bytes());
            let Ok(cosigned) = cosigned else { return refused("it answered no signatures") };
            let mine = cosigned
                .signatures()
                .iter()
                .find_map(|signature| key.time(note.text(), signature).map(|at| (signature.clone(), at)));
            match mine {
                Some((signature, at)) => Witnessed::Cosigned { note: note.clone().with(signature), at },
                None => refused("its answer has no signature of its key under this checkpoint"),
            }
        }
        409 => match text.trim_end().parse() {
            Ok(size) if size != old => Witnessed::Has(size),
            // It saw as much as this one has, and something else. Of nothing there is but one.
            Ok(size) if is_whole(note, size) => Witnessed::Split,
            Ok(_) => refused("it contradicts itself"),
            Err(_) => refused("it saw a log of another size, and does not say which"),
        },
        422 if old > 0 => Witnessed::Split,
        403 | 404 => Witnessed::Unknown,
        status => Witnessed::Refused { what: format!("it answered with status {status}") },
    }
}

/// Whether a checkpoint is over so many entries, and any.
fn is_whole(note: &Note, size: u64) -> bool {
    size > 0 && Checkpoint::of_note(note).is_ok_and(|checkpoint| checkpoint.size == size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    /// The cosignature of the example of c2sp.org/tlog-cosignature can't be checked without its key: this one is made as it
    /// says.
    fn witness() -> (WitnessKey, SigningKey) {
        let signing = SigningKey::from_seed("witness.example", [9; 32]).unwrap();
        let public = signing.verifying().to_string();
        let bytes = STANDARD.decode(public.rsplit('+').next().unwrap()).unwrap();
        let point: [u8; 32] = bytes[1..].try_into().unwrap();
        let hash = key::hash("witness.example", COSIGNATURE, &point);
        (key::text("witness.example", hash, COSIGNATURE, &point).parse().unwrap(), signing)
    }

    fn cosign(text: &str, at: u64, signing: &SigningKey, key: &WitnessKey) -> String {
        line(at, signing.sign(format!("cosignature/v1\ntime {at}\n{text}").as_bytes()), key)
    }

    fn line(at: u64, signature: [u8; 64], key: &WitnessKey) -> String {
        line_of(at, signature, key, key::hash(key.name(), COSIGNATURE, key.key.as_bytes()))
    }

    fn line_of(at: u64, signature: [u8; 64], key: &WitnessKey, hash: [u8; 4]) -> String {
        let bytes = [&hash[..], &at.to_be_bytes(), &signature].concat();
        format!("\u{2014} {} {}\n", key.name(), STANDARD.encode(bytes))
    }

    fn note() -> Note {
        let checkpoint = Checkpoint { origin: "log".to_owned(), size: 3, root: Digest::of(b"root") };
        checkpoint.sign(&SigningKey::from_seed("log", [1; 32]).unwrap()).unwrap()
    }

    fn empty() -> Note {
        let checkpoint = Checkpoint { origin: "log".to_owned(), size: 0, root: Digest::of(b"") };
        checkpoint.sign(&SigningKey::from_seed("log", [1; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_cosignature_counts_for_its_text_and_its_time() {
        let ((key, signing), note) = (witness(), note());
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let cosigned = cosign(note.text(), 1_700_000_000, &signing, &key);
        let Witnessed::Cosigned { note: cosigned, at } = answered(200, cosigned.as_bytes(), 0, &note, &key) else {
            panic!("it counts")
        };
        assert_eq!((at, key.signed(&cosigned), key.signed(&note)), (1_700_000_000, Some(1_700_000_000), None));
        assert_eq!(Note::parse(cosigned.to_string().as_bytes()), Ok(cosigned));
        let other = Note::sign("log\n4\nroot\n", &[&signing]).unwrap();
        let wrong = [
            String::new(),
            "what?\n".to_owned(),
            // Of another text, and of another key.
            cosign(other.text(), 1, &signing, &key),
            cosign(note.text(), 1, &SigningKey::from_seed("witness.example", [8; 32]).unwrap(), &key),
            // Under another name, and another hash of the key.
            cosign(note.text(), 1, &signing, &key).replace("witness.example", "witness.other"),
            line_of(1, signing.sign(format!("cosignature/v1\ntime 1\n{}", note.text()).as_bytes()), &key, [0; 4]),
            // The signature of another time.
            line(2, signing.sign(format!("cosignature/v1\ntime 1\n{}", note.text()).as_bytes()), &key),
        ];
        for wrong in wrong {
            assert!(matches!(answered(200, wrong.as_bytes(), 0, &note, &key), Witnessed::Refused { .. }), "{wrong}");
        }
    }

    #[test]
    fn every_answer_has_a_meaning() {
        let ((key, _), note) = (witness(), note());
        let of = |status, body: &str, old| answered(status, body.as_bytes(), old, &note, &key);
        assert_eq!(of(409, "7\n", 3), Witnessed::Has(7));
        assert_eq!(of(409, "3\n", 3), Witnessed::Split);
        // It can't be split over nothing.
        assert!(!is_whole(&empty(), 0) && is_whole(&note, 3) && !is_whole(&note, 2));
        assert_eq!(of(422, "", 2), Witnessed::Split);
        // Nothing can be another beginning than nothing, and who saw as much as it was shown the way from says nothing against it.
        for (status, body, old) in [(409, "0\n", 0), (422, "", 0), (409, "2\n", 2)] {
            assert!(matches!(of(status, body, old), Witnessed::Refused { .. }), "{status} {old}");
        }
        assert_eq!((of(403, "", 0), of(404, "", 0)), (Witnessed::Unknown, Witnessed::Unknown));
        assert!(matches!(of(409, "many", 0), Witnessed::Refused { .. }));
        assert_eq!(of(500, "", 0), Witnessed::Refused { what: "it answered with status 500".to_owned() });
    }

    #[test]
    fn what_is_sent_is_as_it_is_described() {
        let way = [Digest::from_bytes([0; 32])];
        let expected = format!("old 2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n{}", note());
        assert_eq!(add_checkpoint(2, &way, &note()), expected);
    }

    #[test]
    fn a_key_of_another_kind_is_none() {
        let log = SigningKey::from_seed("log", [1; 32]).unwrap().verifying().to_string();
        assert!(log.parse::<WitnessKey>().is_err());
        let (key, _) = witness();
        assert!(key.to_string().parse::<crate::VerifyingKey>().is_err());
    }
}

//! Ed25519 keys with a name, in the text forms of signed notes.

use crate::note::is_key_name;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _};
use palisade_model::Digest;
use std::fmt;
use std::str::FromStr;

/// The kind of key that signs notes: Ed25519.
const ED25519: u8 = 1;
/// What the text of a secret key begins with.
const SECRET: &str = "PRIVATE+KEY+";

/// A key that checks signatures: `NAME+HASH+BASE64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

/// A key that signs. Its text is a secret and is never printed by accident.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no Ed25519 key of a signed note: {what}")]
pub struct KeyError {
    /// What is wrong; never a part of the text.
    pub what: &'static str,
}

impl VerifyingKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, line feed, kind and key.
    #[must_use]
    pub fn hash(&self) -> [u8; 4] {
        hash(&self.name, ED25519, self.key.as_bytes())
    }

    /// Whether these bytes are its signature of the message. Strict: a signature that could be changed into another one of
    /// the same message, or a key of small order, does not count.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl SigningKey {
    /// The key of 32 random bytes.
    ///
    /// # Errors
    /// When it can't have that name.
    pub fn from_seed(name: impl Into<String>, seed: [u8; 32]) -> Result<Self, KeyError> {
        let name = name.into();
        if !is_key_name(&name) {
            return Err(KeyError { what: "its name is empty or holds a space or `+`" });
        }
        Ok(Self { name, key: ed25519_dalek::SigningKey::from_bytes(&seed) })
    }

    /// The key that checks what it signs.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The text under which it is kept.
    #[must_use]
    pub fn reveal(&self) -> String {
        let hash = self.verifying().hash();
        format!("{SECRET}{}", text(&self.name, hash, ED25519, self.key.as_bytes()))
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.name, self.hash(), ED25519, self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.verifying()).finish()
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, key) = public(text, ED25519)?;
        Ok(Self { name, key })
    }
}

impl FromStr for SigningKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end().strip_prefix(SECRET).ok_or(KeyError { what: "it is not a secret one" })?;
        let (name, hash, seed) = parts(text, ED25519)?;
        let key = Self::from_seed(name, seed)?;
        if hash == hex(key.verifying().hash()) { Ok(key) } else { Err(KeyError { what: "its hash is another" }) }
    }
}

/// The first four bytes of SHA-256 over name, line feed, kind and public key.
pub(crate) fn hash(name: &str, kind: u8, key: &[u8; 32]) -> [u8; 4] {
    let bytes = [name.as_bytes(), &[b'\n', kind], key].concat();
    let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
    [a, b, c, d]
}

/// The text of a key of that kind.
pub(crate) fn text(name: &str, hash: [u8; 4], kind: u8, bytes: &[u8; 32]) -> String {
    format!("{name}+{}+{}", hex(hash), STANDARD.encode([&[kind], bytes.as_slice()].concat()))
}

/// The name and the point of a public key of that kind.
pub(crate) fn public(text: &str, kind: u8) -> Result<(String, ed25519_dalek::VerifyingKey), KeyError> {
    let (name, told, bytes) = parts(text, kind)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
    let key = key.map_err(|_| KeyError { what: "its bytes are no point of the curve" })?;
    if told != hex(hash(name, kind, &bytes)) {
        return Err(KeyError { what: "its hash is another" });
    }
    Ok((name.to_owned(), key))
}

fn hex(hash: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(hash))
}

/// The name, the hash and the bytes.
fn parts(text: &str, wanted: u8) -> Result<(&str, &str, [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError { what: "it has not three parts" });
    };
    if !is_key_name(name) {
        return Err(KeyError { what: "its name is empty or holds a space or `+`" });
    }
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError { what: "its last part is not base64" })?;
    let (kind, bytes) = bytes.split_first().ok_or(KeyError { what: "it has no bytes" })?;
    if *kind != wanted {
        return Err(KeyError {
            what: match wanted {
                ED25519 => "it is of another kind than Ed25519",
                _ => "it is of another kind than those that make cosignatures",
            },
        });
    }
    Ok((name, hash, bytes.try_into().map_err(|_| KeyError { what: "it has not 32 bytes" })?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_text_and_nothing_else_is_one() {
        // RFC 8032, section 7.1, test 1.
        let seed: Digest = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60".parse().unwrap();
        let key = SigningKey::from_seed("test", *seed.as_bytes()).unwrap();
        let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        let signed: String = key.sign(b"").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(signed, expected);
        let (secret, public) = (key.reveal(), key.verifying().to_string());
        assert_eq!(secret.parse::<SigningKey>().unwrap().reveal(), secret);
        assert_eq!(public.parse::<VerifyingKey>().unwrap(), key.verifying());
        assert!(!format!("{key:?}").contains(secret.rsplit('+').next().unwrap()));
        let shown = format!("{key:?} {:?}", key.verifying());
        assert_eq!(shown, format!("SigningKey(VerifyingKey({public})) VerifyingKey({public})"));
        for wrong in [
            "",
            "test",
            "test+00000000",
            &public.replacen("test", "other", 1),
            &public.replacen("test", "te st", 1),
            &public[..public.len() - 4],
            &secret,
        ] {
            assert!(wrong.parse::<VerifyingKey>().is_err(), "{wrong}");
        }
        assert!(public.parse::<SigningKey>().is_err());
        // What is wrong is told, and no more of a key than that.
        let other_kind = text("test", [0; 4], 4, key.verifying().key.as_bytes());
        let told = |text: &str| text.parse::<VerifyingKey>().unwrap_err().what;
        assert_eq!(told(&other_kind), "it is of another kind than Ed25519");
        assert_eq!(told(&public.replacen("test", "other", 1)), "its hash is another");
        assert_eq!(told("+00000000+AAAA"), "its name is empty or holds a space or `+`");
    }
}

//! Digests that say nothing to whoever does not have the key: the hash of a single value could be guessed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_model::{Digest, RunId};
use sha2::Sha256;

/// The secret of a data directory: 32 random bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DirectoryKey([u8; 32]);

/// The secret of one run. Whoever gets it can check what the entries of this run say of data, and of no other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RunKey([u8; 32]);

impl DirectoryKey {
    /// Wraps random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret of a run: HMAC-SHA-256 of its 16 id bytes.
    #[must_use]
    pub fn of_run(&self, run: RunId) -> RunKey {
        RunKey(mac(&self.0, run.as_bytes()))
    }
}

impl RunKey {
    /// HMAC-SHA-256 of `bytes`.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        Digest::from_bytes(mac(&self.0, bytes))
    }

    /// The key as text, to be handed to whoever is to check this run's digests.
    #[must_use]
    pub fn reveal(&self) -> String {
        Digest::from_bytes(self.0).to_string()
    }
}

impl std::fmt::Debug for DirectoryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryKey")
    }
}

impl std::fmt::Debug for RunKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunKey")
    }
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    // A shorter key is one with zeros behind it.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hmac_sha_256() {
        // RFC 4231, test case 2 with the key padded by zeros to 32 bytes, which HMAC does by itself.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let digest = RunKey(key).digest(b"what do ya want for nothing?");
        assert_eq!(digest.to_string(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn each_run_has_a_key_of_its_own() {
        let key = DirectoryKey::new([7; 32]);
        let [a, b] = [1, 2].map(|number| key.of_run(RunId::new(number, [0; 10])));
        assert_ne!(a.digest(b"x"), b.digest(b"x"));
        assert_eq!(format!("{key:?} {a:?}"), "DirectoryKey RunKey");
        // Who has the text can make the digests.
        let revealed: Digest = a.reveal().parse().unwrap();
        assert_eq!(RunKey(*revealed.as_bytes()).digest(b"x"), a.digest(b"x"));
    }
}

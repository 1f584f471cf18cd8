//! What an engine's compiled code depends on, as a digest.

use palisade_model::digest::Hasher;
use std::hash::Hash as _;
use wasmtime::Engine;

/// Digest of all that decides whether compiled code fits an engine: version of wasmtime, processor, flags.
///
/// Part of the key under which code is cached, and of what a replay compares before it compares fuel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineId(palisade_model::Digest);

impl EngineId {
    /// The identity of an engine.
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut hasher = Sha(Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finish())
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> palisade_model::Digest {
        self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(crate) fn short(&self) -> String {
        self.0.short()
    }
}

/// The standard library's hashers have 64 bits and no promise to stay the same; this takes what they would.
struct Sha(Hasher);

impl std::hash::Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

//! What the gateway to language models needs of a process: keys from the environment or from files, and the time.

use palisade_model::llm::ModelSpec;
use palisade_net::{Key, KeyError};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The key of a model, if it has one. `base` is the folder of the operator's file.
///
/// # Errors
/// When it should be there and is not, or others could read it.
pub(crate) fn key(model: &ModelSpec, base: &Path) -> Result<Option<Key>, KeyError> {
    model.key.as_ref().map(|place| Key::read(place, base, |name| std::env::var_os(name))).transpose()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

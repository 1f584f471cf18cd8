//! The secrets that the operator keeps, by their names. Each is read when it is needed, and by those who send it.

use crate::key::{Key, KeyError};
use palisade_model::llm::KeyPlace;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where each secret is. Holds none of them.
#[derive(Debug, Clone)]
pub struct Secrets {
    places: BTreeMap<String, KeyPlace>,
    folder: PathBuf,
    variable: fn(&str) -> Option<OsString>,
}

/// Why a secret can't be had. No text tells a part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The operator has none of that name.
    #[error("there is no `[[secret]]` called `{name}` in palisade.toml")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It is not where the operator says.
    #[error("the secret `{name}` can't be had")]
    Key {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
}

impl Secrets {
    /// Those at `places`. `folder` is that of the operator's file, to which its paths are relative; `variable` gives the value
    /// of an environment variable.
    #[must_use]
    pub const fn new(
        places: BTreeMap<String, KeyPlace>,
        folder: PathBuf,
        variable: fn(&str) -> Option<OsString>,
    ) -> Self {
        Self { places, folder, variable }
    }

    /// Not one.
    #[must_use]
    pub fn none() -> Self {
        Self::new(BTreeMap::new(), PathBuf::new(), |_| None)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// When there is none of that name, or it is not where it should be.
    pub fn read(&self, name: &str) -> Result<Key, SecretError> {
        let place = self.places.get(name).ok_or_else(|| SecretError::Unknown { name: name.to_owned() })?;
        let key = Key::read(place, &self.folder, self.variable);
        key.map_err(|source| SecretError::Key { name: name.to_owned(), source })
    }
}

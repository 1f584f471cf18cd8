//! What the operator states that components may use, and where it was stated.

use crate::capability::Capability;
use crate::path::{ScopedPath, WorkingFolder};
use crate::place::{ParseCapabilityError, Place};
use crate::quote::shell_argument;
use crate::secret::{SecretPlace, SecretScope};
use palisade_model::manifest::Power;

/// A capability that the operator gives, and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(crate) capability: Capability,
    pub(crate) stated: String,
}

impl Grant {
    /// What holds for the components that come with Palisade when the operator says nothing: reading files and SQLite
    /// databases below the working folder.
    #[must_use]
    pub fn default_set() -> Vec<Self> {
        [Place::FsRead(ScopedPath::root()), Place::Sql(ScopedPath::root())]
            .map(|place| Self {
                capability: Capability::at(place.power(), [place]),
                stated: "what Palisade's own components may read unless told otherwise".to_owned(),
            })
            .into()
    }

    /// Reads the argument of `--allow`: what [`Capability::parse`] reads, but no secret.
    ///
    /// # Errors
    /// As [`Capability::parse`].
    pub fn parse(folder: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        Self::parse_in(folder, folder, text, allow_line(text))
    }

    /// Reads a capability that a file of the folder `base` gives at the place `stated`, as `palisade.toml:31`.
    ///
    /// # Errors
    /// As [`Grant::parse`].
    pub fn parse_in(
        folder: &WorkingFolder,
        base: &WorkingFolder,
        text: &[u8],
        stated: String,
    ) -> Result<Self, ParseCapabilityError> {
        let capability = Capability::parse_in(folder, base, text)?;
        match capability.power() {
            // Two places that say who gets one are one too many.
            Power::Secret => Err(ParseCapabilityError::SecretGrant),
            _ => Ok(Self { capability, stated }),
        }
    }

    /// What the table of a secret gives: it, sent where the table says.
    #[must_use]
    pub fn of_secret(places: impl IntoIterator<Item = SecretPlace>, stated: String) -> Self {
        Self { capability: Capability::Secret(SecretScope::at(places)), stated }
    }

    /// What is given.
    #[must_use]
    pub const fn capability(&self) -> &Capability {
        &self.capability
    }

    /// Where it was said, for people.
    #[must_use]
    pub fn stated(&self) -> &str {
        &self.stated
    }
}

/// The `--allow` argument with that text, ready to be pasted into a shell.
pub(crate) fn allow_line(text: &[u8]) -> String {
    format!("--allow {}", shell_argument(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_says_where_it_was_stated() {
        let folder = WorkingFolder::new(b"/w").unwrap();
        let grant = Grant::parse(&folder, b"fs-read=a b").unwrap();
        assert_eq!(grant.stated(), "--allow 'fs-read=a b'");
        assert!(Grant::parse(&folder, b"a b").is_err());
    }

    #[test]
    fn no_other_table_and_no_option_grants_a_secret() {
        let folder = WorkingFolder::new(b"/w").unwrap();
        for text in ["secret=token", "secret=token authorization https://a.example"] {
            assert_eq!(Grant::parse(&folder, text.as_bytes()), Err(ParseCapabilityError::SecretGrant));
            assert!(Capability::parse(&folder, text.as_bytes()).is_ok(), "a runbook says so");
        }
    }

    #[test]
    fn the_default_set_is_the_working_folder() {
        let folder = WorkingFolder::new(b"/w").unwrap();
        let path = |written: &str| ScopedPath::parse(&folder, written.as_bytes()).unwrap();
        for grant in Grant::default_set() {
            assert!(grant.capability().paths().unwrap().contains(&path("a/b")));
            for other in ["/etc/passwd", "../x", ".palisade/journal.db", "server.pem", ".ssh/config"] {
                assert!(!grant.capability().paths().unwrap().contains(&path(other)), "{other}");
            }
        }
    }
}

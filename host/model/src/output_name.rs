//! The name of something that a run made.

use crate::{ArtifactName, StepId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of an artifact; for a result of a child run that has no name of its own in the parent, `STEP/NAME`, where NAME
/// may be of a child of the child. Each part is an artifact's name, so it can be a path below a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutputName(String);

/// Why a text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no name of an artifact, nor several with `/` between them")]
pub struct OutputNameError;

impl OutputName {
    /// What a child calls so, as its parent calls it.
    #[must_use]
    pub fn of_child(step: &StepId, name: &Self) -> Self {
        Self(format!("{step}/{name}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ArtifactName> for OutputName {
    fn from(name: ArtifactName) -> Self {
        Self(name.to_string())
    }
}

impl FromStr for OutputName {
    type Err = OutputNameError;

    fn from_str(text: &str) -> Result<Self, OutputNameError> {
        let good = text.split('/').all(|part| part.parse::<ArtifactName>().is_ok());
        good.then(|| Self(text.to_owned())).ok_or(OutputNameError)
    }
}

impl TryFrom<String> for OutputName {
    type Error = OutputNameError;

    fn try_from(text: String) -> Result<Self, OutputNameError> {
        text.parse()
    }
}

impl From<OutputName> for String {
    fn from(name: OutputName) -> Self {
        name.0
    }
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for OutputName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_a_name() {
        for good in ["findings", "child/findings", "a/b/c"] {
            assert_eq!(good.parse::<OutputName>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "a//b", "../a", "a/..", "a b", "a\\b"] {
            assert!(bad.parse::<OutputName>().is_err(), "{bad}");
        }
    }
}

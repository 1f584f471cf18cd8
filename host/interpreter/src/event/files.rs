//! What is said of files that a step writes: which they are, and that they are in their places.

use super::is_zero;
use palisade_model::{Digest, Failure, StepId, neutral};
use serde::{Deserialize, Serialize};

/// A file that an attempt wrote; its bytes are in the store. That it is named says that it is to be put in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Where it is to be put: the stored form of a path.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
}

impl WrittenFile {
    /// Its path for people: neutralised.
    #[must_use]
    pub fn shown(&self) -> String {
        neutral::line(&self.path, 512)
    }
}

/// The files of an attempt that did what was wanted are in their places, or none of them can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPut {
    /// Which step.
    pub step: StepId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// When.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: FilesOutcome,
}

/// What came of putting files in their places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FilesOutcome {
    /// All are there, durable.
    Put,
    /// The step fails with it.
    Refused {
        /// Why.
        failure: Failure,
    },
}

//! The properties of matching that a runbook may set. Bounds are those of the config schema, checked by the host.

use serde::{Deserialize, Serialize};

/// How much text around a match is evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextSize {
    /// 50 characters on either side.
    Small,
    /// 100 characters on either side.
    Medium,
    /// 200 characters on either side.
    Large,
    /// The whole text.
    Full,
}

impl ContextSize {
    /// Characters on either side; `None` is the whole text.
    pub fn characters(self) -> Option<usize> {
        match self {
            Self::Small => Some(50),
            Self::Medium => Some(100),
            Self::Large => Some(200),
            Self::Full => None,
        }
    }
}

/// How many lines around a match are evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowSize {
    /// 3 lines on either side.
    Small,
    /// 15 lines on either side.
    Medium,
    /// 50 lines on either side.
    Large,
    /// The whole file.
    Full,
}

impl WindowSize {
    /// Lines on either side; `None` is the whole file.
    pub fn lines(self) -> Option<usize> {
        match self {
            Self::Small => Some(3),
            Self::Medium => Some(15),
            Self::Large => Some(50),
            Self::Full => None,
        }
    }
}

/// The property `pattern_matching`.
#[derive(Debug, Clone, Deserialize)]
pub struct PatternMatching {
    /// Name of the ruleset, as the runbook writes it.
    pub ruleset: String,
    /// How much text around a match is evidence.
    pub evidence_context_size: ContextSize,
    /// Most pieces of evidence of a finding, and most clusters of a pattern that are kept.
    pub maximum_evidence_count: usize,
    /// Characters after the end of a match within which the next one belongs to the same cluster.
    pub evidence_proximity_threshold: usize,
}

impl PatternMatching {
    /// How matches are clustered.
    pub fn clusters(&self) -> Clusters {
        Clusters { most: self.maximum_evidence_count, apart: self.evidence_proximity_threshold }
    }
}

/// How the matches of one pattern are clustered. A match opens a cluster if it is the first or starts more than
/// `apart` characters after the end of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clusters {
    /// Most clusters of a pattern that are kept.
    pub most: usize,
    /// Characters.
    pub apart: usize,
}

//! A turn of an agent as it is kept: an item of `agent_conversation/1.0.0`.

use serde::Serialize;

use super::Use;

/// What an agent did in a turn, why, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Turn {
    pub(super) turn: u64,
    pub(super) thought: String,
    pub(super) action: &'static str,
    #[serde(flatten)]
    pub(super) call: Option<Use>,
    /// The answer as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<String>,
    pub(super) outcome: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) made: Vec<Made>,
}

/// Something that a tool made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// What the agent calls it.
    pub name: String,
    /// Its schema.
    pub schema: String,
    /// How many items it has.
    pub items: u64,
}

impl Turn {
    /// What it did was this very call.
    pub(super) fn is(&self, action: &str, call: &Use) -> bool {
        self.action == action && self.call.as_ref() == Some(call)
    }

    /// What came of it, in words.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }
}

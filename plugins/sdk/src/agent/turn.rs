//! A turn of an agent as it is kept: an item of `agent_conversation/1.0.0`.

use serde::Serialize;
use serde_json::Value;

use super::Use;

/// What an agent did in a turn, why, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Turn {
    turn: u64,
    thought: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    given: Vec<Given>,
    /// The answer as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    outcome: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    made: Vec<Made>,
    #[serde(skip)]
    call: Option<Use>,
}

/// What a port was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Given {
    port: String,
    /// The name of an artifact, or the lines that the model wrote.
    what: String,
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
    pub(super) fn new(
        turn: u64,
        thought: String,
        action: &'static str,
        call: Option<Use>,
        answer: Option<Value>,
        outcome: String,
        made: Vec<Made>,
    ) -> Self {
        let given = call.iter().flat_map(|call| &call.give).map(|give| Given {
            port: give.port.clone(),
            what: if give.artifact.is_empty() { give.lines.clone() } else { give.artifact.clone() },
        });
        Self {
            turn,
            thought,
            action,
            tool: call.as_ref().map(|call| call.tool.clone()),
            config: call.as_ref().map(|call| call.config.clone()),
            given: given.collect(),
            answer: answer.map(|answer| answer.to_string()),
            outcome,
            made,
            call,
        }
    }

    /// What it did was this very call.
    pub(super) fn is_call(&self, call: &Use) -> bool {
        self.call.as_ref() == Some(call)
    }

    /// What came of it, in words.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }
}

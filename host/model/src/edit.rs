//! Where a run was forked from another, and what is other in it.

use crate::{ArtifactName, Digest, RunId, StepId, neutral};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Most characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 120;

/// The place in another run up to which both are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkedFrom {
    /// The other run.
    pub run_id: RunId,
    /// The number of the last event that both share, their first ones aside.
    pub event: u64,
    /// Its hash there.
    pub hash: Digest,
    /// The step that had not started yet.
    pub step: StepId,
}

/// What a person made other in a run than it was in the one that it was forked from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Edit {
    /// The runbook is another text.
    Runbook {
        /// Digest of its bytes.
        digest: Digest,
    },
    /// A value of a step's config.
    Config {
        /// Which step.
        step: StepId,
        /// JSON pointer into the config.
        pointer: String,
        /// What stands there now.
        value: Value,
    },
    /// Something else was given to the run.
    Input {
        /// The name of the input.
        name: ArtifactName,
    },
    /// The same text has another plan, since what is installed, granted or looked up here is something else by now.
    Surroundings,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runbook { digest } => write!(f, "another runbook, {}", digest.short()),
            Self::Config { step, pointer, value } => {
                let place = neutral::line(pointer.trim_start_matches('/'), MAX_VALUE_CHARS).replace('/', ".");
                write!(f, "{step}.{place} = {}", neutral::line(&value.to_string(), MAX_VALUE_CHARS))
            }
            Self::Input { name } => write!(f, "another input `{name}`"),
            Self::Surroundings => f.write_str("what is installed, granted or looked up for the same runbook"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_foreign_is_shown_in_one_line() {
        let check = |edit: Edit, expected: &str| assert_eq!(edit.to_string(), expected);
        let step = || "files".parse().unwrap();
        check(
            Edit::Config { step: step(), pointer: "/a/0".to_owned(), value: json!("x\n\u{1b}[2J") },
            "files.a.0 = \"x\\n\\u001b[2J\"",
        );
        check(
            Edit::Config { step: step(), pointer: "/a\u{202e}b".to_owned(), value: json!(5) },
            "files.a\\u{202e}b = 5",
        );
        check(Edit::Input { name: "docs".parse().unwrap() }, "another input `docs`");
    }
}

//! Why an attempt failed, as a value that goes into the journal and from which all texts are made.

use crate::limits::{Limit, LimitKind};
use serde::{Deserialize, Serialize};

/// The kinds of failure that another attempt may mend, as `retry.on` of a runbook names them: something outside that
/// does not answer, a component that says that it failed or panics, an attempt that took too long.
pub const RETRYABLE: [&str; 4] = ["unavailable", "failed", "trap", "wall"];

/// What ended an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FailureKind {
    /// A limit was reached.
    Limit {
        /// Which.
        limit: LimitKind,
        /// Its value, who set it, how far it may be raised.
        in_force: Limit,
        /// What was used or asked for when it was reached, where known.
        reached: Option<u64>,
    },
    /// The component was refused something and could not do without.
    Denied {
        /// What was asked for, for people.
        what: String,
        /// The line that would allow it, where one would.
        allow: Option<String>,
    },
    /// What the component emitted does not fit its schema.
    Schema {
        /// The schema, `name/version`.
        schema: String,
        /// The output port.
        port: String,
        /// Number of the item from 0; none = the metadata.
        item: Option<u64>,
        /// JSON pointer into the item.
        path: String,
        /// The rule that was broken: the schema's keyword.
        rule: String,
    },
    /// The component panicked or trapped.
    Trap {
        /// The guest's stack, innermost first: `function (file:line)`.
        frames: Vec<String>,
    },
    /// A bound that the runbook states, and that is no limit of an attempt, was passed.
    Bound {
        /// Its key in the runbook.
        key: String,
        /// Its value.
        most: u64,
        /// What there was.
        found: u64,
    },
    /// A runbook that a step made is wrong, or asks for more than it may have.
    BadRunbook,
    /// A condition has no answer.
    Condition,
    /// The config is wrong: the component says so, or a value that was filled in does not fit.
    BadConfig,
    /// The component said that an input can't be worked on.
    BadInput,
    /// Something outside failed.
    Unavailable,
    /// The component said that it failed.
    Failed,
    /// The run was interrupted or cancelled.
    Cancelled,
    /// A person said no, or nobody answered in time.
    Rejected,
    /// It was cut off while it could change something outside: nobody knows whether it did.
    InDoubt,
    /// The host could not do its part: a full disk, a missing artifact.
    Host,
}

impl FailureKind {
    /// Its name in [`RETRYABLE`]; none where another attempt would end the same way.
    #[must_use]
    pub const fn retry_name(&self) -> Option<&'static str> {
        match self {
            Self::Unavailable => Some("unavailable"),
            Self::Failed => Some("failed"),
            Self::Trap { .. } => Some("trap"),
            Self::Limit { limit: LimitKind::Wall, .. } => Some("wall"),
            Self::Limit { .. }
            | Self::Denied { .. }
            | Self::Schema { .. }
            | Self::Bound { .. }
            | Self::BadRunbook
            | Self::Condition
            | Self::BadConfig
            | Self::BadInput
            | Self::Cancelled
            | Self::Rejected
            | Self::InDoubt
            | Self::Host => None,
        }
    }

    /// It may pass by itself, so that another attempt is worth while though nobody asked for one.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What ended it.
    #[serde(flatten)]
    pub kind: FailureKind,
    /// What happened, in words; may hold text of the component or the data.
    pub message: String,
    /// Input port and number of the item from 0, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(String, u64)>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Failure {
    /// Makes a failure without place and help.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), at: None, help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says that a limit was reached: which, its value, who set it, how to raise it.
    #[must_use]
    pub fn limit(limit: LimitKind, in_force: Limit, reached: Option<u64>) -> Self {
        let value = limit.show(in_force.value);
        let asked = reached.map_or_else(String::new, |reached| format!(" ({} wanted)", limit.show(reached)));
        let message = format!("it reached its limit `{}` of {value}{asked}, set by {}", limit.key(), in_force.set_by);
        let help = if in_force.value >= in_force.ceiling {
            format!(
                "the ceiling of `{0}` is {1}; only the operator can raise it: `{0}` under [ceilings] in palisade.toml",
                limit.key(),
                limit.show(in_force.ceiling)
            )
        } else {
            format!("raise `limits.{}` of the step; it may go up to {}", limit.key(), limit.show(in_force.ceiling))
        };
        Self::new(FailureKind::Limit { limit, in_force, reached }, message).with_help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LimitSource;

    #[test]
    fn a_limit_says_its_value_who_set_it_and_how_to_raise_it() {
        let in_force = Limit { value: 64 << 20, set_by: LimitSource::Manifest, ceiling: 256 << 20 };
        let failure = Failure::limit(LimitKind::Memory, in_force, Some(65 << 20));
        assert_eq!(
            failure.message,
            "it reached its limit `memory` of 64 MiB (65 MiB wanted), set by the component's manifest"
        );
        assert_eq!(failure.help.as_deref(), Some("raise `limits.memory` of the step; it may go up to 256 MiB"));
    }

    #[test]
    fn at_the_ceiling_only_the_operator_helps() {
        let in_force = Limit { value: 9, set_by: LimitSource::Ceiling, ceiling: 9 };
        let help = Failure::limit(LimitKind::TableElements, in_force, None).help.unwrap();
        assert!(help.contains("`table_elements` under [ceilings] in palisade.toml"), "{help}");
    }

    #[test]
    fn it_survives_the_journal() {
        let failure = Failure::new(FailureKind::Trap { frames: vec!["f (a.rs:1)".into()] }, "boom").with_help("h");
        let text = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&text).unwrap(), failure);
    }
}

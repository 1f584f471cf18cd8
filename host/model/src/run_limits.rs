//! The limits of a run as a whole, with everything below it: children and their children count with their parent.

use crate::unit::{Bytes, Count, MicroUsd, Millis, ParseAmountError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A limit of a run and its whole subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunLimitKind {
    /// Levels of child runs below the run: with 2, a child and its child may run, the next is refused.
    MaxDepth,
    /// Milliseconds from the start of the run to its end; waiting for a person does not count.
    MaxDuration,
    /// Millionths of a US dollar that calls of models may cost.
    MaxLlmCost,
    /// Steps at once.
    MaxConcurrency,
    /// Attempts of components: retries, iterations and items count.
    MaxRuns,
    /// Bytes sent to any one sink: an origin, a model, a database.
    MaxEgress,
    /// Refusals for want of authority: who goes on asking in another attempt looks for a way out.
    MaxDenials,
}

struct Row {
    kind: RunLimitKind,
    key: &'static str,
    /// What holds where nobody says anything; none = nothing.
    default: Option<u64>,
    /// What bounds a generated runbook that says nothing.
    generated: u64,
}

const MIB: u64 = 1 << 20;

/// All limits of a run. Why these numbers: docs/design/002-limits.md.
const TABLE: [Row; 7] = [
    Row { kind: RunLimitKind::MaxDepth, key: "max_depth", default: None, generated: 1 },
    Row { kind: RunLimitKind::MaxDuration, key: "max_duration", default: None, generated: 3_600_000 },
    Row { kind: RunLimitKind::MaxLlmCost, key: "max_llm_cost", default: None, generated: 0 },
    Row { kind: RunLimitKind::MaxConcurrency, key: "max_concurrency", default: None, generated: 10 },
    Row { kind: RunLimitKind::MaxRuns, key: "max_runs", default: None, generated: 100 },
    Row { kind: RunLimitKind::MaxEgress, key: "max_egress", default: Some(256 * MIB), generated: 16 * MIB },
    Row { kind: RunLimitKind::MaxDenials, key: "max_denials", default: Some(5_000), generated: 1_000 },
];

impl RunLimitKind {
    /// All kinds, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    fn row(self) -> &'static Row {
        // The table is complete: a test walks it, and an index made from the kind can't leave it.
        &TABLE[self as usize]
    }

    /// The key in a runbook and in `palisade.toml`.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// The kind of that key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.key == key).map(|row| row.kind)
    }

    /// What holds for a runbook that says nothing; none = no bound of its own.
    #[must_use]
    pub fn default_value(self) -> Option<u64> {
        self.row().default
    }

    /// What bounds a child whose runbook is not known when its parent is planned, if nobody says anything.
    #[must_use]
    pub fn default_for_generated(self) -> u64 {
        self.row().generated
    }

    /// An amount of it for people.
    #[must_use]
    pub fn show(self, value: u64) -> String {
        match self {
            Self::MaxDuration => Millis(value).to_string(),
            Self::MaxLlmCost => MicroUsd(value).to_string(),
            Self::MaxEgress => Bytes(value).to_string(),
            Self::MaxDepth | Self::MaxConcurrency | Self::MaxRuns | Self::MaxDenials => Count(value).to_string(),
        }
    }

    /// Reads an amount as a person writes it; a bare number is levels, seconds, US dollars, steps, attempts, bytes
    /// or denials.
    ///
    /// # Errors
    /// When it is no amount in this limit's unit.
    pub fn parse(self, text: &str) -> Result<u64, ParseAmountError> {
        match self {
            Self::MaxDuration => Millis::parse(text).map(|amount| amount.0),
            Self::MaxLlmCost => MicroUsd::parse(text).map(|amount| amount.0),
            Self::MaxEgress => Bytes::parse(text).map(|amount| amount.0),
            Self::MaxDepth | Self::MaxConcurrency | Self::MaxRuns | Self::MaxDenials => {
                Count::parse(text).map(|amount| amount.0)
            }
        }
    }
}

impl fmt::Display for RunLimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// Limits of a run that somebody stated; of what is absent the default holds, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunLimits(BTreeMap<RunLimitKind, u64>);

impl RunLimits {
    /// The value of a limit, where there is one.
    #[must_use]
    pub fn get(&self, kind: RunLimitKind) -> Option<u64> {
        self.0.get(&kind).copied()
    }

    /// What holds: the value that is stated, or else the default.
    #[must_use]
    pub fn in_force(&self, kind: RunLimitKind) -> Option<u64> {
        self.get(kind).or(kind.default_value())
    }

    /// Sets a limit, whatever it was.
    pub fn set(&mut self, kind: RunLimitKind, value: u64) {
        self.0.insert(kind, value);
    }

    /// The lower of both, limit by limit: what holds for a child within its parent.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut met = self.clone();
        for (&kind, &value) in &other.0 {
            let slot = met.0.entry(kind).or_insert(value);
            *slot = (*slot).min(value);
        }
        met
    }

    /// All that are stated, in order.
    pub fn iter(&self) -> impl Iterator<Item = (RunLimitKind, u64)> {
        self.0.iter().map(|(&kind, &value)| (kind, value))
    }
}

impl FromIterator<(RunLimitKind, u64)> for RunLimits {
    fn from_iter<I: IntoIterator<Item = (RunLimitKind, u64)>>(limits: I) -> Self {
        Self(limits.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RunLimitKind::{MaxDepth, MaxDuration, MaxLlmCost, MaxRuns};

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (index, kind) in RunLimitKind::all().enumerate() {
            assert_eq!((kind as usize, RunLimitKind::from_key(kind.key())), (index, Some(kind)));
        }
        assert_eq!(RunLimitKind::from_key("max_steps"), None);
    }

    #[test]
    fn bare_numbers_have_the_units_of_the_kind() {
        assert_eq!(MaxDuration.parse("3600"), Ok(3_600_000));
        assert_eq!(MaxLlmCost.parse("50"), Ok(50_000_000));
        assert_eq!(MaxDepth.parse("2"), Ok(2));
        assert_eq!((MaxLlmCost.show(1_500_000), MaxDuration.show(3_600_000)), ("1.50 USD".into(), "60 min".into()));
    }

    #[test]
    fn what_leaves_is_bounded_though_nobody_says_so() {
        let nothing = RunLimits::default();
        assert_eq!(nothing.in_force(RunLimitKind::MaxEgress), Some(256 << 20));
        assert_eq!(nothing.in_force(RunLimitKind::MaxDenials), Some(5_000));
        assert_eq!(nothing.in_force(MaxRuns), None);
        let stated: RunLimits = [(RunLimitKind::MaxEgress, 7)].into_iter().collect();
        assert_eq!(stated.in_force(RunLimitKind::MaxEgress), Some(7));
    }

    #[test]
    fn the_lower_one_holds() {
        let of = |limits: &[(RunLimitKind, u64)]| limits.iter().copied().collect::<RunLimits>();
        let met = of(&[(MaxDepth, 3), (MaxRuns, 5)]).meet(&of(&[(MaxDepth, 2), (MaxLlmCost, 7)]));
        assert_eq!(met, of(&[(MaxDepth, 2), (MaxRuns, 5), (MaxLlmCost, 7)]));
    }
}

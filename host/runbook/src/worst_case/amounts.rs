//! What is counted of a run, and how amounts are put together: every sum and product stops at the largest number, which
//! stands for "no bound".

use palisade_model::{RunLimitKind, RunLimits};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// The amount of what has no bound.
pub const UNBOUNDED: u64 = u64::MAX;

/// Something that is counted of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Attempts of components.
    ComponentRuns,
    /// Fuel of the components that the plan names.
    Fuel,
    /// Milliseconds of runbooks and agents whose components are not known yet: their fuel is bounded by their time alone.
    Generated,
    /// Bytes of memory of all guests at once, what the host holds for them included.
    Memory,
    /// Milliseconds of the attempts and the waits between them, one after the other.
    Wall,
    /// Calls of models.
    LlmCalls,
    /// Millionths of a US dollar for calls of models.
    LlmCost,
    /// Bytes that one sink may be sent, if all of them go there.
    Egress,
    /// Levels of child runs.
    ChildDepth,
    /// Attempts of components that undo what others did. No limit of the run ends them, since it may be one that makes
    /// them needed; each has limits of its own.
    CompensationRuns,
    /// Milliseconds of these, and of the waits between them.
    Compensation,
}

impl Measure {
    const ALL: [Self; 11] = [
        Self::ComponentRuns,
        Self::Fuel,
        Self::Generated,
        Self::Memory,
        Self::Wall,
        Self::LlmCalls,
        Self::LlmCost,
        Self::Egress,
        Self::ChildDepth,
        Self::CompensationRuns,
        Self::Compensation,
    ];

    /// All, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// Its key in documents, with its unit.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ComponentRuns => "component_runs",
            Self::Fuel => "fuel",
            Self::Generated => "generated_ms",
            Self::Memory => "memory_bytes",
            Self::Wall => "wall_ms",
            Self::LlmCalls => "llm_calls",
            Self::LlmCost => "llm_cost_micro_usd",
            Self::Egress => "egress_bytes",
            Self::ChildDepth => "child_depth",
            Self::CompensationRuns => "compensation_runs",
            Self::Compensation => "compensation_ms",
        }
    }

    /// The measure of that key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::all().find(|measure| measure.key() == key)
    }

    /// How much of it there is at one time, or how deep it goes, and not how much in all: it does not add up over what
    /// comes one after the other.
    const fn is_peak(self) -> bool {
        matches!(self, Self::Memory | Self::ChildDepth)
    }

    /// The limit of a run that bounds it.
    #[must_use]
    pub const fn run_limit(self) -> Option<RunLimitKind> {
        match self {
            Self::ComponentRuns => Some(RunLimitKind::MaxRuns),
            Self::Wall => Some(RunLimitKind::MaxDuration),
            Self::LlmCost => Some(RunLimitKind::MaxLlmCost),
            Self::Egress => Some(RunLimitKind::MaxEgress),
            Self::ChildDepth => Some(RunLimitKind::MaxDepth),
            Self::Fuel
            | Self::Generated
            | Self::Memory
            | Self::LlmCalls
            | Self::CompensationRuns
            | Self::Compensation => None,
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl<'de> Deserialize<'de> for Measure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Self::from_key(&key).ok_or_else(|| serde::de::Error::custom(format_args!("unknown measure `{key}`")))
    }
}

/// One amount of each measure. As JSON, what has no bound is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts([u64; Measure::ALL.len()]);

impl Amounts {
    /// The amount of a measure; [`UNBOUNDED`] if there is no bound.
    #[must_use]
    pub fn get(&self, measure: Measure) -> u64 {
        // The array has a place for each measure.
        self.0[measure as usize]
    }

    pub(super) fn set(&mut self, measure: Measure, amount: u64) {
        self.0[measure as usize] = amount;
    }

    pub(super) fn with(mut self, measure: Measure, amount: u64) -> Self {
        self.set(measure, amount);
        self
    }

    fn map(self, change: impl Fn(Measure, u64) -> u64) -> Self {
        Measure::all().fold(self, |amounts, measure| amounts.with(measure, change(measure, amounts.get(measure))))
    }

    /// Both, one after the other.
    pub(super) fn and(self, other: &Self) -> Self {
        self.map(|measure, amount| {
            let other = other.get(measure);
            if measure.is_peak() { amount.max(other) } else { amount.saturating_add(other) }
        })
    }

    /// As often as that, one after the other.
    pub(super) fn times(self, count: u64) -> Self {
        self.map(|measure, amount| if measure.is_peak() { amount } else { amount.saturating_mul(count) })
    }

    /// As those of what undoes, which is counted apart.
    pub(super) fn compensating(self) -> Self {
        let (runs, wall) = (self.get(Measure::ComponentRuns), self.get(Measure::Wall));
        let apart = self.with(Measure::ComponentRuns, 0).with(Measure::Wall, 0);
        apart.with(Measure::CompensationRuns, runs).with(Measure::Compensation, wall)
    }

    /// No more than the limits of a run allow.
    pub(super) fn within(self, limits: &RunLimits) -> Self {
        self.map(|measure, amount| {
            let limit = measure.run_limit().filter(|kind| *kind != RunLimitKind::MaxDepth);
            limit.and_then(|kind| limits.in_force(kind)).map_or(amount, |most| amount.min(most))
        })
    }
}

/// An amount, none if it has no bound.
pub(super) fn stated(amount: u64) -> Option<u64> {
    (amount != UNBOUNDED).then_some(amount)
}

impl Serialize for Amounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Measure::all().map(|measure| (measure, stated(self.get(measure)))))
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<Measure, Option<u64>>::deserialize(deserializer)?;
        let amount = |measure| read.get(&measure).copied().map_or(0, |amount| amount.unwrap_or(UNBOUNDED));
        Ok(Self(Measure::ALL.map(amount)))
    }
}

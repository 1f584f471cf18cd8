//! The limits of one attempt: which there are, their values, and who set each.

mod set;

pub use set::LimitSet;

use crate::unit::{Bytes, Count, MicroUsd, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A limit of an attempt. The order is that of the table in `wit/palisade.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// Wasm instructions, bulk memory bytes and host work.
    Fuel,
    /// Fuel added for each byte that the host hands out.
    FuelPerInputByte,
    /// Bytes of all linear memories of one instance, and what the host holds for it.
    Memory,
    /// Elements of all tables of one instance.
    TableElements,
    /// Core instances that one instantiation creates.
    Instances,
    /// Milliseconds of the attempt.
    Wall,
    /// Bytes that one call hands to the host.
    CallBytes,
    /// Bytes of all emitted items and metadata.
    OutputBytes,
    /// Output bytes added for each byte that the host hands out.
    OutputBytesPerInputByte,
    /// Bytes of log, progress and skip texts.
    LogBytes,
    /// Resources open at once.
    Handles,
    /// Files opened for reading.
    FilesRead,
    /// Bytes read from files.
    FileBytesRead,
    /// Rows handed out by databases.
    Rows,
    /// Calls of other components as tools.
    ToolCalls,
    /// Calls of models: those that the guest makes, and each further attempt and correction that one of them takes.
    LlmCalls,
    /// Tokens that models read and write.
    LlmTokens,
    /// Millionths of a US dollar that calls of models cost.
    LlmCost,
    /// Refusals for want of authority: who goes on asking looks for a way out.
    Denials,
    /// Requests sent to web servers.
    HttpRequests,
    /// Bytes sent to web servers and received from them, TLS aside.
    HttpBytes,
    /// Files and folders made in folders that are written to.
    FilesWritten,
    /// Bytes written to files, and by which they grew without being written.
    BytesWritten,
}

/// How an amount of a limit is written and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitUnit {
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds; a bare number in a runbook is seconds.
    Millis,
    /// Millionths of a US dollar; a bare number in a runbook is US dollars.
    MicroUsd,
}

/// A limit's name in WIT, unit, default, the ceiling that holds unless the operator sets another, and what the sets
/// `small` and `large` give, where they give something.
struct Row {
    kind: LimitKind,
    name: &'static str,
    unit: LimitUnit,
    default: u64,
    ceiling: u64,
    sizes: Option<(u64, u64)>,
}

const fn row(kind: LimitKind, name: &'static str, unit: LimitUnit, default: u64, ceiling: u64) -> Row {
    Row { kind, name, unit, default, ceiling, sizes: None }
}

impl Row {
    const fn sizes(self, small: u64, large: u64) -> Self {
        Self { sizes: Some((small, large)), ..self }
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const USD: u64 = 1_000_000;

/// All limits. Why these numbers: docs/design/002-limits.md.
const TABLE: [Row; 23] = {
    use LimitKind as Kind;
    use LimitUnit::{Bytes, Count, MicroUsd, Millis};
    [
        row(Kind::Fuel, "fuel", Count, 2_000_000_000, 1_000_000_000_000).sizes(200_000_000, 20_000_000_000),
        row(Kind::FuelPerInputByte, "fuel-per-input-byte", Count, 2_000, 100_000).sizes(1_000, 20_000),
        row(Kind::Memory, "memory", Bytes, 64 * MIB, GIB).sizes(32 * MIB, 512 * MIB),
        row(Kind::TableElements, "table-elements", Count, 10_000, 100_000),
        row(Kind::Instances, "instances", Count, 64, 64),
        row(Kind::Wall, "wall", Millis, 300_000, 86_400_000).sizes(30_000, 7_200_000),
        row(Kind::CallBytes, "call-bytes", Bytes, 16 * MIB, 256 * MIB).sizes(4 * MIB, 64 * MIB),
        row(Kind::OutputBytes, "output-bytes", Bytes, 64 * MIB, 64 * GIB).sizes(8 * MIB, 4 * GIB),
        row(Kind::OutputBytesPerInputByte, "output-bytes-per-input-byte", Count, 16, 1_000).sizes(4, 64),
        row(Kind::LogBytes, "log-bytes", Bytes, MIB, 64 * MIB).sizes(256 * KIB, 16 * MIB),
        row(Kind::Handles, "handles", Count, 64, 1_024),
        row(Kind::FilesRead, "files-read", Count, 100_000, 10_000_000).sizes(10_000, 1_000_000),
        row(Kind::FileBytesRead, "file-bytes-read", Bytes, 16 * GIB, TIB).sizes(256 * MIB, 256 * GIB),
        row(Kind::Rows, "rows", Count, 1_000_000, 1_000_000_000).sizes(100_000, 100_000_000),
        row(Kind::ToolCalls, "tool-calls", Count, 20, 1_000).sizes(5, 100),
        row(Kind::LlmCalls, "llm-calls", Count, 50, 10_000).sizes(10, 500),
        row(Kind::LlmTokens, "llm-tokens", Count, 500_000, 100_000_000).sizes(100_000, 5_000_000),
        row(Kind::LlmCost, "llm-cost", MicroUsd, USD, 100 * USD).sizes(USD / 4, 10 * USD),
        row(Kind::Denials, "denials", Count, 1_000, 100_000),
        row(Kind::HttpRequests, "http-requests", Count, 1_000, 1_000_000).sizes(100, 100_000),
        row(Kind::HttpBytes, "http-bytes", Bytes, 64 * MIB, 64 * GIB).sizes(8 * MIB, 4 * GIB),
        row(Kind::FilesWritten, "files-written", Count, 1_000, 1_000_000).sizes(100, 100_000),
        row(Kind::BytesWritten, "bytes-written", Bytes, 64 * MIB, 64 * GIB).sizes(8 * MIB, 4 * GIB),
    ]
};

/// Bytes below which a part of an input costs more than it saves: an instance of its own sets up its rules once more.
const MIN_PART_BYTES: u64 = 512 << 10;

/// In how many parts an input of that many bytes is worth being split, at most `most`; at least one.
#[must_use]
pub fn worthwhile_parts(bytes: u64, most: u64) -> u64 {
    (bytes / MIN_PART_BYTES).clamp(1, most.max(1))
}

impl LimitKind {
    /// All kinds, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    fn row(self) -> &'static Row {
        // The table is complete: a test walks it, and an index made from the kind can't leave it.
        &TABLE[self as usize]
    }

    /// The name in WIT: `table-elements`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The key in a runbook and in `palisade.toml`: `table_elements`.
    #[must_use]
    pub fn key(self) -> String {
        self.name().replace('-', "_")
    }

    /// The kind of that name in WIT.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// The kind of that key in a runbook.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.kind.key() == key).map(|row| row.kind)
    }

    /// How amounts of it are written.
    #[must_use]
    pub fn unit(self) -> LimitUnit {
        self.row().unit
    }

    /// What holds when nobody says anything.
    #[must_use]
    pub fn default_value(self) -> u64 {
        self.row().default
    }

    /// The highest value a step or a manifest may have unless the operator sets another ceiling.
    #[must_use]
    pub fn default_ceiling(self) -> u64 {
        self.row().ceiling
    }

    /// An amount of it for people: `64 MiB`.
    #[must_use]
    pub fn show(self, value: u64) -> String {
        match self.unit() {
            LimitUnit::Count => Count(value).to_string(),
            LimitUnit::Bytes => Bytes(value).to_string(),
            LimitUnit::Millis => Millis(value).to_string(),
            LimitUnit::MicroUsd => MicroUsd(value).to_string(),
        }
    }

    /// Reads an amount as a person writes it.
    ///
    /// # Errors
    /// When it is no amount in this limit's unit.
    pub fn parse(self, text: &str) -> Result<u64, crate::unit::ParseAmountError> {
        match self.unit() {
            LimitUnit::Count => Count::parse(text).map(|amount| amount.0),
            LimitUnit::Bytes => Bytes::parse(text).map(|amount| amount.0),
            LimitUnit::Millis => Millis::parse(text).map(|amount| amount.0),
            LimitUnit::MicroUsd => MicroUsd::parse(text).map(|amount| amount.0),
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for LimitKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for LimitKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom(format_args!("unknown limit `{name}`")))
    }
}

/// Who set a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// The host's default: nobody asked for another.
    Default,
    /// The component's manifest.
    Manifest,
    /// The step in the runbook.
    Step,
    /// The set `small`, which the step names.
    StepSmall,
    /// The set `standard`, which the step names.
    StepStandard,
    /// The set `large`, which the step names.
    StepLarge,
    /// The operator's ceiling, which is lower than what was asked for.
    Ceiling,
    /// What the run as a whole had left.
    Run,
}

impl fmt::Display for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "Palisade's default",
            Self::Manifest => "the component's manifest",
            Self::Step => "the step in the runbook",
            Self::StepSmall => "`small` of the step in the runbook",
            Self::StepStandard => "`standard` of the step in the runbook",
            Self::StepLarge => "`large` of the step in the runbook",
            Self::Ceiling => "the operator's ceiling",
            Self::Run => "what the run had left",
        })
    }
}

/// A limit in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The amount, in the unit of its kind.
    pub value: u64,
    /// Who set it.
    pub set_by: LimitSource,
    /// The highest value it could be raised to.
    pub ceiling: u64,
}

/// The limits in force for an attempt: one of every kind, but for kinds that came after a stored plan was made. Copies
/// share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits(Arc<[Option<Limit>; TABLE.len()]>);

impl Limits {
    /// Settles each limit: what the step says, else the manifest, else the default; never above the ceiling.
    #[must_use]
    pub fn settle(
        manifest: &BTreeMap<LimitKind, u64>,
        step: &BTreeMap<LimitKind, u64>,
        ceilings: &BTreeMap<LimitKind, u64>,
    ) -> Self {
        Self::settle_over(None, manifest, step, ceilings)
    }

    /// As [`Self::settle`], for a step that names a set: it goes before the manifest, and what the step says of a single
    /// limit before the set.
    #[must_use]
    pub fn settle_over(
        set: Option<LimitSet>,
        manifest: &BTreeMap<LimitKind, u64>,
        step: &BTreeMap<LimitKind, u64>,
        ceilings: &BTreeMap<LimitKind, u64>,
    ) -> Self {
        let of_set = set.map(LimitSet::values).unwrap_or_default();
        let settle = |kind: LimitKind| {
            let ceiling = ceilings.get(&kind).copied().unwrap_or_else(|| kind.default_ceiling());
            let in_set = set.zip(of_set.get(&kind).copied()).map(|(set, value)| (value, set.of_step()));
            let in_manifest = manifest.get(&kind).map(|&value| (value, LimitSource::Manifest));
            let in_step = step.get(&kind).map(|&value| (value, LimitSource::Step));
            let default = (kind.default_value(), LimitSource::Default);
            let (asked, set_by) = in_step.or(in_set).or(in_manifest).unwrap_or(default);
            if asked > ceiling {
                Limit { value: ceiling, set_by: LimitSource::Ceiling, ceiling }
            } else {
                Limit { value: asked, set_by, ceiling }
            }
        };
        Self(Arc::new(TABLE.each_ref().map(|row| Some(settle(row.kind)))))
    }

    /// The limit of that kind.
    #[must_use]
    pub fn get(&self, kind: LimitKind) -> Limit {
        let fallback = Limit { value: 0, set_by: LimitSource::Default, ceiling: 0 };
        self.0.get(kind as usize).copied().flatten().unwrap_or(fallback)
    }

    /// The value of that kind.
    #[must_use]
    pub fn value(&self, kind: LimitKind) -> u64 {
        self.get(kind).value
    }

    /// All limits in order.
    pub fn iter(&self) -> impl Iterator<Item = (LimitKind, Limit)> {
        LimitKind::all().zip(self.0.iter()).filter_map(|(kind, limit)| Some((kind, (*limit)?)))
    }
}

impl Serialize for Limits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = BTreeMap::<LimitKind, Limit>::deserialize(deserializer)?;
        Ok(Self(Arc::new(TABLE.each_ref().map(|row| stored.get(&row.kind).copied()))))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::settle(&BTreeMap::new(), &BTreeMap::new(), &BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds_and_within_its_ceilings() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index);
            assert_eq!(LimitKind::from_name(row.name), Some(row.kind));
            assert_eq!(LimitKind::from_key(&row.kind.key()), Some(row.kind));
            assert!(row.default <= row.ceiling, "{}", row.name);
        }
    }

    #[test]
    fn every_limit_of_the_interface_is_known() {
        let wit = include_str!("../../../wit/palisade.wit");
        let mut names: Vec<_> = wit
            .lines()
            .skip_while(|line| !line.contains("record amount") && !line.contains("A limit by name"))
            .filter_map(|line| line.trim().strip_prefix("/// | `")?.split_once('`'))
            .map(|(name, _)| name)
            .take(TABLE.len())
            .collect();
        names.dedup();
        assert_eq!(names, LimitKind::all().map(LimitKind::name).collect::<Vec<_>>());
    }

    #[test]
    fn a_step_overrules_the_manifest_and_the_ceiling_overrules_both() {
        let of = |value| BTreeMap::from([(LimitKind::Memory, value)]);
        let settle = |manifest, step, ceiling| Limits::settle(&manifest, &step, &ceiling).get(LimitKind::Memory);
        let none = BTreeMap::new;
        assert_eq!(settle(none(), none(), none()).set_by, LimitSource::Default);
        assert_eq!(settle(of(5), none(), none()), Limit { value: 5, set_by: LimitSource::Manifest, ceiling: 1 << 30 });
        assert_eq!(settle(of(5), of(9), none()).value, 9);
        assert_eq!(settle(of(5), of(9), of(7)), Limit { value: 7, set_by: LimitSource::Ceiling, ceiling: 7 });
        assert_eq!(settle(of(5), none(), of(7)).set_by, LimitSource::Manifest);
    }

    #[test]
    fn a_set_stands_between_the_step_and_the_manifest() {
        let manifest = BTreeMap::from([(LimitKind::Memory, 5), (LimitKind::Handles, 6), (LimitKind::Fuel, 7)]);
        let (step, ceilings) = (BTreeMap::from([(LimitKind::Fuel, 9)]), BTreeMap::from([(LimitKind::Wall, 1_000)]));
        let limits = Limits::settle_over(Some(LimitSet::Small), &manifest, &step, &ceilings);
        let of = |kind| (limits.value(kind), limits.get(kind).set_by);
        assert_eq!(of(LimitKind::Memory), (32 << 20, LimitSource::StepSmall));
        assert_eq!(of(LimitKind::Fuel), (9, LimitSource::Step));
        // Of what is in no set, the manifest speaks.
        assert_eq!(of(LimitKind::Handles), (6, LimitSource::Manifest));
        assert_eq!(of(LimitKind::Wall), (1_000, LimitSource::Ceiling));
    }
}

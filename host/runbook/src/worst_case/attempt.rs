//! One attempt of a component: what its limits come to over so many bytes of input.

use super::amounts::{Amounts, Measure, UNBOUNDED};
use super::memory::Held;
use crate::plan::PlannedCall;
use palisade_model::LimitKind;
use palisade_model::limits::worthwhile_parts;

/// What something comes to, and what it is handed and makes on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    pub(super) amounts: Amounts,
    pub(super) held: Held,
    pub(super) input_bytes: u64,
    pub(super) output_bytes: u64,
}

/// How an attempt reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reads {
    /// Bytes of its artifacts.
    pub(super) artifacts: u64,
    /// Bytes of its rulesets.
    pub(super) rulesets: u64,
    /// Instances over which the artifacts may be split.
    pub(super) threads: u64,
}

/// The worst attempt.
pub(super) fn attempt(call: &PlannedCall, reads: Reads) -> Work {
    let limit = |kind| call.limits.value(kind);
    // Files and databases that the config names count together; without any there is nothing to read.
    let names_data = !call.paths.is_empty() || !call.connections.is_empty() || call.reads_servers();
    let data = if names_data { limit(LimitKind::FileBytesRead) } else { 0 };
    // Which servers there are does not matter: without any, nothing can be received or sent.
    let web = if call.asks_servers() { limit(LimitKind::HttpBytes) } else { 0 };
    let input_bytes = reads.artifacts.saturating_add(reads.rulesets).saturating_add(data).saturating_add(web);
    let grown = |base, per_byte| limit(base).saturating_add(limit(per_byte).saturating_mul(input_bytes));
    let ceiling = call.limits.get(LimitKind::OutputBytes).ceiling;
    let output_bytes = grown(LimitKind::OutputBytes, LimitKind::OutputBytesPerInputByte).min(ceiling);
    let parts = worthwhile_parts(reads.artifacts, reads.threads);
    let held = Held { always: limit(LimitKind::Memory), each_more: limit(LimitKind::Memory), more: parts - 1 };
    let of_models = |kind| if call.asks_models() { limit(kind) } else { 0 };
    // A call reserves the bytes that it sends as tokens. How often a database is asked has no limit but that of the run.
    let models = of_models(LimitKind::LlmCalls).saturating_mul(of_models(LimitKind::LlmTokens));
    let databases = if call.reads_servers() { UNBOUNDED } else { 0 };
    let amounts = Amounts::default()
        .with(Measure::LlmCalls, of_models(LimitKind::LlmCalls))
        .with(Measure::LlmCost, of_models(LimitKind::LlmCost))
        .with(Measure::Egress, web.max(models).max(databases))
        .with(Measure::ComponentRuns, 1)
        .with(Measure::Fuel, grown(LimitKind::Fuel, LimitKind::FuelPerInputByte))
        .with(Measure::Memory, held.most())
        .with(Measure::Wall, limit(LimitKind::Wall));
    Work { amounts, held, input_bytes, output_bytes }
}

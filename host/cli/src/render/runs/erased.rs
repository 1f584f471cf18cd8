//! Data that were erased, or would be.

use super::{painted, signed};
use palisade_engine::{Family, rfc3339};
use palisade_model::unit::{Bytes, Count};
use palisade_model::{Digest, RunId};
use palisade_store::Erased;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most artifacts and runs that are named; all are counted.
const MAX_NAMED: usize = 20;

/// What of a run is erased, or would be.
#[derive(Debug, Serialize)]
pub(crate) struct ErasedRun<'a> {
    pub(crate) v: u32,
    pub(crate) erased: bool,
    run_id: RunId,
    children: u64,
    artifacts: Vec<Digest>,
    bytes: u64,
    usages: u64,
    shared: Vec<SharedBytes<'a>>,
    fixed: &'a [Digest],
    erased_before: u64,
    overwritten: Option<bool>,
}

#[derive(Debug, Serialize)]
struct SharedBytes<'a> {
    artifact: Digest,
    runs: Vec<&'a RunId>,
}

impl<'a> ErasedRun<'a> {
    pub(crate) fn new(v: u32, family: &Family, erased: &'a Erased, done: bool) -> Self {
        let shared = |shared: &'a palisade_store::Shared| SharedBytes {
            artifact: shared.artifact,
            runs: shared.runs.iter().collect(),
        };
        Self {
            v,
            erased: done,
            run_id: family.root.run,
            children: family.below.len() as u64,
            artifacts: erased.artifacts.iter().copied().collect(),
            bytes: erased.bytes,
            usages: erased.usages,
            shared: erased.shared.iter().map(shared).collect(),
            fixed: &erased.fixed,
            erased_before: erased.before,
            overwritten: done.then_some(erased.overwritten),
        }
    }
}

/// What would be erased and what stays, for people.
pub(crate) fn human(told: &ErasedRun<'_>, family: &Family, colour: bool) -> String {
    let state = signed(colour, family.standing.name());
    let mut out = format!("{}  {state}  run {}\n", super::foreign(&family.root.summary.title), told.run_id);
    let below =
        if told.children == 0 { String::new() } else { format!(", with {} below it", Count(told.children).of("run")) };
    let (artifacts, usages) = (Count(told.artifacts.len() as u64).of("artifact"), Count(told.usages).of("attempt"));
    let _ = writeln!(out, "  to erase: {artifacts}, {}, and what {usages} used{below}", Bytes(told.bytes));
    if told.erased_before > 0 {
        let _ = writeln!(out, "  erased before: {}", Count(told.erased_before).of("artifact"));
    }
    if !told.shared.is_empty() {
        let _ = writeln!(out, "\n{}", painted(colour, "1", "Stays, since other runs name the same bytes"));
        for shared in told.shared.iter().take(MAX_NAMED) {
            let runs: Vec<_> = shared.runs.iter().take(MAX_NAMED).map(ToString::to_string).collect();
            let more = shared.runs.len().saturating_sub(MAX_NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let _ = writeln!(out, "  {} in run {}{more}", shared.artifact.short(), runs.join(", "));
        }
        if told.shared.len() > MAX_NAMED {
            let _ = writeln!(out, "  … {} in all", Count(told.shared.len() as u64));
        }
        let _ = writeln!(out, "  `--everywhere` erases it for all of them that could not be resumed");
    }
    if !told.fixed.is_empty() {
        let _ = writeln!(out, "\n{}", painted(colour, "1", "Stays, since it is also something that runs work by"));
        told.fixed.iter().take(MAX_NAMED).for_each(|digest| {
            let _ = writeln!(out, "  {}", digest.short());
        });
    }
    let _ = writeln!(
        out,
        "\n{}\n  The journal, so that it still verifies. Its events can hold data: messages of failures and logs, names of\n  \
         files that were skipped, values that configs took from documents, notes of approvals, paths.\n  \
         Runbook, plan, rulesets, schemas and components, with what is written in them.\n  \
         All that was written elsewhere: `--out`, reports, exports, backups, the data that were read.",
        painted(colour, "1", "Stays in any case")
    );
    out
}

/// What of a run's data was erased, if any was.
pub(crate) fn erased(erased: &BTreeMap<Digest, u64>, colour: bool) -> String {
    if erased.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", painted(colour, "1", "Erased"));
    for (artifact, at_ms) in erased.iter().take(MAX_NAMED) {
        let _ = writeln!(out, "  {artifact}  at {}", rfc3339(*at_ms));
    }
    if erased.len() > MAX_NAMED {
        let _ = writeln!(out, "  … {} artifacts in all", Count(erased.len() as u64));
    }
    out
}

/// As [`erased`], as data.
pub(crate) fn erased_json(erased: &BTreeMap<Digest, u64>) -> Value {
    erased.iter().map(|(artifact, at_ms)| json!({"artifact": artifact, "at": rfc3339(*at_ms)})).collect()
}

//! Runs and bytes that are not needed any more.

use super::{foreign, signed};
use crate::render::table;
use palisade_engine::{Family, rfc3339};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{RunId, neutral};
use palisade_store::Collected;
use serde::Serialize;
use std::fmt::Write as _;

/// Most characters of a runbook's name.
const MAX_NAME: usize = 40;

/// What is removed, or would be.
#[derive(Debug, Serialize)]
pub(crate) struct Unneeded {
    pub(crate) v: u32,
    pub(crate) removed: bool,
    runs: Vec<UnneededRun>,
    artifacts: u64,
    contents: u64,
    bytes: u64,
    files: u64,
}

/// A run with all below it.
#[derive(Debug, Serialize)]
struct UnneededRun {
    run_id: RunId,
    name: String,
    state: String,
    started_at: String,
    age_ms: u64,
    children: u64,
    journal_bytes: u64,
}

impl Unneeded {
    pub(crate) fn new(v: u32, families: &[Family], collected: &Collected, now_ms: u64) -> Self {
        let mut journals = collected.journals.iter();
        let run = |family: &Family| UnneededRun {
            run_id: family.root.run,
            name: foreign(&family.root.summary.title),
            state: neutral::line(family.standing.name(), 40),
            started_at: rfc3339(family.root.summary.started_ms),
            age_ms: now_ms.saturating_sub(family.last_ms()),
            children: family.below.len() as u64,
            journal_bytes: journals.by_ref().take(1 + family.below.len()).sum(),
        };
        Self {
            v,
            removed: false,
            runs: families.iter().map(run).collect(),
            artifacts: collected.artifacts,
            contents: collected.contents,
            bytes: collected.bytes,
            files: collected.files,
        }
    }

    /// Says whether there is nothing to remove.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.contents == 0 && self.artifacts == 0
    }

    /// All of it, for people.
    pub(crate) fn human(&self, colour: bool) -> String {
        let mut out = String::new();
        if !self.runs.is_empty() {
            let heads = ["run", "state", "age", "children", "journal", "runbook"].map(str::to_owned).to_vec();
            let row = |run: &UnneededRun| {
                vec![
                    run.run_id.to_string(),
                    signed(colour, &run.state),
                    Millis(run.age_ms).to_string(),
                    Count(run.children).to_string(),
                    Bytes(run.journal_bytes).to_string(),
                    neutral::line(&run.name, MAX_NAME),
                ]
            };
            table(&mut out, &std::iter::once(heads).chain(self.runs.iter().map(row)).collect::<Vec<_>>());
        }
        let _ = writeln!(out, "{}", self.sum());
        out
    }

    /// How much it is, in a line.
    pub(crate) fn sum(&self) -> String {
        let all = self.runs.iter().map(|run| 1 + run.children).sum();
        let contents = format!("{} in {}", Count(self.contents).of("content"), Count(self.files).of("file"));
        let (runs, artifacts) = (Count(all).of("run"), Count(self.artifacts).of("artifact"));
        format!("{runs}, {artifacts} and {contents}, {}, that nobody names then", Bytes(self.bytes))
    }
}

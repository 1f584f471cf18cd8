//! The list of runs.

use super::signed;
use crate::render::table;
use palisade_engine::{Fork, Standing};
use palisade_model::unit::{Count, Millis};
use palisade_model::{RunId, neutral};
use palisade_store::RunRow;
use serde::Serialize;

/// Most characters of a runbook's name.
const MAX_NAME: usize = 40;

/// A run in the list.
#[derive(Debug, Serialize)]
pub(crate) struct ListedRun {
    run_id: RunId,
    /// The runbook's name.
    name: String,
    state: String,
    /// The process that works on it.
    process: Option<u32>,
    /// RFC 3339 in UTC.
    started_at: String,
    duration_ms: Option<u64>,
    /// Items of its results.
    items: Option<u64>,
    /// The run whose beginning it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    forked_from: Option<RunId>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    edited: bool,
}

impl ListedRun {
    pub(crate) fn new(row: &RunRow, standing: &Standing, fork: Option<&Fork>) -> Self {
        let summary = &row.summary;
        Self {
            run_id: row.run,
            name: neutral::line(&summary.title, super::MAX_TEXT),
            state: neutral::line(standing.name(), 40),
            process: if let Standing::Running { process } = standing { Some(*process) } else { None },
            started_at: palisade_engine::rfc3339(summary.started_ms),
            duration_ms: summary.ended_ms.map(|ended| ended.saturating_sub(summary.started_ms)),
            items: summary.items,
            forked_from: fork.map(|fork| fork.from.run_id),
            edited: fork.is_some_and(|fork| !fork.edits.is_empty()),
        }
    }
}

/// The list as text.
pub(crate) fn list(runs: &[ListedRun], colour: bool) -> String {
    let heads = ["run", "state", "started", "took", "items", "runbook"].map(str::to_owned).to_vec();
    let row = |run: &ListedRun| {
        let mark = match (run.edited, run.forked_from) {
            (true, _) => "  (edited)",
            (false, Some(_)) => "  (fork)",
            (false, None) => "",
        };
        let seconds = run.started_at.split_once('.').map_or(run.started_at.as_str(), |(seconds, _)| seconds);
        vec![
            run.run_id.to_string(),
            signed(colour, &run.state),
            format!("{seconds}Z"),
            run.duration_ms.map_or_else(|| "–".to_owned(), |ms| Millis(ms).to_string()),
            run.items.map_or_else(|| "–".to_owned(), |items| Count(items).to_string()),
            neutral::line(&run.name, MAX_NAME) + mark,
        ]
    };
    let mut out = String::new();
    table(&mut out, &std::iter::once(heads).chain(runs.iter().map(row)).collect::<Vec<_>>());
    out
}

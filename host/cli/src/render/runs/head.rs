//! Which run is spoken of.

use super::{foreign, painted, signed};
use palisade_engine::Standing;
use palisade_model::record::RunRecord;
use palisade_model::{Digest, RunId, neutral};
use serde::Serialize;

/// By what a run is known.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunHead {
    pub(crate) run_id: RunId,
    /// The runbook's name.
    pub(crate) name: String,
    pub(crate) state: String,
    /// RFC 3339 in UTC.
    pub(crate) started_at: String,
    pub(crate) palisade_version: String,
    pub(crate) runbook_digest: Digest,
    pub(crate) plan_digest: Digest,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) edited: bool,
}

impl RunHead {
    pub(crate) fn new(record: &RunRecord, standing: &Standing) -> Self {
        Self {
            run_id: record.run_id,
            name: record.runbook.name.clone(),
            state: neutral::line(standing.name(), 40),
            started_at: record.started_at.clone(),
            palisade_version: record.palisade_version.clone(),
            runbook_digest: record.runbook_digest,
            plan_digest: record.plan_digest,
            edited: !record.edits.is_empty(),
        }
    }

    /// The run in one line.
    pub(crate) fn line(&self, colour: bool) -> String {
        let name = painted(colour, "1", &foreign(&self.name));
        let edited = if self.edited { painted(colour, "33", ", edited") } else { String::new() };
        format!("{name}  {}  run {}, started {}{edited}", signed(colour, &self.state), self.run_id, self.started_at)
    }
}

//! A finding in one line.

use super::foreign;
use palisade_report::ToldFinding;
use serde::Serialize;

/// A finding with its id.
#[derive(Debug, Serialize)]
pub(crate) struct ListedFinding {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) told: ToldFinding,
}

impl ListedFinding {
    /// Its cells in a table: id, what, where, evidence.
    pub(crate) fn cells(&self) -> Vec<String> {
        let what: Vec<&str> = self.told.category.iter().chain(&self.told.rule).map(String::as_str).collect();
        let what = foreign(&what.join(" / "));
        let evidence = self.told.evidence.first().map(|piece| foreign(piece)).unwrap_or_default();
        vec![self.id.clone(), what, found_at(&self.told), evidence]
    }
}

/// Where it was found, as it says: `notes.txt:3`.
pub(crate) fn found_at(told: &ToldFinding) -> String {
    let source = told.source.as_deref().map(foreign).unwrap_or_default();
    told.line.map_or_else(|| source.clone(), |line| format!("{source}:{line}"))
}

//! Telling which steps write to the same folder: files of the same name would not both come to be.

use super::Planner;
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::{Plan, PlannedStep};
use palisade_authority::{Place, ScopedPath};

impl Planner<'_> {
    pub(super) fn check_writers(&mut self, plan: &Plan) {
        let mut writers: Vec<(&PlannedStep, &ScopedPath)> = Vec::new();
        for step in &plan.steps {
            for folder in folders(step) {
                let shares = |(other, known): &&(&PlannedStep, &ScopedPath)| {
                    other.id != step.id && (folder.is_within(known) || known.is_within(folder))
                };
                if let Some((first, known)) = writers.iter().find(shares) {
                    let span = self.step_of(&step.id).map(|step| step.id.span).unwrap_or_default();
                    let inner = if folder.is_within(known) { folder } else { *known };
                    let message = format!("`{}` and `{}` both write to `{inner}`", first.id, step.id);
                    let help =
                        "a file that one of them wrote is not replaced by the other: give each a folder of its own";
                    let told = Diagnostic::new(Code::TwoWriters, &self.runbook.source, span, message).with_help(help);
                    self.diagnostics.push(told);
                }
                writers.push((step, folder));
            }
        }
    }
}

/// The folders to which a step may write.
fn folders(step: &PlannedStep) -> impl Iterator<Item = &ScopedPath> {
    step.call().into_iter().flat_map(|call| &call.places).filter_map(|named| match &named.place {
        Place::FsWrite(folder) => Some(folder),
        _ => None,
    })
}

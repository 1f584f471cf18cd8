//! By whose word a run did what it did: the step that started it, and what was said of its own steps.

use super::{foreign, painted};
use crate::render::lineage::said;
use palisade_engine::Lineage;
use palisade_model::{RunId, StepId};
use std::fmt::Write as _;

/// As text; empty if a person started it and nobody was asked anything.
pub(crate) fn allowed(started_by: Option<(RunId, &StepId)>, lineage: &Lineage, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    if let Some((run, step)) = started_by {
        let _ = writeln!(out, "  started by step {} of run {run}", foreign(step.as_str()));
    }
    for step in &lineage.steps {
        for answer in step.allowed.iter().filter(|answer| answer.step == step.step) {
            let _ = writeln!(out, "  {}  {}", foreign(step.step.as_str()), said(step, answer));
        }
    }
    if out.is_empty() { out } else { format!("\n{}\n{out}", painted(colour, "1", "By whose word")) }
}

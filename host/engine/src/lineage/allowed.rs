//! Who said that a step may run: a person at a step that asks, of which it stands behind, or of the runbook that it runs.

use crate::record::rfc3339;
use palisade_interpreter::{ApprovalOutcome, ChildApproval, Event, PlanningOutcome};
use palisade_model::StepId;
use palisade_runbook::{Plan, PlannedStep, PlannedWork};
use serde::Serialize;

/// An answer that a step depended on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// The step that asked: one before it, or itself where it runs what nobody had read.
    pub step: StepId,
    /// Who said so, where somebody did; none = nobody in time, or the runbook beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What they said.
    pub answer: Answer,
    /// They signed it.
    pub signed: bool,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Approved,
    /// Yes, before anything was asked.
    ApprovedBeforehand,
    /// No.
    Rejected,
}

/// What was said about a step, in the order in which it was.
pub(super) fn allowed(plan: &Plan, events: &[Event], step: &PlannedStep) -> Vec<Allowed> {
    let asks = |id: &StepId| {
        *id == step.id || plan.step(id).is_some_and(|other| matches!(other.work, PlannedWork::Approval { .. }))
    };
    let asking: Vec<&StepId> = step.waits_for().chain([&step.id]).filter(|id| asks(id)).collect();
    let answers = events.iter().filter_map(|event| match event {
        Event::ApprovalDecided { step, at_ms, by, signature, outcome, .. } => {
            let answer = match outcome {
                ApprovalOutcome::Approved => Answer::Approved,
                ApprovalOutcome::Rejected { .. } => Answer::Rejected,
            };
            let (step, by, at) = (step.clone(), by.clone(), rfc3339(*at_ms));
            Some(Allowed { step, by, at, answer, signed: signature.is_some() })
        }
        Event::ChildPlanned(planned) => {
            let PlanningOutcome::Planned { approval, .. } = &planned.outcome else { return None };
            let by = match approval {
                ChildApproval::Person { .. } => return None,
                ChildApproval::Runbook => None,
                ChildApproval::Caller { by } => Some(by.clone()),
            };
            let (step, at) = (planned.step.clone(), rfc3339(planned.at_ms));
            Some(Allowed { step, by, at, answer: Answer::ApprovedBeforehand, signed: false })
        }
        _ => None,
    });
    answers.filter(|answer| asking.contains(&&answer.step)).collect()
}

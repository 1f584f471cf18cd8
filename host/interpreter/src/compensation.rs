//! A run that undoes what it did: in which order, how far it has come, and what comes next.

use crate::command::Command;
use crate::decide::{Standing, decide_step};
use crate::event::CancelReason;
use crate::graph::Graph;
use crate::state::{State, StepState};
use palisade_model::StepId;
use palisade_model::record::Status;

/// How far a run has come that undoes what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compensation {
    status: Status,
    steps: Vec<StepId>,
    /// How many of them have ended.
    ended: usize,
}

impl Compensation {
    pub(crate) const fn new(status: Status, steps: Vec<StepId>) -> Self {
        Self { status, steps, ended: 0 }
    }

    /// How the run ends when that is done.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The steps that undo others, in the order in which they run.
    #[must_use]
    pub fn steps(&self) -> &[StepId] {
        &self.steps
    }

    /// The step that runs, or is to run.
    pub(crate) fn next(&self) -> Option<&StepId> {
        self.steps.get(self.ended)
    }

    pub(crate) fn note_end(&mut self, step: &StepId) {
        if self.next() == Some(step) {
            self.ended += 1;
        }
    }
}

/// The steps that undo what a run did that would end so: of all that succeeded, the last first. It is the order of the
/// graph and not that of time, so that it is the same each time. What was taken over from another run was done there.
pub(crate) fn to_compensate(graph: &Graph, state: &State, status: Status) -> Vec<StepId> {
    if !matches!(status, Status::Failed | Status::Cancelled) {
        return Vec::new();
    }
    let was_done =
        |step: &StepId| matches!(state.step(step), Some(StepState::Succeeded { .. })) && !state.is_taken_over(step);
    let done = graph.nodes().iter().rev().filter(|node| was_done(&node.step));
    done.filter_map(|node| graph.compensation_of(&node.step)).map(|undo| undo.step.clone()).collect()
}

/// What comes next in a run that undoes what it did: one step after the other, each whatever became of the one before. It
/// can be interrupted and goes on when it is resumed; there is no other way to end it before its time.
pub(crate) fn decide_compensating(graph: &Graph, state: &State, compensation: &Compensation) -> Vec<Command> {
    let end = |status| vec![Command::EndRun { status, resumed: state.resumed() }];
    let Some(node) = compensation.next().and_then(|step| graph.compensating(step)) else {
        return end(compensation.status);
    };
    if state.cancelled() == Some(CancelReason::Interrupted) {
        let runs = Standing::of(state.step(&node.step)) == Standing::Running;
        return if runs { Vec::new() } else { end(Status::Interrupted) };
    }
    decide_step(node, state).into_iter().collect()
}

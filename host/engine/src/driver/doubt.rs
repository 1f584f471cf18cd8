//! Attempts that could change something outside and were cut off: nobody knows whether it happened. They are not made
//! again by themselves; a step whose runbook says `retry` may be, which is its author's word that this does no harm.

use super::{Driver, now_ms};
use palisade_interpreter::{AttemptFailed, Event, StepState};
use palisade_model::{Failure, FailureKind, StepId, Usage};
use palisade_runbook::{PlannedCall, PlannedStep};

impl Driver<'_> {
    /// What an attempt that was cut off has failed for: what is in doubt is for a person.
    pub(super) fn doubted(&self, step: &StepId, failure: Failure) -> Failure {
        match failure.kind == FailureKind::Cancelled && self.would_be_in_doubt(step) {
            true => in_doubt(),
            false => failure,
        }
    }

    /// The ends of the attempts that were under way when a process died and that must not be made again.
    pub(super) fn left_in_doubt(&self) -> Vec<Event> {
        let state = self.machine.state();
        let under_way = self.steps.keys().filter_map(|step| match state.step(step) {
            // A child that an agent has tells for itself.
            Some(StepState::Running { iteration, attempt })
                if self.would_be_in_doubt(step) && !state.has_child(step) =>
            {
                Some(((*step).clone(), *iteration, *attempt))
            }
            _ => None,
        });
        let failed = |(step, iteration, attempt)| {
            // Nobody knows how much of it was spent.
            let spent = state.account().reserved(&step);
            Event::AttemptFailed(Box::new(AttemptFailed {
                step,
                attempt,
                iteration,
                at_ms: now_ms(),
                failure: in_doubt(),
                retryable: false,
                retry_at_ms: None,
                usage: Usage::default(),
                own: None,
                spent,
                skipped_count: 0,
                skipped: Vec::new(),
                log: Vec::new(),
            }))
        };
        under_way.map(failed).collect()
    }

    fn would_be_in_doubt(&self, step: &StepId) -> bool {
        let again = |step: &PlannedStep| step.retry.as_ref().is_some_and(|retry| retry.max_attempts > 1);
        let planned = self.steps.get(step).filter(|step| !again(step));
        planned.and_then(|step| step.call()).is_some_and(PlannedCall::may_change_outside)
    }
}

fn in_doubt() -> Failure {
    let message = "it was cut off while it could send requests that change something, and nobody knows which arrived";
    let mut failure = Failure::new(FailureKind::InDoubt, message);
    failure.help = Some("look at the other side; then run anew, or `palisade runs fork` behind this step".to_owned());
    failure
}

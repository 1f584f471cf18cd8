//! Answers of people, and of time in their place.

use palisade_interpreter::{ApprovalOutcome, Event};
use palisade_model::{Failure, FailureKind, StepId};

/// Nobody answered in time.
pub(crate) fn expired(step: StepId, submitted_by: u32, at_ms: u64) -> Event {
    let failure = Failure::new(FailureKind::Rejected, "nobody answered in time, which is a no")
        .with_help("`expires` of the step, or of `[approval]` in palisade.toml, says how long it waits");
    Event::ApprovalDecided {
        step,
        at_ms,
        submitted_by,
        by: None,
        note: None,
        signature: None,
        outcome: ApprovalOutcome::Rejected { failure: failure.into() },
    }
}

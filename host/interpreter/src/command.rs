//! What is to be done next. Never stored: that a command was taken up is said by an event.

use crate::event::{Event, SkipCause};
use palisade_model::StepId;
use palisade_model::record::Status;

/// Something that the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start an attempt as soon as there is room.
    StartAttempt {
        /// Of which step.
        step: StepId,
        /// Its number, from 1.
        attempt: u32,
    },
    /// Record that a step will not run.
    SkipStep {
        /// Which step.
        step: StepId,
        /// Why.
        because: SkipCause,
    },
    /// Record that the run ended.
    EndRun {
        /// How.
        status: Status,
    },
}

impl Command {
    /// The event that says that the command was taken up; with it in the journal the command is not given again.
    #[must_use]
    pub fn taken_up(&self, now_ms: u64) -> Event {
        match self.clone() {
            Self::StartAttempt { step, attempt } => Event::StepScheduled { step, attempt },
            Self::SkipStep { step, because } => Event::StepSkipped { step, because },
            Self::EndRun { status } => Event::RunEnded { status, at_ms: now_ms },
        }
    }
}

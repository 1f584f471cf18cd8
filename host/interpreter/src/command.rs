//! What is to be done next. Never stored: that a command was taken up is said by an event.

use crate::event::{Event, SkipCause};
use palisade_model::StepId;
use palisade_model::record::Status;

/// Something that the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start an attempt as soon as there is room.
    StartAttempt(Turn),
    /// Find out what the interpreter can't compute, and record the answer.
    Answer(Question),
    /// Record that a step waits for a person.
    RequestApproval {
        /// Which step.
        step: StepId,
        /// The attempt of an agent that submitted what it is about; 0 = the step asks for itself.
        submitted_by: u32,
        /// Milliseconds after which the answer is no.
        expires_ms: Option<u64>,
    },
    /// Record that a loop ended.
    EndLoop {
        /// Which step.
        step: StepId,
        /// Its last iteration.
        iteration: u32,
        /// Its condition held.
        held: bool,
    },
    /// Record that a step will not run.
    SkipStep {
        /// Which step.
        step: StepId,
        /// Why.
        because: SkipCause,
    },
    /// Record that the run undoes what it did, since it failed or was cancelled.
    Compensate {
        /// How the run ends then.
        status: Status,
        /// The steps that undo others, in the order in which they run.
        steps: Vec<StepId>,
        /// How often the run was resumed before.
        resumed: u32,
    },
    /// Record that the run ended.
    EndRun {
        /// How.
        status: Status,
        /// How often the run was resumed before.
        resumed: u32,
    },
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Which step.
    pub step: StepId,
    /// The iteration of a loop, or the item of a map over a child runbook, from 1; 0 = the step is neither.
    pub iteration: u32,
    /// The number of the attempt, from 1; within the iteration.
    pub attempt: u32,
}

/// Something that stands in documents, which the interpreter never reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Does the condition of the step hold? Answered by `ConditionEvaluated`.
    Condition {
        /// Which step.
        step: StepId,
        /// The iteration of a loop that is to be judged; 0 = is the step to run?
        iteration: u32,
    },
    /// What are the values that the config takes from documents? Answered by `ValueResolved`.
    Values {
        /// Which step.
        step: StepId,
    },
    /// What will the runbook do that an artifact holds? Answered by `ChildPlanned`.
    Child {
        /// Which step.
        step: StepId,
        /// The iteration of a loop that runs it first; 0 = the step is none.
        iteration: u32,
        /// The attempt of an agent that submitted it; 0 = it is the step's own.
        submitted_by: u32,
    },
    /// Are the files that an attempt wrote in their places? Answered by `FilesPut`, once they are or can't be.
    Files {
        /// Which attempt.
        turn: Turn,
    },
    /// How many items does a map over a child runbook go over? Answered by `MapExpanded`.
    Items {
        /// Which step.
        step: StepId,
    },
    /// What is it that the children of a map made together? Answered by `MapEnded`.
    Joined {
        /// Which step.
        step: StepId,
    },
    /// What came of the runbook that an agent submitted? Answered by `HostCallRecorded`.
    Submitted {
        /// Which step.
        step: StepId,
    },
}

impl Command {
    /// The event that says that the command was taken up; with it in the journal the command is not given again. None
    /// for a question, which its answer takes up.
    #[must_use]
    pub fn taken_up(&self, now_ms: u64) -> Option<Event> {
        Some(match self.clone() {
            Self::StartAttempt(Turn { step, iteration, attempt }) => Event::StepScheduled { step, attempt, iteration },
            Self::RequestApproval { step, submitted_by, expires_ms } => Event::ApprovalRequested {
                step,
                submitted_by,
                at_ms: now_ms,
                expires_at_ms: expires_ms.map(|ms| now_ms.saturating_add(ms)),
            },
            Self::EndLoop { step, iteration, held } => Event::LoopEnded { step, iteration, held },
            Self::SkipStep { step, because } => Event::StepSkipped { step, because },
            Self::Compensate { status, steps, resumed } => {
                Event::CompensationStarted { status, steps, at_ms: now_ms, resumed }
            }
            Self::EndRun { status, resumed } => Event::RunEnded { status, at_ms: now_ms, resumed },
            Self::Answer(_) => return None,
        })
    }
}

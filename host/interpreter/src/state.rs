//! How a run stands: a fold over its events, and nothing else.

use crate::event::{CancelReason, Event, Output, SkipCause};
use palisade_model::record::Status;
use palisade_model::{FailureKind, StepId};
use std::collections::BTreeMap;

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    run: RunState,
    cancelled: Option<CancelReason>,
    steps: BTreeMap<StepId, StepState>,
}

/// How the run as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunState {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It goes on.
    Running,
    /// It ended so.
    Ended(Status),
}

/// How a step stands. A step of which nothing is known yet has no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It waits for room.
    Scheduled {
        /// The number of its attempt.
        attempt: u32,
    },
    /// It runs.
    Running {
        /// The number of its attempt.
        attempt: u32,
    },
    /// It did what was wanted.
    Succeeded {
        /// The number of its attempt.
        attempt: u32,
        /// What it made.
        outputs: Vec<Output>,
    },
    /// It failed.
    Failed {
        /// The number of its last attempt.
        attempt: u32,
    },
    /// It was stopped, since the run was cancelled.
    Cancelled {
        /// The number of its last attempt.
        attempt: u32,
    },
    /// It will not run.
    Skipped {
        /// Why.
        because: SkipCause,
    },
}

impl State {
    /// The state after all these events.
    #[must_use]
    pub fn after<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes an event in. What can't follow from the state is ignored: an event that comes again, one of an attempt that
    /// is over, one after the end.
    pub fn apply(&mut self, event: &Event) {
        match (self.run, event) {
            (RunState::New, Event::RunStarted(_)) => self.run = RunState::Running,
            (RunState::Running, _) => self.apply_to_running(event),
            (RunState::New | RunState::Ended(_), _) => {}
        }
    }

    fn apply_to_running(&mut self, event: &Event) {
        match event {
            Event::RunStarted(_) => {}
            Event::CancelRequested { reason, .. } => {
                self.cancelled.get_or_insert(*reason);
            }
            Event::RunEnded { status, .. } => self.run = RunState::Ended(*status),
            Event::StepScheduled { step, attempt } => {
                if !self.steps.contains_key(step) {
                    self.set(step, StepState::Scheduled { attempt: *attempt });
                }
            }
            Event::StepSkipped { step, because } => {
                if matches!(self.steps.get(step), None | Some(StepState::Scheduled { .. })) {
                    self.set(step, StepState::Skipped { because: because.clone() });
                }
            }
            Event::AttemptStarted(started) => {
                if self.steps.get(&started.step) == Some(&StepState::Scheduled { attempt: started.attempt }) {
                    self.set(&started.step, StepState::Running { attempt: started.attempt });
                }
            }
            Event::AttemptSucceeded(done) => {
                if self.is_under_way(&done.step, done.attempt) {
                    let outputs = done.outputs.clone();
                    self.set(&done.step, StepState::Succeeded { attempt: done.attempt, outputs });
                }
            }
            Event::AttemptFailed(done) => {
                if self.is_under_way(&done.step, done.attempt) {
                    let attempt = done.attempt;
                    let cancelled = self.cancelled.is_some() && done.failure.kind == FailureKind::Cancelled;
                    let failed = StepState::Failed { attempt };
                    self.set(&done.step, if cancelled { StepState::Cancelled { attempt } } else { failed });
                }
            }
        }
    }

    /// How the run as a whole stands.
    #[must_use]
    pub const fn run(&self) -> RunState {
        self.run
    }

    /// Why the run is to end before its time, if it is.
    #[must_use]
    pub const fn cancelled(&self) -> Option<CancelReason> {
        self.cancelled
    }

    /// How a step stands; none as long as it waits for others.
    #[must_use]
    pub fn step(&self, step: &StepId) -> Option<&StepState> {
        self.steps.get(step)
    }

    /// What a step made; none unless it succeeded.
    #[must_use]
    pub fn outputs(&self, step: &StepId) -> Option<&[Output]> {
        match self.step(step)? {
            StepState::Succeeded { outputs, .. } => Some(outputs),
            _ => None,
        }
    }

    /// The attempt may end: it runs, or it failed before it could be started.
    fn is_under_way(&self, step: &StepId, number: u32) -> bool {
        matches!(
            self.steps.get(step),
            Some(StepState::Scheduled { attempt } | StepState::Running { attempt }) if *attempt == number
        )
    }

    fn set(&mut self, step: &StepId, state: StepState) {
        self.steps.insert(step.clone(), state);
    }
}

impl StepState {
    /// The state in one word for people and for `run.json`; none as long as the step is under way.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Scheduled { .. } | Self::Running { .. } => None,
            Self::Succeeded { .. } => Some(Status::Succeeded),
            Self::Failed { .. } => Some(Status::Failed),
            Self::Cancelled { .. } => Some(Status::Cancelled),
            Self::Skipped { .. } => Some(Status::Skipped),
        }
    }
}

//! What a run tells while it goes on, for whoever shows it. Nothing depends on anybody listening.

use palisade_interpreter::SkipCause;
use palisade_model::record::Status;
use palisade_model::{Failure, RunId, StepId, Usage};

/// Something that happened in a run.
#[derive(Debug, Clone)]
pub enum Observed<'a> {
    /// A component had to be compiled, since no usable compiled code was kept.
    Compiling {
        /// Its versioned id.
        component: &'a str,
    },
    /// A step was started.
    StepStarted {
        /// Which.
        step: &'a StepId,
        /// Its component's versioned id.
        component: &'a str,
        /// Bytes of its inputs.
        input_bytes: u64,
        /// In how many parts it runs.
        parts: usize,
    },
    /// The run, or a step, waits for room that other runs of this data directory have. Told once until there is some.
    WaitsForRoom {
        /// The step; none = the run.
        step: Option<&'a StepId>,
    },
    /// A step goes on.
    StepProgress {
        /// Which.
        step: &'a StepId,
        /// What it used so far.
        usage: Usage,
        /// Items that it emitted so far.
        items: u64,
        /// How far it says it is.
        said: Option<(u64, Option<u64>)>,
    },
    /// A step, or an iteration of one, did what was wanted.
    StepSucceeded {
        /// Which.
        step: &'a StepId,
        /// The iteration of a loop, from 1; 0 = the step is none.
        iteration: u32,
        /// Items it emitted.
        items: u64,
        /// Parts of the input that it left out.
        skipped: u64,
        /// What it used.
        usage: Usage,
    },
    /// What a step, or an iteration of one, would make was known already.
    StepKnown {
        /// Which.
        step: &'a StepId,
        /// The iteration of a loop, from 1; 0 = the step is none.
        iteration: u32,
        /// Items that it has.
        items: u64,
    },
    /// An attempt of a step failed, and another follows.
    StepRetries {
        /// Which.
        step: &'a StepId,
        /// The number of the attempt that failed.
        attempt: u32,
        /// Why.
        failure: &'a Failure,
        /// Milliseconds until the next.
        wait_ms: u64,
    },
    /// A step failed.
    StepFailed {
        /// Which.
        step: &'a StepId,
        /// Why.
        failure: &'a Failure,
    },
    /// A step will not be started.
    StepSkipped {
        /// Which.
        step: &'a StepId,
        /// Why.
        because: &'a SkipCause,
    },
    /// A step waits for a person.
    ApprovalRequested {
        /// Which.
        step: &'a StepId,
    },
    /// A child run began, or goes on.
    ChildStarted {
        /// The step for which it runs.
        step: &'a StepId,
        /// The child.
        run: RunId,
        /// The name of its runbook.
        title: &'a str,
    },
    /// Something happened in a child run.
    InChild {
        /// The step for which it runs.
        step: &'a StepId,
        /// What.
        event: &'a Observed<'a>,
    },
    /// A child run ended, or stopped until its parent is resumed.
    ChildEnded {
        /// The step for which it ran.
        step: &'a StepId,
        /// The child.
        run: RunId,
        /// How.
        status: Status,
    },
}

/// Listens to a run; called from several threads.
pub trait Observer: Sync {
    /// Takes what happened. Must not block for long.
    fn observe(&self, event: &Observed<'_>);
}

/// Listens to a child run for whoever listens to its parent.
pub(crate) struct Below<'a> {
    pub(crate) observer: &'a dyn Observer,
    /// The step for which it runs.
    pub(crate) step: &'a StepId,
}

impl Observer for Below<'_> {
    fn observe(&self, event: &Observed<'_>) {
        self.observer.observe(&Observed::InChild { step: self.step, event });
    }
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Observed<'_>) {}
}

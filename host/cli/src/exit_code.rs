//! What `palisade` tells its caller by the code it ends with.

use palisade_model::FailureKind;
use palisade_model::record::{RunRecord, Status, StepRecord};

/// The exit codes, as documented in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Everything wanted was done.
    Done = 0,
    /// The run ended with a failed wanted step, or something asked for to be a failure was found.
    Failed = 1,
    /// Wrong use or an invalid runbook; nothing was started.
    Usage = 2,
    /// Authority was missing.
    Denied = 3,
    /// A limit or budget was reached.
    Limit = 4,
    /// It waits for a person.
    Waiting = 5,
    /// Interrupted; it can be resumed.
    Interrupted = 6,
    /// A digest, a hash chain or a signature does not fit.
    Integrity = 7,
    /// A bug in Palisade.
    Bug = 70,
}

impl ExitCode {
    /// How serious a code is where several apply: the highest wins.
    fn rank(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Waiting => 2,
            Self::Interrupted => 3,
            Self::Failed => 4,
            Self::Limit => 5,
            Self::Denied => 6,
            Self::Integrity => 7,
            Self::Bug => 8,
        }
    }

    /// The more serious of two codes.
    #[must_use]
    pub(crate) fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The code for a run that has ended.
    #[must_use]
    pub(crate) fn of_run(run: &RunRecord) -> Self {
        let of_status = match run.status {
            Status::Succeeded => Self::Done,
            Status::Failed | Status::Skipped => Self::Failed,
            Status::Waiting => Self::Waiting,
            Status::Cancelled | Status::Interrupted => Self::Interrupted,
        };
        // What goes on with the run has not failed yet, whatever became of its last attempt.
        let over = |step: &&StepRecord| !step.status.can_go_on();
        let wanted = |step: &&StepRecord| run.status != Status::Succeeded || step.exported;
        let failures = run.steps.iter().filter(wanted).chain(&run.compensations).filter(over);
        failures
            .filter_map(|step| step.failure.as_ref())
            .map(|failure| Self::of_failure(&failure.kind))
            .fold(of_status, Self::worse)
    }

    /// The code for why a step failed.
    #[must_use]
    pub(crate) fn of_failure(kind: &FailureKind) -> Self {
        match kind {
            FailureKind::Limit { .. } | FailureKind::Bound { .. } => Self::Limit,
            FailureKind::Denied { .. } | FailureKind::Rejected => Self::Denied,
            FailureKind::Cancelled => Self::Interrupted,
            FailureKind::Schema { .. }
            | FailureKind::Trap { .. }
            | FailureKind::BadRunbook
            | FailureKind::Condition
            | FailureKind::BadConfig
            | FailureKind::BadInput
            | FailureKind::Unavailable
            | FailureKind::Failed
            | FailureKind::InDoubt
            | FailureKind::Host => Self::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

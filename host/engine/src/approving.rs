//! What the operator says of answers of people, and whether one counts. Every answer is judged here, whoever brings it.

use palisade_interpreter::ChildApproval;
use palisade_model::neutral;

/// What the operator says of approvals.
#[derive(Debug, Clone, Default)]
pub struct Approving {
    /// A runbook that is an artifact waits for a person, whatever its step or its caller approved beforehand.
    pub always: bool,
    /// Who started a run approves nothing of it, beforehand either.
    pub four_eyes: bool,
    /// Milliseconds after which nobody has said yes to a runbook that is an artifact, which is a no; none = it waits for ever.
    pub expires_ms: Option<u64>,
}

/// Why a yes does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// They started the run.
    #[error("{by} started the run, and two people are to have looked at it")]
    Same {
        /// Who answered.
        by: String,
    },
    /// The run is from before it was noted.
    #[error("it is not known who started the run, and two people are to have looked at it")]
    Unknown,
}

impl Approving {
    /// Whether what is approved beforehand counts.
    #[must_use]
    pub const fn beforehand(&self) -> bool {
        !self.always && !self.four_eyes
    }

    /// Who says that a runbook may run, where its step or its caller approved it beforehand.
    pub(crate) fn of_artifact(&self, is_approved: bool, by: Option<&str>) -> ChildApproval {
        let person = ChildApproval::Person { expires_ms: self.expires_ms };
        match by {
            _ if !self.beforehand() => person,
            _ if is_approved => ChildApproval::Runbook,
            Some(by) => ChildApproval::Caller { by: by.to_owned() },
            None => person,
        }
    }

    /// Judges a yes. A no counts whoever says it.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn judge(&self, by: &str, started_by: Option<&str>) -> Result<(), NotCounted> {
        match started_by {
            _ if !self.four_eyes => Ok(()),
            None => Err(NotCounted::Unknown),
            Some(started_by) if started_by == by => Err(NotCounted::Same { by: neutral::line(by, 80) }),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_eyes_are_those_of_two_people() {
        let one = Approving::default();
        assert_eq!(one.judge("ann", Some("ann")), Ok(()));
        let two = Approving { four_eyes: true, ..Approving::default() };
        assert_eq!(two.judge("bob", Some("ann")), Ok(()));
        assert_eq!(two.judge("ann", Some("ann")), Err(NotCounted::Same { by: "ann".to_owned() }));
        assert_eq!(two.judge("bob", None), Err(NotCounted::Unknown));
    }

    #[test]
    fn what_is_approved_beforehand_counts_unless_the_operator_wants_a_person() {
        let caller = ChildApproval::Caller { by: "ann".to_owned() };
        let usual = Approving::default();
        assert_eq!(usual.of_artifact(true, Some("ann")), ChildApproval::Runbook);
        assert_eq!(usual.of_artifact(false, Some("ann")), caller);
        assert_eq!(usual.of_artifact(false, None), ChildApproval::Person { expires_ms: None });
        for strict in [
            Approving { always: true, expires_ms: Some(5), ..Approving::default() },
            Approving { four_eyes: true, expires_ms: Some(5), ..Approving::default() },
        ] {
            assert_eq!(strict.of_artifact(true, Some("ann")), ChildApproval::Person { expires_ms: Some(5) });
        }
    }
}

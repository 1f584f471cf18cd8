//! Whether a step tries again after a failure, and how long it waits before.

use palisade_model::FailureKind;

/// How often a step is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub max_attempts: u32,
    /// Milliseconds before the second attempt; each later wait may be twice as long.
    pub backoff_ms: u64,
    /// The kinds of failure after which another attempt is made, as [`FailureKind::retry_name`] has them; empty = those
    /// that pass by themselves.
    pub on: Vec<String>,
}

impl Retry {
    /// Milliseconds until the attempt after attempt number `attempt`, which failed so; none if there is no other. Between
    /// half of the full wait and all of it, as `random` falls: steps that failed together don't come back together.
    #[must_use]
    pub fn wait_ms(&self, attempt: u32, failure: &FailureKind, random: u64) -> Option<u64> {
        let name = failure.retry_name()?;
        let wanted = if self.on.is_empty() { failure.may_pass() } else { self.on.iter().any(|on| on == name) };
        if !wanted || attempt >= self.max_attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1);
        let full = self.backoff_ms.saturating_mul(2_u64.checked_pow(doublings).unwrap_or(u64::MAX));
        Some(full - random % (full / 2).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::LimitKind;
    use palisade_model::limits::{Limit, LimitSource};
    use proptest::prelude::*;

    fn retry(on: &[&str]) -> Retry {
        Retry { max_attempts: 3, backoff_ms: 100, on: on.iter().map(ToString::to_string).collect() }
    }

    fn reached(limit: LimitKind) -> FailureKind {
        let in_force = Limit { value: 1, set_by: LimitSource::Default, ceiling: 1 };
        FailureKind::Limit { limit, in_force, reached: None }
    }

    #[test]
    fn waits_double_up_to_the_last_attempt() {
        let retry = retry(&[]);
        let waits = |random| [1, 2, 3].map(|attempt| retry.wait_ms(attempt, &FailureKind::Unavailable, random));
        assert_eq!(waits(0), [Some(100), Some(200), None]);
        // The shortest waits: 51 = half of it and one are taken off at most.
        assert_eq!(waits(50), [Some(50), Some(150), None]);
    }

    #[test]
    fn only_what_can_end_otherwise_is_tried_again() {
        let waits = |on: &[&str], failure: &FailureKind| retry(on).wait_ms(1, failure, 0).is_some();
        let trap = FailureKind::Trap { frames: Vec::new() };
        assert!(!waits(&[], &trap) && waits(&["trap"], &trap));
        assert!(!waits(&[], &FailureKind::Failed) && waits(&["wall", "failed"], &FailureKind::Failed));
        assert!(waits(&["wall"], &reached(LimitKind::Wall)) && !waits(&[], &reached(LimitKind::Wall)));
        // With the same limits it would end the same way, whatever the runbook says.
        for never in [reached(LimitKind::Fuel), FailureKind::BadConfig, FailureKind::BadInput, FailureKind::Cancelled] {
            assert!(!waits(&[], &never) && !waits(&["unavailable", "failed", "trap", "wall"], &never));
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_between_half_of_the_full_one_and_all_of_it(attempt in 1_u32..200, backoff_ms: u64, random: u64) {
            let retry = Retry { max_attempts: u32::MAX, backoff_ms, on: Vec::new() };
            let wait = retry.wait_ms(attempt, &FailureKind::Unavailable, random).unwrap();
            let full = u128::from(backoff_ms).saturating_mul(1 << (attempt - 1).min(100)).min(u128::from(u64::MAX));
            prop_assert!(u128::from(wait) <= full && u128::from(wait) >= full / 2);
        }
    }
}

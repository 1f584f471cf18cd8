//! A call of the host whose answer is written down before whoever made it sees it.

use palisade_model::{Digest, StepId, Usage};
use serde::{Deserialize, Serialize};

/// A component asked the host for something that does not follow from its inputs, and got an answer. Whoever takes the
/// attempt up again, or replays it, gives the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCallRecorded {
    /// Which step.
    pub step: StepId,
    /// The number of its attempt, from 1.
    pub attempt: u32,
    /// The iteration of a loop, from 1; 0 = the step is none.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub iteration: u32,
    /// The number of the call, from 1. Those that an earlier attempt made, and whose answers this one was given, count.
    pub call: u32,
    /// When.
    pub at_ms: u64,
    /// What was called, and with what: `tools.call acme:words`.
    pub what: String,
    /// The stored bytes of what was asked.
    pub request: Digest,
    /// The stored bytes of what was answered.
    pub answer: Digest,
    /// The answer may be another one the next time: a later attempt asks again.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub may_pass: bool,
    /// Artifacts that came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Digest>,
    /// What others used for it.
    pub usage: Usage,
}

/// The answers that an attempt is given: those of the attempts before it, up to the first that may be another one by now,
/// in the order of the calls. `calls` are those of its step and iteration, in the order of the journal.
#[must_use]
pub fn answers_for<'e>(calls: impl Iterator<Item = &'e HostCallRecorded>) -> Vec<&'e HostCallRecorded> {
    let mut known: Vec<&HostCallRecorded> = Vec::new();
    for call in calls {
        // What an attempt asks anew takes the place of what stood there, and of all that followed from it.
        known.truncate(usize::try_from(call.call).unwrap_or(usize::MAX).saturating_sub(1));
        known.push(call);
    }
    let first = known.iter().position(|call| call.may_pass);
    known.truncate(first.unwrap_or(usize::MAX));
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(attempt: u32, call: u32, may_pass: bool) -> HostCallRecorded {
        let (request, answer) = (Digest::of(b"asked"), Digest::of(format!("{attempt}/{call}").as_bytes()));
        let (what, usage) = ("tools.call a:b".to_owned(), Usage::default());
        let (step, iteration, artifacts) = ("s".parse().unwrap(), 0, Vec::new());
        HostCallRecorded { step, attempt, iteration, call, at_ms: 1, what, request, answer, may_pass, artifacts, usage }
    }

    fn check(recorded: &[(u32, u32, bool)], expected: &[(u32, u32)]) {
        let calls: Vec<_> =
            recorded.iter().map(|&(attempt, number, may_pass)| call(attempt, number, may_pass)).collect();
        let known: Vec<_> = answers_for(calls.iter()).iter().map(|call| (call.attempt, call.call)).collect();
        assert_eq!(known, expected);
    }

    #[test]
    fn an_attempt_gets_what_the_ones_before_it_were_answered() {
        check(&[], &[]);
        check(&[(1, 1, false), (1, 2, false)], &[(1, 1), (1, 2)]);
        // The second died, too.
        check(&[(1, 1, false), (2, 2, false)], &[(1, 1), (2, 2)]);
    }

    #[test]
    fn what_may_be_another_answer_by_now_is_asked_again_and_what_followed_from_it() {
        check(&[(1, 1, false), (1, 2, true), (1, 3, false)], &[(1, 1)]);
        check(&[(1, 1, false), (1, 2, true), (1, 3, false), (2, 2, false)], &[(1, 1), (2, 2)]);
        check(&[(1, 1, true)], &[]);
    }
}

//! A call of the host whose answer is written down before whoever made it sees it.

use palisade_model::{Digest, StepId, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// The calls of agents within which it was made, from that of the step's agent inwards; in a map the item, from 1. None =
    /// the step's own component made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<u32>,
    /// The number of the call, from 1. Those that an earlier attempt made, and whose answers this one was given, count. Within
    /// another call it counts those that were made within it.
    pub call: u32,
    /// When.
    pub at_ms: u64,
    /// What was called, and with what: `tools.call acme:words`, `tools.hand-over acme:lawyer`, `llm.complete big`.
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
    /// What others used for it, which counts as used by whoever made it and by whoever is given the answer.
    pub usage: Usage,
    /// What it is to be counted as once: it itself, and what was used for it beside calls within it. None = what wrote this
    /// counted it with each attempt that was given the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Usage>,
}

impl HostCallRecorded {
    /// Where it stands among the calls of its attempt: the numbers of those within which it was made, and its own.
    pub fn place(&self) -> impl Iterator<Item = u32> {
        self.within.iter().copied().chain([self.call])
    }

    /// Its place, as people read it: `2`, or `2.1` for the first call that was made within the second.
    #[must_use]
    pub fn shown_place(&self) -> String {
        show_place(self.place())
    }

    /// Whether it was answered before another: a call that is made within one is answered before that one is.
    fn is_before(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.place(), other.place());
        loop {
            match (ours.next(), theirs.next()) {
                (Some(ours), Some(theirs)) if ours == theirs => {}
                (Some(ours), Some(theirs)) => return ours < theirs,
                (Some(_), None) => return true,
                (None, _) => return false,
            }
        }
    }
}

/// A place among calls, as people read it.
#[must_use]
pub fn show_place(numbers: impl Iterator<Item = u32>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(".")
}

/// The answers that an attempt is given: those of the attempts before it, up to the first that may be another one by now,
/// in the order of the calls. `calls` are those of its step and iteration, in the order of the journal.
#[must_use]
pub fn answers_for<'e>(calls: impl Iterator<Item = &'e HostCallRecorded>) -> Vec<&'e HostCallRecorded> {
    let mut known: Vec<&HostCallRecorded> = Vec::new();
    for call in calls {
        // What an attempt asks anew takes the place of what stood there, and of all that followed from it.
        let stays = known.iter().position(|known| !known.is_before(call)).unwrap_or(known.len());
        known.truncate(stays);
        // Whoever gets its answer asks nothing of what was asked for it.
        if !call.may_pass {
            let within = known.iter().position(|known| {
                known.within.len() > call.within.len() && call.place().eq(known.place().take(call.within.len() + 1))
            });
            known.truncate(within.unwrap_or(known.len()));
        }
        known.push(call);
    }
    let first = known.iter().position(|call| call.may_pass);
    known.truncate(first.unwrap_or(usize::MAX));
    known
}

/// The same for a map, where each item asks in its own order; the first number of a place is the item's.
#[must_use]
pub fn answers_for_items<'e>(calls: impl Iterator<Item = &'e HostCallRecorded>) -> Vec<&'e HostCallRecorded> {
    let mut items: BTreeMap<Option<u32>, Vec<&HostCallRecorded>> = BTreeMap::new();
    for call in calls {
        items.entry(call.within.first().copied()).or_default().push(call);
    }
    items.into_values().flat_map(|calls| answers_for(calls.into_iter())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(attempt: u32, call: u32, may_pass: bool) -> HostCallRecorded {
        let (request, answer) = (Digest::of(b"asked"), Digest::of(format!("{attempt}/{call}").as_bytes()));
        let (what, usage) = ("tools.call a:b".to_owned(), Usage::default());
        let (step, iteration, artifacts, within) = ("s".parse().unwrap(), 0, Vec::new(), Vec::new());
        HostCallRecorded {
            step,
            attempt,
            iteration,
            within,
            call,
            at_ms: 1,
            what,
            request,
            answer,
            may_pass,
            artifacts,
            usage,
            own: None,
        }
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

    /// Calls as `attempt place`, one that may pass with a `?`.
    #[track_caller]
    fn check_team(recorded: &[&str], expected: &[&str]) {
        let calls: Vec<_> = recorded
            .iter()
            .map(|text| {
                let (attempt, place) = text.split_once(' ').unwrap();
                let numbers: Vec<u32> =
                    place.trim_end_matches('?').split('.').map(|part| part.parse().unwrap()).collect();
                let (own, within) = numbers.split_last().unwrap();
                let within = within.to_vec();
                HostCallRecorded { within, ..call(attempt.parse().unwrap(), *own, place.ends_with('?')) }
            })
            .collect();
        let known = answers_for(calls.iter());
        let known: Vec<_> = known.iter().map(|call| format!("{} {}", call.attempt, call.shown_place())).collect();
        assert_eq!(known, expected);
    }

    #[test]
    fn what_an_agent_of_a_team_asked_is_known_until_it_has_answered() {
        check_team(&["1 1", "1 2.1", "1 2.2"], &["1 1", "1 2.1", "1 2.2"]);
        check_team(&["1 1", "1 2.1", "1 2.2", "1 2"], &["1 1", "1 2"]);
        check_team(&["1 1.1.1", "1 1.1", "1 1.2", "1 1", "1 2.1"], &["1 1", "1 2.1"]);
        // It was taken up within the second call, and went on there.
        check_team(&["1 1", "1 2.1", "2 2.2", "2 2", "2 3"], &["1 1", "2 2", "2 3"]);
        // What failed for now is asked again, and what an agent asked before it failed is not.
        check_team(&["1 1.1", "1 1.2?", "1 1?"], &["1 1.1"]);
        check_team(&["1 1.1", "1 1?", "1 2"], &["1 1.1"]);
        check_team(&["1 1.1", "1 1.2?", "1 1"], &["1 1"]);
        check_team(&["1 1?", "1 2.1", "2 1.1"], &["2 1.1"]);
    }

    #[test]
    fn items_of_a_map_ask_in_orders_of_their_own() {
        let place = |item, number| HostCallRecorded { within: vec![item], ..call(1, number, false) };
        let calls = [place(2, 1), place(1, 1), place(2, 2), place(3, 1)];
        let known = answers_for_items(calls.iter());
        let known: Vec<_> = known.iter().map(|call| call.shown_place()).collect();
        assert_eq!(known, ["1.1", "2.1", "2.2", "3.1"]);
    }

    #[test]
    fn what_may_be_another_answer_by_now_is_asked_again_and_what_followed_from_it() {
        check(&[(1, 1, false), (1, 2, true), (1, 3, false)], &[(1, 1)]);
        check(&[(1, 1, false), (1, 2, true), (1, 3, false), (2, 2, false)], &[(1, 1), (2, 2)]);
        check(&[(1, 1, true)], &[]);
    }
}

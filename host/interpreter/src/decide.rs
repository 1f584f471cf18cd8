//! What comes next: a pure function of graph and state.

use crate::command::Command;
use crate::event::{CancelReason, Event, SkipCause};
use crate::graph::{Graph, Node};
use crate::state::{RunState, State, StepState};
use palisade_model::StepId;
use palisade_model::record::Status;

/// What a driver is to append together with the event that it just applied, and what it is to start then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advance {
    /// Events that follow at once, already applied to the state.
    pub events: Vec<Event>,
    /// Attempts to start as soon as there is room, once the events are durable: step and number.
    pub start: Vec<(StepId, u32)>,
}

/// Says what is to be done in this state, in the order of the graph. The same commands come again until the events that
/// take them up are applied.
///
/// Every step whose inputs are there is started; a step that needs one which failed is skipped; when no step is left,
/// the run ends. A run that is to be cancelled skips what does not run yet, scheduled steps included, and ends when what
/// runs has ended: the driver forgets the attempts that it has not started.
#[must_use]
pub fn decide(graph: &Graph, state: &State) -> Vec<Command> {
    if state.run() != RunState::Running {
        return Vec::new();
    }
    let commands: Vec<_> = graph.nodes().iter().filter_map(|node| decide_step(node, state)).collect();
    let all_over = graph.nodes().iter().all(|node| state.step(&node.step).is_some_and(|step| step.status().is_some()));
    if all_over { vec![Command::EndRun { status: final_status(graph, state) }] } else { commands }
}

/// Takes up all commands, again and again until none is left, and applies the events that say so. The driver appends
/// them in the same commit as the event before, so that a step costs one.
#[must_use]
pub fn advance(graph: &Graph, state: &mut State, now_ms: u64) -> Advance {
    let mut advance = Advance::default();
    loop {
        let commands = decide(graph, state);
        if commands.is_empty() {
            return advance;
        }
        for command in commands {
            let event = command.taken_up(now_ms);
            state.apply(&event);
            advance.events.push(event);
            if let Command::StartAttempt { step, attempt } = command {
                advance.start.push((step, attempt));
            }
        }
    }
}

fn decide_step(node: &Node, state: &State) -> Option<Command> {
    let step = node.step.clone();
    match state.step(&step) {
        None => {}
        Some(StepState::Scheduled { .. }) if state.cancelled().is_some() => {
            return Some(Command::SkipStep { step, because: SkipCause::Cancelled });
        }
        Some(_) => return None,
    }
    if let Some(because) = node.after.iter().find_map(|needed| failed(needed, state)) {
        return Some(Command::SkipStep { step, because });
    }
    if state.cancelled().is_some() {
        return Some(Command::SkipStep { step, because: SkipCause::Cancelled });
    }
    let ready = node.after.iter().all(|needed| matches!(state.step(needed), Some(StepState::Succeeded { .. })));
    ready.then_some(Command::StartAttempt { step, attempt: 1 })
}

/// Why nothing will come of a step, if so.
fn failed(step: &StepId, state: &State) -> Option<SkipCause> {
    match state.step(step)? {
        StepState::Failed { .. } => Some(SkipCause::Failed { step: step.clone() }),
        StepState::Cancelled { .. } => Some(SkipCause::Cancelled),
        StepState::Skipped { because } => Some(because.clone()),
        StepState::Scheduled { .. } | StepState::Running { .. } | StepState::Succeeded { .. } => None,
    }
}

fn final_status(graph: &Graph, state: &State) -> Status {
    let missing = |node: &Node| !matches!(state.step(&node.step), Some(StepState::Succeeded { .. }));
    let wanted_is_missing = graph.nodes().iter().any(|node| missing(node) && !node.optional);
    let stopped = graph.nodes().iter().any(|node| {
        matches!(
            state.step(&node.step),
            Some(StepState::Cancelled { .. } | StepState::Skipped { because: SkipCause::Cancelled })
        )
    });
    if !stopped {
        // Nobody cancelled it, or too late to make a difference.
        return if wanted_is_missing { Status::Failed } else { Status::Succeeded };
    }
    match state.cancelled() {
        Some(CancelReason::Interrupted) => Status::Interrupted,
        Some(CancelReason::Timeout) => Status::Failed,
        Some(CancelReason::Requested) | None => Status::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AttemptFailed, AttemptStarted, AttemptSucceeded, RunStarted};
    use palisade_model::{Digest, Failure, FailureKind, Limits, RunId, Usage};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn started() -> Event {
        let digest = Digest::of(b"x");
        Event::RunStarted(Box::new(RunStarted {
            run: RunId::new(1, [0; 10]),
            at_ms: 0,
            title: String::new(),
            palisade_version: String::new(),
            plan: digest,
            runbook: digest,
            contents: BTreeMap::new(),
            allowed: Vec::new(),
        }))
    }

    fn begun(step: &StepId, attempt: u32) -> Event {
        let limits = Limits::default();
        let component = Digest::of(b"c");
        Event::AttemptStarted(Box::new(AttemptStarted { step: step.clone(), attempt, at_ms: 0, component, limits }))
    }

    fn ended(step: &StepId, attempt: u32, failure: Option<FailureKind>) -> Event {
        let (step, usage) = (step.clone(), Usage::default());
        let (at_ms, skipped_count, skipped, log) = (0, 0, Vec::new(), Vec::new());
        match failure {
            None => Event::AttemptSucceeded(Box::new(AttemptSucceeded {
                step,
                attempt,
                at_ms,
                outputs: Vec::new(),
                usage,
                skipped_count,
                skipped,
                log,
            })),
            Some(kind) => Event::AttemptFailed(Box::new(AttemptFailed {
                step,
                attempt,
                at_ms,
                failure: Failure::new(kind, ""),
                retryable: false,
                usage,
                skipped_count,
                skipped,
                log,
            })),
        }
    }

    /// `a`, `b < a`, `c? < b`: a letter, what it needs, and `?` if it is optional.
    fn graph(text: &str) -> Graph {
        let nodes = text.split_whitespace().map(|node| {
            let (step, after) = node.split_once('<').unwrap_or((node, ""));
            let after = after.chars().map(|needed| needed.to_string().parse().unwrap()).collect();
            Node { step: step.trim_end_matches('?').parse().unwrap(), after, optional: step.ends_with('?') }
        });
        Graph::new(nodes.collect()).unwrap()
    }

    /// Performs everything at once, letting the named steps fail, and gives what was written.
    fn check(text: &str, failing: &str, expected: &[&str]) {
        let graph = graph(text);
        let mut state = State::default();
        state.apply(&started());
        let mut said = Vec::new();
        let mut next = vec![started()];
        while !next.is_empty() {
            let advanced = advance(&graph, &mut state, 7);
            said.extend(advanced.events.iter().filter_map(|event| match event {
                Event::StepSkipped { step, because: SkipCause::Failed { step: failed } } => {
                    Some(format!("{step} skipped for {failed}"))
                }
                Event::RunEnded { status, at_ms: 7 } => Some(status.to_string()),
                Event::StepScheduled { step, .. } => Some(step.to_string()),
                _ => None,
            }));
            next = advanced
                .start
                .iter()
                .map(|(step, attempt)| {
                    let failure = failing.contains(step.as_str()).then_some(FailureKind::Failed);
                    ended(step, *attempt, failure)
                })
                .collect();
            next.iter().for_each(|event| state.apply(event));
        }
        assert_eq!(said, expected);
    }

    #[test]
    fn steps_start_when_what_they_need_is_there() {
        check("", "", &["succeeded"]);
        check("a b<a c<a d<bc", "", &["a", "b", "c", "d", "succeeded"]);
        check("a b c<ab d", "", &["a", "b", "d", "c", "succeeded"]);
    }

    #[test]
    fn a_failed_step_skips_what_needs_it_and_nothing_else() {
        let expected = ["a", "b", "d", "c skipped for a", "e skipped for a", "failed"];
        check("a b d c<a e<c", "a", &expected);
        check("a b<a c<ab", "b", &["a", "b", "c skipped for b", "failed"]);
    }

    #[test]
    fn an_optional_step_may_fail_but_not_take_a_wanted_one_with_it() {
        check("a b?", "b", &["a", "b", "succeeded"]);
        check("a b? c<b", "b", &["a", "b", "c skipped for b", "failed"]);
        check("a b? c?<b", "b", &["a", "b", "c skipped for b", "succeeded"]);
    }

    #[test]
    fn a_cancelled_run_starts_nothing_and_waits_for_what_runs() {
        let graph = graph("a b e c<a d<b");
        for (reason, status) in [
            (CancelReason::Requested, Status::Cancelled),
            (CancelReason::Interrupted, Status::Interrupted),
            (CancelReason::Timeout, Status::Failed),
        ] {
            let mut state = State::after([&started()]);
            assert_eq!(advance(&graph, &mut state, 0).start.len(), 3);
            let (a, b) = (graph.nodes()[0].step.clone(), graph.nodes()[1].step.clone());
            state.apply(&begun(&a, 1));
            state.apply(&begun(&b, 1));
            state.apply(&Event::CancelRequested { reason, at_ms: 1 });
            let advanced = advance(&graph, &mut state, 1);
            let kinds: Vec<_> = advanced.events.iter().map(Event::kind).collect();
            assert_eq!(kinds, ["StepSkipped", "StepSkipped", "StepSkipped"]);
            // `e` was scheduled, but had not begun: it is not to begin now.
            state.apply(&begun(&graph.nodes()[2].step, 1));
            state.apply(&ended(&a, 1, Some(FailureKind::Cancelled)));
            assert_eq!(advance(&graph, &mut state, 2), Advance::default());
            state.apply(&ended(&b, 1, None));
            assert_eq!(advance(&graph, &mut state, 3).events, [Event::RunEnded { status, at_ms: 3 }]);
            assert_eq!(state.step(&a), Some(&StepState::Cancelled { attempt: 1 }));
        }
    }

    #[test]
    fn a_run_that_was_cancelled_too_late_succeeded() {
        let graph = graph("a");
        let mut state = State::after([&started()]);
        let _scheduled = advance(&graph, &mut state, 0);
        state.apply(&begun(&graph.nodes()[0].step, 1));
        state.apply(&Event::CancelRequested { reason: CancelReason::Interrupted, at_ms: 1 });
        state.apply(&ended(&graph.nodes()[0].step, 1, None));
        let expected = [Event::RunEnded { status: Status::Succeeded, at_ms: 2 }];
        assert_eq!(advance(&graph, &mut state, 2).events, expected);
    }

    #[test]
    fn nothing_is_decided_before_the_beginning_and_after_the_end() {
        let graph = graph("a");
        assert!(decide(&graph, &State::default()).is_empty());
        let end = Event::RunEnded { status: Status::Failed, at_ms: 0 };
        let state = State::after([&started(), &end, &Event::StepScheduled { step: "a".parse().unwrap(), attempt: 1 }]);
        assert!(decide(&graph, &state).is_empty());
        assert_eq!(state.run(), RunState::Ended(Status::Failed));
        assert_eq!(state.step(&"a".parse().unwrap()), None);
    }

    #[test]
    fn an_attempt_ends_once_and_only_the_one_that_runs() {
        let step: StepId = "a".parse().unwrap();
        let scheduled = Event::StepScheduled { step: step.clone(), attempt: 1 };
        let state = State::after([&started(), &scheduled, &ended(&step, 2, None)]);
        assert_eq!(state.step(&step), Some(&StepState::Scheduled { attempt: 1 }));
        let failed = ended(&step, 1, Some(FailureKind::Failed));
        let state = State::after([&started(), &scheduled, &begun(&step, 1), &failed, &ended(&step, 1, None)]);
        assert_eq!(state.step(&step), Some(&StepState::Failed { attempt: 1 }));
    }

    fn some_graph() -> impl Strategy<Value = Graph> {
        let node = (any::<u16>(), any::<bool>());
        proptest::collection::vec(node, 0..10).prop_map(|nodes| {
            let name = |index: usize| format!("s{index}").parse::<StepId>().unwrap();
            let nodes = nodes.iter().enumerate().map(|(index, &(needs, optional))| {
                let after = (0..index).filter(|needed| needs >> needed & 1 == 1).map(name).collect();
                Node { step: name(index), after, optional }
            });
            Graph::new(nodes.collect()).unwrap()
        })
    }

    /// Drives a run by a list of choices: which attempt goes on, how it ends, when the run is cancelled, what comes
    /// twice. Gives all events in order and checks what a driver relies on.
    fn drive(graph: &Graph, choices: &[(u8, u8)]) -> Vec<Event> {
        let mut state = State::after([&started()]);
        let mut journal = vec![started()];
        let (mut waiting, mut running) = (Vec::new(), Vec::new());
        let mut choices = choices.iter().copied().chain(std::iter::repeat((0, 0)));
        loop {
            let advanced = advance(graph, &mut state, journal.len() as u64);
            journal.extend(advanced.events);
            waiting.extend(advanced.start);
            if matches!(state.run(), RunState::Ended(_)) {
                assert!(waiting.is_empty() && running.is_empty());
                return journal;
            }
            let (which, how) = choices.next().unwrap();
            let event = match how % 8 {
                7 => {
                    waiting.clear();
                    Event::CancelRequested { reason: CancelReason::Requested, at_ms: 0 }
                }
                0..4 if !waiting.is_empty() => {
                    let (step, attempt) = waiting.remove(usize::from(which) % waiting.len());
                    running.push((step, attempt));
                    let (step, attempt) = running.last().unwrap();
                    begun(step, *attempt)
                }
                _ => {
                    let from = if running.is_empty() { &mut waiting } else { &mut running };
                    let (step, attempt) = from.remove(usize::from(which) % from.len());
                    let failure = match how % 4 {
                        3 => Some(FailureKind::Failed),
                        2 if state.cancelled().is_some() => Some(FailureKind::Cancelled),
                        _ => None,
                    };
                    ended(&step, attempt, failure)
                }
            };
            state.apply(&event);
            journal.push(event);
        }
    }

    proptest! {
        #[test]
        fn every_schedule_ends_and_keeps_the_order(graph in some_graph(), choices in proptest::collection::vec(any::<(u8, u8)>(), 0..40)) {
            let journal = drive(&graph, &choices);
            let state = State::after(&journal);
            let ends = journal.iter().filter(|event| event.kind() == "RunEnded").count();
            prop_assert_eq!(ends, 1);
            for node in graph.nodes() {
                let scheduled = |step: &StepId| journal.iter().position(|event| matches!(event, Event::StepScheduled { step: other, .. } if other == step));
                let succeeded = |step: &StepId| journal.iter().position(|event| matches!(event, Event::AttemptSucceeded(done) if done.step == *step));
                prop_assert!(state.step(&node.step).and_then(StepState::status).is_some());
                if let Some(at) = scheduled(&node.step) {
                    prop_assert!(node.after.iter().all(|needed| succeeded(needed).is_some_and(|done| done < at)));
                } else {
                    let skipped = matches!(state.step(&node.step), Some(StepState::Skipped { .. }));
                    prop_assert!(skipped);
                }
            }
            let wanted = graph.nodes().iter().filter(|node| !node.optional).all(|node| state.outputs(&node.step).is_some());
            prop_assert_eq!(state.run() == RunState::Ended(Status::Succeeded), wanted && state.run() != RunState::Ended(Status::Cancelled));
        }

        #[test]
        fn events_alone_make_the_state(graph in some_graph(), choices in proptest::collection::vec(any::<(u8, u8)>(), 0..40)) {
            let journal = drive(&graph, &choices);
            prop_assert_eq!(&drive(&graph, &choices), &journal);
            let mut state = State::default();
            for (index, event) in journal.iter().enumerate() {
                state.apply(event);
                // Read back from its bytes, folded from the start, or seen twice: the state is the same, and so is what
                // comes next.
                let read_back: Vec<Event> = journal[..=index].iter().map(|event| Event::from_bytes(&event.to_bytes()).unwrap()).collect();
                prop_assert_eq!(&State::after(&read_back), &state);
                let mut twice = state.clone();
                journal[..=index].iter().for_each(|event| twice.apply(event));
                prop_assert_eq!(&twice, &state);
                prop_assert_eq!(decide(&graph, &twice), decide(&graph, &state));
            }
        }
    }
}

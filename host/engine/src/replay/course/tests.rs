use super::*;
use palisade_interpreter::{
    AttemptFailed, AttemptStarted, AttemptSucceeded, CancelReason, ConditionOutcome, Node, Retry, RunStarted,
};
use palisade_model::{Digest, Failure, FailureKind, RunId, Spent, StepId, Usage};
use std::collections::BTreeMap;

fn id(step: &str) -> StepId {
    step.parse().unwrap()
}

/// `a`, then a loop `b` over it, then `c` under a condition that does not hold, and `d`, which needs `c`.
fn graph() -> Graph {
    let needs = |step: &str, needs: &str| Node::new(id(step), vec![id(needs)]);
    let mut nodes = vec![Node::new(id("a"), Vec::new()), needs("b", "a"), needs("c", "b"), needs("d", "c")];
    nodes[0].retry = Some(Retry { max_attempts: 2, backoff_ms: 1, on: Vec::new() });
    nodes[1].iterations = Some(3);
    nodes[2].has_condition = true;
    Graph::new(nodes).unwrap()
}

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
        by: None,
        approved_by: None,
        llm: None,
        inputs: Vec::new(),
        folder: None,
        parent: None,
        fork: None,
    }))
}

fn begun(turn: &Turn) -> Event {
    let Turn { step, iteration, attempt } = turn.clone();
    let component = Digest::of(b"c");
    Event::AttemptStarted(Box::new(AttemptStarted {
        step,
        attempt,
        iteration,
        at_ms: 0,
        component,
        limits: None,
        runs: 1,
    }))
}

fn done(turn: &Turn) -> Event {
    let Turn { step, iteration, attempt } = turn.clone();
    let (usage, outputs, skipped, log) = (Usage::default(), Vec::new(), Vec::new(), Vec::new());
    let skipped_count = 0;
    Event::AttemptSucceeded(Box::new(AttemptSucceeded {
        step,
        attempt,
        iteration,
        at_ms: 0,
        outputs,
        usage,
        own: None,
        spent: Spent::default(),
        skipped_count,
        skipped,
        log,
        reuse: None,
        files: Vec::new(),
    }))
}

fn failed(turn: &Turn, retry_at_ms: Option<u64>) -> Event {
    let Turn { step, iteration, attempt } = turn.clone();
    Event::AttemptFailed(Box::new(AttemptFailed {
        step,
        attempt,
        iteration,
        at_ms: 0,
        failure: Failure::new(FailureKind::Unavailable, ""),
        retryable: true,
        retry_at_ms,
        usage: Usage::default(),
        own: None,
        spent: Spent::default(),
        skipped_count: 0,
        skipped: Vec::new(),
        log: Vec::new(),
    }))
}

fn turn(step: &str, iteration: u32, attempt: u32) -> Turn {
    Turn { step: id(step), iteration, attempt }
}

/// A whole run as a driver would write it: `a` fails once, `b` goes round twice.
fn journal(graph: &Graph) -> Vec<Event> {
    let mut machine = Machine::new(graph.clone());
    let mut journal = Vec::new();
    let mut failures = 0;
    let mut take = |event: Event| {
        machine.apply(&event);
        journal.push(event);
        loop {
            let next = machine.advance(7);
            journal.extend(next.events);
            for question in &next.answer {
                let Question::Condition { step, iteration } = question else { panic!("a condition") };
                let held = *step == id("b") && *iteration == 2;
                let outcome = if held { ConditionOutcome::True } else { ConditionOutcome::False };
                let event = Event::ConditionEvaluated { step: step.clone(), iteration: *iteration, outcome };
                machine.apply(&event);
                journal.push(event);
            }
            if next.answer.is_empty() {
                return next.start;
            }
        }
    };
    let mut waiting = take(started());
    while let Some(turn) = waiting.pop() {
        // Nothing follows from a start.
        assert!(take(begun(&turn)).is_empty());
        if turn.step == id("a") && failures == 0 {
            failures += 1;
            assert!(take(failed(&turn, Some(5))).is_empty());
            let Turn { step, iteration, attempt } = turn;
            waiting.extend(take(Event::TimerFired { step, attempt, iteration, at_ms: 6 }));
        } else {
            waiting.extend(take(done(&turn)));
        }
    }
    journal
}

/// Goes along a journal; gives the number of the first event that can't stand there, and why.
fn follow(graph: &Graph, journal: &[Event]) -> Result<(), (usize, String)> {
    let mut course = Course::new(graph.clone());
    for (index, event) in journal.iter().enumerate() {
        let role = course.place(event).map_err(|why| (index + 1, why))?;
        course.pass(event, &role, &journal[..index]);
    }
    Ok(())
}

#[test]
fn what_was_recorded_follows_again() {
    let graph = graph();
    let journal = journal(&graph);
    let kinds: Vec<_> = journal.iter().map(Event::kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "AttemptStarted").count(), 4, "{kinds:?}");
    assert_eq!(kinds[kinds.len() - 3..], ["StepSkipped", "StepSkipped", "RunEnded"]);
    assert_eq!(follow(&graph, &journal), Ok(()));
}

#[test]
fn no_event_can_be_left_out_or_stand_twice() {
    let graph = graph();
    let journal = journal(&graph);
    // An attempt may end before it was begun, so its start may be missing.
    let is_start = |event: &Event| event.kind() == "AttemptStarted";
    for index in (0..journal.len() - 1).filter(|&index| !is_start(&journal[index])) {
        let mut without = journal.clone();
        without.remove(index);
        let (number, _) = follow(&graph, &without).unwrap_err();
        assert!(number > index, "event {} was left out", index + 1);
    }
    for index in 0..journal.len() {
        let mut twice = journal.clone();
        twice.insert(index, journal[index].clone());
        let (number, _) = follow(&graph, &twice).unwrap_err();
        assert_eq!(number, index + 2, "{:?}", journal[index]);
    }
}

#[test]
fn a_difference_says_what_follows_instead() {
    let graph = graph();
    let journal = journal(&graph);
    let check = |kind: &str, changed: Event, expected: &str| {
        let mut journal = journal.clone();
        let index = journal.iter().rposition(|event| event.kind() == kind).unwrap();
        journal[index] = changed;
        assert_eq!(follow(&graph, &journal), Err((index + 1, expected.to_owned())));
    };
    check(
        "RunEnded",
        Event::RunEnded { status: Status::Failed, at_ms: 9, resumed: 0 },
        "RunEnded as failed is recorded, and RunEnded as succeeded follows",
    );
    check(
        "StepSkipped",
        Event::StepSkipped { step: id("d"), because: SkipCause::Failed { step: id("c") } },
        "StepSkipped of step `d` since `c` failed is recorded, and StepSkipped of step `d` since the condition of `c` does not hold follows",
    );
    check(
        "LoopEnded",
        Event::StepScheduled { step: id("b"), attempt: 1, iteration: 3 },
        "StepScheduled of step `b`, iteration 3, attempt 1 is recorded, and LoopEnded of step `b`, iteration 2 since its condition held follows",
    );
    check(
        "TimerFired",
        Event::TimerFired { step: id("a"), attempt: 1, iteration: 0, at_ms: 4 },
        "TimerFired of step `a`, attempt 1 is recorded, and can't follow from what was recorded before",
    );
    check(
        "AttemptFailed",
        failed(&turn("a", 0, 1), None),
        "AttemptFailed of step `a`, attempt 1 is recorded, and can't follow from what was recorded before",
    );
    check(
        "ConditionEvaluated",
        Event::ConditionEvaluated { step: id("c"), iteration: 2, outcome: ConditionOutcome::True },
        "ConditionEvaluated of step `c`, iteration 2 is recorded, and an answer to the condition of step `c` follows",
    );
}

#[test]
fn what_a_process_did_not_write_down_before_it_died_has_not_happened() {
    let graph = graph();
    let resumed = |resumed| Event::RunResumed { resumed, at_ms: 1, palisade_version: String::new() };
    let scheduled = |attempt| Event::StepScheduled { step: id("a"), attempt, iteration: 0 };
    assert_eq!(follow(&graph, &[started(), resumed(1), scheduled(1)]), Ok(()));
    assert_eq!(follow(&graph, &[started(), scheduled(1), resumed(1), scheduled(2)]), Ok(()));
    assert_eq!(follow(&graph, &[started(), resumed(1), resumed(2), scheduled(1)]), Ok(()));
    let wrong = follow(&graph, &[started(), resumed(1), scheduled(2)]).unwrap_err();
    assert_eq!(wrong.0, 3);
    assert_eq!(follow(&graph, &[started(), resumed(2)]).unwrap_err().0, 2);
    let cancelled =
        Event::CancelRequested { reason: CancelReason::Interrupted, at_ms: 1, resumed: 0, compensating: false };
    let end = Event::RunEnded { status: Status::Interrupted, at_ms: 2, resumed: 0 };
    // A child that is begun when its parent is to end already looks at that first.
    assert_eq!(follow(&graph, &[started(), cancelled.clone(), end.clone()]), Ok(()));
    let whole = [started(), scheduled(1), cancelled, end, resumed(1), scheduled(2)];
    assert_eq!(follow(&graph, &whole), Ok(()));
    // Nothing comes after an end but that.
    let after = [&whole[..4], &[begun(&turn("a", 0, 1))]].concat();
    assert_eq!(follow(&graph, &after).unwrap_err().0, 5);
}

use super::*;
use crate::event::{
    ApprovalOutcome, AttemptFailed, AttemptStarted, AttemptSucceeded, AttemptSuspended, ChildApproval, ChildEnded,
    ChildPlanned, ChildStarted, ConditionOutcome, Event, ExpansionOutcome, FilesOutcome, FilesPut, HostCallRecorded,
    MapEnded, MapExpanded, MapOutcome, PlanningOutcome, ResolvedValue, RunForked, RunStarted, ValuesOutcome,
    WrittenFile,
};
use crate::graph::Approval;
use crate::machine::{Advance, Machine};
use crate::retry::Retry;
use palisade_model::{Digest, Failure, FailureKind, RunId, Spent, Usage};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What [`Machine`] does by what [`decide`] says of the whole graph; that it is the same is a property.
fn advance(graph: &Graph, state: &mut State, now_ms: u64) -> Advance {
    let mut advance = Advance::default();
    loop {
        advance.answer.clear();
        let before = advance.events.len();
        for command in decide(graph, state) {
            if let Some(event) = command.taken_up(now_ms) {
                state.apply(&event);
                advance.events.push(event);
            }
            match command {
                Command::StartAttempt(turn) => advance.start.push(turn),
                Command::Answer(question) => advance.answer.push(question),
                Command::RequestApproval { .. }
                | Command::EndLoop { .. }
                | Command::Compensate { .. }
                | Command::SkipStep { .. }
                | Command::EndRun { .. } => {}
            }
        }
        if advance.events.len() == before {
            return advance;
        }
    }
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

fn first(step: &StepId) -> Turn {
    Turn { step: step.clone(), iteration: 0, attempt: 1 }
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

fn ended(turn: &Turn, failure: Option<FailureKind>) -> Event {
    let Turn { step, iteration, attempt } = turn.clone();
    let (at_ms, usage, skipped_count, skipped, log) = (0, Usage::default(), 0, Vec::new(), Vec::new());
    match failure {
        None => Event::AttemptSucceeded(Box::new(AttemptSucceeded {
            step,
            attempt,
            iteration,
            at_ms,
            outputs: Vec::new(),
            usage,
            own: None,
            spent: Spent::default(),
            skipped_count,
            skipped,
            log,
            reuse: None,
            files: Vec::new(),
        })),
        Some(kind) => Event::AttemptFailed(Box::new(AttemptFailed {
            step,
            attempt,
            iteration,
            at_ms,
            failure: Failure::new(kind, ""),
            retryable: false,
            retry_at_ms: None,
            usage,
            own: None,
            spent: Spent::default(),
            skipped_count,
            skipped,
            log,
        })),
    }
}

/// The good end of an attempt that wrote a file.
fn ended_with_a_file(turn: &Turn) -> Event {
    let Event::AttemptSucceeded(mut done) = ended(turn, None) else { panic!("an end") };
    done.files = vec![WrittenFile { path: "out/a".to_owned(), digest: Digest::of(b"a"), bytes: 1 }];
    Event::AttemptSucceeded(done)
}

fn child_begun(turn: &Turn, child: RunId) -> Event {
    let Turn { step, iteration, attempt } = turn.clone();
    Event::ChildStarted(Box::new(ChildStarted { step, attempt, iteration, at_ms: 0, child, plan: Digest::of(b"p") }))
}

fn child_ended(turn: &Turn, child: RunId, status: Status) -> Event {
    let Turn { step, iteration, attempt } = turn.clone();
    let kind = if status == Status::Cancelled { FailureKind::Cancelled } else { FailureKind::Failed };
    let failed = matches!(status, Status::Failed | Status::Cancelled);
    Event::ChildEnded(Box::new(ChildEnded {
        step,
        attempt,
        iteration,
        at_ms: 0,
        child,
        status,
        outputs: Vec::new(),
        usage: Usage::default(),
        spent: Spent::default(),
        runs: 3,
        skipped_count: 0,
        failure: failed.then(|| Failure::new(kind, "")),
        retry_at_ms: None,
    }))
}

fn decided(step: &StepId, yes: bool) -> Event {
    let outcome = match yes {
        true => ApprovalOutcome::Approved,
        false => ApprovalOutcome::Rejected { failure: Failure::new(FailureKind::Rejected, "").into() },
    };
    decided_with(step, 0, outcome)
}

fn decided_with(step: &StepId, submitted_by: u32, outcome: ApprovalOutcome) -> Event {
    let (step, by, note, signature) = (step.clone(), None, None, None);
    Event::ApprovalDecided { step, at_ms: 0, submitted_by, by, note, signature, outcome }
}

/// A person's answer to what the step asks in that state.
fn decided_in(state: &State, step: &StepId, yes: bool) -> Event {
    let Event::ApprovalDecided { outcome, .. } = decided(step, yes) else { panic!("an answer") };
    decided_with(step, state.waits_for(step), outcome)
}

fn forked(kept: &[StepId]) -> Event {
    Event::RunForked(Box::new(RunForked {
        at_ms: 0,
        from: RunId::new(9, [9; 10]),
        kept: kept.to_vec(),
        plan: Digest::of(b"p"),
        contents: BTreeMap::new(),
        palisade_version: String::new(),
    }))
}

fn answer(question: &Question, good: Option<bool>) -> Event {
    let failure = || Failure::new(FailureKind::Condition, "");
    match question.clone() {
        Question::Condition { step, iteration } => {
            let outcome = match good {
                Some(true) => ConditionOutcome::True,
                Some(false) => ConditionOutcome::False,
                None => ConditionOutcome::Failed { failure: failure().into() },
            };
            Event::ConditionEvaluated { step, iteration, outcome }
        }
        Question::Values { step } => {
            let values = vec![ResolvedValue { pointer: String::new(), value: 1.into() }];
            let resolved = ValuesOutcome::Resolved { values };
            let outcome = if good.is_some() { resolved } else { ValuesOutcome::Failed { failure: failure().into() } };
            Event::ValueResolved { step, outcome }
        }
        Question::Child { step, iteration, submitted_by } => {
            let approval = match good {
                Some(true) => Some(ChildApproval::Runbook),
                Some(false) => Some(ChildApproval::Person { expires_ms: None }),
                None => None,
            };
            match child_planned(step, iteration, approval) {
                Event::ChildPlanned(planned) => {
                    Event::ChildPlanned(Box::new(ChildPlanned { submitted_by, ..*planned }))
                }
                other => other,
            }
        }
        Question::Files { turn: Turn { step, iteration, attempt } } => {
            let refused = FilesOutcome::Refused { failure: failure() };
            let outcome = if good.is_some() { FilesOutcome::Put } else { refused };
            Event::FilesPut(Box::new(FilesPut { step, attempt, iteration, at_ms: 0, outcome }))
        }
        Question::Items { step } => {
            let refused = ExpansionOutcome::Refused { failure: failure() };
            let outcome = if good.is_some() { ExpansionOutcome::Expanded { items: 3 } } else { refused };
            Event::MapExpanded(Box::new(MapExpanded { step, at_ms: 0, outcome }))
        }
        Question::Joined { step } => {
            let failed = MapOutcome::Failed { failure: failure() };
            let outcome = if good.is_some() { MapOutcome::Joined { outputs: Vec::new() } } else { failed };
            Event::MapEnded(Box::new(MapEnded { step, at_ms: 0, outcome }))
        }
        Question::Submitted { .. } => panic!("answered by `answered`"),
    }
}

/// What is good of what a question is answered in that state: a map fails of which an item did.
fn good_in(state: &State, question: &Question, good: Option<bool>) -> Option<bool> {
    let failed = |step| matches!(state.step(step), Some(StepState::Mapping(mapping)) if mapping.has_failed());
    good.filter(|_| !matches!(question, Question::Joined { step } if failed(step)))
}

/// The end of an attempt of an agent, which submits a runbook.
fn suspended(turn: &Turn) -> Event {
    let (step, attempt, usage) = (turn.step.clone(), turn.attempt, Usage::default());
    let request = Digest::of(b"q");
    Event::AttemptSuspended(Box::new(AttemptSuspended {
        step,
        attempt,
        at_ms: 0,
        call: 1,
        request,
        usage,
        own: None,
        spent: Spent::default(),
    }))
}

/// What came of the runbook of an agent, told to it.
fn answered(state: &State, step: &StepId) -> Event {
    let Some(&StepState::Settled { attempt }) = state.step(step) else { panic!("nothing to answer") };
    let (request, answer) = (Digest::of(b"q"), Digest::of(b"a"));
    Event::HostCallRecorded(Box::new(HostCallRecorded {
        step: step.clone(),
        attempt,
        iteration: 0,
        within: Vec::new(),
        call: 1,
        at_ms: 0,
        what: "runbooks.submit".to_owned(),
        request,
        answer,
        may_pass: false,
        artifacts: Vec::new(),
        usage: Usage::default(),
        own: None,
    }))
}

/// A runbook that is an artifact; refused if nobody is named who is to approve it.
fn child_planned(step: StepId, iteration: u32, approval: Option<ChildApproval>) -> Event {
    let (plan, runbook) = (Digest::of(b"p"), Digest::of(b"r"));
    let refused =
        || PlanningOutcome::Refused { failure: Failure::new(FailureKind::BadRunbook, ""), diagnostics: Vec::new() };
    let planned = |approval| PlanningOutcome::Planned { plan, runbook, contents: BTreeMap::new(), approval };
    let outcome = approval.map_or_else(refused, planned);
    Event::ChildPlanned(Box::new(ChildPlanned { step, iteration, submitted_by: 0, at_ms: 0, outcome }))
}

/// `a`, `b<a`, `c?>a`: a letter; `<` and what it needs, `>` and what it comes after; `?` optional, `!` with a condition,
/// `=` with values from documents, `*3` a loop, `#2` a map of three items over a child, two at once, `@` waits for a person, `%` runs a runbook that is an artifact.
fn graph(text: &str) -> Graph {
    let undo = |text: &str| {
        let step: StepId = text[..1].parse().unwrap();
        let undo = format!("undo-{step}").parse().unwrap();
        text.contains('^').then(|| (step.clone(), Node::new(undo, vec![step])))
    };
    let node = |text: &str| {
        let mut node = Node::new(text[..1].parse().unwrap(), Vec::new());
        let mut into = ' ';
        for sign in text[1..].chars() {
            match sign {
                '<' | '>' | '*' | '#' => into = sign,
                '?' => node.optional = true,
                '!' => node.has_condition = true,
                '=' => node.has_values = true,
                '%' => node.runs_artifact = true,
                '^' => {}
                '@' => node.approval = Some(Approval { expires_ms: Some(100) }),
                most if into == '*' => node.iterations = most.to_digit(10),
                most if into == '#' => node.maps_child = most.to_digit(10),
                other if into == '<' => node.needs.push(other.to_string().parse().unwrap()),
                other => node.after.push(other.to_string().parse().unwrap()),
            }
        }
        node
    };
    let graph = Graph::new(text.split_whitespace().map(node).collect()).unwrap();
    graph.with_compensations(text.split_whitespace().filter_map(undo)).unwrap()
}

/// Performs everything at once and gives what was written. `said` lists what does not go well: `a` fails, `a!` does not
/// hold, `a?` has no answer, `a2` holds after its second iteration, `a/2` fails in it.
fn check(text: &str, said: &str, expected: &[&str]) {
    let graph = graph(text);
    let mut state = State::after([&started()]);
    let is_said = |what: String| said.split_whitespace().any(|word| word == what);
    let mut written = Vec::new();
    let mut advanced = advance(&graph, &mut state, 7);
    loop {
        written.extend(advanced.events.iter().filter_map(|event| match event {
            Event::StepSkipped { step, because } => Some(match because {
                SkipCause::Failed { step: failed } => format!("{step} skipped for {failed}"),
                SkipCause::Condition { step: other } => format!("{step} not wanted by {other}"),
                SkipCause::Cancelled => format!("{step} cancelled"),
            }),
            Event::RunEnded { status, at_ms: 7, .. } => Some(status.to_string()),
            Event::StepScheduled { step, iteration: 0, .. } => Some(step.to_string()),
            Event::StepScheduled { step, iteration, .. } => Some(format!("{step}{iteration}")),
            Event::LoopEnded { step, held, .. } => {
                Some(format!("{step} {}", if *held { "held" } else { "at its bound" }))
            }
            _ => None,
        }));
        let answers = advanced.answer.iter().map(|question| {
            let (step, good) = match question {
                Question::Condition { step, iteration: 0 } => (step, !is_said(format!("{step}!"))),
                Question::Condition { step, iteration } => (step, is_said(format!("{step}{iteration}"))),
                Question::Values { step }
                | Question::Child { step, .. }
                | Question::Items { step }
                | Question::Joined { step }
                | Question::Files { turn: Turn { step, .. } }
                | Question::Submitted { step } => (step, true),
            };
            answer(question, good_in(&state, question, (!is_said(format!("{step}?"))).then_some(good)))
        });
        let turns = advanced.start.iter().map(|turn| {
            let fails = is_said(turn.step.to_string()) || is_said(format!("{}/{}", turn.step, turn.iteration));
            ended(turn, fails.then_some(FailureKind::Failed))
        });
        let next: Vec<_> = answers.chain(turns).collect();
        if next.is_empty() {
            break;
        }
        next.iter().for_each(|event| state.apply(event));
        advanced = advance(&graph, &mut state, 7);
    }
    assert_eq!(written, expected, "{text}, {said}");
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
fn what_comes_after_a_step_waits_for_its_end_however_it_ends() {
    check("a b>a", "", &["a", "b", "succeeded"]);
    check("a b>a", "a", &["a", "b", "failed"]);
    check("a? b>a c<b", "a", &["a", "b", "c", "succeeded"]);
    check("a! b>a", "a!", &["a not wanted by a", "b", "succeeded"]);
    check("a b<a c>b", "a", &["a", "b skipped for a", "c", "failed"]);
}

#[test]
fn a_condition_that_does_not_hold_skips_without_failing() {
    check("a b!<a c<b", "", &["a", "b", "c", "succeeded"]);
    check("a b!<a c<b d", "b!", &["a", "d", "b not wanted by b", "c not wanted by b", "succeeded"]);
    check("a! b?", "a! b", &["b", "a not wanted by a", "succeeded"]);
}

#[test]
fn a_failure_counts_more_than_a_condition() {
    let expected = ["b", "a not wanted by a", "c skipped for b", "failed"];
    check("a! b? c<ab", "a! b", &expected);
    check("a! b? c<ba", "a! b", &expected);
}

#[test]
fn a_condition_or_a_value_without_an_answer_fails_the_step() {
    check("a! b<a", "a?", &["b skipped for a", "failed"]);
    check("a= b<a", "a?", &["b skipped for a", "failed"]);
    check("a=! b<a", "", &["a", "b", "succeeded"]);
    check("a=!", "a!", &["a not wanted by a", "succeeded"]);
    check("a*3", "a?", &["a1", "failed"]);
    check("a% b<a", "a?", &["b skipped for a", "failed"]);
}

#[test]
fn a_loop_ends_when_its_condition_holds_and_at_its_bound() {
    check("a*3 b<a", "a2", &["a1", "a2", "a held", "b", "succeeded"]);
    check("a*3 b<a", "a3", &["a1", "a2", "a3", "a held", "b", "succeeded"]);
    check("a*3 b<a", "", &["a1", "a2", "a3", "a at its bound", "b", "succeeded"]);
    check("a*1", "", &["a1", "a at its bound", "succeeded"]);
    check("a*3 b<a", "a", &["a1", "b skipped for a", "failed"]);
    check("a*3!=", "a!", &["a not wanted by a", "succeeded"]);
}

#[test]
fn a_map_over_a_child_begins_its_items_in_their_order_and_ends_with_the_last() {
    check("a#2 b<a", "", &["a1", "a2", "a3", "b", "succeeded"]);
    check("a#9 b<a", "", &["a1", "a2", "a3", "b", "succeeded"]);
    // None begins behind a failure, and what is too much begins none.
    check("a#1 b<a", "a/2", &["a1", "a2", "b skipped for a", "failed"]);
    check("a#2 b>a", "a?", &["b", "failed"]);
    check("a#2%!", "a!", &["a not wanted by a", "succeeded"]);
}

/// A map whose first two items run, each with a child.
fn two_items_run() -> (Graph, State, [Turn; 2]) {
    let graph = graph("a#2");
    let mut state = State::after([&started()]);
    let asked = advance(&graph, &mut state, 0).answer.remove(0);
    state.apply(&answer(&asked, Some(true)));
    let turns: [Turn; 2] = advance(&graph, &mut state, 0).start.try_into().unwrap();
    for turn in &turns {
        state.apply(&child_begun(turn, RunId::new(turn.iteration.into(), [7; 10])));
    }
    (graph, state, turns)
}

#[test]
fn an_item_whose_child_waits_for_a_person_gives_its_room_to_others() {
    let (graph, mut state, [one, two]) = two_items_run();
    let child = |number| RunId::new(number, [7; 10]);
    state.apply(&child_ended(&one, child(1), Status::Waiting));
    let three = advance(&graph, &mut state, 0).start.remove(0);
    assert_eq!((three.iteration, three.attempt), (3, 1));
    state.apply(&child_begun(&three, child(3)));
    for (turn, number) in [(&two, 2), (&three, 3)] {
        assert_eq!(advance(&graph, &mut state, 0), Advance::default());
        state.apply(&child_ended(turn, child(number), Status::Succeeded));
    }
    let ended = advance(&graph, &mut state, 5).events;
    assert_eq!(ended, [Event::RunEnded { status: Status::Waiting, at_ms: 5, resumed: 0 }]);
    // The same child goes on, and those that ended do not run again.
    state.apply(&resumed(1));
    let again = Turn { attempt: 2, ..one };
    assert_eq!(advance(&graph, &mut state, 6).start, std::slice::from_ref(&again));
    assert_eq!(state.child(&again.step, 1), Some(child(1)));
    state.apply(&child_begun(&again, child(1)));
    state.apply(&child_ended(&again, child(1), Status::Succeeded));
    assert_eq!(advance(&graph, &mut state, 7).answer, [Question::Joined { step: again.step }]);
}

#[test]
fn behind_a_failed_item_those_that_run_come_to_their_end_and_those_that_wait_are_ended() {
    let (graph, mut state, [one, two]) = two_items_run();
    let child = |number| RunId::new(number, [7; 10]);
    state.apply(&child_ended(&one, child(1), Status::Waiting));
    let three = advance(&graph, &mut state, 0).start.remove(0);
    state.apply(&child_ended(&two, child(2), Status::Failed));
    // The third was scheduled and has no child yet; the first has one, which is told that it is cancelled.
    assert!(state.is_given_up(&three));
    let again = Turn { attempt: 2, ..one };
    assert_eq!(advance(&graph, &mut state, 0).start, std::slice::from_ref(&again));
    assert!(!state.is_given_up(&again));
    state.apply(&child_begun(&again, child(1)));
    assert_eq!(advance(&graph, &mut state, 0), Advance::default());
    state.apply(&child_ended(&again, child(1), Status::Cancelled));
    let joined = Question::Joined { step: again.step.clone() };
    assert_eq!(advance(&graph, &mut state, 0).answer, std::slice::from_ref(&joined));
    // It can't have been joined.
    let before = state.clone();
    state.apply(&answer(&joined, Some(true)));
    assert_eq!(state, before);
    state.apply(&answer(&joined, None));
    assert_eq!(state.step(&again.step), Some(&StepState::Failed { attempt: 1 }));
}

#[test]
fn a_cancelled_map_waits_for_its_children_and_skips_the_rest() {
    let (graph, mut state, [one, two]) = two_items_run();
    state.apply(&Event::CancelRequested { reason: CancelReason::Requested, at_ms: 1, resumed: 0, compensating: false });
    for (turn, number) in [(&one, 1), (&two, 2)] {
        assert_eq!(advance(&graph, &mut state, 1), Advance::default());
        state.apply(&child_ended(turn, RunId::new(number, [7; 10]), Status::Cancelled));
    }
    let kinds: Vec<_> = advance(&graph, &mut state, 2).events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["StepSkipped", "RunEnded"]);
    assert_eq!(state.run(), RunState::Ended(Status::Cancelled));
}

#[test]
fn a_cancelled_run_starts_nothing_and_waits_for_what_runs() {
    let graph = graph("a b e c<a d<b f!");
    for (reason, status) in [(CancelReason::Requested, Status::Cancelled), (CancelReason::Timeout, Status::Failed)] {
        let mut state = State::after([&started()]);
        assert_eq!(advance(&graph, &mut state, 0).start.len(), 3);
        let (a, b) = (first(&graph.nodes()[0].step), first(&graph.nodes()[1].step));
        state.apply(&begun(&a));
        state.apply(&begun(&b));
        state.apply(&Event::CancelRequested { reason, at_ms: 1, resumed: 0, compensating: false });
        let advanced = advance(&graph, &mut state, 1);
        let kinds: Vec<_> = advanced.events.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["StepSkipped"; 4]);
        assert!(advanced.answer.is_empty());
        // `e` was scheduled, but had not begun: it is not to begin now.
        state.apply(&begun(&first(&graph.nodes()[2].step)));
        state.apply(&ended(&a, Some(FailureKind::Cancelled)));
        assert_eq!(advance(&graph, &mut state, 2), Advance::default());
        state.apply(&ended(&b, None));
        assert_eq!(advance(&graph, &mut state, 3).events, [Event::RunEnded { status, at_ms: 3, resumed: 0 }]);
        assert_eq!(state.step(&a.step), Some(&StepState::Cancelled { iteration: 0, attempt: 1 }));
    }
}

#[test]
fn a_failed_attempt_is_followed_by_another_after_its_wait() {
    let graph = graph("a b<a");
    let mut state = State::after([&started()]);
    let turn = advance(&graph, &mut state, 0).start.remove(0);
    let failed = |turn: &Turn, retry_at_ms| match ended(turn, Some(FailureKind::Unavailable)) {
        Event::AttemptFailed(failed) => Event::AttemptFailed(Box::new(AttemptFailed { retry_at_ms, ..*failed })),
        other => other,
    };
    state.apply(&failed(&turn, Some(100)));
    assert_eq!(advance(&graph, &mut state, 1), Advance::default());
    assert_eq!(state.next_timer(), Some((turn.clone(), 100)));
    let fired = Event::TimerFired { step: turn.step.clone(), attempt: 1, iteration: 0, at_ms: 100 };
    state.apply(&fired);
    let second = Turn { attempt: 2, ..turn.clone() };
    assert_eq!(advance(&graph, &mut state, 100).start, std::slice::from_ref(&second));
    // A late word of the first attempt or of its timer means nothing now.
    let before = state.clone();
    for late in [fired, ended(&turn, None), failed(&turn, None)] {
        state.apply(&late);
        assert_eq!(state, before);
    }
    state.apply(&failed(&second, None));
    let kinds: Vec<_> = advance(&graph, &mut state, 101).events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["StepSkipped", "RunEnded"]);
    assert_eq!(state.run(), RunState::Ended(Status::Failed));
}

#[test]
fn a_run_that_is_cancelled_waits_for_no_other_attempt() {
    let graph = graph("a");
    let mut state = State::after([&started()]);
    let turn = advance(&graph, &mut state, 0).start.remove(0);
    let Event::AttemptFailed(failed) = ended(&turn, Some(FailureKind::Unavailable)) else { panic!("a failure") };
    state.apply(&Event::AttemptFailed(Box::new(AttemptFailed { retry_at_ms: Some(100), ..*failed })));
    state.apply(&Event::CancelRequested { reason: CancelReason::Requested, at_ms: 1, resumed: 0, compensating: false });
    let _ = advance(&graph, &mut state, 2);
    assert_eq!((state.run(), state.next_timer()), (RunState::Ended(Status::Cancelled), None));
}

fn resumed(resumed: u32) -> Event {
    Event::RunResumed { resumed, at_ms: 5, palisade_version: String::new() }
}

#[test]
fn an_interrupted_run_leaves_its_steps_and_goes_on_when_it_is_resumed() {
    let graph = graph("a b c<a d! e*3");
    let mut state = State::after([&started()]);
    let [a, b, e] = &advance(&graph, &mut state, 0).start[..] else { panic!("three begin") };
    [begun(a), begun(b), ended(e, None), ended(a, None)].iter().for_each(|event| state.apply(event));
    state.apply(&Event::CancelRequested {
        reason: CancelReason::Interrupted,
        at_ms: 1,
        resumed: 0,
        compensating: false,
    });
    assert_eq!(advance(&graph, &mut state, 1), Advance::default());
    state.apply(&ended(b, Some(FailureKind::Cancelled)));
    let end = Event::RunEnded { status: Status::Interrupted, at_ms: 2, resumed: 0 };
    assert_eq!(advance(&graph, &mut state, 2).events, [end]);
    state.apply(&resumed(1));
    let advanced = advance(&graph, &mut state, 3);
    // What had ended stays so; what was stopped is a second attempt; what had not begun begins.
    let second = Turn { attempt: 2, ..b.clone() };
    assert_eq!(advanced.start, [second, first(&graph.nodes()[2].step)]);
    let asked = |step: usize, iteration| Question::Condition { step: graph.nodes()[step].step.clone(), iteration };
    assert_eq!(advanced.answer, [asked(3, 0), asked(4, 1)]);
}

#[test]
fn what_ran_when_a_process_died_runs_again() {
    let graph = graph("a b");
    let mut state = State::after([&started()]);
    let turns = advance(&graph, &mut state, 0).start;
    state.apply(&begun(&turns[0]));
    state.apply(&resumed(1));
    let again: Vec<_> = turns.iter().map(|turn| Turn { attempt: 2, ..turn.clone() }).collect();
    assert_eq!(advance(&graph, &mut state, 1).start, again);
    // Resumed twice is once, and a word of the lost attempt means nothing.
    let before = state.clone();
    for late in [resumed(1), resumed(3), ended(&turns[0], None), begun(&turns[1])] {
        state.apply(&late);
        assert_eq!(state, before, "{late:?}");
    }
}

#[test]
fn a_run_that_was_being_cancelled_when_its_process_died_is_still_cancelled() {
    let graph = graph("a b<a");
    let mut state = State::after([&started()]);
    let turn = advance(&graph, &mut state, 0).start.remove(0);
    state.apply(&begun(&turn));
    state.apply(&Event::CancelRequested { reason: CancelReason::Requested, at_ms: 1, resumed: 0, compensating: false });
    state.apply(&resumed(1));
    let kinds: Vec<_> = advance(&graph, &mut state, 2).events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["StepSkipped", "StepSkipped", "RunEnded"]);
    assert_eq!(state.run(), RunState::Ended(Status::Cancelled));
    // A run that ended is not resumed.
    state.apply(&resumed(2));
    assert_eq!(state.run(), RunState::Ended(Status::Cancelled));
}

#[test]
fn a_loop_is_cancelled_between_two_iterations() {
    let graph = graph("a*9");
    let mut state = State::after([&started()]);
    let turn = advance(&graph, &mut state, 0).start.remove(0);
    state.apply(&ended(&turn, None));
    state.apply(&Event::CancelRequested { reason: CancelReason::Requested, at_ms: 1, resumed: 0, compensating: false });
    let advanced = advance(&graph, &mut state, 1);
    assert!(advanced.start.is_empty() && advanced.answer.is_empty());
    assert_eq!(state.run(), RunState::Ended(Status::Cancelled));
}

#[test]
fn a_run_that_failed_undoes_what_it_did_the_last_first() {
    check("a^ b^ c<b^ d<c", "d", &["a", "b", "c", "d", "undo-c", "undo-b", "undo-a", "failed"]);
    // What failed or never ran is not undone, and nothing is where the run did what was wanted.
    check("a^ b^ c<b^", "b", &["a", "b", "c skipped for b", "undo-a", "failed"]);
    check("a^ b^?", "b", &["a", "b", "succeeded"]);
    // One that can't be undone does not keep the others from it.
    check("a^ b^ c", "c undo-b", &["a", "b", "c", "undo-b", "undo-a", "failed"]);
}

/// Two steps that can be undone have succeeded, and somebody cancels the run while the third goes on.
fn cancelled_behind_two(graph: &Graph, reason: CancelReason) -> State {
    let mut state = State::after([&started()]);
    let turns = advance(graph, &mut state, 0).start;
    turns
        .iter()
        .map(begun)
        .chain(turns[..2].iter().map(|turn| ended(turn, None)))
        .for_each(|event| state.apply(&event));
    state.apply(&Event::CancelRequested { reason, at_ms: 1, resumed: 0, compensating: false });
    state.apply(&ended(&turns[2], Some(FailureKind::Cancelled)));
    state
}

#[test]
fn a_run_that_was_cancelled_undoes_and_nobody_cancels_that() {
    let graph = graph("a^ b^ c");
    let mut state = cancelled_behind_two(&graph, CancelReason::Requested);
    let advanced = advance(&graph, &mut state, 2);
    let undo = |id: &str| first(&id.parse().unwrap());
    assert_eq!(advanced.start, [undo("undo-b")]);
    state.apply(&begun(&advanced.start[0]));
    let before = state.clone();
    for reason in [CancelReason::Requested, CancelReason::Timeout] {
        state.apply(&Event::CancelRequested { reason, at_ms: 3, resumed: 0, compensating: true });
        assert_eq!(state, before);
    }
    // What undoes is no part of what a limit of the run counts.
    assert_eq!(state.component_runs(), 3);
    state.apply(&Event::CancelRequested {
        reason: CancelReason::Interrupted,
        at_ms: 3,
        resumed: 0,
        compensating: true,
    });
    assert_eq!(advance(&graph, &mut state, 4), Advance::default());
    state.apply(&ended(&advanced.start[0], Some(FailureKind::Cancelled)));
    let end = |status, at_ms, resumed| Event::RunEnded { status, at_ms, resumed };
    assert_eq!(advance(&graph, &mut state, 5).events, [end(Status::Interrupted, 5, 0)]);
    // It goes on where it was, and no step that it undoes runs again.
    state.apply(&resumed(1));
    let again = Turn { attempt: 2, ..undo("undo-b") };
    assert_eq!(advance(&graph, &mut state, 6).start, std::slice::from_ref(&again));
    state.apply(&ended(&again, None));
    assert_eq!(advance(&graph, &mut state, 7).start, [undo("undo-a")]);
    state.apply(&ended(&undo("undo-a"), Some(FailureKind::Failed)));
    assert_eq!(advance(&graph, &mut state, 8).events, [end(Status::Cancelled, 8, 1)]);
}

#[test]
fn an_interrupted_run_undoes_nothing() {
    let graph = graph("a^ b^ c");
    let mut state = cancelled_behind_two(&graph, CancelReason::Interrupted);
    let expected = [Event::RunEnded { status: Status::Interrupted, at_ms: 2, resumed: 0 }];
    assert_eq!(advance(&graph, &mut state, 2).events, expected);
}

#[test]
fn a_fork_undoes_only_what_it_did_itself() {
    let graph = graph("a^ b^ c<b");
    let mut state = State::after([&started()]);
    let turns = advance(&graph, &mut state, 0).start;
    [ended(&turns[0], None), forked(&[turns[0].step.clone()])].iter().for_each(|event| state.apply(event));
    let again = advance(&graph, &mut state, 1).start;
    assert_eq!(again, [turns[1].clone()]);
    state.apply(&ended(&again[0], None));
    let last = advance(&graph, &mut state, 2).start;
    state.apply(&ended(&last[0], Some(FailureKind::Failed)));
    let undone: Vec<_> = advance(&graph, &mut state, 3).start.iter().map(|turn| turn.step.to_string()).collect();
    assert_eq!(undone, ["undo-b"]);
    state.apply(&ended(&first(&"undo-b".parse().unwrap()), None));
    assert_eq!(advance(&graph, &mut state, 4).events.last().map(Event::kind), Some("RunEnded"));
}

#[test]
fn a_run_that_was_cancelled_too_late_succeeded() {
    let graph = graph("a");
    let mut state = State::after([&started()]);
    let turn = advance(&graph, &mut state, 0).start.remove(0);
    state.apply(&begun(&turn));
    state.apply(&Event::CancelRequested {
        reason: CancelReason::Interrupted,
        at_ms: 1,
        resumed: 0,
        compensating: false,
    });
    state.apply(&ended(&turn, None));
    let expected = [Event::RunEnded { status: Status::Succeeded, at_ms: 2, resumed: 0 }];
    assert_eq!(advance(&graph, &mut state, 2).events, expected);
}

#[test]
fn a_run_that_only_waits_for_a_person_ends_until_they_answer() {
    let graph = graph("a b@<a c<b d");
    let step = |name: &str| name.parse::<StepId>().unwrap();
    let mut state = State::after([&started()]);
    drop(advance(&graph, &mut state, 0));
    for name in ["a", "d"] {
        state.apply(&begun(&first(&step(name))));
        state.apply(&ended(&first(&step(name)), None));
        let waits = advance(&graph, &mut state, 50).events;
        let end = Event::RunEnded { status: Status::Waiting, at_ms: 50, resumed: 0 };
        let asked = Event::ApprovalRequested { step: step("b"), at_ms: 50, submitted_by: 0, expires_at_ms: Some(150) };
        assert_eq!(waits, if name == "a" { vec![asked] } else { vec![end] });
    }
    assert_eq!(state.next_expiry(), Some((&step("b"), 150)));
    let answered = |yes| {
        let mut state = state.clone();
        state.apply(&decided(&step("b"), yes));
        assert_eq!(decide(&graph, &state), [], "nobody goes on with it yet");
        state.apply(&resumed(1));
        advance(&graph, &mut state, 60)
    };
    assert_eq!(answered(true).start, [first(&step("c"))]);
    let no = answered(false);
    let skipped = Event::StepSkipped { step: step("c"), because: SkipCause::Failed { step: step("b") } };
    assert_eq!(no.events, [skipped, Event::RunEnded { status: Status::Failed, at_ms: 60, resumed: 1 }]);
    // Resumed without an answer it waits on.
    state.apply(&resumed(1));
    let end = Event::RunEnded { status: Status::Waiting, at_ms: 70, resumed: 1 };
    assert_eq!(advance(&graph, &mut state, 70).events, [end]);
}

#[test]
fn a_runbook_that_is_an_artifact_is_planned_and_approved_before_it_starts() {
    for (text, iteration) in [("a%", 0), ("a%*3", 1)] {
        let graph = graph(text);
        let step: StepId = "a".parse().unwrap();
        let mut state = State::after([&started()]);
        let asked = Question::Child { step: step.clone(), iteration, submitted_by: 0 };
        assert_eq!(advance(&graph, &mut state, 0).answer, [asked]);
        let beforehand = child_planned(step.clone(), iteration, Some(ChildApproval::Runbook));
        let turn = Turn { iteration, ..first(&step) };
        let mut at_once = state.clone();
        at_once.apply(&beforehand);
        assert_eq!(advance(&graph, &mut at_once, 0).start, std::slice::from_ref(&turn));
        state.apply(&child_planned(step.clone(), iteration, Some(ChildApproval::Person { expires_ms: None })));
        let kinds: Vec<_> = advance(&graph, &mut state, 0).events.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["ApprovalRequested", "RunEnded"]);
        // What was planned first stays what is asked about.
        let before = state.clone();
        state.apply(&beforehand);
        assert_eq!(state, before);
        state.apply(&decided(&step, true));
        state.apply(&resumed(1));
        assert_eq!(advance(&graph, &mut state, 0).start, [turn]);
        let mut refused = before;
        refused.apply(&decided(&step, false));
        assert_eq!(refused.step(&step), Some(&StepState::Failed { attempt: 0 }));
    }
}

#[test]
fn a_step_that_wrote_files_has_succeeded_when_they_are_in_their_places() {
    let graph = graph("a b<a");
    let step = graph.nodes()[0].step.clone();
    let turn = first(&step);
    let mut state = State::after([&started()]);
    assert_eq!(advance(&graph, &mut state, 0).start, std::slice::from_ref(&turn));
    state.apply(&begun(&turn));
    state.apply(&ended_with_a_file(&turn));
    let asked = Question::Files { turn: turn.clone() };
    let is_asked = |state: &mut State| advance(&graph, state, 0).answer == std::slice::from_ref(&asked);
    assert!(is_asked(&mut state) && state.outputs(&step).is_none());

    // A process that dies now leaves it to the next one, and no other attempt runs. One that is interrupted too.
    let mut dead = state.clone();
    dead.apply(&resumed(1));
    assert!(is_asked(&mut dead));
    let interrupted = CancelReason::Interrupted;
    dead.apply(&Event::CancelRequested { reason: interrupted, at_ms: 0, resumed: 1, compensating: false });
    let ended: Vec<_> = advance(&graph, &mut dead, 0).events;
    assert!(matches!(ended[..], [Event::RunEnded { status: Status::Interrupted, .. }]), "{ended:?}");
    dead.apply(&resumed(2));
    assert!(is_asked(&mut dead));
    // It was to be put before the run was cancelled, and nothing else is begun.
    dead.apply(&Event::CancelRequested { reason: CancelReason::Requested, at_ms: 0, resumed: 2, compensating: false });
    assert!(is_asked(&mut dead));
    dead.apply(&answer(&asked, Some(true)));
    assert!(matches!(
        advance(&graph, &mut dead, 0).events[..],
        [.., Event::RunEnded { status: Status::Cancelled, .. }]
    ));

    let mut refused = state.clone();
    refused.apply(&answer(&asked, None));
    assert_eq!(refused.step(&step), Some(&StepState::Failed { attempt: 1 }));
    // What is said of another attempt is none of it.
    let other = Question::Files { turn: Turn { attempt: 2, ..turn } };
    let before = state.clone();
    state.apply(&answer(&other, Some(true)));
    assert_eq!(state, before);
    state.apply(&answer(&asked, Some(true)));
    assert!(state.outputs(&step).is_some());
    assert_eq!(advance(&graph, &mut state, 0).start, [first(&graph.nodes()[1].step)]);
}

#[test]
fn an_agent_that_submitted_a_runbook_goes_on_when_it_is_known_what_came_of_it() {
    let graph = graph("a");
    let step = graph.nodes()[0].step.clone();
    let turn = |attempt| Turn { attempt, ..first(&step) };
    let mut state = State::after([&started()]);
    assert_eq!(advance(&graph, &mut state, 0).start, [turn(1)]);
    state.apply(&begun(&turn(1)));
    state.apply(&suspended(&turn(1)));
    let asked = Question::Child { step: step.clone(), iteration: 0, submitted_by: 1 };
    assert_eq!(advance(&graph, &mut state, 0).answer, std::slice::from_ref(&asked));
    // The plan of something else is none of it.
    let suspended_only = state.clone();
    state.apply(&child_planned(step.clone(), 0, Some(ChildApproval::Runbook)));
    assert_eq!(state, suspended_only);

    // A person is asked, and says no: nothing runs, and the agent is told.
    let person = answer(&asked, Some(false));
    state.apply(&person);
    let kinds: Vec<_> = advance(&graph, &mut state, 0).events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["ApprovalRequested", "RunEnded"]);
    let mut rejected = state.clone();
    rejected.apply(&decided(&step, false));
    assert_eq!(rejected, state, "an answer to something else is none");
    rejected.apply(&decided_in(&state, &step, false));
    rejected.apply(&resumed(1));
    let told = Question::Submitted { step: step.clone() };
    assert_eq!(advance(&graph, &mut rejected, 0).answer, std::slice::from_ref(&told));
    rejected.apply(&answered(&rejected.clone(), &step));
    assert_eq!(advance(&graph, &mut rejected, 0).start, [turn(2)]);
    assert_eq!(rejected.try_number(&turn(2)), 1, "it is the same try");

    // They say yes: the child has an attempt of its own, and what comes of it is told, whatever it is.
    state.apply(&decided_in(&state.clone(), &step, true));
    state.apply(&resumed(1));
    assert_eq!(advance(&graph, &mut state, 0).start, [turn(2)]);
    let child = RunId::new(1, [7; 10]);
    state.apply(&child_begun(&turn(2), child));
    // A process that dies meanwhile goes on with that child.
    state.apply(&resumed(2));
    assert_eq!(advance(&graph, &mut state, 0).start, [turn(3)]);
    state.apply(&child_begun(&turn(3), child));
    for status in [Status::Succeeded, Status::Failed] {
        let mut state = state.clone();
        state.apply(&child_ended(&turn(3), child, status));
        assert_eq!(advance(&graph, &mut state, 0).answer, std::slice::from_ref(&told));
        state.apply(&answered(&state.clone(), &step));
        assert_eq!(advance(&graph, &mut state, 0).start, [turn(4)]);
        assert_eq!((state.try_number(&turn(4)), state.waits_for(&step)), (1, 0));
        state.apply(&begun(&turn(4)));
        state.apply(&ended(&turn(4), None));
        advance(&graph, &mut state, 0);
        assert_eq!(state.run(), RunState::Ended(Status::Succeeded));
    }

    // What can't run by now, though it could when it was submitted, is told too.
    let mut refused = suspended_only;
    refused.apply(&answer(&asked, None));
    assert_eq!(advance(&graph, &mut refused, 0).answer, [told]);
}

#[test]
fn nobody_waits_longer_for_an_approval_than_the_operator_says() {
    let graph = graph("a%");
    let mut state = State::after([&started()]);
    let step = graph.nodes()[0].step.clone();
    state.apply(&child_planned(step.clone(), 0, Some(ChildApproval::Person { expires_ms: Some(50) })));
    let asked = Event::ApprovalRequested { step: step.clone(), at_ms: 7, submitted_by: 0, expires_at_ms: Some(57) };
    assert_eq!(advance(&graph, &mut state, 7).events.first(), Some(&asked));
    assert_eq!(state.next_expiry(), Some((&step, 57)));
}

#[test]
fn a_child_that_stopped_goes_on_with_its_parent_and_is_never_begun_anew() {
    let graph = graph("a");
    let step: StepId = "a".parse().unwrap();
    let (child, other) = (RunId::new(1, [7; 10]), RunId::new(2, [7; 10]));
    let second = Turn { attempt: 2, ..first(&step) };
    for (status, run) in [(Status::Waiting, Status::Waiting), (Status::Interrupted, Status::Interrupted)] {
        let mut state = State::after([&started()]);
        drop(advance(&graph, &mut state, 0));
        state.apply(&child_begun(&first(&step), child));
        if status == Status::Interrupted {
            let reason = CancelReason::Interrupted;
            state.apply(&Event::CancelRequested { reason, at_ms: 0, resumed: 0, compensating: false });
        }
        state.apply(&child_ended(&first(&step), child, status));
        drop(advance(&graph, &mut state, 0));
        assert_eq!((state.run(), state.component_runs()), (RunState::Ended(run), 0));
        state.apply(&resumed(1));
        assert_eq!(advance(&graph, &mut state, 0).start, std::slice::from_ref(&second));
        state.apply(&child_begun(&second, other));
        assert_eq!(state.step(&step), Some(&StepState::Scheduled { iteration: 0, attempt: 2 }), "not another child");
        state.apply(&child_begun(&second, child));
        state.apply(&child_ended(&second, child, Status::Succeeded));
        assert_eq!((state.child(&step, 0), state.component_runs()), (None, 3));
    }
}

#[test]
fn a_child_that_waits_for_a_person_is_cancelled_with_its_parent() {
    let graph = graph("a b");
    let step: StepId = "a".parse().unwrap();
    let child = RunId::new(1, [7; 10]);
    let mut state = State::after([&started()]);
    drop(advance(&graph, &mut state, 0));
    state.apply(&child_begun(&first(&step), child));
    state.apply(&child_ended(&first(&step), child, Status::Waiting));
    state.apply(&Event::CancelRequested { reason: CancelReason::Requested, at_ms: 0, resumed: 0, compensating: false });
    let second = Turn { attempt: 2, ..first(&step) };
    assert_eq!(advance(&graph, &mut state, 0).start, std::slice::from_ref(&second), "it has a journal to be told in");
    state.apply(&child_begun(&second, child));
    state.apply(&child_ended(&second, child, Status::Cancelled));
    drop(advance(&graph, &mut state, 0));
    assert_eq!(state.run(), RunState::Ended(Status::Cancelled));
}

#[test]
fn nothing_is_decided_before_the_beginning_and_after_the_end() {
    let graph = graph("a");
    let step: StepId = "a".parse().unwrap();
    assert!(decide(&graph, &State::default()).is_empty());
    let end = Event::RunEnded { status: Status::Failed, at_ms: 0, resumed: 0 };
    let scheduled = Event::StepScheduled { step: step.clone(), attempt: 1, iteration: 0 };
    let state = State::after([&started(), &end, &scheduled]);
    assert!(decide(&graph, &state).is_empty());
    assert_eq!(state.run(), RunState::Ended(Status::Failed));
    assert_eq!(state.step(&step), None);
}

#[test]
fn an_attempt_ends_once_and_only_the_one_that_runs() {
    let step: StepId = "a".parse().unwrap();
    let turn = first(&step);
    let scheduled = Event::StepScheduled { step: step.clone(), attempt: 1, iteration: 0 };
    for other in [Turn { attempt: 2, ..turn.clone() }, Turn { iteration: 1, ..turn.clone() }] {
        let state = State::after([&started(), &scheduled, &ended(&other, None)]);
        assert_eq!(state.step(&step), Some(&StepState::Scheduled { iteration: 0, attempt: 1 }));
    }
    let failed = ended(&turn, Some(FailureKind::Failed));
    let state = State::after([&started(), &scheduled, &begun(&turn), &failed, &ended(&turn, None)]);
    assert_eq!(state.step(&step), Some(&StepState::Failed { attempt: 1 }));
}

#[test]
fn an_answer_counts_once_and_only_where_it_was_asked() {
    let step: StepId = "a".parse().unwrap();
    let judged = |iteration, outcome| Event::ConditionEvaluated { step: step.clone(), iteration, outcome };
    let scheduled = |iteration| Event::StepScheduled { step: step.clone(), attempt: 1, iteration };
    let done = |iteration| ended(&Turn { iteration, ..first(&step) }, None);
    let mut state = State::after([&started(), &judged(1, ConditionOutcome::True)]);
    assert_eq!(state.held(&step, 1), None);
    for event in [judged(0, ConditionOutcome::True), judged(0, ConditionOutcome::False), scheduled(1), done(1)] {
        state.apply(&event);
    }
    assert_eq!(state.step(&step), Some(&StepState::Iterated { iteration: 1, attempt: 1 }));
    // Neither a late word on the start, nor a second iteration too many, nor an end of another iteration.
    let ended_elsewhere = Event::LoopEnded { step: step.clone(), iteration: 2, held: true };
    for event in [judged(0, ConditionOutcome::False), scheduled(3), done(2), ended_elsewhere] {
        let before = state.clone();
        state.apply(&event);
        assert_eq!(state, before, "{event:?}");
    }
}

fn some_graph() -> impl Strategy<Value = Graph> {
    let node = (any::<u16>(), any::<u16>(), any::<u8>(), any::<u8>());
    proptest::collection::vec(node, 0..10).prop_map(|nodes| {
        let name = |index: usize| format!("s{index}").parse::<StepId>().unwrap();
        let on = || vec!["failed".to_owned()];
        let undo = |(index, &(needs, _, _, how)): (usize, &(u16, u16, u8, u8))| {
            // No child by its number.
            let mut node = Node::new(name(30 + 3 * index), vec![name(index)]);
            node.needs.extend((0..index).filter(|other| needs >> other & 1 == 1).map(name));
            (node.has_condition, node.has_values) = (how & 24 == 8, how & 24 == 16);
            node.retry = (how & 96 == 32).then(|| Retry { max_attempts: 2, backoff_ms: 4, on: on() });
            (how & 1 > 0).then(|| (name(index), node))
        };
        let compensations: Vec<_> = nodes.iter().enumerate().filter_map(undo).collect();
        let nodes = nodes.iter().enumerate().map(|(index, &(needs, after, how, _))| {
            let chosen = |bits: u16| (0..index).filter(|other| bits >> other & 1 == 1).map(name).collect::<Vec<_>>();
            let mut node = Node::new(name(index), chosen(needs));
            node.after = chosen(after & !needs);
            (node.optional, node.has_condition, node.has_values) = (how & 1 > 0, how & 2 > 0, how & 12 == 4);
            node.iterations = (how & 48 == 16).then_some(u32::from(how >> 6));
            node.retry = (how & 3 == 3).then(|| Retry { max_attempts: 3, backoff_ms: 4, on: on() });
            node.approval = (how & 52 == 32).then_some(Approval { expires_ms: None });
            node.runs_artifact = index % 3 == 1 && how & 64 > 0 && node.approval.is_none();
            let may_map = index % 3 == 1 && node.approval.is_none() && node.iterations.is_none() && !node.has_values;
            node.maps_child = (may_map && how & 128 > 0).then_some(u32::from(how & 3));
            node
        });
        Graph::new(nodes.collect()).unwrap().with_compensations(compensations).unwrap()
    })
}

/// Says whether a step of [`some_graph`] runs a child.
fn runs_child(step: &StepId) -> bool {
    step.as_str().trim_start_matches('s').parse::<usize>().unwrap() % 3 == 1
}

/// How a child ends by a choice: when it can be told to stop, it may stop until it is resumed.
fn child_status(how: u8, state: &State) -> Status {
    match (how / 8 % 4, state.cancelled()) {
        (3, _) => Status::Failed,
        (2, None) => Status::Waiting,
        (1 | 2, Some(CancelReason::Interrupted)) => Status::Interrupted,
        (1 | 2, Some(_)) => Status::Cancelled,
        _ => Status::Succeeded,
    }
}

/// Drives a run by a list of choices: what is answered and how, which attempt or child goes on, how it ends, what people
/// say, when the run is cancelled, interrupted and resumed, when its process dies. Gives all events in order and checks what a driver relies
/// on.
fn drive(graph: &Graph, choices: &[(u8, u8)]) -> Vec<Event> {
    let mut state = State::after([&started()]);
    let mut journal = vec![started()];
    let (mut waiting, mut running): (Vec<Turn>, Vec<Turn>) = (Vec::new(), Vec::new());
    let mut choices = choices.iter().copied().chain(std::iter::repeat((0, 0)));
    for round in 0.. {
        assert!(round < 1_000, "it goes on for ever");
        let advanced = advance(graph, &mut state, journal.len() as u64);
        journal.extend(advanced.events);
        waiting.extend(advanced.start);
        waiting.retain(|turn| !state.is_given_up(turn));
        let end = matches!(state.run(), RunState::Ended(_));
        assert!(!end || waiting.is_empty() && running.is_empty() && advanced.answer.is_empty());
        if end && !matches!(state.run(), RunState::Ended(Status::Interrupted | Status::Waiting)) {
            break;
        }
        let (which, how) = choices.next().unwrap();
        let awaited: Vec<StepId> = state.awaited().cloned().collect();
        let one_awaited = awaited.get(usize::from(which) % awaited.len().max(1));
        let event = match how % 8 {
            4.. if let Some(step) = one_awaited.filter(|_| !end) => decided_in(&state, step, how < 128),
            _ if end => match one_awaited.filter(|_| state.run() == RunState::Ended(Status::Waiting)) {
                Some(step) => decided_in(&state, step, how < 128),
                None => resumed(state.resumed() + 1),
            },
            7 => {
                let reason = if which % 2 == 0 { CancelReason::Requested } else { CancelReason::Interrupted };
                // A child that has not ended is not forgotten when it is to be cancelled, nor what undoes.
                let interrupted = state.cancelled().unwrap_or(reason) == CancelReason::Interrupted;
                let undoes = state.compensation().is_some();
                waiting.retain(|turn| !interrupted && (undoes || state.child(&turn.step, turn.iteration).is_some()));
                Event::CancelRequested {
                    reason,
                    at_ms: 0,
                    resumed: state.resumed(),
                    compensating: state.compensation().is_some(),
                }
            }
            6 => {
                waiting.clear();
                running.clear();
                resumed(state.resumed() + 1)
            }
            _ if !advanced.answer.is_empty() => {
                let question = &advanced.answer[usize::from(which) % advanced.answer.len()];
                if let Question::Submitted { step } = question {
                    let event = answered(&state, step);
                    state.apply(&event);
                    journal.push(event);
                    continue;
                }
                let good = [Some(true), Some(false), Some(false), None][usize::from(how / 8 % 4)];
                answer(question, good_in(&state, question, good))
            }
            0..4 if !waiting.is_empty() => {
                let turn = waiting.remove(usize::from(which) % waiting.len());
                running.push(turn.clone());
                let child = state.child(&turn.step, turn.iteration);
                let child = child.unwrap_or_else(|| RunId::new(journal.len() as u64, [0; 10]));
                let submitted = state.waits_for(&turn.step) > 0;
                if runs_child(&turn.step) || submitted { child_begun(&turn, child) } else { begun(&turn) }
            }
            _ if running.is_empty() && waiting.is_empty() && state.next_timer().is_none() => {
                decided_in(&state, &awaited[0], true)
            }
            _ if running.is_empty() && waiting.is_empty() => {
                let (Turn { step, iteration, attempt }, at_ms) = state.next_timer().unwrap();
                Event::TimerFired { step, iteration, attempt, at_ms }
            }
            _ => {
                let from = if running.is_empty() { &mut waiting } else { &mut running };
                let turn = from.remove(usize::from(which) % from.len());
                if let Some(child) = state.child(&turn.step, turn.iteration) {
                    let event = child_ended(&turn, child, child_status(how, &state));
                    state.apply(&event);
                    journal.push(event);
                    continue;
                }
                if runs_child(&turn.step) {
                    // It could not even be started, which is told as its end.
                    let event = child_ended(&turn, RunId::new(journal.len() as u64, [0; 10]), Status::Failed);
                    state.apply(&event);
                    journal.push(event);
                    continue;
                }
                let is_agent = turn.iteration == 0 && state.compensation().is_none();
                if how / 8 % 4 == 1 && is_agent && turn.attempt < 4 {
                    let event = suspended(&turn);
                    state.apply(&event);
                    journal.push(event);
                    continue;
                }
                if how / 8 % 4 == 2 && which % 2 == 0 {
                    let event = ended_with_a_file(&turn);
                    state.apply(&event);
                    journal.push(event);
                    continue;
                }
                let failure = match how / 8 % 4 {
                    3 => Some(FailureKind::Failed),
                    2 if state.cancelled().is_some() => Some(FailureKind::Cancelled),
                    _ => None,
                };
                let retry = graph.node(&turn.step).unwrap().retry.clone().filter(|_| state.cancelled().is_none());
                match ended(&turn, failure) {
                    Event::AttemptFailed(mut failed) => {
                        failed.retry_at_ms =
                            retry.and_then(|retry| retry.wait_ms(state.try_number(&turn), &failed.failure.kind, 0));
                        Event::AttemptFailed(failed)
                    }
                    other => other,
                }
            }
        };
        state.apply(&event);
        journal.push(event);
    }
    journal
}

fn some_choices() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec(any::<(u8, u8)>(), 0..60)
}

proptest! {
    #[test]
    fn every_schedule_ends_and_keeps_the_order(graph in some_graph(), choices in some_choices()) {
        let journal = drive(&graph, &choices);
        let state = State::after(&journal);
        let is_last = |event: &&Event| matches!(event, Event::RunEnded { status, .. } if !matches!(status, Status::Interrupted | Status::Waiting));
        prop_assert_eq!(journal.iter().filter(is_last).count(), 1);
        let mut now = State::default();
        for event in &journal {
            if let Event::StepScheduled { step, iteration, .. } = event && *iteration <= 1 {
                let node = graph.node(step).unwrap();
                prop_assert!(node.needs.iter().all(|needed| now.outputs(needed).is_some()));
                prop_assert!(node.after.iter().all(|other| now.step(other).and_then(StepState::status).is_some()));
                prop_assert!(!node.has_condition || now.held(step, 0) == Some(true));
                prop_assert!(!node.has_values || now.values(step).is_some());
                let before = now.compensation().map_or(&[][..], |undoing| undoing.steps());
                let before = before.iter().take_while(|other| *other != step);
                prop_assert!(before.clone().all(|other| now.step(other).is_some_and(StepState::can_be_kept)));
                prop_assert!(!node.runs_artifact || now.planned(step).is_some_and(|planned| !planned.waits || now.step(step).is_some()));
            }
            now.apply(event);
        }
        for node in graph.nodes() {
            prop_assert!(state.step(&node.step).and_then(StepState::status).is_some());
            prop_assert!(!state.has_child(&node.step));
        }
        let undone: Vec<_> = graph.nodes().iter().rev().filter_map(|node| Some((node, graph.compensation_of(&node.step)?))).collect();
        match state.compensation() {
            None => {
                let failed = matches!(state.run(), RunState::Ended(Status::Failed | Status::Cancelled));
                prop_assert!(undone.iter().all(|(_, undo)| state.step(&undo.step).is_none()));
                prop_assert!(!failed || undone.iter().all(|(node, _)| state.outputs(&node.step).is_none()));
            }
            Some(undoing) => {
                prop_assert_eq!(state.run(), RunState::Ended(undoing.status()));
                // All that succeeded, the last first.
                let succeeded = undone.iter().filter(|(node, _)| state.outputs(&node.step).is_some());
                prop_assert!(undoing.steps().iter().eq(succeeded.map(|(_, undo)| &undo.step)));
                prop_assert!(undoing.steps().iter().all(|step| state.step(step).is_some_and(StepState::can_be_kept)));
            }
        }
        let is_well = |node: &Node| node.optional || state.outputs(&node.step).is_some()
            || matches!(state.step(&node.step), Some(StepState::Skipped { because: SkipCause::Condition { .. } }));
        let wanted = graph.nodes().iter().all(is_well);
        prop_assert_eq!(state.run() == RunState::Ended(Status::Succeeded), wanted && state.run() != RunState::Ended(Status::Cancelled));
    }

    #[test]
    fn loops_end_at_their_bound(graph in some_graph(), choices in some_choices()) {
        let journal = drive(&graph, &choices);
        for node in graph.nodes() {
            let runs = journal.iter().filter_map(|event| match event {
                Event::StepScheduled { step, iteration, .. } if *step == node.step => Some(iteration),
                _ => None,
            });
            let runs: std::collections::BTreeSet<_> = runs.collect();
            let most = if node.maps_child.is_some() { 3 } else { node.iterations.map_or(1, |most| most.max(1)) };
            prop_assert!(runs.len() <= most as usize);
        }
    }

    #[test]
    fn events_alone_make_the_state(graph in some_graph(), choices in some_choices()) {
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

    #[test]
    fn a_fork_goes_on_from_any_place(graph in some_graph(), choices in some_choices(), at in any::<prop::sample::Index>()) {
        let journal = drive(&graph, &choices);
        let mut state = State::after(&journal[..=at.index(journal.len())]);
        prop_assume!(state.run() == RunState::Running);
        let before = state.clone();
        let is_kept = |step: &&StepId| before.step(step).is_some_and(StepState::can_be_kept);
        let kept: Vec<StepId> = graph.nodes().iter().map(|node| &node.step).filter(is_kept).step_by(2).cloned().collect();
        let forked = forked(&kept);
        state.apply(&forked);
        for node in graph.nodes() {
            let expected = if kept.contains(&node.step) { before.step(&node.step) } else { None };
            prop_assert_eq!(state.step(&node.step), expected);
            prop_assert!(!state.has_child(&node.step));
        }
        prop_assert_eq!((state.cancelled(), state.component_runs()), (None, 0));
        let again = state.clone();
        state.apply(&forked);
        prop_assert_eq!(&state, &again);
        let mut machine = Machine::at(graph.clone(), before.clone());
        machine.apply(&forked);
        prop_assert_eq!(machine.commands(), decide(&graph, &state));
        for _ in 0..1_000 {
            let advanced = advance(&graph, &mut state, 9);
            if state.run() != RunState::Running {
                break;
            }
            let next = advanced.answer.iter().map(|question| match question {
                Question::Submitted { step } => answered(&state, step),
                question => answer(question, Some(true)),
            });
            let next: Vec<Event> = next.chain(advanced.start.iter().map(|turn| ended(turn, None))).collect();
            next.iter().for_each(|event| state.apply(event));
            if next.is_empty() {
                let awaited: Vec<StepId> = state.awaited().cloned().collect();
                awaited.iter().for_each(|step| state.apply(&decided_in(&state.clone(), step, true)));
            }
        }
        let over = |node: &Node| state.step(&node.step).and_then(StepState::status).is_some();
        prop_assert!(matches!(state.run(), RunState::Ended(Status::Waiting)) || graph.nodes().iter().all(over));
    }

    #[test]
    fn a_machine_does_what_is_decided_of_the_whole_graph(graph in some_graph(), choices in some_choices()) {
        let journal = drive(&graph, &choices);
        let (mut machine, mut state) = (Machine::new(graph.clone()), State::default());
        // One that is asked after each event, and one that is asked after many.
        let mut seldom = machine.clone();
        for (index, event) in journal.iter().enumerate() {
            // What comes again or late changes nothing.
            for event in [event, &journal[index / 2]] {
                state.apply(event);
                machine.apply(event);
                seldom.apply(event);
            }
            prop_assert_eq!(machine.state(), &state);
            let decided = decide(&graph, &state);
            prop_assert_eq!(&machine.commands(), &decided);
            if index % 7 == 0 {
                prop_assert_eq!(&seldom.commands(), &decided);
            }
            prop_assert_eq!(&Machine::at(graph.clone(), state.clone()).commands(), &decided);
            let (mut further, mut state) = (machine.clone(), state.clone());
            prop_assert_eq!(further.advance(9), advance(&graph, &mut state, 9));
            prop_assert_eq!(further.state(), &state);
            prop_assert_eq!(further.commands(), decide(&graph, &state));
            // Back to where it was, as after a resumption that was never written down.
            further.set_state(machine.state().clone());
            prop_assert_eq!(further.commands(), decided);
        }
    }
}

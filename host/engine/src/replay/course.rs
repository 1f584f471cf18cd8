//! The interpreter over a recorded journal: what each event must be followed by, and whether it can stand where it does.
//!
//! Pure: it reads no store, and what it can't know is asked of whoever drives it.

use super::difference::Subject;
use palisade_interpreter::{
    CancelReason, Event, Graph, Machine, Question, RunState, SkipCause, State, StepState, Turn,
};
use palisade_model::record::Status;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// What a recorded event is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It follows from what was recorded before, and does so here too.
    Consequence,
    /// It answers what the interpreter asks here too.
    Answer(Question),
    /// It happened outside of the interpreter.
    Fact,
}

/// A run, as far as it was followed.
#[derive(Debug)]
pub(crate) struct Course {
    /// What follows from the last event is in it already.
    machine: Machine,
    due: VecDeque<Event>,
    asked: VecDeque<Question>,
    /// Behind a start or a resumption, the state without what follows from it: whoever takes a run up looks first at what was asked
    /// meanwhile and at what time brought.
    taken_up: Option<State>,
}

impl Course {
    pub(crate) fn new(graph: Graph) -> Self {
        Self { machine: Machine::new(graph), due: VecDeque::new(), asked: VecDeque::new(), taken_up: None }
    }

    pub(crate) const fn state(&self) -> &State {
        self.machine.state()
    }

    /// Whether that attempt runs: it was begun and has not ended.
    pub(crate) fn is_running(&self, turn: &Turn) -> bool {
        let &Turn { ref step, iteration, attempt } = turn;
        self.state().at(step, iteration) == Some(&StepState::Running { iteration, attempt })
    }

    /// What the next recorded event is.
    ///
    /// # Errors
    /// What follows here in its place, or why nothing of its kind can stand there.
    pub(crate) fn place(&self, event: &Event) -> Result<Role, String> {
        if matches!(event, Event::RunForked(_)) {
            // What would have followed was never written down, an end among it.
            return if self.state().run() == RunState::New { Err(unfounded(event)) } else { Ok(Role::Fact) };
        }
        if let Event::RunResumed { resumed, .. } = event {
            // A process may have died before it wrote down what follows.
            let run = self.state().run();
            let unwritten = self.due.iter().any(|due| matches!(due, Event::RunEnded { .. }));
            let can_go_on = run != RunState::New && (run.over().is_none() || unwritten);
            let follows = self.state().resumed().checked_add(1) == Some(*resumed);
            return if can_go_on && follows { Ok(Role::Fact) } else { Err(unfounded(event)) };
        }
        if let Some(state) = &self.taken_up
            && comes_from_outside(event)
            && self.can_happen(event, state)
        {
            return Ok(Role::Fact);
        }
        if let Some(due) = self.due.front() {
            let holds = same(due, event);
            return if holds { Ok(Role::Consequence) } else { Err(instead(event, &told(due))) };
        }
        if let Some(question) = self.asked.front() {
            let holds = answers(event, question);
            return if holds { Ok(Role::Answer(question.clone())) } else { Err(instead(event, &asked(question))) };
        }
        if self.can_happen(event, self.state()) { Ok(Role::Fact) } else { Err(unfounded(event)) }
    }

    /// Whether something that is no consequence can happen in this state.
    fn can_happen(&self, event: &Event, state: &State) -> bool {
        let runs = state.run() == RunState::Running;
        let attempt = |step, iteration, attempt, only_if_it_waits: bool| match state.at(step, iteration) {
            Some(&StepState::Scheduled { iteration: turn, attempt: number }) => (turn, number) == (iteration, attempt),
            Some(&StepState::Running { iteration: turn, attempt: number }) => {
                !only_if_it_waits && (turn, number) == (iteration, attempt)
            }
            _ => false,
        };
        match event {
            Event::RunStarted(_) => state.run() == RunState::New,
            Event::StepScheduled { .. }
            | Event::ApprovalRequested { .. }
            | Event::StepSkipped { .. }
            | Event::LoopEnded { .. }
            | Event::CompensationStarted { .. }
            | Event::RunEnded { .. }
            | Event::ConditionEvaluated { .. }
            | Event::ValueResolved { .. }
            | Event::FilesPut(_)
            | Event::MapExpanded(_)
            | Event::MapEnded(_)
            | Event::ChildPlanned(_) => false,
            Event::AttemptStarted(started) => runs && attempt(&started.step, started.iteration, started.attempt, true),
            Event::HostCallRecorded(call) => {
                let turn = Turn { step: call.step.clone(), iteration: call.iteration, attempt: call.attempt };
                runs && self.is_running(&turn)
            }
            Event::ItemsDone(done) => {
                let turn = Turn { step: done.step.clone(), iteration: done.iteration, attempt: done.attempt };
                runs && self.is_running(&turn)
            }
            Event::AttemptSuspended(ended) => runs && attempt(&ended.step, 0, ended.attempt, false),
            Event::AttemptSucceeded(ended) => runs && attempt(&ended.step, ended.iteration, ended.attempt, false),
            Event::AttemptFailed(ended) => {
                let retries = self.machine.graph().node(&ended.step).and_then(|node| node.retry.as_ref());
                let retries = retries.filter(|_| state.cancelled().is_none());
                let turn = Turn { step: ended.step.clone(), iteration: ended.iteration, attempt: ended.attempt };
                let tries = state.try_number(&turn);
                let again = retries.and_then(|retry| retry.wait_ms(tries, &ended.failure.kind, 0)).is_some();
                runs && again == ended.retry_at_ms.is_some()
                    && attempt(&ended.step, ended.iteration, ended.attempt, false)
            }
            Event::ChildStarted(started) => {
                let same = state.child(&started.step, started.iteration).is_none_or(|child| child == started.child);
                runs && same && attempt(&started.step, started.iteration, started.attempt, true)
            }
            Event::ChildEnded(ended) => runs && attempt(&ended.step, ended.iteration, ended.attempt, false),
            // It may be written down while nobody works on the run.
            Event::ApprovalDecided { step, .. } => {
                let waits = state.run() == RunState::Ended(Status::Waiting);
                (runs || waits) && matches!(state.step(step), Some(StepState::Awaiting { attempt: 0, .. }))
            }
            Event::TimerFired { step, attempt, iteration, at_ms } => {
                let due = |state: &StepState| match state {
                    StepState::Resting { iteration: turn, attempt: before, until_ms } => {
                        (turn, before) == (iteration, attempt) && until_ms <= at_ms
                    }
                    // Its child got the answer for which it waited.
                    StepState::Awaiting { iteration: turn, attempt: before @ 1.., .. } => {
                        (turn, before) == (iteration, attempt)
                    }
                    _ => false,
                };
                runs && state.at(step, *iteration).is_some_and(due)
            }
            Event::CancelRequested { resumed, reason, compensating, .. } => {
                let heeded = !compensating || *reason == CancelReason::Interrupted;
                let now = (*resumed, *compensating) == (state.resumed(), state.compensation().is_some());
                runs && now && heeded && state.cancelled().is_none()
            }
            // What is not known here is taken as it is recorded.
            _ => runs,
        }
    }

    /// Goes on behind a recorded event; `past` is all that was recorded before it.
    pub(crate) fn pass(&mut self, event: &Event, role: &Role, past: &[Event]) {
        match role {
            Role::Consequence => drop(self.due.pop_front()),
            Role::Answer(_) => {
                self.asked.pop_front();
                self.machine.apply(event);
                // All that was asked is answered before anything follows from it.
                if self.asked.is_empty() {
                    self.go_on();
                }
            }
            Role::Fact => {
                if !self.due.is_empty() {
                    // What was never written down has not happened.
                    self.machine.set_state(State::after(past));
                }
                self.machine.apply(event);
                let begins = matches!(event, Event::RunStarted(_) | Event::RunResumed { .. });
                let looks_first = begins || self.taken_up.is_some() && comes_from_outside(event);
                self.taken_up = looks_first.then(|| self.state().clone());
                // The start of an attempt was commanded; nothing follows from it.
                if !matches!(event, Event::AttemptStarted(_) | Event::ChildStarted(_)) {
                    self.go_on();
                }
                return;
            }
        }
        self.taken_up = None;
    }

    /// Goes on behind an event from which on it is another run, by another plan; `past` is all that was recorded before.
    pub(crate) fn fork(&mut self, graph: Graph, event: &Event, past: &[Event]) {
        self.machine = Machine::at(graph, State::after(past));
        self.machine.apply(event);
        self.taken_up = Some(self.state().clone());
        self.go_on();
    }

    fn go_on(&mut self) {
        let next = self.machine.advance(0);
        self.due = next.events.into();
        self.asked = next.answer.into();
    }
}

/// Whether it is nothing that an attempt or a child brought.
const fn comes_from_outside(event: &Event) -> bool {
    matches!(event, Event::CancelRequested { .. } | Event::TimerFired { .. } | Event::ApprovalDecided { .. })
}

/// Whether they say the same, whenever it was.
fn same(due: &Event, recorded: &Event) -> bool {
    match (due, recorded) {
        (
            Event::RunEnded { status, resumed, .. },
            Event::RunEnded { status: recorded, resumed: recorded_resumed, .. },
        ) => status == recorded && resumed == recorded_resumed,
        (
            Event::CompensationStarted { status, steps, resumed, .. },
            Event::CompensationStarted { status: recorded, steps: recorded_steps, resumed: recorded_resumed, .. },
        ) => (status, steps, resumed) == (recorded, recorded_steps, recorded_resumed),
        (
            Event::ApprovalRequested { step, at_ms, submitted_by, expires_at_ms },
            Event::ApprovalRequested {
                step: recorded,
                at_ms: recorded_at_ms,
                submitted_by: recorded_by,
                expires_at_ms: recorded_expires,
            },
        ) => {
            let after = |expires: &Option<u64>, at_ms: &u64| expires.map(|expires| expires.checked_sub(*at_ms));
            (step, submitted_by) == (recorded, recorded_by)
                && after(expires_at_ms, at_ms) == after(recorded_expires, recorded_at_ms)
        }
        _ => due == recorded,
    }
}

fn answers(event: &Event, question: &Question) -> bool {
    match (event, question) {
        (
            Event::ConditionEvaluated { step, iteration, .. },
            Question::Condition { step: asked, iteration: asked_iteration },
        ) => step == asked && iteration == asked_iteration,
        (Event::ValueResolved { step, .. }, Question::Values { step: asked }) => step == asked,
        (Event::ChildPlanned(planned), Question::Child { step, iteration, submitted_by }) => {
            (&planned.step, &planned.iteration, &planned.submitted_by) == (step, iteration, submitted_by)
        }
        (Event::FilesPut(put), Question::Files { turn }) => {
            (&put.step, put.iteration, put.attempt) == (&turn.step, turn.iteration, turn.attempt)
        }
        (Event::HostCallRecorded(call), Question::Submitted { step }) => call.step == *step,
        (Event::MapExpanded(expanded), Question::Items { step }) => expanded.step == *step,
        (Event::MapEnded(ended), Question::Joined { step }) => ended.step == *step,
        _ => false,
    }
}

fn unfounded(event: &Event) -> String {
    format!("{} is recorded, and can't follow from what was recorded before", told(event))
}

fn instead(event: &Event, expected: &str) -> String {
    format!("{} is recorded, and {expected} follows", told(event))
}

fn asked(question: &Question) -> String {
    match question {
        Question::Condition { step, .. } => format!("an answer to the condition of step `{step}`"),
        Question::Values { step } => format!("the values of step `{step}`"),
        Question::Child { step, .. } => format!("the plan of what step `{step}` runs"),
        Question::Files { turn } => format!("that the files of step `{}` are in their places", turn.step),
        Question::Items { step } => format!("how many items step `{step}` goes over"),
        Question::Joined { step } => format!("what came of the items of step `{step}`"),
        Question::Submitted { step } => format!("what came of what step `{step}` submitted"),
    }
}

/// An event for people, in a few words.
fn told(event: &Event) -> String {
    let mut told = event.kind().to_owned();
    let Subject { step, iteration, attempt } = Subject::of(event);
    // Writing to a String can't fail.
    let _ = step.map(|step| write!(told, " of step `{step}`"));
    let _ = (iteration > 0).then(|| write!(told, ", iteration {iteration}"));
    let _ = (attempt > 0).then(|| write!(told, ", attempt {attempt}"));
    match event {
        Event::StepSkipped { because: SkipCause::Failed { step }, .. } => told + &format!(" since `{step}` failed"),
        Event::StepSkipped { because: SkipCause::Condition { step }, .. } => {
            told + &format!(" since the condition of `{step}` does not hold")
        }
        Event::StepSkipped { because: SkipCause::Cancelled, .. } => told + " since the run was cancelled",
        Event::LoopEnded { held: true, .. } => told + " since its condition held",
        Event::LoopEnded { held: false, .. } => told + " at its bound",
        Event::RunEnded { status, .. } => told + &format!(" as {status}"),
        _ => told,
    }
}

#[cfg(test)]
mod tests;

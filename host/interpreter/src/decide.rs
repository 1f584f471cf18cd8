//! What comes next: a pure function of graph and state.

use crate::command::{Command, Question, Turn};
use crate::compensation::{decide_compensating, to_compensate};
use crate::event::{CancelReason, SkipCause};
use crate::graph::{Graph, Node};
use crate::state::{Planned, RunState, State, StepState};
use palisade_model::StepId;
use palisade_model::record::Status;
use std::collections::BTreeMap;

/// Says what is to be done in this state, in the order of the graph. The same commands come again until the events that
/// take them up are applied.
///
/// A step is decided when all that it waits for has ended. Then it is skipped if something that it needs failed or was
/// skipped; else its condition is asked, then its values, then what the runbook will do that it runs, where that is an artifact;
/// then it is started, a person asked before where one is to be. A loop is judged after each iteration, and
/// ends at its bound at the latest. A map over a child runbook has a child run for each item, several at once, and ends when what
/// they made is joined. An agent that submitted a runbook goes on when that has been planned, approved and run, or
/// refused. A step that wrote files has succeeded when they are in their places. When no step is left, the run ends; one that failed or was cancelled first undoes what
/// it did, as far as the graph says how. A run that is to be cancelled skips what does not
/// run yet, scheduled steps included, and ends when what runs has ended: the driver forgets the attempts that it has not
/// started. One that is interrupted leaves its steps as they are, to be taken up again, and ends when nothing runs. A run
/// of which only steps are left that wait for a person, or for such steps, ends too, until a person has answered. A child
/// run that has not ended is always taken up again, to be cancelled if its parent was: it has a journal of its own.
#[must_use]
pub fn decide(graph: &Graph, state: &State) -> Vec<Command> {
    let mut tally = Tally::default();
    graph.nodes().iter().for_each(|node| tally.add(Standing::of(state.step(&node.step))));
    decide_counted(graph, state, &tally, || graph.nodes().iter().filter_map(|node| decide_step(node, state)).collect())
}

/// As [`decide`], for who has counted how the steps stand and knows what there is to do for each of them.
pub(crate) fn decide_counted(
    graph: &Graph,
    state: &State,
    tally: &Tally,
    for_steps: impl FnOnce() -> Vec<Command>,
) -> Vec<Command> {
    if state.run() != RunState::Running {
        return Vec::new();
    }
    if let Some(compensation) = state.compensation() {
        return decide_compensating(graph, state, compensation);
    }
    let resumed = state.resumed();
    let end = |status| vec![Command::EndRun { status, resumed }];
    if tally.of(Standing::Ended) == graph.nodes().len() {
        let status = final_status(graph, state);
        let steps = to_compensate(graph, state, status);
        return if steps.is_empty() { end(status) } else { vec![Command::Compensate { status, steps, resumed }] };
    }
    if state.cancelled() == Some(CancelReason::Interrupted) {
        return if tally.of(Standing::Running) > 0 { Vec::new() } else { end(Status::Interrupted) };
    }
    let commands = for_steps();
    let goes_on = tally.of(Standing::Running) + tally.of(Standing::Pending) > 0;
    if commands.is_empty() && tally.of(Standing::Awaiting) > 0 && !goes_on {
        return end(Status::Waiting);
    }
    commands
}

/// How a step counts for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It waits for others, or for a command.
    Idle,
    /// It waits for room or for its time, which comes by itself.
    Pending,
    /// It runs.
    Running,
    /// It waits for a person.
    Awaiting,
    /// It has ended.
    Ended,
}

impl Standing {
    pub(crate) fn of(state: Option<&StepState>) -> Self {
        match state {
            None
            | Some(
                StepState::Due { .. }
                | StepState::Iterated { .. }
                | StepState::Suspended { .. }
                | StepState::Settled { .. }
                | StepState::Writing { .. },
            ) => Self::Idle,
            Some(StepState::Scheduled { .. } | StepState::Resting { .. }) => Self::Pending,
            Some(StepState::Running { .. }) => Self::Running,
            Some(StepState::Awaiting { .. }) => Self::Awaiting,
            Some(StepState::Mapping(mapping)) => mapping.standing(),
            Some(
                StepState::Succeeded { .. }
                | StepState::Failed { .. }
                | StepState::Cancelled { .. }
                | StepState::Skipped { .. },
            ) => Self::Ended,
        }
    }
}

/// How many steps stand how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally(BTreeMap<Standing, usize>);

impl Tally {
    pub(crate) fn of(&self, standing: Standing) -> usize {
        self.0.get(&standing).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, standing: Standing) {
        *self.0.entry(standing).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, standing: Standing) {
        if let Some(count) = self.0.get_mut(&standing) {
            *count = count.saturating_sub(1);
        }
    }
}

fn has_ended(step: &StepId, state: &State) -> bool {
    state.step(step).is_some_and(|step| step.status().is_some())
}

pub(crate) fn decide_step(node: &Node, state: &State) -> Option<Command> {
    let step = node.step.clone();
    match state.step(&step) {
        None => decide_new(node, state),
        // What is written down as written is put there, cancelled or not.
        Some(&StepState::Writing { iteration, attempt, .. }) => {
            Some(Command::Answer(Question::Files { turn: Turn { step, iteration, attempt } }))
        }
        Some(StepState::Mapping(mapping)) => {
            let has_child = |item| state.child(&step, item).is_some();
            mapping.decide(&step, node.maps_child.unwrap_or(1), state.cancelled().is_some(), has_child)
        }
        Some(&StepState::Awaiting { iteration, attempt, .. })
            if state.cancelled().is_some() && state.child(&step, iteration).is_some() =>
        {
            Some(Command::StartAttempt(Turn { step, iteration, attempt: attempt.saturating_add(1) }))
        }
        Some(standing) if standing.is_idle() && state.cancelled().is_some() && !state.has_child(&step) => {
            Some(Command::SkipStep { step, because: SkipCause::Cancelled })
        }
        // A person has approved its runbook.
        Some(&StepState::Due { .. }) if node.maps_child.is_some() => Some(Command::Answer(Question::Items { step })),
        Some(&StepState::Due { iteration, attempt }) => {
            Some(Command::StartAttempt(Turn { step, iteration, attempt: attempt.saturating_add(1) }))
        }
        Some(StepState::Iterated { iteration, .. }) => Some(decide_loop(node, *iteration, state)),
        Some(&StepState::Suspended { attempt }) => Some(decide_made(node, 0, attempt, state)),
        Some(StepState::Settled { .. }) => Some(Command::Answer(Question::Submitted { step })),
        Some(_) => None,
    }
}

fn decide_new(node: &Node, state: &State) -> Option<Command> {
    let step = node.step.clone();
    if state.cancelled().is_some() {
        let because = missing(node, state).unwrap_or(SkipCause::Cancelled);
        return Some(Command::SkipStep { step, because });
    }
    if !node.waits_for().all(|other| has_ended(other, state)) {
        return None;
    }
    if let Some(because) = missing(node, state) {
        return Some(Command::SkipStep { step, because });
    }
    match state.held(&step, 0) {
        None if node.has_condition => {
            return Some(Command::Answer(Question::Condition { step, iteration: 0 }));
        }
        Some(false) => return Some(Command::SkipStep { because: SkipCause::Condition { step: step.clone() }, step }),
        None | Some(true) => {}
    }
    if node.has_values && state.values(&step).is_none() {
        return Some(Command::Answer(Question::Values { step }));
    }
    if let Some(approval) = node.approval {
        return Some(Command::RequestApproval { step, submitted_by: 0, expires_ms: approval.expires_ms });
    }
    let iteration = u32::from(node.iterations.is_some());
    if node.runs_artifact {
        return Some(decide_made(node, iteration, 0, state));
    }
    Some(begin(node, iteration, 1))
}

/// What comes next of a runbook that no person wrote: its plan, then a person's yes where one is needed, then its run.
fn decide_made(node: &Node, iteration: u32, submitted_by: u32, state: &State) -> Command {
    let step = node.step.clone();
    match state.planned(&step) {
        None => Command::Answer(Question::Child { step, iteration, submitted_by }),
        Some(Planned { waits: true, expires_ms, .. }) => Command::RequestApproval { step, submitted_by, expires_ms },
        Some(_) => begin(node, iteration, submitted_by.saturating_add(1)),
    }
}

/// Begins what a step does: of a map over a child runbook its items are counted first.
fn begin(node: &Node, iteration: u32, attempt: u32) -> Command {
    let step = node.step.clone();
    match node.maps_child {
        Some(_) => Command::Answer(Question::Items { step }),
        None => Command::StartAttempt(Turn { step, iteration, attempt }),
    }
}

/// What comes after an iteration of a loop.
fn decide_loop(node: &Node, iteration: u32, state: &State) -> Command {
    let step = node.step.clone();
    match state.held(&step, iteration) {
        None => Command::Answer(Question::Condition { step, iteration }),
        Some(false) if iteration < node.iterations.unwrap_or(0) => {
            Command::StartAttempt(Turn { step, iteration: iteration + 1, attempt: 1 })
        }
        Some(held) => Command::EndLoop { step, iteration, held },
    }
}

/// Why nothing will come of a step, if so. A failure counts more than a condition that did not hold, so that it does not
/// depend on their order whether the run fails.
fn missing(node: &Node, state: &State) -> Option<SkipCause> {
    let rank = |cause: &SkipCause| match cause {
        SkipCause::Failed { .. } => 0,
        SkipCause::Cancelled => 1,
        SkipCause::Condition { .. } => 2,
    };
    node.needs.iter().filter_map(|needed| will_not_come(needed, state)).min_by_key(rank)
}

/// Why what a step makes will never be there, if so.
fn will_not_come(step: &StepId, state: &State) -> Option<SkipCause> {
    match state.step(step)? {
        StepState::Failed { .. } => Some(SkipCause::Failed { step: step.clone() }),
        StepState::Cancelled { .. } => Some(SkipCause::Cancelled),
        StepState::Skipped { because } => Some(because.clone()),
        StepState::Scheduled { .. }
        | StepState::Running { .. }
        | StepState::Resting { .. }
        | StepState::Due { .. }
        | StepState::Iterated { .. }
        | StepState::Suspended { .. }
        | StepState::Settled { .. }
        | StepState::Awaiting { .. }
        | StepState::Mapping(_)
        | StepState::Writing { .. }
        | StepState::Succeeded { .. } => None,
    }
}

fn final_status(graph: &Graph, state: &State) -> Status {
    let is_missing = |node: &Node| {
        !matches!(
            state.step(&node.step),
            Some(StepState::Succeeded { .. } | StepState::Skipped { because: SkipCause::Condition { .. } })
        )
    };
    let wanted_is_missing = graph.nodes().iter().any(|node| is_missing(node) && !node.optional);
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
mod tests;

//! The steps of a run with their attempts and child runs below them: a fold over its events.

use crate::history::{History, HistoryError};
use crate::record::rfc3339;
use palisade_interpreter::{Compensation, Event, MapOutcome, Output, RunInput, SkipCause, State, StepState};
use palisade_model::record::Status;
use palisade_model::{Failure, FailureKind, RunId, StepId, Usage};
use palisade_runbook::{BindingSource, Plan, PlannedStep, PlannedWork};
use palisade_store::Store;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepNode {
    /// Which.
    pub step: StepId,
    /// Its type as a runbook writes it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The component that it runs, `id@version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// What the runbook fixes of the configs of what an agent may call, by component.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, Map<String, Value>>,
    /// The step that it undoes, since the run failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compensates: Option<StepId>,
    /// How it stands, in one word.
    pub state: &'static str,
    /// Why it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipCause>,
    /// Why it failed before it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How often it was tried, in order; of a loop, all iterations.
    pub attempts: Vec<AttemptNode>,
}

/// An attempt of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptNode {
    /// Its number, from 1; within one iteration of a loop.
    pub attempt: u32,
    /// The iteration of a loop or the item of a map over a child runbook, from 1; 0 = the step is neither.
    pub iteration: u32,
    /// How it stands, in one word.
    pub state: &'static str,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
    /// Milliseconds until it ended; none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The run in which it was, where this one took over what it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_run: Option<RunId>,
    /// The child run that it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<ChildNode>,
    /// The items of its input, each of which ran by itself; none for what is no map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_items: Option<u64>,
    /// What it used, and what calls did that it made; before it ended those calls alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it made.
    pub outputs: Vec<Output>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A child run below a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChildNode {
    /// Which run.
    pub run_id: RunId,
    /// The name of its runbook; none before it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its steps.
    pub steps: Vec<StepNode>,
}

/// How a step stands, in one word. `waiting` is for others, `scheduled` for room, `retrying` for its next attempt,
/// `awaiting` for a person.
#[must_use]
pub fn state_name(state: Option<&StepState>) -> &'static str {
    match state {
        None => "waiting",
        Some(
            StepState::Scheduled { .. }
            | StepState::Due { .. }
            | StepState::Suspended { .. }
            | StepState::Settled { .. },
        ) => "scheduled",
        Some(StepState::Resting { .. }) => "retrying",
        Some(StepState::Awaiting { .. }) => "awaiting",
        Some(StepState::Running { .. } | StepState::Iterated { .. } | StepState::Writing { .. }) => "running",
        Some(StepState::Mapping(mapping)) => {
            if mapping.only_awaits() {
                "awaiting"
            } else {
                "running"
            }
        }
        Some(ended) => ended.status().map_or("running", palisade_model::record::Status::name),
    }
}

/// The steps of a run in the order of its plan, with those of its children below them.
///
/// # Errors
/// When a run can't be told.
pub fn whole_tree(store: &Store, plan: &Plan, history: &History, goes_on: bool) -> Result<Vec<StepNode>, HistoryError> {
    with_children(store, plan, history, goes_on, &mut BTreeSet::from([history.run()]))
}

fn with_children(
    store: &Store,
    plan: &Plan,
    history: &History,
    goes_on: bool,
    met: &mut BTreeSet<RunId>,
) -> Result<Vec<StepNode>, HistoryError> {
    let mut steps = tree(plan, history.events(), goes_on);
    let attempts = steps.iter_mut().flat_map(|step| &mut step.attempts);
    for attempt in attempts {
        let Some(child) = &mut attempt.child else { continue };
        // Whoever can write the database can make a circle of runs: each is told once.
        if !met.insert(child.run_id) {
            attempt.child = None;
            continue;
        }
        // Its parent speaks of it before it begins.
        if store.run(child.run_id)?.is_none() {
            continue;
        }
        let history = History::read(store, child.run_id)?;
        let plan = history.plan(store)?;
        child.steps = with_children(store, &plan, &history, goes_on, met)?;
        child.name = Some(plan.name);
    }
    Ok(steps)
}

/// The steps in the order of the plan, then those that undo others, in the order in which they run. `goes_on` says whether somebody works on the run; else what has not ended never will.
pub(crate) fn tree(plan: &Plan, events: &[Event], goes_on: bool) -> Vec<StepNode> {
    let state = State::after(events);
    let mut inputs: &[RunInput] = &[];
    let mut attempts: BTreeMap<&StepId, Vec<(u64, AttemptNode)>> = BTreeMap::new();
    let mut failures: BTreeMap<&StepId, &Failure> = BTreeMap::new();
    let mut items: BTreeMap<(&StepId, &str), u64> = BTreeMap::new();
    for event in events {
        match event {
            Event::RunStarted(started) => inputs = &started.inputs,
            Event::AttemptStarted(started) => {
                // What came of what an agent submitted has not failed it.
                failures.remove(&started.step);
                let step = plan.step(&started.step);
                let node = AttemptNode {
                    from_run: None,
                    child: None,
                    attempt: started.attempt,
                    iteration: started.iteration,
                    state: if goes_on { "running" } else { "abandoned" },
                    started_at: rfc3339(started.at_ms),
                    duration_ms: None,
                    mapped_items: step.and_then(|step| mapped_items(step, inputs, &items)),
                    usage: None,
                    outputs: Vec::new(),
                    failure: None,
                };
                attempts.entry(&started.step).or_default().push((started.at_ms, node));
            }
            Event::AttemptSucceeded(ended) => {
                for output in &ended.outputs {
                    items.insert((&ended.step, output.port.as_str()), output.items);
                }
                if let Some((from, node)) = attempts.get_mut(&ended.step).and_then(|all| all.last_mut()) {
                    node.state = "succeeded";
                    node.duration_ms = Some(ended.at_ms.saturating_sub(*from));
                    count(node, ended.own.as_ref().unwrap_or(&ended.usage));
                    node.outputs.clone_from(&ended.outputs);
                }
            }
            Event::HostCallRecorded(call) => {
                let own = call.own.filter(|own| *own != Usage::default());
                if let (Some(own), Some((_, node))) = (own, attempts.get_mut(&call.step).and_then(|all| all.last_mut()))
                {
                    count(node, &own);
                }
            }
            Event::AttemptSuspended(ended) => {
                if let Some((from, node)) = attempts.get_mut(&ended.step).and_then(|all| all.last_mut()) {
                    node.state = "suspended";
                    node.duration_ms = Some(ended.at_ms.saturating_sub(*from));
                    count(node, ended.own.as_ref().unwrap_or(&ended.usage));
                }
            }
            Event::AttemptFailed(ended) => {
                if let Some((from, node)) = attempts.get_mut(&ended.step).and_then(|all| all.last_mut()) {
                    let cancelled = ended.failure.kind == FailureKind::Cancelled;
                    node.state = if cancelled { "cancelled" } else { "failed" };
                    node.duration_ms = Some(ended.at_ms.saturating_sub(*from));
                    count(node, ended.own.as_ref().unwrap_or(&ended.usage));
                    node.failure = Some(ended.failure.clone());
                }
            }
            Event::ChildStarted(started) => {
                let all = attempts.entry(&started.step).or_default();
                let child = ChildNode { run_id: started.child, name: None, steps: Vec::new() };
                // One that goes on is told where it began.
                all.retain(|(_, node)| node.child.as_ref().is_none_or(|known| known.run_id != started.child));
                let node = AttemptNode {
                    from_run: None,
                    child: Some(child),
                    attempt: started.attempt,
                    iteration: started.iteration,
                    state: if goes_on { "running" } else { "abandoned" },
                    started_at: rfc3339(started.at_ms),
                    duration_ms: None,
                    mapped_items: None,
                    usage: None,
                    outputs: Vec::new(),
                    failure: None,
                };
                all.push((started.at_ms, node));
            }
            Event::ChildEnded(ended) => {
                for output in &ended.outputs {
                    items.insert((&ended.step, output.port.as_str()), output.items);
                }
                // Those of a map go on side by side.
                let of_child = |(_, node): &&mut (u64, AttemptNode)| {
                    node.child.as_ref().is_some_and(|child| child.run_id == ended.child)
                };
                let all = attempts.entry(&ended.step).or_default();
                if let Some((from, node)) = all.iter_mut().rev().find(of_child) {
                    node.state = if ended.status == Status::Waiting { "awaiting" } else { ended.status.name() };
                    node.duration_ms = Some(ended.at_ms.saturating_sub(*from));
                    node.usage = Some(ended.usage);
                    node.outputs.clone_from(&ended.outputs);
                    node.failure.clone_from(&ended.failure);
                }
            }
            Event::MapEnded(ended) => {
                failures.extend(event.failure());
                // In the order of the items, whichever was quicker.
                let all = attempts.entry(&ended.step).or_default();
                all.sort_by_key(|(_, node)| (node.iteration, node.attempt));
                if let MapOutcome::Joined { outputs } = &ended.outcome {
                    for output in outputs {
                        items.insert((&ended.step, output.port.as_str()), output.items);
                    }
                }
            }
            Event::RunResumed { .. } => {
                // Nobody knows any more what they would have come to.
                let unended = attempts.values_mut().flatten().filter(|(_, node)| node.duration_ms.is_none());
                unended.for_each(|(_, node)| node.state = "abandoned");
            }
            Event::RunForked(forked) => {
                let kept: BTreeSet<&StepId> = forked.kept.iter().collect();
                attempts.retain(|step, _| kept.contains(step));
                failures.retain(|step, _| kept.contains(step));
                let taken_over = attempts.values_mut().flatten();
                taken_over.for_each(|(_, node)| {
                    node.from_run.get_or_insert(forked.from);
                });
            }
            _ => failures.extend(event.failure()),
        }
    }
    let undoing = state.compensation().map_or(&[][..], Compensation::steps);
    let mut node = |step: &PlannedStep, compensates: Option<&StepId>| {
        let known = state.step(&step.id);
        let state = state_name(known);
        StepNode {
            step: step.id.clone(),
            kind: step.kind(),
            component: step.call().map(|call| format!("{}@{}", call.component, call.version)),
            fixed: fixed(step),
            compensates: compensates.cloned(),
            state: if state == "running" && !goes_on { "abandoned" } else { state },
            skipped: match known {
                Some(StepState::Skipped { because }) => Some(because.clone()),
                _ => None,
            },
            failure: failures.get(&step.id).map(|failure| (*failure).clone()),
            attempts: attempts.remove(&step.id).unwrap_or_default().into_iter().map(|(_, node)| node).collect(),
        }
    };
    let mut nodes: Vec<_> = plan.steps.iter().map(|step| node(step, None)).collect();
    nodes.extend(
        undoing.iter().filter_map(|id| plan.compensation(id)).map(|(undone, undo)| node(undo, Some(&undone.id))),
    );
    nodes
}

/// Adds what an attempt used, or a call that it made.
fn count(node: &mut AttemptNode, used: &Usage) {
    node.usage.get_or_insert_default().join(used);
}

/// What no call changes of the configs of what an agent may call.
fn fixed(step: &PlannedStep) -> BTreeMap<String, Map<String, Value>> {
    let fixed = step.callable().filter(|called| !called.fixed.is_empty());
    fixed.map(|called| (called.call.component.to_string(), called.fixed_config())).collect()
}

/// How many items a map goes over.
fn mapped_items(step: &PlannedStep, inputs: &[RunInput], items: &BTreeMap<(&StepId, &str), u64>) -> Option<u64> {
    if !matches!(step.work, PlannedWork::Map { .. }) {
        return None;
    }
    step.inputs.iter().find_map(|binding| match &binding.source {
        BindingSource::Step { step, port } => items.get(&(step, port.as_str())).copied(),
        BindingSource::Input { name } => inputs.iter().find(|input| input.name == *name).map(|input| input.items),
        BindingSource::Ruleset { .. } => None,
    })
}

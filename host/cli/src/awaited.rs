//! The steps of runs that wait for a person, those of child runs too.

use crate::commands::runs::not_told;
use crate::failure::CliError;
use crate::workspace::not_read;
use palisade_engine::{Event, History, PlanningOutcome, State};
use palisade_model::unit::Count;
use palisade_model::{Digest, RunId, StepId, neutral};
use palisade_runbook::{BindingSource, Plan, PlannedStep, PlannedWork};
use palisade_store::Store;
use serde::Serialize;

/// A step that waits for a person.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Awaited {
    /// The run that a person started.
    pub(crate) root: RunId,
    /// The run whose step it is.
    pub(crate) run: RunId,
    /// The steps of the runs above it for which they run, and it: `the_child/look_at_it`; in a map with the item's number,
    /// `each:3/look_at_it`.
    pub(crate) path: String,
    /// The step.
    pub(crate) step: StepId,
    /// What the person is asked.
    pub(crate) message: String,
    /// Who may answer; empty = whoever operates the host.
    pub(crate) approvers: Vec<String>,
    /// The runbook that is to run, where the question is whether it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runbook: Option<MadeRunbook>,
    /// What they are to look at, as `NAME (SCHEMA, N items)`.
    pub(crate) shown: Vec<String>,
    /// When the answer is no by itself, in milliseconds since 1970.
    pub(crate) expires_at_ms: Option<u64>,
    /// The runs above its own, from the nearest outwards.
    #[serde(skip)]
    pub(crate) above: Vec<RunId>,
}

/// A runbook that is an artifact. The answer is about this one and no other.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct MadeRunbook {
    /// The digest of its text.
    pub(crate) digest: Digest,
    /// The digest of its plan.
    pub(crate) plan_digest: Digest,
}

/// All of a run and those below it.
///
/// # Errors
/// When a run can't be told.
pub(crate) fn of(store: &Store, root: RunId) -> Result<Vec<Awaited>, CliError> {
    let mut found = Vec::new();
    add(store, root, root, "", &[], &mut found)?;
    Ok(found)
}

fn add(
    store: &Store,
    root: RunId,
    run: RunId,
    path: &str,
    above: &[RunId],
    found: &mut Vec<Awaited>,
) -> Result<(), CliError> {
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    let state = history.state_after(history.events().len());
    // Most runs wait for nobody, and their plans may be large.
    if state.awaited().next().is_none() && state.children().next().is_none() {
        return Ok(());
    }
    let plan = history.plan(store).map_err(|error| not_told(&error))?;
    for step in &plan.steps {
        for (turn, child) in state.children_of(&step.id) {
            // Its parent speaks of it before it begins.
            if store.run(child).map_err(|fault| not_read(&fault))?.is_some() {
                let above: Vec<_> = std::iter::once(run).chain(above.iter().copied()).collect();
                let item = if step.maps_child() { format!(":{turn}") } else { String::new() };
                add(store, root, child, &format!("{path}{}{item}/", step.id), &above, found)?;
            }
        }
        if !state.awaited().any(|awaited| *awaited == step.id) {
            continue;
        }
        let (message, approvers) = match &step.work {
            PlannedWork::Approval { message, approvers, .. } => (message.clone(), approvers.clone()),
            _ => (question(step), Vec::new()),
        };
        found.push(Awaited {
            root,
            run,
            path: format!("{path}{}", step.id),
            step: step.id.clone(),
            message,
            approvers,
            runbook: made(&history, &step.id),
            shown: shown(&plan, step, &state, &history),
            expires_at_ms: state.until_ms(&step.id),
            above: above.to_vec(),
        });
    }
    Ok(())
}

/// What a person is asked of a runbook that is an artifact.
fn question(step: &PlannedStep) -> String {
    let Some(plan) = step.runs_or_submits().and_then(|child| child.runbook.plan()) else { return String::new() };
    let steps = Count(plan.steps.len() as u64).of("step");
    format!("may the runbook `{}` run, of {steps}, which nobody has read yet?", neutral::line(&plan.name, 80))
}

fn made(history: &History, step: &StepId) -> Option<MadeRunbook> {
    history.events().iter().rev().find_map(|event| match event {
        Event::ChildPlanned(planned) if planned.step == *step => match planned.outcome {
            PlanningOutcome::Planned { plan, runbook, .. } => Some(MadeRunbook { digest: runbook, plan_digest: plan }),
            PlanningOutcome::Refused { .. } => None,
        },
        _ => None,
    })
}

fn shown(plan: &Plan, step: &PlannedStep, state: &State, history: &History) -> Vec<String> {
    let given = history.start().map(|started| started.inputs.as_slice()).unwrap_or_default();
    let one = |source: &BindingSource| {
        let items = match source {
            BindingSource::Step { step, port } => {
                state.outputs(step)?.iter().find(|made| made.port == *port).map(|made| made.items)
            }
            BindingSource::Input { name } => given.iter().find(|input| input.name == *name).map(|input| input.items),
            BindingSource::Ruleset { .. } => None,
        };
        let items = items.map_or_else(String::new, |items| format!(", {}", Count(items).of("item")));
        Some(format!("{} ({}{items})", plan.name_of(source), plan.schema_of(source)?))
    };
    step.inputs.iter().filter_map(|binding| one(&binding.source)).collect()
}

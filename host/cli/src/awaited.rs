//! The steps of runs that wait for a person, those of child runs too.

use crate::commands::runs::not_told;
use crate::failure::CliError;
use crate::workspace::not_read;
use palisade_engine::{History, State};
use palisade_model::{RunId, StepId};
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
    /// The steps of the runs above it for which they run, and it: `the_child/look_at_it`.
    pub(crate) path: String,
    /// The step.
    pub(crate) step: StepId,
    /// What the person is asked.
    pub(crate) message: String,
    /// Who may answer; empty = whoever operates the host.
    pub(crate) approvers: Vec<String>,
    /// What they are to look at, as `NAME (SCHEMA, N items)`.
    pub(crate) shown: Vec<String>,
    /// When the answer is no by itself, in milliseconds since 1970.
    pub(crate) expires_at_ms: Option<u64>,
    /// The steps on the way with the runs that they belong to, from the run above it outwards.
    #[serde(skip)]
    pub(crate) above: Vec<(RunId, StepId)>,
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
    above: &[(RunId, StepId)],
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
        if let Some(child) = state.child(&step.id) {
            // Its parent speaks of it before it begins.
            if store.run(child).map_err(|fault| not_read(&fault))?.is_some() {
                let above: Vec<_> = std::iter::once((run, step.id.clone())).chain(above.iter().cloned()).collect();
                add(store, root, child, &format!("{path}{}/", step.id), &above, found)?;
            }
        }
        let PlannedWork::Approval { message, approvers, .. } = &step.work else { continue };
        if !state.awaited().any(|awaited| *awaited == step.id) {
            continue;
        }
        found.push(Awaited {
            root,
            run,
            path: format!("{path}{}", step.id),
            step: step.id.clone(),
            message: message.clone(),
            approvers: approvers.clone(),
            shown: shown(&plan, step, &state, &history),
            expires_at_ms: state.until_ms(&step.id),
            above: above.to_vec(),
        });
    }
    Ok(())
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
        let items = items.map_or_else(String::new, |items| format!(", {items} items"));
        Some(format!("{} ({}{items})", plan.name_of(source), plan.schema_of(source)?))
    };
    step.inputs.iter().filter_map(|binding| one(&binding.source)).collect()
}

//! Plans as the store has them, those of runbooks that are artifacts put into that of the run that made them.

use crate::history::HistoryError;
use palisade_interpreter::{Event, PlanningOutcome};
use palisade_model::{Digest, RunId, StepId};
use palisade_runbook::Plan;
use palisade_schema::Registry;
use palisade_store::Store;
use std::collections::BTreeMap;

/// How schemas are named among what a run keeps.
pub(crate) const SCHEMA: &str = "schema ";

/// A plan of a run, as it was stored: without those of runbooks that are artifacts.
///
/// # Errors
/// When it is not in the store or has a form of another version of Palisade.
pub fn read_plan(store: &Store, run: RunId, digest: Digest) -> Result<Plan, HistoryError> {
    let content = store.content(digest)?.ok_or(HistoryError::Missing { run, what: "plan" })?;
    Plan::read(&content.read_all()?).map_err(|source| HistoryError::Plan { run, source })
}

/// Adds the plans that were made while the run went on to the steps that run by them.
///
/// # Errors
/// When one is not in the store or has a form of another version of Palisade.
pub(crate) fn fill_in(plan: &mut Plan, events: &[Event], store: &Store, run: RunId) -> Result<(), HistoryError> {
    for MadeChild { step, plan: digest, .. } in made_children(events) {
        plan.fill_in(step, read_plan(store, run, digest)?);
    }
    Ok(())
}

/// A plan that was made of a runbook that is an artifact.
pub(crate) struct MadeChild<'e> {
    /// The step that runs by it.
    pub(crate) step: &'e StepId,
    pub(crate) plan: Digest,
    /// All else that it needs.
    pub(crate) contents: &'e BTreeMap<String, Digest>,
}

/// The plans that were made while the run went on; of one that was forked, without those of steps that then began anew.
pub(crate) fn made_children(events: &[Event]) -> Vec<MadeChild<'_>> {
    let mut made = Vec::new();
    for event in events {
        match event {
            Event::ChildPlanned(planned) => {
                if let PlanningOutcome::Planned { plan, contents, .. } = &planned.outcome {
                    made.push(MadeChild { step: &planned.step, plan: *plan, contents });
                }
            }
            Event::RunForked(forked) => made.retain(|made: &MadeChild<'_>| forked.kept.contains(made.step)),
            _ => {}
        }
    }
    made
}

/// The schemas among what a run keeps.
///
/// # Errors
/// When one is not in the store, or is none.
pub(crate) fn schemas_in(
    store: &Store,
    run: RunId,
    contents: &BTreeMap<String, Digest>,
) -> Result<Registry, HistoryError> {
    let mut schemas = Registry::default();
    for (what, digest) in contents {
        let Some(name) = what.strip_prefix(SCHEMA) else { continue };
        let content = store.content(*digest)?.ok_or(HistoryError::Missing { run, what: "schema" })?;
        let json = serde_json::from_slice(&content.read_all()?).ok();
        let registered = name.parse().ok().zip(json).map(|(name, json)| schemas.register(&name, &json));
        registered.and_then(Result::ok).ok_or(HistoryError::Schema { run, name: name.to_owned() })?;
    }
    Ok(schemas)
}

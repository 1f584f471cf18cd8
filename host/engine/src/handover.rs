//! What a child run gets of the step that runs it, and what it hands back: the same whoever drives it.

use crate::document::default_artifact;
use crate::lookup::{Lookup, source};
use crate::run::RunError;
use palisade_interpreter::{Output, RunInput};
use palisade_runbook::{BindingSource, Plan, PlannedInput, PlannedStep};
use palisade_schema::Registry;
use palisade_store::{Artifact, NewArtifact, Store};
use std::collections::BTreeMap;

/// What a step hands over, by the names that it has in the child.
pub(crate) fn bound(
    lookup: &Lookup<'_>,
    step: &PlannedStep,
    iteration: u32,
) -> Result<BTreeMap<String, Artifact>, RunError> {
    let mut bound = BTreeMap::new();
    for binding in &step.inputs {
        let found = lookup.artifact(&source(step, binding, iteration))?;
        bound.extend(found.map(|found| (binding.port.clone(), found)));
    }
    Ok(bound)
}

/// What a child gets: what is handed over, and the defaults of what it does not, which are made now.
pub(crate) fn inputs(
    plan: &Plan,
    schemas: &Registry,
    mut given: BTreeMap<String, Artifact>,
    store: &Store,
) -> Result<(Vec<RunInput>, Vec<NewArtifact>), RunError> {
    let (mut inputs, mut made) = (Vec::new(), Vec::new());
    for planned in &plan.inputs {
        let PlannedInput { name, schema, default, .. } = planned;
        let given = given.remove(name.as_str());
        let (name, schema) = (name.clone(), schema.clone());
        if let Some(given) = given {
            let (items, bytes) = (given.items.lines(), given.items.length());
            inputs.push(RunInput { name, artifact: given.digest, schema, items, bytes, is_default: false });
        } else if let Some(default) = default {
            let known = schemas.get(&schema);
            let known = known.ok_or_else(|| RunError::Missing { what: format!("schema {schema}") })?;
            let artifact = default_artifact(default, known, store)?;
            let (items, bytes) = (artifact.items().lines(), artifact.items().length());
            inputs.push(RunInput { name, artifact: artifact.digest(), schema, items, bytes, is_default: true });
            made.push(artifact);
        }
    }
    Ok((inputs, made))
}

/// What a child hands to its parent, by name: its results, and what its runbook offers. `plan` is its plan with those of
/// runbooks that are artifacts as far as they were made.
pub(crate) fn results(plan: &Plan, lookup: &Lookup<'_>) -> Result<Vec<Output>, RunError> {
    let results = plan.results().into_iter().map(|(name, source)| (name.to_string(), source));
    let offered = plan.offers.iter().map(|(name, source)| (name.clone(), source.clone()));
    let mut outputs: Vec<Output> = Vec::new();
    for (name, source) in results.chain(offered) {
        if outputs.iter().any(|known| known.port == name) {
            continue;
        }
        outputs.extend(match &source {
            BindingSource::Step { step, port } => {
                let made = lookup.state.outputs(step).unwrap_or_default().iter().find(|made| made.port == *port);
                made.map(|made| Output { port: name, ..made.clone() })
            }
            BindingSource::Input { .. } | BindingSource::Ruleset { .. } => {
                let found = lookup.artifact(&source)?;
                found.map(|found| Output {
                    port: name,
                    artifact: found.digest,
                    items: found.items.lines(),
                    bytes: found.items.length(),
                    schema: found.schema,
                })
            }
        });
    }
    Ok(outputs)
}

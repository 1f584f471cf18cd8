//! What a run stored, and what it made, read with every byte checked. Reads the store alone.

use super::ReplayError;
use crate::engine::Engine;
use crate::record::rfc3339;
use palisade_model::Digest;
use palisade_runbook::Plan;
use palisade_store::{Artifact, Fault, Store};
use std::collections::{BTreeMap, BTreeSet};

/// An artifact that a record names.
///
/// # Errors
/// When it is not there, or its row was changed.
pub(crate) fn artifact(store: &Store, digest: Digest, what: &dyn Fn() -> String) -> Result<Artifact, ReplayError> {
    let found = store.artifact(digest).map_err(|fault| damaged(fault, what))?;
    match found {
        Some(found) => Ok(found),
        None => Err(missing(store, digest, what)?),
    }
}

/// Why something is not there.
fn missing(store: &Store, digest: Digest, what: &dyn Fn() -> String) -> Result<ReplayError, ReplayError> {
    Ok(match store.erased(digest)? {
        Some(at_ms) => ReplayError::Erased { what: what(), at: rfc3339(at_ms) },
        None => ReplayError::Missing { what: what(), digest },
    })
}

/// Reads every byte of an artifact's items.
///
/// # Errors
/// When they are not those that were stored.
pub(crate) fn verify(artifact: &Artifact, what: &dyn Fn() -> String) -> Result<(), ReplayError> {
    artifact.items.verify().map_err(|fault| damaged(fault, what))
}

/// Checks everything that the run stored, and that it is what its plan names. Gives the artifacts among
/// it.
///
/// # Errors
/// When something is not there, or not what was stored.
pub(crate) fn contents(
    store: &Store,
    contents: &BTreeMap<String, Digest>,
    plan: &Plan,
) -> Result<BTreeSet<Digest>, ReplayError> {
    let mut artifacts = BTreeSet::new();
    for (name, &digest) in contents {
        let what = || name.clone();
        match store.content(digest).map_err(|fault| damaged(fault, &what))? {
            Some(content) => content.verify().map_err(|fault| damaged(fault, &what))?,
            None => {
                verify(&artifact(store, digest, &what)?, &what)?;
                artifacts.insert(digest);
            }
        }
    }
    let calls = plan.calls().into_iter();
    let components =
        calls.map(|call| (format!("component {}@{}", call.component, call.version), call.component_digest));
    let schemas = plan.schemas.iter().map(|planned| (format!("schema {}", planned.schema), planned.digest));
    let rulesets = plan.rulesets.iter().map(|planned| (format!("ruleset {}", planned.name), planned.digest));
    for (what, digest) in components.chain(schemas).chain(rulesets) {
        if contents.get(&what) != Some(&digest) {
            return Err(ReplayError::Another { what });
        }
    }
    Ok(artifacts)
}

/// Makes the components of a plan known to the engine: those that the installation does not have are taken from what the
/// run stored, and asked anew what they are.
///
/// # Errors
/// When one is not in the store, or can't be run by this Palisade.
pub(crate) fn components(engine: &mut Engine, plan: &Plan) -> Result<(), ReplayError> {
    for call in plan.calls() {
        if engine.catalogue().get(&call.component_digest).is_some() {
            continue;
        }
        let component = || format!("component {}@{}", call.component, call.version);
        let content = engine.store().content(call.component_digest).map_err(|fault| damaged(fault, &component))?;
        let Some(content) = content else { return Err(missing(engine.store(), call.component_digest, &component)?) };
        engine
            .take_in(&content)
            .map_err(|source| ReplayError::Component { component: component(), source: Box::new(source) })?;
    }
    Ok(())
}

fn damaged(fault: Fault, what: &dyn Fn() -> String) -> ReplayError {
    if fault.is_damage() { ReplayError::Damaged { what: what(), source: fault } } else { ReplayError::Store(fault) }
}

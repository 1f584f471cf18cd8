//! What a run will probably take: measures what it will read, and looks up what past attempts of its components used.

use crate::data_sizes::data_bytes;
use crate::failure::CliError;
use crate::workspace::not_read;
use palisade_model::{ArtifactName, Digest};
use palisade_runbook::{Estimate, EstimateFrom, MAX_PAST_ATTEMPTS, PastAttempt, Plan, estimate};
use palisade_store::{Fault, Store};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

/// Estimates a run of a plan. Without a store there is no past.
///
/// # Errors
/// When the store can't be read.
pub(crate) fn of(
    plan: &Plan,
    store: Option<&Store>,
    input_bytes: &BTreeMap<ArtifactName, u64>,
    folder: &Path,
    threads: u64,
) -> Result<Estimate, CliError> {
    let past =
        store.map_or_else(|| Ok(BTreeMap::new()), |store| past(plan, store)).map_err(|fault| not_read(&fault))?;
    let from = EstimateFrom { past: &past, data_bytes: &data_bytes(plan, folder), input_bytes, threads };
    Ok(estimate(plan, &from))
}

fn past(plan: &Plan, store: &Store) -> Result<BTreeMap<Digest, Vec<PastAttempt>>, Fault> {
    let mut past = BTreeMap::new();
    for step in &plan.steps {
        let Some(component) = step.call().map(|call| call.component_digest) else { continue };
        if let Entry::Vacant(place) = past.entry(component) {
            let rows = store.usages(component, MAX_PAST_ATTEMPTS)?;
            // What another version of Palisade noted says nothing here, and nothing depends on it.
            place.insert(rows.iter().filter_map(|bytes| PastAttempt::read(bytes)).collect());
        }
    }
    Ok(past)
}

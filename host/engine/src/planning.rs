//! What the engine needs to plan a runbook that is an artifact: somebody who knows what the operator set up.

use palisade_model::{ArtifactName, Failure};
use palisade_runbook::{Caller, Plan, Ruleset, Source};
use palisade_schema::Registry;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Plans runbooks that are artifacts, and runs nothing for it.
pub trait Planning: Debug + Sync {
    /// Plans one.
    ///
    /// # Errors
    /// Why it may not run.
    fn plan(&self, wanted: &WantedPlan<'_>) -> Result<PlannedArtifact, Refusal>;

    /// The schemas that plans are made with.
    fn schemas(&self) -> &Registry;
}

/// A runbook that is to be planned.
#[derive(Debug)]
pub struct WantedPlan<'a> {
    /// Its text.
    pub source: &'a Source,
    /// Who runs it.
    pub caller: Caller<'a>,
    /// What was granted for the run alone, as it was given.
    pub allowed: &'a [String],
    /// Bytes of the items of what it gets.
    pub input_bytes: &'a BTreeMap<ArtifactName, u64>,
    /// Instances that compute at once.
    pub threads: u64,
}

/// A runbook that may run, once it is approved.
#[derive(Debug)]
pub struct PlannedArtifact {
    /// Its plan.
    pub plan: Plan,
    /// The rulesets of the plan, by their names in it.
    pub rulesets: BTreeMap<String, Arc<Ruleset>>,
    /// It stays within what the step that runs it approves beforehand.
    pub is_approved: bool,
}

/// Why a runbook may not run.
#[derive(Debug)]
pub struct Refusal {
    /// In a few words.
    pub failure: Failure,
    /// All that is wrong with it, as diagnostics.
    pub diagnostics: Vec<Value>,
}

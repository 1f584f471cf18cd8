//! The plan as a document for reviews and other programs: what will run, what it could come to, what it could touch.

use crate::closure::{Closure, closure};
use crate::estimate::Estimate;
use crate::plan::Plan;
use crate::worst_case::{Assumed, MAX_INPUT_BYTES, WorstCase, worst_case};
use palisade_model::{ArtifactName, Digest, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the document's form.
const FORM: u32 = 1;

/// A plan with all that follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanDocument {
    /// Version of this form.
    pub v: u32,
    /// The plan's digest: the same on every machine.
    pub plan_digest: Digest,
    /// The plan.
    pub plan: Plan,
    /// The steps by the earliest moment at which they may start; those of one wave do not wait for each other.
    pub waves: Vec<Vec<StepId>>,
    /// What the worst case is computed for.
    pub assumed: AssumedDocument,
    /// The most that the run can come to.
    pub worst_case: WorstCase,
    /// Everything that any step could touch.
    pub authority: Closure,
    /// What the run will probably take, here and now: it has no part in the plan or its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
}

/// What a worst case is computed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumedDocument {
    /// Guest instances that compute at once.
    pub threads: u64,
    /// Bytes of each run input.
    pub input_bytes: BTreeMap<ArtifactName, u64>,
}

impl PlanDocument {
    /// Works out what follows from a plan.
    #[must_use]
    pub fn new(plan: Plan, assumed: &Assumed<'_>) -> Self {
        let bytes = |name| assumed.input_bytes.get(name).copied().unwrap_or(MAX_INPUT_BYTES);
        let inputs = plan.inputs.iter().map(|input| (input.name.clone(), bytes(&input.name)));
        let assumed_document = AssumedDocument { threads: assumed.threads, input_bytes: inputs.collect() };
        let follows = || (waves(&plan), worst_case(&plan, assumed), closure(&plan));
        let (plan_digest, (waves, worst_case, authority)) = rayon::join(|| plan.digest(), follows);
        Self { v: FORM, plan_digest, waves, assumed: assumed_document, worst_case, authority, estimate: None, plan }
    }

    /// Reads a document of this form.
    ///
    /// # Errors
    /// When it is no such document, has another version, or its digest is not that of its plan.
    pub fn read(text: &str) -> Result<Self, ReadPlanError> {
        let document: Self = serde_json::from_str(text)?;
        if document.v != FORM || document.plan.v != crate::plan::FORM {
            return Err(ReadPlanError::Version);
        }
        if document.plan.digest() != document.plan_digest {
            return Err(ReadPlanError::Digest);
        }
        Ok(document)
    }
}

/// Why a text is no plan document.
#[derive(Debug, thiserror::Error)]
pub enum ReadPlanError {
    /// It has another form.
    #[error("it is not what `palisade plan --format json` writes")]
    Form(#[from] serde_json::Error),
    /// Another version of Palisade wrote it.
    #[error("another version of Palisade wrote it")]
    Version,
    /// It was changed.
    #[error("its digest is not that of its plan: it was changed")]
    Digest,
}

/// The steps by how many others they have to wait for, one after the other.
fn waves(plan: &Plan) -> Vec<Vec<StepId>> {
    let mut waves: Vec<Vec<StepId>> = Vec::new();
    let mut of_step: BTreeMap<&StepId, usize> = BTreeMap::new();
    for step in &plan.steps {
        let wave = step.waits_for().filter_map(|before| of_step.get(before)).max().map_or(0, |last| last + 1);
        if wave == waves.len() {
            waves.push(Vec::new());
        }
        if let Some(wave) = waves.get_mut(wave) {
            wave.push(step.id.clone());
        }
        of_step.insert(&step.id, wave);
    }
    waves
}

//! Runbooks that are artifacts: planned when they are there, and run by the plan that was made then.

use super::submitted::{child_planned, refused};
use super::{Beside, Driver};
use crate::document::Document;
use crate::filled::{made_children, read_plan, schemas_in};
use crate::keep::Kept;
use crate::planning::{PlannedArtifact, Refusal, WantedPlan};
use crate::record::Export;
use crate::run::RunError;
use palisade_interpreter::{Event, PlanningOutcome};
use palisade_model::{ArtifactName, Digest, FailureKind, StepId};
use palisade_runbook::{BindingSource, Caller, Plan, PlannedChild, PlannedChildRunbook, PlannedStep, artifact_source};
use palisade_schema::Registry;
use palisade_store::Artifact;
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of the items of a runbook that is an artifact.
pub(super) const MAX_BYTES: u64 = 1 << 20;
pub(super) const TOO_LARGE: &str = "the runbook that it is to run is larger than 1 MiB";

/// A plan that was made while the run went on, with the schemas that it was made with.
pub(super) struct MadePlan {
    pub(super) plan: Plan,
    pub(super) schemas: Registry,
}

impl<'a> Driver<'a> {
    /// Plans the runbook that a step is to run, and keeps all that it needs.
    pub(super) fn plan_child(
        &self,
        step: &StepId,
        iteration: u32,
        submitted_by: u32,
        beside: &mut Beside,
    ) -> Result<Event, RunError> {
        let planned = self.planned(step)?;
        let missing = || RunError::Missing { what: format!("the child runbook of step {step}") };
        let child = planned.runs_or_submits().ok_or_else(missing)?;
        let outcome = match &child.runbook {
            PlannedChildRunbook::Artifact { source, .. } => self.planned_artifact(planned, child, source, beside)?,
            PlannedChildRunbook::Agent { .. } => self.planned_submission(planned, &self.submission(step)?.1, beside)?,
            PlannedChildRunbook::File { .. } => return Err(missing()),
        };
        Ok(child_planned(step, (iteration, submitted_by), outcome))
    }

    fn planned_artifact(
        &self,
        step: &PlannedStep,
        child: &PlannedChild,
        source: &BindingSource,
        beside: &mut Beside,
    ) -> Result<Result<PlanningOutcome, Refusal>, RunError> {
        let artifact = self.lookup().artifact(source)?;
        let artifact =
            artifact.ok_or_else(|| RunError::Missing { what: format!("the runbook of step {}", step.id) })?;
        if artifact.items.length() > MAX_BYTES {
            return Ok(Err(refused(FailureKind::BadRunbook, TOO_LARGE)));
        }
        let name = self.work.plan.name_of(source);
        let document = self.document(&name, &artifact.digest, &artifact.schema)?;
        let mut given = BTreeMap::new();
        for binding in &step.inputs {
            given.extend(self.lookup().artifact(&binding.source)?.map(|found| (binding.port.clone(), found)));
        }
        self.planned_document((step, child), (&name, &document), &given, &step.labels, beside)
    }

    /// Plans a runbook that no person wrote, and keeps all that it needs.
    pub(super) fn planned_document(
        &self,
        (step, child): (&PlannedStep, &PlannedChild),
        (name, document): (&str, &serde_json::Value),
        given: &BTreeMap<String, Artifact>,
        labels: &BTreeSet<String>,
        beside: &mut Beside,
    ) -> Result<Result<PlanningOutcome, Refusal>, RunError> {
        let Some(planning) = self.work.planning else {
            return Ok(Err(refused(FailureKind::Host, "nobody here plans runbooks that are artifacts")));
        };
        let text = artifact_source(name, document);
        let above = self.place.subtree.runbooks();
        let bytes = |(name, given): (&String, &Artifact)| Some((name.parse().ok()?, given.items.length()));
        let input_bytes: BTreeMap<ArtifactName, u64> = given.iter().filter_map(bytes).collect();
        let gives = given.iter().map(|(name, given)| (name.clone(), given.schema.clone())).collect();
        let wanted = WantedPlan {
            source: &text,
            caller: Caller { step, child, gives: &gives, labels, above: &above },
            allowed: &self.allowed,
            input_bytes: &input_bytes,
            threads: self.engine.threads(),
        };
        let PlannedArtifact { plan, rulesets, is_approved } = match planning.plan(&wanted) {
            Ok(planned) => planned,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut kept = Kept::new(self.engine.store())?;
        self.keep_what_it_names(&mut kept, &plan, planning.schemas(), &rulesets)?;
        let contents = kept.contents.clone();
        let (plan_bytes, runbook) = (plan.canonical(), text.text().as_bytes());
        kept.bytes("plan", &plan_bytes)?;
        kept.bytes("runbook", runbook)?;
        beside.keep(kept);
        let approval = self.engine.parts.approving.of_artifact(is_approved, self.approved_by.as_deref());
        let (plan, runbook) = (Digest::of(&plan_bytes), Digest::of(runbook));
        Ok(Ok(PlanningOutcome::Planned { plan, runbook, contents, approval }))
    }

    fn document(
        &self,
        name: &str,
        artifact: &Digest,
        schema: &palisade_model::SchemaRef,
    ) -> Result<serde_json::Value, RunError> {
        let unreadable = |what: String| RunError::Missing { what };
        let name = name.parse().map_err(|_| unreadable(format!("the artifact {name}")))?;
        let export = Export { name, artifact: *artifact, schema: schema.clone(), started_ms: self.started_ms };
        let mut bytes = Vec::new();
        Document::open(self.engine.store(), self.work.schemas, &export)
            .and_then(|document| document.write(&mut bytes))
            .map_err(|error| unreadable(format!("the runbook `{}` ({error})", export.name)))?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(format!("the runbook `{}` ({error})", export.name)))
    }

    /// The plans that were made for a step so far, in order.
    pub(super) fn made_plans(&self, step: &StepId) -> Result<Vec<Plan>, RunError> {
        let made = made_children(&self.events).into_iter().filter(|made| made.step == step);
        made.map(|made| Ok(read_plan(self.engine.store(), self.run, made.plan)?)).collect()
    }

    /// The plan that was made of the runbook of a step, as it was stored then.
    pub(super) fn made_plan(&self, step: &StepId) -> Result<MadePlan, RunError> {
        let made = self.events.iter().rev().find_map(|event| match event {
            Event::ChildPlanned(planned) if planned.step == *step => match &planned.outcome {
                PlanningOutcome::Planned { plan, contents, .. } => Some((*plan, contents)),
                PlanningOutcome::Refused { .. } => None,
            },
            _ => None,
        });
        let missing = || RunError::Missing { what: format!("the plan of what step {step} runs") };
        let (plan, contents) = made.ok_or_else(missing)?;
        let store = self.engine.store();
        Ok(MadePlan { plan: read_plan(store, self.run, plan)?, schemas: schemas_in(store, self.run, contents)? })
    }
}

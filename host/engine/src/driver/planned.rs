//! Runbooks that are artifacts: planned when they are there, and run by the plan that was made then.

use super::{Beside, Driver, now_ms};
use crate::document::Document;
use crate::filled::{read_plan, schemas_in};
use crate::keep::Kept;
use crate::planning::{PlannedArtifact, Refusal, WantedPlan};
use crate::record::Export;
use crate::run::RunError;
use palisade_interpreter::{ChildPlanned, Event, PlanningOutcome};
use palisade_model::{ArtifactName, Digest, Failure, FailureKind, StepId};
use palisade_runbook::{BindingSource, Caller, Plan, PlannedChild, PlannedChildRunbook, PlannedStep, artifact_source};
use palisade_schema::Registry;
use std::collections::BTreeMap;

/// Most bytes of the items of a runbook that is an artifact.
const MAX_BYTES: u64 = 1 << 20;
/// Most diagnostics that are kept of one that is refused.
const MAX_DIAGNOSTICS: usize = 50;

/// A plan that was made while the run went on, with the schemas that it was made with.
pub(super) struct MadePlan {
    pub(super) plan: Plan,
    pub(super) schemas: Registry,
}

impl<'a> Driver<'a> {
    /// Plans the runbook that a step is to run, and keeps all that it needs.
    pub(super) fn plan_child(&self, step: &StepId, iteration: u32, beside: &mut Beside) -> Result<Event, RunError> {
        let planned = self.planned(step)?;
        let missing = || RunError::Missing { what: format!("the child runbook of step {step}") };
        let child = planned.child().ok_or_else(missing)?;
        let PlannedChildRunbook::Artifact { source, .. } = &child.runbook else { return Err(missing()) };
        let outcome = match self.planned_artifact(planned, child, source, beside)? {
            Ok(outcome) => outcome,
            Err(Refusal { failure, mut diagnostics }) => {
                diagnostics.truncate(MAX_DIAGNOSTICS);
                PlanningOutcome::Refused { failure, diagnostics }
            }
        };
        let planned = ChildPlanned { step: step.clone(), iteration, at_ms: now_ms(), outcome };
        Ok(Event::ChildPlanned(Box::new(planned)))
    }

    fn planned_artifact(
        &self,
        step: &PlannedStep,
        child: &PlannedChild,
        source: &BindingSource,
        beside: &mut Beside,
    ) -> Result<Result<PlanningOutcome, Refusal>, RunError> {
        let refused = |kind, message: &str| Refusal { failure: Failure::new(kind, message), diagnostics: Vec::new() };
        let Some(planning) = self.work.planning else {
            return Ok(Err(refused(FailureKind::Host, "nobody here plans runbooks that are artifacts")));
        };
        let artifact = self.lookup().artifact(source)?;
        let artifact =
            artifact.ok_or_else(|| RunError::Missing { what: format!("the runbook of step {}", step.id) })?;
        if artifact.items.length() > MAX_BYTES {
            return Ok(Err(refused(FailureKind::BadRunbook, "the runbook that it is to run is larger than 1 MiB")));
        }
        let name = self.work.plan.name_of(source);
        let document = self.document(&name, &artifact.digest, &artifact.schema)?;
        let text = artifact_source(&name, &document);
        let above = self.place.subtree.runbooks();
        let mut input_bytes = BTreeMap::new();
        for binding in &step.inputs {
            let given = self.lookup().artifact(&binding.source)?;
            input_bytes.extend(binding.port.parse::<ArtifactName>().ok().zip(given.map(|given| given.items.length())));
        }
        let wanted = WantedPlan {
            source: &text,
            caller: Caller { step, child, above: &above },
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

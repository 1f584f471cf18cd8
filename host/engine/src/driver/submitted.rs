//! Runbooks that agents submit, on the side of the run: planned when they come, run as children, answered when they have ended.

use super::planned::{MAX_BYTES, TOO_LARGE};
use super::{Beside, Driver, now_ms};
use crate::calls::Stored;
use crate::keep::Kept;
use crate::planning::Refusal;
use crate::run::RunError;
use crate::submitting::{SUBMIT, SubmittedRunbook, told};
use palisade_interpreter::{
    ApprovalOutcome, AttemptSuspended, ChildPlanned, Event, HostCallRecorded, PlanningOutcome, StepState, Turn,
};
use palisade_model::{Digest, Failure, FailureKind, StepId, Usage};
use palisade_runbook::{PlannedChild, PlannedStep, Submitted};
use palisade_store::Artifact;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::SyncSender;

impl<'a> Driver<'a> {
    /// The child that is to run for a step by now, if one is: an agent's, where what it submitted may run.
    pub(super) fn child_due(&self, step: &'a PlannedStep) -> Option<&'a PlannedChild> {
        let submitted = self.has_submitted(&step.id).then(|| step.submits()).flatten();
        step.child().or_else(|| submitted.map(|submitted| &submitted.child))
    }

    /// Whether a runbook that an agent submitted was planned and has not ended.
    pub(super) fn has_submitted(&self, step: &StepId) -> bool {
        self.machine.state().planned(step).is_some_and(|planned| planned.submitted_by > 0)
    }

    /// Says whether a runbook that an agent submits now can run; its attempt waits to hear that. One that is over hears
    /// nothing.
    pub(super) fn take_submission(
        &mut self,
        turn: &Turn,
        request: &[u8],
        tell: &SyncSender<Option<Refusal>>,
    ) -> Result<(), RunError> {
        let Turn { ref step, iteration, attempt } = *turn;
        if self.machine.state().step(step) != Some(&StepState::Running { iteration, attempt }) {
            return Ok(());
        }
        // What it is planned with is read from the store. Nothing is kept: it is planned for good when the attempt has ended.
        self.settle()?;
        let planned = self.planned_submission(self.planned(step)?, request, &mut Beside::default())?;
        // Whoever asked may be gone.
        drop(tell.send(planned.err()));
        Ok(())
    }

    /// Plans the runbook that an agent submitted, and keeps all that it needs.
    pub(super) fn planned_submission(
        &self,
        step: &PlannedStep,
        request: &[u8],
        beside: &mut Beside,
    ) -> Result<Result<PlanningOutcome, Refusal>, RunError> {
        let missing = || RunError::Missing { what: format!("what step {} submitted", step.id) };
        let Submitted { child, .. } = step.submits().ok_or_else(missing)?;
        let SubmittedRunbook { definition, inputs } = SubmittedRunbook::read(request).ok_or_else(missing)?;
        if request.len() as u64 > MAX_BYTES {
            return Ok(Err(refused(FailureKind::BadRunbook, TOO_LARGE)));
        }
        if let Err(failure) = self.place.subtree.may_go_deeper() {
            return Ok(Err(Refusal { failure, diagnostics: Vec::new() }));
        }
        let given = self.artifacts_given(&inputs)?;
        let labels = self.labels_read(step)?;
        self.planned_document((step, child), (step.id.as_str(), &definition), &given, &labels, beside)
    }

    /// What a runbook gets that was submitted, by name.
    pub(super) fn artifacts_given(
        &self,
        inputs: &BTreeMap<String, Digest>,
    ) -> Result<BTreeMap<String, Artifact>, RunError> {
        let given = inputs.iter().map(|(name, digest)| {
            let missing = || RunError::Missing { what: format!("the artifact {digest} of a submitted runbook") };
            Ok((name.clone(), self.engine.store().artifact(*digest)?.ok_or_else(missing)?))
        });
        given.collect()
    }

    /// The labels of all that an agent may have read, and so have written into a runbook: what its step reads, and what the
    /// runbooks did that it submitted before.
    fn labels_read(&self, step: &PlannedStep) -> Result<BTreeSet<String>, RunError> {
        let mut labels = step.labels.clone();
        for made in self.made_plans(&step.id)? {
            labels.extend(made.steps.into_iter().flat_map(|step| step.labels));
        }
        Ok(labels)
    }

    /// The last call of a step that ended its attempt.
    fn suspended(&self, step: &StepId) -> Result<&AttemptSuspended, RunError> {
        let suspended = self.events.iter().rev().find_map(|event| match event {
            Event::AttemptSuspended(suspended) if suspended.step == *step => Some(&**suspended),
            _ => None,
        });
        suspended.ok_or_else(|| RunError::Missing { what: format!("what step {step} submitted") })
    }

    /// What an agent submitted last, with the number of its call.
    pub(super) fn submission(&self, step: &StepId) -> Result<(u32, Vec<u8>), RunError> {
        let AttemptSuspended { call, request, .. } = self.suspended(step)?;
        let missing = || RunError::Missing { what: format!("what step {step} submitted") };
        let bytes = self.engine.store().content(*request)?.ok_or_else(missing)?.read_all()?;
        Ok((*call, bytes))
    }

    /// Writes down what came of a runbook as the answer to the agent that submitted it.
    pub(super) fn answer_submission(&self, step: &StepId, beside: &mut Beside) -> Result<Event, RunError> {
        let &AttemptSuspended { call, request, .. } = self.suspended(step)?;
        let missing = || RunError::Missing { what: format!("what came of call {call} of step {step}") };
        let since = self
            .events
            .iter()
            .rev()
            .take_while(|event| !matches!(event, Event::AttemptSuspended(suspended) if suspended.step == *step));
        let mut of_step = since.filter(|event| event.step() == Some(step));
        let stored = of_step.find_map(|event| self.came(step, event)).ok_or_else(missing)?;
        let artifacts = match &stored {
            Stored::Outputs(outputs) => outputs.iter().map(|(_, artifact)| *artifact).collect(),
            _ => Vec::new(),
        };
        let Some(&StepState::Settled { attempt }) = self.machine.state().step(step) else { return Err(missing()) };
        let answer = serde_json::to_vec(&stored).map_err(|_| missing())?;
        let mut kept = Kept::new(self.engine.store())?;
        kept.bytes("answer", &answer)?;
        beside.keep(kept);
        Ok(Event::HostCallRecorded(Box::new(HostCallRecorded {
            step: step.clone(),
            attempt,
            iteration: 0,
            within: Vec::new(),
            call,
            at_ms: now_ms(),
            what: SUBMIT.to_owned(),
            request,
            answer: Digest::of(&answer),
            may_pass: false,
            artifacts,
            usage: Usage::default(),
            own: None,
        })))
    }

    /// What an event says of what came of a runbook, if it does.
    fn came(&self, step: &StepId, event: &Event) -> Option<Stored> {
        Some(match event {
            Event::ChildEnded(ended) => match &ended.failure {
                None => {
                    Stored::Outputs(ended.outputs.iter().map(|output| (output.port.clone(), output.artifact)).collect())
                }
                Some(failure) => Stored::Failed(failure.message.clone()),
            },
            Event::ApprovalDecided { outcome: ApprovalOutcome::Rejected { failure }, .. } => {
                Stored::Rejected(failure.message.clone())
            }
            Event::ChildPlanned(planned) => match &planned.outcome {
                PlanningOutcome::Refused { failure, diagnostics } => {
                    let refusal = Refusal { failure: failure.clone(), diagnostics: diagnostics.clone() };
                    let definition = self.submission(step).ok().and_then(|(_, bytes)| SubmittedRunbook::read(&bytes));
                    Stored::Refused(told(&refusal, &definition.map(|read| read.definition).unwrap_or_default()))
                }
                PlanningOutcome::Planned { .. } => return None,
            },
            _ => return None,
        })
    }
}

/// What became of planning, as an event.
pub(super) fn child_planned(
    step: &StepId,
    (iteration, submitted_by): (u32, u32),
    planned: Result<PlanningOutcome, Refusal>,
) -> Event {
    /// Most diagnostics that are kept of one that is refused.
    const MAX_DIAGNOSTICS: usize = 50;
    let outcome = planned.unwrap_or_else(|Refusal { failure, mut diagnostics }| {
        diagnostics.truncate(MAX_DIAGNOSTICS);
        PlanningOutcome::Refused { failure, diagnostics }
    });
    let step = step.clone();
    Event::ChildPlanned(Box::new(ChildPlanned { step, iteration, submitted_by, at_ms: now_ms(), outcome }))
}

/// A refusal without a place in the runbook.
pub(super) fn refused(kind: FailureKind, message: &str) -> Refusal {
    Refusal { failure: Failure::new(kind, message), diagnostics: Vec::new() }
}

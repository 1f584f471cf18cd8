//! What the audit log says of the events of a run. A fold of nothing: each entry follows from its event and from what the
//! whole run goes by.

use palisade_audit::{
    Actor, ApprovedBy, Entry, Exported, ForkPlace, Given, Named, Outcome, ParentPlace, RunStart, What,
};
use palisade_interpreter::{
    ApprovalOutcome, CancelReason, ChildApproval, Event, FilesOutcome, PlanningOutcome, RunStarted, WrittenFile,
};
use palisade_model::{Digest, RunId};
use palisade_runbook::Plan;
use palisade_store::{Fault, NewEntry, Store};
use std::collections::BTreeMap;

/// The run of which entries are made.
pub(crate) struct Audited<'a> {
    pub(crate) store: &'a Store,
    pub(crate) run: RunId,
    /// Who runs the process, as the system knows them.
    pub(crate) user: Option<&'a str>,
}

/// By what the run goes.
pub(crate) struct GoesBy<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) plan_digest: Digest,
    /// What its caller named it.
    pub(crate) key: Option<&'a str>,
}

impl Audited<'_> {
    /// The entries of events, each with its event's number among them. Events that a fork shares with another run stand in
    /// that run's log.
    pub(crate) fn entries(&self, events: &[Event], by: &GoesBy<'_>) -> Result<Vec<NewEntry>, Fault> {
        let shared = events.iter().position(|event| matches!(event, Event::RunForked(_))).unwrap_or(0);
        let own = events.iter().enumerate().filter(|(number, _)| *number == 0 || *number >= shared);
        let mut entries = Vec::new();
        for (number, event) in own {
            let what = match event {
                Event::RunStarted(started) => Some(self.started(started, by)?),
                Event::RunEnded { status, .. } => Some(What::RunEnded {
                    status: status.name().to_owned(),
                    plan: by.plan_digest,
                    runbook: by.plan.runbook_digest,
                    rulesets: rulesets(by.plan),
                }),
                event => self.of_event(event)?,
            };
            let at = event.at_ms().unwrap_or_default();
            entries.extend(what.map(|what| NewEntry { event: number, entry: Entry::of_run(self.run, at, what) }));
        }
        Ok(entries)
    }

    /// What is said of an event that is neither the beginning nor the end of a run; of most nothing.
    pub(crate) fn of_event(&self, event: &Event) -> Result<Option<What>, Fault> {
        Ok(Some(match event {
            Event::RunResumed { .. } => What::RunResumed { by: self.user.map(Actor::unauthenticated) },
            Event::AttemptSucceeded(ended) if !ended.files.is_empty() => {
                let exported = |(file, number): (&WrittenFile, u64)| {
                    let what = format!("file {number} of step {}", ended.step);
                    Ok(Exported { what, keyed: self.keyed(file.digest.as_bytes())? })
                };
                What::FilesWritten {
                    step: ended.step.clone(),
                    iteration: ended.iteration.into(),
                    attempt: ended.attempt.into(),
                    files: ended.files.iter().zip(1..).map(exported).collect::<Result<_, Fault>>()?,
                }
            }
            Event::FilesPut(put) => What::FilesPut {
                step: put.step.clone(),
                iteration: put.iteration.into(),
                attempt: put.attempt.into(),
                put: put.outcome == FilesOutcome::Put,
            },
            Event::ApprovalRequested { step, expires_at_ms, .. } => {
                What::ApprovalAsked { step: step.clone(), expires: *expires_at_ms }
            }
            Event::ApprovalDecided { step, by, note, signature, outcome, .. } => What::ApprovalDecided {
                step: step.clone(),
                // A signature is kept only where keys are listed and one of them made it.
                by: by.clone().map(|user| Actor { user, authenticated: signature.is_some() }),
                outcome: match outcome {
                    _ if by.is_none() => Outcome::Expired,
                    ApprovalOutcome::Approved => Outcome::Approved,
                    ApprovalOutcome::Rejected { .. } => Outcome::Rejected,
                },
                note: note.as_ref().map(|note| self.keyed(note.as_bytes())).transpose()?,
            },
            Event::ChildPlanned(planned) => match &planned.outcome {
                PlanningOutcome::Planned { plan, runbook, approval, .. } => {
                    let (approval, by) = match approval {
                        ChildApproval::Person { .. } => (ApprovedBy::Person, None),
                        ChildApproval::Runbook => (ApprovedBy::Runbook, None),
                        ChildApproval::Caller { by } => (ApprovedBy::Caller, Some(Actor::unauthenticated(by))),
                    };
                    What::ChildPlanned { step: planned.step.clone(), plan: *plan, runbook: *runbook, approval, by }
                }
                PlanningOutcome::Refused { .. } => What::ChildRefused { step: planned.step.clone() },
            },
            Event::ChildStarted(started) => {
                What::ChildStarted { step: started.step.clone(), child: started.child, plan: started.plan }
            }
            Event::SpendingReserved(more) if !more.reserved.sent.is_empty() => What::MaySend {
                step: more.step.clone(),
                iteration: more.iteration.into(),
                attempt: more.attempt.into(),
                sent: more.reserved.sent.clone(),
            },
            Event::CancelRequested { reason, .. } => {
                let reason = match reason {
                    CancelReason::Requested => "requested",
                    CancelReason::Interrupted => "interrupted",
                    CancelReason::Timeout => "timeout",
                };
                What::CancelAsked { reason: reason.to_owned() }
            }
            Event::CompensationStarted { status, steps, .. } => {
                What::CompensationStarted { status: status.name().to_owned(), steps: steps.clone() }
            }
            _ => return Ok(None),
        }))
    }

    fn started(&self, started: &RunStarted, by: &GoesBy<'_>) -> Result<What, Fault> {
        let given = |input: &palisade_interpreter::RunInput| {
            Ok(Given { name: input.name.to_string(), keyed: self.keyed(input.artifact.as_bytes())? })
        };
        let components = by.plan.calls().into_iter();
        let components = components.map(|call| (format!("{}@{}", call.component, call.version), call.component_digest));
        Ok(What::RunStarted(Box::new(RunStart {
            by: started.by.clone().map(Actor::unauthenticated),
            palisade: started.palisade_version.clone(),
            plan: started.plan,
            runbook: started.runbook,
            rulesets: rulesets(by.plan),
            components: named(components),
            inputs: started.inputs.iter().map(given).collect::<Result<_, Fault>>()?,
            allowed: started.allowed.clone(),
            approved_by: started.approved_by.clone().map(Actor::unauthenticated),
            key: by.key.map(|key| self.keyed(key.as_bytes())).transpose()?,
            parent: started.parent.as_ref().map(|parent| ParentPlace { run: parent.run, seq: parent.seq }),
            forked_from: started.fork.as_ref().map(|fork| {
                let from = &fork.from;
                ForkPlace { run: from.run_id, seq: from.event, event: from.hash }
            }),
            edits: started.fork.as_ref().map_or(0, |fork| fork.edits.len() as u64),
        })))
    }

    /// A digest that says nothing to whoever does not have the run's key.
    fn keyed(&self, bytes: &[u8]) -> Result<Digest, Fault> {
        Ok(self.store.run_key(self.run)?.digest(bytes))
    }
}

fn rulesets(plan: &Plan) -> Vec<Named> {
    let plans = std::iter::once(plan).chain(plan.children());
    named(plans.flat_map(|plan| plan.rulesets.iter().map(|planned| (planned.name.clone(), planned.digest))))
}

/// Each once, in the order of the names.
fn named(all: impl Iterator<Item = (String, Digest)>) -> Vec<Named> {
    all.collect::<BTreeMap<_, _>>().into_iter().map(|(name, digest)| Named { name, digest }).collect()
}

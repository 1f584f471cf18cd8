//! The events of a run, one on a line.

use super::tree::used;
use super::{foreign, painted, skip_cause};
use palisade_engine::{
    ApprovalOutcome, CancelReason, ChildApproval, ConditionOutcome, Event, ExpansionOutcome, FilesOutcome, MapOutcome,
    PlanningOutcome, Recorded, ValuesOutcome, rfc3339,
};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{Digest, StepId};
use std::collections::{BTreeMap, BTreeSet};

/// Turns events into lines, in their order.
#[derive(Debug)]
pub(crate) struct EventLines {
    json: bool,
    colour: bool,
    /// When the run started, in milliseconds since 1970.
    started_ms: u64,
    /// Components by their digests.
    components: BTreeMap<Digest, String>,
    /// The steps that are maps over child runbooks, whose turns are items.
    maps: BTreeSet<StepId>,
    ended: bool,
}

impl EventLines {
    /// As JSON, or as text.
    pub(crate) fn new(json: bool, colour: bool) -> Self {
        Self { json, colour, started_ms: 0, components: BTreeMap::new(), maps: BTreeSet::new(), ended: false }
    }

    /// Says whether the end of the run was among the events.
    pub(crate) fn run_has_ended(&self) -> bool {
        self.ended
    }

    /// The line of an event.
    pub(crate) fn line(&mut self, recorded: &Recorded) -> String {
        if let Event::RunStarted(started) = &recorded.event {
            self.started_ms = started.at_ms;
            let component =
                |(what, digest): (&String, &Digest)| Some((*digest, what.strip_prefix("component ")?.to_owned()));
            self.components = started.contents.iter().filter_map(component).collect();
        }
        match recorded.event {
            Event::RunEnded { .. } => self.ended = true,
            Event::RunResumed { .. } | Event::RunForked(_) => self.ended = false,
            Event::MapExpanded(ref expanded) => drop(self.maps.insert(expanded.step.clone())),
            _ => {}
        }
        if self.json {
            return json_line(recorded);
        }
        // What stands before a fork was before its start.
        let since = recorded.event.at_ms().and_then(|at| at.checked_sub(self.started_ms));
        let after = since.map(|since| format!("+{}", Millis(since)));
        let kind = painted(self.colour, "1", &format!("{:18}", recorded.event.kind()));
        let (after, told) = (after.unwrap_or_default(), self.told(&recorded.event));
        format!("{:>5}  {after:>9}  {kind}  {told}\n", recorded.seq)
    }

    fn told(&self, event: &Event) -> String {
        match event {
            Event::RunStarted(started) => {
                let given = match started.inputs.len() {
                    0 => String::new(),
                    inputs => format!(", {}", Count(inputs as u64).of("input")),
                };
                let (name, plan) = (foreign(&started.title), started.plan.short());
                format!("{name}: plan {plan}, Palisade {}{given}", foreign(&started.palisade_version))
            }
            Event::StepScheduled { step, attempt, iteration } => self.turn(step, *attempt, *iteration),
            Event::ConditionEvaluated { step, iteration, outcome } => {
                let which = if *iteration == 0 { "its condition" } else { "its bound" };
                match outcome {
                    ConditionOutcome::True => format!("{step}: {which} holds"),
                    ConditionOutcome::False => format!("{step}: {which} does not hold"),
                    ConditionOutcome::Failed { failure } => format!("{step}: {}", foreign(&failure.message)),
                }
            }
            Event::ValueResolved { step, outcome } => match outcome {
                ValuesOutcome::Resolved { values } => {
                    let pointers: Vec<_> = values.iter().map(|value| format!("`{}`", value.pointer)).collect();
                    format!("{step}: found {}", foreign(&pointers.join(", ")))
                }
                ValuesOutcome::Failed { failure } => format!("{step}: {}", foreign(&failure.message)),
            },
            Event::LoopEnded { step, iteration, held } => {
                let why = if *held { "its condition holds" } else { "it came to its bound" };
                format!("{step}: after {}, {why}", Count((*iteration).into()).of("iteration"))
            }
            Event::AttemptStarted(started) => {
                let component = self.components.get(&started.component);
                let component = component.map_or_else(|| started.component.short(), |component| foreign(component));
                format!("{}, {component}", self.turn(&started.step, started.attempt, started.iteration))
            }
            Event::AttemptSucceeded(ended) => {
                let made = ended.outputs.iter().map(|output| {
                    let (items, bytes) = (Count(output.items).of("item"), Bytes(output.bytes));
                    format!("{} {items}, {bytes}, {}", foreign(&output.port), output.artifact.short())
                });
                let made: Vec<_> = made.collect();
                let skipped = match ended.skipped_count {
                    0 => String::new(),
                    count => format!(" · {} skipped", Count(count)),
                };
                let turn = self.turn(&ended.step, ended.attempt, ended.iteration);
                let wrote = match ended.files.as_slice() {
                    [] => String::new(),
                    [file] => format!("; wrote {}", file.shown()),
                    files => format!("; wrote {} files", Count(files.len() as u64)),
                };
                format!("{turn} made {}{wrote}{skipped} · {}", made.join("; "), used(&ended.usage))
            }
            Event::FilesPut(put) => {
                let turn = self.turn(&put.step, put.attempt, put.iteration);
                match &put.outcome {
                    FilesOutcome::Put => format!("{turn}: what it wrote is in its place"),
                    FilesOutcome::Refused { failure } => format!("{turn}: {}", foreign(&failure.message)),
                }
            }
            Event::HostCallRecorded(call) => {
                let turn = self.turn(&call.step, call.attempt, call.iteration);
                let again = if call.may_pass { ", which may pass" } else { "" };
                format!("{turn}, call {} of {}{again} · {}", call.shown_place(), foreign(&call.what), used(&call.usage))
            }
            Event::SpendingReserved(more) => {
                let turn = self.turn(&more.step, more.attempt, more.iteration);
                let to = more.reserved.sent.iter();
                let mut told: Vec<_> =
                    to.map(|(sink, bytes)| format!("send {} to {}", Bytes(*bytes), foreign(sink))).collect();
                if more.reserved.denials > 0 {
                    told.push(format!("be denied {}", Count(more.reserved.denials).of("time")));
                }
                format!("{turn} may {}", told.join(", "))
            }
            Event::AttemptSuspended(ended) => {
                let turn = self.turn(&ended.step, ended.attempt, 0);
                format!("{turn} waits for the answer to call {} · {}", ended.call, used(&ended.usage))
            }
            Event::AttemptFailed(ended) => {
                let turn = self.turn(&ended.step, ended.attempt, ended.iteration);
                let again = ended.retry_at_ms.map(|at_ms| Millis(at_ms.saturating_sub(ended.at_ms)));
                let again = again.map_or_else(String::new, |wait| format!(", again in {wait}"));
                format!("{turn} failed{again}: {} · {}", foreign(&ended.failure.message), used(&ended.usage))
            }
            Event::ChildPlanned(planned) => {
                let step = &planned.step;
                match &planned.outcome {
                    PlanningOutcome::Planned { plan, runbook, approval, .. } => {
                        let by = match approval {
                            ChildApproval::Person { .. } => "a person is to approve it".to_owned(),
                            ChildApproval::Runbook => "approved beforehand by the step".to_owned(),
                            ChildApproval::Caller { by } => format!("approved beforehand by {}", foreign(by)),
                        };
                        format!("{step} is to run the runbook {}: plan {}, {by}", runbook.short(), plan.short())
                    }
                    PlanningOutcome::Refused { failure, .. } => format!("{step}: {}", foreign(&failure.message)),
                }
            }
            Event::ChildStarted(started) => {
                let turn = self.turn(&started.step, started.attempt, started.iteration);
                format!("{turn}, child run {}", started.child)
            }
            Event::ItemsDone(done) => {
                let turn = self.turn(&done.step, done.attempt, done.iteration);
                format!("{turn}, {} done", Count(done.first.saturating_add(done.items)).of("item"))
            }
            Event::MapExpanded(expanded) => match &expanded.outcome {
                ExpansionOutcome::Expanded { items } => {
                    format!("{}: over {}", expanded.step, Count((*items).into()).of("item"))
                }
                ExpansionOutcome::Refused { failure } => format!("{}: {}", expanded.step, foreign(&failure.message)),
            },
            Event::MapEnded(ended) => match &ended.outcome {
                MapOutcome::Joined { outputs } => {
                    let items = outputs.first().map_or(0, |output| output.items);
                    format!("{}: {}, joined of what its children made", ended.step, Count(items).of("item"))
                }
                MapOutcome::Failed { failure } => format!("{}: {}", ended.step, foreign(&failure.message)),
            },
            Event::ChildEnded(ended) => {
                let turn = self.turn(&ended.step, ended.attempt, ended.iteration);
                let again = ended.retry_at_ms.map(|at_ms| Millis(at_ms.saturating_sub(ended.at_ms)));
                let again = again.map_or_else(String::new, |wait| format!(", again in {wait}"));
                let why = ended.failure.as_ref().map_or_else(String::new, |why| format!(": {}", foreign(&why.message)));
                format!("{turn}, child run {} {}{again}{why}", ended.child, ended.status)
            }
            Event::ApprovalRequested { step, expires_at_ms, .. } => match expires_at_ms {
                Some(at_ms) => format!("{step} waits for a person until {}", rfc3339(*at_ms)),
                None => format!("{step} waits for a person"),
            },
            Event::ApprovalDecided { step, by, note, signature, outcome, .. } => {
                let proof = if signature.is_some() { "signed" } else { "unauthenticated" };
                let by = by.as_deref().map(|by| format!("{} ({proof})", foreign(by)));
                let by = by.unwrap_or_else(|| "nobody in time".to_owned());
                let note = note.as_deref().map_or_else(String::new, |note| format!(": {}", foreign(note)));
                match outcome {
                    ApprovalOutcome::Approved => format!("{step}: yes, by {by}{note}"),
                    ApprovalOutcome::Rejected { .. } => format!("{step}: no, by {by}{note}"),
                }
            }
            Event::TimerFired { step, attempt, iteration, .. } => {
                format!("{} is behind it", self.turn(step, *attempt, *iteration))
            }
            Event::RunResumed { palisade_version, .. } => {
                format!("Palisade {} goes on where it stopped", foreign(palisade_version))
            }
            Event::RunForked(forked) => {
                let kept: Vec<_> = forked.kept.iter().map(StepId::as_str).collect();
                let kept = if kept.is_empty() { "nothing".to_owned() } else { kept.join(", ") };
                format!("so far in run {}; takes over {kept}", forked.from)
            }
            Event::StepSkipped { step, because } => format!("{step}, {}", skip_cause(because)),
            Event::CancelRequested { reason, .. } => match reason {
                CancelReason::Requested => "somebody asked for it".to_owned(),
                CancelReason::Interrupted => "its process was told to end".to_owned(),
                CancelReason::Timeout => "its time was over".to_owned(),
            },
            Event::CompensationStarted { status, steps, .. } => {
                let steps: Vec<_> = steps.iter().map(StepId::as_str).collect();
                format!("{status}: what was done is undone by {}", steps.join(", then "))
            }
            Event::RunEnded { status, .. } => status.to_string(),
        }
    }

    fn turn(&self, step: &StepId, attempt: u32, iteration: u32) -> String {
        let what = if self.maps.contains(step) { "item" } else { "iteration" };
        match iteration {
            0 => format!("{step}: attempt {attempt}"),
            iteration => format!("{step}: {what} {iteration}, attempt {attempt}"),
        }
    }
}

/// An event as a JSON document on a line, its own bytes as they were written: who wants to compute the chain of hashes
/// needs each of them.
fn json_line(recorded: &Recorded) -> String {
    // A line end can only stand between two tokens, where a space means the same.
    let text = String::from_utf8_lossy(&recorded.bytes).replace(['\n', '\r'], " ");
    format!("{{\"v\":1,\"seq\":{},\"hash\":\"{}\",\"event\":{text}}}\n", recorded.seq, recorded.hash)
}

//! Attempts of components: what starts one, and what becomes of its end.

use super::at_hand::AtHand;
use super::calls::Recorder;
use super::{Begun, Beside, Crew, Driver, Outcome, now_ms, random};
use crate::attempt::{self, AttemptInput, Ended, Made};
use crate::calls::Calls;
use crate::keep::Kept;
use crate::memo::{self, Done};
use crate::models::Models;
use crate::perform::{Performer, Task};
use crate::run::RunError;
use crate::spending::Spending;
use crate::submitting::Suspension;
use crate::tools::Toolbox;
use crate::uses::UseCount;
use crate::written::NewFile;
use palisade_audit::{Entry, What};
use palisade_interpreter::{
    AttemptFailed, AttemptStarted, AttemptSucceeded, AttemptSuspended, CancelReason, Event, Output, Reuse, Turn,
};
use palisade_model::limits::{Limit, LimitSource};
use palisade_model::manifest::Power;
use palisade_model::{Digest, Failure, FailureKind, LimitKind, Spent, StepId, Usage, sink};
use palisade_runbook::{Binding, BindingSource, PastAttempt, PlannedStep, PlannedWork, agent_runs, names_data};
use palisade_sandbox::ports::RunBounds;
use palisade_store::{NewEntry, NewMemo, NewUsage, Pin, Room};
use std::collections::BTreeSet;
use std::sync::Arc;

impl<'a> Driver<'a> {
    /// Starts an attempt on a thread of its own; gives it back if this one is to run it.
    pub(super) fn start_attempt<'s>(
        &mut self,
        crew: &Crew<'s, '_>,
        turn: Turn,
        inputs: Vec<AttemptInput>,
        runs: u64,
        room: Option<Room>,
    ) -> Result<Option<AtHand<'s>>, RunError>
    where
        'a: 's,
    {
        let (step, call) = (self.planned(&turn.step)?, self.call(&turn.step)?);
        let started = Event::AttemptStarted(Box::new(AttemptStarted {
            step: turn.step.clone(),
            attempt: turn.attempt,
            iteration: turn.iteration,
            at_ms: now_ms(),
            component: call.component_digest,
            limits: None,
            runs,
        }));
        let is_pure = self.engine.is_known_pure(&call.component_digest);
        if is_pure {
            // Nothing is lost if nobody ever knows that it began: it reaches nothing, and begins anew.
            self.machine.apply(&started);
            self.note_for_later(vec![started], Beside::default());
        } else {
            self.append(vec![started], Beside::default())?;
        }
        let input_bytes = inputs.iter().map(|input| input.items.length()).fold(0, u64::saturating_add);
        let commit_ms = self.writing.commit_ms;
        self.begun.insert(turn.step.clone(), Begun { commit_ms, input_bytes, _room: room });
        let values = self.machine.state().values(&turn.step).unwrap_or_default().to_vec();
        let (engine, work, plan_digest) = (self.engine, self.work, self.plan_digest);
        let (root, work_key) = (self.root.clone(), self.place.work_key.clone());
        let at_hand = is_pure && self.is_at_hand(step, input_bytes);
        let (observer, report) = (self.ahead(), crew.report.clone());
        let stop = crew.stop.of(self.machine.state());
        let known = self.known_calls(step, &turn);
        let durable = self.durable(step, &turn, &crew.report);
        let item_gate = self.item_gate(step, &turn, &crew.report);
        let caller = self.caller(&turn.step, call);
        let subtree = self.place.subtree.clone();
        let of_attempt = turn.clone();
        let attempt: AtHand<'s> = Box::new(move |attended| {
            let span = tracing::info_span!("step", step = %turn.step, turn.iteration, turn.attempt);
            let performer = Performer { engine, observer: &observer, attended, work, root, work_key, plan_digest };
            let recorder = Recorder::new(&turn, report);
            let spending = Arc::new(Spending::new(subtree, recorder.clone()));
            let run: Arc<dyn RunBounds> = spending.clone();
            let models = Models { gateway: engine.models(), caller, stop, run: Arc::clone(&run) };
            let toolbox = Toolbox {
                engine,
                observer: &observer,
                work,
                plan_digest,
                step,
                stop,
                team: Vec::new(),
                run: Arc::clone(&run),
            };
            let default_model = call.default_model.as_deref();
            let calls = step.asks().then(|| Calls::new(toolbox, Some(models), default_model, known, Some(&recorder)));
            let task = Task { turn, step, call, inputs, values, calls, durable, item_gate, run };
            let wanted = performer.work.reuse;
            let done = span.in_scope(|| memo::perform(&performer, &task, stop, wanted)).or_suspended(&task);
            Outcome::Attempt { turn: task.turn, done, spent: spending.end() }
        });
        if at_hand {
            return Ok(Some(attempt));
        }
        let report = crew.report.clone();
        crew.run(move || {
            let panicked = || {
                let done = Done::before_start(Failure::new(FailureKind::Host, "Palisade itself failed"));
                Outcome::Attempt { turn: of_attempt, done, spent: Spent::default() }
            };
            // The driver may have given up; then nobody wants to know.
            attempt::reported(|| attempt(None), panicked, |outcome| drop(report.send(outcome)));
        });
        Ok(None)
    }

    /// Takes what came of an attempt.
    pub(super) fn take(&mut self, turn: Turn, done: Done, spent: Spent) -> Result<Vec<Turn>, RunError> {
        let at_ms = now_ms();
        let begun = self.begun.remove(&turn.step);
        let (ended, reuse) = match done {
            Done::Ran { ended, reuse } => (ended, reuse),
            Done::Known { reuse, recorded, pin } => return self.take_known(turn, at_ms, reuse, *recorded, pin),
            Done::Suspended { ended, by } => return self.take_suspended(turn, at_ms, *ended, spent, &by),
        };
        let Ended { result, usage, own, uses, skipped_count, skipped, log, files } = *ended;
        let own = self.planned(&turn.step)?.asks().then_some(own);
        let entries = self.uses(&turn, at_ms, uses, &spent)?;
        let made = match result {
            Ok(made) => made,
            // It says nothing of the step, so it ends nothing: whoever resumes the run begins the attempt anew.
            Err(Failure { kind: FailureKind::Host, message, .. }) => {
                // What others have done is known by now: nobody is to doubt it since this one stops.
                self.settle()?;
                return Err(RunError::Host { step: turn.step, message });
            }
            Err(failure) => {
                let failure = self.doubted(&turn.step, self.out_of_time(failure));
                let retryable = failure.kind.may_pass();
                let retry_at_ms = self.retry_at(&turn, &failure, at_ms)?;
                let Turn { step, iteration, attempt } = turn;
                let event = Event::AttemptFailed(Box::new(AttemptFailed {
                    step,
                    attempt,
                    iteration,
                    at_ms,
                    failure,
                    retryable,
                    retry_at_ms,
                    usage,
                    own,
                    spent,
                    skipped_count,
                    skipped,
                    log,
                }));
                return self.advance(vec![event], Beside { entries, ..Beside::default() });
            }
        };
        // Where some of it was done before, it is no measure of the whole.
        let begun = if self.items_done(self.planned(&turn.step)?, &turn) > 0 { None } else { begun };
        let Turn { step, iteration, attempt } = turn;
        let (outputs, artifacts): (Vec<_>, Vec<_>) = made.into_iter().map(Made::into_artifact).unzip();
        let (files, contents) = files.into_iter().map(NewFile::into_written).unzip();
        let usages = begun.and_then(|begun| self.used(&step, &begun, usage, &outputs)).into_iter().collect();
        let event = Event::AttemptSucceeded(Box::new(AttemptSucceeded {
            step,
            attempt,
            iteration,
            at_ms,
            outputs,
            usage,
            own,
            spent,
            skipped_count,
            skipped,
            log,
            reuse: Some(reuse),
            files,
        }));
        let memos = match reuse {
            // It is the first of the events that are appended with it.
            Reuse::New { key } => vec![NewMemo { key, event: 0 }],
            Reuse::From { .. } | Reuse::Impure | Reuse::Off => Vec::new(),
        };
        self.advance(vec![event], Beside { artifacts, contents, usages, memos, entries, ..Beside::default() })
    }

    /// What the audit log says of what an attempt used.
    fn uses(&self, turn: &Turn, at_ms: u64, uses: Vec<UseCount>, spent: &Spent) -> Result<Vec<NewEntry>, RunError> {
        if uses.is_empty() && spent.sent.is_empty() {
            return Ok(Vec::new());
        }
        let component = self.call(&turn.step)?.component_digest;
        Ok(self.uses_of(component, turn, at_ms, uses, spent))
    }

    /// What the audit log says of what a component of an attempt used.
    pub(super) fn uses_of(
        &self,
        component: Digest,
        turn: &Turn,
        at_ms: u64,
        uses: Vec<UseCount>,
        spent: &Spent,
    ) -> Vec<NewEntry> {
        let (sent, more) = sent(&uses, spent);
        let entry = |(UseCount { power, scope, allowed, denied }, sent)| {
            let (step, power) = (turn.step.clone(), power.to_owned());
            let (iteration, attempt) = (turn.iteration.into(), turn.attempt.into());
            let what = What::Uses { step, iteration, attempt, component, power, scope, allowed, denied, sent };
            // The end of the attempt, or of the call, is the first of the events that are appended with it.
            NewEntry { event: 0, entry: Entry::of_run(self.run, at_ms, what) }
        };
        uses.into_iter().zip(sent).chain(more).map(entry).collect()
    }

    /// Takes what an earlier attempt made in place of one that did not have to run.
    fn take_known(
        &mut self,
        turn: Turn,
        at_ms: u64,
        reuse: Reuse,
        recorded: AttemptSucceeded,
        pin: Pin,
    ) -> Result<Vec<Turn>, RunError> {
        let Turn { step, iteration, attempt } = turn;
        let (usage, own, spent, reuse) = (Usage::default(), None, Spent::default(), Some(reuse));
        let known = AttemptSucceeded { step, attempt, iteration, at_ms, usage, own, spent, reuse, ..recorded };
        let beside = Beside { pins: vec![pin], ..Beside::default() };
        self.advance(vec![Event::AttemptSucceeded(Box::new(known))], beside)
    }

    /// Takes that an attempt ended with what it asked for.
    fn take_suspended(
        &mut self,
        turn: Turn,
        at_ms: u64,
        ended: Ended,
        spent: Spent,
        by: &Suspension,
    ) -> Result<Vec<Turn>, RunError> {
        let Ended { usage, own, uses, .. } = ended;
        let entries = self.uses(&turn, at_ms, uses, &spent)?;
        let mut kept = Kept::new(self.engine.store())?;
        kept.bytes("request", &by.request)?;
        let (Turn { step, attempt, .. }, call, request) = (turn, by.call, Digest::of(&by.request));
        let event = Event::AttemptSuspended(Box::new(AttemptSuspended {
            step,
            attempt,
            at_ms,
            call,
            request,
            usage,
            own: Some(own),
            spent,
        }));
        let mut beside = Beside { entries, ..Beside::default() };
        beside.keep(kept);
        self.advance(vec![event], beside)
    }

    /// When a step that failed tries again; none if it does not.
    pub(super) fn retry_at(&self, turn: &Turn, failure: &Failure, now_ms: u64) -> Result<Option<u64>, RunError> {
        let retry = self.machine.graph().node(&turn.step).and_then(|node| node.retry.as_ref());
        let Some(retry) = retry.filter(|_| self.machine.state().cancelled().is_none()) else { return Ok(None) };
        let [random @ .., _, _] = random().map_err(RunError::Random)?;
        let wait_ms = retry.wait_ms(self.machine.state().try_number(turn), &failure.kind, u64::from_le_bytes(random));
        Ok(wait_ms.map(|wait_ms| now_ms.saturating_add(wait_ms)))
    }

    /// What an attempt used that did what was wanted, for estimates of later runs. None where nobody measured how much it
    /// was to read.
    fn used(&self, id: &StepId, begun: &Begun, usage: Usage, outputs: &[Output]) -> Option<NewUsage> {
        let step = self.steps.get(id)?;
        let call = step.call()?;
        let data_bytes = if names_data(call) { self.work.estimate?.step(id)?.data_bytes? } else { 0 };
        let input_bytes = begun.input_bytes.saturating_add(data_bytes);
        let outputs = outputs.iter().map(|output| (output.port.clone(), output.bytes)).collect();
        let past = PastAttempt::new(step, call, input_bytes, begun.commit_ms, usage, outputs);
        // It is the first of the events that are appended with it.
        Some(NewUsage { component: call.component_digest, event: 0, bytes: serde_json::to_vec(&past).ok()? })
    }

    /// A step that was stopped since the run's own time was over reached a limit.
    pub(super) fn out_of_time(&self, failure: Failure) -> Failure {
        let over = self.machine.state().cancelled() == Some(CancelReason::Timeout);
        if !over || failure.kind != FailureKind::Cancelled {
            return failure;
        }
        let value = self.wall_ms();
        let in_force = Limit { value, set_by: LimitSource::Run, ceiling: u64::MAX };
        let mut failure = Failure::limit(LimitKind::Wall, in_force, None);
        failure.message = format!("the time of the whole run, {}, was over", LimitKind::Wall.show(value));
        failure.with_help(if self.work.plan.duration_is_set {
            "raise `limits.max_duration` of the runbook; in the `artifacts` form it is `config.timeout`"
        } else {
            "that is what a run has that states nothing; state `limits.max_duration` in the runbook"
        })
    }
}

/// How much of what was spent went with each of the uses, and what is to be told beside them: the models that a team asked and its
/// leader did not.
fn sent(uses: &[UseCount], spent: &Spent) -> (Vec<u64>, Vec<(UseCount, u64)>) {
    const SENDING: [Power; 3] = [Power::Http, Power::Database, Power::Llm];
    let sending = |name: &str| SENDING.into_iter().find(|power| power.name() == name);
    let sink_of = |told: &UseCount| Some(sink(sending(told.power)?, told.scope.as_deref()?));
    let told: BTreeSet<String> = uses.iter().filter_map(sink_of).collect();
    let mut origins = 0_u64;
    let mut more = Vec::new();
    for (sink, bytes) in spent.sent.iter().filter(|(sink, _)| !told.contains(*sink)) {
        match sink.split_once('=').and_then(|(power, place)| Some((sending(power)?.name(), place.to_owned()))) {
            Some((power, place)) => more.push((UseCount { power, scope: Some(place), allowed: 0, denied: 0 }, *bytes)),
            // There may be any number of origins. They are told with the rest of them.
            None => origins = origins.saturating_add(*bytes),
        }
    }
    let of = |told: &UseCount| match sink_of(told) {
        Some(sink) => spent.sent_to(&sink),
        None if told.power == Power::Http.name() => origins,
        None => 0,
    };
    (uses.iter().map(of).collect(), more)
}

/// How often an attempt runs components at most, where so many items are done already. A map over too many items runs nothing,
/// which it tells itself.
pub(crate) fn component_runs(step: &PlannedStep, inputs: &[AttemptInput], done: u64) -> u64 {
    let max_items = match &step.work {
        PlannedWork::Map { max_items, .. } => max_items,
        PlannedWork::Agent { call, .. } => return agent_runs(step, call),
        _ => return 1,
    };
    let is_ruleset = |binding: &&Binding| matches!(binding.source, BindingSource::Ruleset { .. });
    let mapped = step.inputs.iter().find(|binding| !is_ruleset(binding));
    let mapped = mapped.and_then(|binding| inputs.iter().find(|input| input.port == binding.port));
    mapped.map_or(0, |input| input.items.lines().min(*max_items)).saturating_sub(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_told_where_it_went() {
        let count = |power: Power, scope: Option<&str>| UseCount {
            power: power.name(),
            scope: scope.map(str::to_owned),
            allowed: 1,
            denied: 0,
        };
        let uses = [
            count(Power::FsRead, Some("big")),
            count(Power::Http, None),
            count(Power::Http, Some("https://a.example")),
            count(Power::Llm, None),
            count(Power::Llm, Some("big")),
        ];
        let sinks = [("https://a.example", 1), ("https://b.example", 2), ("https://c.example", 4), ("llm=big", 8)];
        let beside = [("llm=small", 16), ("database=crm", 32)];
        let sent = sinks.into_iter().chain(beside).map(|(sink, bytes)| (sink.to_owned(), bytes)).collect();
        let (of_uses, more) = super::sent(&uses, &Spent { denials: 0, sent });
        assert_eq!(of_uses, [0, 6, 1, 0, 8]);
        let told: Vec<_> = more.iter().map(|(told, bytes)| (told.power, told.scope.as_deref(), *bytes)).collect();
        assert_eq!(told, [("database", Some("crm"), 32), ("llm", Some("small"), 16)]);
    }
}

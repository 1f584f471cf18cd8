//! Drives a run: starts what the interpreter commands, appends what comes of it, until the run has ended.
//!
//! One thread owns the journal and the state; each attempt, and each child run, has a thread that reports to it. What is
//! finished is durable before it is told.

pub(crate) mod approval;
mod attempts;
mod begin;
mod children;
mod planned;
mod reused;

use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::filled::fill_in;
use crate::gate::{Gate, Stand};
use crate::keep::Kept;
use crate::lookup::Lookup;
use crate::memo::Done;
use crate::observe::{Observed, Observer};
use crate::record::{self, Ran};
use crate::requests::Request;
use crate::run::{RUNNING, RunError, Work};
use crate::subtree::Subtree;
pub(crate) use attempts::component_runs;
pub(crate) use begin::graph;
use children::ChildDone;
use palisade_interpreter::{AttemptFailed, CancelReason, Event, Machine, Parent, Question, RunState, StepState, Turn};
use palisade_model::{Digest, RunId, RunLimitKind, RunLimits, StepId};
use palisade_runbook::{BindingSource, Plan, PlannedCall, PlannedStep, PlannedWork};
use palisade_store::{Append, NewArtifact, NewEvent, NewMemo, NewUsage, Pending, Pin, RunLock, RunSummary};
use rustix::fd::OwnedFd;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a waiting driver looks whether the run was cancelled, its time is over, or there is room again.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What a thread reports.
enum Outcome {
    /// An attempt ended.
    Attempt { turn: Turn, done: Done },
    /// A child run ended, or could not be driven to its end.
    Child { turn: Turn, child: RunId, done: Result<Box<ChildDone>, RunError> },
}

/// Where a run stands among others.
#[derive(Debug, Clone)]
struct Place {
    /// What it hangs on; none = a person started it.
    parent: Option<Parent>,
    /// What it shares with the runs above and below it.
    subtree: Subtree,
    /// Its own limits: for a child those that its step allows too.
    limits: RunLimits,
    /// The working folder, where a run above holds it open.
    folder: Option<PathBuf>,
    /// What its caller named it.
    key: Option<String>,
    /// Names its work for those outside who must know it again: the same however often a child is tried.
    work_key: String,
    /// The steps down to it from the run that a person started.
    way: Vec<StepId>,
}

/// What becomes durable with events.
#[derive(Default)]
struct Beside {
    artifacts: Vec<NewArtifact>,
    contents: Vec<Pending>,
    usages: Vec<NewUsage>,
    memos: Vec<NewMemo>,
    /// Requests that are answered with them.
    answered: Vec<i64>,
    /// Keep what was found in the store there until the events name it.
    pins: Vec<Pin>,
}

impl Beside {
    fn keep(&mut self, kept: Kept<'_>) {
        let Kept { pin, pending, artifacts, .. } = kept;
        self.pins.push(pin);
        self.contents.extend(pending);
        self.artifacts.extend(artifacts);
    }
}

/// What is noted of an attempt when it starts.
struct Begun {
    /// Milliseconds that the journal took just before.
    commit_ms: u64,
    /// Bytes of its artifacts and rulesets.
    input_bytes: u64,
}

/// Which run is driven, as it began.
struct Begin {
    run: RunId,
    started_ms: u64,
    /// As it was recorded: what is random for a guest follows from it.
    plan_digest: Digest,
    lock: RunLock,
    place: Place,
}

pub(crate) struct Driver<'a> {
    engine: &'a Engine,
    work: Work<'a>,
    observer: &'a dyn Observer,
    run: RunId,
    plan_digest: Digest,
    /// The plan's steps by their ids.
    steps: BTreeMap<&'a StepId, &'a PlannedStep>,
    machine: Machine,
    /// The inputs of the run, by their names without case.
    inputs: BTreeMap<String, Digest>,
    /// The attempts that run.
    begun: BTreeMap<StepId, Begun>,
    /// That attempts began which follow from what they are given alone: it is written with what comes next.
    unwritten: Vec<Event>,
    /// Milliseconds that the journal took when it was written last.
    commit_ms: u64,
    /// All events so far: a run has a few for each step.
    events: Vec<Event>,
    seq: u64,
    started: Instant,
    /// How long processes before this one worked on the run.
    worked_before: Duration,
    /// How long runs of this process had been held for a person before it began.
    held_before: Duration,
    started_ms: u64,
    /// Held open, so that the folder stays the same whatever its path leads to by now.
    _folder: OwnedFd,
    root: PathBuf,
    place: Place,
    /// What was granted for this run alone, as it was given.
    allowed: Vec<String>,
    /// Who said yes beforehand to what its steps make and allow.
    approved_by: Option<String>,
    /// When it was looked last for what others ask; none = not yet.
    letters: Option<Letters>,
    /// Somebody asked that the run end.
    cancel_requested: bool,
    /// What they asked, to be removed with the event that says so.
    answered: Vec<i64>,
    _lock: RunLock,
}

/// What was seen when it was looked for requests.
struct Letters {
    looked: Instant,
    /// A number that changes when another process writes to the store.
    changes: i64,
}

impl<'a> Driver<'a> {
    pub(crate) fn into_record(mut self, cancel: &Cancel) -> Result<Ran, RunError> {
        self.drive_to_end(cancel)?;
        self.record()
    }

    fn drive_to_end(&mut self, cancel: &Cancel) -> Result<(), RunError> {
        let span = tracing::info_span!("run", run = %self.run, runbook = self.work.plan.name);
        let _entered = span.enter();
        // The attempts have a flag of their own, so that the run's own time can end them too.
        let stop = Cancel::new();
        std::thread::scope(|scope| self.drive(scope, cancel, &stop))
    }

    fn record(&self) -> Result<Ran, RunError> {
        let plan = self.filled_plan()?;
        Ok(record::fold(self.run, &plan, self.plan_digest, &self.events))
    }

    /// The plan, with those of runbooks that are artifacts as far as they were made.
    fn filled_plan(&self) -> Result<Cow<'a, Plan>, RunError> {
        if !self.events.iter().any(|event| matches!(event, Event::ChildPlanned(_))) {
            return Ok(Cow::Borrowed(self.work.plan));
        }
        let mut plan = self.work.plan.clone();
        fill_in(&mut plan, &self.events, self.engine.store(), self.run)?;
        Ok(Cow::Owned(plan))
    }

    fn drive<'s>(&mut self, scope: &'s Scope<'s, '_>, cancel: &Cancel, stop: &'s Cancel) -> Result<(), RunError>
    where
        'a: 's,
    {
        let driven = self.drive_until_end(scope, cancel, stop);
        if driven.is_err() {
            // The threads must not go on for a run that nobody writes down any more.
            stop.cancel();
        }
        driven
    }

    fn drive_until_end<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        cancel: &Cancel,
        stop: &'s Cancel,
    ) -> Result<(), RunError>
    where
        'a: 's,
    {
        let (report, outcomes) = channel();
        let (mut waiting, mut running) = (VecDeque::new(), 0_usize);
        // Looked at before anything else: a run that is taken up to be cancelled would wait for a person again.
        self.look_around(cancel, stop, &mut waiting)?;
        waiting.extend(self.advance(Vec::new(), Beside::default())?);
        loop {
            if !self.has_ended() {
                self.start_what_has_room(scope, &mut waiting, &mut running, &report, stop)?;
            }
            if self.has_ended() {
                return Ok(());
            }
            match outcomes.recv_timeout(self.next_look()) {
                Ok(outcome) => {
                    running -= 1;
                    let ended = self.work.gate.map(|_| match &outcome {
                        Outcome::Attempt { turn, .. } | Outcome::Child { turn, .. } => turn.clone(),
                    });
                    waiting.extend(match outcome {
                        Outcome::Attempt { turn, done } => {
                            self.place.subtree.leave();
                            self.take(turn, done)?
                        }
                        Outcome::Child { turn, child, done } => self.take_child(turn, child, *done?)?,
                    });
                    if let Some(turn) = ended {
                        self.is_held(&turn, true);
                    }
                }
                // This thread holds a sender, so nobody ever is the last to hang up.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    // An attempt that takes a while is seen to run, and is known to have run if the process dies.
                    if !self.unwritten.is_empty() {
                        self.write(Vec::new(), Beside::default())?;
                    }
                }
            }
            self.look_around(cancel, stop, &mut waiting)?;
        }
    }

    /// Takes in what did not come from its own threads: time, what others ask, and that the run is to end.
    fn look_around(&mut self, cancel: &Cancel, stop: &Cancel, waiting: &mut VecDeque<Turn>) -> Result<(), RunError> {
        waiting.extend(self.fire_timers()?);
        waiting.extend(self.take_requests()?);
        if let Some(reason) = self.reason_to_stop(cancel) {
            stop.cancel_for(reason);
            // A child that has not ended has a journal, in which it is to be told that it is cancelled.
            let cancelled = reason != CancelReason::Interrupted;
            waiting.retain(|turn| cancelled && self.machine.state().child(&turn.step).is_some());
            let event = Event::CancelRequested { reason, at_ms: now_ms(), resumed: self.machine.state().resumed() };
            let answered = std::mem::take(&mut self.answered);
            waiting.extend(self.advance(vec![event], Beside { answered, ..Beside::default() })?);
        }
        Ok(())
    }

    /// Starts attempts and children in the order in which they were commanded, as many as may run at once. A child takes
    /// no room itself beside its attempts: it could wait for itself.
    fn start_what_has_room<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        waiting: &mut VecDeque<Turn>,
        running: &mut usize,
        report: &Sender<Outcome>,
        stop: &'s Cancel,
    ) -> Result<(), RunError>
    where
        'a: 's,
    {
        let most = self.place.limits.get(RunLimitKind::MaxConcurrency).unwrap_or(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        // Who holds a run wants to see one thing happen after the other.
        let most = if self.work.gate.is_some() { 1 } else { most };
        while *running < most
            && let Some(turn) = waiting.pop_front()
        {
            if self.is_held(&turn, false) {
                waiting.push_front(turn);
                return Ok(());
            }
            let step = self.planned(&turn.step)?;
            if let PlannedWork::Reuse { from_run, artifact } = &step.work {
                waiting.extend(self.take_reused(turn, from_run, artifact)?);
                continue;
            }
            if let Some(child) = step.child() {
                match self.start_child(scope, &turn, child, report, stop)? {
                    None => *running += 1,
                    Some((run, refused)) => waiting.extend(self.take_child(turn, run, refused)?),
                }
                continue;
            }
            if !self.place.subtree.enter() {
                waiting.push_front(turn);
                return Ok(());
            }
            let inputs = self.lookup().inputs(step, turn.iteration)?;
            let runs = attempts::component_runs(step, &inputs);
            match self.place.subtree.take_runs(runs) {
                Err(failure) => {
                    self.place.subtree.leave();
                    waiting.extend(self.take(turn, Done::before_start(failure))?);
                }
                Ok(()) => {
                    self.start_attempt(scope, turn, inputs, runs, report, stop)?;
                    *running += 1;
                }
            }
        }
        Ok(())
    }

    /// Lets whoever holds the run look at it here. Says whether they want it to end.
    fn is_held(&self, turn: &Turn, ended: bool) -> bool {
        let Some(gate) = self.work.gate else { return false };
        if !gate.has_quit() && self.machine.state().cancelled().is_none() {
            gate.stand(&Stand {
                way: &self.way(turn),
                plan: self.work.plan,
                inputs: &self.inputs,
                events: &self.events,
                state: self.machine.state(),
                turn,
                ended,
            });
        }
        gate.has_quit()
    }

    /// The steps down to this one from the run that a person started.
    fn way(&self, turn: &Turn) -> Vec<StepId> {
        self.place.way.iter().chain([&turn.step]).cloned().collect()
    }

    /// How long processes worked on the run, what it was held for a person aside.
    fn worked(&self) -> Duration {
        let held = self.work.gate.map_or(Duration::ZERO, Gate::held).saturating_sub(self.held_before);
        self.worked_before + self.started.elapsed().saturating_sub(held)
    }

    /// Does what other processes asked for.
    fn take_requests(&mut self) -> Result<Vec<Turn>, RunError> {
        if self.letters.as_ref().is_some_and(|letters| letters.looked.elapsed() < LOOK_EVERY) || self.has_ended() {
            return Ok(Vec::new());
        }
        // Asked before they are read, so that one that comes meanwhile is seen the next time.
        let changes = self.engine.store().changes()?;
        let seen = self.letters.replace(Letters { looked: Instant::now(), changes });
        if seen.is_some_and(|seen| seen.changes == changes) {
            return Ok(Vec::new());
        }
        let mut start = Vec::new();
        for asked in self.engine.store().asked(self.run)? {
            let event = match Request::read(&asked.bytes) {
                Some(Request::Cancel) if self.machine.state().cancelled().is_none() => {
                    self.cancel_requested = true;
                    // It is answered by the event that says that the run is cancelled.
                    self.answered.push(asked.id);
                    continue;
                }
                Some(Request::Cancel) => None,
                Some(Request::Decide(decision)) => decision.event(self.machine.state(), now_ms()),
                Some(Request::GoOn { step }) => match self.machine.state().step(&step) {
                    Some(&StepState::Awaiting { iteration, attempt: attempt @ 1.., .. }) => {
                        Some(Event::TimerFired { step, attempt, iteration, at_ms: now_ms() })
                    }
                    _ => None,
                },
                None => None,
            };
            event.iter().for_each(|event| self.observe_failure(event));
            let beside = Beside { answered: vec![asked.id], ..Beside::default() };
            match event {
                Some(event) => start.extend(self.advance(vec![event], beside)?),
                None => self.write(Vec::new(), beside)?,
            }
        }
        Ok(start)
    }

    fn has_ended(&self) -> bool {
        matches!(self.machine.state().run(), RunState::Ended(_))
    }

    /// How long to wait for outcomes: until the next timer, or until it is time to look whether the run is to end.
    fn next_look(&self) -> Duration {
        let timers = self.machine.state().next_timer().map(|(_, until_ms)| until_ms).into_iter();
        let first = timers.chain(self.machine.state().next_expiry().map(|(_, until_ms)| until_ms)).min();
        first
            .map(|until_ms| until_ms.saturating_sub(now_ms()))
            .map_or(LOOK_EVERY, |ms| LOOK_EVERY.min(Duration::from_millis(ms)))
    }

    /// Says of each wait that is over that it is, and gives the attempts that follow.
    fn fire_timers(&mut self) -> Result<Vec<Turn>, RunError> {
        let mut start = Vec::new();
        while let Some((turn, until_ms)) = self.machine.state().next_timer() {
            let at_ms = now_ms();
            if until_ms > at_ms {
                break;
            }
            let Turn { step, iteration, attempt } = turn;
            start.extend(self.advance(vec![Event::TimerFired { step, attempt, iteration, at_ms }], Beside::default())?);
        }
        while let Some((step, until_ms)) = self.machine.state().next_expiry() {
            let at_ms = now_ms();
            if until_ms > at_ms {
                break;
            }
            let event = approval::expired(step.clone(), at_ms);
            self.observe_failure(&event);
            start.extend(self.advance(vec![event], Beside::default())?);
        }
        Ok(start)
    }

    /// Why the run is to end before its time, if it is and it was not said yet.
    fn reason_to_stop(&self, cancel: &Cancel) -> Option<CancelReason> {
        if self.machine.state().cancelled().is_some() || self.has_ended() {
            None
        } else if self.cancel_requested {
            Some(CancelReason::Requested)
        } else if let Some(reason) = cancel.reason() {
            // The time that was over was that of a run above: for this one it was ended by its parent.
            Some(if reason == CancelReason::Timeout { CancelReason::Requested } else { reason })
        } else if self.work.gate.is_some_and(Gate::has_quit) {
            Some(CancelReason::Interrupted)
        } else if self.worked() > Duration::from_millis(self.wall_ms()) {
            Some(CancelReason::Timeout)
        } else {
            None
        }
    }

    /// Longest duration of the run, in milliseconds.
    fn wall_ms(&self) -> u64 {
        self.place.limits.get(RunLimitKind::MaxDuration).unwrap_or(u64::MAX)
    }

    /// Appends events, applies them and what follows from them at once; gives the attempts that are to be started.
    fn advance(&mut self, events: Vec<Event>, mut beside: Beside) -> Result<Vec<Turn>, RunError> {
        for event in &events {
            self.machine.apply(event);
        }
        let mut new = events;
        let mut start = Vec::new();
        loop {
            let next = self.machine.advance(now_ms());
            for event in &next.events {
                match event {
                    Event::StepSkipped { step, because } => {
                        self.observer.observe(&Observed::StepSkipped { step, because });
                    }
                    Event::ApprovalRequested { step, .. } => {
                        self.observer.observe(&Observed::ApprovalRequested { step });
                    }
                    _ => {}
                }
            }
            new.extend(next.events);
            start.extend(next.start);
            if !new.is_empty() {
                // Before an answer, too: it stands in documents that are in the store with this commit at the earliest.
                self.write(std::mem::take(&mut new), std::mem::take(&mut beside))?;
            }
            if next.answer.is_empty() {
                return Ok(start);
            }
            for question in &next.answer {
                let event = self.answer(question, &mut beside)?;
                self.observe_failure(&event);
                self.machine.apply(&event);
                new.push(event);
            }
        }
    }

    /// Looks up what the interpreter can't compute. What is to be kept for the answer is put beside it.
    fn answer(&self, question: &Question, beside: &mut Beside) -> Result<Event, RunError> {
        match question {
            Question::Condition { step, iteration } => {
                let outcome = self.lookup().condition(self.planned(step)?, *iteration)?;
                Ok(Event::ConditionEvaluated { step: step.clone(), iteration: *iteration, outcome })
            }
            Question::Values { step } => {
                let call = self.call(step)?;
                let entry = self.engine.catalogue().get(&call.component_digest);
                let missing = || RunError::Missing { what: format!("component {}@{}", call.component, call.version) };
                let schema = &entry.ok_or_else(missing)?.manifest.config_schema;
                Ok(Event::ValueResolved { step: step.clone(), outcome: self.lookup().values(call, schema)? })
            }
            Question::Child { step, iteration } => self.plan_child(step, *iteration, beside),
        }
    }

    fn observe_failure(&self, event: &Event) {
        match event {
            Event::AttemptFailed(failed) if failed.retry_at_ms.is_some() => {
                let AttemptFailed { step, attempt, failure, retry_at_ms, at_ms, .. } = failed.as_ref();
                let wait_ms = retry_at_ms.unwrap_or(0).saturating_sub(*at_ms);
                self.observer.observe(&Observed::StepRetries { step, attempt: *attempt, failure, wait_ms });
            }
            _ => {
                if let Some((step, failure)) = event.failure() {
                    self.observer.observe(&Observed::StepFailed { step, failure });
                }
            }
        }
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            store: self.engine.store(),
            schemas: self.work.schemas,
            plan: self.work.plan,
            state: self.machine.state(),
            inputs: &self.inputs,
            made: None,
        }
    }

    fn planned(&self, step: &StepId) -> Result<&'a PlannedStep, RunError> {
        self.steps.get(step).copied().ok_or_else(|| RunError::Missing { what: format!("step {step}") })
    }

    fn call(&self, step: &StepId) -> Result<&'a PlannedCall, RunError> {
        let call = self.planned(step)?.call();
        call.ok_or_else(|| RunError::Missing { what: format!("the component of step {step}") })
    }

    fn append(&mut self, events: Vec<Event>, beside: Beside) -> Result<(), RunError> {
        for event in &events {
            self.machine.apply(event);
        }
        self.write(events, beside)
    }

    /// The one place where the journal is written.
    fn write(&mut self, events: Vec<Event>, mut beside: Beside) -> Result<(), RunError> {
        let mut all = std::mem::take(&mut self.unwritten);
        beside.usages.iter_mut().for_each(|usage| usage.event += all.len());
        beside.memos.iter_mut().for_each(|memo| memo.event += all.len());
        all.extend(events);
        self.write_as_they_are(all.into_iter().map(|event| (event.to_bytes(), event)).collect(), beside)
    }

    /// Writes events with the bytes that they have.
    fn write_as_they_are(&mut self, events: Vec<(Vec<u8>, Event)>, beside: Beside) -> Result<(), RunError> {
        let new: Vec<_> = events.iter().map(|(bytes, event)| NewEvent { kind: event.kind(), bytes }).collect();
        let (status, ended_ms, items) = match self.machine.state().run() {
            RunState::Ended(status) => (status.name(), Some(now_ms()), Some(self.result_items()?)),
            RunState::New | RunState::Running => (RUNNING, None, None),
        };
        let summary = RunSummary {
            title: self.work.plan.name.clone(),
            status: status.to_owned(),
            started_ms: self.started_ms,
            ended_ms,
            items,
            parent: self.place.parent.as_ref().map(|parent| parent.run),
            key: self.place.key.clone(),
        };
        let Beside { artifacts, contents, usages, memos, answered, pins: _pins } = beside;
        let append = Append { events: &new, artifacts, contents, usages, memos, answered, summary: Some(summary) };
        let writing = Instant::now();
        self.seq = self.engine.store().append(self.run, self.seq, append)?.seq;
        self.commit_ms = u64::try_from(writing.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.events.extend(events.into_iter().map(|(_, event)| event));
        Ok(())
    }

    /// How many items the results of the run have.
    fn result_items(&self) -> Result<u64, RunError> {
        let items = |source: &BindingSource| match source {
            BindingSource::Step { step, port } => {
                let made = self.machine.state().outputs(step)?.iter().find(|made| made.port == *port)?;
                Some(made.items)
            }
            BindingSource::Input { .. } | BindingSource::Ruleset { .. } => None,
        };
        let results = self.filled_plan()?.results();
        Ok(results.iter().filter_map(|(_, source)| items(source)).fold(0, u64::saturating_add))
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn random() -> std::io::Result<[u8; 10]> {
    let mut bytes = [0; 10];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if read == bytes.len() { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

//! Drives a run: starts what the interpreter commands, appends what comes of it, until the run has ended.
//!
//! One thread owns the journal and the state; each attempt, and each child run, has a thread that reports to it, but for a
//! small attempt that this one runs itself (`at_hand.rs`). How what happens becomes durable, and when it is told, is in
//! `writing.rs`.

pub(crate) mod approval;
mod at_hand;
mod attempts;
mod begin;
mod calls;
mod children;
mod done;
mod doubt;
mod files;
mod loading;
mod mapped;
mod planned;
mod reused;
mod room;
mod submitted;
mod writing;

use crate::approving::ApprovalRequest;
use crate::calls::NewCall;
use crate::cancel::Cancel;
use crate::done::NewDone;
use crate::engine::Engine;
use crate::feed::ItemFeed;
use crate::filled::fill_in;
use crate::gate::{AtItem, Gate, Stand};
use crate::keep::Kept;
use crate::lookup::Lookup;
use crate::memo::Done;
use crate::observe::Observer;
use crate::permits::Permit;
use crate::planning::Refusal;
use crate::record::{self, Ran};
use crate::requests::Request;
use crate::run::{RunError, Work};
use crate::subtree::Subtree;
use crate::threads::Threads;
use at_hand::AtHand;
pub(crate) use attempts::component_runs;
pub(crate) use begin::graph;
use calls::Answered;
use children::{ChildDone, ReadyChild};
use palisade_interpreter::{CancelReason, Event, Machine, Parent, Question, RunState, State, StepState, Turn};
use palisade_model::{Digest, Failure, RunId, RunLimitKind, RunLimits, Spent, StepId};
use palisade_runbook::{BindingSource, Plan, PlannedCall, PlannedStep, PlannedWork};
use palisade_store::{NewArtifact, NewEntry, NewMemo, NewUsage, Pending, Pin, Room, RunLock};
use room::Asked;
use rustix::fd::OwnedFd;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use writing::Writing;

/// How often a waiting driver looks whether the run was cancelled, its time is over, or there is room again.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What a thread reports.
enum Outcome {
    /// An attempt ended.
    Attempt { turn: Turn, done: Done, spent: Spent },
    /// A child run ended, or could not be driven to its end.
    Child { turn: Turn, child: RunId, done: Result<Box<ChildDone>, RunError> },
    /// A component asked the host for something; it gets the answer once that is durable.
    Call { turn: Turn, call: Box<NewCall>, tell: SyncSender<()> },
    /// Items of a map are done; they count as such once that is durable.
    Items { turn: Turn, done: NewDone },
    /// A map is at an item; it goes on when it hears that it may.
    Item { turn: Turn, at: AtItem, tell: SyncSender<()> },
    /// An attempt may go on to spend of what the run may do in all, once that is durable.
    Reserved { turn: Turn, reserved: Spent, tell: SyncSender<()> },
    /// An agent submits a runbook; it hears why that can't run, if it can't.
    Submission { turn: Turn, request: Vec<u8>, tell: SyncSender<Option<Refusal>> },
    /// What was on its way into the journal has arrived, or never will.
    Written,
}

/// The threads of a run, and how they report to the one that drives it.
struct Crew<'s, 'e> {
    scope: &'s Scope<'s, 'e>,
    threads: Threads<'s>,
    report: Sender<Outcome>,
    stop: &'s Stop,
}

/// Ends what goes on. The run's own time can set it too, not only who drives it.
struct Stop {
    /// Ends what the run does.
    doing: Cancel,
    /// Ends what undoes it: that the run was cancelled does not.
    undoing: Cancel,
    /// Ends what is left of a map of which an item failed; set from the start.
    given_up: Cancel,
}

impl Stop {
    fn new() -> Self {
        let given_up = Cancel::new();
        given_up.cancel_for(CancelReason::Requested);
        Self { doing: Cancel::new(), undoing: Cancel::new(), given_up }
    }

    /// Nothing must go on for a run that nobody writes down any more.
    fn all(&self) {
        self.doing.cancel();
        self.undoing.cancel();
    }

    /// What ends a child of a step.
    fn of_child(&self, state: &State, step: &StepId) -> &Cancel {
        match state.step(step) {
            Some(StepState::Mapping(mapping)) if mapping.has_failed() => &self.given_up,
            _ => self.of(state),
        }
    }

    const fn of(&self, state: &State) -> &Cancel {
        if state.compensation().is_none() { &self.doing } else { &self.undoing }
    }
}

impl<'s> Crew<'s, '_> {
    fn run(&self, task: impl FnOnce() + Send + 's) {
        let start = |work| -> Result<(), Infallible> {
            self.scope.spawn(work);
            Ok(())
        };
        let Ok(()) = self.threads.run(Box::new(task), start);
    }
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
    /// What the audit log says beside what follows from the events.
    entries: Vec<NewEntry>,
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

    /// Takes what belongs to further events, before which stand so many.
    fn add(&mut self, other: Self, before: usize) {
        let Self { artifacts, contents, usages, memos, entries, answered, pins } = other;
        self.artifacts.extend(artifacts);
        self.contents.extend(contents);
        self.usages.extend(usages.into_iter().map(|usage| NewUsage { event: usage.event + before, ..usage }));
        self.memos.extend(memos.into_iter().map(|memo| NewMemo { event: memo.event + before, ..memo }));
        self.entries.extend(entries.into_iter().map(|entry| NewEntry { event: entry.event + before, ..entry }));
        self.answered.extend(answered);
        self.pins.extend(pins);
    }
}

/// What is noted of an attempt when it starts.
struct Begun {
    /// Milliseconds that the journal took just before.
    commit_ms: u64,
    /// Bytes of its artifacts and rulesets.
    input_bytes: u64,
    /// Given back when it has ended.
    _room: Option<Room>,
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
    /// Some of them may wait for a person.
    asks_people: bool,
    machine: Machine,
    /// What is to be started, in the order in which it was commanded.
    waiting: VecDeque<Turn>,
    /// How many attempts and children go on.
    running: usize,
    /// For what this thread runs itself; kept from one attempt to the next.
    permit: Option<Permit<'a>>,
    /// The inputs of the run, by their names without case.
    inputs: BTreeMap<String, Digest>,
    /// The attempts that run.
    begun: BTreeMap<StepId, Begun>,
    /// The items of maps whose children are started.
    feeds: BTreeMap<StepId, ItemFeed>,
    /// Those of them that wait for an answer.
    answered_calls: Answered,
    /// All events so far: a run has a few for each step.
    events: Vec<Event>,
    writing: Writing,
    started: Instant,
    /// How long processes before this one worked on the run.
    worked_before: Duration,
    /// How long runs of this process had been held for a person before it began.
    held_before: Duration,
    started_ms: u64,
    /// Held open, so that the folder stays the same whatever its path leads to by now.
    folder: OwnedFd,
    root: PathBuf,
    place: Place,
    /// What was granted for this run alone, as it was given.
    allowed: Vec<String>,
    /// Who started it, or the outermost run above it.
    by: Option<String>,
    /// Who said yes beforehand to what its steps make and allow.
    approved_by: Option<String>,
    /// When it was looked last for what others ask; none = not yet.
    letters: Option<Letters>,
    /// Somebody asked that the run end.
    cancel_requested: bool,
    /// What they asked, to be removed with the event that says so.
    answered: Vec<i64>,
    /// The room that the run has itself, beside its attempts.
    room: Option<Room>,
    /// It was told that it waits for room.
    waits_for_room: bool,
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
        let stop = Stop::new();
        std::thread::scope(|scope| self.drive(scope, cancel, &stop))
    }

    fn record(&self) -> Result<Ran, RunError> {
        let plan = self.filled_plan()?;
        Ok(record::fold(self.run, &plan, self.plan_digest, &self.events))
    }

    /// The plan, with those of runbooks that are artifacts as far as they were made.
    fn filled_plan(&self) -> Result<Cow<'a, Plan>, RunError> {
        // The plans of the others can't be read yet.
        let events = self.events.get(..self.writing.durable()).unwrap_or_default();
        if !events.iter().any(|event| matches!(event, Event::ChildPlanned(_))) {
            return Ok(Cow::Borrowed(self.work.plan));
        }
        let mut plan = self.work.plan.clone();
        fill_in(&mut plan, events, self.engine.store(), self.run)?;
        Ok(Cow::Owned(plan))
    }

    fn drive<'s>(&mut self, scope: &'s Scope<'s, '_>, cancel: &Cancel, stop: &'s Stop) -> Result<(), RunError>
    where
        'a: 's,
    {
        let driven = catch_unwind(AssertUnwindSafe(|| self.drive_until_end(scope, cancel, stop)));
        // The scope waits for its threads, and they may wait for a permit.
        self.permit = None;
        if !matches!(driven, Ok(Ok(()))) {
            stop.all();
            // Nor does any component wait longer for an answer that will never be durable.
            self.answered_calls = Answered::default();
        }
        driven.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn drive_until_end<'s>(&mut self, scope: &'s Scope<'s, '_>, cancel: &Cancel, stop: &'s Stop) -> Result<(), RunError>
    where
        'a: 's,
    {
        let (report, outcomes) = channel();
        let crew = Crew { scope, threads: Threads::default(), report, stop };
        let _loading = self.load_ahead(&crew);
        // Looked at before anything else: a run that is taken up to be cancelled would wait for a person again.
        self.look_around(cancel, stop)?;
        if !self.only_ends() {
            self.engine.check_bytes(self.work.plan)?;
        }
        let first = self.advance(Vec::new(), Beside::default())?;
        self.waiting.extend(first);
        loop {
            let at_hand = if self.has_ended() { None } else { self.start_what_has_room(&crew)? };
            if self.has_ended() {
                return self.settle();
            }
            self.send(&crew)?;
            let outcome = match at_hand {
                Some(attempt) => Ok(self.attend(attempt, &crew, &outcomes, cancel)?),
                None => {
                    self.permit = None;
                    outcomes.recv_timeout(self.next_look())
                }
            };
            if self.has_ended() {
                continue;
            }
            match outcome {
                Ok(outcome) => {
                    self.take_outcome(outcome)?;
                    self.take_outcomes(&outcomes)?;
                }
                // An attempt that takes a while is seen to run, and is known to have run if the process dies. (This thread
                // holds a sender, so nobody ever is the last to hang up.)
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.wait_no_longer(),
            }
            self.look_around(cancel, stop)?;
        }
    }

    /// Takes what came meanwhile: it is written down together, and what follows is begun together.
    fn take_outcomes(&mut self, outcomes: &Receiver<Outcome>) -> Result<(), RunError> {
        while !self.has_ended()
            && let Ok(outcome) = outcomes.try_recv()
        {
            self.take_outcome(outcome)?;
        }
        Ok(())
    }

    fn take_outcome(&mut self, outcome: Outcome) -> Result<(), RunError> {
        match outcome {
            Outcome::Attempt { turn, done, spent } => {
                self.running -= 1;
                self.place.subtree.leave();
                let ended = self.work.gate.map(|_| turn.clone());
                let start = self.take(turn, done, spent)?;
                self.waiting.extend(start);
                self.stand_after(ended)
            }
            Outcome::Child { turn, child, done } => {
                self.running -= 1;
                let ended = self.work.gate.map(|_| turn.clone());
                let start = self.take_child(turn, child, *done?)?;
                self.waiting.extend(start);
                self.stand_after(ended)
            }
            Outcome::Call { turn, call, tell } => self.take_call(turn, *call, tell),
            Outcome::Items { turn, done } => self.take_items(turn, done),
            Outcome::Item { turn, at, tell } => self.take_item(&turn, &at, tell),
            Outcome::Reserved { turn, reserved, tell } => self.take_reserved(turn, reserved, tell),
            Outcome::Submission { turn, request, tell } => self.take_submission(&turn, &request, &tell),
            Outcome::Written => self.look_whether_written(),
        }
    }

    /// Whether no component of it runs any more: it has ended, or was cancelled and undoes nothing.
    fn only_ends(&self) -> bool {
        let undoes = || self.work.plan.steps.iter().any(|step| step.compensate.is_some());
        self.has_ended() || (self.machine.state().cancelled().is_some() && !undoes())
    }

    /// Takes in what did not come from its own threads: time, what others ask, and that the run is to end.
    fn look_around(&mut self, cancel: &Cancel, stop: &Stop) -> Result<(), RunError> {
        let start = self.fire_timers()?;
        self.waiting.extend(start);
        let start = self.take_requests()?;
        self.waiting.extend(start);
        if let Some(reason) = self.reason_to_stop(cancel) {
            let state = self.machine.state();
            stop.of(state).cancel_for(reason);
            // A child that has not ended has a journal, in which it is to be told that it is cancelled.
            let cancelled = reason != CancelReason::Interrupted;
            let state = self.machine.state();
            self.waiting.retain(|turn| cancelled && state.child(&turn.step, turn.iteration).is_some());
            let (resumed, compensating) = (state.resumed(), state.compensation().is_some());
            let event = Event::CancelRequested { reason, at_ms: now_ms(), resumed, compensating };
            let answered = std::mem::take(&mut self.answered);
            let start = self.advance(vec![event], Beside { answered, ..Beside::default() })?;
            self.waiting.extend(start);
        }
        Ok(())
    }

    /// Starts attempts and children in the order in which they were commanded, as many as may run at once. Gives the one that
    /// this thread is to run itself.
    fn start_what_has_room<'s>(&mut self, crew: &Crew<'s, '_>) -> Result<Option<AtHand<'s>>, RunError>
    where
        'a: 's,
    {
        let mut children = Vec::new();
        let at_hand = self.start_attempts(crew, &mut children)?;
        if !children.is_empty() {
            self.start_children(crew, children)?;
        }
        Ok(at_hand)
    }

    /// Starts attempts, and makes children ready. A child takes no room itself beside its attempts: it could wait for itself.
    fn start_attempts<'s>(
        &mut self,
        crew: &Crew<'s, '_>,
        children: &mut Vec<ReadyChild<'a, 's>>,
    ) -> Result<Option<AtHand<'s>>, RunError>
    where
        'a: 's,
    {
        let most = self.place.limits.get(RunLimitKind::MaxConcurrency).unwrap_or(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        // Who holds a run wants to see one thing happen after the other.
        let most = if self.work.gate.is_some() { 1 } else { most };
        if !self.waiting.is_empty() && !self.has_room()? {
            return Ok(None);
        }
        while self.running < most
            && !self.is_far_ahead()
            && let Some(turn) = self.waiting.pop_front()
        {
            if self.machine.state().is_given_up(&turn) {
                continue;
            }
            if self.is_held(&turn, false, None)? {
                self.waiting.push_front(turn);
                return Ok(None);
            }
            let step = self.planned(&turn.step)?;
            if let PlannedWork::Reuse { from_run, artifact } = &step.work {
                let start = self.take_reused(turn, from_run, artifact)?;
                self.waiting.extend(start);
                continue;
            }
            if let Some(child) = self.child_due(step) {
                match self.ready_child(crew, &turn, child)? {
                    Ok(child) => {
                        children.push(child);
                        self.running += 1;
                    }
                    Err((run, refused)) => {
                        let start = self.take_child(turn, run, refused)?;
                        self.waiting.extend(start);
                    }
                }
                continue;
            }
            if !self.place.subtree.enter() {
                self.waiting.push_front(turn);
                return Ok(None);
            }
            let room = match self.room_for(step)? {
                Asked::Has(room) => room,
                Asked::Waits => {
                    self.place.subtree.leave();
                    self.waiting.push_front(turn);
                    return Ok(None);
                }
                Asked::Never(failure) => {
                    self.never_starts(turn, failure)?;
                    continue;
                }
            };
            let inputs = self.lookup().inputs(step, turn.iteration)?;
            let runs = attempts::component_runs(step, &inputs, self.items_done(step, &turn));
            // What undoes is counted apart: that a limit ended the run does not hold it back.
            let counted = if self.machine.state().compensation().is_none() { runs } else { 0 };
            match self.place.subtree.take_runs(counted) {
                Err(failure) => self.never_starts(turn, failure)?,
                Ok(()) => {
                    let at_hand = self.start_attempt(crew, turn, inputs, runs, room)?;
                    self.running += 1;
                    if at_hand.is_some() {
                        return Ok(at_hand);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes that an attempt that had entered the subtree failed before it began.
    fn never_starts(&mut self, turn: Turn, failure: Failure) -> Result<(), RunError> {
        self.place.subtree.leave();
        let start = self.take(turn, Done::before_start(failure), Spent::default())?;
        self.waiting.extend(start);
        Ok(())
    }

    /// Lets whoever holds the run look at it here. Says whether they want it to end.
    fn is_held(&mut self, turn: &Turn, ended: bool, item: Option<&AtItem>) -> Result<bool, RunError> {
        let Some(gate) = self.work.gate else { return Ok(false) };
        // What they look at is in the store.
        self.settle()?;
        if !gate.has_quit() && self.machine.state().cancelled().is_none() {
            gate.stand(&Stand {
                way: &self.way(turn),
                plan: self.work.plan,
                inputs: &self.inputs,
                events: &self.events,
                state: self.machine.state(),
                turn,
                ended,
                item,
            });
        }
        Ok(gate.has_quit())
    }

    /// Lets whoever holds the run look at it behind a step.
    fn stand_after(&mut self, ended: Option<Turn>) -> Result<(), RunError> {
        ended.map_or(Ok(()), |turn| self.is_held(&turn, true, None).map(drop))
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
        let Some(changes) = self.engine.store().changes()? else { return Ok(Vec::new()) };
        let seen = self.letters.replace(Letters { looked: Instant::now(), changes });
        if seen.is_some_and(|seen| seen.changes == changes) {
            return Ok(Vec::new());
        }
        let mut start = Vec::new();
        for asked in self.engine.store().asked(self.run)? {
            let event = match Request::read(&asked.bytes) {
                Some(Request::Cancel) if self.can_be_cancelled() => {
                    self.cancel_requested = true;
                    // It is answered by the event that says that the run is cancelled.
                    self.answered.push(asked.id);
                    continue;
                }
                Some(Request::Cancel) => None,
                Some(Request::Decide(decision)) => {
                    let (state, approving) = (self.machine.state(), &self.engine.parts.approving);
                    let of = (self.run, self.work.plan, self.plan_digest);
                    let question = ApprovalRequest::of(of, &decision.step, state, &self.inputs, self.by.as_deref());
                    // One that does not count is answered by nothing that happens.
                    decision.event(state, &question, approving, now_ms()).unwrap_or(None)
                }
                Some(Request::GoOn { child }) => self.machine.state().awaiting(child).map(|turn| {
                    let Turn { step, attempt, iteration } = turn;
                    Event::TimerFired { step, attempt, iteration, at_ms: now_ms() }
                }),
                None => None,
            };
            let beside = Beside { answered: vec![asked.id], ..Beside::default() };
            match event {
                Some(event) => start.extend(self.advance(vec![event], beside)?),
                None => self.note(Vec::new(), beside),
            }
            // Else it could be read again.
            self.settle()?;
        }
        Ok(start)
    }

    /// Nobody did it yet, and it does not undo what it did.
    fn can_be_cancelled(&self) -> bool {
        let state = self.machine.state();
        state.cancelled().is_none() && state.compensation().is_none()
    }

    fn has_ended(&self) -> bool {
        matches!(self.machine.state().run(), RunState::Ended(_))
    }

    /// How long to wait for outcomes: until the next timer, until what is gathered is to be written, or until it is time to
    /// look whether the run is to end.
    fn next_look(&self) -> Duration {
        let most = self.gathers().unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
        let timers = self.machine.state().next_timer().map(|(_, until_ms)| until_ms).into_iter();
        let first = timers.chain(self.machine.state().next_expiry().map(|(_, until_ms)| until_ms)).min();
        first.map(|until_ms| until_ms.saturating_sub(now_ms())).map_or(most, |ms| most.min(Duration::from_millis(ms)))
    }

    /// Says of each wait that is over that it is, and gives the attempts that follow.
    fn fire_timers(&mut self) -> Result<Vec<Turn>, RunError> {
        let mut start = Vec::new();
        // What is over behind the end of a run that waits, the next process tells.
        if self.has_ended() {
            return Ok(start);
        }
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
            let expired = approval::expired(step.clone(), self.machine.state().waits_for(step), at_ms);
            start.extend(self.advance(vec![expired], Beside::default())?);
        }
        Ok(start)
    }

    /// Why the run is to end before its time, if it is and it was not said yet.
    fn reason_to_stop(&self, cancel: &Cancel) -> Option<CancelReason> {
        if self.machine.state().cancelled().is_some() || self.has_ended() {
            None
        } else if self.machine.state().compensation().is_some() {
            let interrupted = cancel.reason() == Some(CancelReason::Interrupted);
            (interrupted || self.work.gate.is_some_and(Gate::has_quit)).then_some(CancelReason::Interrupted)
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

    /// Takes events in, and what follows from them at once; gives the attempts that are to be started.
    fn advance(&mut self, mut events: Vec<Event>, mut beside: Beside) -> Result<Vec<Turn>, RunError> {
        let mut start = Vec::new();
        loop {
            events.iter().for_each(|event| self.machine.apply(event));
            let next = self.machine.advance(now_ms());
            events.extend(next.events);
            start.extend(next.start);
            // Before an answer: it stands in documents that are found only once they are noted.
            self.note(events, std::mem::take(&mut beside));
            if next.answer.is_empty() {
                return Ok(start);
            }
            let answers = next.answer.iter().map(|question| self.answer(question, &mut beside));
            events = answers.collect::<Result<_, _>>()?;
        }
    }

    /// Looks up what the interpreter can't compute. What is to be kept for the answer is put beside it.
    fn answer(&mut self, question: &Question, beside: &mut Beside) -> Result<Event, RunError> {
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
            &Question::Child { ref step, iteration, submitted_by } => {
                // Its runbook is read from the store.
                self.settle()?;
                self.plan_child(step, iteration, submitted_by, beside)
            }
            Question::Files { turn } => self.put_files(turn),
            Question::Items { step } => self.count_items(step),
            Question::Joined { step } => self.join_items(step, beside),
            Question::Submitted { step } => self.answer_submission(step, beside),
        }
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            store: self.engine.store(),
            schemas: self.work.schemas,
            plan: self.work.plan,
            state: self.machine.state(),
            inputs: &self.inputs,
            made: Some(&self.writing.made),
        }
    }

    fn planned(&self, step: &StepId) -> Result<&'a PlannedStep, RunError> {
        self.steps.get(step).copied().ok_or_else(|| RunError::Missing { what: format!("step {step}") })
    }

    fn call(&self, step: &StepId) -> Result<&'a PlannedCall, RunError> {
        let call = self.planned(step)?.call();
        call.ok_or_else(|| RunError::Missing { what: format!("the component of step {step}") })
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

//! How what happens in a run becomes durable: while some of it is on its way into the journal, the run goes on.
//!
//! What follows from its inputs alone may run before they are durable: if the commit fails, nobody ever hears of it. All
//! else waits ([`Driver::settle`]): an attempt that reaches something outside, a child, the end. What is told is durable.

use super::{Beside, Crew, Driver, Outcome, now_ms};
use crate::audited::{Audited, GoesBy};
use crate::observe::{Observed, Observer};
use crate::run::{RUNNING, RunError};
use palisade_interpreter::{AttemptFailed, AttemptSucceeded, Event, Reuse, RunState};
use palisade_model::{Digest, RunId, StepId};
use palisade_store::{Append, AppendError, Artifact, NewEvent, Pin, RunSummary, Store};
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many events a run may be ahead of its journal: some commits of a slow disk.
const MOST_AHEAD: usize = 1_024;
/// And how much of what was made meanwhile may be held: 64 files, or as much as they stand for in memory.
const MOST_HELD_BYTES: usize = 4 << 20;
/// How long after a commit what an attempt that runs may add to is gathered for the next one: each costs a sync.
const GATHER: Duration = Duration::from_millis(10);

/// How far the journal is behind the run. The numbers count events.
#[derive(Default)]
pub(super) struct Writing {
    /// Those are durable.
    durable: usize,
    /// Those are, or are on their way.
    sent: usize,
    /// Those are to be durable as soon as may be; the rest is written with what comes next.
    due: usize,
    /// What belongs to the events that are not on their way yet.
    beside: Beside,
    /// Gets the answer for those that are.
    on_its_way: Option<Receiver<Written>>,
    /// Artifacts that are not in the store yet, and with how many events they will be.
    pub(super) made: BTreeMap<Digest, Artifact>,
    made_with: VecDeque<(usize, Digest)>,
    held_bytes: usize,
    /// Milliseconds that the journal took when it was written last.
    pub(super) commit_ms: u64,
    /// When that was.
    written: Option<Instant>,
    delay: Arc<Delay>,
}

/// What came of a write, and the milliseconds that it took.
type Written = Result<u64, AppendError>;

/// Events on their way, with what belongs to them.
struct Batch {
    run: RunId,
    after: u64,
    events: Vec<(&'static str, Vec<u8>)>,
    append: Append<'static>,
    /// Until the events name it.
    _pins: Vec<Pin>,
}

/// Holds back what attempts tell that began before what they follow from was durable.
#[derive(Default)]
struct Delay(Mutex<Held>);

#[derive(Default)]
struct Held {
    durable: usize,
    starts: Vec<Start>,
}

/// That an attempt started, to be told when so many events are durable.
struct Start {
    after: usize,
    step: StepId,
    component: String,
    input_bytes: u64,
    parts: usize,
}

/// Listens to an attempt that may be ahead of the journal.
pub(super) struct Ahead<'a> {
    observer: &'a dyn Observer,
    delay: Arc<Delay>,
    after: usize,
}

impl Batch {
    fn write(self, store: &Store) -> Written {
        let new: Vec<_> = self.events.iter().map(|(kind, bytes)| NewEvent { kind, bytes }).collect();
        let begun = Instant::now();
        store.append(self.run, self.after, Append { events: &new, ..self.append })?;
        Ok(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

impl<'a> Driver<'a> {
    /// Takes note of events that were applied, and of what is to become durable with them.
    pub(super) fn note(&mut self, events: Vec<Event>, beside: Beside) {
        let due = !events.is_empty();
        self.note_for_later(events, beside);
        if due {
            self.wait_no_longer();
        }
    }

    /// Applies events and makes them durable.
    pub(super) fn append(&mut self, events: Vec<Event>, beside: Beside) -> Result<(), RunError> {
        events.iter().for_each(|event| self.machine.apply(event));
        self.note(events, beside);
        self.settle()
    }

    /// Makes events of another run durable as they were written there, before anything else happens: nobody is told of them.
    pub(super) fn append_as_they_are(&mut self, events: Vec<(Vec<u8>, Event)>, beside: Beside) -> Result<(), RunError> {
        let (bytes, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        events.iter().for_each(|event| self.machine.apply(event));
        self.note(events, beside);
        let mut batch = self.batch()?;
        batch.events = self.events.iter().map(Event::kind).zip(bytes).collect();
        batch.write(self.engine.store())?;
        self.writing = Writing::after(self.events.len());
        Ok(())
    }

    /// As [`Driver::note`], for what may wait for what comes next.
    pub(super) fn note_for_later(&mut self, events: Vec<Event>, beside: Beside) {
        let before = self.events.len() - self.writing.sent;
        self.events.extend(events);
        let with = self.events.len();
        for artifact in &beside.artifacts {
            let artifact = artifact.unstored();
            self.writing.made_with.push_back((with, artifact.digest));
            self.writing.held_bytes += artifact.items.held_bytes();
            // The same may lie in more files or fewer.
            let before = self.writing.made.insert(artifact.digest, artifact);
            self.writing.held_bytes -= before.map_or(0, |before| before.items.held_bytes());
        }
        self.writing.beside.add(beside, before);
    }

    /// Whether the run is so far ahead of its journal that nothing more is to begin.
    pub(super) fn is_far_ahead(&self) -> bool {
        self.events.len() - self.writing.durable >= MOST_AHEAD || self.writing.held_bytes >= MOST_HELD_BYTES
    }

    /// What waits to be written is to wait no longer.
    pub(super) fn wait_no_longer(&mut self) {
        self.writing.due = self.events.len();
    }

    /// Sends what is due on its way, unless something is: then it goes with what is due by then.
    pub(super) fn send(&mut self, crew: &Crew<'_, '_>) -> Result<(), RunError> {
        if self.writing.on_its_way.is_some() || !self.is_due() || self.gathers().is_some() {
            return Ok(());
        }
        let (batch, store, report) = (self.batch()?, self.engine.store().clone(), crew.report.clone());
        let (tell, answer) = sync_channel(1);
        self.writing.on_its_way = Some(answer);
        crew.run(move || {
            // The driver may have given up; then nobody wants to know.
            drop(tell.send(batch.write(&store)));
            drop(report.send(Outcome::Written));
        });
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.writing.due > self.writing.sent
    }

    /// How much longer what is due waits for what the attempts that run will add to it. Nobody waits for it meanwhile.
    pub(super) fn gathers(&self) -> Option<Duration> {
        let may_wait = self.is_due() && !self.begun.is_empty() && self.answered_calls.is_empty();
        let since = self.writing.written.filter(|_| may_wait)?.elapsed();
        GATHER.checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Looks whether what is on its way has arrived.
    pub(super) fn look_whether_written(&mut self) -> Result<(), RunError> {
        match self.writing.on_its_way.as_ref().map(Receiver::try_recv) {
            Some(Ok(written)) => self.take_written(written),
            Some(Err(TryRecvError::Disconnected)) => Err(RunError::WriterGone),
            // `settle` had the answer first.
            Some(Err(TryRecvError::Empty)) | None => Ok(()),
        }
    }

    /// Waits until all is durable that happened so far.
    pub(super) fn settle(&mut self) -> Result<(), RunError> {
        // Who waits for the disk computes nothing.
        self.permit = None;
        if let Some(answer) = &self.writing.on_its_way {
            let written = answer.recv().map_err(|_| RunError::WriterGone)?;
            self.take_written(written)?;
        }
        if self.writing.sent < self.events.len() || !self.writing.beside.answered.is_empty() {
            let written = self.batch()?.write(self.engine.store());
            self.take_written(written)?;
        }
        Ok(())
    }

    /// Listens to an attempt that begins now.
    pub(super) fn ahead(&self) -> Ahead<'a> {
        Ahead { observer: self.observer, delay: Arc::clone(&self.writing.delay), after: self.writing.due }
    }

    /// All that is not on its way yet.
    fn batch(&mut self) -> Result<Batch, RunError> {
        let new = self.events.get(self.writing.sent..).unwrap_or_default();
        let audited = Audited { store: self.engine.store(), run: self.run, user: self.engine.user() };
        let (plan, plan_digest, key) = (self.work.plan, self.plan_digest, self.place.key.as_deref());
        let mut entries = audited.entries(new, &GoesBy { plan, plan_digest, key })?;
        let events = new.iter().map(|event| (event.kind(), event.to_bytes())).collect();
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
        let Beside { artifacts, contents, usages, memos, entries: more, answered, pins } =
            std::mem::take(&mut self.writing.beside);
        entries.extend(more);
        entries.sort_by_key(|entry| entry.event);
        let append =
            Append { events: &[], artifacts, contents, usages, memos, entries, answered, summary: Some(summary) };
        let after = self.writing.sent as u64;
        self.writing.sent = self.events.len();
        Ok(Batch { run: self.run, after, events, append, _pins: pins })
    }

    /// Takes the answer of the store to what was sent last, and tells what is durable now.
    fn take_written(&mut self, written: Written) -> Result<(), RunError> {
        self.writing.on_its_way = None;
        (self.writing.commit_ms, self.writing.written) = (written?, Some(Instant::now()));
        let (before, durable) = (self.writing.durable, self.writing.sent);
        self.writing.durable = durable;
        while let Some((_, digest)) = self.writing.made_with.pop_front_if(|(with, _)| *with <= durable) {
            let removed = self.writing.made.remove(&digest);
            self.writing.held_bytes -= removed.map_or(0, |artifact| artifact.items.held_bytes());
        }
        for event in self.events.get(before..durable).unwrap_or_default() {
            self.tell(event);
        }
        self.writing.delay.open(durable, self.observer);
        self.answered_calls.tell(durable);
        Ok(())
    }

    /// Tells what is durable.
    fn tell(&self, event: &Event) {
        let tell = |observed: Observed<'_>| self.observer.observe(&observed);
        match event {
            Event::AttemptSucceeded(done) => {
                let AttemptSucceeded { step, iteration, outputs, usage, skipped_count, reuse, .. } = done.as_ref();
                let (iteration, items) = (*iteration, outputs.first().map_or(0, |output| output.items));
                match reuse {
                    Some(Reuse::From { .. }) => tell(Observed::StepKnown { step, iteration, items }),
                    _ => {
                        let (skipped, usage) = (*skipped_count, *usage);
                        tell(Observed::StepSucceeded { step, iteration, items, skipped, usage });
                    }
                }
            }
            Event::AttemptFailed(failed) if failed.retry_at_ms.is_some() => {
                let AttemptFailed { step, attempt, failure, retry_at_ms, at_ms, .. } = failed.as_ref();
                let wait_ms = retry_at_ms.unwrap_or(0).saturating_sub(*at_ms);
                tell(Observed::StepRetries { step, attempt: *attempt, failure, wait_ms });
            }
            Event::StepSkipped { step, because } => tell(Observed::StepSkipped { step, because }),
            Event::ApprovalRequested { step, .. } => tell(Observed::ApprovalRequested { step }),
            _ => {
                // What came of what an agent submitted is told to the agent, and fails nothing.
                let submits = |step: &StepId| self.steps.get(step).is_some_and(|step| step.submits().is_some());
                let is_answer = |step| submits(step) && !matches!(event, Event::AttemptFailed(_));
                // Nor does what came of an item fail its map by itself: the end of that says so.
                let is_of_item = |step| matches!(event, Event::ChildEnded(_)) && self.is_over_child(step);
                let told = event.failure().filter(|(step, _)| !is_answer(step) && !is_of_item(step));
                if let Some((step, failure)) = told {
                    tell(Observed::StepFailed { step, failure });
                }
                if let Event::ChildEnded(ended) = event {
                    tell(Observed::ChildEnded { step: &ended.step, run: ended.child, status: ended.status });
                }
            }
        }
    }
}

impl Writing {
    /// All these events are in the journal.
    pub(super) fn after(events: usize) -> Self {
        let delay = Delay(Mutex::new(Held { durable: events, starts: Vec::new() }));
        Self { durable: events, sent: events, due: events, delay: Arc::new(delay), ..Self::default() }
    }

    /// How many events are durable: the number of the last of them.
    pub(super) const fn durable(&self) -> usize {
        self.durable
    }
}

impl Delay {
    /// Tells what was held back that follows from events that are durable by now.
    fn open(&self, durable: usize, observer: &dyn Observer) {
        let due: Vec<_> = {
            let mut held = self.lock();
            held.durable = durable;
            held.starts.extract_if(.., |start| start.after <= durable).collect()
        };
        for Start { step, component, input_bytes, parts, .. } in &due {
            let (input_bytes, parts) = (*input_bytes, *parts);
            observer.observe(&Observed::StepStarted { step, component, input_bytes, parts });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Each change is one assignment or push.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Ahead<'_> {
    fn observe(&self, event: &Observed<'_>) {
        let mut held = self.delay.lock();
        if held.durable < self.after {
            match *event {
                Observed::StepStarted { step, component, input_bytes, parts } => {
                    let (step, component) = (step.clone(), component.to_owned());
                    held.starts.push(Start { after: self.after, step, component, input_bytes, parts });
                    return;
                }
                // There will be more of it.
                Observed::StepProgress { .. } => return,
                _ => {}
            }
        }
        drop(held);
        self.observer.observe(event);
    }
}

//! A map: each item of one input in an instance of its own, with limits of its own, on a small pool of threads.
//!
//! What the instances leave is joined in the order of the items, so that the result does not depend on how many run at
//! once. What is held does not grow with the number of items: who is far ahead of the slowest waits for it.

mod unwritten;

use crate::attempt::{
    Attempt, AttemptInput, Each, Ended, GRACE, Instance, LOOK_EVERY, Progress, Running, Surroundings, denied_if_so,
    host_failure, is_wired, job, rulesets, spawn, spools,
};
use crate::calls::{Answering, Asking, Request};
use crate::done::{DoneLog, copy, count, restore};
use crate::feed::Feed;
use crate::gate::{AtItem, ItemGate};
use crate::part::{Left, SharedLeft};
use crate::written::Written;
use palisade_model::{Failure, FailureKind, Usage};
use palisade_sandbox::ports::{Batch, Items, ItemsInfo, PortError};
use palisade_sandbox::{AttemptMeter, Input};
use palisade_store::{Content, SpoolError, Store};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use unwritten::{Unwritten, in_all};

/// Most bytes of the partial states of all items together, which `finish` gets at once.
const MAX_PARTIALS_BYTES: usize = 64 << 20;
/// How many items, for each thread, a thread may be ahead of the slowest: what is done and not joined yet is held.
const AHEAD: u64 = 8;

/// Runs an attempt once for each item.
pub(crate) fn run(attempt: &Attempt, each: Each, around: &Surroundings<'_>) -> Ended {
    let started = Instant::now();
    let mapped = match mapped(attempt, each) {
        Ok(mapped) => mapped,
        Err(failure) => return Ended::before_start(failure),
    };
    let begun = match Begun::new(attempt, around) {
        Ok(begun) => begun,
        Err(failure) => return Ended::before_start(failure),
    };
    let items = mapped.items.lines();
    let most = if around.item_gate.is_some() { 1 } else { each.max_concurrency };
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(around.threads);
    let workers = most.min(usize::try_from(items.saturating_sub(begun.items)).unwrap_or(usize::MAX)).max(1);
    let permit = around.permits.take(workers, &|| {});
    (around.progress)(Progress::Started { parts: workers });
    let pool = match Pool::new(attempt, mapped, begun, workers, around) {
        Ok(pool) => Arc::new(pool),
        Err(failure) => return Ended::before_start(failure),
    };
    let partials = pool.work_off(around, items);
    drop(permit);
    let (lefts, used, own) = pool.close();
    // What finishes them has limits of its own, as each item had.
    let running = Running::new(attempt, around);
    let instances = lefts.map(|left| Instance { inputs: Vec::new(), left });
    let finished = partials.and_then(|partials| running.finish(partials, 1));
    let mut ended = running.settle(&instances, finished);
    ended.usage.join(&used);
    ended.own.join(&own);
    ended.usage.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    ended.own.wall_ms = ended.usage.wall_ms;
    ended
}

/// The input whose items are taken one by one, if they are not too many.
fn mapped(attempt: &Attempt, each: Each) -> Result<&AttemptInput, Failure> {
    let mapped = attempt.inputs.iter().find(|input| is_wired(&attempt.manifest, &input.port));
    let mapped = mapped.ok_or_else(|| Failure::new(FailureKind::Host, "the map has no input to go over"))?;
    let (most, found) = (each.max_items, mapped.items.lines());
    if found > most { Err(too_many(found, most)) } else { Ok(mapped) }
}

/// The failure of a map whose input has more items than it may go over.
pub(crate) fn too_many(found: u64, most: u64) -> Failure {
    let key = "max_items".to_owned();
    let message = format!("its input has {found} items, and the map goes over {most} at most: nothing was run");
    Failure::new(FailureKind::Bound { key, most, found }, message)
        .with_help("raise `max_items` of the step, or give it less")
}

/// What earlier attempts have done of a map.
struct Begun {
    items: u64,
    left: Left,
    partials: Vec<Vec<u8>>,
}

impl Begun {
    fn new(attempt: &Attempt, around: &Surroundings<'_>) -> Result<Self, Failure> {
        let mut left = Left { outputs: spools(attempt, around.store, 0)?, ..Left::default() };
        let known = around.durable.as_ref().map_or(&[][..], |durable| &durable.known);
        let partials = restore(around.store, known, &mut left)?;
        Ok(Self { items: count(known), left, partials })
    }
}

/// What the threads of a map share.
struct Pool {
    attempt: Attempt,
    store: Store,
    written: Written,
    cancelled: Arc<AtomicBool>,
    /// The port whose items are taken one by one, and what is told of them.
    port: String,
    schema: Arc<str>,
    metadata: Arc<str>,
    ahead: u64,
    /// How an item asks the host; none = nothing is answered.
    asking: Option<Asking>,
    /// Where items that are done are written down; none = nowhere.
    done_log: Option<Arc<dyn DoneLog>>,
    /// Holds it at each item; none = nobody does.
    item_gate: Option<Arc<dyn ItemGate>>,
    /// How many items there are.
    items: u64,
    /// Where what items ask goes, until the threads are through.
    asked: Mutex<Option<Sender<Asked>>>,
    state: Mutex<State>,
    /// Somebody may go on who was too far ahead.
    joined: Condvar,
    /// A thread has ended.
    over: Condvar,
}

/// What an item asks of the host.
struct Asked {
    item: u64,
    meter: Arc<AttemptMeter>,
    request: Request,
}

struct State {
    feed: Feed,
    /// Items that were joined: the number of the next one to be.
    next: u64,
    /// Items that are done before one that stands before them.
    waiting: BTreeMap<u64, Done>,
    /// What those left that are written down, then what those did that are joined since.
    kept: Left,
    unwritten: Unwritten,
    partials: Vec<Vec<u8>>,
    partial_bytes: usize,
    used: Usage,
    /// What of it no call tells that is written down.
    own: Usage,
    cpu: Duration,
    /// The first item that failed, and why.
    failed: Option<(u64, Failure)>,
    /// What each thread works on.
    running: Vec<Option<(u64, Arc<AttemptMeter>)>>,
    workers: usize,
}

impl Pool {
    fn new(
        attempt: &Attempt,
        mapped: &AttemptInput,
        begun: Begun,
        workers: usize,
        around: &Surroundings<'_>,
    ) -> Result<Self, Failure> {
        let Begun { items, left, partials } = begun;
        let mut feed = Feed::new(mapped.items.items());
        let unreadable = |error| host_failure("the input can't be read", &error);
        while feed.number() < items && feed.next().map_err(unreadable)?.is_some() {}
        Ok(Self {
            store: around.store.clone(),
            written: Written::new(around.store.clone()),
            cancelled: around.cancel.flag(),
            port: mapped.port.clone(),
            schema: mapped.schema.as_str().into(),
            metadata: mapped.metadata.to_string().into(),
            ahead: AHEAD.saturating_mul(workers as u64),
            asking: around.answering.map(|answering| Asking::new(answering, |_| false)),
            asked: Mutex::default(),
            state: Mutex::new(State {
                feed,
                next: items,
                waiting: BTreeMap::new(),
                kept: left,
                // Where nothing was written down, it comes first in what is joined.
                unwritten: Unwritten::new(attempt, around.store, usize::from(items > 0), items, partials.len())?,
                partial_bytes: partials.iter().map(Vec::len).sum(),
                partials,
                used: Usage::default(),
                own: Usage::default(),
                cpu: Duration::ZERO,
                failed: None,
                running: vec![None; workers],
                workers: 0,
            }),
            joined: Condvar::new(),
            over: Condvar::new(),
            attempt: attempt.clone(),
            done_log: around.durable.as_ref().map(|durable| Arc::clone(&durable.log)),
            item_gate: around.item_gate.clone(),
            items: mapped.items.lines(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a thread leaves an item that is never joined, which is told as a failure.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads and waits for them; gives the partial states in the order of the items.
    fn work_off(self: &Arc<Self>, around: &Surroundings<'_>, items: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let Some(answering) = around.answering else {
            self.work_in_threads(around, items);
            return self.partials(items);
        };
        // Each question is answered on a thread of its own: a model takes seconds, and other items go on meanwhile.
        let (ask, asked) = channel();
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(ask);
        std::thread::scope(|scope| {
            scope.spawn(move || self.answer(answering, asked));
            self.work_in_threads(around, items);
            // Whoever was given up is answered no more.
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        self.partials(items)
    }

    /// Answers what items ask until nobody can ask any more.
    fn answer(&self, answering: &dyn Answering, asked: Receiver<Asked>) {
        let mut items: BTreeMap<u64, Arc<dyn Answering + Send + '_>> = BTreeMap::new();
        std::thread::scope(|scope| {
            for Asked { item, meter, request } in asked {
                if !items.contains_key(&item) {
                    // Those that are through ask nothing.
                    let going: Vec<u64> = self.lock().running.iter().flatten().map(|(number, _)| *number).collect();
                    items.retain(|number, _| going.contains(number));
                }
                let of_item = Arc::clone(items.entry(item).or_insert_with(|| answering.of_item(item)));
                scope.spawn(move || request.serve(&*of_item, &meter));
            }
        });
    }

    /// Sends what an item asks to where it is answered; says whether it is.
    fn ask(&self, item: u64, meter: &Arc<AttemptMeter>, request: Request) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = Arc::clone(meter);
        asked.as_ref().is_some_and(|ask| ask.send(Asked { item, meter, request }).is_ok())
    }

    /// Starts the threads and waits for them.
    fn work_in_threads(self: &Arc<Self>, around: &Surroundings<'_>, items: u64) {
        let workers = self.lock().running.len();
        for slot in 0..workers {
            let pool = Arc::clone(self);
            self.lock().workers += 1;
            let spawned = spawn(around.guests, move || {
                let _leaving = Leaving(&pool);
                pool.work(slot);
            });
            if let Err(failure) = spawned {
                let mut state = self.lock();
                state.workers -= 1;
                state.fail(0, failure);
            }
        }
        self.wait(around, items);
    }

    /// The partial states in the order of the items, or why there are none.
    fn partials(&self, items: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let mut state = self.lock();
        // It stays noted, so that nobody begins another item.
        match state.failed.clone() {
            Some((_, failure)) => Err(failure),
            None if state.next == items => Ok(std::mem::take(&mut state.partials)),
            None => Err(Failure::new(FailureKind::Host, "an item of the map vanished")),
        }
    }

    /// Waits for the threads. A guest that does not come back in time is given up, and its thread with it.
    fn wait(&self, around: &Surroundings<'_>, items: u64) {
        let mut cancelled_since = None;
        let mut state = self.lock();
        while state.workers > 0 {
            let (back, timeout) = self.over.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
            state = back;
            if !timeout.timed_out() {
                continue;
            }
            let now = Instant::now();
            let stuck = state.running.iter().flatten().find(|(_, meter)| now > meter.deadline() + GRACE).cloned();
            if let Some((number, meter)) = stuck {
                state.fail(number, at(&self.port, number, meter.wall_reached()));
                return;
            }
            if around.cancel.is_cancelled() && now > *cancelled_since.get_or_insert(now) + GRACE {
                state.fail(0, cancelled());
                return;
            }
            let usage = state.usage();
            let done = state.next;
            drop(state);
            (around.progress)(Progress::Going { usage, items: done, said: Some((done, Some(items))) });
            state = self.lock();
        }
    }

    /// Takes out what was joined, what is written down first, and what all items used, and what of it no call tells.
    fn close(&self) -> ([SharedLeft; 2], Usage, Usage) {
        let mut state = self.lock();
        // Whoever comes back after it was given up finds nothing to do.
        state.feed.end();
        state.next = u64::MAX;
        self.joined.notify_all();
        let (used, own) = (state.usage(), state.own());
        let (mut kept, mut unwritten) = (std::mem::take(&mut state.kept), std::mem::take(&mut state.unwritten.left));
        let outputs = std::mem::take(&mut unwritten.outputs);
        // Texts as far as one instance may leave them, whatever of them was written down.
        kept.absorb_told(unwritten);
        ([kept, Left { outputs, ..Left::default() }].map(SharedLeft::of), used, own)
    }

    /// Works off items until there are none.
    fn work(self: &Arc<Self>, slot: usize) {
        while let Some((number, line)) = self.take() {
            if !self.goes_on_at(number, None) {
                return;
            }
            let meter = AttemptMeter::new(self.attempt.limits.clone());
            if let Some(place) = self.lock().running.get_mut(slot) {
                *place = Some((number, Arc::clone(&meter)));
            }
            let left = spools(&self.attempt, &self.store, 1).map(SharedLeft::new);
            let result = left.clone().and_then(|left| self.run(number, line, &meter, &left));
            let mut left = left.map(|left| left.take()).unwrap_or_default();
            let result = result.map_err(|failure| {
                let failure = left.violation.take().unwrap_or(failure);
                at(&self.port, number, denied_if_so(failure, left.denied.take()))
            });
            let result = self.shown(slot, number, &mut left, result);
            self.done(slot, number, &meter, left, result);
        }
    }

    /// Notes that a thread works on no item.
    fn is_through(&self, slot: usize) {
        if let Some(place) = self.lock().running.get_mut(slot) {
            *place = None;
        }
    }

    /// Has itself held at an item; says whether it goes on.
    fn goes_on_at(&self, number: u64, ended: Option<Result<Vec<(String, Content)>, Failure>>) -> bool {
        let Some(gate) = &self.item_gate else { return true };
        gate.stand(AtItem { number: number + 1, of: self.items, ended });
        let goes_on = !self.cancelled.load(Ordering::Relaxed);
        if !goes_on {
            self.lock().fail(number, cancelled());
        }
        goes_on
    }

    /// Shows what came of an item to whoever holds the run.
    fn shown<T>(&self, slot: usize, number: u64, left: &mut Left, result: Result<T, Failure>) -> Result<T, Failure> {
        if self.item_gate.is_none() {
            return result;
        }
        let made = result
            .as_ref()
            .map_err(Failure::clone)
            .and_then(|_| self.looked_into(left).map_err(|error| host_failure("the output can't be kept", &error)));
        // While it is held, its time does not go on.
        self.is_through(slot);
        let kept = made.as_ref().map(drop).map_err(Failure::clone);
        // Where they leave, what came of it is lost with what comes behind it, as in any interruption.
        self.goes_on_at(number, Some(made));
        kept.and(result)
    }

    /// The outputs of an item in a form that can be read; they stay what they are.
    fn looked_into(&self, left: &mut Left) -> Result<Vec<(String, Content)>, SpoolError> {
        let mut made = Vec::new();
        for output in &mut left.outputs {
            let written = self.store.join(vec![std::mem::replace(&mut output.spool, self.store.spool(1))])?;
            copy(written.content(), &mut output.spool)?;
            made.push((output.port.clone(), written.content().clone()));
        }
        Ok(made)
    }

    fn run(
        self: &Arc<Self>,
        number: u64,
        line: Vec<u8>,
        meter: &Arc<AttemptMeter>,
        left: &SharedLeft,
    ) -> Result<Vec<u8>, Failure> {
        let key = format!("{}/{number}", self.attempt.idempotency_key);
        let asking = self.asking.as_ref().map(|asking| {
            let (pool, meter) = (Arc::clone(self), Arc::clone(meter));
            asking.sending(move |request| pool.ask(number, &meter, request))
        });
        let job = job(&self.attempt, meter, left, &self.cancelled, key, asking, self.written.clone());
        let (schema, metadata, bytes) = (Arc::clone(&self.schema), Arc::clone(&self.metadata), line.len() as u64);
        let item = OneItem { schema, metadata, number, bytes, line: Some(line) };
        let mut inputs = vec![Input::of(self.port.clone(), Box::new(item))];
        inputs.extend(rulesets(&self.attempt));
        self.attempt.prepared.run(job, inputs, &mut || {})
    }

    /// The next item, once it is not too far ahead; none if there is no more to do.
    fn take(&self) -> Option<(u64, Vec<u8>)> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() {
                return None;
            }
            let number = state.feed.number();
            if self.cancelled.load(Ordering::Relaxed) {
                state.fail(number, cancelled());
                return None;
            }
            if number < state.next.saturating_add(self.ahead) {
                return match state.feed.next() {
                    Ok(item) => item,
                    Err(error) => {
                        state.fail(number, host_failure("the input can't be read", &error));
                        None
                    }
                };
            }
            state = self.joined.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes what an instance left, and joins what is next.
    fn done(&self, slot: usize, number: u64, meter: &AttemptMeter, left: Left, result: Result<Vec<u8>, Failure>) {
        self.is_through(slot);
        let mut state = self.lock();
        let (own, cpu) = (meter.own(), meter.cpu());
        state.used.join(&meter.usage());
        state.own.join(&own);
        state.cpu += cpu;
        match result {
            Ok(partial) => drop(state.waiting.insert(number, Done { left, partial, own, cpu })),
            Err(failure) => state.fail(number, failure),
        }
        state.join(&self.port);
        if let Some(log) = self.done_log.as_deref().filter(|_| state.failed.is_none() && state.unwritten.is_due())
            && let Err(failure) = self.write_down(&mut state, log)
        {
            let next = state.next;
            state.fail(next, failure);
        }
        drop(state);
        self.joined.notify_all();
    }

    /// Writes down what was joined since it was last.
    fn write_down(&self, state: &mut State, log: &dyn DoneLog) -> Result<(), Failure> {
        let (next, partials) = (state.next, state.partials.len());
        let later = Unwritten::new(&self.attempt, &self.store, 1, next, partials)?;
        let unwritten = std::mem::replace(&mut state.unwritten, later);
        let done = unwritten.into_done(&self.store, next, &state.partials, &mut state.kept);
        log.record(done.map_err(|error| host_failure("the output can't be kept", &error))?);
        Ok(())
    }
}

/// An item that did what was wanted.
struct Done {
    left: Left,
    partial: Vec<u8>,
    own: Usage,
    cpu: Duration,
}

impl State {
    /// What all items used so far.
    fn usage(&self) -> Usage {
        self.all(self.used, AttemptMeter::usage)
    }

    /// What of it no call tells.
    fn own(&self) -> Usage {
        self.all(self.own, AttemptMeter::own)
    }

    /// That of the items that are through, and of those that are not.
    fn all(&self, through: Usage, of: impl Fn(&AttemptMeter) -> Usage) -> Usage {
        let (mut all, mut cpu) = (through, self.cpu);
        for (_, meter) in self.running.iter().flatten() {
            all.join(&of(meter));
            cpu += meter.cpu();
        }
        in_all(all, cpu)
    }

    /// Notes a failure. That of the first item counts, whichever came first: items are begun in their order, so all that
    /// stand before one that failed are begun too.
    fn fail(&mut self, number: u64, failure: Failure) {
        if self.failed.as_ref().is_none_or(|(first, _)| number < *first) {
            self.failed = Some((number, failure));
        }
    }

    fn join(&mut self, port: &str) {
        while let Some(Done { left, partial, own, cpu }) = self.waiting.remove(&self.next) {
            let number = self.next;
            self.next += 1;
            self.unwritten.used.join(&own);
            self.unwritten.cpu += cpu;
            self.partial_bytes = self.partial_bytes.saturating_add(partial.len());
            if self.partial_bytes > MAX_PARTIALS_BYTES {
                let most = MAX_PARTIALS_BYTES >> 20;
                let message = format!("the partial states of its items have more than {most} MiB together");
                self.fail(number, at(port, number, Failure::new(FailureKind::Failed, message)));
            } else if let Err(error) = self.unwritten.left.absorb(left) {
                self.fail(number, host_failure("the output can't be kept", &error));
            } else {
                self.partials.push(partial);
            }
        }
    }
}

fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "the run was cancelled")
}

/// Says at which item something failed, which the component can't know.
fn at(port: &str, number: u64, failure: Failure) -> Failure {
    Failure { at: Some((port.to_owned(), number)), ..failure }
}

/// Says that a thread ended, however it did.
struct Leaving<'a>(&'a Pool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.lock().workers -= 1;
        self.0.joined.notify_all();
        self.0.over.notify_all();
    }
}

/// One item of an input.
struct OneItem {
    schema: Arc<str>,
    metadata: Arc<str>,
    number: u64,
    bytes: u64,
    /// Until it is handed out.
    line: Option<Vec<u8>>,
}

impl Items for OneItem {
    fn info(&self) -> ItemsInfo {
        let (schema, metadata) = (self.schema.to_string(), self.metadata.to_string());
        ItemsInfo { schema, items: 1, bytes: self.bytes, metadata }
    }

    fn next(&mut self, _max_bytes: usize) -> Result<Option<Batch>, PortError> {
        Ok(self.line.take().map(|items| Batch { first: self.number, items }))
    }
}

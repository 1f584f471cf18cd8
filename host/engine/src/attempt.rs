//! One attempt of one step: its instances on threads of their own, its outputs joined and checked.
//!
//! It knows nothing of runs and journals, so that `palisade plugin run` and a run of a runbook take the same way.

use crate::calls::{Answering, Asking, Request};
use crate::cancel::Cancel;
use crate::done::Durable;
use crate::gate::ItemGate;
use crate::map;
use crate::part::{Left, OutputSpool, PartItems, PartPorts, SharedLeft, does_not_fit};
use crate::permits::Permits;
use crate::split::{self, Piece};
use crate::sql::Sessions;
use crate::threads::Threads;
use crate::uses::{UseCount, Uses};
use crate::written::{NewFile, Written, new_files};
use palisade_interpreter::Output;
use palisade_model::manifest::{InputSource, Manifest};
use palisade_model::record::{LogRecord, SkipRecord};
use palisade_model::{Digest, Failure, FailureKind, LimitKind, Limits, Usage, strict_json};
use palisade_sandbox::{AttemptMeter, Granted, Input, Job, OutputMetadata, Prepared};
use palisade_schema::ArtifactSchema;
use palisade_sql::{Connections, Until};
use palisade_store::{Content, NewArtifact, Pending, Spool, Store};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a running attempt is looked at: for progress, and for a guest that does not come back.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a guest may take to come back after its time is over or it was told to stop. Then it sits in a host call
/// that does not return; it is left behind and ends with the process, or when the call returns.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// An artifact that an input port reads.
#[derive(Debug, Clone)]
pub struct AttemptInput {
    /// The port.
    pub port: String,
    /// Its schema, `name/version`.
    pub schema: String,
    /// Which artifact of the store it is; none for what is not in it.
    pub artifact: Option<Digest>,
    /// Its items.
    pub items: Content,
    /// Its metadata object.
    pub metadata: Value,
}

/// What an attempt works with.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What the component says of itself.
    pub manifest: Arc<Manifest>,
    /// Its code.
    pub prepared: Prepared,
    /// JSON text of the config with its defaults.
    pub config: Arc<str>,
    /// The limits in force.
    pub limits: Limits,
    /// What it may use.
    pub granted: Arc<Granted>,
    /// Where the connections lead that it may read.
    pub connections: Arc<Connections>,
    /// How often it used what it may.
    pub uses: Uses,
    /// What its clocks and randomness are made from.
    pub seed: u64,
    /// The same for all attempts of the step.
    pub idempotency_key: String,
    /// What it reads, in order.
    pub inputs: Vec<AttemptInput>,
    /// The schema of each output, in the order of the manifest.
    pub outputs: Vec<Arc<ArtifactSchema>>,
    /// It runs once for each item of what the runbook wires; else once over all.
    pub each: Option<Each>,
}

/// The bounds of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Each {
    /// Most items; more fail the attempt before anything runs.
    pub max_items: u64,
    /// Most items at once; never more than the engine has threads.
    pub max_concurrency: u32,
}

/// An artifact that an attempt made.
#[derive(Debug)]
pub struct Made {
    /// The output port.
    pub port: String,
    /// Its schema.
    pub schema: Arc<ArtifactSchema>,
    /// Its items, not yet in the store.
    pub items: Pending,
    /// Its metadata object.
    pub metadata: Value,
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Ended {
    /// Its artifacts, or why there are none.
    pub result: Result<Vec<Made>, Failure>,
    /// What it used.
    pub usage: Usage,
    /// What of it no call tells that is written down.
    pub own: Usage,
    /// How often it used its powers, and was denied them.
    pub uses: Vec<UseCount>,
    /// How many parts of its input it left out.
    pub skipped_count: u64,
    /// What it left out; bounded.
    pub skipped: Vec<SkipRecord>,
    /// Warnings and errors that it logged; bounded.
    pub log: Vec<LogRecord>,
    /// The files that it wrote, in the order of their paths; none unless it did what was wanted.
    pub files: Vec<NewFile>,
}

/// Where an attempt runs.
pub(crate) struct Surroundings<'a> {
    pub(crate) store: &'a Store,
    pub(crate) permits: &'a Permits,
    /// On which guests run.
    pub(crate) guests: &'a Threads<'static>,
    pub(crate) threads: usize,
    pub(crate) cancel: &'a Cancel,
    /// Told in how many parts it starts, and then now and again what was used.
    pub(crate) progress: &'a dyn Fn(Progress),
    /// None = this thread has nothing else to do.
    pub(crate) attended: Option<Attended<'a>>,
    /// Answers what the component asks of the host and is written down; none = nothing is.
    pub(crate) answering: Option<&'a dyn Answering>,
    /// How a map is durable; none = it is one piece.
    pub(crate) durable: Option<Durable>,
    /// Holds a map at each of its items, which run one after the other then; none = nobody does.
    pub(crate) item_gate: Option<Arc<dyn ItemGate>>,
    /// The meter of a tool, which its caller shares; none = the attempt is nobody's tool.
    pub(crate) meter: Option<Arc<AttemptMeter>>,
}

/// How an attempt runs on a thread that has something else to do.
#[derive(Clone, Copy)]
pub(crate) struct Attended<'a> {
    /// Waits until the thread has a permit.
    pub(crate) begin: &'a dyn Fn(),
    /// Does the rest, each millisecond or so.
    pub(crate) look: &'a dyn Fn(),
}

/// How far an attempt is.
pub(crate) enum Progress {
    Started { parts: usize },
    Going { usage: Usage, items: u64, said: Option<(u64, Option<u64>)> },
}

/// What a thread of an attempt tells the one that waits.
enum Report<T> {
    /// The instance of that number is done.
    Done(usize, T),
    /// It asks for something, and waits for the answer.
    Asks(Request),
}

/// What came of `run`, and then of `finish`.
type Alone = Result<Result<Vec<OutputMetadata>, Failure>, Failure>;

/// What one instance works on.
pub(crate) struct Instance {
    pub(crate) inputs: Vec<Piece>,
    pub(crate) left: SharedLeft,
}

/// Runs an attempt to its end.
pub(crate) fn run(attempt: &Attempt, around: &Surroundings<'_>) -> Ended {
    let ended = match attempt.each {
        Some(each) => map::run(attempt, each, around),
        None => run_once(attempt, around),
    };
    // However it ended, in whichever instance.
    Ended { uses: attempt.uses.take(), ..ended }
}

fn run_once(attempt: &Attempt, around: &Surroundings<'_>) -> Ended {
    let instances = match instances(attempt, around) {
        Ok(instances) => instances,
        Err(failure) => return Ended::before_start(failure),
    };
    let permit = if let Some(attended) = around.attended {
        (attended.begin)();
        None
    } else {
        // Who called a tool has a permit, and waits.
        around.meter.is_none().then(|| around.permits.take(instances.len(), &|| {}))
    };
    (around.progress)(Progress::Started { parts: instances.len() });
    let running = Running::new(attempt, around);
    let finished = match instances.as_slice() {
        [only] => running.run_alone(only),
        _ => {
            let partials = running.run_parts(&instances);
            drop(permit);
            partials.and_then(|partials| running.finish(partials, instances.len()))
        }
    };
    running.settle(&instances, finished)
}

/// Reports what came of work, also if it ended by a panic, which goes on then: a driver that waits for a report would
/// otherwise wait for ever.
pub(crate) fn reported<T>(work: impl FnOnce() -> T, panicked: impl FnOnce() -> T, report: impl FnOnce(T)) {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(done) => report(done),
        Err(panic) => {
            report(panicked());
            std::panic::resume_unwind(panic);
        }
    }
}

impl Made {
    /// What the journal says of it, and what the store keeps.
    pub(crate) fn into_artifact(self) -> (Output, NewArtifact) {
        let Self { port, schema, items, metadata } = self;
        let artifact = NewArtifact::new(schema.name().clone(), metadata, items);
        let content = artifact.items();
        let output = Output {
            port,
            artifact: artifact.digest(),
            schema: artifact.schema().clone(),
            items: content.lines(),
            bytes: content.length(),
        };
        (output, artifact)
    }
}

impl Ended {
    pub(crate) fn before_start(failure: Failure) -> Self {
        let (usage, own) = (Usage::default(), Usage::default());
        let (uses, skipped, log, files) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { result: Err(failure), usage, own, uses, skipped_count: 0, skipped, log, files }
    }
}

/// Spreads the inputs over instances: several if all inputs that the runbook wires go to one per-item port.
fn instances(attempt: &Attempt, around: &Surroundings<'_>) -> Result<Vec<Instance>, Failure> {
    let per_item = |port: &str| attempt.manifest.inputs.iter().any(|known| known.name == port && known.per_item);
    let wired = |port: &str| is_wired(&attempt.manifest, port);
    let numbered = || attempt.inputs.iter().enumerate().filter(|(_, input)| wired(&input.port));
    let one_port = numbered().all(|(_, input)| {
        per_item(&input.port) && Some(&input.port) == numbered().next().map(|(_, first)| &first.port)
    });
    let bytes = numbered().map(|(_, input)| input.items.length()).sum();
    // What is written down of one instance, in its order, could not be told from what another asked. And two that write a
    // file of the same name would succeed or fail by how many threads a machine has.
    let alone = around.answering.is_some() || around.meter.is_some() || !attempt.granted.writes.is_empty();
    let parts = if one_port && !alone { split::worthwhile(bytes, around.threads) } else { 1 };
    let whole = |(index, input): (usize, &AttemptInput)| Piece { input: index, part: input.items.items().range() };
    let split = if parts > 1 {
        let mut readers: Vec<_> = numbered().map(|(index, input)| (index, input.items.items())).collect();
        split::split(&mut readers, parts).map_err(|error| host_failure("the input can't be read", &error))?
    } else {
        vec![numbered().map(whole).collect()]
    };
    let instance = |(number, inputs)| {
        let left = SharedLeft::new(spools(attempt, around.store, number)?);
        Ok(Instance { inputs, left })
    };
    split.into_iter().enumerate().map(instance).collect()
}

/// Whether the runbook wires a port; else the host gives it a ruleset.
pub(crate) fn is_wired(manifest: &Manifest, port: &str) -> bool {
    let source = manifest.inputs.iter().find(|known| known.name == port).map(|known| &known.source);
    matches!(source, Some(InputSource::Runbook { .. }))
}

/// What each instance gets whole beside its part of the data.
pub(crate) fn rulesets(attempt: &Attempt) -> impl Iterator<Item = Input> {
    let rulesets = attempt.inputs.iter().enumerate().filter(|(_, input)| !is_wired(&attempt.manifest, &input.port));
    rulesets.map(|(index, input)| {
        let items = PartItems::new(input.items.items(), input.schema.clone(), input.metadata.to_string());
        Input::given_to_all(input.port.clone(), Box::new(items), index)
    })
}

/// Empty spools for the outputs of one instance.
pub(crate) fn spools(attempt: &Attempt, store: &Store, part: usize) -> Result<Vec<OutputSpool>, Failure> {
    let ports = attempt.manifest.outputs.iter().zip(&attempt.outputs);
    ports
        .map(|(port, schema)| {
            // Compiled before the guest starts, so that a broken schema is no surprise in the middle.
            schema.item().map_err(|error| host_failure("the output schema can't be used", &error))?;
            Ok(OutputSpool { port: port.name.clone(), schema: Arc::clone(schema), spool: store.spool(part) })
        })
        .collect()
}

pub(crate) struct Running<'a> {
    attempt: &'a Attempt,
    around: &'a Surroundings<'a>,
    meter: Arc<AttemptMeter>,
    written: Written,
}

impl<'a> Running<'a> {
    pub(crate) fn new(attempt: &'a Attempt, around: &'a Surroundings<'a>) -> Self {
        let meter = around.meter.clone().unwrap_or_else(|| AttemptMeter::new(attempt.limits.clone()));
        Self { attempt, around, meter, written: Written::new(around.store.clone()) }
    }

    /// Runs the only part and finishes it, each in an instance of its own, on one thread.
    fn run_alone(&self, only: &Instance) -> Result<(Vec<OutputMetadata>, SharedLeft), Failure> {
        let last = SharedLeft::new(spools(self.attempt, self.around.store, 1)?);
        let comes_back = self.around.answering.is_none() && self.attempt.prepared.imports().are_pure();
        let result = if comes_back { self.run_here(only, &last)? } else { self.run_there(only, &last)? };
        match result {
            Ok(Ok(metadata)) => Ok((metadata, last)),
            Ok(Err(failure)) => Err(self.told(failure, &last, 0)),
            Err(failure) => Err(self.told(failure, &only.left, 0)),
        }
    }

    /// Runs both on this thread. None of the calls of a pure component waits for anything but the disk, so that the sandbox
    /// ends it in time, and no thread has to be left behind.
    fn run_here(&self, only: &Instance, last: &SharedLeft) -> Result<Alone, Failure> {
        let (prepared, lefts, mut told) = (&self.attempt.prepared, [only.left.clone(), last.clone()], Instant::now());
        let mut look = || {
            if let Some(attended) = self.around.attended {
                (attended.look)();
            }
            if told.elapsed() >= LOOK_EVERY {
                self.tell_progress(&lefts);
                told = Instant::now();
            }
        };
        let partial = prepared.run(self.job(&only.left, None), self.inputs(&only.inputs)?, &mut look);
        Ok(partial.map(|partial| prepared.finish(self.job(last, None), &[partial], &mut look)))
    }

    /// Runs both on another thread, which is left behind if they don't come back in time.
    fn run_there(&self, only: &Instance, last: &SharedLeft) -> Result<Alone, Failure> {
        let (done, results) = channel();
        let asking = self.around.answering.map(|answering| {
            let asks = done.clone();
            Asking::new(answering, move |request| asks.send(Report::Asks(request)).is_ok())
        });
        let (run, finish) = (self.job(&only.left, asking.clone()), self.job(last, asking));
        let inputs = self.inputs(&only.inputs)?;
        let prepared = self.attempt.prepared.clone();
        spawn(self.around.guests, move || {
            let partial = prepared.run(run, inputs, &mut || {});
            let _ = done.send(Report::Done(0, partial.map(|partial| prepared.finish(finish, &[partial], &mut || {}))));
        })?;
        self.wait(&results, &[only.left.clone(), last.clone()]).map(|(_, result)| result)
    }

    /// Runs each part on a thread of its own, and gives what each returned, in their order.
    fn run_parts(&self, instances: &[Instance]) -> Result<Vec<Vec<u8>>, Failure> {
        let (done, results) = channel();
        for (number, instance) in instances.iter().enumerate() {
            let (job, inputs) = (self.job(&instance.left, None), self.inputs(&instance.inputs)?);
            let (prepared, done) = (self.attempt.prepared.clone(), done.clone());
            spawn(self.around.guests, move || {
                // Nobody listens any more if the attempt was given up.
                let _ = done.send(Report::Done(number, prepared.run(job, inputs, &mut || {})));
            })?;
        }
        drop(done);
        let lefts: Vec<_> = instances.iter().map(|instance| instance.left.clone()).collect();
        let mut partials: Vec<Option<Result<Vec<u8>, Failure>>> = instances.iter().map(|_| None).collect();
        for _ in instances {
            let (number, result) = self.wait(&results, &lefts)?;
            if let Some(place) = partials.get_mut(number) {
                *place = Some(result);
            }
        }
        // The failure of the first part that failed is told, whichever failed first.
        let mut items_before = 0;
        let mut all = Vec::with_capacity(instances.len());
        for (instance, partial) in instances.iter().zip(partials) {
            match partial {
                Some(Ok(partial)) => all.push(partial),
                Some(Err(failure)) => return Err(self.told(failure, &instance.left, items_before)),
                None => return Err(Failure::new(FailureKind::Host, "a part of the step vanished")),
            }
            items_before += emitted(&instance.left);
        }
        Ok(all)
    }

    /// Calls `finish`; gives the metadata and what it emitted itself.
    pub(crate) fn finish(
        &self,
        partials: Vec<Vec<u8>>,
        part: usize,
    ) -> Result<(Vec<OutputMetadata>, SharedLeft), Failure> {
        let left = SharedLeft::new(spools(self.attempt, self.around.store, part)?);
        let (done, results) = channel();
        let (job, prepared) = (self.job(&left, None), self.attempt.prepared.clone());
        spawn(self.around.guests, move || {
            let _ = done.send(Report::Done(0, prepared.finish(job, &partials, &mut || {})));
        })?;
        let (_, result) = self.wait(&results, std::slice::from_ref(&left))?;
        let told = |failure| self.told(failure, &left, 0);
        result.map_err(told).map(|metadata| (metadata, left))
    }

    /// Joins what all instances left, in order, and checks the metadata.
    pub(crate) fn settle(
        &self,
        instances: &[Instance],
        finished: Result<(Vec<OutputMetadata>, SharedLeft), Failure>,
    ) -> Ended {
        let mut all: Vec<Left> = instances.iter().map(|instance| instance.left.take()).collect();
        let (metadata, failure) = match finished {
            Ok((metadata, left)) => {
                all.push(left.take());
                (metadata, None)
            }
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let mut ended = Ended::before_start(Failure::new(FailureKind::Host, "nothing was made"));
        let (mut denied, mut staged) = (None, Vec::new());
        let mut spools: Vec<Vec<Spool>> = self.attempt.manifest.outputs.iter().map(|_| Vec::new()).collect();
        for left in all {
            ended.skipped_count = ended.skipped_count.saturating_add(left.skipped_count);
            ended.skipped.extend(left.skipped);
            ended.log.extend(left.log);
            denied = left.denied.or(denied);
            staged.extend(left.staged);
            for (output, spools) in left.outputs.into_iter().zip(&mut spools) {
                spools.push(output.spool);
            }
        }
        ended.result = match failure {
            Some(failure) => Err(denied_if_so(failure, denied)),
            None => self.made(spools, metadata).and_then(|made| {
                ended.files = new_files(self.around.store, staged)?;
                Ok(made)
            }),
        };
        (ended.usage, ended.own) = (self.meter.usage(), self.meter.own());
        ended
    }

    fn made(&self, spools: Vec<Vec<Spool>>, metadata: Vec<OutputMetadata>) -> Result<Vec<Made>, Failure> {
        let component = self.attempt.manifest.versioned_id();
        for given in &metadata {
            if self.attempt.manifest.output(&given.port).is_none() {
                let port = palisade_model::neutral::line(&given.port, 64);
                let message = format!("{component} gave metadata for an output port `{port}` that it does not have");
                return Err(Failure::new(FailureKind::Failed, message));
            }
        }
        let outputs = self.attempt.manifest.outputs.iter().zip(&self.attempt.outputs).zip(spools);
        outputs
            .map(|((port, schema), spools)| {
                let given =
                    metadata.iter().rfind(|given| given.port == port.name).map_or("{}", |given| given.json.as_str());
                let misfit = |path: &str, rule: &str, message: &str| {
                    let (schema, port) = (schema.name().to_string(), port.name.clone());
                    let text = does_not_fit(&component, &port, None, &schema, path, rule, message);
                    let kind = FailureKind::Schema { schema, port, item: None, path: path.into(), rule: rule.into() };
                    Failure::new(kind, text)
                };
                let value = strict_json::from_str(given).map_err(|_| misfit("", "json", "is not JSON"))?;
                schema
                    .metadata()
                    .map_err(|error| host_failure("the output schema can't be used", &error))?
                    .check(&value)
                    .map_err(|broken| misfit(&broken.path, &broken.rule, &broken.message))?;
                let items =
                    self.around.store.join(spools).map_err(|error| host_failure("the output can't be kept", &error))?;
                Ok(Made { port: port.name.clone(), schema: Arc::clone(schema), items, metadata: value })
            })
            .collect()
    }

    /// Waits for one of the guests, and answers what it asks meanwhile. One that does not come back in time is given up.
    fn wait<T>(&self, results: &Receiver<Report<T>>, lefts: &[SharedLeft]) -> Result<(usize, T), Failure> {
        let give_up = self.meter.deadline() + GRACE;
        let mut cancelled_since = None;
        loop {
            match results.recv_timeout(LOOK_EVERY) {
                Ok(Report::Done(number, result)) => return Ok((number, result)),
                Ok(Report::Asks(request)) => {
                    if let Some(answering) = self.around.answering {
                        request.serve(answering, &self.meter);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(FailureKind::Host, "a thread of the step ended without an answer"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tell_progress(lefts);
            let now = Instant::now();
            if now > give_up {
                return Err(self.meter.wall_reached());
            }
            if self.around.cancel.is_cancelled() && now > *cancelled_since.get_or_insert(now) + GRACE {
                return Err(Failure::new(FailureKind::Cancelled, "the run was cancelled"));
            }
        }
    }

    fn tell_progress(&self, lefts: &[SharedLeft]) {
        let said = lefts
            .iter()
            .filter_map(|left| left.lock().said)
            .reduce(|sum, said| (sum.0.saturating_add(said.0), sum.1.zip(said.1).map(|(a, b)| a.saturating_add(b))));
        let items = lefts.iter().map(emitted).sum();
        (self.around.progress)(Progress::Going { usage: self.meter.usage(), items, said });
    }

    fn job(&self, left: &SharedLeft, asking: Option<Asking>) -> Job {
        let (cancelled, key) = (self.around.cancel.flag(), self.attempt.idempotency_key.clone());
        job(self.attempt, &self.meter, left, &cancelled, key, asking, self.written.clone())
    }

    fn inputs(&self, pieces: &[Piece]) -> Result<Vec<Input>, Failure> {
        let parts = pieces.iter().map(|piece| {
            let input = self.attempt.inputs.get(piece.input);
            let input = input.ok_or_else(|| Failure::new(FailureKind::Host, "an input vanished"))?;
            let (schema, metadata) = (input.schema.clone(), input.metadata.to_string());
            let whole = input.artifact.filter(|_| piece.part == input.items.items().range());
            let items = match whole {
                Some(artifact) => PartItems::whole(&input.items, artifact, schema, metadata),
                None => PartItems::new(input.items.items().part(piece.part), schema, metadata),
            };
            Ok(Input::of(input.port.clone(), Box::new(items)))
        });
        parts.chain(rulesets(self.attempt).map(Ok)).collect()
    }

    /// The failure as it is told: an item that does not fit is counted over all parts.
    fn told(&self, failure: Failure, left: &SharedLeft, items_before: u64) -> Failure {
        let mut failure = left.lock().violation.take().unwrap_or(failure);
        if let FailureKind::Schema { item: Some(item), schema, port, path, rule } = &mut failure.kind
            && items_before > 0
        {
            *item += items_before;
            let message =
                failure.message.rsplit_once(": it ").map_or("does not fit", |(_, message)| message).to_owned();
            let component = self.attempt.manifest.versioned_id();
            failure.message = does_not_fit(&component, port, Some(*item), schema, path, rule, &message);
        }
        failure
    }
}

/// What one instance works with.
pub(crate) fn job(
    attempt: &Attempt,
    meter: &Arc<AttemptMeter>,
    left: &SharedLeft,
    cancelled: &Arc<AtomicBool>,
    idempotency_key: String,
    asking: Option<Asking>,
    written: Written,
) -> Job {
    let call_bytes = attempt.limits.value(LimitKind::CallBytes);
    let ports = PartPorts {
        component: attempt.manifest.versioned_id(),
        granted: Arc::clone(&attempt.granted),
        uses: attempt.uses.clone(),
        left: left.clone(),
        idempotency_key,
        max_row_bytes: usize::try_from(call_bytes).unwrap_or(usize::MAX),
        until: Until { deadline: meter.deadline(), cancelled: Arc::clone(cancelled) },
        connections: Arc::clone(&attempt.connections),
        sessions: Sessions::default(),
        asking,
        written,
    };
    Job {
        meter: Arc::clone(meter),
        config: Arc::clone(&attempt.config),
        ports: Box::new(ports),
        granted: Some(Arc::clone(&attempt.granted)),
        seed: attempt.seed,
        cancelled: Arc::clone(cancelled),
    }
}

/// Runs a guest on a thread that nobody joins: a guest that does not come back is left behind.
pub(crate) fn spawn(guests: &Threads<'static>, task: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let span = tracing::Span::current();
    let start = |work| std::thread::Builder::new().name("guest".to_owned()).spawn(work).map(drop);
    let started = guests.run(Box::new(move || span.in_scope(task)), start);
    started.map_err(|error| host_failure("no thread for the component", &error))
}

/// A component that failed after it was refused something failed for want of authority.
pub(crate) fn denied_if_so(failure: Failure, refused: Option<SkipRecord>) -> Failure {
    let by_itself = matches!(
        failure.kind,
        FailureKind::BadInput | FailureKind::Unavailable | FailureKind::Failed | FailureKind::BadConfig
    );
    match refused {
        Some(SkipRecord { what, reason, allow, .. }) if by_itself => {
            let help = allow.as_ref().map(|allow| format!("`{allow}` would allow it"));
            let message = format!("{} ({what}: {reason})", failure.message);
            Failure { help: help.or(failure.help), ..Failure::new(FailureKind::Denied { what, allow }, message) }
        }
        _ => failure,
    }
}

/// Items that an instance emitted so far.
fn emitted(left: &SharedLeft) -> u64 {
    left.lock().outputs.iter().map(|output| output.spool.lines()).sum()
}

pub(crate) fn host_failure(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Host, format!("{what}: {}", palisade_model::causes(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_before_it_goes_on() {
        let mut told = None;
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            reported(|| panic!("on purpose"), || 7, |done| told = Some(done));
        }));
        assert!(panicked.is_err());
        assert_eq!(told, Some(7));
    }
}

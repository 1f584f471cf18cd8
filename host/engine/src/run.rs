//! Drives a run: starts what the interpreter commands, appends what comes of it, until the run has ended.
//!
//! One thread owns the journal and the state; each attempt has a thread that reports to it. What is finished is durable
//! before it is told.

use crate::attempt::{self, Attempt, AttemptInput, Ended, Progress};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::observe::{Observed, Observer};
use crate::record::{self, Ran};
use palisade_interpreter::{
    AttemptFailed, AttemptStarted, AttemptSucceeded, CancelReason, Event, Graph, GraphError, Node, Output, RunStarted,
    RunState, SkipCause, State, advance,
};
use palisade_model::limits::{Limit, LimitSource};
use palisade_model::{Digest, Failure, FailureKind, LimitKind, RunId, StepId, canonical};
use palisade_runbook::{BindingSource, Plan, PlannedCall, PlannedStep, Ruleset};
use palisade_sandbox::{Granted, NamedPath};
use palisade_schema::Registry;
use palisade_store::{Append, AppendError, Fault, NewArtifact, NewEvent, OwnError, Pending, RunSummary, SpoolError};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a waiting driver looks whether the run was cancelled or its time is over.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What is to be run.
#[derive(Debug)]
pub struct RunRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The runbook's bytes.
    pub runbook: &'a [u8],
    /// The rulesets of the plan, by their names in it.
    pub rulesets: &'a BTreeMap<String, Arc<Ruleset>>,
    /// The schemas that the plan was made with.
    pub schemas: &'a Registry,
    /// The working folder.
    pub folder: &'a Path,
    /// What was granted for this run alone, as it was given.
    pub allowed: Vec<String>,
}

/// Why a run could not be driven to its end. What was acknowledged is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The working folder can't be opened.
    #[error("the working folder can't be opened")]
    Folder(#[source] std::io::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] std::io::Error),
    /// The plan holds together for the planner but not for the interpreter: a bug.
    #[error("the plan is no graph that can run")]
    Graph(#[from] GraphError),
    /// Something that the plan names is not there.
    #[error("{what} of the plan is not there")]
    Missing {
        /// What.
        what: String,
    },
    /// The run belongs to another process.
    #[error("the run can't be owned")]
    Own(#[from] OwnError),
    /// The journal takes no more.
    #[error("the journal can't be written")]
    Append(#[from] AppendError),
    /// The store can't be used.
    #[error("the store can't be used")]
    Store(#[from] Fault),
    /// The store takes no more bytes.
    #[error("the store can't be written")]
    Spool(#[from] SpoolError),
}

/// What an attempt's thread reports.
struct Outcome {
    step: StepId,
    attempt: u32,
    ended: Ended,
}

impl Engine {
    /// Runs a plan to its end.
    ///
    /// # Errors
    /// When the run can't be driven to its end; a run that ends with failed steps is no error.
    pub fn run(&self, request: &RunRequest<'_>, observer: &dyn Observer, cancel: &Cancel) -> Result<Ran, RunError> {
        let mut driver = Driver::start(self, request, observer)?;
        let span = tracing::info_span!("run", run = %driver.run, runbook = request.plan.name);
        let _entered = span.enter();
        // The attempts have a flag of their own, so that the run's own time can end them too.
        let stop = Cancel::new();
        std::thread::scope(|scope| driver.drive(scope, cancel, &stop))?;
        Ok(record::fold(driver.run, request.plan, driver.plan_digest, &driver.events))
    }
}

struct Driver<'a> {
    engine: &'a Engine,
    request: &'a RunRequest<'a>,
    observer: &'a dyn Observer,
    run: RunId,
    plan_digest: Digest,
    graph: Graph,
    state: State,
    /// All events so far: a run has a few for each step.
    events: Vec<Event>,
    seq: u64,
    started: Instant,
    started_ms: u64,
    /// Held open, so that the folder stays the same whatever its path leads to by now.
    _folder: OwnedFd,
    root: PathBuf,
    _lock: palisade_store::RunLock,
}

impl<'a> Driver<'a> {
    /// Makes everything durable that the run needs, and the run itself.
    fn start(engine: &'a Engine, request: &'a RunRequest<'a>, observer: &'a dyn Observer) -> Result<Self, RunError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(request.folder, flags, Mode::empty()).map_err(|error| RunError::Folder(error.into()))?;
        let now = now_ms();
        let run = RunId::new(now, random().map_err(RunError::Random)?);
        let lock = engine.store().own(run)?;
        let node = |step: &PlannedStep| Node {
            step: step.id.clone(),
            after: step.waits_for().cloned().collect(),
            optional: step.optional,
        };
        let plan = canonical::to_vec(&serde_json::to_value(request.plan).unwrap_or_default());
        let mut driver = Self {
            engine,
            request,
            observer,
            run,
            plan_digest: Digest::of(&plan),
            graph: Graph::new(request.plan.steps.iter().map(node).collect())?,
            state: State::default(),
            events: Vec::new(),
            seq: 0,
            started: Instant::now(),
            started_ms: now,
            root: PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
            _folder: folder,
            _lock: lock,
        };
        driver.record_start(&plan)?;
        Ok(driver)
    }

    fn record_start(&mut self, plan: &[u8]) -> Result<(), RunError> {
        let mut kept =
            Kept { engine: self.engine, pending: Vec::new(), artifacts: Vec::new(), contents: BTreeMap::new() };
        kept.bytes("plan", plan)?;
        kept.bytes("runbook", self.request.runbook)?;
        for planned in self.request.plan.calls() {
            let what = format!("component {}@{}", planned.component, planned.version);
            let entry = self.engine.catalogue().get(&planned.component_digest);
            let entry = entry.ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.known_bytes(&what, planned.component_digest, || {
                entry.bytes().map_err(|error| RunError::Missing { what: format!("{what} ({error})") })
            })?;
        }
        for planned in &self.request.plan.schemas {
            let what = format!("schema {}", planned.schema);
            let schema =
                self.request.schemas.get(&planned.schema).ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.bytes(&what, &canonical::to_vec(schema.json()))?;
        }
        for planned in &self.request.plan.rulesets {
            let what = format!("ruleset {}", planned.name);
            let ruleset =
                self.request.rulesets.get(&planned.name).ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.ruleset(&what, ruleset)?;
        }
        let event = Event::RunStarted(Box::new(RunStarted {
            run: self.run,
            at_ms: self.started_ms,
            title: self.request.plan.name.clone(),
            palisade_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: self.plan_digest,
            runbook: Digest::of(self.request.runbook),
            contents: kept.contents,
            allowed: self.request.allowed.clone(),
        }));
        let (pending, artifacts) = (kept.pending, kept.artifacts);
        self.append(vec![event], artifacts, pending)
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
        let mut waiting = VecDeque::new();
        let mut running = 0_usize;
        waiting.extend(self.advance(Vec::new(), Vec::new())?);
        let most = self.request.plan.max_concurrency();
        while !matches!(self.state.run(), RunState::Ended(_)) {
            while running < most
                && let Some((step, attempt)) = waiting.pop_front()
            {
                self.start_attempt(scope, step, attempt, &report, stop)?;
                running += 1;
            }
            match outcomes.recv_timeout(LOOK_EVERY) {
                Ok(outcome) => {
                    running -= 1;
                    waiting.extend(self.take(outcome)?);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // This thread holds a sender, so it never comes to that.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Some(reason) = self.reason_to_stop(cancel) {
                stop.cancel();
                waiting.clear();
                let event = Event::CancelRequested { reason, at_ms: now_ms() };
                waiting.extend(self.advance(vec![event], Vec::new())?);
            }
        }
        Ok(())
    }

    /// Why the run is to end before its time, if it is and it was not said yet.
    fn reason_to_stop(&self, cancel: &Cancel) -> Option<CancelReason> {
        if self.state.cancelled().is_some() || matches!(self.state.run(), RunState::Ended(_)) {
            None
        } else if cancel.is_cancelled() {
            Some(CancelReason::Interrupted)
        } else if self.started.elapsed() > Duration::from_millis(self.request.plan.wall_ms()) {
            Some(CancelReason::Timeout)
        } else {
            None
        }
    }

    /// Appends events, applies them and what follows from them at once; gives the attempts that are to be started.
    fn advance(&mut self, events: Vec<Event>, artifacts: Vec<NewArtifact>) -> Result<Vec<(StepId, u32)>, RunError> {
        for event in &events {
            self.state.apply(event);
        }
        let next = advance(&self.graph, &mut self.state, now_ms());
        for event in &next.events {
            if let Event::StepSkipped { step, because: SkipCause::Failed { step: failed } } = event {
                self.observer.observe(&Observed::StepSkipped { step, because: failed });
            }
        }
        let all: Vec<_> = events.into_iter().chain(next.events).collect();
        if !all.is_empty() {
            self.write(all, artifacts, Vec::new())?;
        }
        Ok(next.start)
    }

    fn append(
        &mut self,
        events: Vec<Event>,
        artifacts: Vec<NewArtifact>,
        contents: Vec<Pending>,
    ) -> Result<(), RunError> {
        for event in &events {
            self.state.apply(event);
        }
        self.write(events, artifacts, contents)
    }

    /// The one place where the journal is written.
    fn write(
        &mut self,
        events: Vec<Event>,
        artifacts: Vec<NewArtifact>,
        contents: Vec<Pending>,
    ) -> Result<(), RunError> {
        let bytes: Vec<_> = events.iter().map(|event| (event.kind(), event.to_bytes())).collect();
        let new: Vec<_> = bytes.iter().map(|(kind, bytes)| NewEvent { kind, bytes }).collect();
        let (status, ended_ms) = match self.state.run() {
            RunState::Ended(status) => (status.name(), Some(now_ms())),
            RunState::New | RunState::Running => ("running", None),
        };
        let summary = RunSummary {
            title: self.request.plan.name.clone(),
            status: status.to_owned(),
            started_ms: self.started_ms,
            ended_ms,
        };
        let append = Append { events: &new, artifacts, contents, summary: Some(summary) };
        self.seq = self.engine.store().append(self.run, self.seq, append)?.seq;
        self.events.extend(events);
        Ok(())
    }

    fn start_attempt<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        step: StepId,
        attempt: u32,
        report: &Sender<Outcome>,
        stop: &'s Cancel,
    ) -> Result<(), RunError>
    where
        'a: 's,
    {
        let planned = self.request.plan.step(&step);
        let planned = planned.ok_or_else(|| RunError::Missing { what: format!("step {step}") })?;
        let call = planned.call().ok_or_else(|| RunError::Missing { what: format!("the component of step {step}") })?;
        let started = Event::AttemptStarted(Box::new(AttemptStarted {
            step: step.clone(),
            attempt,
            at_ms: now_ms(),
            component: call.component_digest,
            limits: call.limits.clone(),
        }));
        self.append(vec![started], Vec::new(), Vec::new())?;
        let inputs = self.inputs(planned)?;
        let performer = Performer {
            engine: self.engine,
            observer: self.observer,
            request: self.request,
            root: self.root.clone(),
            run: self.run,
            plan_digest: self.plan_digest,
        };
        let report = report.clone();
        scope.spawn(move || {
            let span = tracing::info_span!("step", step = %planned.id, attempt);
            let work = || span.in_scope(|| performer.perform(planned, call, inputs, stop));
            // The driver may have given up; then nobody wants to know.
            attempt::reported(work, |ended| drop(report.send(Outcome { step: planned.id.clone(), attempt, ended })));
        });
        Ok(())
    }

    fn inputs(&self, planned: &PlannedStep) -> Result<Vec<AttemptInput>, RunError> {
        let input = |binding: &palisade_runbook::Binding| {
            let artifact = match &binding.source {
                BindingSource::Step { step, port } => {
                    let outputs = self.state.outputs(step).unwrap_or_default();
                    outputs.iter().find(|output| output.port == *port).map(|output| output.artifact)
                }
                BindingSource::Ruleset { digest, .. } => Some(*digest),
                BindingSource::Input { .. } => None,
            };
            let found = artifact.map(|digest| self.engine.store().artifact(digest)).transpose()?.flatten();
            let found = found.ok_or_else(|| RunError::Missing {
                what: format!("an artifact that step {} reads on port `{}`", planned.id, binding.port),
            })?;
            Ok(AttemptInput {
                port: binding.port.clone(),
                schema: found.schema.to_string(),
                items: found.items,
                metadata: found.metadata,
            })
        };
        planned.inputs.iter().map(input).collect()
    }

    /// Takes what came of an attempt.
    fn take(&mut self, outcome: Outcome) -> Result<Vec<(StepId, u32)>, RunError> {
        let Outcome { step, attempt, ended } = outcome;
        let Ended { result, usage, skipped_count, skipped, log } = ended;
        let at_ms = now_ms();
        match result {
            Ok(made) => {
                let artifacts: Vec<_> = made
                    .into_iter()
                    .map(|made| {
                        let (schema, metadata) = (made.schema.name().clone(), made.metadata);
                        (made.port, NewArtifact { schema, metadata, items: made.items })
                    })
                    .collect();
                let outputs: Vec<_> = artifacts
                    .iter()
                    .map(|(port, artifact)| Output {
                        port: port.clone(),
                        artifact: artifact.digest(),
                        schema: artifact.schema.clone(),
                        items: artifact.items.content().lines(),
                        bytes: artifact.items.content().length(),
                    })
                    .collect();
                let items = outputs.first().map_or(0, |output| output.items);
                let event = AttemptSucceeded {
                    step: step.clone(),
                    attempt,
                    at_ms,
                    outputs,
                    usage,
                    skipped_count,
                    skipped,
                    log,
                };
                let artifacts = artifacts.into_iter().map(|(_, artifact)| artifact).collect();
                let start = self.advance(vec![Event::AttemptSucceeded(Box::new(event))], artifacts)?;
                self.observer.observe(&Observed::StepSucceeded { step: &step, items, skipped: skipped_count, usage });
                Ok(start)
            }
            Err(failure) => {
                let failure = self.out_of_time(failure);
                self.observer.observe(&Observed::StepFailed { step: &step, failure: &failure });
                let event = AttemptFailed {
                    retryable: failure.kind == FailureKind::Unavailable,
                    step,
                    attempt,
                    at_ms,
                    failure,
                    usage,
                    skipped_count,
                    skipped,
                    log,
                };
                self.advance(vec![Event::AttemptFailed(Box::new(event))], Vec::new())
            }
        }
    }

    /// A step that was stopped since the run's own time was over reached a limit.
    fn out_of_time(&self, failure: Failure) -> Failure {
        let over = self.state.cancelled() == Some(CancelReason::Timeout);
        if !over || failure.kind != FailureKind::Cancelled {
            return failure;
        }
        let value = self.request.plan.wall_ms();
        let in_force = Limit { value, set_by: LimitSource::Run, ceiling: u64::MAX };
        let mut failure = Failure::limit(LimitKind::Wall, in_force, None);
        failure.message = format!("the time of the whole run, {}, was over", LimitKind::Wall.show(value));
        failure.with_help("raise `config.timeout` of the runbook")
    }
}

/// What makes an attempt of a planned step; on the attempt's own thread.
struct Performer<'a> {
    engine: &'a Engine,
    observer: &'a dyn Observer,
    request: &'a RunRequest<'a>,
    root: PathBuf,
    run: RunId,
    plan_digest: Digest,
}

impl Performer<'_> {
    fn perform(&self, planned: &PlannedStep, call: &PlannedCall, inputs: Vec<AttemptInput>, stop: &Cancel) -> Ended {
        let input_bytes = inputs.iter().map(|input| input.items.length()).sum();
        let attempt = match self.attempt(planned, call, inputs) {
            Ok(attempt) => attempt,
            Err(failure) => return Ended::before_start(failure),
        };
        let component = attempt.manifest.versioned_id();
        let progress = |progress| {
            let step = &planned.id;
            self.observer.observe(&match progress {
                Progress::Started { parts } => {
                    Observed::StepStarted { step, component: &component, input_bytes, parts }
                }
                Progress::Going { usage, items, said } => Observed::StepProgress { step, usage, items, said },
            });
        };
        self.engine.attempt_with(&attempt, stop, &progress)
    }

    fn attempt(
        &self,
        planned: &PlannedStep,
        call: &PlannedCall,
        inputs: Vec<AttemptInput>,
    ) -> Result<Attempt, Failure> {
        let missing = |what: String| Failure::new(FailureKind::Host, format!("{what} is not there"));
        let entry = self.engine.catalogue().get(&call.component_digest);
        let entry = entry.ok_or_else(|| missing(format!("component {}@{}", call.component, call.version)))?;
        let prepared = self.engine.load(entry, self.observer)?;
        let schema = |port: &palisade_model::manifest::OutputPort| {
            self.request.schemas.get(&port.schema).cloned().ok_or_else(|| missing(format!("schema {}", port.schema)))
        };
        let named = |written: &str, path: &palisade_authority::ScopedPath| NamedPath {
            written: written.to_owned(),
            path: path.clone(),
        };
        let granted = Granted {
            authority: call.authority.clone(),
            root: self.root.clone(),
            paths: call.paths.iter().map(|path| named(&path.written, &path.path)).collect(),
            connections: call.connections.iter().map(|known| named(&known.name, &known.path)).collect(),
        };
        Ok(Attempt {
            outputs: entry.manifest.outputs.iter().map(schema).collect::<Result<_, _>>()?,
            manifest: Arc::clone(&entry.manifest),
            prepared,
            config: call.config.clone(),
            limits: call.limits.clone(),
            granted: Arc::new(granted),
            seed: seed(&self.plan_digest, &planned.id),
            idempotency_key: Digest::of(format!("{}/{}", self.run, planned.id).as_bytes()).to_string(),
            inputs,
        })
    }
}

/// What a run needs later, put into the store unless it is there.
struct Kept<'a> {
    engine: &'a Engine,
    pending: Vec<Pending>,
    artifacts: Vec<NewArtifact>,
    contents: BTreeMap<String, Digest>,
}

impl Kept<'_> {
    fn bytes(&mut self, what: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.known_bytes(what, Digest::of(bytes), || Ok(bytes.to_vec()))
    }

    fn known_bytes(
        &mut self,
        what: &str,
        digest: Digest,
        bytes: impl FnOnce() -> Result<Vec<u8>, RunError>,
    ) -> Result<(), RunError> {
        let known = self.contents.values().any(|known| *known == digest);
        self.contents.insert(what.to_owned(), digest);
        if !known && self.engine.store().content(digest)?.is_none() {
            self.pending.push(self.engine.store().prepare(&bytes()?)?);
        }
        Ok(())
    }

    fn ruleset(&mut self, what: &str, ruleset: &Ruleset) -> Result<(), RunError> {
        let store = self.engine.store();
        self.contents.insert(what.to_owned(), ruleset.digest);
        let pending = self.artifacts.iter().any(|known| known.digest() == ruleset.digest);
        if !pending && store.artifact(ruleset.digest)?.is_none() {
            let mut spool = store.spool(0);
            spool.append(&ruleset.items)?;
            let items = store.join(vec![spool])?;
            let metadata: Value = ruleset.metadata.clone();
            self.artifacts.push(NewArtifact { schema: ruleset.schema.clone(), metadata, items });
        }
        Ok(())
    }
}

/// What the clocks and randomness of a step are made from.
fn seed(plan: &Digest, step: &StepId) -> u64 {
    let digest = Digest::of(format!("{plan}/{step}").as_bytes());
    digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn random() -> std::io::Result<[u8; 10]> {
    let mut bytes = [0; 10];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if read == bytes.len() { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_depends_on_plan_and_step() {
        let (a, b): (StepId, StepId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        assert_eq!(seed(&one, &a), seed(&one, &a));
        assert_ne!(seed(&one, &a), seed(&one, &b));
        assert_ne!(seed(&one, &a), seed(&two, &a));
    }
}

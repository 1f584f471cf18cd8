//! Drives a run: starts what the interpreter commands, appends what comes of it, until the run has ended.
//!
//! One thread owns the journal and the state; each attempt has a thread that reports to it. What is finished is durable
//! before it is told.

use crate::attempt::{self, AttemptInput, Ended, Made};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::history::{History, HistoryError};
use crate::keep::Kept;
use crate::lookup::Lookup;
use crate::observe::{Observed, Observer};
use crate::perform::{Performer, Task};
use crate::record::{self, Ran};
use palisade_interpreter::{
    AttemptFailed, AttemptStarted, AttemptSucceeded, CancelReason, Event, Graph, GraphError, Node, Output, Question,
    Retry, RunStarted, RunState, State, Turn, advance,
};
use palisade_model::limits::{Limit, LimitSource};
use palisade_model::record::Status;
use palisade_model::{
    ArtifactName, Digest, Failure, FailureKind, LimitKind, RunId, RunLimitKind, StepId, Usage, canonical,
};
use palisade_runbook::{
    Binding, BindingSource, Estimate, PastAttempt, Plan, PlannedCall, PlannedStep, PlannedWork, Ruleset, names_data,
};
use palisade_schema::Registry;
use palisade_store::{
    Append, AppendError, Fault, NewArtifact, NewEvent, NewUsage, OwnError, Pending, RunSummary, SpoolError,
};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a waiting driver looks whether the run was cancelled or its time is over.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The status of a run that has not ended, in lists.
pub(crate) const RUNNING: &str = "running";
/// Under which name a run keeps its estimate.
pub(crate) const ESTIMATE: &str = "estimate";

/// What is done, and where.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The schemas that the plan was made with.
    pub schemas: &'a Registry,
    /// The working folder.
    pub folder: &'a Path,
    /// What the run will probably take; kept with it, so that its error can be told afterwards. None for runs from before
    /// there were estimates.
    pub estimate: Option<&'a Estimate>,
}

/// What is to be run.
#[derive(Debug)]
pub struct RunRequest<'a> {
    /// What is done, and where.
    pub work: Work<'a>,
    /// The runbook's bytes.
    pub runbook: &'a [u8],
    /// The rulesets of the plan, by their names in it.
    pub rulesets: &'a BTreeMap<String, Arc<Ruleset>>,
    /// What was granted for this run alone, as it was given.
    pub allowed: Vec<String>,
}

/// An input of a run, read and checked.
#[derive(Debug)]
pub struct GivenInput {
    /// Its name in the plan.
    pub name: ArtifactName,
    /// What was given.
    pub artifact: NewArtifact,
    /// Nobody gave it: it is the default that the runbook states.
    pub is_default: bool,
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
    /// The run that is to be resumed has ended.
    #[error("the run has ended: it is {status}")]
    Over {
        /// How.
        status: Status,
    },
    /// What the journal says of the run that is to be resumed can't be read.
    #[error(transparent)]
    History(#[from] HistoryError),
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
    turn: Turn,
    ended: Ended,
}

impl Engine {
    /// Runs a plan to its end. `inputs` has all inputs of the plan that something needs.
    ///
    /// # Errors
    /// When the run can't be driven to its end; a run that ends with failed steps is no error.
    pub fn run(
        &self,
        request: &RunRequest<'_>,
        inputs: Vec<GivenInput>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Ran, RunError> {
        Driver::start(self, request, inputs, observer)?.into_record(cancel)
    }

    /// Goes on with a run that was interrupted or whose process is gone. What was acknowledged does not run again.
    ///
    /// # Errors
    /// When the run has ended otherwise, somebody works on it, or it can't be driven to its end.
    pub fn resume(
        &self,
        run: RunId,
        work: Work<'_>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Ran, RunError> {
        Driver::resume(self, run, work, observer)?.into_record(cancel)
    }
}

/// What becomes durable with events.
#[derive(Default)]
struct Beside {
    artifacts: Vec<NewArtifact>,
    contents: Vec<Pending>,
    usages: Vec<NewUsage>,
}

/// What is noted of an attempt when it starts.
struct Begun {
    /// Milliseconds that the journal took for its start.
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
    lock: palisade_store::RunLock,
}

struct Driver<'a> {
    engine: &'a Engine,
    work: Work<'a>,
    observer: &'a dyn Observer,
    run: RunId,
    plan_digest: Digest,
    graph: Graph,
    state: State,
    /// The inputs of the run, by their names without case.
    inputs: BTreeMap<String, Digest>,
    /// The attempts that run.
    begun: BTreeMap<StepId, Begun>,
    /// All events so far: a run has a few for each step.
    events: Vec<Event>,
    seq: u64,
    started: Instant,
    /// How long processes before this one worked on the run.
    worked_before: Duration,
    started_ms: u64,
    /// Held open, so that the folder stays the same whatever its path leads to by now.
    _folder: OwnedFd,
    root: PathBuf,
    _lock: palisade_store::RunLock,
}

impl<'a> Driver<'a> {
    /// Makes everything durable that the run needs, and the run itself.
    fn start(
        engine: &'a Engine,
        request: &RunRequest<'a>,
        inputs: Vec<GivenInput>,
        observer: &'a dyn Observer,
    ) -> Result<Self, RunError> {
        let started_ms = now_ms();
        let run = RunId::new(started_ms, random().map_err(RunError::Random)?);
        let lock = engine.store().own(run)?;
        let plan = canonical::to_vec(request.work.plan);
        let begin = Begin { run, started_ms, plan_digest: Digest::of(&plan), lock };
        let mut driver = Self::new(engine, begin, request.work, observer)?;
        driver.record_start(request, &plan, inputs)?;
        Ok(driver)
    }

    /// Takes up a run that was begun.
    fn resume(engine: &'a Engine, run: RunId, work: Work<'a>, observer: &'a dyn Observer) -> Result<Self, RunError> {
        let lock = engine.store().own(run)?;
        // Read once the run is owned: nobody adds to it now.
        let history = History::read(engine.store(), run)?;
        let started = history.start()?;
        let begin = Begin { run, started_ms: started.at_ms, plan_digest: started.plan, lock };
        let mut driver = Self::new(engine, begin, work, observer)?;
        driver.inputs = started.inputs.iter().map(|input| (input.name.key(), input.artifact)).collect();
        driver.worked_before = Duration::from_millis(worked_ms(history.events()));
        driver.state = history.state_after(history.events().len());
        if let RunState::Ended(status) = driver.state.run()
            && status != Status::Interrupted
        {
            return Err(RunError::Over { status });
        }
        driver.seq = history.events().len() as u64;
        driver.events = history.into_events();
        let palisade_version = env!("CARGO_PKG_VERSION").to_owned();
        let resumed = driver.state.resumed().saturating_add(1);
        driver.append(vec![Event::RunResumed { resumed, at_ms: now_ms(), palisade_version }], Beside::default())?;
        Ok(driver)
    }

    fn new(engine: &'a Engine, begin: Begin, work: Work<'a>, observer: &'a dyn Observer) -> Result<Self, RunError> {
        let Begin { run, started_ms, plan_digest, lock } = begin;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(work.folder, flags, Mode::empty()).map_err(|error| RunError::Folder(error.into()))?;
        Ok(Self {
            engine,
            work,
            observer,
            run,
            plan_digest,
            graph: Graph::new(work.plan.steps.iter().map(node).collect())?,
            state: State::default(),
            inputs: BTreeMap::new(),
            begun: BTreeMap::new(),
            events: Vec::new(),
            seq: 0,
            started: Instant::now(),
            worked_before: Duration::ZERO,
            started_ms,
            root: PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
            _folder: folder,
            _lock: lock,
        })
    }

    fn into_record(mut self, cancel: &Cancel) -> Result<Ran, RunError> {
        let span = tracing::info_span!("run", run = %self.run, runbook = self.work.plan.name);
        let _entered = span.enter();
        // The attempts have a flag of their own, so that the run's own time can end them too.
        let stop = Cancel::new();
        std::thread::scope(|scope| self.drive(scope, cancel, &stop))?;
        Ok(record::fold(self.run, self.work.plan, self.plan_digest, &self.events))
    }

    fn record_start(&mut self, request: &RunRequest<'a>, plan: &[u8], inputs: Vec<GivenInput>) -> Result<(), RunError> {
        let mut kept = Kept::new(self.engine.store());
        kept.bytes("plan", plan)?;
        kept.bytes("runbook", request.runbook)?;
        if let Some(estimate) = self.work.estimate {
            kept.bytes(ESTIMATE, &canonical::to_vec(estimate))?;
        }
        for planned in self.work.plan.calls() {
            let what = format!("component {}@{}", planned.component, planned.version);
            let entry = self.engine.catalogue().get(&planned.component_digest);
            let entry = entry.ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.known_bytes(&what, planned.component_digest, || {
                entry.bytes().map_err(|error| RunError::Missing { what: format!("{what} ({error})") })
            })?;
        }
        for planned in &self.work.plan.schemas {
            let what = format!("schema {}", planned.schema);
            let schema =
                self.work.schemas.get(&planned.schema).ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.bytes(&what, &canonical::to_vec(schema.json()))?;
        }
        for planned in &self.work.plan.rulesets {
            let what = format!("ruleset {}", planned.name);
            let ruleset =
                request.rulesets.get(&planned.name).ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.ruleset(&what, ruleset)?;
        }
        let inputs: Vec<_> = inputs.into_iter().map(|given| kept.input(given)).collect();
        self.inputs = inputs.iter().map(|input| (input.name.key(), input.artifact)).collect();
        let event = Event::RunStarted(Box::new(RunStarted {
            run: self.run,
            at_ms: self.started_ms,
            title: self.work.plan.name.clone(),
            palisade_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: self.plan_digest,
            runbook: Digest::of(request.runbook),
            contents: kept.contents,
            allowed: request.allowed.clone(),
            folder: Some(shown_folder(self.work.folder)),
            inputs,
        }));
        let beside = Beside { contents: kept.pending, artifacts: kept.artifacts, ..Beside::default() };
        self.append(vec![event], beside)
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
        waiting.extend(self.advance(Vec::new(), Beside::default())?);
        let most = self.work.plan.max_concurrency();
        while !matches!(self.state.run(), RunState::Ended(_)) {
            while running < most
                && let Some(turn) = waiting.pop_front()
            {
                let inputs = self.lookup().inputs(self.planned(&turn.step)?, turn.iteration)?;
                let runs = component_runs(self.planned(&turn.step)?, &inputs);
                match self.too_many_runs(runs) {
                    Some(failure) => waiting.extend(self.take(Outcome { turn, ended: Ended::before_start(failure) })?),
                    None => {
                        self.start_attempt(scope, turn, inputs, runs, &report, stop)?;
                        running += 1;
                    }
                }
            }
            match outcomes.recv_timeout(self.next_look()) {
                Ok(outcome) => {
                    running -= 1;
                    waiting.extend(self.take(outcome)?);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // This thread holds a sender, so it never comes to that.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            waiting.extend(self.fire_timers()?);
            if let Some(reason) = self.reason_to_stop(cancel) {
                stop.cancel();
                waiting.clear();
                let event = Event::CancelRequested { reason, at_ms: now_ms(), resumed: self.state.resumed() };
                waiting.extend(self.advance(vec![event], Beside::default())?);
            }
        }
        Ok(())
    }

    /// How long to wait for outcomes: until the next timer, or until it is time to look whether the run is to end.
    fn next_look(&self) -> Duration {
        let timer = self.state.next_timer().map(|(_, until_ms)| until_ms.saturating_sub(now_ms()));
        timer.map_or(LOOK_EVERY, |ms| LOOK_EVERY.min(Duration::from_millis(ms)))
    }

    /// Says of each wait that is over that it is, and gives the attempts that follow.
    fn fire_timers(&mut self) -> Result<Vec<Turn>, RunError> {
        let mut start = Vec::new();
        while let Some((turn, until_ms)) = self.state.next_timer() {
            let at_ms = now_ms();
            if until_ms > at_ms {
                break;
            }
            let Turn { step, iteration, attempt } = turn;
            start.extend(self.advance(vec![Event::TimerFired { step, attempt, iteration, at_ms }], Beside::default())?);
        }
        Ok(start)
    }

    /// When a step that failed tries again; none if it does not.
    fn retry_at(&self, turn: &Turn, failure: &Failure, now_ms: u64) -> Result<Option<u64>, RunError> {
        let retry = self.graph.node(&turn.step).and_then(|node| node.retry.as_ref());
        let Some(retry) = retry.filter(|_| self.state.cancelled().is_none()) else { return Ok(None) };
        let [random @ .., _, _] = random().map_err(RunError::Random)?;
        let wait_ms = retry.wait_ms(turn.attempt, &failure.kind, u64::from_le_bytes(random));
        Ok(wait_ms.map(|wait_ms| now_ms.saturating_add(wait_ms)))
    }

    /// Why the run is to end before its time, if it is and it was not said yet.
    fn reason_to_stop(&self, cancel: &Cancel) -> Option<CancelReason> {
        if self.state.cancelled().is_some() || matches!(self.state.run(), RunState::Ended(_)) {
            None
        } else if cancel.is_cancelled() {
            Some(CancelReason::Interrupted)
        } else if self.worked_before + self.started.elapsed() > Duration::from_millis(self.work.plan.wall_ms()) {
            Some(CancelReason::Timeout)
        } else {
            None
        }
    }

    /// Appends events, applies them and what follows from them at once; gives the attempts that are to be started.
    fn advance(&mut self, events: Vec<Event>, mut beside: Beside) -> Result<Vec<Turn>, RunError> {
        for event in &events {
            self.state.apply(event);
        }
        let mut unwritten = events;
        let mut start = Vec::new();
        loop {
            let next = advance(&self.graph, &mut self.state, now_ms());
            for event in &next.events {
                if let Event::StepSkipped { step, because } = event {
                    self.observer.observe(&Observed::StepSkipped { step, because });
                }
            }
            unwritten.extend(next.events);
            start.extend(next.start);
            if !unwritten.is_empty() {
                // Before an answer, too: it stands in documents that are in the store with this commit at the earliest.
                self.write(std::mem::take(&mut unwritten), std::mem::take(&mut beside))?;
            }
            if next.answer.is_empty() {
                return Ok(start);
            }
            for question in &next.answer {
                let event = self.answer(question)?;
                self.observe_failure(&event);
                self.state.apply(&event);
                unwritten.push(event);
            }
        }
    }

    /// Looks up what the interpreter can't compute.
    fn answer(&self, question: &Question) -> Result<Event, RunError> {
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
            state: &self.state,
            inputs: &self.inputs,
            made: None,
        }
    }

    fn planned(&self, step: &StepId) -> Result<&'a PlannedStep, RunError> {
        self.work.plan.step(step).ok_or_else(|| RunError::Missing { what: format!("step {step}") })
    }

    fn call(&self, step: &StepId) -> Result<&'a PlannedCall, RunError> {
        let call = self.planned(step)?.call();
        call.ok_or_else(|| RunError::Missing { what: format!("the component of step {step}") })
    }

    fn append(&mut self, events: Vec<Event>, beside: Beside) -> Result<(), RunError> {
        for event in &events {
            self.state.apply(event);
        }
        self.write(events, beside)
    }

    /// The one place where the journal is written.
    fn write(&mut self, events: Vec<Event>, beside: Beside) -> Result<(), RunError> {
        let bytes: Vec<_> = events.iter().map(|event| (event.kind(), event.to_bytes())).collect();
        let new: Vec<_> = bytes.iter().map(|(kind, bytes)| NewEvent { kind, bytes }).collect();
        let (status, ended_ms, items) = match self.state.run() {
            RunState::Ended(status) => (status.name(), Some(now_ms()), Some(self.result_items())),
            RunState::New | RunState::Running => (RUNNING, None, None),
        };
        let summary = RunSummary {
            title: self.work.plan.name.clone(),
            status: status.to_owned(),
            started_ms: self.started_ms,
            ended_ms,
            items,
        };
        let Beside { artifacts, contents, usages } = beside;
        let append = Append { events: &new, artifacts, contents, usages, summary: Some(summary) };
        self.seq = self.engine.store().append(self.run, self.seq, append)?.seq;
        self.events.extend(events);
        Ok(())
    }

    /// How many items the results of the run have.
    fn result_items(&self) -> u64 {
        let of_steps = self.work.plan.steps.iter().flat_map(|step| {
            let exported = step.outputs.iter().filter(|output| output.exported);
            exported.map(|output| (&step.id, output.port.as_str()))
        });
        let of_aliases = self.work.plan.aliases.iter().filter(|alias| alias.exported);
        let of_aliases = of_aliases.filter_map(|alias| match &alias.source {
            BindingSource::Step { step, port } => Some((step, port.as_str())),
            BindingSource::Input { .. } | BindingSource::Ruleset { .. } => None,
        });
        let items = |(step, port): (&StepId, &str)| {
            let made = self.state.outputs(step)?.iter().find(|made| made.port == port)?;
            Some(made.items)
        };
        of_steps.chain(of_aliases).filter_map(items).fold(0, u64::saturating_add)
    }

    fn start_attempt<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        turn: Turn,
        inputs: Vec<AttemptInput>,
        runs: u64,
        report: &Sender<Outcome>,
        stop: &'s Cancel,
    ) -> Result<(), RunError>
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
            limits: call.limits.clone(),
            runs,
        }));
        let writing = Instant::now();
        self.append(vec![started], Beside::default())?;
        let commit_ms = u64::try_from(writing.elapsed().as_millis()).unwrap_or(u64::MAX);
        let input_bytes = inputs.iter().map(|input| input.items.length()).fold(0, u64::saturating_add);
        self.begun.insert(turn.step.clone(), Begun { commit_ms, input_bytes });
        let values = self.state.values(&turn.step).unwrap_or_default().to_vec();
        let performer = Performer {
            engine: self.engine,
            observer: self.observer,
            work: self.work,
            root: self.root.clone(),
            run: self.run,
            plan_digest: self.plan_digest,
        };
        let report = report.clone();
        scope.spawn(move || {
            let span = tracing::info_span!("step", step = %turn.step, turn.iteration, turn.attempt);
            let task = Task { turn: turn.clone(), step, call, inputs, values };
            let work = || span.in_scope(|| performer.perform(task, stop));
            // The driver may have given up; then nobody wants to know.
            attempt::reported(work, |ended| drop(report.send(Outcome { turn, ended })));
        });
        Ok(())
    }

    /// Why an attempt may not start that runs its component so often, if the run has not as much left.
    fn too_many_runs(&self, runs: u64) -> Option<Failure> {
        let kind = RunLimitKind::MaxRuns;
        let most = self.work.plan.limits.get(kind)?;
        let before = self.state.component_runs();
        let found = before.saturating_add(runs);
        if found <= most {
            return None;
        }
        let message = format!(
            "the run may run components {} times at most; {before} are used, and this would take {runs} more: nothing was run",
            kind.show(most)
        );
        let key = kind.key().to_owned();
        let failure = Failure::new(FailureKind::Bound { key, most, found }, message);
        Some(failure.with_help("raise `limits.max_runs` of the runbook"))
    }

    /// Takes what came of an attempt.
    fn take(&mut self, outcome: Outcome) -> Result<Vec<Turn>, RunError> {
        let Outcome { turn, ended } = outcome;
        let Ended { result, usage, skipped_count, skipped, log } = ended;
        let at_ms = now_ms();
        let begun = self.begun.remove(&turn.step);
        let made = match result {
            Ok(made) => made,
            Err(failure) => {
                let failure = self.out_of_time(failure);
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
                    skipped_count,
                    skipped,
                    log,
                }));
                self.observe_failure(&event);
                return self.advance(vec![event], Beside::default());
            }
        };
        let Turn { step, iteration, attempt } = turn;
        let (outputs, artifacts): (Vec<_>, Vec<_>) = made.into_iter().map(Made::into_artifact).unzip();
        let items = outputs.first().map_or(0, |output| output.items);
        let usages = begun.and_then(|begun| self.used(&step, &begun, usage, &outputs)).into_iter().collect();
        let event = Event::AttemptSucceeded(Box::new(AttemptSucceeded {
            step: step.clone(),
            attempt,
            iteration,
            at_ms,
            outputs,
            usage,
            skipped_count,
            skipped,
            log,
        }));
        let start = self.advance(vec![event], Beside { artifacts, usages, ..Beside::default() })?;
        let skipped = skipped_count;
        self.observer.observe(&Observed::StepSucceeded { step: &step, iteration, items, skipped, usage });
        Ok(start)
    }

    /// What an attempt used that did what was wanted, for estimates of later runs. None where nobody measured how much it
    /// was to read.
    fn used(&self, id: &StepId, begun: &Begun, usage: Usage, outputs: &[Output]) -> Option<NewUsage> {
        let step = self.work.plan.step(id)?;
        let call = step.call()?;
        let data_bytes = if names_data(call) { self.work.estimate?.step(id)?.data_bytes? } else { 0 };
        let input_bytes = begun.input_bytes.saturating_add(data_bytes);
        let outputs = outputs.iter().map(|output| (output.port.clone(), output.bytes)).collect();
        let past = PastAttempt::new(step, call, input_bytes, begun.commit_ms, usage, outputs);
        // It is the first of the events that are appended with it.
        Some(NewUsage { component: call.component_digest, event: 0, bytes: serde_json::to_vec(&past).ok()? })
    }

    /// A step that was stopped since the run's own time was over reached a limit.
    fn out_of_time(&self, failure: Failure) -> Failure {
        let over = self.state.cancelled() == Some(CancelReason::Timeout);
        if !over || failure.kind != FailureKind::Cancelled {
            return failure;
        }
        let value = self.work.plan.wall_ms();
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

/// A step as the interpreter sees it. It runs after the end of those in `after`, however they ended, unless it also reads
/// from one.
pub(crate) fn node(step: &PlannedStep) -> Node {
    let needs: Vec<StepId> = step.waits_for().filter(|other| needs(step, other)).cloned().collect();
    let after = step.waits_for().filter(|other| !needs.contains(other)).cloned().collect();
    Node {
        after,
        optional: step.optional,
        has_condition: step.when.is_some(),
        has_values: step.call().is_some_and(|call| !call.values.is_empty()),
        iterations: match &step.work {
            PlannedWork::Loop { max_iterations, .. } => Some(*max_iterations),
            _ => None,
        },
        retry: step.retry.as_ref().map(|retry| Retry {
            max_attempts: retry.max_attempts,
            backoff_ms: retry.backoff_ms,
            on: retry.on.clone(),
        }),
        ..Node::new(step.id.clone(), needs)
    }
}

/// How often an attempt runs its component at most. A map over too many items runs nothing, which it tells itself.
pub(crate) fn component_runs(step: &PlannedStep, inputs: &[AttemptInput]) -> u64 {
    let PlannedWork::Map { max_items, .. } = &step.work else { return 1 };
    let is_ruleset = |binding: &&Binding| matches!(binding.source, BindingSource::Ruleset { .. });
    let mapped = step.inputs.iter().find(|binding| !is_ruleset(binding));
    let mapped = mapped.and_then(|binding| inputs.iter().find(|input| input.port == binding.port));
    mapped.map_or(0, |input| input.items.lines().min(*max_items))
}

fn needs(step: &PlannedStep, other: &StepId) -> bool {
    step.needs().any(|source| matches!(source, BindingSource::Step { step, .. } if step == other))
}

/// How a run names the folder in which it works, for people and to tell one from another.
#[must_use]
pub fn shown_folder(folder: &Path) -> String {
    folder.display().to_string()
}

/// Milliseconds in which processes worked on a run: from each start of one to the last that it wrote down.
fn worked_ms(events: &[Event]) -> u64 {
    let (mut sum, mut begin, mut last) = (0_u64, 0_u64, 0_u64);
    for event in events {
        let Some(at_ms) = event.at_ms() else { continue };
        if matches!(event, Event::RunStarted(_) | Event::RunResumed { .. }) {
            sum = sum.saturating_add(last.saturating_sub(begin));
            begin = at_ms;
        }
        last = at_ms;
    }
    sum.saturating_add(last.saturating_sub(begin))
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

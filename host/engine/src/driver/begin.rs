//! How a run begins, and how one is taken up that was begun.

use super::calls::Answered;
use super::writing::Writing;
use super::{Begin, Beside, Driver, Place, now_ms, random};
use crate::engine::Engine;
use crate::fork::{ForkPoint, Forking, in_order};
use crate::gate::Gate;
use crate::history::History;
use crate::keep::Kept;
use crate::lookup::digests;
use crate::named::INPUT;
use crate::observe::Observer;
use crate::run::{ESTIMATE, GivenInput, RunError, RunRequest, Work, shown_folder};
use crate::subtree::Subtree;
use palisade_interpreter::{
    Approval, Event, Fork, Graph, GraphError, Machine, Node, Parent, Retry, RunForked, RunInput, RunStarted,
};
use palisade_model::{Digest, RunId, RunLimits, Spent, StepId, canonical};
use palisade_runbook::{BindingSource, Plan, PlannedChildRunbook, PlannedStep, PlannedWork, Ruleset};
use palisade_schema::Registry;
use palisade_store::{Pin, RunLock};
use rustix::fd::AsRawFd as _;
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A child run that is to begin or to go on.
pub(super) struct ChildBegin {
    pub(super) run: RunId,
    pub(super) plan_digest: Digest,
    pub(super) parent: Parent,
    pub(super) limits: RunLimits,
    /// What the run and those above it share.
    pub(super) above: Subtree,
    pub(super) work_key: String,
    pub(super) way: Vec<StepId>,
    pub(super) inputs: Vec<RunInput>,
    /// What was granted for the run that a person started.
    pub(super) allowed: Vec<String>,
    /// Who started it.
    pub(super) by: Option<String>,
    /// Who said yes beforehand when they started it.
    pub(super) approved_by: Option<String>,
    /// The working folder, as its parent holds it open.
    pub(super) folder: PathBuf,
    /// Its inputs are in the store, and stay there until it names them itself.
    pub(super) pin: Pin,
}

impl Place {
    fn of_root(run: RunId, plan: &Plan, key: Option<String>) -> Self {
        Self {
            parent: None,
            subtree: Subtree::root(run, plan),
            limits: plan.limits.clone(),
            folder: None,
            key,
            work_key: run.to_string(),
            way: Vec::new(),
        }
    }
}

impl<'a> Driver<'a> {
    /// Makes everything durable that the run needs, and the run itself.
    pub(crate) fn start(
        engine: &'a Engine,
        request: &RunRequest<'a>,
        inputs: Vec<GivenInput>,
        observer: &'a dyn Observer,
    ) -> Result<Self, RunError> {
        engine.check_bytes(request.work.plan)?;
        let started_ms = now_ms();
        let run = RunId::new(started_ms, random().map_err(RunError::Random)?);
        let lock = engine.store().own(run)?;
        let plan = request.work.plan.canonical();
        let place = Place::of_root(run, request.work.plan, request.key.clone());
        let begin = Begin { run, started_ms, plan_digest: Digest::of(&plan), lock, place };
        let mut driver = Self::new(engine, begin, request.work, observer)?;
        driver.record_start(request, &plan, inputs)?;
        Ok(driver)
    }

    /// Takes up a run that was begun by a person.
    pub(crate) fn resume(
        engine: &'a Engine,
        history: &mut History,
        work: Work<'a>,
        observer: &'a dyn Observer,
    ) -> Result<Self, RunError> {
        let run = history.run();
        let lock = engine.store().own(run)?;
        // Read once the run is owned: nobody adds to it now.
        history.read_on(engine.store())?;
        let key = engine.store().run(run)?.and_then(|row| row.summary.key);
        if let Some(parent) = &history.start()?.parent {
            return Err(RunError::Child { root: parent.root });
        }
        let mut driver = Self::take_up(engine, lock, history, work, Place::of_root(run, work.plan, key), observer)?;
        if let Some(status) = driver.machine.state().run().over() {
            return Err(RunError::Over { status });
        }
        driver.record_resumption()?;
        Ok(driver)
    }

    /// Begins a child, or takes it up where it stopped.
    pub(super) fn child(
        engine: &'a Engine,
        child: ChildBegin,
        work: Work<'a>,
        observer: &'a dyn Observer,
    ) -> Result<Self, RunError> {
        let ChildBegin {
            run,
            plan_digest,
            parent,
            limits,
            above,
            work_key,
            way,
            inputs,
            allowed,
            by,
            approved_by,
            folder,
            pin: _pin,
        } = child;
        let lock = engine.store().own(run)?;
        let subtree = above.below(run, work.plan, limits.clone());
        let place = Place { parent: Some(parent), subtree, limits, folder: Some(folder), key: None, work_key, way };
        // Its parent's journal speaks of it before its own begins.
        if engine.store().run(run)?.is_none() {
            engine.check_bytes(work.plan)?;
            let begin = Begin { run, started_ms: now_ms(), plan_digest, lock, place };
            let mut driver = Self::new(engine, begin, work, observer)?;
            (driver.by, driver.approved_by) = (by, approved_by);
            driver.record_child_start(inputs, allowed)?;
            return Ok(driver);
        }
        let history = History::read(engine.store(), run)?;
        let mut driver = Self::take_up(engine, lock, &history, work, place, observer)?;
        // What has ended is only told: the parent's process died before it wrote it down.
        if driver.machine.state().run().over().is_none() {
            driver.record_resumption()?;
        }
        Ok(driver)
    }

    fn take_up(
        engine: &'a Engine,
        lock: RunLock,
        history: &History,
        work: Work<'a>,
        place: Place,
        observer: &'a dyn Observer,
    ) -> Result<Self, RunError> {
        let started = history.start()?;
        let of = (started.run, work.plan, started.plan);
        let checked = engine.parts.approving.check(of, history.events());
        checked.map_err(|why| RunError::NotApproved { run: started.run, why })?;
        let begin = Begin { run: started.run, started_ms: started.at_ms, plan_digest: started.plan, lock, place };
        let mut driver = Self::new(engine, begin, work, observer)?;
        driver.inputs = digests(&started.inputs);
        driver.allowed.clone_from(&started.allowed);
        driver.by.clone_from(&started.by);
        driver.approved_by.clone_from(&started.approved_by);
        driver.worked_before = Duration::from_millis(worked_ms(history.events()));
        driver.machine.set_state(history.state_after(history.events().len()));
        driver.place.subtree.add_runs(driver.machine.state().component_runs());
        driver.place.subtree.settle(&Spent::default(), driver.machine.state().account().spent());
        driver.events = history.events().to_vec();
        driver.writing = Writing::after(driver.events.len());
        Ok(driver)
    }

    fn record_resumption(&mut self) -> Result<(), RunError> {
        let palisade_version = env!("CARGO_PKG_VERSION").to_owned();
        let resumed = self.machine.state().resumed().saturating_add(1);
        let mut events = self.left_in_doubt();
        events.push(Event::RunResumed { resumed, at_ms: now_ms(), palisade_version });
        self.append(events, Beside::default())
    }

    fn new(engine: &'a Engine, begin: Begin, work: Work<'a>, observer: &'a dyn Observer) -> Result<Self, RunError> {
        let Begin { run, started_ms, plan_digest, lock, place } = begin;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = place.folder.as_deref().unwrap_or(work.folder);
        let folder = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| RunError::Folder(error.into()))?;
        Ok(Self {
            engine,
            work,
            observer,
            run,
            plan_digest,
            steps: work.plan.all_steps().map(|step| (&step.id, step)).collect(),
            asks_people: work.plan.all_steps().any(|step| step.call().is_none() || step.submits().is_some()),
            machine: Machine::new(graph(work.plan)?),
            inputs: BTreeMap::new(),
            begun: BTreeMap::new(),
            feeds: BTreeMap::new(),
            answered_calls: Answered::default(),
            events: Vec::new(),
            writing: Writing::default(),
            started: Instant::now(),
            worked_before: Duration::ZERO,
            held_before: work.gate.map_or(Duration::ZERO, Gate::held),
            started_ms,
            root: PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
            folder,
            place,
            allowed: Vec::new(),
            by: None,
            approved_by: None,
            letters: None,
            cancel_requested: false,
            answered: Vec::new(),
            room: None,
            waits_for_room: false,
            waiting: VecDeque::new(),
            running: 0,
            permit: None,
            _lock: lock,
        })
    }

    fn record_start(&mut self, request: &RunRequest<'a>, plan: &[u8], inputs: Vec<GivenInput>) -> Result<(), RunError> {
        let mut kept = Kept::new(self.engine.store())?;
        kept.bytes("plan", plan)?;
        kept.bytes("runbook", request.runbook)?;
        if let Some(estimate) = self.work.estimate {
            kept.bytes(ESTIMATE, &canonical::to_vec(estimate))?;
        }
        for (index, child) in request.child_runbooks.iter().enumerate() {
            kept.bytes(&format!("child runbook {}", index + 1), child)?;
        }
        self.keep_what_it_names(&mut kept, self.work.plan, self.work.schemas, request.rulesets)?;
        let mut inputs: Vec<_> = inputs.into_iter().map(|given| kept.input(given)).collect();
        if let Some(fork) = request.fork {
            kept.contents.extend(fork.inputs.iter().map(|input| (format!("{INPUT}{}", input.name), input.artifact)));
            inputs.extend(fork.inputs.iter().cloned());
            inputs = in_order(self.work.plan, inputs);
        }
        self.inputs = digests(&inputs);
        self.allowed.clone_from(&request.allowed);
        self.by.clone_from(&request.by);
        self.approved_by.clone_from(&request.approved_by);
        let of = |fork: &Forking<'_>| Fork { from: fork.point.from.clone(), edits: fork.edits.clone() };
        let contents = std::mem::take(&mut kept.contents);
        let started = self.started(Digest::of(request.runbook), contents, inputs, request.fork.map(of));
        let mut beside = Beside::default();
        beside.keep(kept);
        match request.fork {
            None => self.append(vec![started], beside),
            Some(fork) => self.record_fork(started, fork, beside),
        }
    }

    /// Puts the events that a run shares with another behind its start, as they were written there.
    fn record_fork(&mut self, started: Event, fork: &Forking<'_>, beside: Beside) -> Result<(), RunError> {
        let ForkPoint { from, past, shared, .. } = fork.point;
        let forked = Event::RunForked(Box::new(RunForked {
            at_ms: now_ms(),
            from: from.run_id,
            kept: fork.kept.clone(),
            plan: past.plan,
            contents: past.contents.clone(),
            palisade_version: past.palisade_version.clone(),
        }));
        let with_bytes = |event: Event| (event.to_bytes(), event);
        let shared = shared.iter().skip(1).map(|(event, bytes)| (bytes.clone(), event.clone()));
        let events: Vec<_> = std::iter::once(with_bytes(started)).chain(shared).chain([with_bytes(forked)]).collect();
        self.append_as_they_are(events, beside)
    }

    /// All that a plan and those of its children name, which they need later whatever becomes of it elsewhere.
    pub(super) fn keep_what_it_names(
        &self,
        kept: &mut Kept<'_>,
        plan: &Plan,
        schemas: &Registry,
        rulesets: &BTreeMap<String, std::sync::Arc<Ruleset>>,
    ) -> Result<(), RunError> {
        for planned in plan.calls() {
            let what = format!("component {}@{}", planned.component, planned.version);
            let entry = self.engine.catalogue().get(&planned.component_digest);
            let entry = entry.ok_or_else(|| RunError::Missing { what: what.clone() })?;
            kept.known_bytes(&what, planned.component_digest, || {
                entry.bytes().map_err(|error| RunError::Missing { what: format!("{what} ({error})") })
            })?;
        }
        for plan in std::iter::once(plan).chain(plan.children()) {
            for planned in &plan.schemas {
                let what = format!("schema {}", planned.schema);
                let schema = schemas.get(&planned.schema).ok_or_else(|| RunError::Missing { what: what.clone() })?;
                kept.bytes(&what, &canonical::to_vec(schema.json()))?;
            }
            for planned in &plan.rulesets {
                let what = format!("ruleset {}", planned.name);
                let ruleset = rulesets.get(&planned.name).ok_or_else(|| RunError::Missing { what: what.clone() })?;
                kept.ruleset(&what, ruleset)?;
            }
        }
        Ok(())
    }

    /// All that a child names is in the store, since the run that a person started.
    fn record_child_start(&mut self, inputs: Vec<RunInput>, allowed: Vec<String>) -> Result<(), RunError> {
        let plan = self.work.plan;
        self.inputs = digests(&inputs);
        self.allowed = allowed;
        let mut kept = Kept::new(self.engine.store())?;
        kept.bytes("plan", &plan.canonical())?;
        kept.contents.insert("runbook".to_owned(), plan.runbook_digest);
        let components = plan
            .calls()
            .into_iter()
            .map(|call| (format!("component {}@{}", call.component, call.version), call.component_digest));
        kept.contents.extend(components);
        for plan in std::iter::once(plan).chain(plan.children()) {
            let schemas = plan.schemas.iter().map(|planned| (format!("schema {}", planned.schema), planned.digest));
            let rulesets = plan.rulesets.iter().map(|planned| (format!("ruleset {}", planned.name), planned.digest));
            kept.contents.extend(schemas.chain(rulesets));
        }
        kept.contents.extend(inputs.iter().map(|input| (format!("{INPUT}{}", input.name), input.artifact)));
        let started = self.started(plan.runbook_digest, std::mem::take(&mut kept.contents), inputs, None);
        let mut beside = Beside::default();
        beside.keep(kept);
        self.append(vec![started], beside)
    }

    fn started(
        &self,
        runbook: Digest,
        contents: BTreeMap<String, Digest>,
        inputs: Vec<RunInput>,
        fork: Option<Fork>,
    ) -> Event {
        Event::RunStarted(Box::new(RunStarted {
            run: self.run,
            at_ms: self.started_ms,
            title: self.work.plan.name.clone(),
            palisade_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: self.plan_digest,
            runbook,
            contents,
            allowed: self.allowed.clone(),
            by: self.by.clone(),
            approved_by: self.approved_by.clone(),
            // Where no model is set up there is no mode to hold to.
            llm: self.engine.models().map(|_| self.work.llm),
            folder: Some(shown_folder(self.work.folder)),
            inputs,
            parent: self.place.parent.clone(),
            fork,
        }))
    }
}

/// The steps of a plan as the interpreter sees them.
///
/// # Errors
/// When they are none that can run, which the planner makes sure of.
pub(crate) fn graph(plan: &Plan) -> Result<Graph, GraphError> {
    let asks = |step: &&PlannedStep| matches!(step.work, PlannedWork::Approval { .. });
    let asking = plan.steps.iter().filter(asks).map(|step| &step.id).collect();
    let undo = |step: &PlannedStep| Some((step.id.clone(), node(&asking, step.compensate.as_deref()?)));
    let compensations: Vec<_> = plan.steps.iter().filter_map(undo).collect();
    Graph::new(plan.steps.iter().map(|step| node(&asking, step)).collect())?.with_compensations(compensations)
}

/// A step as the interpreter sees it. It runs after the end of those in `after`, however they ended, unless it also reads
/// from one, or one waits for a person: who says no does not want what comes after.
fn node(asking: &BTreeSet<&StepId>, step: &PlannedStep) -> Node {
    let needs: Vec<StepId> =
        step.waits_for().filter(|other| needs(step, other) || asking.contains(other)).cloned().collect();
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
        maps_child: match &step.work {
            PlannedWork::Map { max_concurrency, .. } if step.maps_child() => Some(*max_concurrency),
            _ => None,
        },
        runs_artifact: step.child().is_some_and(|child| matches!(child.runbook, PlannedChildRunbook::Artifact { .. })),
        retry: step.retry.as_ref().map(|retry| Retry {
            max_attempts: retry.max_attempts,
            backoff_ms: retry.backoff_ms,
            on: retry.on.clone(),
        }),
        approval: match &step.work {
            PlannedWork::Approval { expires_ms, .. } => Some(Approval { expires_ms: *expires_ms }),
            _ => None,
        },
        ..Node::new(step.id.clone(), needs)
    }
}

fn needs(step: &PlannedStep, other: &StepId) -> bool {
    step.needs().any(|source| matches!(source, BindingSource::Step { step, .. } if step == other))
}

/// Milliseconds in which processes worked on a run: from each start of one to the last that it wrote down. How long the
/// run waited for a person does not count, whoever wrote down the answer.
fn worked_ms(events: &[Event]) -> u64 {
    let (mut sum, mut begin, mut last) = (0_u64, 0_u64, 0_u64);
    for event in events {
        let Some(at_ms) = event.at_ms() else { continue };
        match event {
            // What stands before it took time in another run.
            Event::RunForked(_) => (sum, begin, last) = (0, at_ms, at_ms),
            Event::RunStarted(_) | Event::RunResumed { .. } => {
                sum = sum.saturating_add(last.saturating_sub(begin));
                (begin, last) = (at_ms, at_ms);
            }
            // It may be written down while nobody works on the run.
            Event::ApprovalDecided { .. } => {}
            _ => last = at_ms,
        }
    }
    sum.saturating_add(last.saturating_sub(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_interpreter::ApprovalOutcome;
    use palisade_model::record::Status;

    fn resumed(resumed: u32, at_ms: u64) -> Event {
        Event::RunResumed { resumed, at_ms, palisade_version: String::new() }
    }

    fn ended(status: Status, resumed: u32, at_ms: u64) -> Event {
        Event::RunEnded { status, at_ms, resumed }
    }

    #[test]
    fn only_the_time_counts_in_which_a_process_worked() {
        let step: StepId = "ask".parse().unwrap();
        let outcome = ApprovalOutcome::Approved;
        let yes = Event::ApprovalDecided {
            step: step.clone(),
            at_ms: 900_000,
            submitted_by: 0,
            by: None,
            note: None,
            signature: None,
            outcome,
        };
        let asked = Event::ApprovalRequested { step, at_ms: 140, submitted_by: 0, expires_at_ms: None };
        let waited = [resumed(0, 100), asked.clone(), ended(Status::Waiting, 0, 150), yes.clone(), resumed(1, 950_000)];
        assert_eq!(worked_ms(&waited), 50);
        // A process that died wrote nothing of its end.
        let died = [resumed(0, 100), asked, yes, resumed(1, 950_000), ended(Status::Failed, 1, 950_007)];
        assert_eq!(worked_ms(&died), 47);
        let interrupted =
            [resumed(0, 0), ended(Status::Interrupted, 0, 30), resumed(1, 500), ended(Status::Failed, 1, 501)];
        assert_eq!(worked_ms(&interrupted), 31);
        assert_eq!(worked_ms(&[]), 0);
    }
}

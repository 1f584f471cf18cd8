//! What is told of a run: a fold over its plan and its events.

use palisade_interpreter::{
    Account, ApprovalOutcome, Event, ExpansionOutcome, FilesOutcome, MapOutcome, Output, PlanningOutcome, Reuse,
    RunInput, SkipCause, WrittenFile,
};
use palisade_model::record::{
    CachedFrom, ComponentRecord, FileRecord, InputRecord, LogRecord, NamedOutput, OutputRecord, RunRecord,
    RunbookRecord, SkipRecord, Status, StepRecord,
};
use palisade_model::{ArtifactName, Digest, Failure, FailureKind, OutputName, RunId, SchemaRef, StepId, Usage};
use palisade_runbook::{BindingSource, Plan, PlannedAlias, PlannedStep};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

/// An artifact that the runbook wants to be written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: OutputName,
    /// Its digest.
    pub artifact: Digest,
    /// Its schema.
    pub schema: SchemaRef,
    /// When the attempt started that made it, in milliseconds since 1970: what its stamps are filled with.
    pub started_ms: u64,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// What is told of it.
    pub record: RunRecord,
    /// The artifacts that the runbook wants to be written out and that were made, in the order of the plan.
    pub exports: Vec<Export>,
}

/// Time in milliseconds since 1970 as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    // The last second that the form can hold: the end of the year 9999.
    const LAST: u64 = 253_402_300_799_999;
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST))).to_string()
}

/// What a step has come to.
#[derive(Default)]
struct Seen {
    status: Option<Status>,
    attempts: u32,
    child: Option<RunId>,
    cached_from: Option<CachedFrom>,
    iterations: Option<u32>,
    started_ms: u64,
    usage: Usage,
    /// What an attempt used that was suspended, until another one goes on, which tells it again; none of one that told what it used
    /// itself.
    suspended: Option<Usage>,
    /// What items used that an attempt has done which has not ended: if it never does, they have all the same.
    done: Usage,
    outputs: Vec<Output>,
    failure: Option<Failure>,
    skipped_because: Option<StepId>,
    unmet_condition: Option<StepId>,
    skipped_count: u64,
    skipped: Vec<SkipRecord>,
    log: Vec<LogRecord>,
    /// The files that its last attempt wrote, until it is known whether they are in their places.
    staged: Vec<FileRecord>,
    /// Those that are.
    files: Vec<FileRecord>,
    /// The bound that a loop came to before its condition held.
    at_bound: Option<u32>,
    /// The number of the event that told last what it made.
    made_at: u64,
}

impl Seen {
    fn used(&mut self, usage: &Usage) {
        let wall_ms = self.usage.wall_ms.saturating_add(usage.wall_ms);
        self.done = Usage::default();
        self.usage.join(usage);
        self.usage.wall_ms = wall_ms;
    }

    /// Adds up what attempts used; iterations follow each other, so their wall times add up too. What was left out and
    /// said is that of the last.
    fn left(&mut self, usage: &Usage, skipped_count: u64, skipped: &[SkipRecord], log: &[LogRecord]) {
        self.used(usage);
        self.skipped_count = skipped_count;
        self.skipped = skipped.to_vec();
        self.log = log.to_vec();
    }
}

/// Folds the events of a run.
pub(crate) fn fold(run: RunId, plan: &Plan, plan_digest: Digest, events: &[Event]) -> Ran {
    let mut steps: BTreeMap<&StepId, Seen> = BTreeMap::new();
    let mut record = empty(run, plan, plan_digest);
    let mut started_ms = 0;
    let mut inputs: &[RunInput] = &[];
    let mut compensating: &[StepId] = &[];
    let mut account = Account::default();
    let mut children = BTreeSet::new();
    for (event, number) in events.iter().zip(1_u64..) {
        account.apply(event);
        match event {
            Event::RunStarted(started) => {
                started_ms = started.at_ms;
                record.started_at = rfc3339(started.at_ms);
                record.allowed.clone_from(&started.allowed);
                record.palisade_version.clone_from(&started.palisade_version);
                inputs = &started.inputs;
                if let Some(fork) = &started.fork {
                    record.forked_from = Some(fork.from.clone());
                    record.edits.clone_from(&fork.edits);
                }
            }
            Event::RunForked(forked) => {
                record.children.clear();
                children.clear();
                compensating = &[];
                let kept: BTreeSet<&StepId> = forked.kept.iter().collect();
                steps.retain(|step, _| kept.contains(step));
                for seen in steps.values_mut() {
                    // Nothing of it ran here. What was known there was known from elsewhere.
                    seen.usage = Usage::default();
                    seen.cached_from.get_or_insert(CachedFrom { run_id: forked.from, event: seen.made_at });
                }
            }
            Event::RunEnded { status, at_ms, .. } => {
                record.status = *status;
                record.ended_at = rfc3339(*at_ms);
                record.usage.wall_ms = at_ms.saturating_sub(started_ms);
            }
            Event::CompensationStarted { steps, .. } => compensating = steps,
            Event::CancelRequested { .. }
            | Event::StepScheduled { .. }
            | Event::TimerFired { .. }
            | Event::SpendingReserved(_)
            | Event::RunResumed { .. } => {}
            Event::ApprovalRequested { step, .. } => {
                steps.entry(step).or_default().status = Some(Status::Waiting);
            }
            Event::ApprovalDecided { step, submitted_by, outcome, .. } => {
                let seen = steps.entry(step).or_default();
                seen.made_at = number;
                match outcome {
                    _ if *submitted_by > 0 => seen.status = None,
                    ApprovalOutcome::Approved => seen.status = Some(Status::Succeeded),
                    ApprovalOutcome::Rejected { failure } => {
                        seen.status = Some(Status::Failed);
                        seen.failure = Some((**failure).clone());
                    }
                }
            }
            Event::ChildPlanned(planned) if planned.submitted_by > 0 => {}
            Event::ChildPlanned(planned) => {
                if let PlanningOutcome::Refused { failure, .. } = &planned.outcome {
                    let seen = steps.entry(&planned.step).or_default();
                    seen.status = Some(Status::Failed);
                    seen.failure = Some(failure.clone());
                }
            }
            Event::ChildStarted(started) => {
                let is_new = children.insert(started.child);
                record.children.extend(is_new.then_some(started.child));
                if is_over_child(plan, &started.step) {
                    continue;
                }
                let seen = steps.entry(&started.step).or_default();
                seen.attempts += u32::from(is_new);
                seen.child = Some(started.child);
                seen.status = None;
                seen.iterations = (started.iteration > 0).then_some(started.iteration);
                seen.started_ms = started.at_ms;
            }
            // Of an item of a map; its end says what came of all.
            Event::ChildEnded(ended) if is_over_child(plan, &ended.step) => {
                if !ended.status.can_go_on() {
                    let seen = steps.entry(&ended.step).or_default();
                    let before = seen.skipped_count;
                    seen.left(&ended.usage, ended.skipped_count, &[], &[]);
                    seen.skipped_count = seen.skipped_count.saturating_add(before);
                }
            }
            Event::MapExpanded(expanded) => {
                let seen = steps.entry(&expanded.step).or_default();
                seen.started_ms = expanded.at_ms;
                match &expanded.outcome {
                    ExpansionOutcome::Expanded { .. } => (seen.attempts, seen.status) = (1, None),
                    ExpansionOutcome::Refused { failure } => {
                        seen.status = Some(Status::Failed);
                        seen.failure = Some(failure.clone());
                    }
                }
            }
            Event::MapEnded(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                seen.made_at = number;
                // Its children went on side by side.
                seen.usage.wall_ms = ended.at_ms.saturating_sub(seen.started_ms);
                match &ended.outcome {
                    MapOutcome::Joined { outputs } => {
                        seen.status = Some(Status::Succeeded);
                        seen.outputs.clone_from(outputs);
                    }
                    MapOutcome::Failed { failure } => {
                        seen.status = Some(Status::Failed);
                        seen.failure = Some(failure.clone());
                    }
                }
            }
            Event::ChildEnded(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                let over = match &ended.failure {
                    Some(failure) if failure.kind == FailureKind::Cancelled => Status::Cancelled,
                    Some(_) => Status::Failed,
                    None => ended.status,
                };
                // Of a loop it is not known yet: its end says so.
                let goes_on = ended.retry_at_ms.is_some() || (ended.iteration > 0 && over == Status::Succeeded);
                seen.status = (!goes_on).then_some(over);
                seen.failure.clone_from(&ended.failure);
                seen.outputs.clone_from(&ended.outputs);
                // Its agent is told, and goes on whatever it is.
                if !ended.status.can_go_on() && plan.step(&ended.step).is_some_and(|step| step.submits().is_some()) {
                    (seen.status, seen.failure, seen.outputs) = (None, None, Vec::new());
                }
                seen.made_at = number;
                // One that is to be resumed tells all that it used when it has ended.
                if !ended.status.can_go_on() {
                    seen.left(&ended.usage, ended.skipped_count, &[], &[]);
                }
            }
            Event::ConditionEvaluated { step, .. } | Event::ValueResolved { step, .. } => {
                if let Some((_, failure)) = event.failure() {
                    let seen = steps.entry(step).or_default();
                    seen.status = Some(Status::Failed);
                    seen.failure = Some(failure.clone());
                }
            }
            Event::LoopEnded { step, iteration, held } => {
                let seen = steps.entry(step).or_default();
                seen.status = Some(Status::Succeeded);
                seen.at_bound = (!held).then_some(*iteration);
            }
            Event::ItemsDone(done) => steps.entry(&done.step).or_default().done.join(&done.usage),
            // Once, however many attempts are given its answer; those tell only what they used themselves.
            Event::HostCallRecorded(call) => {
                let own = call.own.unwrap_or_default();
                steps.entry(&call.step).or_default().usage.join(&own);
            }
            Event::AttemptSuspended(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                match &ended.own {
                    Some(own) => seen.used(own),
                    None => seen.suspended = Some(ended.usage),
                }
            }
            Event::AttemptStarted(started) => {
                let seen = steps.entry(&started.step).or_default();
                seen.suspended = None;
                add_lost(seen);
                seen.attempts += 1;
                // One that was stopped before may go on.
                seen.status = None;
                seen.iterations = (started.iteration > 0).then_some(started.iteration);
                seen.started_ms = started.at_ms;
            }
            Event::AttemptSucceeded(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                // Of a loop it is not known yet: its end says so.
                // Nor of one that wrote files: that they are in their places says so.
                seen.status = (ended.iteration == 0 && ended.files.is_empty()).then_some(Status::Succeeded);
                seen.staged = ended.files.iter().map(file_record).collect();
                seen.failure = None;
                seen.outputs.clone_from(&ended.outputs);
                seen.made_at = number;
                seen.cached_from = match ended.reuse {
                    Some(Reuse::From { run, seq }) => Some(CachedFrom { run_id: run, event: seq }),
                    _ => None,
                };
                seen.left(ended.own.as_ref().unwrap_or(&ended.usage), ended.skipped_count, &ended.skipped, &ended.log);
            }
            Event::FilesPut(put) => {
                let seen = steps.entry(&put.step).or_default();
                match &put.outcome {
                    FilesOutcome::Put => {
                        // Of a loop it is not known yet: its end says so.
                        seen.status = (put.iteration == 0).then_some(Status::Succeeded);
                        seen.files.append(&mut seen.staged);
                    }
                    FilesOutcome::Refused { failure } => {
                        seen.status = Some(Status::Failed);
                        seen.failure = Some(failure.clone());
                    }
                }
            }
            Event::AttemptFailed(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                let cancelled = ended.failure.kind == FailureKind::Cancelled;
                let over = if cancelled { Status::Cancelled } else { Status::Failed };
                seen.status = ended.retry_at_ms.is_none().then_some(over);
                seen.failure = Some(ended.failure.clone());
                seen.left(ended.own.as_ref().unwrap_or(&ended.usage), ended.skipped_count, &ended.skipped, &ended.log);
            }
            Event::StepSkipped { step, because } => {
                let seen = steps.entry(step).or_default();
                // A loop that is cancelled between two iterations has run.
                seen.status = Some(if seen.attempts > 0 { Status::Cancelled } else { Status::Skipped });
                match because {
                    SkipCause::Failed { step } => seen.skipped_because = Some(step.clone()),
                    SkipCause::Condition { step } => seen.unmet_condition = Some(step.clone()),
                    SkipCause::Cancelled => {}
                }
            }
        }
    }
    for seen in steps.values_mut() {
        add_lost(seen);
        let Some(usage) = seen.suspended.take() else { continue };
        add(&mut seen.usage, &usage);
    }
    record.sent.clone_from(&account.spent().sent);
    record.inputs = inputs.iter().map(input_record).collect();
    let mut exports = Vec::new();
    let nothing = Seen::default();
    let seen = |id: &StepId| steps.get(id).unwrap_or(&nothing);
    for step in &plan.steps {
        let told = step_record(plan, step, seen(&step.id), record.status);
        exports.extend(exported(&told, seen(&step.id).started_ms));
        add(&mut record.usage, &told.usage);
        record.steps.push(told);
        if let Some(bound) = seen(&step.id).at_bound {
            let times = if bound == 1 { "iteration" } else { "iterations" };
            record.warnings.push(format!(
                "step `{}` came to its bound of {bound} {times} before its condition held; what it made last is its result",
                step.id
            ));
        }
    }
    for alias in &plan.aliases {
        let told = match &alias.source {
            BindingSource::Step { step, port } => plan
                .step(step)
                .map(|of| (step_alias(plan, alias, of, port, seen(step), record.status), seen(step).started_ms)),
            BindingSource::Input { name } => {
                let input = inputs.iter().find(|input| input.name == *name);
                Some((input_alias(alias, name, input), started_ms))
            }
            BindingSource::Ruleset { .. } => None,
        };
        if let Some((told, started_ms)) = told {
            exports.extend(exported(&told, started_ms));
            record.steps.push(told);
        }
    }
    for (undone, undo) in compensating.iter().filter_map(|id| plan.compensation(id)) {
        let told = step_record(plan, undo, seen(&undo.id), record.status);
        add(&mut record.usage, &told.usage);
        record.compensations.push(StepRecord { compensates: Some(undone.id.clone()), ..told });
    }
    record.cost_usd = usd(record.usage.llm_cost_micro_usd);
    Ran { record, exports }
}

#[expect(clippy::cast_precision_loss, reason = "it is for people; the exact amount stands in the usage")]
fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}

fn is_over_child(plan: &Plan, step: &StepId) -> bool {
    plan.step(step).is_some_and(PlannedStep::maps_child)
}

/// Adds what items used that were done by an attempt of which nothing else is known.
fn add_lost(seen: &mut Seen) {
    let done = std::mem::take(&mut seen.done);
    seen.usage.join(&done);
}

/// Adds what a step used; how long the run took is known already.
fn add(run: &mut Usage, step: &Usage) {
    let wall_ms = run.wall_ms;
    run.join(step);
    run.wall_ms = wall_ms;
}

fn empty(run: RunId, plan: &Plan, plan_digest: Digest) -> RunRecord {
    RunRecord {
        run_id: run,
        status: Status::Interrupted,
        palisade_version: env!("CARGO_PKG_VERSION").to_owned(),
        runbook: RunbookRecord {
            name: plan.name.clone(),
            description: plan.description.clone(),
            contact: plan.contact.clone(),
        },
        runbook_digest: plan.runbook_digest,
        plan_digest,
        started_at: String::new(),
        ended_at: String::new(),
        inputs: Vec::new(),
        steps: Vec::new(),
        compensations: Vec::new(),
        children: Vec::new(),
        usage: Usage::default(),
        sent: BTreeMap::new(),
        cost_usd: 0.0,
        warnings: Vec::new(),
        allowed: Vec::new(),
        forked_from: None,
        edits: Vec::new(),
    }
}

fn input_record(input: &RunInput) -> InputRecord {
    InputRecord { artifact: input_output(&input.name, input), is_default: input.is_default }
}

fn input_output(name: &ArtifactName, input: &RunInput) -> OutputRecord {
    let (digest, schema) = (input.artifact, input.schema.clone());
    OutputRecord { name: name.clone().into(), digest, schema, count: input.items, bytes: input.bytes }
}

/// `of_run` is how the run stands.
fn step_record(plan: &Plan, step: &PlannedStep, seen: &Seen, of_run: Status) -> StepRecord {
    // The first output is the step's artifact. What a loop made before it failed is not.
    let made = if seen.status == Some(Status::Succeeded) { step.outputs.as_slice() } else { &[] };
    let mut named = made.iter().filter_map(|output| {
        let record = output_record(step.output_name(output)?, &output.port, seen)?;
        Some(NamedOutput { output: record, exported: output.exported })
    });
    let first = named.next();
    StepRecord {
        id: step.id.clone(),
        name: step.title.clone(),
        description: step.description.clone(),
        contact: step.contact.clone(),
        component: step.call().map(|call| ComponentRecord {
            component: call.component.clone(),
            version: call.version.clone(),
            digest: call.component_digest,
        }),
        compensates: None,
        status: seen.status.unwrap_or(if of_run == Status::Waiting { Status::Waiting } else { Status::Interrupted }),
        attempts: seen.attempts,
        child: seen.child,
        cached_from: seen.cached_from.filter(|_| seen.status == Some(Status::Succeeded)),
        iterations: seen.iterations,
        started_at: (seen.attempts > 0).then(|| rfc3339(seen.started_ms)),
        usage: seen.usage,
        inputs: step.inputs.iter().map(|binding| plan.name_of(&binding.source)).collect(),
        exported: first
            .as_ref()
            .map_or_else(|| step.outputs.first().is_some_and(|output| output.exported), |first| first.exported),
        output: first.map(|first| first.output),
        more_outputs: named.collect(),
        failure: seen.failure.clone(),
        skipped_because: seen.skipped_because.clone(),
        unmet_condition: seen.unmet_condition.clone(),
        skipped_count: seen.skipped_count,
        skipped: seen.skipped.clone(),
        log: seen.log.clone(),
        files: seen.files.clone(),
    }
}

fn file_record(file: &WrittenFile) -> FileRecord {
    FileRecord { path: file.path.clone(), digest: file.digest, bytes: file.bytes }
}

/// An artifact that only hands on another step's output is told as a step that used nothing.
fn step_alias(
    plan: &Plan,
    alias: &PlannedAlias,
    of: &PlannedStep,
    port: &str,
    seen: &Seen,
    of_run: Status,
) -> StepRecord {
    let told = step_record(plan, of, seen, of_run);
    let there = told.status == Status::Succeeded;
    StepRecord {
        component: told.component,
        started_at: told.started_at,
        inputs: vec![plan.name_of(&alias.source)],
        output: output_record(alias.artifact.clone().into(), port, seen).filter(|_| there),
        skipped_because: (!there && told.unmet_condition.is_none()).then(|| of.id.clone()),
        unmet_condition: told.unmet_condition,
        status: if there { Status::Succeeded } else { Status::Skipped },
        ..passed_on(alias)
    }
}

/// An input of the run under a second name.
fn input_alias(alias: &PlannedAlias, name: &ArtifactName, input: Option<&RunInput>) -> StepRecord {
    StepRecord {
        status: if input.is_some() { Status::Succeeded } else { Status::Skipped },
        inputs: vec![name.to_string()],
        output: input.map(|input| input_output(&alias.artifact, input)),
        ..passed_on(alias)
    }
}

/// What is told of any artifact that is another one under a second name.
fn passed_on(alias: &PlannedAlias) -> StepRecord {
    StepRecord {
        id: StepId::from(alias.artifact.clone()),
        name: alias.title.clone(),
        description: alias.description.clone(),
        contact: alias.contact.clone(),
        component: None,
        compensates: None,
        status: Status::Skipped,
        attempts: 0,
        child: None,
        cached_from: None,
        iterations: None,
        started_at: None,
        usage: Usage::default(),
        inputs: Vec::new(),
        output: None,
        exported: alias.exported,
        more_outputs: Vec::new(),
        failure: None,
        skipped_because: None,
        unmet_condition: None,
        skipped_count: 0,
        skipped: Vec::new(),
        log: Vec::new(),
        files: Vec::new(),
    }
}

fn output_record(name: OutputName, port: &str, seen: &Seen) -> Option<OutputRecord> {
    let made = seen.outputs.iter().find(|made| made.port == port)?;
    let (digest, schema) = (made.artifact, made.schema.clone());
    Some(OutputRecord { name, digest, schema, count: made.items, bytes: made.bytes })
}

/// The artifacts of a step that are to be written out.
fn exported(told: &StepRecord, started_ms: u64) -> impl Iterator<Item = Export> {
    let outputs = told.outputs().filter(|(_, exported)| *exported);
    outputs.map(move |(output, _)| {
        let (name, schema) = (output.name.clone(), output.schema.clone());
        Export { name, artifact: output.digest, schema, started_ms }
    })
}

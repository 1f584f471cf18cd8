//! What is told of a run: a fold over its plan and its events.

use palisade_interpreter::{Event, Output, SkipCause};
use palisade_model::record::{LogRecord, OutputRecord, RunRecord, RunbookRecord, SkipRecord, Status, StepRecord};
use palisade_model::{ArtifactName, Digest, Failure, FailureKind, RunId, SchemaRef, StepId, Usage};
use palisade_runbook::{BindingSource, Plan, PlannedAlias, PlannedStep};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// An artifact that the runbook wants to be written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name in the runbook.
    pub name: ArtifactName,
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
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    // The last second that the form can hold: the end of the year 9999.
    const LAST: u64 = 253_402_300_799_999;
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST))).to_string()
}

/// What a step has come to.
#[derive(Default)]
struct Seen {
    status: Option<Status>,
    attempts: u32,
    started_ms: u64,
    usage: Usage,
    outputs: Vec<Output>,
    failure: Option<Failure>,
    skipped_because: Option<StepId>,
    skipped_count: u64,
    skipped: Vec<SkipRecord>,
    log: Vec<LogRecord>,
}

impl Seen {
    fn left(&mut self, usage: &Usage, skipped_count: u64, skipped: &[SkipRecord], log: &[LogRecord]) {
        self.usage.join(usage);
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
    for event in events {
        match event {
            Event::RunStarted(started) => {
                started_ms = started.at_ms;
                record.started_at = rfc3339(started.at_ms);
                record.allowed.clone_from(&started.allowed);
            }
            Event::RunEnded { status, at_ms } => {
                record.status = *status;
                record.ended_at = rfc3339(*at_ms);
                record.usage.wall_ms = at_ms.saturating_sub(started_ms);
            }
            Event::CancelRequested { .. } | Event::StepScheduled { .. } => {}
            Event::AttemptStarted(started) => {
                let seen = steps.entry(&started.step).or_default();
                seen.attempts = started.attempt;
                seen.started_ms = started.at_ms;
            }
            Event::AttemptSucceeded(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                seen.status = Some(Status::Succeeded);
                seen.outputs.clone_from(&ended.outputs);
                seen.left(&ended.usage, ended.skipped_count, &ended.skipped, &ended.log);
            }
            Event::AttemptFailed(ended) => {
                let seen = steps.entry(&ended.step).or_default();
                let cancelled = ended.failure.kind == FailureKind::Cancelled;
                seen.status = Some(if cancelled { Status::Cancelled } else { Status::Failed });
                seen.failure = Some(ended.failure.clone());
                seen.left(&ended.usage, ended.skipped_count, &ended.skipped, &ended.log);
            }
            Event::StepSkipped { step, because } => {
                let seen = steps.entry(step).or_default();
                seen.status = Some(Status::Skipped);
                seen.skipped_because = match because {
                    SkipCause::Failed { step } => Some(step.clone()),
                    SkipCause::Cancelled => None,
                };
            }
        }
    }
    let mut exports = Vec::new();
    let nothing = Seen::default();
    let seen = |id: &StepId| steps.get(id).unwrap_or(&nothing);
    for step in &plan.steps {
        let Some(told) = step_record(plan, step, seen(&step.id)) else { continue };
        exports.extend(export(&told, seen(&step.id)));
        let wall_ms = record.usage.wall_ms;
        record.usage.join(&told.usage);
        record.usage.wall_ms = wall_ms;
        record.steps.push(told);
    }
    for alias in &plan.aliases {
        let BindingSource::Step { step, port } = &alias.source else { continue };
        if let Some(told) = alias_record(plan, alias, step, port, seen(step)) {
            exports.extend(export(&told, seen(step)));
            record.steps.push(told);
        }
    }
    Ran { record, exports }
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
        steps: Vec::new(),
        children: Vec::new(),
        usage: Usage::default(),
        cost_usd: 0.0,
        warnings: Vec::new(),
        allowed: Vec::new(),
    }
}

fn step_record(plan: &Plan, step: &PlannedStep, seen: &Seen) -> Option<StepRecord> {
    let call = step.call()?;
    // The first output is the step's artifact.
    let output = step.outputs.first().and_then(|output| output_record(output.artifact.as_ref()?, &output.port, seen));
    Some(StepRecord {
        id: step.id.clone(),
        name: step.title.clone(),
        description: step.description.clone(),
        contact: step.contact.clone(),
        component: call.component.clone(),
        version: call.version.clone(),
        digest: call.component_digest,
        status: seen.status.unwrap_or(Status::Interrupted),
        attempts: seen.attempts,
        started_at: (seen.attempts > 0).then(|| rfc3339(seen.started_ms)),
        usage: seen.usage,
        inputs: step.inputs.iter().map(|binding| source_name(plan, &binding.source)).collect(),
        output,
        exported: step.outputs.first().is_some_and(|output| output.exported),
        failure: seen.failure.clone(),
        skipped_because: seen.skipped_because.clone(),
        skipped_count: seen.skipped_count,
        skipped: seen.skipped.clone(),
        log: seen.log.clone(),
    })
}

/// An artifact that only hands on another step's output is told as a step that used nothing.
fn alias_record(plan: &Plan, alias: &PlannedAlias, step: &StepId, port: &str, seen: &Seen) -> Option<StepRecord> {
    let told = step_record(plan, plan.step(step)?, seen)?;
    Some(StepRecord {
        id: alias.artifact.as_str().parse().ok()?,
        name: alias.title.clone(),
        description: alias.description.clone(),
        contact: alias.contact.clone(),
        status: if told.status == Status::Succeeded { Status::Succeeded } else { Status::Skipped },
        attempts: 0,
        usage: Usage::default(),
        inputs: vec![step.to_string()],
        output: output_record(&alias.artifact, port, seen),
        exported: alias.exported,
        failure: None,
        skipped_because: (told.status != Status::Succeeded).then(|| step.clone()),
        skipped_count: 0,
        skipped: Vec::new(),
        log: Vec::new(),
        ..told
    })
}

fn output_record(name: &ArtifactName, port: &str, seen: &Seen) -> Option<OutputRecord> {
    let made = seen.outputs.iter().find(|made| made.port == port)?;
    let (digest, schema) = (made.artifact, made.schema.clone());
    Some(OutputRecord { name: name.clone(), digest, schema, count: made.items, bytes: made.bytes })
}

fn source_name(plan: &Plan, source: &BindingSource) -> String {
    match source {
        BindingSource::Step { step, port } => {
            let output = plan.step(step).and_then(|from| from.outputs.iter().find(|output| output.port == *port));
            output.and_then(|output| output.artifact.as_ref()).map_or_else(|| step.to_string(), ToString::to_string)
        }
        BindingSource::Input { name } => name.to_string(),
        BindingSource::Ruleset { name, .. } => name.clone(),
    }
}

fn export(told: &StepRecord, seen: &Seen) -> Option<Export> {
    let output = told.output.as_ref().filter(|_| told.exported)?;
    let (name, schema) = (output.name.clone(), output.schema.clone());
    Some(Export { name, artifact: output.digest, schema, started_ms: seen.started_ms })
}

//! Artifacts of earlier runs that a step takes as they are.

use super::{Beside, Driver, now_ms};
use crate::history::{History, HistoryError};
use crate::run::RunError;
use palisade_interpreter::{AttemptFailed, AttemptSucceeded, Event, Output, Reuse, Turn};
use palisade_model::{Failure, FailureKind, RunId, Spent, Usage, neutral};
use palisade_runbook::{BindingSource, Plan, PlannedStep};
use palisade_store::Store;

/// What a run calls an artifact, and which event tells of it.
struct Found {
    output: Output,
    run: RunId,
    seq: u64,
}

impl Driver<'_> {
    /// Takes an artifact of an earlier run in place of running anything.
    pub(super) fn take_reused(&mut self, turn: Turn, from_run: &str, artifact: &str) -> Result<Vec<Turn>, RunError> {
        let step = self.planned(&turn.step)?;
        // What is found stays in the store until this run names it.
        let pins = vec![self.engine.store().pin()?];
        let found = self.find_reused(step, from_run, artifact);
        let Turn { step, iteration, attempt } = turn;
        let (spent, usage) = (Spent::default(), Usage::default());
        let (at_ms, skipped_count, skipped, log) = (now_ms(), 0, Vec::new(), Vec::new());
        let event = match found {
            Ok(Found { output, run, seq }) => Event::AttemptSucceeded(Box::new(AttemptSucceeded {
                step,
                attempt,
                iteration,
                at_ms,
                outputs: vec![output],
                usage,
                own: None,
                spent,
                skipped_count,
                skipped,
                log,
                reuse: Some(Reuse::From { run, seq }),
                files: Vec::new(),
            })),
            Err(failure) => Event::AttemptFailed(Box::new(AttemptFailed {
                step,
                attempt,
                iteration,
                at_ms,
                failure,
                retryable: false,
                retry_at_ms: None,
                usage,
                own: None,
                spent,
                skipped_count,
                skipped,
                log,
            })),
        };
        self.advance(vec![event], Beside { pins, ..Beside::default() })
    }

    fn find_reused(&self, step: &PlannedStep, from_run: &str, artifact: &str) -> Result<Found, Failure> {
        let store = self.engine.store();
        let shown = neutral::line(artifact, 80);
        let missing = |what: String| Failure::new(FailureKind::BadInput, what);
        let run = run_of(store, from_run)?;
        let unreadable =
            |error: HistoryError| missing(format!("run {run} can't be read: {}", palisade_model::causes(&error)));
        let history = History::read(store, run).map_err(unreadable)?;
        let plan = history.plan(store).map_err(unreadable)?;
        let Some(found) = source(&plan, artifact).and_then(|source| told(&history, run, &source)) else {
            return Err(missing(format!("run {run} has no artifact `{shown}`"))
                .with_help(format!("`palisade runs show {run}` shows what it made")));
        };
        let wanted = step.outputs.first().map(|output| &output.schema);
        if wanted.is_none_or(|wanted| *wanted != found.output.schema) {
            let wanted = wanted.map_or_else(String::new, ToString::to_string);
            let made = &found.output.schema;
            return Err(missing(format!("`{shown}` of run {run} has the schema `{made}`, and `{wanted}` is wanted"))
                .with_help("`output_schema` says which schema is wanted"));
        }
        match store.artifact(found.output.artifact) {
            Ok(Some(_)) => Ok(found),
            Ok(None) => Err(missing(format!("`{shown}` of run {run} is not in the store any more"))),
            Err(fault) => Err(Failure::new(FailureKind::Host, format!("the store can't be read: {fault}"))),
        }
    }
}

/// The run of that id, or the only one whose id begins so.
fn run_of(store: &Store, text: &str) -> Result<RunId, Failure> {
    if let Ok(run) = text.parse() {
        return Ok(run);
    }
    let runs =
        store.runs().map_err(|fault| Failure::new(FailureKind::Host, format!("the runs can't be read: {fault}")))?;
    let mut alike = runs.iter().map(|row| row.run).filter(|run| !text.is_empty() && run.to_string().starts_with(text));
    let shown = neutral::line(text, 60);
    match (alike.next(), alike.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => Err(Failure::new(FailureKind::BadInput, format!("there is no run `{shown}`"))
            .with_help("`palisade runs list` shows the runs there are")),
        (Some(_), Some(_)) => {
            Err(Failure::new(FailureKind::BadInput, format!("several runs begin with `{shown}`: write more of the id")))
        }
    }
}

/// What a runbook calls so, whatever the case.
fn source(plan: &Plan, name: &str) -> Option<BindingSource> {
    let same = |known: &str| known.to_lowercase() == name.to_lowercase();
    let made = plan.steps.iter().find_map(|step| {
        let output =
            step.outputs.iter().find(|output| step.output_name(output).is_some_and(|known| same(known.as_str())))?;
        Some(BindingSource::Step { step: step.id.clone(), port: output.port.clone() })
    });
    let given = || plan.inputs.iter().find(|input| same(input.name.as_str()));
    let other = || plan.aliases.iter().find(|alias| same(alias.artifact.as_str()));
    made.or_else(|| given().map(|input| BindingSource::Input { name: input.name.clone() }))
        .or_else(|| other().map(|alias| alias.source.clone()))
}

/// The last event that tells of it.
fn told(history: &History, run: RunId, source: &BindingSource) -> Option<Found> {
    let reused = |output: &Output| Output { port: "reused".to_owned(), ..output.clone() };
    let output = |outputs: &[Output], port: &str| outputs.iter().find(|made| made.port == port).map(reused);
    let told = history.events().iter().zip(1_u64..).filter_map(|(event, seq)| {
        let output = match (event, source) {
            (Event::AttemptSucceeded(ended), BindingSource::Step { step, port }) if ended.step == *step => {
                output(&ended.outputs, port)
            }
            (Event::ChildEnded(ended), BindingSource::Step { step, port }) if ended.step == *step => {
                output(&ended.outputs, port)
            }
            (Event::RunStarted(started), BindingSource::Input { name }) => {
                started.inputs.iter().find(|input| input.name == *name).map(|input| Output {
                    port: "reused".to_owned(),
                    artifact: input.artifact,
                    schema: input.schema.clone(),
                    items: input.items,
                    bytes: input.bytes,
                })
            }
            _ => None,
        };
        output.map(|output| Found { output, run, seq })
    });
    told.last()
}

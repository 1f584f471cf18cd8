//! Run events of OpenLineage, version 2-0-2 of its specification: one for the start and one for the end of the run and of
//! each attempt. They go to other programs, so there is no data in them: of a failure its kind, not its message.

use palisade_engine::{Event, Lineage, LineageArtifact, Origin, Output, attempt_id, rfc3339};
use palisade_model::record::{RunRecord, Status};
use palisade_model::{Failure, FailureKind, RunId, StepId};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Who writes the events.
const PRODUCER: &str = concat!("pkg:generic/palisade@", env!("CARGO_PKG_VERSION"));
/// The form of an event, and that which every facet has that is Palisade's own.
const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const BASE_FACET: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/BaseFacet";
/// The forms of facets that OpenLineage defines.
const PARENT: &str = "https://openlineage.io/spec/facets/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet";
const ERROR: &str = "https://openlineage.io/spec/facets/1-0-0/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
const VERSION: &str =
    "https://openlineage.io/spec/facets/1-0-0/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet";
const STATISTICS: &str = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet";
/// The namespace of jobs and artifacts; that of files is OpenLineage's own name for them.
const NAMESPACE: &str = "palisade";
const FILES: &str = "file";

/// What is written.
pub(crate) struct Exported<'r> {
    pub(crate) record: &'r RunRecord,
    pub(crate) lineage: &'r Lineage,
    pub(crate) events: &'r [Event],
    /// The steps whose attempts are told.
    pub(crate) steps: BTreeSet<StepId>,
    /// What started it; none = a person did.
    pub(crate) parent: Option<ParentAttempt>,
    /// Runs that belong to it and can't be told, with the reason in one word.
    pub(crate) gaps: &'r BTreeMap<RunId, &'static str>,
}

/// The attempt that a child run is, in the run that started it.
#[derive(Debug)]
pub(crate) struct ParentAttempt {
    /// That run.
    pub(crate) run: RunId,
    /// The attempt's id, as that run's own events have it; none = that run can't be told.
    pub(crate) id: Option<String>,
    /// The name of that run's runbook, and the step.
    pub(crate) runbook: String,
    pub(crate) step: StepId,
    /// The run that a person started, and the name of its runbook.
    pub(crate) root: RunId,
    pub(crate) root_runbook: String,
}

/// An attempt: step, iteration, number.
type Attempt<'e> = (&'e StepId, u32, u32);

/// How something ended, as OpenLineage says it.
const COMPLETE: &str = "COMPLETE";
const FAIL: &str = "FAIL";
const ABORT: &str = "ABORT";

impl Exported<'_> {
    /// Hands out the events in the order of their times.
    pub(crate) fn events(&self, take: &mut dyn FnMut(Value)) {
        let mut folder = None;
        let mut running: BTreeSet<Attempt<'_>> = BTreeSet::new();
        // A run that was interrupted and resumed ends once: with its last end.
        let mut end = None;
        // What stands before a fork happened in the other run, of which it is told.
        let fork = self.events.iter().rposition(|event| matches!(event, Event::RunForked(_)));
        let own = self.events.iter().skip(fork.map_or(1, |fork| fork + 1));
        for event in self.events.first().into_iter().chain(own) {
            match event {
                Event::RunStarted(started) => {
                    folder = started.folder.as_deref();
                    take(self.of_run("START", started.at_ms, Vec::new(), Vec::new()));
                }
                Event::AttemptStarted(started) if self.steps.contains(&started.step) => {
                    let attempt = (&started.step, started.iteration, started.attempt);
                    running.insert(attempt);
                    take(self.of_attempt(
                        "START",
                        started.at_ms,
                        attempt,
                        self.inputs(&started.step, folder),
                        Vec::new(),
                    ));
                }
                Event::ChildStarted(started) if self.steps.contains(&started.step) => {
                    let attempt = (&started.step, started.iteration, started.attempt);
                    running.insert(attempt);
                    let inputs = self.inputs(&started.step, folder);
                    let mut event = self.of_attempt("START", started.at_ms, attempt, inputs, Vec::new());
                    event["run"]["facets"]["palisade_attempt"]["child"] = json!(started.child);
                    self.note_gap(&mut event, started.child);
                    take(event);
                }
                Event::AttemptSucceeded(ended) if self.steps.contains(&ended.step) => {
                    let attempt = (&ended.step, ended.iteration, ended.attempt);
                    running.remove(&attempt);
                    take(self.well(ended.at_ms, attempt, &ended.outputs, folder));
                }
                Event::AttemptFailed(ended) if self.steps.contains(&ended.step) => {
                    let attempt = (&ended.step, ended.iteration, ended.attempt);
                    running.remove(&attempt);
                    take(self.badly(ended.at_ms, attempt, &ended.failure, folder));
                }
                // It goes on in another attempt.
                Event::AttemptSuspended(ended) if self.steps.contains(&ended.step) => {
                    let attempt = (&ended.step, 0, ended.attempt);
                    running.remove(&attempt);
                    take(self.of_attempt(ABORT, ended.at_ms, attempt, self.inputs(&ended.step, folder), Vec::new()));
                }
                Event::ChildEnded(ended) if self.steps.contains(&ended.step) => {
                    let attempt = (&ended.step, ended.iteration, ended.attempt);
                    running.remove(&attempt);
                    take(match &ended.failure {
                        Some(failure) => self.badly(ended.at_ms, attempt, failure, folder),
                        None if ended.status == Status::Succeeded => {
                            self.well(ended.at_ms, attempt, &ended.outputs, folder)
                        }
                        // It goes on in another attempt.
                        None => {
                            let inputs = self.inputs(&ended.step, folder);
                            self.of_attempt(ABORT, ended.at_ms, attempt, inputs, Vec::new())
                        }
                    });
                }
                Event::RunResumed { at_ms, .. } => {
                    end = None;
                    // What ran when the process went away was lost.
                    for attempt in std::mem::take(&mut running) {
                        take(self.of_attempt(ABORT, *at_ms, attempt, self.inputs(attempt.0, folder), Vec::new()));
                    }
                }
                Event::RunEnded { status, at_ms, .. } => end = Some((*status, *at_ms)),
                // OpenLineage speaks of runs that start and end, and of nothing between.
                _ => {}
            }
        }
        if let Some((status, at_ms)) = end {
            let how = match status {
                Status::Succeeded => COMPLETE,
                Status::Failed | Status::Skipped => FAIL,
                Status::Cancelled | Status::Interrupted | Status::Waiting => ABORT,
            };
            let given = |artifact: &&LineageArtifact| matches!(artifact.from, Origin::Input { .. });
            let results = |artifact: &&LineageArtifact| artifact.exported;
            let there = || self.lineage.artifacts.iter().filter(|artifact| artifact.digest.is_some());
            let inputs = there().filter(given).map(|artifact| self.dataset(artifact)).collect();
            let outputs = there().filter(results).map(|artifact| self.written(artifact)).collect();
            take(self.of_run(how, at_ms, inputs, outputs));
        }
    }

    fn well(&self, at_ms: u64, attempt: Attempt<'_>, outputs: &[Output], folder: Option<&str>) -> Value {
        let outputs = outputs.iter().filter_map(|output| {
            let made = self.made(attempt.0, &output.port)?;
            let (digest, items, bytes) = (Some(output.artifact), Some(output.items), Some(output.bytes));
            Some(self.written(&LineageArtifact { digest, items, bytes, ..made.clone() }))
        });
        self.of_attempt(COMPLETE, at_ms, attempt, self.inputs(attempt.0, folder), outputs.collect())
    }

    fn badly(&self, at_ms: u64, attempt: Attempt<'_>, failure: &Failure, folder: Option<&str>) -> Value {
        let how = if failure.kind == FailureKind::Cancelled { ABORT } else { FAIL };
        let mut event = self.of_attempt(how, at_ms, attempt, self.inputs(attempt.0, folder), Vec::new());
        event["run"]["facets"]["errorMessage"] = error(failure);
        event
    }

    fn of_run(&self, how: &str, at_ms: u64, inputs: Vec<Value>, outputs: Vec<Value>) -> Value {
        let record = self.record;
        let mut facets = json!({"palisade_run": facet(BASE_FACET, json!({
            "runbookDigest": record.runbook_digest, "planDigest": record.plan_digest,
            "palisadeVersion": record.palisade_version,
        }))});
        if let Some(ParentAttempt { run, id, runbook, step, root, root_runbook }) = &self.parent {
            // Of what can't be told the run itself is named.
            let (id, job) = match id {
                Some(id) => (json!(id), format!("{runbook}.{step}")),
                None => (json!(run), runbook.clone()),
            };
            facets["parent"] = facet(
                PARENT,
                json!({
                    "run": {"runId": id}, "job": {"namespace": NAMESPACE, "name": job},
                    "root": {"run": {"runId": root}, "job": {"namespace": NAMESPACE, "name": root_runbook}},
                }),
            );
        }
        let run = json!({"runId": record.run_id, "facets": facets});
        let job = json!({"namespace": NAMESPACE, "name": record.runbook.name});
        let mut event = event(how, at_ms, run, job, inputs, outputs);
        if let Some(parent) = &self.parent {
            self.note_gap(&mut event, parent.run);
        }
        event
    }

    /// Says that a run which belongs here is not told of, where it is so, and why.
    fn note_gap(&self, event: &mut Value, run: RunId) {
        if let Some(reason) = self.gaps.get(&run) {
            event["run"]["facets"]["palisade_gap"] = facet(BASE_FACET, json!({"run": run, "reason": reason}));
        }
    }

    fn of_attempt(
        &self,
        how: &str,
        at_ms: u64,
        (step, iteration, attempt): Attempt<'_>,
        inputs: Vec<Value>,
        outputs: Vec<Value>,
    ) -> Value {
        let parent = json!({
            "run": {"runId": self.record.run_id},
            "job": {"namespace": NAMESPACE, "name": self.record.runbook.name},
        });
        let own = json!({"attempt": attempt, "iteration": iteration});
        let facets = json!({"parent": facet(PARENT, parent), "palisade_attempt": facet(BASE_FACET, own)});
        let run = json!({"runId": attempt_id(self.record.run_id, step, iteration, attempt), "facets": facets});
        let known = self.lineage.step(step);
        let component = known.and_then(|step| step.component.as_ref());
        let of_step = json!({"type": known.map(|step| step.kind), "component": component});
        let job = json!({
            "namespace": NAMESPACE, "name": format!("{}.{step}", self.record.runbook.name),
            "facets": {"palisade_step": facet(BASE_FACET, of_step)},
        });
        event(how, at_ms, run, job, inputs, outputs)
    }

    fn made(&self, step: &StepId, port: &str) -> Option<&LineageArtifact> {
        let is = |artifact: &&LineageArtifact| matches!(&artifact.from, Origin::Step { step: by, port: on } if by == step && on == port);
        self.lineage.artifacts.iter().find(is)
    }

    /// What a step needs, each once: artifacts, and the files and databases that its config names.
    fn inputs(&self, step: &StepId, folder: Option<&str>) -> Vec<Value> {
        let Some(step) = self.lineage.step(step) else { return Vec::new() };
        let names: BTreeSet<&str> = step.reads.iter().map(|read| read.artifact.as_str()).collect();
        let artifacts = names.into_iter().filter_map(|name| self.lineage.artifact(name));
        let artifacts = artifacts.filter(|artifact| artifact.digest.is_some()).map(|artifact| self.dataset(artifact));
        let file = |path: &String| {
            let absolute = folder.map_or_else(|| path.into(), |folder| Path::new(folder).join(path));
            json!({"namespace": FILES, "name": absolute.display().to_string(), "facets": {}})
        };
        artifacts.chain(step.data.iter().map(file)).collect()
    }

    /// An artifact: what it is called is the same in every run, its version is its digest.
    fn dataset(&self, artifact: &LineageArtifact) -> Value {
        let name = match artifact.from {
            Origin::Ruleset => artifact.name.clone(),
            Origin::Step { .. } | Origin::Input { .. } => format!("{}.{}", self.record.runbook.name, artifact.name),
        };
        let schema = facet(BASE_FACET, json!({"schema": artifact.schema}));
        let mut facets = BTreeMap::from([("palisade_artifact", schema)]);
        if let Some(digest) = artifact.digest {
            facets.insert("version", facet(VERSION, json!({"datasetVersion": digest})));
        }
        json!({"namespace": NAMESPACE, "name": name, "facets": facets})
    }

    fn written(&self, artifact: &LineageArtifact) -> Value {
        let mut dataset = self.dataset(artifact);
        if let Some(items) = artifact.items {
            let statistics = facet(STATISTICS, json!({"rowCount": items, "size": artifact.bytes}));
            dataset["outputFacets"] = json!({"outputStatistics": statistics});
        }
        dataset
    }
}

fn event(how: &str, at_ms: u64, run: Value, job: Value, inputs: Vec<Value>, outputs: Vec<Value>) -> Value {
    json!({
        "eventType": how, "eventTime": rfc3339(at_ms), "producer": PRODUCER, "schemaURL": RUN_EVENT,
        "run": run, "job": job, "inputs": inputs, "outputs": outputs,
    })
}

fn facet(form: &str, with: Value) -> Value {
    let mut facet = Map::from_iter([("_producer".to_owned(), json!(PRODUCER)), ("_schemaURL".to_owned(), json!(form))]);
    if let Value::Object(with) = with {
        facet.extend(with);
    }
    Value::Object(facet)
}

fn error(failure: &Failure) -> Value {
    let kind = serde_json::to_value(&failure.kind).unwrap_or_default();
    let kind = kind.get("kind").and_then(Value::as_str).unwrap_or("failed");
    facet(ERROR, json!({"message": format!("it failed: {kind}"), "programmingLanguage": "WebAssembly"}))
}

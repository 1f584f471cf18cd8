//! Performs one attempt of a planned step: from the plan to what the sandbox takes.

use crate::attempt::{Attempt, AttemptInput, Attended, Each, Ended, Progress};
use crate::calls::Calls;
use crate::cancel::Cancel;
use crate::done::Durable;
use crate::engine::Engine;
use crate::gate::ItemGate;
use crate::lookup::filled;
use crate::observe::{Observed, Observer};
use crate::run::Work;
use crate::uses::Uses;
use palisade_authority::Place;
use palisade_interpreter::{ResolvedValue, Turn};
use palisade_model::manifest::Power;
use palisade_model::{Digest, Failure, FailureKind, StepId};
use palisade_runbook::{PlannedCall, PlannedStep, PlannedWork};
use palisade_sandbox::ports::RunBounds;
use palisade_sandbox::{Granted, NamedPath};
use std::path::PathBuf;
use std::sync::Arc;

/// What makes an attempt of a planned step.
pub(crate) struct Performer<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) observer: &'a dyn Observer,
    /// Whether the thread of the attempt has something else to do, see `Surroundings`.
    pub(crate) attended: Option<Attended<'a>>,
    pub(crate) work: Work<'a>,
    pub(crate) root: PathBuf,
    /// Names the work of the run, see `Driver`.
    pub(crate) work_key: String,
    pub(crate) plan_digest: Digest,
}

/// What the attempt is to do.
pub(crate) struct Task<'a> {
    pub(crate) turn: Turn,
    pub(crate) step: &'a PlannedStep,
    pub(crate) call: &'a PlannedCall,
    pub(crate) inputs: Vec<AttemptInput>,
    /// The values that its config takes from documents.
    pub(crate) values: Vec<ResolvedValue>,
    /// Answers what it asks of the host; none = it has no tools.
    pub(crate) calls: Option<Calls<'a>>,
    /// How it is durable, where it is a map.
    pub(crate) durable: Option<Durable>,
    /// Holds it at each of its items, where it is a map that somebody holds.
    pub(crate) item_gate: Option<Arc<dyn ItemGate>>,
    /// What its run allows all its attempts together.
    pub(crate) run: Arc<dyn RunBounds>,
}

impl Performer<'_> {
    pub(crate) fn perform(&self, task: &Task<'_>, stop: &Cancel) -> Ended {
        match self.attempt(task) {
            Ok(attempt) => self.run(task, &attempt, stop),
            Err(failure) => Ended::before_start(failure),
        }
    }

    pub(crate) fn run(&self, task: &Task<'_>, attempt: &Attempt, stop: &Cancel) -> Ended {
        let id = &task.step.id;
        let input_bytes = task.inputs.iter().map(|input| input.items.length()).sum();
        let component = attempt.manifest.versioned_id();
        let progress = |progress| {
            self.observer.observe(&match progress {
                Progress::Started { parts } => {
                    Observed::StepStarted { step: id, component: &component, input_bytes, parts }
                }
                Progress::Going { usage, items, said } => Observed::StepProgress { step: id, usage, items, said },
            });
        };
        self.engine.attempt_with(attempt, stop, &progress, self.attended, task)
    }

    /// From the plan to what the sandbox takes.
    pub(crate) fn attempt(&self, task: &Task<'_>) -> Result<Attempt, Failure> {
        let Task { turn, step, call, inputs, values, .. } = task;
        let missing = |what: String| Failure::new(FailureKind::Host, format!("{what} is not there"));
        let entry = self.engine.catalogue().get(&call.component_digest);
        let entry = entry.ok_or_else(|| missing(format!("component {}@{}", call.component, call.version)))?;
        let prepared = self.engine.load(entry, self.observer)?;
        let schema = |port: &palisade_model::manifest::OutputPort| {
            self.work.schemas.get(&port.schema).cloned().ok_or_else(|| missing(format!("schema {}", port.schema)))
        };
        let named = |written: &str, path: &palisade_authority::ScopedPath| NamedPath {
            written: written.to_owned(),
            path: path.clone(),
        };
        // Who can't send one needs none: a replay has no secrets.
        let secrets = match prepared.imports().of_power(Power::Http) {
            Some(_) => self.engine.secrets(call.secrets())?,
            None => Vec::new(),
        };
        let granted = Granted {
            authority: call.authority.clone(),
            root: self.root.clone(),
            paths: call.paths.iter().map(|path| named(&path.written, &path.path)).collect(),
            writes: writes(call),
            connections: call.connections.iter().map(|known| named(&known.name, &known.path)).collect(),
            secrets,
            network: Arc::clone(&self.engine.parts.network) as _,
            run: Arc::clone(&task.run),
        };
        let config = if values.is_empty() {
            call.config.to_string()
        } else {
            filled(call, values, &entry.manifest.config_schema)?.to_string()
        };
        let each = match &step.work {
            PlannedWork::Map { max_items, max_concurrency, .. } => {
                Some(Each { max_items: *max_items, max_concurrency: *max_concurrency })
            }
            _ => None,
        };
        Ok(Attempt {
            outputs: entry.manifest.outputs.iter().map(schema).collect::<Result<_, _>>()?,
            manifest: Arc::clone(&entry.manifest),
            prepared,
            config: config.into(),
            limits: call.limits.clone(),
            granted: Arc::new(granted),
            connections: Arc::clone(&self.engine.parts.connections),
            uses: Uses::default(),
            seed: seed(&self.plan_digest, &step.id),
            idempotency_key: Digest::of(work_key(&self.work_key, turn).as_bytes()).to_string(),
            inputs: inputs.clone(),
            each,
        })
    }
}

/// The folders that the config names to be written to.
fn writes(call: &PlannedCall) -> Vec<NamedPath> {
    let named = call.places.iter().filter_map(|named| {
        let Place::FsWrite(path) = &named.place else { return None };
        let written = call.config.pointer(&named.pointer)?.as_str()?.to_owned();
        Some(NamedPath { written, path: path.clone() })
    });
    named.collect()
}

/// Names the work of a turn: the same for all its attempts; each iteration of a loop is work of its own.
pub(crate) fn work_key(of_run: &str, turn: &Turn) -> String {
    match turn.iteration {
        0 => format!("{of_run}/{}", turn.step),
        iteration => format!("{of_run}/{}/{iteration}", turn.step),
    }
}

/// What the clocks and randomness of a step are made from.
pub(crate) fn seed(plan: &Digest, step: &StepId) -> u64 {
    let digest = Digest::of(format!("{plan}/{step}").as_bytes());
    digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
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

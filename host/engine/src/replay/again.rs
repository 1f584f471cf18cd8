//! One recorded attempt, made again: a pure one runs, any other is taken from the record.

use super::ReplayError;
use super::difference::{Differs, first};
use super::stored;
use crate::attempt::{AttemptInput, Ended, Made};
use crate::calls::Calls;
use crate::cancel::Cancel;
use crate::catalogue::Entry;
use crate::engine::Engine;
use crate::observe::Observer;
use crate::perform::{Performer, Task};
use crate::run::Work;
use crate::spending::Unbounded;
use crate::tools::Toolbox;
use palisade_interpreter::{AttemptFailed, AttemptSucceeded, HostCallRecorded, Output, ResolvedValue, Reuse, Turn};
use palisade_model::limits::worthwhile_parts;
use palisade_model::record::{LogRecord, SkipRecord};
use palisade_model::{Digest, Failure, FailureKind, LimitKind, RunId};
use palisade_runbook::{PlannedCall, PlannedStep, PlannedWork};
use palisade_sandbox::Prepared;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Makes attempts again.
pub(crate) struct Again<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) cancel: &'a Cancel,
    pub(crate) work: Work<'a>,
    pub(crate) run: RunId,
    pub(crate) plan_digest: Digest,
    /// Artifacts whose bytes are known to be those that were recorded.
    pub(crate) sound: BTreeSet<Digest>,
}

/// A step in an attempt, with what it reads.
pub(crate) struct Redo<'a> {
    pub(crate) turn: Turn,
    pub(crate) step: &'a PlannedStep,
    pub(crate) call: &'a PlannedCall,
    pub(crate) inputs: Vec<AttemptInput>,
    pub(crate) values: Vec<ResolvedValue>,
    /// What it asked of the host and was answered, in order.
    pub(crate) calls: Vec<HostCallRecorded>,
    /// What it did not do itself, since an earlier attempt had: fuel.
    pub(crate) known_fuel: u64,
    /// The Palisade that recorded it counts work as this one does.
    pub(crate) same_version: bool,
}

impl Again<'_> {
    /// Whether what a component makes follows from what it is given alone, so that it can be made again.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub(crate) fn is_pure(&self, call: &PlannedCall) -> Result<bool, ReplayError> {
        Ok(self.load(call)?.imports().are_pure())
    }

    /// As [`Self::is_pure`], or from answers that were written down.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub(crate) fn is_repeatable(&self, call: &PlannedCall) -> Result<bool, ReplayError> {
        Ok(self.load(call)?.imports().are_repeatable())
    }

    fn load(&self, call: &PlannedCall) -> Result<Prepared, ReplayError> {
        let loaded = self.engine.load(self.entry(call)?, self.observer);
        loaded.map_err(|failure| ReplayError::Unable { step: None, failure: Box::new(failure) })
    }

    /// The component of a call.
    ///
    /// # Errors
    /// When the engine does not know it.
    pub(crate) fn entry(&self, call: &PlannedCall) -> Result<&Entry, ReplayError> {
        let entry = self.engine.catalogue().get(&call.component_digest);
        let component = || format!("component {}@{}", call.component, call.version);
        entry.ok_or_else(|| ReplayError::Missing { what: component(), digest: call.component_digest })
    }

    /// Checks the bytes of what an attempt made, as they are stored.
    ///
    /// # Errors
    /// When they are not those that were recorded, or not there.
    pub(crate) fn outputs(&mut self, recorded: &AttemptSucceeded) -> Result<Option<Differs>, ReplayError> {
        for output in &recorded.outputs {
            let what = || format!("output `{}` of step `{}`", output.port, recorded.step);
            let artifact = stored::artifact(self.engine.store(), output.artifact, &what)?;
            if self.sound.insert(output.artifact) {
                stored::verify(&artifact, &what)?;
            }
            let items = &artifact.items;
            let counted = (&artifact.schema, items.lines(), items.length());
            if counted != (&output.schema, output.items, output.bytes) {
                return Ok(Some(Differs::of_port(&output.port, "the event counts it otherwise than it is stored")));
            }
        }
        Ok(None)
    }

    /// Runs an attempt that did what was wanted.
    ///
    /// # Errors
    /// When this host can't do its part.
    pub(crate) fn succeeded(
        &self,
        redo: Redo<'_>,
        recorded: &AttemptSucceeded,
    ) -> Result<Option<Differs>, ReplayError> {
        let (counts, known_fuel) = (redo.counts(), redo.known_fuel);
        let ended = match self.run(redo)? {
            Redone::Ended(ended) => *ended,
            Redone::Departed(how) => return Ok(Some(Differs::new(how))),
        };
        let Ended { result, usage, skipped_count, skipped, log, own: _, uses: _, files: _ } = ended;
        let made = match result {
            Ok(made) => made,
            Err(failure) => {
                let kind = told(&failure.kind);
                return Ok(Some(Differs::new(format!("it succeeded when it was recorded, and fails: {kind}"))));
            }
        };
        if let Some(differs) = self.compare(&recorded.outputs, made)? {
            return Ok(Some(differs));
        }
        let said = Said { skipped_count, skipped: &skipped, log: &log };
        let recorded_said =
            Said { skipped_count: recorded.skipped_count, skipped: &recorded.skipped, log: &recorded.log };
        if counts.comparable && said != recorded_said {
            return Ok(Some(Differs::new("what it left out or logged is not what was recorded")));
        }
        let ran = !matches!(recorded.reuse, Some(Reuse::From { .. }));
        let (old, new) = (recorded.usage.fuel.saturating_add(known_fuel), usage.fuel);
        if ran && counts.comparable && counts.same_version && new != old {
            return Ok(Some(Differs::new(format!("it used {old} of fuel when it was recorded, and uses {new}"))));
        }
        Ok(None)
    }

    /// Runs an attempt that failed.
    ///
    /// # Errors
    /// When this host can't do its part.
    pub(crate) fn failed(&self, redo: Redo<'_>, recorded: &AttemptFailed) -> Result<Option<Differs>, ReplayError> {
        let counts = redo.counts();
        let ended = match self.run(redo)? {
            Redone::Ended(ended) => *ended,
            Redone::Departed(how) => return Ok(Some(Differs::new(how))),
        };
        let old = &recorded.failure.kind;
        Ok(match ended.result {
            Ok(_) => Some(Differs::new(format!("it failed when it was recorded ({}), and succeeds", told(old)))),
            Err(failure) if is_same(old, &failure.kind, counts.comparable) => None,
            Err(Failure { kind, .. }) => Some(Differs::new(format!(
                "it failed when it was recorded ({}), and fails otherwise: {}",
                told(old),
                told(&kind)
            ))),
        })
    }

    /// Runs an attempt, whatever comes of it.
    ///
    /// # Errors
    /// When this host can't do its part, or the time of the attempt is over.
    pub(crate) fn run(&self, redo: Redo<'_>) -> Result<Redone, ReplayError> {
        let Redo { turn, step, call, inputs, values, calls, .. } = redo;
        let performer = Performer {
            engine: self.engine,
            observer: self.observer,
            attended: None,
            work: self.work,
            // A pure component reaches no file, so no folder is its own.
            root: PathBuf::new(),
            work_key: self.run.to_string(),
            plan_digest: self.plan_digest,
        };
        let toolbox = Toolbox {
            engine: self.engine,
            observer: self.observer,
            work: self.work,
            plan_digest: self.plan_digest,
            step,
            stop: self.cancel,
            team: Vec::new(),
            run: Arc::new(Unbounded),
        };
        let calls = step.asks().then(|| Calls::new(toolbox, None, call.default_model.as_deref(), calls, None));
        let (durable, item_gate, run) = (None, None, Arc::new(Unbounded));
        let task = Task { turn, step, call, inputs, values, calls, durable, item_gate, run };
        let ended = performer.perform(&task, self.cancel);
        if let Some(how) = task.calls.as_ref().and_then(Calls::departed) {
            return Ok(Redone::Departed(how));
        }
        match &ended.result {
            Err(Failure { kind: FailureKind::Cancelled, .. }) => Err(ReplayError::Cancelled),
            Err(failure) if !is_repeatable(&failure.kind) => {
                Err(ReplayError::Unable { step: Some(step.id.clone()), failure: Box::new(failure.clone()) })
            }
            _ => Ok(Redone::Ended(Box::new(ended))),
        }
    }

    /// Compares what was made with what was recorded.
    fn compare(&self, recorded: &[Output], made: Vec<Made>) -> Result<Option<Differs>, ReplayError> {
        let mut made: Vec<_> = made.into_iter().map(Made::into_artifact).collect();
        for old in recorded {
            let Some(index) = made.iter().position(|(new, _)| new.port == old.port) else {
                return Ok(Some(Differs::of_port(&old.port, "it was recorded, and does not come out")));
            };
            let (new, artifact) = made.swap_remove(index);
            if new.artifact != old.artifact {
                let what = || format!("output `{}`", old.port);
                let recorded = stored::artifact(self.engine.store(), old.artifact, &what)?;
                return Ok(Some(first(&old.port, &recorded, &artifact.unstored())?));
            }
        }
        let more = made.first().map(|(new, _)| Differs::of_port(&new.port, "it was not recorded, and comes out"));
        Ok(more)
    }
}

/// What came of an attempt that was made again.
pub(crate) enum Redone {
    /// It came to its end.
    Ended(Box<Ended>),
    /// It asked for something else than it did.
    Departed(String),
}

/// What of an attempt can be compared beside its outputs.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// It runs in the same number of instances on every machine.
    comparable: bool,
    same_version: bool,
}

impl Redo<'_> {
    /// Whether the work takes as much fuel here as where it was recorded.
    pub(crate) fn counts_alike(&self) -> bool {
        let Counts { comparable, same_version } = self.counts();
        comparable && same_version
    }

    fn counts(&self) -> Counts {
        let is_map = matches!(self.step.work, PlannedWork::Map { .. });
        let per_item = |input: &&AttemptInput| self.call.per_item.contains(&input.port);
        let bytes = self.inputs.iter().filter(per_item).map(|input| input.items.length()).fold(0, u64::saturating_add);
        // How many instances share the work depends on the threads, and what they count, on how many they are.
        Counts { comparable: is_map || worthwhile_parts(bytes, u64::MAX) == 1, same_version: self.same_version }
    }
}

/// What an attempt said beside what it made.
#[derive(PartialEq)]
struct Said<'a> {
    skipped_count: u64,
    skipped: &'a [SkipRecord],
    log: &'a [LogRecord],
}

/// Whether a pure attempt that failed so fails again: it did not run out of time, and the host did its part.
pub(crate) const fn is_repeatable(kind: &FailureKind) -> bool {
    match kind {
        FailureKind::Limit { limit: LimitKind::Wall, .. }
        | FailureKind::Cancelled
        | FailureKind::Rejected
        | FailureKind::InDoubt
        | FailureKind::Unavailable
        | FailureKind::Host => false,
        FailureKind::Limit { .. }
        | FailureKind::Denied { .. }
        | FailureKind::Schema { .. }
        | FailureKind::Trap { .. }
        | FailureKind::Bound { .. }
        | FailureKind::BadRunbook
        | FailureKind::Condition
        | FailureKind::BadConfig
        | FailureKind::BadInput
        | FailureKind::Failed => true,
    }
}

/// Whether two failures are of one kind. Where the work is shared between instances, an item may have another number.
fn is_same(old: &FailureKind, new: &FailureKind, comparable: bool) -> bool {
    match (old, new) {
        (FailureKind::Limit { limit: old, .. }, FailureKind::Limit { limit: new, .. }) => old == new,
        (FailureKind::Schema { .. }, FailureKind::Schema { .. }) if comparable => old == new,
        (FailureKind::Bound { .. }, FailureKind::Bound { .. }) => old == new,
        _ => std::mem::discriminant(old) == std::mem::discriminant(new),
    }
}

/// A kind of failure in a few words, without what it may quote of the data.
fn told(kind: &FailureKind) -> String {
    match kind {
        FailureKind::Limit { limit, .. } => format!("limit `{}`", limit.key()),
        FailureKind::Denied { .. } => "denied".to_owned(),
        FailureKind::Schema { schema, port, item: Some(item), rule, .. } => {
            format!("item {item} on port `{port}` does not fit {schema}, rule `{rule}`")
        }
        FailureKind::Schema { schema, port, item: None, rule, .. } => {
            format!("the metadata on port `{port}` does not fit {schema}, rule `{rule}`")
        }
        FailureKind::Trap { .. } => "trap".to_owned(),
        FailureKind::Bound { key, .. } => format!("bound `{key}`"),
        FailureKind::BadRunbook => "bad runbook".to_owned(),
        FailureKind::Condition => "no answer to its condition".to_owned(),
        FailureKind::BadConfig => "bad config".to_owned(),
        FailureKind::BadInput => "bad input".to_owned(),
        FailureKind::Unavailable => "unavailable".to_owned(),
        FailureKind::Failed => "failed".to_owned(),
        FailureKind::Cancelled => "cancelled".to_owned(),
        FailureKind::Rejected => "rejected".to_owned(),
        FailureKind::InDoubt => "in doubt".to_owned(),
        FailureKind::Host => "the host".to_owned(),
    }
}

//! What is known already: a pure attempt whose result an earlier one made is not run again.
//!
//! A key names all that the result can depend on. Only attempts of components that import nothing through which anything
//! else could reach them are remembered, so that whatever is found under a key may be used.

use crate::attempt::Ended;
use crate::calls::Calls;
use crate::cancel::Cancel;
use crate::perform::{Performer, Task};
use crate::submitting::Suspension;
use palisade_interpreter::{AttemptSucceeded, Event, Reuse};
use palisade_model::{Digest, LimitKind, canonical};
use palisade_runbook::PlannedWork;
use palisade_store::{Pin, Store};
use serde_json::{Value, json};

/// Changes when the host does anything otherwise that a component could see.
const VERSION: u32 = 1;

/// What came of an attempt.
pub(crate) enum Done {
    /// It ran.
    Ran {
        ended: Box<Ended>,
        /// Whether its result may be remembered.
        reuse: Reuse,
    },
    /// It did not have to: this was made before.
    Known {
        /// Where.
        reuse: Reuse,
        /// What was written down there.
        recorded: Box<AttemptSucceeded>,
        /// What it names stays in the store until the run names it too.
        pin: Pin,
    },
    /// It ended with what it asked for, and another one goes on.
    Suspended {
        /// With what it used.
        ended: Box<Ended>,
        /// What it asked for.
        by: Suspension,
    },
}

impl Done {
    /// It was over before it began.
    pub(crate) fn before_start(failure: palisade_model::Failure) -> Self {
        Self::Ran { ended: Box::new(Ended::before_start(failure)), reuse: Reuse::Off }
    }

    /// As it is, unless what the attempt asked for ended it.
    pub(crate) fn or_suspended(self, task: &Task<'_>) -> Self {
        match (self, task.calls.as_ref().and_then(Calls::take_suspended)) {
            (Self::Ran { ended, .. }, Some(by)) => Self::Suspended { ended, by },
            (done, _) => done,
        }
    }
}

/// Performs an attempt, unless its result is known and `wanted`.
pub(crate) fn perform(performer: &Performer<'_>, task: &Task<'_>, stop: &Cancel, wanted: bool) -> Done {
    let run = |reuse| Done::Ran { ended: Box::new(performer.perform(task, stop)), reuse };
    if !wanted {
        return run(Reuse::Off);
    }
    let store = performer.engine.store();
    // Looked for before the component is loaded: only what is pure was ever remembered.
    let Some(key) = key(performer, task, None) else { return run(Reuse::Off) };
    if let Some(known) = find(store, key) {
        return known;
    }
    let attempt = match performer.attempt(task) {
        Ok(attempt) => attempt,
        Err(failure) => return Done::before_start(failure),
    };
    let imports = attempt.prepared.imports();
    let reuse = match (imports.are_pure(), imports.depend_on_seed()) {
        (false, _) => Reuse::Impure,
        (true, false) => Reuse::New { key },
        // Its clocks and randomness follow from the plan: it is known for plans in which they are the same.
        (true, true) => match self::key(performer, task, Some(attempt.seed)) {
            Some(key) => {
                if let Some(known) = find(store, key) {
                    return known;
                }
                Reuse::New { key }
            }
            None => Reuse::Off,
        },
    };
    Done::Ran { ended: Box::new(performer.run(task, &attempt, stop)), reuse }
}

/// Names all that the result of an attempt depends on; none where an input is no artifact of the store.
fn key(performer: &Performer<'_>, task: &Task<'_>, seed: Option<u64>) -> Option<Digest> {
    let call = task.call;
    let inputs: Option<Vec<Value>> =
        task.inputs.iter().map(|input| Some(json!([input.port, input.schema, input.artifact?]))).collect();
    let values: Vec<Value> = task.values.iter().map(|value| json!([value.pointer, value.value])).collect();
    let outputs = performer.engine.catalogue().get(&call.component_digest)?.manifest.outputs.iter().map(|port| {
        let schema = performer.work.schemas.get(&port.schema)?;
        Some(json!([port.name, schema.name(), schema.digest()]))
    });
    // With other limits it might have failed. Time is none of what a result follows from.
    let limits = call.limits.iter().filter(|(kind, _)| *kind != LimitKind::Wall);
    let limits: Vec<Value> = limits.map(|(kind, limit)| json!([kind.key(), limit.value])).collect();
    let each = match &task.step.work {
        PlannedWork::Map { max_items, .. } => Some(*max_items),
        _ => None,
    };
    let parts = json!({
        "v": VERSION,
        "palisade": env!("CARGO_PKG_VERSION"),
        "compiler": performer.engine.compiler(),
        "component": call.component_digest,
        "config": call.config,
        "values": values,
        "inputs": inputs?,
        "outputs": outputs.collect::<Option<Vec<Value>>>()?,
        "limits": limits,
        "each": each,
        "seed": seed.map(|seed| seed.to_string()),
    });
    Some(Digest::of(&canonical::to_vec(&parts)))
}

/// What was made under that key, if all of it is still there. A store that can't be read knows nothing: the attempt runs,
/// and whatever is wrong is told when it is written down.
fn find(store: &Store, key: Digest) -> Option<Done> {
    let (run, seq) = store.memo(key).ok()??;
    let pin = store.pin().ok()?;
    let stored = store.events(run, seq.checked_sub(1)?, 1).ok()?.pop()?;
    let Event::AttemptSucceeded(recorded) = Event::from_bytes(&stored.bytes).ok()? else { return None };
    let is_there = |artifact: Digest| store.artifact(artifact).is_ok_and(|artifact| artifact.is_some());
    let all_there = recorded.outputs.iter().all(|output| is_there(output.artifact));
    all_there.then(|| Done::Known { reuse: Reuse::From { run, seq }, recorded, pin })
}

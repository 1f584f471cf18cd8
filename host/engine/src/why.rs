//! Why a step was made anew, or was not: a comparison with the latest earlier run that has it.

use crate::history::{History, HistoryError};
use crate::lookup::{digest_of, digests};
use palisade_interpreter::{Event, Reuse, State};
use palisade_model::{Digest, LimitKind, RunId, StepId, neutral};
use palisade_runbook::{Plan, PlannedCall, PlannedStep};
use palisade_store::Store;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most earlier runs that are looked at.
const MAX_RUNS: usize = 20;

/// Why a step was made anew, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Which step.
    pub step: StepId,
    /// Its result was known, and nothing ran.
    pub reused: bool,
    /// Why, each reason by itself.
    pub because: Vec<String>,
    /// The run that it comes from, or that was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// An earlier run of the same runbook.
struct Earlier {
    run: RunId,
    plan: Plan,
    history: History,
    state: State,
}

/// Says it of each step of a run that ended well.
///
/// # Errors
/// When a run can't be told.
pub fn why(store: &Store, run: RunId, plan: &Plan, history: &History) -> Result<Vec<Why>, HistoryError> {
    let state = history.state_after(history.events().len());
    // Of a loop the last iteration counts.
    let mut ended: BTreeMap<&StepId, (Reuse, u64)> = BTreeMap::new();
    for (event, seq) in history.events().iter().zip(1..) {
        match event {
            Event::AttemptSucceeded(done) => ended.extend(done.reuse.map(|reuse| (&done.step, (reuse, seq)))),
            Event::RunForked(forked) => {
                ended.retain(|step, _| forked.kept.contains(step));
                ended.values_mut().for_each(|(reuse, seq)| match reuse {
                    Reuse::From { .. } => {}
                    made => *made = Reuse::From { run: forked.from, seq: *seq },
                });
            }
            _ => {}
        }
    }
    let mut earlier: Option<Vec<Earlier>> = None;
    let mut all = Vec::new();
    for step in &plan.steps {
        let Some((reuse, _)) = ended.get(&step.id) else { continue };
        let told = |reused, because: &str, run_id| Why {
            step: step.id.clone(),
            reused,
            because: vec![because.to_owned()],
            run_id,
        };
        all.push(match *reuse {
            Reuse::From { run, seq } => told(true, &format!("event {seq} of that run made it"), Some(run)),
            Reuse::Impure => told(false, "what it makes may depend on more than its inputs and config", None),
            Reuse::Off => told(false, "nobody wanted to reuse anything (`--no-cache`)", None),
            Reuse::New { .. } => {
                let earlier = match &mut earlier {
                    Some(known) => known,
                    none => none.insert(earlier_runs(store, run, plan)?),
                };
                match earlier.iter().find(|other| other.has(&step.id)) {
                    None => told(false, "no earlier run of this runbook has made it", None),
                    Some(other) => Why {
                        step: step.id.clone(),
                        reused: false,
                        because: other.differs(step, plan, history, &state),
                        run_id: Some(other.run),
                    },
                }
            }
        });
    }
    Ok(all)
}

/// The latest earlier runs of a runbook of that name; those of another version of Palisade can't be compared.
fn earlier_runs(store: &Store, run: RunId, plan: &Plan) -> Result<Vec<Earlier>, HistoryError> {
    let rows = store.runs()?;
    let of_it = rows.iter().filter(|row| row.run < run && row.summary.title == plan.name).take(MAX_RUNS);
    let mut earlier = Vec::new();
    for row in of_it {
        let read = History::read(store, row.run).and_then(|history| Ok((history.plan(store)?, history)));
        match read {
            Ok((plan, history)) => {
                let state = history.state_after(history.events().len());
                earlier.push(Earlier { run: row.run, plan, history, state });
            }
            Err(error) if error.is_of_another_version() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(earlier)
}

impl Earlier {
    fn has(&self, step: &StepId) -> bool {
        self.state.outputs(step).is_some() && self.plan.step(step).is_some()
    }

    fn differs(&self, step: &PlannedStep, plan: &Plan, history: &History, state: &State) -> Vec<String> {
        let mut because = Vec::new();
        let Some((old_step, old, new)) =
            self.plan.step(&step.id).and_then(|old| Some((old, old.call()?, step.call()?)))
        else {
            return vec!["it was another kind of step".to_owned()];
        };
        of_call(old, new, &mut because);
        if self.state.values(&step.id) != state.values(&step.id) {
            because.push("the values that its config takes from documents are others".to_owned());
        }
        let old_inputs = inputs(old_step, &self.plan, &self.history, &self.state);
        let new_inputs = inputs(step, plan, history, state);
        if old_inputs.len() != new_inputs.len() {
            because.push(format!("it reads {} artifacts, and read {}", new_inputs.len(), old_inputs.len()));
        }
        for ((name, new), (_, old)) in new_inputs.iter().zip(&old_inputs) {
            if new != old {
                let short = |digest: &Option<Digest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.short());
                because.push(format!("its input `{name}` is {}, and was {}", short(new), short(old)));
            }
        }
        let version = |history: &History| history.start().map(|started| started.palisade_version.clone()).ok();
        if version(&self.history) != version(history) {
            because.push("another version of Palisade made it".to_owned());
        }
        if because.is_empty() {
            because.push(
                "its inputs and config are the same, but what it made was not kept, or by `--no-cache`".to_owned(),
            );
        }
        because
    }
}

fn of_call(old: &PlannedCall, new: &PlannedCall, because: &mut Vec<String>) {
    if old.component_digest != new.component_digest {
        because.push(format!(
            "its component is {}@{} {}, and was {}@{} {}",
            new.component,
            new.version,
            new.component_digest.short(),
            old.component,
            old.version,
            old.component_digest.short()
        ));
    }
    if let Some(place) = first_difference(&old.config, &new.config, "") {
        let place = if place.is_empty() { "/" } else { &place };
        because.push(format!("its config differs at `{}`", neutral::line(place, 120)));
    }
    for (kind, limit) in new.limits.iter().filter(|(kind, _)| *kind != LimitKind::Wall) {
        let before = old.limits.value(kind);
        if before != limit.value {
            let (now, before) = (kind.show(limit.value), kind.show(before));
            because.push(format!("its limit `{}` is {now}, and was {before}", kind.key()));
        }
    }
}

/// JSON pointer of the first place where two values differ.
fn first_difference(old: &Value, new: &Value, at: &str) -> Option<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            keys.into_iter().find_map(|key| {
                let null = Value::Null;
                first_difference(old.get(key).unwrap_or(&null), new.get(key).unwrap_or(&null), &format!("{at}/{key}"))
            })
        }
        _ => (old != new).then(|| at.to_owned()),
    }
}

/// What a step read, by name.
fn inputs(step: &PlannedStep, plan: &Plan, history: &History, state: &State) -> Vec<(String, Option<Digest>)> {
    let given = history.start().map(|started| started.inputs.as_slice()).unwrap_or_default();
    let given = digests(given);
    let read = |source| (plan.name_of(source), digest_of(source, state, &given));
    step.inputs.iter().map(|binding| read(&binding.source)).collect()
}

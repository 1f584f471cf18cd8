//! How a run stood after an event.

use super::{foreign, painted, signed, skip_cause};
use crate::render::table;
use palisade_engine::{Event, RunState, State, StepState, rfc3339, state_name};
use palisade_model::StepId;
use palisade_model::unit::Count;
use palisade_runbook::Plan;
use serde_json::{Value, json};

fn run_name(state: &State) -> &'static str {
    match state.run() {
        RunState::New => "not started",
        RunState::Running => "running",
        RunState::Ended(status) => status.name(),
    }
}

/// The state as text. `last` is the event after which it is so, `of` its number and how many there are.
pub(crate) fn state(plan: &Plan, state: &State, last: Option<&Event>, of: (u64, usize), colour: bool) -> String {
    let kind = last.map_or_else(String::new, |event| format!(", {}", event.kind()));
    let mut out = format!(
        "{}  {}\n  after event {} of {}{kind}\n",
        painted(colour, "1", &foreign(&plan.name)),
        signed(colour, run_name(state)),
        of.0,
        of.1
    );
    let row = |id: &StepId| vec![id.to_string(), signed(colour, state_name(state.step(id))), about(state, id)];
    table(&mut out, &plan.steps.iter().map(|step| row(&step.id)).collect::<Vec<_>>());
    if let Some(undoing) = state.compensation() {
        out.push_str("  what was done is undone by\n");
        table(&mut out, &undoing.steps().iter().map(row).collect::<Vec<_>>());
    }
    out
}

fn about(state: &State, id: &StepId) -> String {
    let mut facts = Vec::new();
    match state.step(id) {
        None => {}
        Some(StepState::Scheduled { iteration, attempt } | StepState::Running { iteration, attempt }) => {
            facts.push(if *iteration == 0 {
                format!("attempt {attempt}")
            } else {
                format!("iteration {iteration}, attempt {attempt}")
            });
        }
        Some(StepState::Resting { attempt, .. }) => facts.push(format!("attempt {attempt} failed, another follows")),
        Some(StepState::Suspended { attempt }) => facts.push(format!("attempt {attempt} submitted a runbook")),
        Some(StepState::Settled { .. }) => facts.push("what it submitted is over, another attempt follows".to_owned()),
        Some(StepState::Awaiting { attempt: 0, until_ms, .. }) => facts.push(match until_ms {
            Some(at_ms) => format!("a person is to answer until {}", rfc3339(*at_ms)),
            None => "a person is to answer".to_owned(),
        }),
        Some(StepState::Awaiting { .. }) => facts.push("its child waits for a person".to_owned()),
        Some(StepState::Due { attempt, .. }) => facts.push(format!("attempt {attempt} is over, another follows")),
        Some(StepState::Iterated { iteration, .. }) => {
            facts.push(format!("iteration {iteration} is done and is judged next"));
        }
        Some(StepState::Writing { attempt, .. }) => {
            facts.push(format!("what attempt {attempt} wrote is to be put in its place"));
        }
        Some(StepState::Mapping(mapping)) => {
            facts.push(format!(
                "{} of {} done",
                Count(mapping.ended().into()),
                Count(mapping.items().into()).of("item")
            ));
        }
        Some(StepState::Succeeded { outputs, .. }) => facts.extend(outputs.iter().map(|output| {
            format!("{} {}, {}", foreign(&output.port), Count(output.items).of("item"), output.artifact.short())
        })),
        Some(StepState::Failed { attempt: 0 }) => facts.push("before its first attempt".to_owned()),
        Some(StepState::Failed { attempt } | StepState::Cancelled { attempt, .. }) => {
            facts.push(format!("in attempt {attempt}"));
        }
        Some(StepState::Skipped { because }) => facts.push(skip_cause(because)),
    }
    facts.extend(state.children_of(id).map(|(_, child)| format!("child run {child}")));
    if let Some(held) = state.held(id, 0) {
        facts.push(format!("its condition {}", if held { "holds" } else { "does not hold" }));
    }
    if let Some(values) = state.values(id).filter(|values| !values.is_empty()) {
        let pointers: Vec<_> = values.iter().map(|value| format!("`{}`", value.pointer)).collect();
        facts.push(format!("values found for {}", foreign(&pointers.join(", "))));
    }
    facts.join("; ")
}

/// The state as data.
pub(crate) fn state_json(plan: &Plan, state: &State) -> Value {
    let step = |id: &StepId| {
        let known = state.step(id);
        let (iteration, attempt) = match known {
            Some(
                StepState::Scheduled { iteration, attempt }
                | StepState::Running { iteration, attempt }
                | StepState::Resting { iteration, attempt, .. }
                | StepState::Due { iteration, attempt }
                | StepState::Iterated { iteration, attempt }
                | StepState::Writing { iteration, attempt, .. }
                | StepState::Awaiting { iteration, attempt, .. }
                | StepState::Cancelled { iteration, attempt },
            ) => (*iteration, *attempt),
            Some(
                StepState::Succeeded { attempt, .. }
                | StepState::Failed { attempt }
                | StepState::Suspended { attempt }
                | StepState::Settled { attempt },
            ) => (0, *attempt),
            None | Some(StepState::Skipped { .. } | StepState::Mapping(_)) => (0, 0),
        };
        let mut told = json!({"step": id, "state": state_name(known), "attempt": attempt, "iteration": iteration});
        if let Some(outputs) = state.outputs(id) {
            told["outputs"] = json!(outputs);
        }
        if let Some(StepState::Skipped { because }) = known {
            told["skipped"] = json!(because);
        }
        if let Some(StepState::Mapping(mapping)) = known {
            told["items"] = json!({"all": mapping.items(), "ended": mapping.ended()});
            told["children"] =
                state.children_of(id).map(|(item, child)| json!({"item": item, "run_id": child})).collect();
        } else if let Some((_, child)) = state.children_of(id).next() {
            told["child"] = json!(child);
        }
        if let Some(held) = state.held(id, 0) {
            told["condition"] = json!(held);
        }
        if let Some(values) = state.values(id) {
            told["values"] = json!(values);
        }
        told
    };
    let steps: Vec<Value> = plan.steps.iter().map(|planned| step(&planned.id)).collect();
    let mut told = json!({"run": run_name(state), "cancelled": state.cancelled(), "steps": steps});
    if let Some(undoing) = state.compensation() {
        let steps: Vec<Value> = undoing.steps().iter().map(step).collect();
        told["compensation"] = json!({"then": undoing.status(), "steps": steps});
    }
    told
}

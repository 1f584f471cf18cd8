//! What an event names in the store, and what of it is data: the one place that knows.

use palisade_interpreter::{Event, MapOutcome, PlanningOutcome, WrittenFile};
use palisade_model::Digest;
use palisade_store::{JournalEvent, Named};

/// Something that an event names.
pub(crate) struct NamedThing {
    /// What it is, for people.
    pub(crate) what: String,
    pub(crate) digest: Digest,
    /// The run read or made it; else it works by it.
    pub(crate) is_data: bool,
}

/// How inputs are named among what a run keeps.
pub(crate) const INPUT: &str = "input ";

/// What an event names. Everything that a run needs later is named by one of its events.
pub(crate) fn named(event: &Event) -> Vec<NamedThing> {
    let outputs = match event {
        Event::RunStarted(started) => {
            let mut contents = started.contents.clone();
            contents.entry("plan".to_owned()).or_insert(started.plan);
            contents.entry("runbook".to_owned()).or_insert(started.runbook);
            for input in &started.inputs {
                contents.entry(format!("{INPUT}{}", input.name)).or_insert(input.artifact);
            }
            return contents.into_iter().map(thing_of_run).collect();
        }
        // All that the past of a fork needs, to be replayed when the run that it is from is gone.
        Event::RunForked(forked) => {
            let mut contents = forked.contents.clone();
            contents.entry("plan".to_owned()).or_insert(forked.plan);
            return contents.into_iter().map(thing_of_run).collect();
        }
        Event::ChildPlanned(planned) => {
            let PlanningOutcome::Planned { plan, runbook, contents, .. } = &planned.outcome else { return Vec::new() };
            let of = |what: &str| format!("{what} of what step `{}` runs", planned.step);
            let own = [("plan", *plan), ("runbook", *runbook)];
            let own = own.map(|(what, digest)| NamedThing { what: of(what), digest, is_data: false });
            let more = contents.iter().map(|(what, &digest)| NamedThing { what: of(what), digest, is_data: false });
            return own.into_iter().chain(more).collect();
        }
        Event::HostCallRecorded(call) => {
            let of = |what: &str| format!("{what} of call {} of step `{}`", call.shown_place(), call.step);
            let own = [(of("the request"), call.request), (of("the answer"), call.answer)];
            let made = call.artifacts.iter().map(|&artifact| (of("an artifact"), artifact));
            let thing = |(what, digest)| NamedThing { what, digest, is_data: true };
            return own.into_iter().chain(made).map(thing).collect();
        }
        Event::AttemptSuspended(suspended) => {
            let what = format!("the request of call {} of step `{}`", suspended.call, suspended.step);
            return vec![NamedThing { what, digest: suspended.request, is_data: true }];
        }
        Event::ItemsDone(done) => {
            let what = format!("what {} items of step `{}` left", done.items, done.step);
            let thing = |&digest| NamedThing { what: what.clone(), digest, is_data: true };
            return done.outputs.iter().chain([&done.rest]).map(thing).collect();
        }
        Event::AttemptSucceeded(ended) => (&ended.step, &ended.outputs, ended.files.as_slice()),
        Event::ChildEnded(ended) => (&ended.step, &ended.outputs, [].as_slice()),
        Event::MapEnded(ended) => match &ended.outcome {
            MapOutcome::Joined { outputs } => (&ended.step, outputs, [].as_slice()),
            MapOutcome::Failed { .. } => return Vec::new(),
        },
        Event::StepScheduled { .. }
        | Event::ConditionEvaluated { .. }
        | Event::ValueResolved { .. }
        | Event::LoopEnded { .. }
        | Event::AttemptStarted(_)
        | Event::SpendingReserved(_)
        | Event::AttemptFailed(_)
        | Event::FilesPut(_)
        | Event::ChildStarted(_)
        | Event::MapExpanded(_)
        | Event::ApprovalRequested { .. }
        | Event::ApprovalDecided { .. }
        | Event::TimerFired { .. }
        | Event::StepSkipped { .. }
        | Event::CancelRequested { .. }
        | Event::RunResumed { .. }
        | Event::CompensationStarted { .. }
        | Event::RunEnded { .. } => return Vec::new(),
    };
    let (step, outputs, files) = outputs;
    let thing = |output: &palisade_interpreter::Output| NamedThing {
        what: format!("output `{}` of step `{step}`", output.port),
        digest: output.artifact,
        is_data: true,
    };
    let file = |file: &WrittenFile| NamedThing {
        what: format!("the file `{}` of step `{step}`", file.shown()),
        digest: file.digest,
        is_data: true,
    };
    outputs.iter().map(thing).chain(files.iter().map(file)).collect()
}

/// What a run as a whole names.
fn thing_of_run((what, digest): (String, Digest)) -> NamedThing {
    NamedThing { is_data: what.starts_with(INPUT), what, digest }
}

/// As [`named`], of an event as the store has it; none if it can't be read.
pub(crate) fn named_in(event: &JournalEvent) -> Option<Vec<Named>> {
    let event = Event::from_bytes(&event.bytes).ok()?;
    Some(named(&event).iter().map(|thing| Named { digest: thing.digest, is_data: thing.is_data }).collect())
}

//! What came of replays, for people and as data. Names and texts are foreign, and neutralised.

use super::runs::painted;
use crate::failure::CliError;
use palisade_engine::{Attempts, Difference, Replayed};
use palisade_model::unit::Count;
use palisade_model::{RunId, neutral};
use serde_json::{Value, json};

/// Most characters of a runbook's name, and of a text that comes from a record.
const MAX_NAME: usize = 40;
const MAX_TEXT: usize = 600;

/// What came of one run.
pub(crate) fn line(run: RunId, ended: &Result<Replayed, CliError>, colour: bool) -> String {
    let replayed = match ended {
        Ok(replayed) => replayed,
        Err(error) => {
            let sign = painted(colour, "33", "■ not replayed");
            return format!("{sign}  {run}\n  {}\n", neutral::line(&error.message, MAX_TEXT));
        }
    };
    let sign = match replayed.difference {
        None => painted(colour, "32", "✓ the same"),
        Some(_) => painted(colour, "1;31", "✗ it differs"),
    };
    let name = neutral::line(&replayed.name, MAX_NAME);
    let edited = if replayed.edited { painted(colour, "33", "  (edited)") } else { String::new() };
    let only = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!("  only {what}: {}\n", neutral::line(&names.join(", "), MAX_TEXT)),
    };
    let only = only("in this runbook", &replayed.new) + &only("in the record", &replayed.gone);
    let events = Count(replayed.events as u64).of("event");
    let differs = replayed.difference.as_ref().map_or_else(String::new, |differs| format!("  {}\n", told(differs)));
    format!("{sign}  {run}  {name}{edited}\n{differs}{only}  {events}, {}\n", attempts(&replayed.attempts))
}

fn attempts(attempts: &Attempts) -> String {
    let Attempts { replayed, fed, as_recorded } = *attempts;
    let told = [(replayed, "replayed"), (fed, "fed from the record"), (as_recorded, "that failed taken as recorded")];
    let told: Vec<_> =
        told.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{} {how}", Count(*count))).collect();
    if told.is_empty() { "no attempts".to_owned() } else { format!("attempts: {}", told.join(", ")) }
}

/// Where it differs, and how.
fn told(difference: &Difference) -> String {
    let mut at: Vec<String> = difference.event.iter().map(|event| format!("event {event}")).collect();
    at.extend(difference.within.iter().map(|within| match within.iteration {
        0 => format!("child of `{}`", within.step),
        iteration => format!("child {iteration} of `{}`", within.step),
    }));
    at.extend(difference.step.as_ref().map(|step| format!("step `{step}`")));
    at.extend((difference.iteration > 0).then(|| format!("iteration {}", difference.iteration)));
    at.extend((difference.attempt > 0).then(|| format!("attempt {}", difference.attempt)));
    let place = &difference.place;
    at.extend(place.port.as_ref().map(|port| format!("output `{port}`")));
    at.extend(place.item.map(|item| format!("item {item}")));
    at.extend(place.pointer.as_ref().map(|pointer| match (pointer.as_str(), &place.port, place.item) {
        ("", ..) => "at its root".to_owned(),
        (pointer, None, _) => format!("`{pointer}` of its config"),
        (pointer, _, None) => format!("`{pointer}` of its metadata"),
        (pointer, ..) => format!("`{pointer}`"),
    }));
    format!("{}: {}", at.join(", "), difference.message)
}

/// What came of one run as data.
pub(crate) fn json(run: RunId, ended: &Result<Replayed, CliError>) -> Value {
    match ended {
        Ok(replayed) => {
            let mut told = json!({
                "run_id": run, "name": neutral::line(&replayed.name, MAX_TEXT),
                "result": if replayed.difference.is_none() { "same" } else { "differs" },
                "events": replayed.events, "attempts": replayed.attempts, "difference": replayed.difference,
                "new": replayed.new, "gone": replayed.gone,
            });
            if replayed.edited {
                told["edited"] = json!(true);
            }
            told
        }
        Err(error) => json!({
            "run_id": run, "result": "not_replayed",
            "error": {"exit_code": error.code as u8, "message": neutral::block(&error.message, MAX_TEXT)},
        }),
    }
}

//! Where a replay and its record part. Never shows data: places, lengths and types alone.

use crate::feed::Feed;
use palisade_interpreter::Event;
use palisade_model::unit::Count;
use palisade_model::{StepId, neutral};
use palisade_schema::escape;
use palisade_store::{Artifact, Fault};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Most characters of a JSON pointer that are told: its keys may be of the data.
const MAX_POINTER_CHARS: usize = 200;
/// Most characters of a port's name, and of what is told in words: they come from the record.
const MAX_PORT_CHARS: usize = 64;
const MAX_MESSAGE_CHARS: usize = 600;

/// The first difference between a run's record and its replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The event at which it shows, from 1; none where another plan ran than the recorded one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// The steps, from that of the run that was replayed, in whose children it shows; none = in that run itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<Within>,
    /// The step where it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// The iteration of a loop, from 1; 0 = none.
    pub iteration: u32,
    /// The attempt, from 1; 0 = none.
    pub attempt: u32,
    /// Where in what the attempt made.
    #[serde(flatten)]
    pub place: Place,
    /// What was recorded and what comes out, in words.
    pub message: String,
}

/// A step of which the child run makes something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Within {
    /// The step.
    pub step: StepId,
    /// The iteration of a loop or the item of a map, from 1; 0 = the step is neither.
    pub iteration: u32,
}

/// A place in what an attempt made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// The output port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The item, from 0; none for the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<u64>,
    /// JSON pointer into it; without a port, into the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// What differs, before it is said at which event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differs {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// What an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'e> {
    pub(crate) step: Option<&'e StepId>,
    /// The iteration of a loop, from 1; 0 = none.
    pub(crate) iteration: u32,
    /// The attempt, from 1; 0 = none.
    pub(crate) attempt: u32,
}

impl<'e> Subject<'e> {
    pub(crate) fn of(event: &'e Event) -> Self {
        let (step, iteration, attempt) = match event {
            Event::StepScheduled { step, attempt, iteration } | Event::TimerFired { step, attempt, iteration, .. } => {
                (Some(step), *iteration, *attempt)
            }
            Event::AttemptStarted(started) => (Some(&started.step), started.iteration, started.attempt),
            Event::HostCallRecorded(call) => (Some(&call.step), call.iteration, call.attempt),
            Event::ItemsDone(done) => (Some(&done.step), done.iteration, done.attempt),
            Event::AttemptSucceeded(ended) => (Some(&ended.step), ended.iteration, ended.attempt),
            Event::AttemptFailed(ended) => (Some(&ended.step), ended.iteration, ended.attempt),
            Event::ConditionEvaluated { step, iteration, .. } | Event::LoopEnded { step, iteration, .. } => {
                (Some(step), *iteration, 0)
            }
            Event::ValueResolved { step, .. } | Event::StepSkipped { step, .. } => (Some(step), 0, 0),
            Event::MapExpanded(expanded) => (Some(&expanded.step), 0, 0),
            Event::MapEnded(ended) => (Some(&ended.step), 0, 0),
            _ => (None, 0, 0),
        };
        Self { step, iteration, attempt }
    }
}

impl Difference {
    pub(crate) fn of_step(step: &StepId, differs: Differs) -> Self {
        Self::new(None, Subject { step: Some(step), iteration: 0, attempt: 0 }, differs)
    }

    pub(crate) fn at(event: u64, of: &Event, differs: Differs) -> Self {
        Self::new(Some(event), Subject::of(of), differs)
    }

    /// The one place where what comes from a record is made fit to be shown.
    fn new(event: Option<u64>, subject: Subject<'_>, differs: Differs) -> Self {
        let Subject { step, iteration, attempt } = subject;
        let Differs { place: Place { port, item, pointer }, message } = differs;
        let place = Place {
            port: port.map(|port| neutral::line(&port, MAX_PORT_CHARS)),
            item,
            pointer: pointer.map(|pointer| neutral::line(&pointer, MAX_POINTER_CHARS)),
        };
        Self {
            event,
            within: Vec::new(),
            step: step.cloned(),
            iteration,
            attempt,
            place,
            message: neutral::line(&message, MAX_MESSAGE_CHARS),
        }
    }
}

impl Differs {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { place: Place::default(), message: message.into() }
    }

    pub(crate) fn of_config(pointer: &str, message: impl Into<String>) -> Self {
        Self { place: Place { pointer: Some(pointer.to_owned()), ..Place::default() }, message: message.into() }
    }

    pub(crate) fn of_port(port: &str, message: impl Into<String>) -> Self {
        Self { place: Place { port: Some(port.to_owned()), ..Place::default() }, message: message.into() }
    }
}

/// The first place at which two artifacts differ: an item, since metadata mostly tells of the items; else in the metadata.
/// Both are read as far as that.
///
/// # Errors
/// When one can't be read.
pub(crate) fn first(port: &str, recorded: &Artifact, made: &Artifact) -> Result<Differs, Fault> {
    let differs = |item: Option<u64>, pointer: Option<String>, message: String| Differs {
        place: Place { port: Some(port.to_owned()), item, pointer },
        message,
    };
    if recorded.schema != made.schema {
        let message = format!("it was recorded as {}, and comes out as {}", recorded.schema, made.schema);
        return Ok(differs(None, None, message));
    }
    if recorded.items.digest() == made.items.digest() {
        let parted = value(&recorded.metadata, &made.metadata);
        return Ok(match parted {
            Some((pointer, message)) => differs(None, Some(pointer), message),
            None => differs(None, None, "its digest is another one".to_owned()),
        });
    }
    let (mut old, mut new) = (Feed::new(recorded.items.items()), Feed::new(made.items.items()));
    loop {
        let number = old.number();
        return Ok(match (old.next()?, new.next()?) {
            (Some((_, old)), Some((_, new))) if old == new => continue,
            (Some((_, old)), Some((_, new))) => {
                let read = |line: &[u8]| serde_json::from_slice::<Value>(line).unwrap_or_default();
                let (pointer, message) = value(&read(&old), &read(&new))
                    .unwrap_or_else(|| (String::new(), "it holds the same, and is written in another way".to_owned()));
                differs(Some(number), Some(pointer), message)
            }
            _ => {
                let (recorded, made) = (recorded.items.lines(), made.items.lines());
                let message = format!("{} when it was recorded, {} now", items(recorded), items(made));
                differs(Some(number), None, message)
            }
        });
    }
}

/// The first place at which two values differ, objects in the order of their keys.
pub(crate) fn value(recorded: &Value, made: &Value) -> Option<(String, String)> {
    match (recorded, made) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            keys.into_iter().find_map(|key| inside(&escape(key), old.get(key), new.get(key)))
        }
        (Value::Array(old), Value::Array(new)) => {
            let most = old.len().max(new.len());
            (0..most).find_map(|index| inside(&index.to_string(), old.get(index), new.get(index)))
        }
        _ if recorded == made => None,
        _ => Some((String::new(), parted(Some(recorded), Some(made)))),
    }
}

fn inside(token: &str, old: Option<&Value>, new: Option<&Value>) -> Option<(String, String)> {
    match (old, new) {
        (Some(old), Some(new)) => value(old, new).map(|(below, message)| (format!("/{token}{below}"), message)),
        _ => Some((format!("/{token}"), parted(old, new))),
    }
}

fn parted(old: Option<&Value>, new: Option<&Value>) -> String {
    let (recorded, made) = (shape(old), shape(new));
    if recorded == made {
        return format!("{recorded} was recorded, and another one comes out");
    }
    format!("{recorded} was recorded, and {made} comes out")
}

/// What a value is, without what it says.
fn shape(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(_)) => "a truth value".to_owned(),
        Some(Value::Number(_)) => "a number".to_owned(),
        Some(Value::String(text)) => match text.chars().count() {
            1 => "a text of 1 character".to_owned(),
            count => format!("a text of {count} characters"),
        },
        Some(Value::Array(list)) => format!("a list of {}", items(list.len() as u64)),
        Some(Value::Object(map)) => match map.len() {
            1 => "an object of 1 value".to_owned(),
            count => format!("an object of {count} values"),
        },
    }
}

fn items(count: u64) -> String {
    Count(count).of("item")
}

#[cfg(test)]
mod tests;

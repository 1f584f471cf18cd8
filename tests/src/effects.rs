//! Whether each effect on a server was had once and for good, whatever became of the process that had it: by what the server
//! was told under each idempotency key, and by the journals.

use palisade_model::{Digest, RunId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The events of each run.
pub type Journals = BTreeMap<RunId, Vec<Value>>;
/// What a server was told under each idempotency key, each time that it was told.
pub type Told = BTreeMap<String, Vec<String>>;

/// What is left in the end of a run with all its children; the same as often as it runs.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    /// What each step made, by its digests, and how each run ended.
    pub made: Vec<String>,
    /// What the server was told, each under a key of its own.
    pub effects: Vec<String>,
}

impl End {
    /// Reads it from one run's journals and from what the server was told.
    ///
    /// # Panics
    /// When a step was done again, or something else was told under a key that was used.
    #[must_use]
    #[track_caller]
    pub fn of(journals: &Journals, told: &Told) -> Self {
        let mut made = Vec::new();
        for events in journals.values() {
            nothing_is_done_twice(events);
            made.extend(events.iter().filter_map(made_by));
        }
        for (key, each) in told {
            assert!(
                each.iter().all(|effect| effect == &each[0]),
                "the key {key} stands for several effects: {each:#?}"
            );
        }
        let mut effects: Vec<_> = told.values().map(|each| each[0].clone()).collect();
        made.sort();
        effects.sort();
        Self { made, effects }
    }
}

/// What an event says was made, or how a run ended, if it does.
fn made_by(event: &Value) -> Option<String> {
    if event["kind"] == "RunEnded" {
        return Some(format!("a run is {}", event["status"]));
    }
    let outputs = event["outputs"].as_array().filter(|outputs| !outputs.is_empty())?;
    let artifacts: Vec<_> = outputs.iter().map(|output| &output["artifact"]).collect();
    Some(format!("{} {} {artifacts:?}", event["step"], event["iteration"]))
}

/// Checks that no step begins again whose end is written down, and that none has a second child.
///
/// # Panics
/// When one does.
#[track_caller]
pub fn nothing_is_done_twice(events: &[Value]) {
    let (mut done, mut children) = (BTreeSet::new(), BTreeMap::new());
    for event in events {
        let turn = (event["step"].as_str().unwrap_or_default(), event["iteration"].as_u64());
        match event["kind"].as_str().unwrap_or_default() {
            "AttemptStarted" => assert!(!done.contains(&turn), "{turn:?} runs again: {events:#?}"),
            "AttemptSucceeded" => assert!(done.insert(turn), "{turn:?} ends again: {events:#?}"),
            "ChildStarted" => {
                let child = children.entry(turn).or_insert(&event["child"]);
                assert_eq!(*child, &event["child"], "{turn:?} has a second child: {events:#?}");
            }
            _ => {}
        }
    }
}

/// How often the server was told anew what was not written down as done, under each of its keys.
///
/// # Panics
/// When it was told again what was.
#[must_use]
#[track_caller]
pub fn told_anew(acknowledged: &Journals, before: &Told, after: &Told) -> Vec<usize> {
    let done = keys_of_done(acknowledged);
    let mut anew = Vec::new();
    for (key, each) in after {
        let times = each.len() - before.get(key).map_or(0, Vec::len);
        // Those of a map's items are that of the map, a slash and the number.
        if done.iter().any(|done| key.starts_with(done)) {
            assert_eq!(times, 0, "what was done is told again, {each:?}: {acknowledged:#?}");
        } else {
            anew.push(times);
        }
    }
    anew
}

/// The idempotency keys of all steps that are written down as done.
fn keys_of_done(journals: &Journals) -> Vec<String> {
    let mut parents = BTreeMap::new();
    for (run, events) in journals {
        for started in events.iter().filter(|event| event["kind"] == "ChildStarted") {
            parents.insert(started["child"].as_str().unwrap_or_default().to_owned(), (run, started));
        }
    }
    let mut keys = Vec::new();
    for (run, events) in journals {
        let mut above = Vec::new();
        let mut root = run.to_string();
        while let Some((parent, started)) = parents.get(&root) {
            above.push(turn(started));
            root = parent.to_string();
        }
        let way = above.iter().rev().fold(root, |way, turn| way + turn);
        let done = events.iter().filter(|event| event["kind"] == "AttemptSucceeded");
        keys.extend(done.map(|event| Digest::of(format!("{way}{}", turn(event)).as_bytes()).to_string()));
    }
    keys
}

/// What a turn of a step adds to the name of its work.
fn turn(event: &Value) -> String {
    let mut turn = format!("/{}", event["step"].as_str().unwrap_or_default());
    if let Some(iteration) = event["iteration"].as_u64() {
        let _ = write!(turn, "/{iteration}");
    }
    turn
}

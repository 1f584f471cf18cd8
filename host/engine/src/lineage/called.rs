//! What a step's component had others do: tools, agents of its team, and models.

use palisade_interpreter::{Event, HostCallRecorded};
use palisade_model::Digest;
use palisade_model::record::ComponentRecord;
use palisade_runbook::PlannedStep;
use serde::Serialize;
use std::collections::BTreeSet;

/// Somebody who was called, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Called {
    /// A tool, or an agent of the team.
    Component {
        /// Which.
        #[serde(flatten)]
        component: ComponentRecord,
        /// How often it was called.
        calls: u64,
    },
    /// A language model.
    Model {
        /// Its alias.
        model: String,
        /// How often it was asked.
        calls: u64,
        /// The digests of all that it was asked, each once, in the order in which it was.
        requests: Vec<Digest>,
    },
}

/// Whom a step called, in the order of the first calls; what it was given again when it was resumed counts once.
pub(super) fn called(events: &[Event], step: &PlannedStep) -> Vec<Called> {
    let mut all: Vec<Called> = Vec::new();
    // By the place of the model: a step may ask a hundred thousand times.
    let mut asked: BTreeSet<(usize, Digest)> = BTreeSet::new();
    for event in events {
        match event {
            Event::HostCallRecorded(call) if call.step == step.id => {
                let Some(one) = one_call(call, step) else { continue };
                let place = all.iter().position(|known| known.is_same(&one)).unwrap_or(all.len());
                if place == all.len() {
                    all.push(one);
                }
                match &mut all[place] {
                    Called::Component { calls, .. } => *calls += 1,
                    Called::Model { calls, requests, .. } => {
                        *calls += 1;
                        if asked.insert((place, call.request)) {
                            requests.push(call.request);
                        }
                    }
                }
            }
            // It began anew behind the fork.
            Event::RunForked(forked) if !forked.kept.contains(&step.id) => {
                all.clear();
                asked.clear();
            }
            _ => {}
        }
    }
    all
}

/// Who was called, not counted yet.
fn one_call(call: &HostCallRecorded, step: &PlannedStep) -> Option<Called> {
    let (function, name) = call.what.split_once(' ')?;
    if function == "llm.complete" {
        return Some(Called::Model { model: name.to_owned(), calls: 0, requests: Vec::new() });
    }
    let called = step.callable().map(|callable| &callable.call).find(|called| called.component.to_string() == name)?;
    let (component, version, digest) = (called.component.clone(), called.version.clone(), called.component_digest);
    Some(Called::Component { component: ComponentRecord { component, version, digest }, calls: 0 })
}

impl Called {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Component { component: one, .. }, Self::Component { component: other, .. }) => one == other,
            (Self::Model { model: one, .. }, Self::Model { model: other, .. }) => one == other,
            _ => false,
        }
    }
}

//! What was made from what in a run: a fold over its plan and its events, as far as they say it. What an item of an
//! artifact was made from is for the item to say, and never guessed here.

mod allowed;
mod called;
mod part;
mod walk;

pub use allowed::{Allowed, Answer};
pub use called::Called;
pub use part::Part;
pub use walk::{Followed, Gap, Reader, Relative, Start};

use crate::history::erased_at;
use crate::record::rfc3339;
use crate::tree::{AttemptNode, tree};
use palisade_interpreter::{Event, Output, Parent, Reuse, RunInput, State};
use palisade_model::record::ComponentRecord;
use palisade_model::{ArtifactName, Digest, RunId, SchemaRef, StepId};
use palisade_runbook::{BindingSource, Plan, PlannedStep, PlannedWork, Use};
use palisade_store::{Fault, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The artifacts and steps of a run and how they hang together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lineage {
    /// All artifacts: inputs of the run, rulesets, then those of steps in the order of the plan.
    pub artifacts: Vec<LineageArtifact>,
    /// The steps, in the order of the plan.
    pub steps: Vec<LineageStep>,
    /// What it hands to the run above: the artifacts by the names that they have there.
    #[serde(skip)]
    pub offers: BTreeMap<String, String>,
    /// What started it; none = a person did.
    #[serde(skip)]
    pub parent: Option<Parent>,
}

/// An artifact, made or only planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineageArtifact {
    /// What it is called within the run: its name in the runbook, the name of a ruleset, or `STEP/PORT` where the
    /// runbook has no name for it.
    pub name: String,
    /// Its further names in the runbook.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ArtifactName>,
    /// Where it comes from.
    pub from: Origin,
    /// Its schema.
    pub schema: SchemaRef,
    /// Its digest; none if it was not made or given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How many items it has, where the run noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// How many bytes its items have, where the run noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When its data were erased, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<String>,
    /// It is a result of the run, by any of its names.
    pub exported: bool,
}

/// Where an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A step makes it.
    Step {
        /// Which.
        step: StepId,
        /// On which output port.
        port: String,
    },
    /// It was given to the run.
    Input {
        /// Nobody gave it: it is the default that the runbook states.
        is_default: bool,
    },
    /// It is a ruleset that the plan fixes.
    Ruleset,
}

/// A step and what it reads and makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineageStep {
    /// Which.
    pub step: StepId,
    /// Its type as a runbook writes it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The component that it runs itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentRecord>,
    /// The child runs that it started, where their own lineages go on: of a loop the last of each iteration, of a map that of each item, of
    /// an agent each that it submitted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<StepChild>,
    /// The run from which it took an artifact as it is, where its lineage goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<RunId>,
    /// It has a child run for each item of what it reads first.
    #[serde(skip)]
    pub maps_child: bool,
    /// How it stands, in one word.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u64,
    /// Files, folders and databases that its config names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    /// Whom its component called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub called: Vec<Called>,
    /// What people, or the runbook, said beforehand or when they were asked, without which it would not have run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Allowed>,
    /// What it needs, each use by itself.
    pub reads: Vec<Read>,
    /// Names of the artifacts that it makes.
    pub makes: Vec<String>,
}

/// A child run that a step started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepChild {
    /// Which run.
    pub run_id: RunId,
    /// The iteration of a loop or the item of a map, from 1; 0 = the step is neither.
    #[serde(skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// How it stands, in one word.
    pub state: &'static str,
    /// How many items it handed over, by their names in the child.
    #[serde(skip)]
    pub made: Vec<(String, u64)>,
}

/// A use of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// The artifact's name.
    pub artifact: String,
    /// The port of the component, or the input of the child, that it is given to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// For what.
    #[serde(rename = "as")]
    pub used_as: Use,
}

impl Lineage {
    /// Folds the events. `goes_on` says whether somebody works on the run.
    #[must_use]
    pub fn of(plan: &Plan, events: &[Event], goes_on: bool) -> Self {
        let started = events.iter().find_map(|event| match event {
            Event::RunStarted(started) => Some(started),
            _ => None,
        });
        let inputs = started.map_or(&[][..], |started| &started.inputs);
        let state = State::after(events);
        let mut artifacts: Vec<LineageArtifact> = inputs.iter().map(given).collect();
        let not_given = plan.inputs.iter().filter(|planned| inputs.iter().all(|given| given.name != planned.name));
        artifacts.extend(not_given.map(|planned| LineageArtifact {
            exported: false,
            ..empty(planned.name.to_string(), Origin::Input { is_default: false }, &planned.schema)
        }));
        artifacts.extend(plan.rulesets.iter().map(|ruleset| LineageArtifact {
            digest: Some(ruleset.digest),
            bytes: Some(ruleset.bytes),
            ..empty(ruleset.name.clone(), Origin::Ruleset, &ruleset.schema)
        }));
        for step in &plan.steps {
            let made = state.outputs(&step.id).unwrap_or_default();
            artifacts.extend(step.outputs.iter().map(|planned| {
                let origin = Origin::Step { step: step.id.clone(), port: planned.port.clone() };
                let name = output_name(&step.id, &planned.port, planned.artifact.as_ref());
                let artifact = LineageArtifact { exported: planned.exported, ..empty(name, origin, &planned.schema) };
                match made.iter().find(|output| output.port == planned.port) {
                    Some(output) => filled(artifact, output),
                    None => artifact,
                }
            }));
        }
        for alias in &plan.aliases {
            let of = source_name(plan, &alias.source);
            if let Some(artifact) = artifacts.iter_mut().find(|artifact| artifact.name == of) {
                artifact.also.push(alias.artifact.clone());
                artifact.exported |= alias.exported;
            }
        }
        let nodes = tree(plan, events, goes_on);
        let steps = plan.steps.iter().zip(nodes).map(|(step, node)| LineageStep {
            step: step.id.clone(),
            kind: node.kind,
            component: step.call().map(|call| ComponentRecord {
                component: call.component.clone(),
                version: call.version.clone(),
                digest: call.component_digest,
            }),
            children: children(&node.attempts, step.call().is_some()),
            taken_from: taken_from(events, step),
            maps_child: step.maps_child(),
            called: called::called(events, step),
            state: node.state,
            attempts: node.attempts.len() as u64,
            data: data(step),
            allowed: allowed::allowed(plan, events, step),
            reads: reads(plan, step),
            makes: step
                .outputs
                .iter()
                .map(|output| output_name(&step.id, &output.port, output.artifact.as_ref()))
                .collect(),
        });
        let offered = plan.offers.iter().map(|(name, source)| (name.clone(), source_name(plan, source)));
        let results = plan.results().into_iter().map(|(name, source)| (name.to_string(), source_name(plan, &source)));
        Self {
            artifacts,
            steps: steps.collect(),
            // A result's name goes before what else is offered under it.
            offers: offered.chain(results).collect(),
            parent: started.and_then(|started| started.parent.clone()),
        }
    }

    /// Notes when data were erased.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn note_erased(&mut self, store: &Store) -> Result<(), Fault> {
        // A ruleset is nothing that a run read or made, and is never erased.
        for artifact in self.artifacts.iter_mut().filter(|artifact| artifact.from != Origin::Ruleset) {
            if let Some(digest) = artifact.digest {
                artifact.erased = erased_at(store, digest)?.map(rfc3339);
            }
        }
        Ok(())
    }

    /// The artifact of that name, by any of its names.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<&LineageArtifact> {
        let is = |artifact: &&LineageArtifact| {
            artifact.name == name || artifact.also.iter().any(|other| other.as_str() == name)
        };
        self.artifacts.iter().find(is)
    }

    /// The step of that id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&LineageStep> {
        self.steps.iter().find(|step| step.step == *id)
    }

    /// The artifacts whose digests begin so, in lower-case hex digits.
    pub fn with_digest<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a LineageArtifact> {
        let begins = move |digest: Digest| digest.to_string().starts_with(beginning);
        self.artifacts.iter().filter(move |artifact| artifact.digest.is_some_and(begins))
    }
}

impl LineageArtifact {
    /// A name that it has in the runbook, if it has any.
    #[must_use]
    pub fn runbook_name(&self) -> Option<ArtifactName> {
        self.name.parse().ok().or_else(|| self.also.first().cloned())
    }

    /// As [`LineageArtifact::runbook_name`], else the name of the step that makes it: for messages.
    #[must_use]
    pub fn artifact_name(&self) -> Option<ArtifactName> {
        self.runbook_name().or_else(|| match &self.from {
            Origin::Step { step, .. } => Some(ArtifactName::from(step.clone())),
            Origin::Input { .. } | Origin::Ruleset => None,
        })
    }
}

impl LineageStep {
    /// The place of the child that made an item of what the step made, and the item's number in what the child handed over.
    pub(crate) fn child_of_item(&self, port: &str, item: u64) -> Option<(usize, u64)> {
        if !self.maps_child {
            return Some((self.children.len().checked_sub(1)?, item));
        }
        let mut before = 0;
        for (place, child) in self.children.iter().enumerate() {
            let made = child.made.iter().find(|(name, _)| name == port).map_or(0, |(_, items)| *items);
            if item < before + made {
                return Some((place, item - before));
            }
            before += made;
        }
        None
    }

    /// The place of a child run among its own.
    pub(crate) fn place_of(&self, child: RunId) -> Option<usize> {
        self.children.iter().position(|one| one.run_id == child)
    }

    /// The child runs before that one that it may depend on. Those of a map have nothing to do with each other.
    #[must_use]
    pub fn before(&self, child: RunId) -> &[StepChild] {
        let place = self.place_of(child).filter(|_| !self.maps_child);
        place.and_then(|place| self.children.get(..place)).unwrap_or_default()
    }

    /// The child runs behind that one that may depend on it.
    pub(crate) fn after(&self, child: RunId) -> &[StepChild] {
        let place = self.place_of(child).filter(|_| !self.maps_child);
        place.and_then(|place| self.children.get(place + 1..)).unwrap_or_default()
    }

    /// Whether it goes over the items of what it reads so.
    fn is_mapped(&self, read: &Read) -> bool {
        self.maps_child && self.reads.first() == Some(read)
    }
}

/// The id of an attempt for other programs, a UUID: the same whenever it is asked for.
#[must_use]
pub fn attempt_id(run: RunId, step: &StepId, iteration: u32, attempt: u32) -> String {
    let run = Uuid::from_bytes(*run.as_bytes());
    Uuid::new_v5(&run, format!("{step}/{iteration}/{attempt}").as_bytes()).hyphenated().to_string()
}

fn empty(name: String, from: Origin, schema: &SchemaRef) -> LineageArtifact {
    let schema = schema.clone();
    LineageArtifact {
        name,
        also: Vec::new(),
        from,
        schema,
        digest: None,
        items: None,
        bytes: None,
        erased: None,
        exported: false,
    }
}

fn given(input: &RunInput) -> LineageArtifact {
    LineageArtifact {
        digest: Some(input.artifact),
        items: Some(input.items),
        bytes: Some(input.bytes),
        ..empty(input.name.to_string(), Origin::Input { is_default: input.is_default }, &input.schema)
    }
}

fn filled(artifact: LineageArtifact, output: &Output) -> LineageArtifact {
    let (digest, items, bytes) = (Some(output.artifact), Some(output.items), Some(output.bytes));
    LineageArtifact { digest, items, bytes, schema: output.schema.clone(), ..artifact }
}

fn output_name(step: &StepId, port: &str, artifact: Option<&ArtifactName>) -> String {
    artifact.map_or_else(|| format!("{step}/{port}"), ToString::to_string)
}

fn source_name(plan: &Plan, source: &BindingSource) -> String {
    match source {
        BindingSource::Step { step, port } => output_name(step, port, plan.artifact_name(step, port)),
        BindingSource::Input { name } => name.to_string(),
        BindingSource::Ruleset { name, .. } => name.clone(),
    }
}

fn reads(plan: &Plan, step: &PlannedStep) -> Vec<Read> {
    let ports = step.inputs.iter().map(|binding| Some(binding.port.clone())).chain(std::iter::repeat(None));
    let read = |((source, used_as), port)| Read { artifact: source_name(plan, source), port, used_as };
    // Its inputs stand before what else it uses.
    step.uses().zip(ports).map(read).collect()
}

/// The child runs of attempts. What was tried again is told where it was tried last; an agent reads what came of each.
fn children(attempts: &[AttemptNode], of_agent: bool) -> Vec<StepChild> {
    let mut children: Vec<StepChild> = Vec::new();
    let mut attempts: Vec<_> = attempts.iter().collect();
    // Those of a map that goes on stand as they began.
    attempts.sort_by_key(|attempt| attempt.iteration);
    for attempt in attempts {
        let Some(child) = &attempt.child else { continue };
        let (run_id, iteration, state) = (child.run_id, attempt.iteration, attempt.state);
        let made = attempt.outputs.iter().map(|output| (output.port.clone(), output.items)).collect();
        let child = StepChild { run_id, iteration, state, made };
        match children.last_mut().filter(|last| !of_agent && last.iteration == iteration) {
            Some(last) => *last = child,
            None => children.push(child),
        }
    }
    children
}

/// The run whose artifact a step took. What was known from before and is made so again is no such thing.
fn taken_from(events: &[Event], step: &PlannedStep) -> Option<RunId> {
    let PlannedWork::Reuse { .. } = step.work else { return None };
    events.iter().rev().find_map(|event| match event {
        Event::AttemptSucceeded(done) if done.step == step.id => match done.reuse {
            Some(Reuse::From { run, .. }) => Some(run),
            _ => None,
        },
        _ => None,
    })
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn data(step: &PlannedStep) -> Vec<String> {
    let Some(call) = step.call() else { return Vec::new() };
    let paths = call.paths.iter().map(|named| &named.path);
    let mut data: Vec<String> = Vec::new();
    for path in paths.chain(call.connections.iter().map(|named| &named.path)) {
        let path = path.to_string();
        if !data.contains(&path) {
            data.push(path);
        }
    }
    data.extend(call.databases().map(|connection| format!("database={connection}")));
    data
}

#[cfg(test)]
mod tests;

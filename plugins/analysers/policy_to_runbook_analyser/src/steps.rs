//! The steps of the runbook: every system is read, everything that fits is run over what comes of it, and each step says why.

use crate::categories;
use crate::facts::{Fact, Kind};
use palisade_planning::{Analysis, Component, Port, World, config, identifier, plain, source};
use palisade_sdk::serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How often what was made is looked at again for what fits it.
const ROUNDS: usize = 3;
/// Most steps that are made; the host takes few more.
const MAX_STEPS: usize = 150;
/// Most characters of a reason.
const MAX_REASON: usize = 400;

/// The steps, and what is not among them.
#[derive(Default)]
pub(crate) struct Steps {
    /// As the host reads them.
    pub(crate) steps: Vec<Value>,
    /// What could have been checked, and why it is not.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Something that is not checked.
pub(crate) struct LeftOut {
    /// What.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: String,
}

/// An artifact that a step makes.
struct Artifact {
    name: String,
    schema: String,
}

/// Makes the steps.
pub(crate) fn steps(world: &World, facts: &[Fact]) -> Steps {
    let mut made = Steps::default();
    let mut names = BTreeSet::new();
    let mut artifacts: Vec<Artifact> = Vec::new();
    for system in &world.systems {
        let name = free(&identifier(&system.name), &mut names);
        let says = facts.iter().find(|fact| fact.kind == Kind::System && fact.value == system.name);
        let why = match says {
            Some(fact) if fact.in_architecture => cites("The architecture names this system", fact),
            Some(fact) => cites("The policy names this system", fact),
            None if system.builtin => "No system is set up, so this folder is read.".to_owned(),
            None => {
                "The operator named this system; the policy does not, and its data are checked all the same.".to_owned()
            }
        };
        made.steps.push(source(&name, &system.name, &why));
        artifacts.push(Artifact { name, schema: system.schema.clone() });
    }
    // What was run over the data themselves is not run again over what others made of them.
    let mut done: BTreeSet<usize> = BTreeSet::new();
    // Analyses that would fit, and why there are none.
    let mut unable: BTreeMap<&str, String> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut new = Vec::new();
        for (index, component) in world.components.iter().enumerate() {
            let Some(port) = only_port(component).filter(|_| !done.contains(&index)) else { continue };
            for inputs in fitting(port, &artifacts) {
                done.insert(index);
                let config = match able(world, component) {
                    Ok(config) => config,
                    Err(why) => {
                        unable.insert(&component.name, why);
                        continue;
                    }
                };
                let groups =
                    if port.many { vec![inputs] } else { inputs.into_iter().map(|input| vec![input]).collect() };
                for inputs in groups {
                    if made.steps.len() >= MAX_STEPS {
                        made.left_out.push(LeftOut {
                            what: component.name.clone(),
                            why: "the runbook has enough steps".to_owned(),
                        });
                        continue;
                    }
                    let (step, artifact) = analysis(component, &inputs, &config, facts, &mut names);
                    made.steps.push(step);
                    new.extend(artifact);
                }
            }
        }
        if new.is_empty() {
            break;
        }
        artifacts.extend(new);
    }
    let missing = |(name, why): (&str, String)| LeftOut { what: format!("analysis `{name}`"), why };
    made.left_out.extend(unable.into_iter().map(missing));
    let used = |system: &str| made.steps.iter().any(|step| reads(step, system));
    let unread: Vec<String> =
        artifacts.iter().take(world.systems.len()).filter(|one| !used(&one.name)).map(|one| one.name.clone()).collect();
    for name in unread {
        made.left_out.push(LeftOut {
            what: format!("system `{name}`"),
            why: "no analysis fits what is read from it: not checked".to_owned(),
        });
        made.steps.retain(|step| step["id"] != name.as_str());
    }
    made
}

impl Steps {
    /// Tells of the components that somebody named and that neither are run nor are told already.
    pub(crate) fn tell_idle(&mut self, named: &[String], world: &World) {
        let is_run = |name: &str| self.steps.iter().any(|step| step["analyser"] == name);
        let is_told = |what: &str| self.left_out.iter().any(|left_out| left_out.what == what);
        let is_there = |name: &str| world.components.iter().any(|component| component.name == name);
        let idle = named.iter().filter(|name| is_there(name) && !is_run(name)).map(|name| format!("analysis `{name}`"));
        let idle: Vec<String> = idle.filter(|what| !is_told(what)).collect();
        let why = "nothing that is read or made is what it reads: not checked";
        self.left_out.extend(idle.into_iter().map(|what| LeftOut { what, why: why.to_owned() }));
    }
}

/// The config with which a component can run, or why it can't.
fn able(world: &World, component: &Component) -> Result<Value, String> {
    if let Some(why) = &component.lacks {
        return Err(format!("it {why}: not checked"));
    }
    config(world, component).map_err(|kind| format!("there is no ruleset of type `{kind}` for it: not checked"))
}

fn reads(step: &Value, artifact: &str) -> bool {
    step["inputs"].as_array().into_iter().flatten().any(|input| input == artifact)
}

/// The one port that has to be wired, if there is just one.
fn only_port(component: &Component) -> Option<&Port> {
    let mut wired = component.inputs.iter().filter(|port| !port.optional);
    wired.next().filter(|_| wired.next().is_none())
}

/// The artifacts that a port takes, those of one schema together: a port takes one schema at a time.
fn fitting<'a>(port: &Port, artifacts: &'a [Artifact]) -> Vec<Vec<&'a str>> {
    let mut by_schema: Vec<(&str, Vec<&str>)> = Vec::new();
    for artifact in artifacts.iter().filter(|artifact| port.schemas.contains(&artifact.schema)) {
        match by_schema.iter_mut().find(|(schema, _)| *schema == artifact.schema) {
            Some((_, names)) => names.push(&artifact.name),
            None => by_schema.push((&artifact.schema, vec![&artifact.name])),
        }
    }
    by_schema.into_iter().map(|(_, names)| names).collect()
}

fn analysis(
    component: &Component,
    inputs: &[&str],
    config: &Value,
    facts: &[Fact],
    names: &mut BTreeSet<String>,
) -> (Value, Option<Artifact>) {
    let short = component.name.rsplit(':').next().unwrap_or(&component.name);
    let name = free(&identifier(short), names);
    let step = palisade_planning::analysis(&Analysis {
        id: &name,
        title: &component.title,
        component: &component.name,
        inputs,
        config,
        why: &reason(component, facts),
    });
    let artifact = component.outputs.first().map(|output| Artifact { name, schema: output.schema.clone() });
    (step, artifact)
}

/// Why a component is run: the statement of the policy that speaks most nearly of what it says that it does, or else of what
/// it is run over.
fn reason(component: &Component, facts: &[Fact]) -> String {
    let about = format!("{} {}", component.title, component.description).to_lowercase();
    let looked_for: Vec<&str> = categories::named(&about).map(|category| category.name).collect();
    let is_data = |fact: &&Fact| matches!(fact.kind, Kind::DataCategory | Kind::DeniedCategory);
    let speaks = |fact: &&Fact| match fact.kind {
        Kind::DataCategory | Kind::DeniedCategory => about.contains("personal data") || about.contains("collect"),
        Kind::Purpose => about.contains("purpose"),
        Kind::DataSubject => about.contains("subject"),
        Kind::ThirdParty => about.contains("service") || about.contains("third part"),
        Kind::System | Kind::Retention | Kind::Transfer | Kind::LegalBasis => false,
    };
    let is_special = |fact: &&Fact| fact.special_category == Some(true);
    let first = facts
        .iter()
        .filter(is_special)
        .find(speaks)
        .or_else(|| facts.iter().find(speaks))
        .or_else(|| facts.iter().find(|fact| is_data(fact) && looked_for.contains(&fact.value.as_str())));
    if let Some(fact) = first {
        return match fact.kind {
            Kind::DeniedCategory => cites("The policy denies a data category", fact),
            _ => cites(&format!("The policy states {}", fact.kind.name().replace('_', " ")), fact),
        };
    }
    let is_kept = |fact: &&Fact| fact.kind == Kind::System && fact.checked == Some(true) && !fact.in_architecture;
    match facts.iter().find(is_kept).or_else(|| facts.iter().find(is_data)) {
        Some(fact) => cites("The policy says nothing of what it looks for, and this of what it is run over", fact),
        None => "The policy says nothing of it; what the data hold is looked at all the same.".to_owned(),
    }
}

fn cites(what: &str, fact: &Fact) -> String {
    plain(&format!("{what} ({}): “{}”", fact.value, fact.sentence), MAX_REASON)
}

/// A name that nothing else has.
fn free(wanted: &str, names: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let free = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !names.contains(name));
    let free = free.unwrap_or_else(|| wanted.to_owned());
    names.insert(free.clone());
    free
}

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
/// Most systems that are read: there has to be room for what is run over them.
pub(crate) const MAX_SYSTEMS: usize = 100;
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
    /// Of what systems it is made, by their numbers.
    systems: BTreeSet<usize>,
}

/// Makes the steps.
pub(crate) fn steps(world: &World, facts: &[Fact]) -> Steps {
    let mut made = Steps::default();
    let mut names = BTreeSet::new();
    let mut artifacts: Vec<Artifact> = Vec::new();
    for system in world.systems.iter().skip(MAX_SYSTEMS) {
        let why = format!("a runbook reads the first {MAX_SYSTEMS} systems at most: not checked");
        made.left_out.push(LeftOut { what: format!("system `{}`", system.name), why });
    }
    for (number, system) in world.systems.iter().take(MAX_SYSTEMS).enumerate() {
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
        artifacts.push(Artifact { name, schema: system.schema.clone(), systems: [number].into() });
    }
    // What was run over the data themselves is not run again over what others made of them.
    let mut done: BTreeSet<usize> = BTreeSet::new();
    // Analyses that would fit, and why there are none, or too few.
    let mut missing: BTreeMap<&str, String> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut new = Vec::new();
        for (index, component) in world.components.iter().enumerate() {
            let Some(port) = only_port(component).filter(|_| !done.contains(&index)) else { continue };
            for inputs in fitting(port, &artifacts) {
                done.insert(index);
                let config = match able(world, component) {
                    Ok(config) => config,
                    Err(why) => {
                        missing.insert(&component.name, why);
                        continue;
                    }
                };
                let groups =
                    if port.many { vec![inputs] } else { inputs.into_iter().map(|input| vec![input]).collect() };
                for inputs in groups {
                    if made.steps.len() >= MAX_STEPS {
                        let why = format!("the runbook has its {MAX_STEPS} steps: not checked, or not over everything");
                        missing.insert(&component.name, why);
                        continue;
                    }
                    let systems = inputs.iter().flat_map(|input| input.systems.iter().copied()).collect();
                    let inputs: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
                    let name = free(&identifier(component.name.rsplit(':').next().unwrap_or_default()), &mut names);
                    let step = palisade_planning::analysis(&Analysis {
                        id: &name,
                        title: &component.title,
                        component: &component.name,
                        inputs: &inputs,
                        config: &config,
                        why: &reason(component, facts, &called(world, &systems)),
                    });
                    let makes = component.outputs.first();
                    let artifact = makes.map(|output| Artifact { name, schema: output.schema.clone(), systems });
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
    let left_out = |(name, why): (&str, String)| LeftOut { what: format!("analysis `{name}`"), why };
    made.left_out.extend(missing.into_iter().map(left_out));
    let used = |system: &str| made.steps.iter().any(|step| reads(step, system));
    let unread: Vec<String> = artifacts
        .iter()
        .take(world.systems.len().min(MAX_SYSTEMS))
        .filter(|one| !used(&one.name))
        .map(|one| one.name.clone())
        .collect();
    let why = match made.steps.len() < MAX_STEPS {
        true => "no analysis fits what is read from it: not checked".to_owned(),
        false => format!("the runbook has its {MAX_STEPS} steps: not checked"),
    };
    for name in unread {
        made.left_out.push(LeftOut { what: format!("system `{name}`"), why: why.clone() });
        made.steps.retain(|step| step["id"] != name.as_str());
    }
    made
}

impl Steps {
    /// Tells of the components that somebody named and that neither are run nor are told already.
    pub(crate) fn tell_idle(&mut self, named: &[String], world: &World) {
        let is_run = |name: &str| self.steps.iter().any(|step| step["analyser"] == name);
        let is_told = |what: &str| self.left_out.iter().any(|left_out| left_out.what == what);
        let there = named.iter().filter_map(|name| world.components.iter().find(|there| there.name == *name));
        let idle = there.filter(|component| !is_run(&component.name)).map(|component| LeftOut {
            what: format!("analysis `{}`", component.name),
            why: match component.inputs.iter().filter(|port| !port.optional).count() {
                0 => "it needs nothing of what is read or made: not checked",
                1 => "nothing that is read or made is what it reads: not checked",
                _ => "it reads several things at once, which this planner does not put together: not checked",
            }
            .to_owned(),
        });
        let idle: Vec<LeftOut> = idle.filter(|idle| !is_told(&idle.what)).collect();
        self.left_out.extend(idle);
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
fn fitting<'a>(port: &Port, artifacts: &'a [Artifact]) -> Vec<Vec<&'a Artifact>> {
    let mut by_schema: Vec<(&str, Vec<&Artifact>)> = Vec::new();
    for artifact in artifacts.iter().filter(|artifact| port.schemas.contains(&artifact.schema)) {
        match by_schema.iter_mut().find(|(schema, _)| *schema == artifact.schema) {
            Some((_, fitting)) => fitting.push(artifact),
            None => by_schema.push((&artifact.schema, vec![artifact])),
        }
    }
    by_schema.into_iter().map(|(_, fitting)| fitting).collect()
}

/// How the operator calls systems.
fn called<'w>(world: &'w World, systems: &BTreeSet<usize>) -> Vec<&'w str> {
    systems.iter().filter_map(|number| world.systems.get(*number)).map(|system| system.name.as_str()).collect()
}

/// Why a component is run: the statement of the policy that speaks most nearly of what it says that it does, or else of what
/// it is run over, `systems`.
fn reason(component: &Component, facts: &[Fact], systems: &[&str]) -> String {
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
        return cites(&format!("The policy {}", says(fact)), fact);
    }
    let nothing = "The policy says nothing of what it looks for";
    let is_input =
        |fact: &&Fact| fact.kind == Kind::System && !fact.in_architecture && systems.contains(&fact.value.as_str());
    if let Some(fact) = facts.iter().find(is_input) {
        return cites(&format!("{nothing}, and this of what it is run over"), fact);
    }
    match facts.iter().find(is_data) {
        Some(fact) => cites(&format!("{nothing}; it {}", says(fact)), fact),
        None => "The policy says nothing of it; what the data hold is looked at all the same.".to_owned(),
    }
}

/// What a policy does that has a fact in it.
fn says(fact: &Fact) -> String {
    match fact.kind {
        Kind::DeniedCategory => "denies a data category".to_owned(),
        kind => format!("states {}", kind.name().replace('_', " ")),
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

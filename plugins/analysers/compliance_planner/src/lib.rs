//! An agent that writes a runbook towards a goal: it is shown what the host says there is, may look at samples with its
//! tools, and answers with steps. Where its step lets it, it has its runbook run itself, and mends it by what the host says.
//!
//! What it checks of its answer is for the model's sake, which is told what can't be. It guards nothing: the host plans the
//! runbook anew, within the bounds of who runs it, and shows it to who approves it.

use palisade_planning::{Analysis, Component, World, config, identifier, plain};
use palisade_sdk::{
    Analyser, ConfigSchema, Context, Description, Failure, Input, Metadata, Output, Property, Request, Result,
    agent::{self, Agent, Setup, Work},
    runbooks,
    serde_json::{Value, json},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most characters of a name.
const MAX_NAME: usize = 160;
/// Most characters of a reason that is kept.
const MAX_REASON: usize = 400;
/// Most characters of a policy that the model is shown.
const MAX_POLICY: usize = 40_000;

const POLICY: &str = "policy";
const SAMPLES: &str = "samples";
const WORLD: &str = "context";
const RUNBOOK: &str = "runbook";
const CONVERSATION: &str = "conversation";

/// The component.
pub struct CompliancePlanner;

/// What can be set.
#[derive(Deserialize)]
pub struct Config {
    goal: String,
    model: Option<String>,
    max_turns: u32,
    max_corrections: u32,
    max_output_tokens: u32,
}

/// What the last call needs of the first.
#[derive(Serialize, Deserialize)]
pub struct Told {
    goal: String,
    name: String,
}

#[derive(Deserialize)]
struct Section {
    content: String,
}

/// A runbook as the model writes it.
#[derive(Deserialize)]
struct Draft {
    name: String,
    steps: Vec<DraftStep>,
}

/// A step as the model writes it: it reads a system, or runs a component over what other steps make.
#[derive(Deserialize)]
struct DraftStep {
    id: String,
    system: String,
    component: String,
    inputs: Vec<String>,
    why: String,
}

/// Writes the runbook.
struct Planner {
    world: World,
    policy: String,
    /// How many runbooks it may submit by now.
    may_submit: u32,
}

impl Planner {
    fn component(&self, name: &str) -> Option<&Component> {
        self.world.components.iter().find(|component| component.name == name)
    }

    /// What can't be in a draft, in the order of its steps.
    fn problems(&self, draft: &Draft) -> Vec<String> {
        let mut made: BTreeSet<&str> = BTreeSet::new();
        let mut problems = Vec::new();
        for DraftStep { id, system, component, inputs, .. } in &draft.steps {
            let mut say = |what: String| problems.push(format!("Step `{id}`: {what}."));
            if identifier(id) != *id {
                say("its id has to be of lower-case letters, digits and `_`".to_owned());
            }
            if made.contains(id.as_str()) {
                say("another step has its id".to_owned());
            }
            match (system.as_str(), component.as_str()) {
                ("", "") => say("it names neither a system nor a component".to_owned()),
                (system, "") => {
                    if !self.world.systems.iter().any(|known| known.name == system) {
                        say(format!("there is no system `{system}`"));
                    }
                    if !inputs.is_empty() {
                        say("what reads a system has no inputs".to_owned());
                    }
                }
                ("", component) => match self.component(component) {
                    None => say(format!("there is no component `{component}`")),
                    Some(_) if inputs.is_empty() => say("it reads nothing".to_owned()),
                    Some(_) => {}
                },
                _ => say("it names both a system and a component".to_owned()),
            }
            for input in inputs.iter().filter(|input| !made.contains(input.as_str())) {
                say(format!("no step before it makes `{input}`"));
            }
            made.insert(id);
        }
        if !draft.steps.iter().any(|step| !step.component.is_empty()) {
            problems.push("It runs nothing.".to_owned());
        }
        problems
    }

    /// A step as the host reads it.
    fn step(&self, step: &DraftStep) -> Value {
        let why = plain(&step.why, MAX_REASON);
        if step.component.is_empty() {
            return palisade_planning::source(&step.id, &step.system, &why);
        }
        let component = self.component(&step.component);
        let inputs: Vec<&str> = step.inputs.iter().map(String::as_str).collect();
        palisade_planning::analysis(&Analysis {
            id: &step.id,
            title: component.map_or(&step.component, |component| &component.title),
            component: &step.component,
            inputs: &inputs,
            // Without a ruleset for it the host says what is missing.
            config: &component.and_then(|component| config(&self.world, component).ok()).unwrap_or_default(),
            why: &why,
        })
    }
}

impl Agent for Planner {
    fn plan(&mut self, work: &mut Work<'_>) -> Result<()> {
        work.brief();
        let systems = self
            .world
            .systems
            .iter()
            .map(|system| json!({"system": system.name, "also_called": system.aliases, "gives": system.schema}));
        let components = self.world.components.iter().map(|component| {
            let takes: Vec<&Vec<String>> = component.inputs.iter().map(|port| &port.schemas).collect();
            let makes: Vec<&String> = component.outputs.iter().map(|made| &made.schema).collect();
            json!({
                "component": component.name, "title": component.title, "about": component.description, "takes": takes,
                "makes": makes,
            })
        });
        let (systems, components): (Vec<_>, Vec<_>) = (systems.collect(), components.collect());
        let told = json!({"data": {"systems": systems, "components": components, "policy": self.policy}});
        work.instruct(told.to_string());
        Ok(())
    }

    /// Looks for what can't be, then has the host run it where the step lets it: the host finds the rest.
    fn reflect(&mut self, work: &mut Work<'_>, answer: &Value) -> Result<Option<String>> {
        let draft = match Draft::deserialize(answer) {
            Ok(draft) => draft,
            Err(error) => return Ok(Some(format!("It is no runbook: {error}."))),
        };
        let problems = self.problems(&draft);
        if !problems.is_empty() {
            return Ok(Some(problems.join(" ")));
        }
        if self.may_submit == 0 {
            return Ok(None);
        }
        self.may_submit -= 1;
        let steps: Vec<Value> = draft.steps.iter().map(|step| self.step(step)).collect();
        let mut runbook = beside(&work.setup().goal, &plain(&draft.name, MAX_NAME));
        runbook["execution"] = steps.into();
        work.submit(&runbook)
    }
}

impl Analyser for CompliancePlanner {
    type Config = Config;
    type Partial = Told;

    fn describe() -> Description {
        let context = Property::string().ruleset("planning_context").default("local/planning_context/1.0.0");
        let model = Property::string().nullable().default(Value::Null);
        let turns = Property::integer().default(12).min(1).max(100).about("Most turns");
        let corrections = Property::integer().default(3).min(0).max(10);
        let tokens = Property::integer().default(4_096).min(256).about("Most tokens that the model says in a turn");
        Description::agent(
            "palisade:compliance_planner",
            env!("CARGO_PKG_VERSION"),
            "Writes a runbook towards a goal with a language model",
        )
        .about(
            "Shows a model the systems and the components that the operator lets such runbooks use, and a policy where there is one; \
             lets it look at samples with the tools that its step lists; and makes a runbook of its answer, which it has run itself where its step lists `runbooks`.",
        )
        .input(Input::new(POLICY).accepts("privacy_policy_document/1").optional().about("What has been promised"))
        .input(Input::new(SAMPLES).accepts("standard_input/1").many().optional().about("Data to look at with its tools"))
        .input(Input::new(WORLD).ruleset("/context").about("What there is to check, and what can check it"))
        .output(RUNBOOK, "runbook_definition/1.0.0")
        .output_port(Output::new(CONVERSATION, "agent_conversation/1.0.0").about("What it did, turn by turn"))
        .request(Request::llm("to plan"))
        .request(Request::call("to look at samples with the tools of its step, and to have its runbook run").optional())
        .config(
            ConfigSchema::new()
                .required("goal", Property::string().about("What the runbook is for"))
                .property("context", context.about("What the host says of its systems and components"))
                .property("model", model.about("The model that plans, by its alias; absent: the default model"))
                .property("max_turns", turns)
                .property("max_corrections", corrections.about("How often the model is told what can't be in its runbook"))
                .property("max_output_tokens", tokens),
        )
    }

    fn run(ctx: &Context, config: Config) -> Result<Told> {
        let mut policy = String::new();
        for section in ctx.items::<Section>(POLICY) {
            policy.push_str(&section?.content);
            policy.push('\n');
        }
        if let Some((end, _)) = policy.char_indices().nth(MAX_POLICY) {
            ctx.skip("the end of the policy", format!("it has more than {MAX_POLICY} characters: not read"));
            policy.truncate(end);
        }
        let mut world = World::read(ctx, WORLD)?;
        world.components.retain(|component| match &component.lacks {
            Some(why) => {
                ctx.skip(format!("analysis `{}`", component.name), format!("it {why}: the model is not told of it"));
                false
            }
            None => true,
        });
        let mut planner = Planner { world, policy, may_submit: runbooks::most(ctx) };
        let setup = Setup {
            goal: config.goal.clone(),
            instructions: "You plan how data are checked. You answer with the steps of a runbook: each either reads a `system` or runs a \
                           `component` over what the steps before it make, which it names by their ids in `inputs`; a component takes \
                           what has one of its schemas. Leave the other of the two empty. Say in `why` what each step is for. Use only \
                           the systems and components that you are told of."
                .to_owned(),
            model: config.model,
            answer: schema(),
            max_turns: config.max_turns,
            max_corrections: config.max_corrections,
            max_output_tokens: config.max_output_tokens,
        };
        let work = agent::work(ctx, &mut planner, setup, ctx.inputs(SAMPLES))?;
        work.keep(CONVERSATION)?;
        let draft = Draft::deserialize(&work.into_answer()?)
            .map_err(|error| Failure::unavailable(format!("what the model answers is no runbook: {error}")))?;
        for step in &draft.steps {
            ctx.emit(RUNBOOK, &planner.step(step))?;
        }
        Ok(Told { goal: config.goal, name: plain(&draft.name, MAX_NAME) })
    }

    fn finish(_: &Context, _: Config, parts: Vec<Told>) -> Result<Vec<Metadata>> {
        let Some(Told { goal, name }) = parts.into_iter().next() else { return Ok(Vec::new()) };
        let runbook = beside(&goal, &name);
        let agent = json!({"agent": "palisade:compliance_planner", "goal": goal});
        Ok(vec![Metadata::new(RUNBOOK, &runbook)?, Metadata::new(CONVERSATION, &agent)?])
    }
}

/// What a runbook says beside its steps.
fn beside(goal: &str, name: &str) -> Value {
    json!({"name": name, "description": plain(&format!("Written by a language model. Goal: {goal}"), 400)})
}

fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object", "additionalProperties": false, "required": ["name", "steps"],
        "properties": {"name": text, "steps": {"type": "array", "items": {
            "type": "object", "additionalProperties": false, "required": ["id", "system", "component", "inputs", "why"],
            "properties": {
                "id": text, "system": text, "component": text, "inputs": {"type": "array", "items": text}, "why": text,
            },
        }}},
    })
}

palisade_sdk::export!(CompliancePlanner);

#[cfg(test)]
mod tests;

//! Reads a privacy policy, says what it states, and makes the runbook that looks whether the data agree. No model is needed;
//! with one, more of the policy is read.
//!
//! What there is to check and what can check it, it learns from the host (the planning context): it names no system and no
//! component of its own.

mod architecture;
mod categories;
mod clauses;
mod denial;
mod facts;
mod names;
mod products;
mod reading;
mod steps;
mod systems;
mod text;
mod unread;
mod vocabulary;
mod words;

use facts::{Facts, Kind};
use palisade_planning::{World, plain};
use palisade_sdk::{
    Analyser, ConfigSchema, Context, Description, Failure, Input, Metadata, Property, Request, Result,
    serde_json::{Value, json},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The component.
pub struct PolicyToRunbook;

/// What can be set.
#[derive(Deserialize)]
pub struct Config {
    /// The components that the runbook may use, of those that the operator allows; none named = all of them.
    #[serde(default)]
    components: Vec<String>,
    /// The model that reads the policy, too; none = the rules alone.
    model: Option<String>,
}

/// What the last call needs of the first.
#[derive(Serialize, Deserialize)]
pub struct Told {
    title: String,
    language: String,
    counts: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Section {
    heading: Option<String>,
    content: String,
}

#[derive(Default, Deserialize)]
struct Policy {
    title: Option<String>,
}

const POLICY: &str = "policy";
const ARCHITECTURE: &str = "architecture";
const WORLD: &str = "context";
const RUNBOOK: &str = "runbook";
const FACTS: &str = "facts";

impl Analyser for PolicyToRunbook {
    type Config = Config;
    type Partial = Told;

    fn describe() -> Description {
        let context = Property::string().ruleset("planning_context").default("local/planning_context/1.0.0");
        let context = context.about("What the host says of its systems and components");
        let components = Property::list_of(Property::string())
            .about("The components that the runbook may use; absent: all that the operator lets such runbooks use");
        let model = Property::string().nullable().default(Value::Null);
        let model = model.about("The model that reads the policy beside the rules, by its alias; absent: none");
        Description::analyser(
            "palisade:policy_to_runbook_analyser",
            env!("CARGO_PKG_VERSION"),
            "Makes a runbook of what a privacy policy says",
        )
        .about(
            "Reads a privacy policy as text, Markdown or HTML, in English, German or French. Says what it states, each with its \
             sentence, and makes a runbook that runs every fitting analysis over every system that the operator named. A \
             description of the systems says which others there are that nobody checks.",
        )
        .input(Input::new(POLICY).accepts("privacy_policy_document/1").about("The policy"))
        .input(
            Input::new(ARCHITECTURE)
                .accepts("system_architecture_document/1")
                .many()
                .optional()
                .about("What systems there are: Markdown, a Compose file or a Mermaid diagram"),
        )
        .input(Input::new(WORLD).ruleset("/context").about("What there is to check, and what can check it"))
        .output(RUNBOOK, "runbook_definition/1.0.0")
        .output(FACTS, "policy_facts/1.0.0")
        .config(ConfigSchema::new().property("context", context).property("components", components).property("model", model))
        .request(Request::llm("to read more of the policy, where the config names a model").optional())
        .limit("fuel-per-input-byte", 100_000)
    }

    fn run(ctx: &Context, config: Config) -> Result<Told> {
        let mut world = World::read(ctx, WORLD)?;
        if !config.components.is_empty() {
            for name in
                config.components.iter().filter(|name| !world.components.iter().any(|known| known.name == **name))
            {
                ctx.skip(format!("analysis `{name}`"), "the operator does not let such a runbook use it: not checked");
            }
            world.components.retain(|component| config.components.contains(&component.name));
        }
        let policy = ctx.inputs(POLICY).next();
        let policy: Policy = policy.map(|reader| reader.info().metadata()).transpose()?.unwrap_or_default();
        let mut sentences = Vec::new();
        for section in ctx.items::<Section>(POLICY) {
            let section = section?;
            unread::is_no_text(&section.content).into_iter().for_each(|why| ctx.skip("the policy", why));
            sentences.extend(text::sentences(section.heading.as_deref(), &section.content));
        }
        if sentences.is_empty() {
            return Err(Failure::bad_input("the policy has no text").at(POLICY, 0));
        }
        let title = policy.title.or_else(|| text::title(&sentences)).unwrap_or_else(|| "the privacy policy".to_owned());
        let mut facts = facts::found(&sentences, &world);
        if let Some(model) = &config.model {
            reading::read(ctx, model, &sentences, &world, &mut facts)?;
        }
        unread::is_no_policy(&sentences, &facts.list).into_iter().for_each(|why| ctx.skip("the policy", why));
        describe_systems(ctx, &world, &mut facts)?;
        let mut facts = facts.list;
        // That no runbook holds more is told with the steps.
        let unread = |name: &str| world.systems.iter().skip(steps::MAX_SYSTEMS).any(|system| system.name == name);
        for fact in &mut facts {
            let is_unread = fact.kind == Kind::System && fact.checked == Some(true) && unread(&fact.value);
            if is_unread {
                fact.checked = Some(false);
            }
            ctx.emit(FACTS, fact)?;
            if fact.kind == Kind::System && fact.checked == Some(false) && !is_unread {
                let who = if fact.in_architecture { "the architecture" } else { "the policy" };
                let why = format!("{who} names it and no system is called so: not checked");
                ctx.skip(format!("system `{}`", fact.value), why);
            }
        }
        let mut steps = steps::steps(&world, &facts);
        steps.tell_idle(&config.components, &world);
        for missing in &steps.left_out {
            ctx.skip(&missing.what, &missing.why);
        }
        if steps.steps.is_empty() {
            return Err(Failure::failed("there is no system that could be checked, or nothing that could check one")
                .help("`[[system]]` and `[generated]` in palisade.toml say what there is"));
        }
        for step in &steps.steps {
            ctx.emit(RUNBOOK, step)?;
        }
        let mut counts = BTreeMap::new();
        for fact in &facts {
            *counts.entry(fact.kind.name().to_owned()).or_default() += 1;
        }
        Ok(Told { title: plain(&title, 120), language: text::language(&sentences).to_owned(), counts })
    }

    fn finish(_: &Context, _: Config, parts: Vec<Told>) -> Result<Vec<Metadata>> {
        let Some(Told { title, language, counts }) = parts.into_iter().next() else { return Ok(Vec::new()) };
        let runbook = json!({
            "name": plain(&format!("What “{title}” has checked"), 160),
            "description": "Made of a privacy policy: every fitting analysis over every system that the operator named.",
        });
        let facts: Value = json!({"title": title, "language": language, "summary": counts});
        Ok(vec![Metadata::new(RUNBOOK, &runbook)?, Metadata::new(FACTS, &facts)?])
    }
}

/// Adds the systems that descriptions of them name, and tells what of each is not read.
fn describe_systems(ctx: &Context, world: &World, facts: &mut Facts) -> Result<()> {
    let is_one = ctx.inputs(ARCHITECTURE).nth(1).is_none();
    for (number, description) in (1_usize..).zip(ctx.inputs(ARCHITECTURE)) {
        let (mut named, mut unread) = (0, Vec::new());
        description.for_each(|section| {
            let Section { heading, content } = section.parse()?;
            unread.extend(unread::is_no_text(&content));
            let read = architecture::read(heading.as_deref(), &content, world);
            named += read.systems.len();
            unread.extend(read.unread);
            read.systems.into_iter().for_each(|fact| facts.add(fact));
            Ok(())
        })?;
        if named == 0 {
            unread.push("no system is read in it".to_owned());
        }
        let which = match is_one {
            true => "the description of the systems".to_owned(),
            false => format!("description {number} of the systems"),
        };
        unread.into_iter().for_each(|why| ctx.skip(&which, why));
    }
    Ok(())
}

palisade_sdk::export!(PolicyToRunbook);

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

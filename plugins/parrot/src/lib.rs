//! A planner for tests that believes its model: whatever that says becomes the runbook, unread. It shows a model what it was
//! given, as a careless planner would, among its instructions.

use palisade_sdk::{
    Analyser, ConfigSchema, Context, Description, Failure, Input, Metadata, Property, Request, Result, llm,
    serde_json::{Map, Value, from_str},
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Config {
    model: Option<String>,
}

/// All of the runbook but its steps.
#[derive(Serialize, Deserialize)]
struct Beside(Map<String, Value>);

#[derive(Deserialize)]
struct Text {
    content: String,
}

struct Parrot;

impl Analyser for Parrot {
    type Config = Config;
    type Partial = Beside;

    fn describe() -> Description {
        Description::analyser("test:parrot", "1.0.0", "Makes a runbook of whatever a model says")
            .input(Input::new("texts").accepts("privacy_policy_document/1").accepts("standard_input/1"))
            .output("runbook", "runbook_definition/1.0.0")
            .request(Request::llm("to be told what to say"))
            .config(ConfigSchema::new().property("model", Property::string().nullable().default(Value::Null)))
    }

    fn run(ctx: &Context, config: Config) -> Result<Beside> {
        let mut asking = llm::ask(ctx).system("Write a runbook for what follows.").max_output_tokens(10_000);
        if let Some(model) = &config.model {
            asking = asking.model(model);
        }
        for text in ctx.items::<Text>("texts") {
            asking = asking.system(text?.content);
        }
        let mut runbook: Map<String, Value> = from_str(&asking.send()?.content)
            .map_err(|error| Failure::unavailable(format!("the model says no JSON object: {error}")))?;
        if let Some(Value::Array(steps)) = runbook.remove("execution") {
            for step in &steps {
                ctx.emit("runbook", step)?;
            }
        }
        Ok(Beside(runbook))
    }

    fn finish(_: &Context, _: Config, parts: Vec<Beside>) -> Result<Vec<Metadata>> {
        parts.iter().map(|Beside(runbook)| Metadata::new("runbook", runbook)).collect()
    }
}

palisade_sdk::export!(Parrot);

//! An agent of a team for tests: asks the model each of its questions, then calls whom it is told to call with what it got, and
//! writes down what came of both.

use palisade_sdk::{
    Analyser, Context, Description, Failure, Input, Metadata, Request, Result, llm, runbooks, tools, tools::CallError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Config {
    goal: String,
    questions: Vec<String>,
    /// Called one after the other, each with the input.
    calls: Vec<String>,
    config: Value,
    /// It submits a runbook, which nobody of a team may.
    submits: bool,
    /// It fails in the end.
    fails: bool,
}

#[derive(Serialize)]
struct Text {
    content: String,
    metadata: Source,
}

#[derive(Serialize)]
struct Source {
    source: String,
}

struct Deputy;

impl Analyser for Deputy {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        Description::agent("test:deputy", "1.0.0", "Asks models and calls others for whoever leads it")
            .input(Input::new("texts").accepts("standard_input/1"))
            .output("texts", "standard_input/1.0.0")
            .request(Request::llm("to ask what its config says").optional())
            .request(Request::call("to do what its goal wants").optional())
            .config_json(
                r#"{
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["goal"],
                    "properties": {
                        "goal": {"type": "string"},
                        "questions": {"type": "array", "items": {"type": "string"}, "default": []},
                        "calls": {"type": "array", "items": {"type": "string"}, "default": []},
                        "config": {"type": "object", "default": {}},
                        "submits": {"type": "boolean", "default": false},
                        "fails": {"type": "boolean", "default": false}
                    }
                }"#,
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let tell = |source: &str, content: String| {
            ctx.emit("texts", &Text { content, metadata: Source { source: source.to_owned() } })
        };
        tell("goal", config.goal)?;
        let known = tools::available(ctx);
        tell("tools", known.iter().map(|tool| tool.id.as_str()).collect::<Vec<_>>().join(" "))?;
        for question in &config.questions {
            match llm::ask(ctx).user(question).max_output_tokens(100).send() {
                Ok(answer) => tell(question, answer.content)?,
                Err(error) => return Err(error.into()),
            }
        }
        let input = ctx.inputs("texts").next().ok_or_else(|| Failure::failed("there is no input"))?;
        for id in &config.calls {
            match tools::call(ctx, id).config(&config.config).artifact("texts", input).run() {
                Ok(made) => {
                    for reader in &made {
                        reader.for_each(|item| tell(id, item.line().to_owned()))?;
                    }
                }
                Err(CallError::Own(failure)) => return Err(failure),
                Err(CallError::Host(error)) => tell(id, format!("{:?}: {}", error.kind, error.message))?,
            }
        }
        if config.submits {
            let submitted = runbooks::submit(ctx, &json!({"name": "x", "execution": []})).run();
            tell("submits", format!("{:?}", submitted.map(|_| ())))?;
        }
        if config.fails { Err(Failure::failed("it was told to fail")) } else { Ok(()) }
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        let texts = BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "deputy")]);
        Ok(vec![Metadata::new("texts", &texts)?])
    }
}

palisade_sdk::export!(Deputy);

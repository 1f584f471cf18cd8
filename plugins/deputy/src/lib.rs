//! An agent of a team for tests: asks the model each of its questions, then calls whom it is told to call with what it got, and
//! writes down what came of both. Or a model leads it, and its answer is a text.

use palisade_sdk::{
    Analyser, Context, Description, Failure, Input, Metadata, Request, Result,
    agent::{self, Agent, Setup, Work},
    llm, runbooks, tools,
    tools::CallError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, from_str, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Config {
    goal: String,
    questions: Vec<String>,
    /// Called one after the other, each with the input.
    calls: Vec<String>,
    config: Value,
    /// It submits a runbook: what its model answers, or one of its own, which nobody of a team may.
    submits: bool,
    /// It fails in the end.
    fails: bool,
    /// A model leads it, instead of all that.
    led: bool,
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

/// Believes its model, and submits a runbook that it answers with.
struct Led {
    submits: bool,
}

impl Agent for Led {
    fn reflect(&mut self, work: &mut Work<'_>, answer: &Value) -> Result<Option<String>> {
        match from_str(answer["content"].as_str().unwrap_or_default()) {
            Ok(runbook) if self.submits => work.submit(&runbook),
            _ => Ok(None),
        }
    }
}

fn led(ctx: &Context, goal: String, submits: bool) -> Result<()> {
    let text = json!({"type": "string"});
    let object = |properties: Value| {
        let names: Vec<_> = properties.as_object().into_iter().flat_map(|all| all.keys()).collect();
        json!({"type": "object", "additionalProperties": false, "required": names, "properties": properties})
    };
    let setup = Setup {
        goal,
        instructions: "Answer with a text.".to_owned(),
        model: None,
        answer: object(json!({"content": text, "metadata": object(json!({"source": text}))})),
        max_turns: 6,
        max_corrections: 0,
        max_output_tokens: 2_000,
    };
    let work = agent::work(ctx, &mut Led { submits }, setup, ctx.inputs("texts"))?;
    work.keep("conversation")?;
    ctx.emit("texts", &work.into_answer()?)
}

impl Analyser for Deputy {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        Description::agent("test:deputy", "1.0.0", "Asks models and calls others for whoever leads it")
            .input(Input::new("texts").accepts("standard_input/1"))
            .output("texts", "standard_input/1.0.0")
            .output("conversation", "agent_conversation/1.0.0")
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
                        "fails": {"type": "boolean", "default": false},
                        "led": {"type": "boolean", "default": false}
                    }
                }"#,
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        if config.led {
            return led(ctx, config.goal, config.submits);
        }
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

    fn finish(_: &Context, config: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        let texts = BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "deputy")]);
        let conversation = json!({"agent": "test:deputy", "goal": config.goal});
        Ok(vec![Metadata::new("texts", &texts)?, Metadata::new("conversation", &conversation)?])
    }
}

palisade_sdk::export!(Deputy);

//! An agent for tests: calls the tools that its config lists, submits the runbooks that it lists, and writes down what came
//! of each. Or it says what it is told to say, to whoever hands its task over.

use palisade_sdk::{
    Analyser, Context, Description, Failure, Input, Metadata, Reader, Request, Result, runbooks, runbooks::Outcome,
    tools, tools::CallError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Config {
    goal: String,
    calls: Vec<Call>,
    /// Submitted one after the other, once the calls are made; the next only where one was refused or rejected, or where
    /// `all` are to be.
    runbooks: Vec<Value>,
    all: bool,
    /// What its input is called in each; empty = they get nothing.
    gives: String,
    /// It fails at the first call that comes to nothing.
    strict: bool,
    /// All that it says, or fails with, beside how many turns it was told of; it does nothing then.
    says: Option<String>,
    fails: bool,
}

/// A call to be made.
#[derive(Deserialize)]
struct Call {
    tool: String,
    #[serde(default)]
    config: Value,
    port: String,
    give: Give,
    /// Who is called takes over, and must be of the team.
    #[serde(default)]
    hand_over: bool,
    /// How often.
    #[serde(default = "once")]
    times: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Give {
    /// The agent's own input.
    Input,
    /// What the call before made.
    Last,
    /// These items.
    Items(Vec<Value>),
}

const fn once() -> u32 {
    1
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

struct Delegate;

impl Delegate {
    fn call<'c>(
        ctx: &'c Context,
        call: &Call,
        input: &'c Reader,
        last: &'c [Reader],
    ) -> Result<Vec<Reader>, CallError> {
        let made = if call.hand_over { tools::hand_over(ctx, &call.tool) } else { tools::call(ctx, &call.tool) };
        let made = if call.config.is_null() { made } else { made.config(&call.config) };
        match &call.give {
            Give::Input => made.artifact(&call.port, input),
            Give::Last => match last.first() {
                Some(last) => made.artifact(&call.port, last),
                None => return Err(CallError::Own(Failure::failed("no call before it made anything"))),
            },
            Give::Items(items) => made.items(&call.port, items),
        }
        .run()
    }
}

impl Analyser for Delegate {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        Description::agent("test:delegate", "1.0.0", "Calls the tools that it is told to call")
            .input(Input::new("texts").accepts("standard_input/1"))
            .input(Input::new("so_far").accepts("agent_conversation/1").optional())
            .output("texts", "standard_input/1.0.0")
            .request(Request::call("to do what its goal wants"))
            .config_json(
                r#"{
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["goal"],
                    "properties": {
                        "goal": {"type": "string"},
                        "strict": {"type": "boolean", "default": false},
                        "calls": {"type": "array", "default": [], "items": {"type": "object"}},
                        "runbooks": {"type": "array", "default": [], "items": {}},
                        "all": {"type": "boolean", "default": false},
                        "gives": {"type": "string", "default": ""},
                        "says": {"type": ["string", "null"], "default": null},
                        "fails": {"type": "boolean", "default": false}
                    }
                }"#,
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let tell = |source: &str, content: String| {
            ctx.emit("texts", &Text { content, metadata: Source { source: source.to_owned() } })
        };
        if let Some(says) = config.says {
            let turns: u64 = ctx.inputs("so_far").map(|reader| reader.info().item_count).sum();
            return if config.fails { Err(Failure::failed(says)) } else { tell(&format!("{turns} turns"), says) };
        }
        tell("goal", config.goal)?;
        for tool in tools::available(ctx) {
            let ports = tool.inputs.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(" ");
            tell("tool", format!("{} takes {ports}", tool.id))?;
        }
        let input = ctx.inputs("texts").next().ok_or_else(|| Failure::failed("there is no input"))?;
        let mut last: Vec<Reader> = Vec::new();
        for call in &config.calls {
            for _ in 0..call.times {
                match Self::call(ctx, call, input, &last) {
                    Ok(made) => {
                        for reader in &made {
                            let info = reader.info();
                            tell(&call.tool, format!("{} {}: {} items", reader.port(), info.schema, info.item_count))?;
                            reader.for_each(|item| tell("item", item.line().to_owned()))?;
                        }
                        last = made;
                    }
                    Err(error) if config.strict => return Err(error.into()),
                    Err(CallError::Own(failure)) => return Err(failure),
                    Err(CallError::Host(error)) => tell(&call.tool, format!("{:?}: {}", error.kind, error.message))?,
                }
            }
        }
        if !config.runbooks.is_empty() {
            tell("most", runbooks::most(ctx).to_string())?;
        }
        for runbook in &config.runbooks {
            let submission = runbooks::submit(ctx, runbook);
            let submission = if config.gives.is_empty() { submission } else { submission.input(&config.gives, input) };
            let goes_on = match submission.run() {
                Ok(Outcome::Done(made)) => {
                    for reader in &made {
                        let info = reader.info();
                        tell("made", format!("{} {}: {} items", reader.port(), info.schema, info.item_count))?;
                        reader.for_each(|item| tell("item", item.line().to_owned()))?;
                    }
                    config.all
                }
                Ok(Outcome::Refused(wrong)) => {
                    for wrong in &wrong {
                        tell("refused", format!("{} at {}: {}", wrong.code, wrong.line, wrong.message))?;
                    }
                    true
                }
                Ok(Outcome::Rejected(words)) => tell("rejected", words).map(|()| true)?,
                Ok(Outcome::Failed(words)) => tell("failed", words).map(|()| config.all)?,
                Err(CallError::Own(failure)) => return Err(failure),
                Err(CallError::Host(error)) if config.strict => return Err(error.into()),
                Err(CallError::Host(error)) => {
                    tell("error", format!("{:?}: {}", error.kind, error.message)).map(|()| config.all)?
                }
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        let texts = BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "delegate")]);
        Ok(vec![Metadata::new("texts", &texts)?])
    }
}

palisade_sdk::export!(Delegate);

//! A component for tests: asks models what its config lists, and writes down what they say.

use palisade_sdk::{Analyser, Context, Description, Input, Metadata, Request, Result, llm, llm::AskError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Config {
    questions: Vec<String>,
    model: Option<String>,
    schema: Option<Value>,
    max_output_tokens: u32,
    /// It fails at the first question without an answer.
    strict: bool,
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

struct Asker;

impl Analyser for Asker {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        Description::analyser("test:asker", "1.0.0", "Asks models what it is told to ask")
            .input(Input::new("texts").accepts("standard_input/1"))
            .output("texts", "standard_input/1.0.0")
            .request(Request::llm("to ask what its config says"))
            .config_json(
                r#"{
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["questions"],
                    "properties": {
                        "questions": {"type": "array", "items": {"type": "string"}},
                        "model": {"type": ["string", "null"], "default": null},
                        "schema": {"type": ["object", "null"], "default": null},
                        "max_output_tokens": {"type": "integer", "default": 100},
                        "strict": {"type": "boolean", "default": true}
                    }
                }"#,
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for question in config.questions {
            let mut asking = llm::ask(ctx).user(&question).max_output_tokens(config.max_output_tokens);
            if let Some(model) = &config.model {
                asking = asking.model(model);
            }
            if let Some(schema) = &config.schema {
                asking = asking.schema(schema);
            }
            let content = match asking.send() {
                Ok(answer) => answer.content,
                Err(error) if config.strict => return Err(error.into()),
                Err(AskError::Own(failure)) => return Err(failure),
                Err(AskError::Host(error)) => format!("{:?}: {}", error.kind, error.message),
            };
            ctx.emit("texts", &Text { content, metadata: Source { source: question } })?;
        }
        Ok(())
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        let texts = BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "asker")]);
        Ok(vec![Metadata::new("texts", &texts)?])
    }
}

palisade_sdk::export!(Asker);

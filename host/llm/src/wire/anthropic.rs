//! Anthropic's messages.

use super::{NoAnswer, Wire, read, system, usage};
use crate::request::{Answer, Finish, Request, Role};
use palisade_model::llm::ModelSpec;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What an answer that fits a schema comes as: the input of a tool of that name, which the model must use.
const TOOL: &str = "answer";

pub(super) fn encode(model: &ModelSpec, request: &Request) -> Wire {
    let turns: Vec<_> = request.messages.iter().filter(|message| message.role != Role::System).collect();
    let mut body = json!({"model": model.model, "max_tokens": request.max_output_tokens, "messages": turns});
    let system = system(request);
    if !system.is_empty() {
        body["system"] = Value::from(system);
    }
    if let Some(schema) = &request.schema {
        body["tools"] = json!([{"name": TOOL, "description": "Gives the answer.", "input_schema": schema}]);
        body["tool_choice"] = json!({"type": "tool", "name": TOOL});
    }
    Wire {
        path: "/messages".to_owned(),
        headers: &[("anthropic-version", "2023-06-01")],
        key_header: ("x-api-key", ""),
        body: body.to_string().into_bytes(),
    }
}

#[derive(Deserialize)]
struct Reply {
    content: Vec<Block>,
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    text: String,
    input: Option<Box<RawValue>>,
}

pub(super) fn decode(body: &[u8]) -> Result<Answer, NoAnswer> {
    let Reply { content, stop_reason, usage } = read(body)?;
    let finish = match stop_reason.as_deref() {
        Some("max_tokens" | "model_context_window_exceeded") => Finish::CutOff,
        Some("refusal") => Finish::Refused,
        _ => Finish::Complete,
    };
    let content = match content.iter().find_map(|block| block.input.as_ref()) {
        Some(input) => input.get().to_owned(),
        None => content.into_iter().map(|block| block.text).collect(),
    };
    let read = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    let (input_tokens, output_tokens) = usage::tokens(&usage, &read, &["output_tokens"], &content);
    Ok(Answer { content, finish, input_tokens, output_tokens })
}

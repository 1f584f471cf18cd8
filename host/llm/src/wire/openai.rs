//! OpenAI's chat completions, which many others speak.

use super::{BEARER, NoAnswer, Wire, read, usage};
use crate::request::{Answer, Finish, Request};
use palisade_model::llm::ModelSpec;
use serde::Deserialize;
use serde_json::{Value, json};

/// `bound` is the name of the most tokens of an answer: OpenAI itself has given it another than those who speak its form.
pub(super) fn encode(model: &ModelSpec, request: &Request, bound: &str) -> Wire {
    let mut body = json!({"model": model.model, "messages": request.messages, bound: request.max_output_tokens});
    if let Some(schema) = &request.schema {
        // Not `strict`, which refuses schemas that leave something open: what fits is checked here anyway.
        let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
        body["response_format"] = format;
    }
    Wire { path: "/chat/completions".to_owned(), headers: &[], key_header: BEARER, body: body.to_string().into_bytes() }
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
}

pub(super) fn decode(body: &[u8]) -> Result<Answer, NoAnswer> {
    let Reply { choices, usage } = read(body)?;
    let Some(Choice { message, finish_reason }) = choices.into_iter().next() else {
        return Err(NoAnswer("there is no answer in it".to_owned()));
    };
    let finish = match finish_reason.as_deref() {
        _ if message.refusal.is_some() => Finish::Refused,
        Some("length") => Finish::CutOff,
        Some("content_filter") => Finish::Refused,
        _ => Finish::Complete,
    };
    let content = message.content.or(message.refusal).unwrap_or_default();
    let (input_tokens, output_tokens) = usage::tokens(&usage, &["prompt_tokens"], &["completion_tokens"], &content);
    Ok(Answer { content, finish, input_tokens, output_tokens })
}

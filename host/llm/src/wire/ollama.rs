//! Ollama's own chat.

use super::{BEARER, NoAnswer, Wire, read, usage};
use crate::request::{Answer, Finish, Request};
use palisade_model::llm::ModelSpec;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn encode(model: &ModelSpec, request: &Request) -> Wire {
    let options = json!({"num_predict": request.max_output_tokens});
    let mut body = json!({"model": model.model, "messages": request.messages, "stream": false, "options": options});
    if let Some(schema) = &request.schema {
        body["format"] = schema.clone();
    }
    Wire { path: "/chat".to_owned(), headers: &[], key_header: BEARER, body: body.to_string().into_bytes() }
}

#[derive(Deserialize)]
struct Reply {
    message: Said,
    done_reason: Option<String>,
    /// The numbers of tokens stand beside the message.
    #[serde(flatten)]
    usage: std::collections::BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Said {
    content: String,
}

pub(super) fn decode(body: &[u8]) -> Result<Answer, NoAnswer> {
    let Reply { message: Said { content }, done_reason, usage } = read(body)?;
    let finish = if done_reason.as_deref() == Some("length") { Finish::CutOff } else { Finish::Complete };
    let usage = Value::Object(usage.into_iter().collect());
    let (input_tokens, output_tokens) = usage::tokens(&usage, &["prompt_eval_count"], &["eval_count"], &content);
    Ok(Answer { content, finish, input_tokens, output_tokens })
}

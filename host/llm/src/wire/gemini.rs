//! Google's Gemini.

use super::{NoAnswer, Wire, read, system, usage};
use crate::request::{Answer, Finish, Request, Role};
use palisade_model::llm::ModelSpec;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn encode(model: &ModelSpec, request: &Request) -> Wire {
    let turn = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    let turns = request.messages.iter().filter_map(|message| match message.role {
        Role::System => None,
        Role::User => Some(turn("user", &message.content)),
        Role::Assistant => Some(turn("model", &message.content)),
    });
    let mut body = json!({
        "contents": turns.collect::<Vec<_>>(), "generationConfig": {"maxOutputTokens": request.max_output_tokens}
    });
    let system = system(request);
    if !system.is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": system}]});
    }
    if let Some(schema) = &request.schema {
        body["generationConfig"]["responseMimeType"] = Value::from("application/json");
        body["generationConfig"]["responseJsonSchema"] = schema.clone();
    }
    Wire {
        path: format!("/models/{}:generateContent", model.model),
        headers: &[],
        key_header: ("x-goog-api-key", ""),
        body: body.to_string().into_bytes(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(default)]
    candidates: Vec<Candidate>,
    /// It is there where the question itself was refused.
    prompt_feedback: Option<Value>,
    #[serde(default)]
    usage_metadata: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
    #[serde(default)]
    thought: bool,
}

pub(super) fn decode(body: &[u8]) -> Result<Answer, NoAnswer> {
    let Reply { candidates, prompt_feedback, usage_metadata } = read(body)?;
    let (content, finish) = match candidates.into_iter().next() {
        None if prompt_feedback.is_some() => (None, Finish::Refused),
        None => return Err(NoAnswer("there is no answer in it".to_owned())),
        Some(Candidate { content, finish_reason }) => {
            let finish = match finish_reason.as_deref() {
                None | Some("STOP") => Finish::Complete,
                Some("MAX_TOKENS") => Finish::CutOff,
                Some(_) => Finish::Refused,
            };
            (content, finish)
        }
    };
    let parts = content.map(|content| content.parts).unwrap_or_default();
    let content: String = parts.into_iter().filter(|part| !part.thought).map(|part| part.text).collect();
    let written = ["candidatesTokenCount", "thoughtsTokenCount"];
    let (input_tokens, output_tokens) = usage::tokens(&usage_metadata, &["promptTokenCount"], &written, &content);
    // Where the question was refused nothing was written, and nothing is said of that.
    let output_tokens = output_tokens.or((finish == Finish::Refused && content.is_empty()).then_some(0));
    Ok(Answer { content, finish, input_tokens, output_tokens })
}

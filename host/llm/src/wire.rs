//! The forms in which providers are talked to: what is sent, and what an answer says. Bytes in, bytes out; no IO.

mod anthropic;
mod gemini;
mod ollama;
mod openai;
mod usage;

use crate::request::{Answer, Request, Role};
use palisade_model::llm::{ModelSpec, ProviderKind};
use serde::de::DeserializeOwned;

/// A request that is ready to be sent, but for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    /// Behind the model's base URL.
    pub(crate) path: String,
    /// Headers that every request has.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The header of the key, and what stands before the key in it.
    pub(crate) key_header: (&'static str, &'static str),
    /// A JSON document.
    pub(crate) body: Vec<u8>,
}

/// Why the bytes of an answer are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoAnswer(pub(crate) String);

const BEARER: (&str, &str) = ("authorization", "Bearer ");

/// Writes a request. With a schema, the model's provider is asked to keep to it.
pub(crate) fn encode(model: &ModelSpec, request: &Request) -> Wire {
    match model.provider {
        ProviderKind::OpenAi => openai::encode(model, request, "max_completion_tokens"),
        ProviderKind::OpenAiCompatible => openai::encode(model, request, "max_tokens"),
        ProviderKind::Anthropic => anthropic::encode(model, request),
        ProviderKind::Gemini => gemini::encode(model, request),
        ProviderKind::Ollama => ollama::encode(model, request),
    }
}

/// Reads an answer.
pub(crate) fn decode(provider: ProviderKind, body: &[u8]) -> Result<Answer, NoAnswer> {
    match provider {
        ProviderKind::OpenAi | ProviderKind::OpenAiCompatible => openai::decode(body),
        ProviderKind::Anthropic => anthropic::decode(body),
        ProviderKind::Gemini => gemini::decode(body),
        ProviderKind::Ollama => ollama::decode(body),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, NoAnswer> {
    // The reader's own words may quote what it read.
    serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_data() { "it has not the form of an answer" } else { "it is no JSON" };
        NoAnswer(format!("{what}, at line {} column {}", error.line(), error.column()))
    })
}

/// What all system messages say together, for providers that take it apart from the conversation.
fn system(request: &Request) -> String {
    let system = request.messages.iter().filter(|message| message.role == Role::System);
    system.map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Finish, Message};
    use palisade_model::llm::Structured;
    use serde_json::{Value, json};

    fn model(provider: ProviderKind) -> ModelSpec {
        ModelSpec {
            alias: "m".to_owned(),
            provider,
            model: "big-1".to_owned(),
            base_url: "https://example.org".to_owned(),
            key: None,
            local: false,
            price: None,
            structured: Structured::Native,
            max_concurrent: 1,
        }
    }

    fn request(schema: Option<Value>) -> Request {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        let messages =
            vec![message(Role::System, "be brief"), message(Role::User, "2+2?"), message(Role::Assistant, "5")];
        Request { model: None, messages, schema, max_output_tokens: 9 }
    }

    fn sent(provider: ProviderKind, schema: Option<Value>) -> (String, Value) {
        let Wire { path, body, .. } = encode(&model(provider), &request(schema));
        (path, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn each_provider_gets_its_form() {
        let plain = json!([
            {"role": "system", "content": "be brief"}, {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "5"}
        ]);
        let (path, body) = sent(ProviderKind::OpenAi, None);
        let expected = json!({"model": "big-1", "messages": plain, "max_completion_tokens": 9});
        assert_eq!((path.as_str(), body), ("/chat/completions", expected));
        let (_, body) = sent(ProviderKind::OpenAiCompatible, Some(json!({"type": "object"})));
        let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}});
        assert_eq!(body, json!({"model": "big-1", "messages": plain, "max_tokens": 9, "response_format": format}));
        let (path, body) = sent(ProviderKind::Anthropic, Some(json!({"type": "object"})));
        let turns = json!([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "5"}]);
        let expected = json!({
            "model": "big-1", "max_tokens": 9, "system": "be brief", "messages": turns,
            "tools": [{"name": "answer", "description": "Gives the answer.", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "answer"}
        });
        assert_eq!((path.as_str(), body), ("/messages", expected));
        let (path, body) = sent(ProviderKind::Gemini, Some(json!({"type": "object"})));
        let expected = json!({
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "2+2?"}]}, {"role": "model", "parts": [{"text": "5"}]}
            ],
            "generationConfig": {
                "maxOutputTokens": 9, "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}
            }
        });
        assert_eq!((path.as_str(), body), ("/models/big-1:generateContent", expected));
        let (path, body) = sent(ProviderKind::Ollama, Some(json!({"type": "object"})));
        let expected = json!({
            "model": "big-1", "messages": plain, "stream": false, "format": {"type": "object"}, "options": {"num_predict": 9}
        });
        assert_eq!((path.as_str(), body), ("/chat", expected));
    }

    #[test]
    fn what_providers_say_is_read() {
        use ProviderKind::{Anthropic, Gemini, Ollama, OpenAi};
        let check = |provider, body: Value, content: &str, finish, tokens: (Option<u64>, Option<u64>)| {
            let answer = decode(provider, body.to_string().as_bytes()).unwrap();
            let expected =
                Answer { content: content.to_owned(), finish, input_tokens: tokens.0, output_tokens: tokens.1 };
            assert_eq!(answer, expected, "{body}");
        };
        let openai = |message: Value, reason: &str, usage: Value| json!({"id": "x", "choices": [{"message": message, "finish_reason": reason}], "usage": usage});
        let said = json!({"role": "assistant", "content": "4"});
        let usage = json!({"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8});
        check(OpenAi, openai(said.clone(), "stop", usage.clone()), "4", Finish::Complete, (Some(7), Some(1)));
        check(OpenAi, openai(said.clone(), "length", usage.clone()), "4", Finish::CutOff, (Some(7), Some(1)));
        check(OpenAi, openai(said.clone(), "content_filter", usage.clone()), "4", Finish::Refused, (Some(7), Some(1)));
        let refusal = json!({"content": null, "refusal": "no"});
        check(OpenAi, openai(refusal, "stop", usage), "no", Finish::Refused, (Some(7), Some(1)));
        // What can't be believed counts as not said.
        for usage in [json!(null), json!({}), json!({"prompt_tokens": -1, "completion_tokens": 1.5}), json!("much")] {
            check(OpenAi, openai(said.clone(), "stop", usage), "4", Finish::Complete, (None, None));
        }
        let zero = json!({"prompt_tokens": 0, "completion_tokens": 0});
        check(OpenAi, openai(said, "stop", zero), "4", Finish::Complete, (None, None));
        let zero = json!({"prompt_tokens": 3, "completion_tokens": 0});
        check(OpenAi, openai(json!({"content": ""}), "stop", zero), "", Finish::Complete, (Some(3), Some(0)));
        let anthropic = |content: Value, reason: &str| {
            let usage = json!({"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 3});
            json!({"type": "message", "content": content, "stop_reason": reason, "usage": usage})
        };
        let text = json!([{"type": "text", "text": "4"}, {"type": "text", "text": "2"}]);
        check(Anthropic, anthropic(text.clone(), "end_turn"), "42", Finish::Complete, (Some(7), Some(3)));
        check(Anthropic, anthropic(text.clone(), "refusal"), "42", Finish::Refused, (Some(7), Some(3)));
        check(Anthropic, anthropic(text, "max_tokens"), "42", Finish::CutOff, (Some(7), Some(3)));
        let tool = json!([{"type": "tool_use", "id": "t", "name": "answer", "input": {"a": 1}}]);
        check(Anthropic, anthropic(tool, "tool_use"), "{\"a\":1}", Finish::Complete, (Some(7), Some(3)));
        let gemini = |parts: Value, reason: &str| {
            json!({
                "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason}],
                "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "thoughtsTokenCount": 5}
            })
        };
        let parts = json!([{"text": "hm", "thought": true}, {"text": "4"}]);
        check(Gemini, gemini(parts.clone(), "STOP"), "4", Finish::Complete, (Some(4), Some(7)));
        check(Gemini, gemini(parts.clone(), "MAX_TOKENS"), "4", Finish::CutOff, (Some(4), Some(7)));
        check(Gemini, gemini(parts, "SAFETY"), "4", Finish::Refused, (Some(4), Some(7)));
        let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}});
        check(Gemini, blocked, "", Finish::Refused, (Some(4), Some(0)));
        let ollama = json!({
            "message": {"role": "assistant", "content": "4"}, "done": true, "done_reason": "stop", "eval_count": 2
        });
        check(Ollama, ollama, "4", Finish::Complete, (None, Some(2)));
    }

    #[test]
    fn what_is_no_answer_is_told_without_a_word_of_it() {
        for provider in ProviderKind::ALL {
            for body in
                ["", "secret", "[]", "{\"secret\": 1", "{}", "{\"choices\": [], \"message\": 3, \"content\": \"\"}"]
            {
                let told = decode(provider, body.as_bytes()).map_err(|NoAnswer(told)| told);
                assert!(told.as_ref().is_err_and(|told| !told.contains("secret")), "{provider:?} {body}: {told:?}");
            }
        }
    }
}

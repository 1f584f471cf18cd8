//! What a model is asked, and what it answers.

use palisade_model::llm::ModelSpec;
use palisade_model::{Digest, canonical};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose words a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// What is asked.
    User,
    /// What the model said before.
    Assistant,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose words these are.
    pub role: Role,
    /// The words.
    pub content: String,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The alias of the model; none = the operator's default.
    pub model: Option<String>,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// A JSON Schema that the answer is to fit; none = any text.
    pub schema: Option<Value>,
    /// The most tokens of an answer.
    pub max_output_tokens: u32,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Complete,
    /// It reached the most tokens that it may write.
    CutOff,
    /// It, or its provider, would not answer.
    Refused,
}

/// One answer of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What it says.
    pub content: String,
    /// Why it ends.
    pub finish: Finish,
    /// Tokens that the provider says it read; none = it says nothing that can be believed.
    pub input_tokens: Option<u64>,
    /// Tokens that it says it wrote.
    pub output_tokens: Option<u64>,
}

/// All that an answer depends on, as it is recorded. The names of the fields are told where two of them differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The version of this form.
    pub(crate) v: u32,
    pub(crate) model: String,
    pub(crate) provider: String,
    pub(crate) provider_model: String,
    pub(crate) base_url: String,
    pub(crate) structured: Option<String>,
    pub(crate) schema: Option<Value>,
    pub(crate) max_output_tokens: u32,
    pub(crate) messages: Vec<Message>,
}

impl Asked {
    /// What a request comes to for a model.
    pub(crate) fn new(model: &ModelSpec, request: &Request) -> Self {
        Self {
            v: 1,
            model: model.alias.clone(),
            provider: model.provider.word().to_owned(),
            provider_model: model.model.clone(),
            base_url: model.base_url.clone(),
            structured: request.schema.is_some().then(|| model.structured.word().to_owned()),
            schema: request.schema.clone(),
            max_output_tokens: request.max_output_tokens,
            messages: request.messages.clone(),
        }
    }

    /// Its canonical form, and the digest of that.
    pub(crate) fn canonical(&self) -> (Vec<u8>, Digest) {
        let bytes = canonical::to_vec(self);
        let digest = Digest::of(&bytes);
        (bytes, digest)
    }
}

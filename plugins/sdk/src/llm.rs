//! Owns asking language models: what is said, in which form the answer is wanted, what comes back.
//!
//! Needs the power `llm` ([`Request::llm`](crate::Request::llm)), granted for the model. Every answer is kept: an attempt
//! that is taken up again gets those that were given. What a model says is foreign text, like what it was shown.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Failure, HostError, HostErrorKind, Result, host::Host};

/// Most tokens of an answer if nobody says how many.
const MAX_OUTPUT_TOKENS: u32 = 1_024;

/// Whose words a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// What is asked.
    User,
    /// What the model said before.
    Assistant,
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose words these are.
    pub role: Role,
    /// The words.
    pub content: String,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The alias of the model; none = the operator's default model.
    pub model: Option<String>,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// JSON Schema text that the answer is to fit.
    pub output_schema: Option<String>,
    /// Most tokens of the answer.
    pub max_output_tokens: u32,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// The model was done.
    #[default]
    Complete,
    /// It reached the most tokens that it may write.
    CutOff,
    /// It, or its provider, would not answer.
    Refused,
}

/// What a call took. Nothing where the answer was recorded before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Requests: further attempts and corrections count.
    pub calls: u64,
    /// Tokens, read and written.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost: u64,
}

/// What a model says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The text; with a schema, JSON that fits it.
    pub content: String,
    /// Why it ends.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// A question that is put together; made by [`ask`].
#[derive(Debug)]
pub struct Asking<'c> {
    ctx: &'c Context,
    question: Question,
    problem: Option<Failure>,
}

/// Begins a question to the operator's default model. [`Asking::send`] asks it.
pub fn ask(ctx: &Context) -> Asking<'_> {
    let question =
        Question { model: None, messages: Vec::new(), output_schema: None, max_output_tokens: MAX_OUTPUT_TOKENS };
    Asking { ctx, question, problem: None }
}

impl Asking<'_> {
    /// Asks the model of that alias.
    #[must_use]
    pub fn model(mut self, alias: impl Into<String>) -> Self {
        self.question.model = Some(alias.into());
        self
    }

    /// Adds instructions.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Role::System, text)
    }

    /// Adds what is asked.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Role::User, text)
    }

    /// Adds what the model said before.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message(Role::Assistant, text)
    }

    /// Sets the most tokens of the answer: all of them are reserved in every budget. 1,024 if nobody says.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.question.max_output_tokens = tokens;
        self
    }

    /// Wants an answer that fits this JSON Schema.
    #[must_use]
    pub fn schema<T: Serialize + ?Sized>(mut self, schema: &T) -> Self {
        match serde_json::to_string(schema) {
            Ok(text) => self.question.output_schema = Some(text),
            Err(error) => {
                self.problem.get_or_insert(Failure::failed(format!("the schema of the answer: {error}")));
            }
        }
        self
    }

    /// Asks.
    ///
    /// Fails with `denied` without the power, `invalid` for what can't be asked, `unavailable` if there is no answer or none
    /// that fits, `limit-exceeded` if a limit or a budget is used up, which is final.
    pub fn send(self) -> Result<Answer, AskError> {
        match self.problem {
            Some(problem) => Err(AskError::Own(problem)),
            None => self.ctx.host.ask_model(&self.question).map_err(AskError::Host),
        }
    }

    /// Asks, and reads the answer as JSON. Say by [`Asking::schema`] what it is to look like.
    ///
    /// Fails as [`Asking::send`], and for an answer that is no such JSON.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, AskError> {
        let answer = self.send()?;
        serde_json::from_str(&answer.content).map_err(|error| {
            AskError::Host(HostError::new(
                HostErrorKind::Unavailable,
                format!("the answer is not of that form: {error}"),
            ))
        })
    }

    fn message(mut self, role: Role, content: impl Into<String>) -> Self {
        self.question.messages.push(Message { role, content: content.into() });
        self
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// What was to be asked can't be written as JSON.
    Own(Failure),
    /// The host said no, or the model gave no answer.
    Host(HostError),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Own(failure) => failure,
            AskError::Host(error) => error.into(),
        }
    }
}

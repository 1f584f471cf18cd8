//! Owns calling other components: what there is, a call with what it is given, what came of it.
//!
//! Needs the power `call` ([`Request::call`](crate::Request::call)). Every answer is kept: an attempt that is taken up again
//! gets those that were given, so what an agent does must follow from its inputs, its config and the answers.

use serde::Serialize;

use crate::{
    Context, Failure, HostError, Result,
    host::{self, Host},
    json,
    reader::Reader,
};

/// A component that may be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tool {
    /// `namespace:name`.
    pub id: String,
    /// A short name for people.
    pub title: String,
    /// What it does, in a few sentences.
    pub description: String,
    /// JSON Schema text of its config.
    pub config_schema: String,
    /// What it takes.
    pub inputs: Vec<ToolPort>,
    /// What it makes.
    pub outputs: Vec<ToolPort>,
}

/// A port of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolPort {
    /// Its name.
    pub name: String,
    /// `name/requirement` for what goes in, `name/major.minor.patch` for what comes out.
    pub schemas: Vec<String>,
    /// What it is for.
    pub description: String,
}

/// A call that is put together; made by [`call`] or [`hand_over`].
#[derive(Debug)]
pub struct Call<'c> {
    ctx: &'c Context,
    pub(crate) id: String,
    pub(crate) config: String,
    pub(crate) arguments: Vec<Argument<'c>>,
    /// Whoever is called takes the task over.
    pub(crate) hands_over: bool,
    problem: Option<Failure>,
}

/// What a port gets.
#[derive(Debug)]
pub(crate) struct Argument<'c> {
    pub(crate) port: String,
    pub(crate) items: Items<'c>,
}

#[derive(Debug)]
pub(crate) enum Items<'c> {
    Lines(Vec<u8>),
    Artifact(&'c host::Reader),
}

/// Gives the tools that the step may call, as the runbook lists them.
pub fn available(ctx: &Context) -> Vec<Tool> {
    ctx.host.tools()
}

/// Begins a call of a tool, with an empty config and nothing given. [`Call::run`] makes it.
pub fn call(ctx: &Context, id: impl Into<String>) -> Call<'_> {
    Call { ctx, id: id.into(), config: "{}".to_owned(), arguments: Vec::new(), hands_over: false, problem: None }
}

/// As [`call`], of a member of the team that takes the task over: the caller means to answer with what it makes. People are
/// told of it as a hand-over. A tool takes nothing over, which is `invalid`.
pub fn hand_over(ctx: &Context, id: impl Into<String>) -> Call<'_> {
    Call { hands_over: true, ..call(ctx, id) }
}

impl<'c> Call<'c> {
    /// Sets the config. What it leaves out is what the runbook states, else has its default.
    #[must_use]
    pub fn config<T: Serialize + ?Sized>(mut self, config: &T) -> Self {
        match serde_json::to_string(config) {
            Ok(text) => self.config = text,
            Err(error) => self.wrong(Failure::failed(format!("config of the tool `{}`: {error}", self.id))),
        }
        self
    }

    /// Gives items to a port.
    #[must_use]
    pub fn items<T: Serialize>(mut self, port: impl Into<String>, items: impl IntoIterator<Item = T>) -> Self {
        let port = port.into();
        let mut lines = Vec::new();
        for item in items {
            if let Err(error) = json::write(&mut lines, &item) {
                self.wrong(Failure::failed(format!("item for the port `{port}` of `{}`: {error}", self.id)));
                break;
            }
            lines.push(b'\n');
        }
        self.arguments.push(Argument { port, items: Items::Lines(lines) });
        self
    }

    /// Gives all items of an artifact to a port, however far it was read. Nothing crosses.
    #[must_use]
    pub fn artifact(mut self, port: impl Into<String>, reader: &'c Reader) -> Self {
        self.arguments.push(Argument { port: port.into(), items: Items::Artifact(reader.inner()) });
        self
    }

    /// Runs the tool to its end; gives what it made, [`Reader::port`] its output port.
    ///
    /// Fails with `invalid` for what can't be called so, `unavailable` if the tool failed, `limit-exceeded` if the caller's
    /// own limits are used up, which is final.
    pub fn run(self) -> Result<Vec<Reader>, CallError> {
        if let Some(problem) = self.problem {
            return Err(CallError::Own(problem));
        }
        let made = self.ctx.host.call_tool(&self).map_err(CallError::Host)?;
        Ok(made.into_iter().map(|(port, inner)| Reader::new(port, inner)).collect())
    }

    fn wrong(&mut self, problem: Failure) {
        self.problem.get_or_insert(problem);
    }
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// What was to be given can't be written as JSON.
    Own(Failure),
    /// The host said no, or the tool failed.
    Host(HostError),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Own(failure) => failure,
            CallError::Host(error) => error.into(),
        }
    }
}

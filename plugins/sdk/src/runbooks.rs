//! Owns submitting runbooks: one with what it gets, and what came of it.
//!
//! Needs the power `call` ([`Request::call`](crate::Request::call)) and a step that lists `runbooks`. A runbook that can run
//! ends the attempt; another one begins anew when it has run, and gets here with the answer: so what an agent does before
//! must follow from its inputs, its config and the answers that it got, and what it emitted before is emitted again.

use serde::Serialize;

use crate::{
    Context, Failure, Result,
    host::{self, Host},
    reader::Reader,
    tools::CallError,
};

/// A runbook that is put together with what it gets; made by [`submit`].
#[derive(Debug)]
pub struct Submission<'c> {
    ctx: &'c Context,
    definition: String,
    inputs: Vec<(String, &'c host::Reader)>,
    problem: Option<Failure>,
}

/// What came of a runbook.
#[derive(Debug)]
pub enum Outcome {
    /// It ran to its end. What it made, [`Reader::port`] its name.
    Done(Vec<Reader>),
    /// It can't run so. Another one may.
    Refused(Vec<Wrong>),
    /// A person said no, in these words, or nobody answered in time.
    Rejected(String),
    /// It ran and failed; why.
    Failed(String),
}

/// Something that is wrong with a runbook, or that it may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// `PAL` and four digits.
    pub code: String,
    /// The line of the runbook, as the host writes it for people.
    pub line: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What a host makes of a submission.
#[derive(Debug)]
pub(crate) enum Submitted {
    Done(Vec<(String, host::Reader)>),
    Refused(Vec<Wrong>),
    Rejected(String),
    Failed(String),
}

/// Gives how many runbooks the attempt may submit; 0 = its step lists no `runbooks`.
pub fn most(ctx: &Context) -> u32 {
    ctx.host.most_runbooks()
}

/// Begins a submission of a `runbook_definition` that gets nothing. [`Submission::run`] makes it.
pub fn submit<'c, T: Serialize + ?Sized>(ctx: &'c Context, definition: &T) -> Submission<'c> {
    let (definition, problem) = match serde_json::to_string(definition) {
        Ok(definition) => (definition, None),
        Err(error) => (String::new(), Some(Failure::failed(format!("the runbook: {error}")))),
    };
    Submission { ctx, definition, inputs: Vec::new(), problem }
}

impl<'c> Submission<'c> {
    /// Gives all items of an artifact to an input of the runbook, however far it was read. Nothing crosses.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, reader: &'c Reader) -> Self {
        self.inputs.push((name.into(), reader.inner()));
        self
    }

    /// Has the runbook run, once the host has planned it and a person has approved it where one must.
    ///
    /// Fails with `denied` where the step lists no `runbooks`, `invalid` for what is no runbook at all, `limit-exceeded` for
    /// one more than [`most`], which is final.
    pub fn run(self) -> Result<Outcome, CallError> {
        if let Some(problem) = self.problem {
            return Err(CallError::Own(problem));
        }
        Ok(match self.ctx.host.submit(&self.definition, &self.inputs).map_err(CallError::Host)? {
            Submitted::Done(made) => {
                Outcome::Done(made.into_iter().map(|(name, inner)| Reader::new(name, inner)).collect())
            }
            Submitted::Refused(wrong) => Outcome::Refused(wrong),
            Submitted::Rejected(words) => Outcome::Rejected(words),
            Submitted::Failed(words) => Outcome::Failed(words),
        })
    }
}

//! The embedded driver: performs what the interpreter commands and appends what comes of it. It decides nothing.

mod attempt;
mod cancel;
mod catalogue;
mod document;
mod engine;
mod observe;
mod part;
mod permits;
mod record;
mod run;
mod split;
mod sql;

pub use attempt::{Attempt, AttemptInput, Ended, Made};
pub use cancel::Cancel;
pub use catalogue::{Catalogue, Entry, FirstParty};
pub use document::{Document, DocumentError};
pub use engine::{Engine, EngineParts};
pub use observe::{Observed, Observer, Silent};
pub use record::{Export, Ran};
pub use run::{RunError, RunRequest};

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

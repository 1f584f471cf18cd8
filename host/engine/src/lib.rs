//! The embedded driver: performs what the interpreter commands and appends what comes of it. It decides nothing.

mod attempt;
mod cancel;
mod catalogue;
mod document;
mod engine;
mod inspect;
mod observe;
mod part;
mod permits;
mod record;
mod run;
mod split;
mod sql;

pub use attempt::{Attempt, AttemptInput, Ended, Made};
pub use cancel::Cancel;
pub use catalogue::{Catalogue, Entry, FirstParty, MAX_SYMBOL_BYTES};
pub use document::{Document, DocumentError};
pub use engine::{Engine, EngineParts};
pub use inspect::{Broken, broken_runs};
pub use observe::{Observed, Observer, Silent};
pub use record::{Export, Ran};
pub use run::{RunError, RunRequest};

//! The embedded driver: performs what the interpreter commands and appends what comes of it. It decides nothing.

mod attempt;
mod cancel;
mod catalogue;
mod document;
mod engine;
mod feed;
mod history;
mod inspect;
mod keep;
mod lookup;
mod map;
mod observe;
mod part;
mod perform;
mod permits;
mod record;
mod replay;
mod run;
mod split;
mod sql;
mod tree;

pub use attempt::{Attempt, AttemptInput, Each, Ended, Made};
pub use cancel::Cancel;
pub use catalogue::{Catalogue, Entry, FirstParty, MAX_SYMBOL_BYTES};
pub use document::{Document, DocumentError};
pub use engine::{Engine, EngineParts, NotTaken};
pub use history::{Events, History, HistoryError, Recorded, Standing};
pub use inspect::{Broken, broken_runs};
pub use observe::{Observed, Observer, Silent};
pub use palisade_interpreter::{
    CancelReason, ConditionOutcome, Event, RunState, SkipCause, State, StepState, ValuesOutcome,
};
pub use record::{Export, Ran, rfc3339};
pub use replay::{Attempts, Difference, Edited, Place, ReplayError, Replayed};
pub use run::{GivenInput, RunError, RunRequest, Work, shown_folder};
pub use tree::{AttemptNode, StepNode, state_name, tree};

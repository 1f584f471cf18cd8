//! Runs for people: in a list, as a tree, event by event, after an event, beside another run, and how good their
//! estimates were. Names and texts of runbooks and components are foreign, and neutralised wherever they are shown.

mod allowed;
mod comparison;
pub(crate) mod diff;
mod erased;
mod events;
mod finding;
pub(crate) mod gc;
mod head;
mod list;
mod state;
mod tree;
mod why;

pub(crate) use allowed::allowed;
pub(crate) use comparison::comparison;
pub(crate) use erased::{ErasedRun, erased, erased_json, human as erased_run};
pub(crate) use events::EventLines;
pub(crate) use finding::{ListedFinding, found_at};
pub(crate) use head::RunHead;
pub(crate) use list::{ListedRun, list};
pub(crate) use state::{state, state_json};
pub(crate) use tree::tree;
pub(crate) use why::why;

use palisade_engine::SkipCause;
use palisade_model::neutral;

/// Most characters of a foreign text.
const MAX_TEXT: usize = 300;

pub(super) fn foreign(text: &str) -> String {
    neutral::line(text, MAX_TEXT)
}

pub(crate) fn painted(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A state of a run or step with a sign before it, as a summary has it.
pub(super) fn signed(colour: bool, state: &str) -> String {
    let (sign, code) = match state {
        "succeeded" => ("✓", "32"),
        "failed" => ("✗", "1;31"),
        "skipped" => ("–", "2"),
        "cancelled" | "interrupted" | "abandoned" => ("■", "33"),
        _ => ("…", "33"),
    };
    painted(colour, code, &format!("{sign} {}", neutral::line(state, 40)))
}

fn skip_cause(because: &SkipCause) -> String {
    match because {
        SkipCause::Failed { step } => format!("since `{step}` failed"),
        SkipCause::Condition { step } => format!("since the condition of `{step}` does not hold"),
        SkipCause::Cancelled => "since the run was cancelled".to_owned(),
    }
}

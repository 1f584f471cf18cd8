//! From the steps of a plan and the events so far to the commands that come next, without IO, clock or randomness.
//!
//! All state of a run is a fold of [`State::apply`] over its events; [`decide`] says what is to be done in a
//! state, and [`Machine`] the same as events come, without looking at everything each time. A driver performs commands and appends events; a replay feeds recorded events and performs nothing. Both run this code.

mod account;
mod command;
mod compensation;
mod decide;
mod event;
mod graph;
mod machine;
mod mapping;
mod retry;
mod state;

pub use account::Account;
pub use command::{Command, Question, Turn};
pub use compensation::Compensation;
pub use decide::decide;
pub use event::{
    ApprovalOutcome, AttemptFailed, AttemptStarted, AttemptSucceeded, AttemptSuspended, CancelReason, ChildApproval,
    ChildEnded, ChildPlanned, ChildStarted, ConditionOutcome, Event, EventError, ExpansionOutcome, FilesOutcome,
    FilesPut, Fork, HostCallRecorded, ItemsDone, MapEnded, MapExpanded, MapOutcome, Output, Parent, PlanningOutcome,
    ResolvedValue, Reuse, RunForked, RunInput, RunStarted, SkipCause, SpendingReserved, ValuesOutcome, WrittenFile,
    answers_for, answers_for_items, show_place,
};
pub use graph::{Approval, Graph, GraphError, Node};
pub use machine::{Advance, Machine};
pub use mapping::Mapping;
pub use retry::Retry;
pub use state::{Planned, RunState, State, StepState};

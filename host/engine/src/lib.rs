//! The embedded driver: performs what the interpreter commands and appends what comes of it. It decides nothing.

mod approving;
mod attempt;
mod audited;
mod calls;
mod cancel;
mod catalogue;
mod diff;
mod document;
mod done;
mod driver;
mod engine;
mod feed;
mod filled;
mod fork;
mod gate;
mod handover;
mod history;
mod inspect;
mod joined;
mod keep;
mod lineage;
mod lookup;
mod map;
mod memo;
mod models;
mod named;
mod network;
mod observe;
mod part;
mod perform;
mod permits;
mod planning;
mod put;
mod record;
mod replay;
mod requests;
mod retention;
mod run;
mod spending;
mod split;
mod sql;
mod submitting;
mod subtree;
mod threads;
mod tools;
mod tree;
mod uses;
mod why;
mod written;

pub use approving::{ApprovalRequest, Approving, NotCounted};
pub use attempt::{Attempt, AttemptInput, Each, Ended, Made};
pub use cancel::Cancel;
pub use catalogue::{Catalogue, ChangedBytes, Entry, FirstParty, MAX_SYMBOL_BYTES};
pub use diff::{FindingCounts, Findings, OnlyIn, diff_findings};
pub use document::{Document, DocumentError, MAX_METADATA_BYTES, default_artifact};
pub use driver::now_ms;
pub use engine::{Engine, EngineParts, NotTaken};
pub use filled::read_plan;
pub use fork::{ForkPoint, ForkPointError, Forking, Otherwise, Past, Side, asks_a_person};
pub use gate::{AtItem, Gate, Stand};
pub use history::{Events, History, HistoryError, Recorded, Standing};
pub use inspect::{Broken, broken_runs};
pub use lineage::{
    Allowed, Answer, Called, Followed, Gap, Lineage, LineageArtifact, LineageStep, Origin, Part, Read, Reader,
    Relative, Start, StepChild, attempt_id,
};
pub use network::SystemNetwork;
pub use observe::{Observed, Observer, Silent};
pub use palisade_interpreter::{
    ApprovalOutcome, CancelReason, ChildApproval, ChildEnded, ChildPlanned, Compensation, ConditionOutcome, Event,
    ExpansionOutcome, FilesOutcome, Fork, MapOutcome, Mapping, Output, Parent, PlanningOutcome, Reuse, RunInput,
    RunState, SkipCause, State, StepState, ValuesOutcome,
};
pub use planning::{PlannedArtifact, Planning, Refusal, WantedPlan};
pub use record::{Export, Ran, rfc3339};
pub use replay::{Attempts, Difference, Edited, Place, ReplayError, Replayed, Within};
pub use requests::{DecideError, Decision, Request};
pub use retention::{Family, RemovalError, Retention, Who, collect, erase};
pub use run::{GivenInput, RUNNING, RunError, RunRequest, Work, shown_folder};
pub use spending::Unbounded;
pub use tree::{AttemptNode, ChildNode, StepNode, state_name, whole_tree};
pub use uses::{UseCount, Uses};
pub use why::{Why, why};
pub use written::NewFile;

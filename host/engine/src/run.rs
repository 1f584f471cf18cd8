//! What it is to run a plan: what is wanted, what can go wrong, and the two ways in.

use crate::approving::NotCounted;
use crate::cancel::Cancel;
use crate::catalogue::ChangedBytes;
use crate::driver::Driver;
use crate::engine::Engine;
use crate::fork::Forking;
use crate::gate::Gate;
use crate::history::{History, HistoryError};
use crate::observe::Observer;
use crate::planning::Planning;
use crate::record::Ran;
use palisade_interpreter::GraphError;
use palisade_model::llm::LlmMode;
use palisade_model::record::Status;
use palisade_model::{ArtifactName, RunId, StepId};
use palisade_runbook::{Estimate, Plan, Ruleset};
use palisade_schema::{DocumentReadError, Registry};
use palisade_store::{AppendError, Fault, NewArtifact, OwnError, SpoolError};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The status of a run that has not ended, in lists.
pub const RUNNING: &str = "running";
/// Under which name a run keeps its estimate.
pub(crate) const ESTIMATE: &str = "estimate";

/// What is done, and where.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The schemas that the plan was made with.
    pub schemas: &'a Registry,
    /// The working folder.
    pub folder: &'a Path,
    /// What pure attempts made before is used again.
    pub reuse: bool,
    /// What the run will probably take; kept with it, so that its error can be told afterwards. None for runs from before
    /// there were estimates.
    pub estimate: Option<&'a Estimate>,
    /// Who plans runbooks that are artifacts; none = they are refused.
    pub planning: Option<&'a dyn Planning>,
    /// Who may hold the run, and all below it, at each step.
    pub gate: Option<&'a dyn Gate>,
    /// What it may do about language models.
    pub llm: LlmMode,
}

/// What is to be run.
#[derive(Debug)]
pub struct RunRequest<'a> {
    /// What is done, and where.
    pub work: Work<'a>,
    /// The runbook's bytes.
    pub runbook: &'a [u8],
    /// Who starts it: the text of their key, or the name of the system's user.
    pub by: Option<String>,
    /// Who says yes beforehand to whatever its steps make and allow; none = nobody does.
    pub approved_by: Option<String>,
    /// The rulesets of the plan, by their names in it.
    pub rulesets: &'a BTreeMap<String, Arc<Ruleset>>,
    /// What the caller names it, so that a second call finds it; no other run may have that name.
    pub key: Option<String>,
    /// The bytes of the runbooks of its children.
    pub child_runbooks: Vec<&'a [u8]>,
    /// What was granted for this run alone, as it was given.
    pub allowed: Vec<String>,
    /// What it takes over of another run; none = it begins at the beginning.
    pub fork: Option<&'a Forking<'a>>,
}

/// An input of a run, read and checked.
#[derive(Debug)]
pub struct GivenInput {
    /// Its name in the plan.
    pub name: ArtifactName,
    /// What was given.
    pub artifact: NewArtifact,
    /// Nobody gave it: it is the default that the runbook states.
    pub is_default: bool,
}

/// Why a run could not be driven to its end. What was acknowledged is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The working folder can't be opened.
    #[error("the working folder can't be opened")]
    Folder(#[source] std::io::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] std::io::Error),
    /// The plan holds together for the planner but not for the interpreter: a bug.
    #[error("the plan is no graph that can run")]
    Graph(#[from] GraphError),
    /// Something that the plan names is not there.
    #[error("{what} of the plan is not there")]
    Missing {
        /// What.
        what: String,
    },
    /// A component is not what was added.
    #[error(transparent)]
    ChangedBytes(#[from] ChangedBytes),
    /// A document that a runbook states for an input is none.
    #[error("what the runbook states for an input that is not given can't be taken")]
    Default(#[from] DocumentReadError),
    /// The run belongs to another process.
    #[error("the run can't be owned")]
    Own(#[from] OwnError),
    /// The run that is to be resumed has ended.
    #[error("the run has ended: it is {status}")]
    Over {
        /// How.
        status: Status,
    },
    /// The run that is to be resumed hangs on another, with which it goes on.
    #[error("the run is a child of run {root}")]
    Child {
        /// The run that a person started.
        root: RunId,
    },
    /// The journal holds an answer that does not count: nobody goes on from it.
    #[error("the journal of run {run} holds an approval that does not count")]
    NotApproved {
        /// The run.
        run: RunId,
        /// Why it does not.
        #[source]
        why: NotCounted,
    },
    /// What the journal says of the run that is to be resumed can't be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The journal takes no more.
    #[error("the journal can't be written")]
    Append(#[from] AppendError),
    /// The thread that writes the journal ended without an answer: a bug.
    #[error("the thread that writes the journal ended")]
    WriterGone,
    /// The store can't be used.
    #[error("the store can't be used")]
    Store(#[from] Fault),
    /// The store takes no more bytes.
    #[error("the store can't be written")]
    Spool(#[from] SpoolError),
    /// The host could not do its part of an attempt: the disk is full, or something of the store is gone.
    #[error("step {step} can't go on: {message}")]
    Host {
        /// The step.
        step: StepId,
        /// What is in the way.
        message: String,
    },
}

impl Engine {
    /// Runs a plan to its end. `inputs` has all inputs of the plan that something needs, but for those that a fork takes
    /// over.
    ///
    /// # Errors
    /// When the run can't be driven to its end; a run that ends with failed steps is no error.
    pub fn run(
        &self,
        request: &RunRequest<'_>,
        inputs: Vec<GivenInput>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Ran, RunError> {
        Driver::start(self, request, inputs, observer)?.into_record(cancel)
    }

    /// Goes on with a run that was interrupted or whose process is gone, from its history, which is brought up to date. What
    /// was acknowledged does not run again.
    ///
    /// # Errors
    /// When the run has ended otherwise, somebody works on it, or it can't be driven to its end.
    pub fn resume(
        &self,
        history: &mut History,
        work: Work<'_>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Ran, RunError> {
        Driver::resume(self, history, work, observer)?.into_record(cancel)
    }
}

/// How a run names the folder in which it works, for people and to tell one from another.
#[must_use]
pub fn shown_folder(folder: &Path) -> String {
    folder.display().to_string()
}

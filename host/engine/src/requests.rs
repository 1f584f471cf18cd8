//! What people, and other processes for them, ask of a run; and how a run is answered that nobody works on.

use crate::approving::{ApprovalRequest, Approving, NotCounted};
use crate::audited::Audited;
use crate::driver::approval;
use crate::history::{History, HistoryError};
use palisade_audit::Entry;
use palisade_interpreter::{ApprovalOutcome, Event, State, StepState};
use palisade_model::{Digest, Failure, FailureKind, RunId, StepId, neutral};
use palisade_store::{Append, AppendError, Fault, NewEntry, NewEvent, OwnError, Store};
use serde::{Deserialize, Serialize};

/// Something that is asked of whoever works on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The run is to end before its time.
    Cancel,
    /// A person answered what a step waits for.
    Decide(Decision),
    /// A child that waited for a person got its answer, and is to go on.
    GoOn {
        /// The child.
        child: RunId,
    },
}

/// The answer of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The step that waits.
    pub step: StepId,
    /// The answer is yes.
    pub approved: bool,
    /// Who answers.
    pub by: String,
    /// What it is about, as they were asked; none = it is an answer of before that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Digest>,
    /// What they say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A signed note, where they signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The step does not wait for a person, any more or yet.
    #[error("step `{step}` of run {run} does not wait for a person")]
    NotAwaited {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// Its time was over; that it was is written down.
    #[error("the time in which step `{step}` of run {run} waited for a person was over")]
    Expired {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// It does not count.
    #[error(transparent)]
    NotCounted(#[from] NotCounted),
    /// Somebody works on the run: ask them.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// The run can't be told.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The journal takes no more.
    #[error("the journal can't be written")]
    Append(#[from] AppendError),
}

impl Request {
    /// Leaves it for whoever works on the run. Gives its number; none if too much waits there already.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn leave(&self, store: &Store, run: RunId) -> Result<Option<i64>, Fault> {
        // Strings and truth values: there is always a JSON form.
        store.ask(run, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what was left; none for what is no request, or one of a newer Palisade.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl Decision {
    /// The event that it is, if the step waits for it by then.
    ///
    /// # Errors
    /// When it does not count.
    pub(crate) fn event(
        self,
        state: &State,
        question: &ApprovalRequest,
        approving: &Approving,
        now_ms: u64,
    ) -> Result<Option<Event>, NotCounted> {
        let Some(StepState::Awaiting { attempt: 0, until_ms, .. }) = state.step(&self.step) else { return Ok(None) };
        if until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            let submitted_by = state.waits_for(&self.step);
            return Ok(Some(approval::expired(self.step, submitted_by, now_ms)));
        }
        approving.judge(&self, question)?;
        let Self { step, approved, by, note, signature, about: _ } = self;
        let submitted_by = state.waits_for(&step);
        // Where no keys are listed nobody looked at it.
        let signature = signature.filter(|_| !approving.approvers.is_empty());
        let outcome = if approved {
            ApprovalOutcome::Approved
        } else {
            let why = note.as_deref().map_or_else(String::new, |note| format!(": {}", neutral::line(note, 400)));
            let message = format!("{} said no{why}", neutral::line(&by, 80));
            ApprovalOutcome::Rejected { failure: Failure::new(FailureKind::Rejected, message).into() }
        };
        let by = Some(by);
        Ok(Some(Event::ApprovalDecided { step, at_ms: now_ms, submitted_by, by, note, signature, outcome }))
    }

    /// Writes it down in a run that nobody works on.
    ///
    /// # Errors
    /// When somebody does, the step does not wait for it, it does not count, or the store fails.
    pub fn record(self, store: &Store, run: RunId, approving: &Approving, now_ms: u64) -> Result<(), DecideError> {
        let _lock = store.own(run)?;
        // Read once the run is owned: nobody adds to it now.
        let history = History::read(store, run)?;
        let events = history.events();
        let step = self.step.clone();
        let (state, question) = (history.state_after(events.len()), history.question(store, &step)?);
        let Some(event) = self.event(&state, &question, approving, now_ms)? else {
            return Err(DecideError::NotAwaited { run, step });
        };
        let bytes = event.to_bytes();
        let new = [NewEvent { kind: event.kind(), bytes: &bytes }];
        let audited = Audited { store, run, user: None }.of_event(&event).map_err(AppendError::from)?;
        let entry = |what| NewEntry { event: 0, entry: Entry::of_run(run, now_ms, what) };
        let entries = audited.into_iter().map(entry).collect();
        store.append(run, events.len() as u64, Append { events: &new, entries, ..Append::default() })?;
        match event {
            Event::ApprovalDecided { by: None, .. } => Err(DecideError::Expired { run, step }),
            _ => Ok(()),
        }
    }
}

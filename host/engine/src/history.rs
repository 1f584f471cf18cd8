//! A run as its journal tells it, while it goes on or afterwards. Reads, takes no lock, changes nothing.

use crate::approving::ApprovalRequest;
use crate::filled::{fill_in, made_children, read_plan, schemas_in};
use crate::fork::Past;
use crate::lookup::digests;
use crate::named::{INPUT, named};
use crate::record::{self, Ran};
use crate::run::{ESTIMATE, RUNNING};
use palisade_interpreter::{Event, EventError, RunForked, RunStarted, State};
use palisade_model::record::{RunRecord, Status, StepRecord};
use palisade_model::{Digest, RunId, StepId};
use palisade_runbook::{Comparison, Estimate, PerMeasure, Plan, PlanFormError, compare};
use palisade_schema::Registry;
use palisade_store::{Fault, Head, Journal, RunRow, Store, VerifyError};
use std::collections::{BTreeMap, VecDeque};

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has ended; how, as the list of runs has it.
    Ended(String),
    /// A process works on it.
    Running {
        /// Which process.
        process: u32,
    },
    /// It has not ended and nobody works on it: its process is gone.
    Abandoned,
}

/// An event, checked against the chain of hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its number, from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
    /// Its bytes, as they were written.
    pub bytes: Vec<u8>,
    /// What it says.
    pub event: Event,
}

/// The events of a run up to now.
#[derive(Debug)]
pub struct History {
    run: RunId,
    events: Vec<Event>,
    /// The last of them.
    head: Head,
}

/// Reads the events of a run one after the other.
#[derive(Debug)]
pub struct Events<'s> {
    run: RunId,
    journal: Journal<'s>,
    page: VecDeque<Recorded>,
}

/// Why a run can't be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Its journal is not what was written, or can't be read.
    #[error("the journal can't be believed")]
    Journal(#[from] VerifyError),
    /// The store can't be read.
    #[error("the store can't be read")]
    Store(#[from] Fault),
    /// An event is of a form that this Palisade does not know.
    #[error("event {seq} of run {run} can't be read")]
    Event {
        /// The run.
        run: RunId,
        /// The event's number.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: EventError,
    },
    /// Its first event does not say that it started.
    #[error("run {run} does not begin with its start")]
    NoStart {
        /// The run.
        run: RunId,
    },
    /// Something that it names is not in the store.
    #[error("the {what} of run {run} is not in the store")]
    Missing {
        /// The run.
        run: RunId,
        /// What.
        what: &'static str,
    },
    /// A schema of its plan is none.
    #[error("the schema `{name}` of run {run} can't be read")]
    Schema {
        /// The run.
        run: RunId,
        /// The schema.
        name: String,
    },
    /// Its plan has another form.
    #[error("the plan of run {run} can't be read")]
    Plan {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: PlanFormError,
    },
}

impl HistoryError {
    /// Says whether what is stored is not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Journal(VerifyError::Fault(fault)) | Self::Store(fault) => fault.is_damage(),
            Self::Journal(VerifyError::Unknown { .. }) => false,
            Self::Plan { .. } | Self::Event { .. } => !self.is_of_another_version(),
            Self::Journal(_) | Self::NoStart { .. } | Self::Missing { .. } | Self::Schema { .. } => true,
        }
    }

    /// Says whether another version of Palisade wrote something that this one does not know.
    #[must_use]
    pub fn is_of_another_version(&self) -> bool {
        matches!(
            self,
            Self::Plan { source: PlanFormError::Version { .. }, .. }
                | Self::Event { source: EventError::Newer { .. }, .. }
        )
    }
}

impl Standing {
    /// How a run stands, from its row in the list; with the row as it is by then.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn of(store: &Store, row: RunRow) -> Result<(RunRow, Self), Fault> {
        if row.summary.status != RUNNING {
            let ended = Self::Ended(row.summary.status.clone());
            return Ok((row, ended));
        }
        if let Some(process) = store.owner(row.run)? {
            return Ok((row, Self::Running { process }));
        }
        // It may have ended since the row was read, and then nobody owns it for a good reason.
        let row = store.run(row.run)?.unwrap_or(row);
        let standing =
            if row.summary.status == RUNNING { Self::Abandoned } else { Self::Ended(row.summary.status.clone()) };
        Ok((row, standing))
    }

    /// It in one word.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Ended(status) => status,
            Self::Running { .. } => RUNNING,
            Self::Abandoned => "abandoned",
        }
    }
}

/// When that data was erased, in milliseconds since 1970; none = it was not, or came again.
///
/// # Errors
/// When the store can't be read.
pub(crate) fn erased_at(store: &Store, digest: Digest) -> Result<Option<u64>, Fault> {
    match store.erased(digest)? {
        Some(at_ms) if store.artifact(digest)?.is_none() => Ok(Some(at_ms)),
        _ => Ok(None),
    }
}

fn event_of(run: RunId, seq: u64, bytes: &[u8]) -> Result<Event, HistoryError> {
    Event::from_bytes(bytes).map_err(|source| HistoryError::Event { run, seq, source })
}

impl<'s> Events<'s> {
    /// From the first event on.
    #[must_use]
    pub fn of(store: &'s Store, run: RunId) -> Self {
        Self { run, journal: store.journal(run), page: VecDeque::new() }
    }

    /// The next event; none once all were given that are there by now. Asked again later, it gives what came since.
    ///
    /// # Errors
    /// When an event is not what was written, or can't be read.
    pub fn read_next(&mut self) -> Result<Option<Recorded>, HistoryError> {
        if self.page.is_empty() {
            for stored in self.journal.next_page()? {
                let event = event_of(self.run, stored.seq, &stored.bytes)?;
                self.page.push_back(Recorded { seq: stored.seq, hash: stored.hash, bytes: stored.bytes, event });
            }
        }
        Ok(self.page.pop_front())
    }
}

impl History {
    /// Reads all events that a run has by now.
    ///
    /// # Errors
    /// When one is not what was written, or can't be read.
    pub fn read(store: &Store, run: RunId) -> Result<Self, HistoryError> {
        let mut history = Self { run, events: Vec::new(), head: Head::start(run) };
        history.read_on(store)?;
        Ok(history)
    }

    /// Reads what the run has by now and did not have before.
    ///
    /// # Errors
    /// When an event is not what was written, or can't be read. Nothing is added then.
    pub fn read_on(&mut self, store: &Store) -> Result<(), HistoryError> {
        let run = self.run;
        let read = |seq, bytes: &[u8]| event_of(run, seq, bytes);
        self.head = store.read_events(run, self.head, &mut self.events, read)?;
        Ok(())
    }

    /// Which run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The events, the first of which has the number 1.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The state after that many events.
    #[must_use]
    pub fn state_after(&self, count: usize) -> State {
        State::after(self.events.iter().take(count))
    }

    /// The child runs that it started, as often as it did.
    pub fn children(&self) -> impl Iterator<Item = RunId> {
        self.events.iter().filter_map(|event| match event {
            Event::ChildStarted(started) => Some(started.child),
            _ => None,
        })
    }

    /// When the data that the run read and made was erased, in milliseconds since 1970, by digest; what was not, or came
    /// again, is not among it.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn erased(&self, store: &Store) -> Result<BTreeMap<Digest, u64>, HistoryError> {
        let mut erased = BTreeMap::new();
        for thing in self.events.iter().flat_map(named).filter(|thing| thing.is_data) {
            if let Some(at_ms) = erased_at(store, thing.digest)? {
                erased.insert(thing.digest, at_ms);
            }
        }
        Ok(erased)
    }

    /// What its first event says.
    ///
    /// # Errors
    /// When it says something else.
    pub fn start(&self) -> Result<&RunStarted, HistoryError> {
        match self.events.first() {
            Some(Event::RunStarted(started)) => Ok(started),
            _ => Err(HistoryError::NoStart { run: self.run }),
        }
    }

    /// By what it went on behind that many events: of one that was forked, what stands before that is the other run's.
    ///
    /// # Errors
    /// When its first event does not say that it started.
    pub fn past(&self, count: usize) -> Result<Past, HistoryError> {
        let later = self.events.iter().skip(count).find_map(|event| match event {
            Event::RunForked(forked) => Some(forked.as_ref()),
            _ => None,
        });
        if let Some(RunForked { plan, contents, palisade_version, .. }) = later {
            let (contents, palisade_version) = (contents.clone(), palisade_version.clone());
            return Ok(Past { plan: *plan, contents, palisade_version });
        }
        let started = self.start()?;
        let mut contents = started.contents.clone();
        for input in &started.inputs {
            contents.entry(format!("{INPUT}{}", input.name)).or_insert(input.artifact);
        }
        Ok(Past { plan: started.plan, contents, palisade_version: started.palisade_version.clone() })
    }

    /// What a step of it asks a person.
    ///
    /// # Errors
    /// When its plan can't be read.
    pub fn question(&self, store: &Store, step: &StepId) -> Result<ApprovalRequest, HistoryError> {
        let started = self.start()?;
        let plan = self.plan(store)?;
        let inputs = digests(&started.inputs);
        let state = self.state_after(self.events.len());
        Ok(ApprovalRequest::of((self.run, &plan, started.plan), step, &state, &inputs, started.by.as_deref()))
    }

    /// The plan that it ran by, with those of runbooks that are artifacts as far as they were made.
    ///
    /// # Errors
    /// When it is not in the store or has a form of another version of Palisade.
    pub fn plan(&self, store: &Store) -> Result<Plan, HistoryError> {
        let mut plan = read_plan(store, self.run, self.start()?.plan)?;
        fill_in(&mut plan, &self.events, store, self.run)?;
        Ok(plan)
    }

    /// The schemas that it, and what it made plans of, was planned with, as they were then.
    ///
    /// # Errors
    /// When one is not in the store, or is none.
    pub fn schemas(&self, store: &Store) -> Result<Registry, HistoryError> {
        schemas_in(store, self.run, &self.contents()?)
    }

    /// The digests of all that it works by, by what they are: what it stored when it started, and with the plans that it
    /// made.
    ///
    /// # Errors
    /// When its first event does not say that it started.
    pub(crate) fn contents(&self) -> Result<BTreeMap<String, Digest>, HistoryError> {
        let mut all = self.start()?.contents.clone();
        all.extend(made_children(&self.events).into_iter().flat_map(|made| made.contents.clone()));
        Ok(all)
    }

    /// The estimate that was made when it started; none for runs that kept none, or one of another form.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn estimate(&self, store: &Store) -> Result<Option<Estimate>, HistoryError> {
        let Some(digest) = self.start()?.contents.get(ESTIMATE) else { return Ok(None) };
        let content = store.content(*digest)?;
        let content = content.ok_or(HistoryError::Missing { run: self.run, what: "estimate" })?;
        Ok(Estimate::read(&content.read_all()?))
    }

    /// What is told of it, and what it made for others.
    ///
    /// # Errors
    /// When its first event does not say that it started.
    pub fn ran(&self, plan: &Plan) -> Result<Ran, HistoryError> {
        Ok(record::fold(self.run, plan, self.start()?.plan, &self.events))
    }

    /// What is told of it; steps that have not ended are told as interrupted.
    ///
    /// # Errors
    /// When its first event does not say that it started.
    pub fn record(&self, plan: &Plan) -> Result<RunRecord, HistoryError> {
        Ok(self.ran(plan)?.record)
    }

    /// The estimate that was made when it started, against what was used; none for runs that kept none.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn comparison(&self, store: &Store, record: &RunRecord) -> Result<Option<Comparison>, HistoryError> {
        // One of another form can't be compared, and is nothing that a run depends on.
        let Some(estimate) = self.estimate(store)? else { return Ok(None) };
        // What was known from before used nothing.
        let ran = |step: &StepRecord| step.attempts > 0 && step.cached_from.is_none();
        let used = record.steps.iter().filter(|step| step.status == Status::Succeeded && ran(step));
        let used: BTreeMap<StepId, PerMeasure<u64>> =
            used.map(|step| (step.id.clone(), PerMeasure::of_usage(&step.usage))).collect();
        let whole = PerMeasure::of_usage(&record.usage);
        let all_ran = record.steps.iter().all(|step| step.cached_from.is_none());
        let run = (record.status == Status::Succeeded && all_ran).then_some(&whole);
        Ok(Some(compare(&estimate, &used, run)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::TenantId;
    use palisade_store::{Append, NewEvent, RunSummary};

    /// So many events that several threads read them.
    const MANY: usize = 20_000;

    fn scheduled(attempt: u32) -> Vec<u8> {
        Event::StepScheduled { step: "s".parse().unwrap(), attempt, iteration: 0 }.to_bytes()
    }

    /// A journal of these events.
    fn store(folder: &std::path::Path, run: RunId, events: &[Vec<u8>]) -> Store {
        let store = Store::open(folder, TenantId::default()).unwrap();
        let events: Vec<_> = events.iter().map(|bytes| NewEvent { kind: "StepScheduled", bytes }).collect();
        let (title, status) = ("t".to_owned(), RUNNING.to_owned());
        let summary = RunSummary { title, status, started_ms: 0, ended_ms: None, items: None, parent: None, key: None };
        store.append(run, 0, Append { events: &events, summary: Some(summary), ..Append::default() }).unwrap();
        store
    }

    #[test]
    fn a_journal_that_several_threads_read_is_in_order_and_its_first_fault_is_told() {
        let run = RunId::new(1, [1; 10]);
        for count in [0, 1, MANY] {
            let folder = tempfile::tempdir().unwrap();
            let all: Vec<_> = (1..).take(count).map(scheduled).collect();
            let history = History::read(&store(folder.path(), run, &all), run).unwrap();
            assert!(history.events().iter().map(Event::to_bytes).eq(all), "{count}");
        }
        let folder = tempfile::tempdir().unwrap();
        let mut all: Vec<_> = (1..).take(MANY).map(scheduled).collect();
        for wrong in [MANY / 2, MANY / 2 + 2, MANY - 9] {
            all[wrong] = b"{}".to_vec();
        }
        let read = History::read(&store(folder.path(), run, &all), run);
        assert!(matches!(read, Err(HistoryError::Event { seq, .. }) if seq == MANY as u64 / 2 + 1), "{read:?}");
    }
}

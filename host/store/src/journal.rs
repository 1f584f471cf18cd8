//! The events of a run: numbered, chained by hashes, written together with what belongs to them, never changed.
//!
//! An event is bytes with a kind. Its hash is SHA-256(hash before ‖ number ‖ kind ‖ bytes), the number in 8 bytes
//! big-endian; before the first stands the digest of the run's id, so that a chain can't be moved to another run.

use crate::artifacts::{self, NewArtifact};
use crate::audit::NewEntry;
use crate::content::{self, Pending};
use crate::fault::Fault;
use crate::memos::{self, NewMemo};
use crate::requests;
use crate::runs::{self, RunRow, RunSummary};
use crate::store::Store;
use crate::usages::{self, NewUsage};
use palisade_model::digest::Hasher;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, params};

/// Most bytes of an event: what a reader must be ready to hold.
const MAX_EVENT_BYTES: usize = 64 << 20;
/// Most characters of a kind.
const MAX_KIND_CHARS: usize = 64;

/// The last event of a run: its number, from 1, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number; 0 before the first event.
    pub seq: u64,
    /// The hash.
    pub hash: Digest,
}

/// An event to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// What kind of event: 1 to 64 ASCII letters, digits and `_`.
    pub kind: &'a str,
    /// A JSON object, stored as it is and never written anew.
    pub bytes: &'a [u8],
}

/// An event as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEvent {
    /// Its number, from 1.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub hash: Digest,
}

/// What becomes durable together.
#[derive(Debug, Default)]
pub struct Append<'a> {
    /// The events, in order.
    pub events: &'a [NewEvent<'a>],
    /// Artifacts that the events name.
    pub artifacts: Vec<NewArtifact>,
    /// Bytes that the events name: components, runbook, plan.
    pub contents: Vec<Pending>,
    /// What the attempts used of which the events tell.
    pub usages: Vec<NewUsage>,
    /// Results that later attempts need not make again.
    pub memos: Vec<NewMemo>,
    /// What the audit log says of the events.
    pub entries: Vec<NewEntry>,
    /// Requests that the events answer.
    pub answered: Vec<i64>,
    /// What lists of runs show from now on. The first append of a run needs it.
    pub summary: Option<RunSummary>,
}

/// An append that was written and waits for its commit.
pub(crate) struct Written {
    /// The run's last event with it.
    pub(crate) head: Head,
    /// What becomes part of the store with the commit.
    pub(crate) new: Vec<Pending>,
    /// What the store has already; held until the commit, since readers of this process may have a clone.
    pub(crate) known: Vec<Pending>,
}

/// Why nothing was appended. Only [`AppendError::Fault`] can leave in doubt whether it was: read the run again.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The run has another last event than the writer believes.
    #[error("run {run} is at event {found}, not {expected}")]
    Conflict {
        /// The run.
        run: RunId,
        /// The number that the writer gave.
        expected: u64,
        /// The number that it has.
        found: u64,
    },
    /// The first append of a run came without a summary.
    #[error("run {run} has no summary yet")]
    NoSummary {
        /// The run.
        run: RunId,
    },
    /// Another run has the key of the one that is to begin.
    #[error("run {run} has this key")]
    KeyTaken {
        /// The run that has it.
        run: RunId,
    },
    /// An event has not the form that events have.
    #[error("event `{kind}` has a wrong form: {what}")]
    Form {
        /// Its kind, cut to 64 characters.
        kind: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The disk or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a journal can't be believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no such run.
    #[error("there is no run {run}")]
    Unknown {
        /// The run.
        run: RunId,
    },
    /// An event is missing, or one too many is there.
    #[error("run {run}: event {expected} is missing")]
    Gap {
        /// The run.
        run: RunId,
        /// The number that should have come.
        expected: u64,
    },
    /// An event was changed, or one before it.
    #[error("run {run}: event {seq} is not what was written")]
    Changed {
        /// The run.
        run: RunId,
        /// Its number.
        seq: u64,
    },
    /// The events are a chain, but not up to the head of the run.
    #[error("run {run}: the events end at {found}, the run at {expected}")]
    Head {
        /// The run.
        run: RunId,
        /// The head's number.
        expected: u64,
        /// The last event's number.
        found: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Head {
    /// What stands before the first event.
    #[must_use]
    pub fn start(run: RunId) -> Self {
        Self { seq: 0, hash: Digest::of(run.as_bytes()) }
    }

    /// What the head is when this event comes next.
    #[must_use]
    pub fn next(self, kind: &str, bytes: &[u8]) -> Self {
        self.after(kind.as_bytes(), bytes)
    }

    /// As [`Head::next`], with a kind that need not be text: that is part of what is checked.
    pub(crate) fn after(self, kind: &[u8], bytes: &[u8]) -> Self {
        let seq = self.seq + 1;
        let mut hasher = Hasher::new();
        hasher.update(self.hash.as_bytes());
        hasher.update(&seq.to_be_bytes());
        hasher.update(kind);
        hasher.update(bytes);
        Self { seq, hash: hasher.finish() }
    }
}

impl Append<'_> {
    fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.contents.iter().chain(self.artifacts.iter().map(|artifact| &artifact.items))
    }
}

impl Store {
    /// Appends events behind event `after` (0 = a new run), together with what belongs to them: all of it or nothing,
    /// durable when this returns. What others of this process append meanwhile may become durable in the same commit.
    ///
    /// # Errors
    /// When the run is elsewhere than `after` says, an event has a wrong form, or the disk fails.
    pub fn append(&self, run: RunId, after: u64, append: Append<'_>) -> Result<Head, AppendError> {
        append.events.iter().try_for_each(check_form)?;
        // Nobody else waits for these files: they are synced before the turn to write.
        Pending::make_durable(append.pending())?;
        self.commit_in_group(run, after, append)
    }

    /// Writes an append, not yet committed.
    pub(crate) fn write_append(
        &self,
        connection: &Connection,
        run: RunId,
        after: u64,
        append: Append<'_>,
    ) -> Result<Written, AppendError> {
        let tenant = self.tenant().key();
        let fault = |error| AppendError::Fault(self.fault(error));
        let known = runs::find(connection, &tenant, run).map_err(fault)?;
        let is_new = known.is_none();
        let (head, summary) = match known {
            Some(row) => (row.head, append.summary.unwrap_or(row.summary)),
            None => (Head::start(run), append.summary.ok_or(AppendError::NoSummary { run })?),
        };
        if head.seq != after {
            return Err(AppendError::Conflict { run, expected: after, found: head.seq });
        }
        if let Some(key) = summary.key.as_deref().filter(|_| is_new)
            && let Some(run) = runs::of_key(connection, &tenant, key).map_err(fault)?
        {
            return Err(AppendError::KeyTaken { run });
        }
        if let Some(first) = append.entries.first() {
            // Before this run is written: one that was there before is told of as it was.
            self.begin_log(connection, first.entry.at)?;
        }
        let heads = heads(head, append.events);
        let reached = heads.last().copied().unwrap_or(head);
        let row = RunRow { run, head: reached, summary };
        let write_run = if is_new { runs::insert } else { runs::update };
        write_run(connection, &tenant, &row).map_err(fault)?;
        insert_events(connection, &tenant, run, append.events, &heads).map_err(fault)?;
        self.write_entries_of_events(connection, append.entries, &heads)?;
        usages::insert(connection, &tenant, run, head.seq, &append.usages).map_err(fault)?;
        memos::insert(connection, &tenant, run, head.seq, &append.memos).map_err(fault)?;
        requests::remove(connection, &tenant, run, &append.answered).map_err(fault)?;
        let mut written = Written { head: reached, new: Vec::new(), known: Vec::new() };
        for pending in append.contents {
            let is_new = content::insert(connection, self.tenant(), &pending).map_err(fault)?;
            if is_new { written.new.push(pending) } else { written.known.push(pending) }
        }
        for artifact in append.artifacts {
            let is_new = artifacts::insert(connection, self.tenant(), &artifact).map_err(fault)?;
            if is_new { written.new.push(artifact.items) } else { written.known.push(artifact.items) }
        }
        Ok(written)
    }

    /// Commits, and with it makes the files of `new` part of the store; what of them is not durable is made so first.
    pub(crate) fn commit(&self, transaction: rusqlite::Transaction<'_>, new: Vec<Pending>) -> Result<(), Fault> {
        Pending::make_durable(new.iter())?;
        let committed = self.backend().commit(transaction);
        if committed.is_err() {
            // It may have happened all the same: the files stay until the database can be asked.
            self.session().set_in_doubt();
        }
        new.into_iter().for_each(Pending::keep);
        committed.map_err(|error| self.fault(error))
    }
}

fn check_form(event: &NewEvent<'_>) -> Result<(), AppendError> {
    let kind = event.kind;
    let wrong = |what| Err(AppendError::Form { kind: kind.chars().take(MAX_KIND_CHARS).collect(), what });
    // Kind and bytes stand side by side in the hash: a kind holds no `{`, and bytes begin with one.
    if kind.is_empty() || kind.len() > MAX_KIND_CHARS || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return wrong("its kind is not made of 1 to 64 ASCII letters, digits and `_`");
    }
    if !event.bytes.starts_with(b"{") {
        return wrong("it is no JSON object");
    }
    if event.bytes.len() > MAX_EVENT_BYTES {
        return wrong("it is larger than 64 MiB");
    }
    Ok(())
}

/// The head behind each event.
fn heads(before: Head, events: &[NewEvent<'_>]) -> Vec<Head> {
    let next = |head: &mut Head, event: &NewEvent<'_>| {
        *head = head.next(event.kind, event.bytes);
        Some(*head)
    };
    events.iter().scan(before, next).collect()
}

fn insert_events(
    connection: &Connection,
    tenant: &str,
    run: RunId,
    events: &[NewEvent<'_>],
    heads: &[Head],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO event (tenant, run, seq, kind, bytes, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = connection.prepare_cached(sql)?;
    for (event, head) in events.iter().zip(heads) {
        let seq = head.seq.cast_signed();
        statement.execute(params![tenant, run.as_bytes(), seq, event.kind, event.bytes, head.hash.as_bytes()])?;
    }
    Ok(())
}

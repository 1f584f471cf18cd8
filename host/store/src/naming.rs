//! What the journals of runs name, so that it is known what nobody needs. What an event names is for its writer to say.

use crate::journal::{Head, JournalEvent};
use crate::reading::read_event;
use crate::runs;
use crate::store::Store;
use crate::{Fault, RunRow};
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// The digest of a content or an artifact that an event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The digest.
    pub digest: Digest,
    /// The run read or made it; else it is what the run works by: a component, a plan, a schema.
    pub is_data: bool,
}

/// Says what an event names; none if it can't be read, and then nothing is removed.
pub type Naming<'a> = dyn Fn(&JournalEvent) -> Option<Vec<Named>> + 'a;

/// Why nothing was removed. After [`NamingError::Fault`] files may be left; they are removed when the store is next opened.
#[derive(Debug, thiserror::Error)]
pub enum NamingError {
    /// An event is of a form that this Palisade does not know, so it may name anything.
    #[error("run {run}: event {seq} can't be read, so nobody knows what it needs")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The event's number.
        seq: u64,
    },
    /// A journal is not what was written, so what it names may not be what it named.
    #[error("run {run}: the journal is not what was written at event {seq}, so nobody knows what it needs")]
    Changed {
        /// The run.
        run: RunId,
        /// The first event that does not fit.
        seq: u64,
    },
    /// A run went on, or is gone, since it was chosen.
    #[error("run {run} has changed since it was looked at")]
    Other {
        /// The run.
        run: RunId,
    },
    /// The disk or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What runs name, read up to the event that each had reached.
#[derive(Debug, Default)]
pub(crate) struct Names {
    reached: BTreeMap<RunId, Head>,
    /// What they read and made, and which runs.
    pub(crate) data: BTreeMap<Digest, BTreeSet<RunId>>,
    /// What they work by.
    pub(crate) rest: BTreeSet<Digest>,
}

impl Names {
    /// Reads the journals of those runs, without holding the database for longer than one takes.
    pub(crate) fn read(store: &Store, runs: &[RunRow], naming: &Naming<'_>) -> Result<Self, NamingError> {
        let mut names = Self::default();
        runs.iter().try_for_each(|row| names.add(store, &store.connection(), row.run, naming))?;
        Ok(names)
    }

    /// Reads what came since, and says whether that is all: within a transaction.
    pub(crate) fn complete(
        &mut self,
        store: &Store,
        connection: &Connection,
        row: &RunRow,
        naming: &Naming<'_>,
    ) -> Result<(), NamingError> {
        if self.reached.get(&row.run) != Some(&row.head) {
            self.add(store, connection, row.run, naming)?;
        }
        match self.reached.get(&row.run) {
            Some(reached) if *reached == row.head => Ok(()),
            reached => {
                let seq = reached.map_or(0, |head| head.seq).saturating_add(1);
                Err(NamingError::Changed { run: row.run, seq })
            }
        }
    }

    /// Says whether one of the runs names it.
    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.data.contains_key(&digest) || self.rest.contains(&digest)
    }

    fn add(
        &mut self,
        store: &Store,
        connection: &Connection,
        run: RunId,
        naming: &Naming<'_>,
    ) -> Result<(), NamingError> {
        let fault = |error| NamingError::Fault(store.fault(error));
        let mut head = self.reached.get(&run).copied().unwrap_or_else(|| Head::start(run));
        let sql = "SELECT seq, kind, bytes, hash FROM event WHERE tenant = ?1 AND run = ?2 AND seq > ?3 ORDER BY seq";
        let mut statement = connection.prepare_cached(sql).map_err(fault)?;
        let parameters = params![store.tenant().key(), run.as_bytes(), head.seq.cast_signed()];
        for event in statement.query_map(parameters, read_event).map_err(fault)? {
            let event = event.map_err(fault)?;
            let next = head.next(&event.kind, &event.bytes);
            if (next.seq, next.hash) != (event.seq, event.hash) {
                return Err(NamingError::Changed { run, seq: next.seq });
            }
            head = next;
            for Named { digest, is_data } in naming(&event).ok_or(NamingError::Unreadable { run, seq: event.seq })? {
                if is_data {
                    self.data.entry(digest).or_default().insert(run);
                } else {
                    self.rest.insert(digest);
                }
            }
        }
        self.reached.insert(run, head);
        Ok(())
    }
}

/// All runs but those.
pub(crate) fn but(mut all: Vec<RunRow>, chosen: &[RunRow]) -> Vec<RunRow> {
    let chosen: BTreeSet<RunId> = chosen.iter().map(|row| row.run).collect();
    all.retain(|row| !chosen.contains(&row.run));
    all
}

/// All runs but those, which must be as they were: within a transaction.
pub(crate) fn others(store: &Store, connection: &Connection, chosen: &[RunRow]) -> Result<Vec<RunRow>, NamingError> {
    let all = runs::all(connection, &store.tenant().key()).map_err(|error| store.fault(error))?;
    let heads: BTreeMap<RunId, Head> = all.iter().map(|row| (row.run, row.head)).collect();
    match chosen.iter().find(|row| heads.get(&row.run) != Some(&row.head)) {
        Some(other) => Err(NamingError::Other { run: other.run }),
        None => Ok(but(all, chosen)),
    }
}

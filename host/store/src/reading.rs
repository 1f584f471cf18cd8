//! How the events of a run are read: each is checked against the chain of hashes where SQLite has it, before anything is made
//! of it.
//!
//! An event holds its hash, so whoever checks a part of a journal needs the last hash before it and nothing else: threads
//! read the parts of a long one side by side. What joins them in order holds the first hash of each against the last before it.

use crate::fault::Fault;
use crate::journal::{Head, JournalEvent, VerifyError};
use crate::sqlite;
use crate::store::Store;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Events that are read at a time where all of them are kept as they are.
const PAGE: u64 = 256;
/// Events that one thread reads at a time. A journal of fewer than three times as many is read by one. Tests touch an event of
/// each part in turn.
pub(crate) const PART: u64 = if cfg!(test) { 64 } else { 2_048 };
/// Most threads: each has a connection of its own, and holds parts that wait for those before them.
const MOST_THREADS: usize = 8;
/// Parts that wait for those before them, of each thread.
const AHEAD: usize = 4;

const EVENTS: &str =
    "SELECT seq, kind, bytes, hash FROM event WHERE tenant = ?1 AND run = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";

/// Reads the events of a run, each checked against the chain of hashes. Takes no lock: the run may go on meanwhile.
#[derive(Debug)]
pub struct Journal<'s> {
    store: &'s Store,
    run: RunId,
    head: Head,
}

/// An event as it lies in the database.
#[derive(Debug, Clone, Copy)]
struct Row<'r> {
    head: Head,
    kind: &'r [u8],
    bytes: &'r [u8],
}

/// What was made of events in a row.
struct Part<T> {
    /// The event before them.
    before: Head,
    /// The last of them.
    head: Head,
    made: Vec<T>,
}

impl<'r> Row<'r> {
    fn read(row: &'r rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let head = Head { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: Digest::from_bytes(row.get(3)?) };
        Ok(Self { head, kind: row.get_ref(1)?.as_bytes()?, bytes: row.get_ref(2)?.as_bytes()? })
    }

    /// The head with it, if it is what was written behind that one.
    fn behind(&self, run: RunId, before: Head) -> Result<Head, VerifyError> {
        let next = before.after(self.kind, self.bytes);
        if self.head.seq != next.seq {
            return Err(VerifyError::Gap { run, expected: next.seq });
        }
        if self.head.hash != next.hash {
            return Err(VerifyError::Changed { run, seq: next.seq });
        }
        Ok(next)
    }

    fn into_event(self) -> JournalEvent {
        let Head { seq, hash } = self.head;
        JournalEvent { seq, kind: String::from_utf8_lossy(self.kind).into_owned(), bytes: self.bytes.to_vec(), hash }
    }
}

/// Reads number, kind, bytes and hash.
pub(crate) fn read_event(row: &rusqlite::Row<'_>) -> rusqlite::Result<JournalEvent> {
    Row::read(row).map(Row::into_event)
}

impl<T> Part<T> {
    fn behind(before: Head, room: usize) -> Self {
        Self { before, head: before, made: Vec::with_capacity(room) }
    }

    /// Reads on, at most so many events, until one is wrong.
    fn fill<E: From<VerifyError>>(
        &mut self,
        (store, connection): (&Store, &Connection),
        run: RunId,
        most: u64,
        make: impl Fn(Row<'_>) -> Result<T, E>,
    ) -> Result<(), E> {
        let fault = |error| VerifyError::Fault(store.fault(error));
        let mut statement = connection.prepare_cached(EVENTS).map_err(fault)?;
        let (after, most) = (self.head.seq.cast_signed(), most.cast_signed());
        let parameters = params![store.tenant().key(), run.as_bytes(), after, most];
        let mut rows = statement.query(parameters).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let row = Row::read(row).map_err(fault)?;
            let head = row.behind(run, self.head)?;
            self.made.push(make(row)?);
            self.head = head;
        }
        Ok(())
    }
}

impl Store {
    /// The events of a run behind event `after`, at most `limit`, as they lie there: nothing is checked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn events(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEvent>, Fault> {
        let read = || {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let parameters = params![self.tenant().key(), run.as_bytes(), after.cast_signed(), limit];
            let reader = self.reader();
            let mut statement = reader.prepare_cached(EVENTS)?;
            statement.query_map(parameters, read_event)?.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.fault(error))
    }

    /// A reader of a run's events from the first on.
    #[must_use]
    pub fn journal(&self, run: RunId) -> Journal<'_> {
        Journal { store: self, run, head: Head::start(run) }
    }

    /// Reads the events of a run that follow one that was read and checked, and adds to `made` what `make` makes of the number
    /// and the bytes of each. Gives the last event. `make` can't use the store, which waits for it.
    ///
    /// # Errors
    /// At the first event that is missing or changed, or of which nothing can be made: then nothing is added. And where the
    /// run is unknown, or ends elsewhere than its events do.
    pub fn read_events<T: Send, E: From<VerifyError>>(
        &self,
        run: RunId,
        after: Head,
        made: &mut Vec<T>,
        make: impl Fn(u64, &[u8]) -> Result<T, E> + Sync,
    ) -> Result<Head, E> {
        let before = made.len();
        let mut journal = Journal { store: self, run, head: after };
        let read = journal.read_all(made, &|row| make(row.head.seq, row.bytes));
        if read.is_err() {
            made.truncate(before);
        }
        read.map(|()| journal.head)
    }

    /// Checks every event of a run against the chain of hashes, and the chain against the run's head. Says that the
    /// journal is consistent in itself, no more: who can write the database can write another consistent one.
    ///
    /// # Errors
    /// At the first event that is missing or changed.
    pub fn verify(&self, run: RunId) -> Result<Head, VerifyError> {
        self.read_events(run, Head::start(run), &mut Vec::new(), |_, _| Ok::<_, VerifyError>(()))
    }
}

impl Journal<'_> {
    /// The next events, in order; none once all that the run has by now were read. Asked again later, it gives what came
    /// since.
    ///
    /// # Errors
    /// At an event that is missing or changed, once all before it were given, and where the run is unknown.
    pub fn next_page(&mut self) -> Result<Vec<JournalEvent>, VerifyError> {
        self.read_next(PAGE, |row| Ok(row.into_event()))
    }

    fn read_next<T, E: From<VerifyError>>(
        &mut self,
        most: u64,
        make: impl Fn(Row<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let Self { store, run, .. } = *self;
        let mut may_be_late = true;
        loop {
            let mut part = Part::behind(self.head, 0);
            let read = part.fill((store, &store.reader()), run, most, &make);
            if !part.made.is_empty() {
                // What is wrong behind the sound ones is found again the next time.
                self.head = part.head;
                return Ok(part.made);
            }
            read?;
            // Read after the events: another process may have appended some, and then there are more to be read.
            let expected = store.run(run).map_err(VerifyError::Fault)?.ok_or(VerifyError::Unknown { run })?.head;
            if expected == self.head {
                return Ok(Vec::new());
            }
            if expected.seq <= self.head.seq || !std::mem::take(&mut may_be_late) {
                return Err(VerifyError::Head { run, expected: expected.seq, found: self.head.seq }.into());
            }
        }
    }

    fn read_all<T: Send, E: From<VerifyError>>(
        &mut self,
        made: &mut Vec<T>,
        make: &(impl Fn(Row<'_>) -> Result<T, E> + Sync),
    ) -> Result<(), E> {
        let before = self.head.seq;
        loop {
            let mut next = self.read_next(PART, make)?;
            if next.is_empty() {
                return Ok(());
            }
            made.append(&mut next);
            if self.head.seq == before + PART {
                self.read_side_by_side(made, make)?;
            }
        }
    }

    /// Reads the whole parts that the run has by now, where there are enough of them for several threads. Ends where something
    /// is wrong: that is found again by who reads on, and so is what a thread could not do.
    fn read_side_by_side<T: Send, E: From<VerifyError>>(
        &mut self,
        made: &mut Vec<T>,
        make: &(impl Fn(Row<'_>) -> Result<T, E> + Sync),
    ) -> Result<(), VerifyError> {
        let Self { store, run, head: Head { seq: before, .. } } = *self;
        let last = store.run(run)?.map_or(0, |row| row.head.seq);
        let parts = last.saturating_sub(before) / PART;
        let threads =
            std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS).min(parts as usize);
        if threads < 2 {
            return Ok(());
        }
        std::thread::scope(|scope| {
            let reader = |first: usize| {
                let (sender, receiver) = sync_channel(AHEAD);
                let parts = (first as u64..parts).step_by(threads).map(|part| before + part * PART);
                let read = move || read_parts(store, run, parts, make, &sender);
                // Where no thread is to be had, its receiver has nobody to hear from, and that ends the reading side by side.
                drop(std::thread::Builder::new().name("journal".to_owned()).spawn_scoped(scope, read));
                receiver
            };
            let readers: Vec<_> = (0..threads).map(reader).collect();
            // Each thread reads each so many parts: taken from them in turns, they are in order.
            for mut part in readers.iter().cycle().map_while(|reader: &Receiver<Part<T>>| reader.recv().ok()) {
                if part.before != self.head {
                    break;
                }
                made.append(&mut part.made);
                self.head = part.head;
            }
        });
        Ok(())
    }
}

/// Reads the parts behind the events of these numbers, as far as they are sound and somebody wants them.
fn read_parts<T, E: From<VerifyError>>(
    store: &Store,
    run: RunId,
    parts: impl Iterator<Item = u64>,
    make: impl Fn(Row<'_>) -> Result<T, E>,
    sender: &SyncSender<Part<T>>,
) {
    let Ok(connection) = sqlite::open_to_read(store.database()) else { return };
    for after in parts {
        let Ok(Some(before)) = head_at(&connection, store, run, after) else { return };
        let mut part = Part::behind(before, PART as usize);
        let read = part.fill((store, &connection), run, PART, &make);
        if sender.send(part).is_err() || read.is_err() {
            return;
        }
    }
}

/// The event of that number, as it says itself.
fn head_at(connection: &Connection, store: &Store, run: RunId, seq: u64) -> rusqlite::Result<Option<Head>> {
    let sql = "SELECT hash FROM event WHERE tenant = ?1 AND run = ?2 AND seq = ?3";
    let parameters = params![store.tenant().key(), run.as_bytes(), seq.cast_signed()];
    let head = |row: &rusqlite::Row<'_>| Ok(Head { seq, hash: Digest::from_bytes(row.get(0)?) });
    connection.prepare_cached(sql)?.query_row(parameters, head).optional()
}

//! Appends of several writers of one process in one commit: each is whole or not there at all, whatever becomes of the
//! others, and one sync makes all of them durable.
//!
//! No thread is kept for it. Whoever comes while nobody writes commits what everybody waits for by then; those who come
//! meanwhile wait, and one of them is asked to write next.

use crate::fault::Fault;
use crate::journal::{Append, AppendError, Head, NewEvent, Written};
use crate::store::Store;
use palisade_model::RunId;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The appends that wait for a commit.
#[derive(Debug, Default)]
pub(crate) struct Group(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Somebody writes, or was asked to.
    written: bool,
    waiting: Vec<Waiting>,
}

/// An append with all that it needs, so that another thread can write it.
#[derive(Debug)]
struct Waiting {
    run: RunId,
    after: u64,
    events: Vec<(String, Vec<u8>)>,
    /// All but the events.
    rest: Append<'static>,
    tell: Sender<Told>,
}

/// What who waits is told.
#[derive(Debug)]
enum Told {
    /// It is their turn to write.
    Write,
    /// What came of their append.
    Answer(Result<Head, AppendError>),
}

/// The turn to write, which another gets when it is over.
struct Turn<'a>(&'a Group);

impl Group {
    /// Adds an append, and gives the turn to write if nobody has it.
    fn add(&self, waiting: Waiting) -> Option<Turn<'_>> {
        let mut state = locked(&self.0);
        state.waiting.push(waiting);
        (!std::mem::replace(&mut state.written, true)).then(|| Turn(self))
    }
}

impl Turn<'_> {
    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut locked(&self.0.0).waiting)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.0);
        // One that does not hear it any more has panicked; its append stays for whoever writes next.
        state.written = state.waiting.iter().any(|next| next.tell.send(Told::Write).is_ok());
    }
}

impl Store {
    /// Appends events of a right form, with whatever others append by then.
    pub(crate) fn commit_in_group(&self, run: RunId, after: u64, append: Append<'_>) -> Result<Head, AppendError> {
        let (tell, told) = channel();
        let events = append.events.iter().map(|event| (event.kind.to_owned(), event.bytes.to_vec())).collect();
        let waiting = Waiting { run, after, events, rest: Append { events: &[], ..append }, tell };
        let mut turn = self.group().add(waiting);
        loop {
            if let Some(turn) = turn.take() {
                let mut connection = self.connection();
                self.commit_group(&mut connection, turn.take());
            }
            match told.recv() {
                Ok(Told::Write) => turn = Some(Turn(self.group())),
                Ok(Told::Answer(answer)) => return answer,
                Err(_) => {
                    // The thread that was to commit it panicked on the way: it may have.
                    self.session().set_in_doubt();
                    return Err(
                        Fault::io(self.database(), io::Error::other("the thread that was to write ended")).into()
                    );
                }
            }
        }
    }

    fn commit_group(&self, connection: &mut Connection, group: Vec<Waiting>) {
        let mut transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return refuse(group.iter().map(|waiting| &waiting.tell), &self.fault(error)),
        };
        let alone = group.len() == 1;
        let mut committing = Vec::with_capacity(group.len());
        for waiting in group {
            let Waiting { run, after, events, rest, tell } = waiting;
            let events: Vec<_> = events.iter().map(|(kind, bytes)| NewEvent { kind, bytes }).collect();
            let append = Append { events: &events, ..rest };
            let written = if alone {
                // There is no other that has to be spared if this one fails.
                self.write_append(&transaction, run, after, append)
            } else {
                self.write_apart(&mut transaction, run, after, append)
            };
            // After some failures SQLite gives up the whole transaction. Then its commit fails, and all are told.
            match written {
                Ok(written) => committing.push((tell, written)),
                Err(error) => answer(&tell, Err(error)),
            }
        }
        if committing.is_empty() {
            return;
        }
        let new = committing.iter_mut().flat_map(|(_, written)| std::mem::take(&mut written.new)).collect();
        match self.commit(transaction, new) {
            Ok(()) => committing.iter().for_each(|(tell, Written { head, .. })| answer(tell, Ok(*head))),
            Err(fault) => refuse(committing.iter().map(|(tell, _)| tell), &fault),
        }
    }

    /// Writes an append so that it can be taken back without what others wrote in the same transaction.
    fn write_apart(
        &self,
        transaction: &mut Transaction<'_>,
        run: RunId,
        after: u64,
        append: Append<'_>,
    ) -> Result<Written, AppendError> {
        let savepoint = transaction.savepoint().map_err(|error| self.fault(error))?;
        let written = self.write_append(&savepoint, run, after, append)?;
        savepoint.commit().map_err(|error| self.fault(error))?;
        Ok(written)
    }
}

fn refuse<'a>(all: impl Iterator<Item = &'a Sender<Told>>, fault: &Fault) {
    all.for_each(|tell| answer(tell, Err(fault.again().into())));
}

fn answer(tell: &Sender<Told>, result: Result<Head, AppendError>) {
    // Who panicked meanwhile does not want to know.
    drop(tell.send(Told::Answer(result)));
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one assignment or push.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::RunSummary;
    use palisade_model::TenantId;
    use std::sync::mpsc::Receiver;

    fn waiting(run: RunId, after: u64, kinds: &[&str], summary: bool) -> (Waiting, Receiver<Told>) {
        let summary = summary.then(|| RunSummary {
            title: "t".to_owned(),
            status: "running".to_owned(),
            started_ms: 0,
            ended_ms: None,
            items: None,
            parent: None,
            key: None,
        });
        let (tell, told) = channel();
        let waiting = Waiting {
            run,
            after,
            events: kinds.iter().map(|kind| ((*kind).to_owned(), b"{}".to_vec())).collect(),
            rest: Append { summary, ..Append::default() },
            tell,
        };
        (waiting, told)
    }

    #[test]
    fn one_that_is_refused_takes_no_other_down() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), TenantId::default()).unwrap();
        let [a, b, c] = [1, 2, 3].map(|number| RunId::new(number, [0; 10]));
        let (group, told): (Vec<_>, Vec<_>) = [
            waiting(a, 0, &["A"], true),
            // It believes in an event that is not there, it has no summary, it comes behind one of the same commit, and
            // it comes again.
            waiting(b, 7, &["B"], true),
            waiting(c, 0, &["C"], false),
            waiting(a, 1, &["D", "E"], false),
            waiting(a, 1, &["F"], false),
            waiting(b, 0, &["G"], true),
        ]
        .into_iter()
        .unzip();
        store.commit_group(&mut store.connection(), group);
        let told: Vec<_> = told
            .iter()
            .map(|told| match told.recv().expect("an answer") {
                Told::Answer(Ok(head)) => head.seq.to_string(),
                Told::Answer(Err(AppendError::Conflict { found, .. })) => format!("at {found}"),
                Told::Answer(Err(AppendError::NoSummary { .. })) => "no summary".to_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["1", "at 0", "no summary", "3", "at 3", "1"]);
        assert_eq!([a, b].map(|run| store.verify(run).unwrap().seq), [3, 1]);
        assert!(store.run(c).unwrap().is_none());
    }

    #[test]
    fn many_writers_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), TenantId::default()).unwrap();
        let runs: Vec<_> = (0..8).map(|number| RunId::new(number, [1; 10])).collect();
        std::thread::scope(|scope| {
            for &run in &runs {
                let store = &store;
                scope.spawn(move || {
                    for after in 0..20 {
                        let (Waiting { rest, .. }, _) = waiting(run, after, &[], true);
                        let events = [NewEvent { kind: "K", bytes: b"{}" }];
                        let head = store.append(run, after, Append { events: &events, ..rest }).unwrap();
                        assert_eq!(head.seq, after + 1);
                    }
                });
            }
        });
        assert!(runs.iter().all(|&run| store.verify(run).unwrap().seq == 20));
        let state = locked(&store.group().0);
        assert!(!state.written && state.waiting.is_empty());
    }
}

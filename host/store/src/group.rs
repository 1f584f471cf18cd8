//! Appends of several writers of one process in one commit: each is whole or not there at all, whatever becomes of the
//! others, and one sync makes all of them durable.
//!
//! No thread is kept for it. Whoever gets the connection commits what everybody waits for by then; those who waited for
//! the connection meanwhile find that it is done.

use crate::fault::Fault;
use crate::journal::{Append, AppendError, Head, NewEvent, Written};
use crate::store::Store;
use palisade_model::RunId;
use rusqlite::{Connection, TransactionBehavior};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The appends that wait for a commit.
#[derive(Debug, Default)]
pub(crate) struct Group(Mutex<Vec<Waiting>>);

/// An append with all that it needs, so that another thread can write it.
#[derive(Debug)]
struct Waiting {
    run: RunId,
    after: u64,
    events: Vec<(String, Vec<u8>)>,
    /// All but the events.
    rest: Append<'static>,
    answer: Answer,
}

/// Where the writer finds what came of its append.
#[derive(Debug, Clone, Default)]
struct Answer(Arc<Mutex<Option<Result<Head, AppendError>>>>);

impl Answer {
    fn give(&self, result: Result<Head, AppendError>) {
        *locked(&self.0) = Some(result);
    }
}

impl Store {
    /// Appends events of a right form, with whatever others append by then.
    pub(crate) fn commit_in_group(&self, run: RunId, after: u64, append: Append<'_>) -> Result<Head, AppendError> {
        let answer = Answer::default();
        let events = append.events.iter().map(|event| (event.kind.to_owned(), event.bytes.to_vec())).collect();
        let waiting = Waiting { run, after, events, rest: Append { events: &[], ..append }, answer: answer.clone() };
        locked(&self.group().0).push(waiting);
        let mut connection = self.connection();
        // None if the one who had the connection before has committed it.
        let group = std::mem::take(&mut *locked(&self.group().0));
        if !group.is_empty() {
            self.commit_group(&mut connection, group);
        }
        drop(connection);
        let answer = locked(&answer.0).take();
        answer.unwrap_or_else(|| {
            // The thread that was to commit it panicked on the way: it may have.
            self.session().set_in_doubt();
            Err(Fault::io(self.database(), io::Error::other("the thread that was to write ended")).into())
        })
    }

    fn commit_group(&self, connection: &mut Connection, group: Vec<Waiting>) {
        let mut transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return refuse(group.iter().map(|waiting| &waiting.answer), &self.fault(error)),
        };
        let mut committing = Vec::with_capacity(group.len());
        for waiting in group {
            let Waiting { run, after, events, rest, answer } = waiting;
            let events: Vec<_> = events.iter().map(|(kind, bytes)| NewEvent { kind, bytes }).collect();
            let written = transaction.savepoint().map_err(|error| AppendError::Fault(self.fault(error)));
            let written = written.and_then(|savepoint| {
                let written = self.write_append(&savepoint, run, after, Append { events: &events, ..rest })?;
                savepoint.commit().map_err(|error| self.fault(error))?;
                Ok(written)
            });
            // After some failures SQLite gives up the whole transaction. Then its commit fails, and all are told.
            match written {
                Ok(written) => committing.push((answer, written)),
                Err(error) => answer.give(Err(error)),
            }
        }
        if committing.is_empty() {
            return;
        }
        let new = committing.iter_mut().flat_map(|(_, written)| std::mem::take(&mut written.new)).collect();
        match self.commit(transaction, new) {
            Ok(()) => committing.into_iter().for_each(|(answer, Written { head, .. })| answer.give(Ok(head))),
            Err(fault) => refuse(committing.iter().map(|(answer, _)| answer), &fault),
        }
    }
}

fn refuse<'a>(answers: impl Iterator<Item = &'a Answer>, fault: &Fault) {
    answers.for_each(|answer| answer.give(Err(fault.again().into())));
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

    fn waiting(run: RunId, after: u64, kinds: &[&str], summary: bool) -> Waiting {
        let summary = summary.then(|| RunSummary {
            title: "t".to_owned(),
            status: "running".to_owned(),
            started_ms: 0,
            ended_ms: None,
            items: None,
            parent: None,
            key: None,
        });
        Waiting {
            run,
            after,
            events: kinds.iter().map(|kind| ((*kind).to_owned(), b"{}".to_vec())).collect(),
            rest: Append { summary, ..Append::default() },
            answer: Answer::default(),
        }
    }

    #[test]
    fn one_that_is_refused_takes_no_other_down() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), TenantId::default()).unwrap();
        let [a, b, c] = [1, 2, 3].map(|number| RunId::new(number, [0; 10]));
        let group = vec![
            waiting(a, 0, &["A"], true),
            // It believes in an event that is not there, it has no summary, it comes behind one of the same commit, and
            // it comes again.
            waiting(b, 7, &["B"], true),
            waiting(c, 0, &["C"], false),
            waiting(a, 1, &["D", "E"], false),
            waiting(a, 1, &["F"], false),
            waiting(b, 0, &["G"], true),
        ];
        let answers: Vec<Answer> = group.iter().map(|waiting| waiting.answer.clone()).collect();
        store.commit_group(&mut store.connection(), group);
        let told: Vec<_> = answers
            .iter()
            .map(|answer| match locked(&answer.0).take().expect("an answer") {
                Ok(head) => head.seq.to_string(),
                Err(AppendError::Conflict { found, .. }) => format!("at {found}"),
                Err(AppendError::NoSummary { .. }) => "no summary".to_owned(),
                Err(other) => other.to_string(),
            })
            .collect();
        assert_eq!(told, ["1", "at 0", "no summary", "3", "at 3", "1"]);
        assert_eq!([a, b].map(|run| store.verify(run).unwrap().seq), [3, 1]);
        assert!(store.run(c).unwrap().is_none());
        // Whoever has the connection has committed for the others.
        assert!(locked(&store.group().0).is_empty());
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
                        let Waiting { rest, .. } = waiting(run, after, &[], true);
                        let events = [NewEvent { kind: "K", bytes: b"{}" }];
                        let head = store.append(run, after, Append { events: &events, ..rest }).unwrap();
                        assert_eq!(head.seq, after + 1);
                    }
                });
            }
        });
        assert!(runs.iter().all(|&run| store.verify(run).unwrap().seq == 20));
    }
}

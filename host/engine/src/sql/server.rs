//! Sessions with the servers that one instance reads, and the rows that it has open there.

use palisade_model::sql::{Column, SqlValue};
use palisade_sandbox::ports::PortError;
use palisade_sql::{Connections, Cursor, QueryError, Session, Until};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions of one instance: one for each connection, so that all its statements there see the same data.
#[derive(Debug, Default)]
pub(crate) struct Sessions(BTreeMap<String, Shared>);

/// A session, and the rows that wait in it.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Session>>);

/// The rows of one statement. Dropping it lets go of what the server keeps of them.
#[derive(Debug)]
pub(crate) struct Rows {
    session: Shared,
    cursor: Cursor,
    columns: Vec<Column>,
    rest: VecDeque<(Vec<SqlValue>, usize)>,
}

impl Sessions {
    /// Starts a statement on a connection, which is opened if it is the first there.
    pub(crate) fn query(
        &mut self,
        connections: &Connections,
        name: &str,
        (statement, parameters): (&str, &[SqlValue]),
        max_row_bytes: usize,
        until: &Until,
    ) -> Result<Rows, QueryError> {
        let session = match self.0.get(name) {
            Some(session) => session.clone(),
            None => {
                let session = Shared(Arc::new(Mutex::new(connections.open(name, max_row_bytes, until)?)));
                self.0.entry(name.to_owned()).or_insert(session).clone()
            }
        };
        let (cursor, columns) = session.lock().query(statement, parameters)?;
        Ok(Rows { session, cursor, columns, rest: VecDeque::new() })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Session> {
        // One thread has them all: that of the guest.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl palisade_sandbox::ports::Rows for Rows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn next(&mut self, max_rows: u64, max_bytes: usize) -> Result<Vec<Vec<SqlValue>>, PortError> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while (taken.len() as u64) < max_rows && (taken.is_empty() || bytes < max_bytes) {
            if let Some((values, size)) = self.rest.pop_front() {
                bytes += size;
                taken.push(values);
                continue;
            }
            // What is there already is handed out before the server is asked for more.
            if !taken.is_empty() {
                break;
            }
            let more = self.session.lock().fetch(&mut self.cursor).map_err(super::port_error)?;
            if more.is_empty() {
                break;
            }
            self.rest.extend(more);
        }
        Ok(taken)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.session.lock().close(&self.cursor);
    }
}

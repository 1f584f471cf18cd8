//! What other processes ask of whoever works on a run: a letter-box, emptied with the events that answer it.

use crate::fault::Fault;
use crate::store::Store;
use palisade_model::RunId;
use rusqlite::{Connection, params};

/// Most requests of a run that wait at once.
const MOST: i64 = 100;

/// Something that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its number in the store.
    pub id: i64,
    /// A JSON object, as it was given.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Asks something of whoever works on a run, now or later. Gives its number; none if too much waits already, or there
    /// is no such run.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ask(&self, run: RunId, bytes: &[u8]) -> Result<Option<i64>, Fault> {
        let write = || {
            let sql = "INSERT INTO request (tenant, run, bytes) SELECT ?1, ?2, ?3 WHERE \
                       (SELECT count(*) FROM request WHERE tenant = ?1 AND run = ?2) < ?4 \
                       AND EXISTS (SELECT 1 FROM run WHERE tenant = ?1 AND run = ?2) RETURNING id";
            let connection = self.connection();
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![self.tenant().key(), run.as_bytes(), bytes, MOST])?;
            let id = rows.next()?.map(|row| row.get(0)).transpose()?;
            // The statement is done, and with it committed, when there are no more rows.
            while rows.next()?.is_some() {}
            Ok(id)
        };
        write().map_err(|error| self.fault(error))
    }

    /// What is asked of a run and not answered, in the order in which it was asked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn asked(&self, run: RunId) -> Result<Vec<Asked>, Fault> {
        let read = || {
            self.reader()
                .prepare_cached("SELECT id, bytes FROM request WHERE tenant = ?1 AND run = ?2 ORDER BY id")?
                .query_map(params![self.tenant().key(), run.as_bytes()], |row| {
                    Ok(Asked { id: row.get(0)?, bytes: row.get(1)? })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))
    }
}

/// Removes what was answered.
pub(crate) fn remove(connection: &Connection, tenant: &str, run: RunId, answered: &[i64]) -> rusqlite::Result<()> {
    let sql = "DELETE FROM request WHERE tenant = ?1 AND run = ?2 AND id = ?3";
    for id in answered {
        connection.prepare_cached(sql)?.execute(params![tenant, run.as_bytes(), id])?;
    }
    Ok(())
}

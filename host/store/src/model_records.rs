//! What models answered, under the digest of all that they were asked. A record goes with the last run that asked for it.

use crate::fault::Fault;
use crate::store::Store;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// An answer, and what was asked. Both are JSON, stored as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRecord {
    /// What was asked.
    pub request: Vec<u8>,
    /// What was answered.
    pub answer: Vec<u8>,
}

impl Store {
    /// Records an answer for a run, in place of one to the same request; durable when this returns.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_answer(&self, run: RunId, digest: Digest, at_ms: u64, record: &ModelRecord) -> Result<(), Fault> {
        let sql = "INSERT INTO llm_record (tenant, digest, at_ms, request, answer) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (tenant, digest) DO UPDATE SET at_ms = excluded.at_ms, answer = excluded.answer";
        self.write_record(run, digest, |connection, tenant| {
            let ModelRecord { request, answer } = record;
            let row = params![tenant, digest.as_bytes(), at_ms.cast_signed(), request, answer];
            connection.prepare_cached(sql)?.execute(row)?;
            Ok(true)
        })?;
        Ok(())
    }

    /// The answer to the request of that digest, which from now on belongs to the run too.
    ///
    /// # Errors
    /// When the database fails.
    pub fn recorded_answer(&self, run: RunId, digest: Digest) -> Result<Option<Vec<u8>>, Fault> {
        let mut answer = None;
        let sql = "SELECT answer FROM llm_record WHERE tenant = ?1 AND digest = ?2";
        self.write_record(run, digest, |connection, tenant| {
            let key = params![tenant, digest.as_bytes()];
            answer = connection.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
            Ok(answer.is_some())
        })?;
        Ok(answer)
    }

    /// What was asked in the latest records, at most `limit`, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn recorded_requests(&self, limit: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let read = || {
            let sql = "SELECT request FROM llm_record WHERE tenant = ?1 ORDER BY at_ms DESC, digest LIMIT ?2";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            self.reader()
                .prepare_cached(sql)?
                .query_map(params![self.tenant().key(), limit], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))
    }

    /// Does something about a record, and notes the run as one of it if it is there.
    fn write_record(
        &self,
        run: RunId,
        digest: Digest,
        write: impl FnOnce(&Connection, &str) -> rusqlite::Result<bool>,
    ) -> Result<(), Fault> {
        let fault = |error| self.fault(error);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let tenant = self.tenant().key();
        if write(&transaction, &tenant).map_err(fault)? {
            let sql = "INSERT OR IGNORE INTO llm_record_of_run (tenant, run, digest) VALUES (?1, ?2, ?3)";
            let row = params![tenant, run.as_bytes(), digest.as_bytes()];
            transaction.prepare_cached(sql).and_then(|mut insert| insert.execute(row)).map_err(fault)?;
        }
        self.commit(transaction, Vec::new())
    }
}

/// Takes a run from its records; those that no other run asked for go.
pub(crate) fn remove(connection: &Connection, tenant: &str, run: RunId) -> rusqlite::Result<()> {
    let key = params![tenant, run.as_bytes()];
    let sql = "DELETE FROM llm_record_of_run WHERE tenant = ?1 AND run = ?2 RETURNING digest";
    let mut statement = connection.prepare_cached(sql)?;
    let digests = statement.query_map(key, |row| row.get::<_, [u8; 32]>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let sql = "DELETE FROM llm_record WHERE tenant = ?1 AND digest = ?2 AND NOT EXISTS \
               (SELECT 1 FROM llm_record_of_run WHERE tenant = ?1 AND digest = ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    digests.iter().try_for_each(|digest| statement.execute(params![tenant, digest]).map(drop))
}

//! Results of pure attempts, found by what they depend on. A hint: the journal says the same, and without it they are made
//! again.

use crate::fault::Fault;
use crate::store::Store;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, OptionalExtension as _, params};

/// A result to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMemo {
    /// Names all that it depends on.
    pub key: Digest,
    /// Which of the appended events tells it, from 0.
    pub event: usize,
}

impl Store {
    /// The run and the number of the event that tell the result of that key.
    ///
    /// # Errors
    /// When the database fails.
    pub fn memo(&self, key: Digest) -> Result<Option<(RunId, u64)>, Fault> {
        let read = || {
            self.reader()
                .prepare_cached("SELECT run, seq FROM memo WHERE tenant = ?1 AND key = ?2")?
                .query_row(params![self.tenant().key(), key.as_bytes()], |row| {
                    Ok((RunId::from_bytes(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
                })
                .optional()
        };
        read().map_err(|error| self.fault(error))
    }
}

/// Remembers results whose events follow event `after`; the latest of a key counts.
pub(crate) fn insert(
    connection: &Connection,
    tenant: &str,
    run: RunId,
    after: u64,
    memos: &[NewMemo],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO memo (tenant, key, run, seq) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (tenant, key) DO UPDATE SET run = excluded.run, seq = excluded.seq";
    for memo in memos {
        let seq = after.saturating_add(1).saturating_add(memo.event as u64).cast_signed();
        connection.prepare_cached(sql)?.execute(params![tenant, memo.key.as_bytes(), run.as_bytes(), seq])?;
    }
    Ok(())
}

//! What attempts used, found by the component that ran: for estimates, and never read to decide anything.

use crate::fault::Fault;
use crate::store::Store;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, params};

/// What an attempt used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUsage {
    /// The bytes of its component.
    pub component: Digest,
    /// Which of the appended events tells of it, from 0.
    pub event: usize,
    /// A JSON object, stored as it is.
    pub bytes: Vec<u8>,
}

impl Store {
    /// What the latest attempts of a component used, the latest run first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn usages(&self, component: Digest, limit: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let read = || {
            let sql =
                "SELECT bytes FROM usage WHERE tenant = ?1 AND component = ?2 ORDER BY run DESC, seq DESC LIMIT ?3";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            self.reader()
                .prepare_cached(sql)?
                .query_map(params![self.tenant().key(), component.as_bytes(), limit], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))
    }
}

/// Writes what attempts used whose events follow event `after`.
pub(crate) fn insert(
    connection: &Connection,
    tenant: &str,
    run: RunId,
    after: u64,
    usages: &[NewUsage],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO usage (tenant, component, run, seq, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
    for usage in usages {
        let seq = after.saturating_add(1).saturating_add(usage.event as u64).cast_signed();
        let row = params![tenant, usage.component.as_bytes(), run.as_bytes(), seq, usage.bytes];
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

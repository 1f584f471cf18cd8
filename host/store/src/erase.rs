//! Erases the bytes that runs read and made. Their journals stay, and still verify; that the bytes were erased is noted, so
//! that nobody takes it for damage.

use crate::fault::Fault;
use crate::gc::Doing;
use crate::naming::{Names, Naming, NamingError, but, others};
use crate::removal;
use crate::runs::RunRow;
use crate::store::Store;
use palisade_audit::Entry;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::collections::BTreeSet;

/// What is erased, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// The artifacts, and data that are none.
    pub artifacts: BTreeSet<Digest>,
    /// Bytes of their items.
    pub bytes: u64,
    /// What attempts used: so many notes.
    pub usages: u64,
    /// Artifacts that stay, since other runs name the same bytes.
    pub shared: Vec<Shared>,
    /// Artifacts that stay, since their bytes are also something that runs work by, as a ruleset.
    pub fixed: Vec<Digest>,
    /// Artifacts of the runs that were erased before.
    pub before: u64,
    /// Nothing of the bytes is left in the database and beside it: no other process was reading.
    pub overwritten: bool,
}

/// An artifact whose bytes other runs name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The artifact.
    pub artifact: Digest,
    /// The other runs that keep it.
    pub runs: BTreeSet<RunId>,
}

/// A content and the artifacts that have it as items; itself, where there are none.
struct Bytes {
    digest: Digest,
    length: u64,
    artifacts: Vec<Digest>,
}

impl Store {
    /// Erases all data that the runs name, as of when `runs` was read: all of it or nothing, durable when this returns,
    /// and with it `noted` in the audit log. What another run names too stays, unless all such runs `may_lose` it. The caller owns the runs.
    ///
    /// # Errors
    /// As [`Store::collect`].
    pub fn erase(
        &self,
        runs: &[RunRow],
        may_lose: &dyn Fn(&RunRow) -> bool,
        at_ms: u64,
        naming: &Naming<'_>,
        doing: Doing,
        noted: &[Entry],
    ) -> Result<Erased, NamingError> {
        let fault = |error| NamingError::Fault(self.fault(error));
        let mut own = Names::read(self, runs, naming)?;
        let mut names = Names::read(self, &but(self.runs()?, runs), naming)?;
        let lock = (doing == Doing::Remove).then(|| self.removal_lock()).transpose()?;
        let mut connection = self.connection();
        let behavior = match doing {
            Doing::Look => TransactionBehavior::Deferred,
            Doing::Remove => TransactionBehavior::Immediate,
        };
        let transaction = connection.transaction_with_behavior(behavior).map_err(fault)?;
        let mut losing = BTreeSet::new();
        for row in others(self, &transaction, runs)? {
            names.complete(self, &transaction, &row, naming)?;
            if may_lose(&row) {
                losing.insert(row.run);
            }
        }
        for row in runs {
            own.complete(self, &transaction, row, naming)?;
        }
        let tenant = self.tenant().key();
        let mut erased = Erased::default();
        for artifact in own.data.keys() {
            if erased.artifacts.contains(artifact) {
                continue;
            }
            let Some(bytes) = bytes_of(&transaction, &tenant, *artifact).map_err(fault)? else {
                let before = find(&transaction, &tenant, *artifact).map_err(fault)?.is_some();
                erased.before += u64::from(before);
                continue;
            };
            let all = || bytes.artifacts.iter().chain([&bytes.digest]);
            let mut users: BTreeSet<RunId> =
                all().filter_map(|digest| names.data.get(digest)).flatten().copied().collect();
            users.retain(|run| !losing.contains(run));
            let is_fixed = all().any(|digest| own.rest.contains(digest) || names.rest.contains(digest))
                || is_component(&transaction, &tenant, bytes.digest).map_err(fault)?;
            if is_fixed {
                erased.fixed.push(*artifact);
            } else if !users.is_empty() {
                erased.shared.push(Shared { artifact: *artifact, runs: users });
            } else {
                erased.bytes = erased.bytes.saturating_add(bytes.length);
                erased.artifacts.extend(&bytes.artifacts);
                if doing == Doing::Remove {
                    remove(&transaction, &tenant, &bytes, at_ms).map_err(fault)?;
                }
            }
        }
        for row in runs {
            erased.usages += usages(&transaction, &tenant, row.run).map_err(fault)?;
        }
        if doing == Doing::Look {
            return Ok(erased);
        }
        runs.iter().try_for_each(|row| removal::hints(&transaction, &tenant, row.run)).map_err(fault)?;
        self.write_entries(&transaction, noted)?;
        self.commit(transaction, Vec::new())?;
        drop((connection, lock));
        self.remove_files()?;
        erased.overwritten = self.empty_log()?;
        Ok(erased)
    }

    /// When an artifact was erased, in milliseconds since 1970; none if it was not. It may have come again
    /// since: ask first whether it is there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn erased(&self, digest: Digest) -> Result<Option<u64>, Fault> {
        find(&self.reader(), &self.tenant().key(), digest).map_err(|error| self.fault(error))
    }

    /// Moves what SQLite keeps beside the database into it. Says whether nothing is left there: others may be reading.
    fn empty_log(&self) -> Result<bool, Fault> {
        let busy = self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        busy.map(|busy| busy == 0).map_err(|error| self.fault(error))
    }
}

fn find(connection: &Connection, tenant: &str, digest: Digest) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT at_ms FROM erased WHERE tenant = ?1 AND digest = ?2";
    let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map(i64::cast_unsigned);
    connection.prepare_cached(sql)?.query_row(params![tenant, digest.as_bytes()], read).optional()
}

/// The bytes of an artifact that is there, with all artifacts that share them; or those of data that are no artifact, such
/// as a file that a step wrote.
fn bytes_of(connection: &Connection, tenant: &str, artifact: Digest) -> rusqlite::Result<Option<Bytes>> {
    let sql = "SELECT content.digest, content.length FROM artifact JOIN content \
               ON content.tenant = artifact.tenant AND content.digest = artifact.items \
               WHERE artifact.tenant = ?1 AND artifact.digest = ?2";
    let columns = |row: &rusqlite::Row<'_>| Ok((Digest::from_bytes(row.get(0)?), row.get::<_, i64>(1)?));
    let found = connection.prepare_cached(sql)?.query_row(params![tenant, artifact.as_bytes()], columns).optional()?;
    let found = match found {
        Some(found) => Some(found),
        None => {
            let sql = "SELECT digest, length FROM content WHERE tenant = ?1 AND digest = ?2";
            let mut raw = connection.prepare_cached(sql)?;
            raw.query_row(params![tenant, artifact.as_bytes()], columns).optional()?
        }
    };
    let Some((digest, length)) = found else { return Ok(None) };
    let mut artifacts = connection
        .prepare_cached("SELECT digest FROM artifact WHERE tenant = ?1 AND items = ?2 ORDER BY digest")?
        .query_map(params![tenant, digest.as_bytes()], |row| Ok(Digest::from_bytes(row.get(0)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if artifacts.is_empty() {
        artifacts.push(digest);
    }
    Ok(Some(Bytes { digest, length: length.cast_unsigned(), artifacts }))
}

/// Forgets that artifacts were erased that nobody names any more.
pub(crate) fn forget(connection: &Connection, tenant: &str, is_named: impl Fn(Digest) -> bool) -> rusqlite::Result<()> {
    let digests = connection
        .prepare_cached("SELECT digest FROM erased WHERE tenant = ?1")?
        .query_map([tenant], |row| Ok(Digest::from_bytes(row.get(0)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for digest in digests.into_iter().filter(|digest| !is_named(*digest)) {
        let sql = "DELETE FROM erased WHERE tenant = ?1 AND digest = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, digest.as_bytes()])?;
    }
    Ok(())
}

fn usages(connection: &Connection, tenant: &str, run: RunId) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM usage WHERE tenant = ?1 AND run = ?2";
    let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map(i64::cast_unsigned);
    connection.prepare_cached(sql)?.query_row(params![tenant, run.as_bytes()], read)
}

fn is_component(connection: &Connection, tenant: &str, digest: Digest) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM component WHERE tenant = ?1 AND digest = ?2";
    connection.prepare_cached(sql)?.exists(params![tenant, digest.as_bytes()])
}

fn remove(connection: &Connection, tenant: &str, bytes: &Bytes, at_ms: u64) -> rusqlite::Result<()> {
    bytes.artifacts.iter().try_for_each(|artifact| removal::artifact(connection, tenant, *artifact))?;
    removal::content(connection, tenant, bytes.digest)?;
    let sql = "INSERT INTO erased (tenant, digest, at_ms) VALUES (?1, ?2, ?3) \
               ON CONFLICT (tenant, digest) DO UPDATE SET at_ms = excluded.at_ms";
    for digest in &bytes.artifacts {
        connection.prepare_cached(sql)?.execute(params![tenant, digest.as_bytes(), at_ms.cast_signed()])?;
    }
    Ok(())
}

//! The audit log of a tenant: entries in the order in which they were committed, the tree over them, its signed states.
//!
//! What an entry says is the caller's; here it is given its number, within the transaction that it rides in. Entries are
//! never changed and never removed.

mod checkpoints;
mod keys;
mod verify;

pub(crate) use keys::KeyFiles;
pub use keys::{AuditKeyError, CheckpointFailure};
pub use verify::{AuditProblem, AuditVerified, FileFound, FileToFind, OutsideCheckpoint, OutsideState};

use crate::fault::Fault;
use crate::journal::Head;
use crate::runs;
use crate::store::Store;
use palisade_audit::{Entry, Frontier, MAX_ENTRY_BYTES, Node, What, consistency, inclusion, leaf_hash, root_at};
use palisade_model::Digest;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// An entry that belongs to one of the events with which it is appended.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Which of them, from 0.
    pub event: usize,
    /// The entry. The store adds the event's number and hash.
    pub entry: Entry,
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, from 0.
    pub number: u64,
    /// The bytes of the leaf.
    pub bytes: Vec<u8>,
    /// The leaf's hash as it is kept.
    pub hash: Digest,
}

/// The edge of the tree as the connection of this store left it, so that who adds to the log need not read a node for each
/// bit of its size.
#[derive(Debug)]
pub(crate) struct Edge {
    /// What SQLite counts when another connection commits. While it stays, nobody else did, and what this one wrote
    /// last was taken back if the log is shorter than the edge.
    data_version: i64,
    frontier: Frontier,
}

impl Store {
    /// Appends entries that belong to no event: all of them or none, durable when this returns.
    ///
    /// # Errors
    /// When the disk fails, or the tree is damaged.
    pub fn record(&self, entries: &[Entry]) -> Result<(), Fault> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| self.fault(error))?;
        self.write_entries(&transaction, entries)?;
        self.commit(transaction, Vec::new())
    }

    /// How many entries the log has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn audit_size(&self) -> Result<u64, Fault> {
        size(&self.reader(), &self.tenant().key()).map_err(|error| self.fault(error))
    }

    /// The entries from number `from` up to, not with, number `end`, at most `limit`; where `holding` is given, only those
    /// whose bytes hold it somewhere.
    ///
    /// # Errors
    /// When the database fails.
    pub fn audit_entries(
        &self,
        from: u64,
        end: u64,
        limit: usize,
        holding: Option<&str>,
    ) -> Result<Vec<AuditEntry>, Fault> {
        let read = || {
            let sql = "SELECT number, bytes, hash FROM audit_entry WHERE tenant = ?1 AND number >= ?2 AND number < ?3 \
                       AND (?4 IS NULL OR instr(bytes, ?4) > 0) ORDER BY number LIMIT ?5";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let holding = holding.map(str::as_bytes);
            let values = params![self.tenant().key(), from.cast_signed(), end.cast_signed(), holding, limit];
            let entry = |row: &rusqlite::Row<'_>| {
                Ok(AuditEntry {
                    number: row.get::<_, i64>(0)?.cast_unsigned(),
                    bytes: row.get(1)?,
                    hash: Digest::from_bytes(row.get(2)?),
                })
            };
            self.reader().prepare_cached(sql)?.query_map(values, entry)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))
    }

    /// The root over the first `size` entries.
    ///
    /// # Errors
    /// When the database fails, or has not so many.
    pub fn audit_root(&self, size: u64) -> Result<Digest, Fault> {
        let connection = self.reader();
        root_at(size, |node| self.node(&connection, node))
    }

    /// The hashes that show that entry `number` is among the first `size`; none where it is not.
    ///
    /// # Errors
    /// As [`Store::audit_root`].
    pub fn audit_inclusion(&self, number: u64, size: u64) -> Result<Option<Vec<Digest>>, Fault> {
        let connection = self.reader();
        inclusion(number, size, |node| self.node(&connection, node))
    }

    /// The hashes that show that the first `old` entries are the beginning of the first `new`; none where they are more.
    ///
    /// # Errors
    /// As [`Store::audit_root`].
    pub fn audit_consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Digest>>, Fault> {
        let connection = self.reader();
        consistency(old, new, |node| self.node(&connection, node))
    }

    /// Writes entries of events, whose heads these are, in order. The log has begun.
    pub(crate) fn write_entries_of_events(
        &self,
        connection: &Connection,
        entries: Vec<NewEntry>,
        heads: &[Head],
    ) -> Result<(), Fault> {
        let placed = entries.into_iter().map(|NewEntry { event, entry }| match heads.get(event) {
            Some(head) => entry.at_event(head.seq, head.hash),
            None => entry,
        });
        self.grow(connection, placed)
    }

    /// The first entries of a log tell of the runs that were there before it. Asked before anything else is written in the
    /// transaction that writes the first ones.
    pub(crate) fn begin_log(&self, connection: &Connection, at_ms: u64) -> Result<(), Fault> {
        let fault = |error| self.fault(error);
        let tenant = self.tenant().key();
        if size(connection, &tenant).map_err(fault)? > 0 {
            return Ok(());
        }
        let mut known = runs::all(connection, &tenant).map_err(fault)?;
        known.reverse();
        let known = known.into_iter().map(|row| {
            let entry = Entry::of_run(row.run, at_ms, What::RunKnown { status: row.summary.status });
            entry.at_event(row.head.seq, row.head.hash)
        });
        self.grow(connection, known)
    }

    /// Writes entries as they are; those of a log's beginning first.
    pub(crate) fn write_entries(&self, connection: &Connection, entries: &[Entry]) -> Result<(), Fault> {
        let Some(first) = entries.first() else { return Ok(()) };
        self.begin_log(connection, first.at)?;
        self.grow(connection, entries.iter().cloned())
    }

    fn grow(&self, connection: &Connection, entries: impl Iterator<Item = Entry>) -> Result<(), Fault> {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        let tenant = self.tenant().key();
        let ends = || rusqlite::Result::Ok((data_version(connection)?, size(connection, &tenant)?));
        let (data_version, size) = ends().map_err(|error| self.fault(error))?;
        let mut kept = self.edge();
        let mut frontier = match kept.take() {
            Some(edge) if (edge.data_version, edge.frontier.size()) == (data_version, size) => edge.frontier,
            _ => self.frontier(connection)?,
        };
        for entry in entries {
            let bytes = entry.to_bytes();
            if bytes.len() > MAX_ENTRY_BYTES {
                let what = std::io::Error::other("an entry of the audit log is too large");
                return Err(Fault::io(self.database(), what));
            }
            write(connection, &tenant, &mut frontier, &bytes).map_err(|error| self.fault(error))?;
        }
        *kept = Some(Edge { data_version, frontier });
        Ok(())
    }

    fn frontier(&self, connection: &Connection) -> Result<Frontier, Fault> {
        let size = size(connection, &self.tenant().key()).map_err(|error| self.fault(error))?;
        Frontier::read(size, |node| self.node(connection, node))
    }

    fn node(&self, connection: &Connection, node: Node) -> Result<Digest, Fault> {
        let found = find_node(connection, &self.tenant().key(), node).map_err(|error| self.fault(error))?;
        let Node { level, index } = node;
        found.ok_or_else(|| {
            let what = format!("the audit log has no node {index} of level {level}; `palisade audit verify` says more");
            Fault::damaged(self.database(), what)
        })
    }
}

/// How many entries there are: one more than the number of the last.
fn size(connection: &Connection, tenant: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT max(number) FROM audit_entry WHERE tenant = ?1";
    let last: Option<i64> = connection.prepare_cached(sql)?.query_row([tenant], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last.cast_unsigned() + 1))
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

fn find_node(connection: &Connection, tenant: &str, node: Node) -> rusqlite::Result<Option<Digest>> {
    let index = node.index.cast_signed();
    let read = |row: &rusqlite::Row<'_>| Ok(Digest::from_bytes(row.get(0)?));
    if node.level == 0 {
        let sql = "SELECT hash FROM audit_entry WHERE tenant = ?1 AND number = ?2";
        return connection.prepare_cached(sql)?.query_row(params![tenant, index], read).optional();
    }
    let sql = "SELECT hash FROM audit_node WHERE tenant = ?1 AND level = ?2 AND number = ?3";
    connection.prepare_cached(sql)?.query_row(params![tenant, node.level, index], read).optional()
}

/// Writes one leaf and the nodes that are complete with it.
fn write(connection: &Connection, tenant: &str, frontier: &mut Frontier, bytes: &[u8]) -> rusqlite::Result<()> {
    let mut written = Ok(());
    frontier.add(leaf_hash(bytes), |Node { level, index }, hash| {
        if written.is_err() {
            return;
        }
        let insert = || {
            let (index, hash) = (index.cast_signed(), hash.as_bytes());
            if level == 0 {
                let sql = "INSERT INTO audit_entry (tenant, number, bytes, hash) VALUES (?1, ?2, ?3, ?4)";
                return connection.prepare_cached(sql)?.execute(params![tenant, index, bytes, hash]);
            }
            let sql = "INSERT INTO audit_node (tenant, level, number, hash) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![tenant, level, index, hash])
        };
        written = insert().map(drop);
    });
    written
}

#[cfg(test)]
mod tests;

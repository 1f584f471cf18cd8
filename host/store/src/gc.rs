//! Removes runs, and all bytes that nobody names any more. A content or an artifact stays as long as the journal of a run
//! that stays names it, a component has it, or the caller does.

use crate::erase;
use crate::naming::{Names, Naming, NamingError, but, others};
use crate::removal;
use crate::runs::RunRow;
use crate::store::Store;
use palisade_audit::Entry;
use palisade_model::Digest;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeSet;

/// Whether something is only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Says what would be removed.
    Look,
    /// Removes it.
    Remove,
}

/// What is removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// The bytes of the events of each run, in the order of the runs.
    pub journals: Vec<u64>,
    /// Artifacts that nobody names.
    pub artifacts: u64,
    /// Contents that nobody names.
    pub contents: u64,
    /// Bytes of those contents.
    pub bytes: u64,
    /// Files that hold some of them.
    pub files: u64,
}

impl Store {
    /// Removes runs, which must be as they were when `runs` was read, and every artifact and content that then no run
    /// names, no component has, and `kept` does not hold: all of it or nothing, durable when this returns, and with it
    /// `noted` in the audit log. Other processes may go on working meanwhile; the caller owns the runs.
    ///
    /// # Errors
    /// When a run is not as it was, the journal of one that stays can't be read or believed, or the disk fails. If the
    /// disk fails once the rows are removed, files are left that go when the store is next opened.
    pub fn collect(
        &self,
        runs: &[RunRow],
        kept: &BTreeSet<Digest>,
        naming: &Naming<'_>,
        doing: Doing,
        noted: &[Entry],
    ) -> Result<Collected, NamingError> {
        let fault = |error| NamingError::Fault(self.fault(error));
        // Most is read before anybody has to wait; what comes meanwhile is read within the transaction.
        let mut names = Names::read(self, &but(self.runs()?, runs), naming)?;
        let lock = (doing == Doing::Remove).then(|| self.removal_lock()).transpose()?;
        let mut connection = self.connection();
        let behavior = match doing {
            Doing::Look => TransactionBehavior::Deferred,
            Doing::Remove => TransactionBehavior::Immediate,
        };
        let transaction = connection.transaction_with_behavior(behavior).map_err(fault)?;
        for row in others(self, &transaction, runs)? {
            names.complete(self, &transaction, &row, naming)?;
        }
        let tenant = self.tenant().key();
        let unnamed = unnamed(&transaction, &tenant, |digest| names.has(digest) || kept.contains(&digest));
        let (artifacts, contents, mut collected) = unnamed.map_err(fault)?;
        for row in runs {
            let sql = "SELECT coalesce(sum(length(bytes)), 0) FROM event WHERE tenant = ?1 AND run = ?2";
            let read = |connection: &Connection| {
                connection.prepare_cached(sql)?.query_row(params![tenant, row.run.as_bytes()], |row| row.get(0))
            };
            let bytes: i64 = read(&transaction).map_err(fault)?;
            collected.journals.push(bytes.cast_unsigned());
        }
        if doing == Doing::Look {
            return Ok(collected);
        }
        let remove = || -> rusqlite::Result<()> {
            runs.iter().try_for_each(|row| removal::run(&transaction, &tenant, row.run))?;
            artifacts.iter().try_for_each(|digest| removal::artifact(&transaction, &tenant, *digest))?;
            contents.iter().try_for_each(|digest| removal::content(&transaction, &tenant, *digest))?;
            erase::forget(&transaction, &tenant, |digest| names.has(digest))
        };
        remove().map_err(fault)?;
        self.write_entries(&transaction, noted)?;
        self.commit(transaction, Vec::new())?;
        drop((connection, lock));
        self.remove_files()?;
        Ok(collected)
    }
}

/// The artifacts that are not wanted, the contents that are then not wanted, and how much that is.
fn unnamed(
    connection: &Connection,
    tenant: &str,
    is_wanted: impl Fn(Digest) -> bool,
) -> rusqlite::Result<(Vec<Digest>, Vec<Digest>, Collected)> {
    let mut wanted = BTreeSet::new();
    let mut artifacts = Vec::new();
    let mut statement = connection.prepare_cached("SELECT digest, items FROM artifact WHERE tenant = ?1")?;
    let pair = |row: &rusqlite::Row<'_>| Ok((Digest::from_bytes(row.get(0)?), Digest::from_bytes(row.get(1)?)));
    for row in statement.query_map([tenant], pair)? {
        let (artifact, items) = row?;
        if is_wanted(artifact) {
            wanted.insert(items);
        } else {
            artifacts.push(artifact);
        }
    }
    let mut statement = connection.prepare_cached("SELECT digest FROM component WHERE tenant = ?1")?;
    for row in statement.query_map([tenant], |row| row.get(0))? {
        wanted.insert(Digest::from_bytes(row?));
    }
    let mut contents = Vec::new();
    let mut collected = Collected { artifacts: artifacts.len() as u64, ..Collected::default() };
    let sql = "SELECT digest, length, (SELECT count(*) FROM segment WHERE segment.tenant = content.tenant \
               AND segment.digest = content.digest) FROM content WHERE tenant = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let columns =
        |row: &rusqlite::Row<'_>| Ok((Digest::from_bytes(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    for row in statement.query_map([tenant], columns)? {
        let (content, length, files) = row?;
        if !wanted.contains(&content) && !is_wanted(content) {
            contents.push(content);
            collected.contents += 1;
            collected.bytes = collected.bytes.saturating_add(length.cast_unsigned());
            collected.files = collected.files.saturating_add(files.cast_unsigned());
        }
    }
    Ok((artifacts, contents, collected))
}

//! How rows and files go. The rows that name a file go in one commit with a row that says that the file is not needed any
//! more; the file goes after that, and then that row. Whoever opens the store in between ends what was begun.

use crate::backend::Backend;
use crate::content;
use crate::fault::Fault;
use crate::model_records;
use crate::session::{Folders, remove_unneeded};
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::Path;

/// Removes the row of an artifact; its items stay.
pub(crate) fn artifact(connection: &Connection, tenant: &str, digest: Digest) -> rusqlite::Result<()> {
    let sql = "DELETE FROM artifact WHERE tenant = ?1 AND digest = ?2";
    connection.prepare_cached(sql)?.execute(params![tenant, digest.as_bytes()])?;
    Ok(())
}

/// Removes the rows of a content that no artifact and no component has any more. Its files are noted.
pub(crate) fn content(connection: &Connection, tenant: &str, digest: Digest) -> rusqlite::Result<()> {
    for (file, _) in content::find_segments(connection, tenant, digest)? {
        connection.prepare_cached("INSERT OR IGNORE INTO unneeded_file (file) VALUES (?1)")?.execute([file])?;
    }
    for table in ["segment", "content"] {
        let sql = format!("DELETE FROM {table} WHERE tenant = ?1 AND digest = ?2");
        connection.prepare_cached(&sql)?.execute(params![tenant, digest.as_bytes()])?;
    }
    Ok(())
}

/// Removes what is only a hint of a run: what its attempts used, what may be reused of it, and what models answered it.
pub(crate) fn hints(connection: &Connection, tenant: &str, run: RunId) -> rusqlite::Result<()> {
    ["usage", "memo"].iter().try_for_each(|table| delete(connection, tenant, run, table))?;
    model_records::remove(connection, tenant, run)
}

/// Removes all rows of a run.
pub(crate) fn run(connection: &Connection, tenant: &str, run: RunId) -> rusqlite::Result<()> {
    hints(connection, tenant, run)?;
    ["request", "event", "run"].iter().try_for_each(|table| delete(connection, tenant, run, table))
}

fn delete(connection: &Connection, tenant: &str, run: RunId, table: &str) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {table} WHERE tenant = ?1 AND run = ?2");
    connection.prepare_cached(&sql)?.execute(params![tenant, run.as_bytes()])?;
    Ok(())
}

/// Removes the files that are noted, then the notes. Returns how many there were.
pub(crate) fn remove_files(
    connection: &mut Connection,
    database: &Path,
    backend: &dyn Backend,
    folders: &Folders,
) -> Result<usize, Fault> {
    let fault = |error| Fault::database(database, error);
    let read = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        connection.prepare_cached("SELECT file FROM unneeded_file")?.query_map([], |row| row.get(0))?.collect()
    };
    let names = read(connection).map_err(fault)?;
    if names.is_empty() {
        return Ok(0);
    }
    remove_unneeded(backend, folders, &names)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    for name in &names {
        let sql = "DELETE FROM unneeded_file WHERE file = ?1";
        transaction.prepare_cached(sql).and_then(|mut delete| delete.execute([name])).map_err(fault)?;
    }
    backend.commit(transaction).map_err(fault)?;
    Ok(names.len())
}

//! Journals as bytes on the disk: read, and that of the latest run written anew by somebody who owns it.

use crate::effects::Journals;
use palisade_model::digest::Hasher;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, params};
use serde_json::Value;
use std::path::Path;

/// Opens the database of a data directory.
///
/// # Panics
/// When it can't be opened.
#[must_use]
pub fn open(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("palisade.db")).expect("a database")
}

/// The events of the latest run.
///
/// # Panics
/// When they can't be read.
#[must_use]
pub fn events(connection: &Connection) -> Vec<Value> {
    let sql = "SELECT bytes FROM event WHERE run = (SELECT max(run) FROM run) ORDER BY seq";
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("events");
    rows.map(|bytes| serde_json::from_slice(&bytes.expect("bytes")).expect("JSON")).collect()
}

/// The events of all runs.
///
/// # Panics
/// When they can't be read.
#[must_use]
pub fn all(connection: &Connection) -> Journals {
    let mut journals = Journals::new();
    let mut statement = connection.prepare("SELECT run, bytes FROM event ORDER BY run, seq").expect("a statement");
    let mut rows = statement.query([]).expect("events");
    while let Some(row) = rows.next().expect("an event") {
        let bytes: Vec<u8> = row.get(1).expect("bytes");
        let run = RunId::from_bytes(row.get(0).expect("16 bytes"));
        journals.entry(run).or_default().push(serde_json::from_slice(&bytes).expect("JSON"));
    }
    journals
}

/// Writes these events in place of those of the latest run, with a chain of hashes that holds.
///
/// # Panics
/// When they can't be written.
pub fn rewrite(connection: &Connection, events: &[Value]) {
    let latest = connection.query_row("SELECT max(run) FROM run", [], |row| row.get(0));
    rewrite_run(connection, latest.expect("a run"), events);
}

/// The same with a run that need not be the latest.
///
/// # Panics
/// When they can't be written.
pub fn rewrite_run(connection: &Connection, run: Vec<u8>, events: &[Value]) {
    let tenant = connection.query_row("SELECT tenant FROM run WHERE run = ?1", params![run], |row| row.get(0));
    let tenant: String = tenant.expect("the run");
    let mut hash = Digest::of(&run);
    connection.execute_batch("BEGIN").expect("a transaction");
    connection.execute("DELETE FROM event WHERE run = ?1", params![run]).expect("no events");
    let sql = "INSERT INTO event (tenant, run, seq, kind, bytes, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare(sql).expect("a statement");
    for (seq, event) in (1_i64..).zip(events) {
        let kind = event["kind"].as_str().expect("a kind");
        let bytes = in_form(event);
        let mut hasher = Hasher::new();
        hasher.update(hash.as_bytes());
        hasher.update(&seq.to_be_bytes());
        hasher.update(kind.as_bytes());
        hasher.update(bytes.as_bytes());
        hash = hasher.finish();
        insert.execute(params![tenant, run, seq, kind, bytes.as_bytes(), hash.as_bytes()]).expect("an event");
    }
    let head = params![events.len() as i64, hash.as_bytes(), run];
    // What came with events that are no more.
    for of_events in ["usage", "memo"] {
        let sql = format!("DELETE FROM {of_events} WHERE run = ?1 AND seq > ?2");
        connection.execute(&sql, params![run, events.len() as i64]).expect("no rows");
    }
    connection.execute("UPDATE run SET head_seq = ?1, head_hash = ?2 WHERE run = ?3", head).expect("the head");
    connection.execute_batch("COMMIT").expect("a commit");
}

/// An event as Palisade writes it: its version and kind first.
fn in_form(event: &Value) -> String {
    let mut rest = event.as_object().cloned().unwrap_or_default();
    let (v, kind) = (rest.remove("v").unwrap_or_default(), rest.remove("kind").unwrap_or_default());
    let rest = Value::Object(rest).to_string();
    format!(r#"{{"v":{v},"kind":{kind},{}"#, rest.strip_prefix('{').unwrap_or_default())
}

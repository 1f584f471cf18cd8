//! Reading databases for guests. Of SQLite's, here: one read-only statement at a time, its rows as they come; of servers', in
//! `sql/server.rs`.
//!
//! The caller has authorised the file; this module makes sure that it is that file which is read, that nothing but
//! reading happens, and that no more than one batch of rows is in memory. It never decides who may read what.

mod open;
mod server;

pub(crate) use open::Database;
use open::OpenError;
pub(crate) use server::Sessions;

use palisade_model::sql::{Column, SqlValue};
use palisade_sandbox::ports::PortError;
use palisade_sql::{QueryError, Until};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Batches that may wait for the guest: one being read, one ready.
const WAITING_BATCHES: usize = 1;
/// How often SQLite asks whether to go on, in steps of its virtual machine: every fraction of a millisecond.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;
/// How long a lock of another program is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Least bytes that SQLite may put into one value, whatever a row may have: its own schema must fit.
const LEAST_VALUE_BYTES: usize = 1 << 20;

/// Rows on their way to a guest. Dropping it ends the statement.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    batches: Receiver<Result<Batch, QueryError>>,
    abandoned: Arc<AtomicBool>,
    rest: VecDeque<Row>,
    ended: bool,
}

/// A row and the bytes of its values.
#[derive(Debug)]
struct Row {
    values: Vec<SqlValue>,
    bytes: usize,
}

type Batch = Vec<Row>;

impl palisade_sandbox::ports::Rows for Rows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn next(&mut self, max_rows: u64, max_bytes: usize) -> Result<Vec<Vec<SqlValue>>, PortError> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while (taken.len() as u64) < max_rows && (taken.is_empty() || bytes < max_bytes) {
            if let Some(row) = self.rest.pop_front() {
                bytes += row.bytes;
                taken.push(row.values);
            } else if self.ended {
                break;
            } else {
                match self.batches.recv() {
                    Ok(Ok(batch)) => self.rest.extend(batch),
                    Ok(Err(error)) => {
                        self.ended = true;
                        return Err(port_error(error));
                    }
                    Err(_) => self.ended = true,
                }
            }
        }
        Ok(taken)
    }
}

/// Why a file can't be opened, as one of the reasons for which there are no rows.
pub(crate) fn not_opened(error: OpenError) -> QueryError {
    match error {
        OpenError::Sqlite(error) => explain(&error),
        other => QueryError::Unavailable(palisade_model::causes(&other)),
    }
}

/// What a guest is told.
pub(crate) fn port_error(error: QueryError) -> PortError {
    match error {
        QueryError::NotAllowed => PortError::Denied(error.to_string()),
        QueryError::Invalid(_) | QueryError::RowTooLarge { .. } => PortError::Invalid(error.to_string()),
        QueryError::Unavailable(_) => PortError::Unavailable(error.to_string()),
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

/// Starts a statement on a database and gives its rows as they come.
///
/// `max_row_bytes` bounds the values of one row; the statement ends by itself when `until` is over.
///
/// # Errors
/// When the statement is not understood, does more than read, or the database can't be read.
pub(crate) fn query(
    mut database: Database,
    statement: String,
    parameters: Vec<Value>,
    max_row_bytes: usize,
    until: Until,
) -> Result<Rows, QueryError> {
    let (to_guest, batches) = sync_channel(WAITING_BATCHES);
    let (to_caller, columns) = sync_channel(1);
    let abandoned = Arc::new(AtomicBool::new(false));
    let worker = Worker { abandoned: Arc::clone(&abandoned), until, to_guest, max_row_bytes };
    // A thread for each open result: rusqlite's rows borrow their statement, and this keeps one batch in memory.
    // The limit `handles` bounds how many there can be.
    std::thread::Builder::new()
        .name("palisade-sql".to_owned())
        .spawn(move || worker.run(&mut database, &statement, parameters, &to_caller))
        .map_err(|error| QueryError::Unavailable(format!("no thread for the statement: {error}")))?;
    let columns = columns.recv().map_err(|_| QueryError::Unavailable("the statement ended early".to_owned()))??;
    Ok(Rows { columns, batches, abandoned, rest: VecDeque::new(), ended: false })
}

/// A bound parameter as SQLite takes it.
pub(crate) fn value(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(yes) => Value::Integer(i64::from(*yes)),
        SqlValue::Integer(integer) => Value::Integer(*integer),
        SqlValue::Real(real) => Value::Real(*real),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(bytes) => Value::Blob(bytes.clone()),
    }
}

struct Worker {
    abandoned: Arc<AtomicBool>,
    until: Until,
    to_guest: SyncSender<Result<Batch, QueryError>>,
    max_row_bytes: usize,
}

impl Worker {
    fn run(
        &self,
        database: &mut Database,
        statement: &str,
        parameters: Vec<Value>,
        to_caller: &SyncSender<Result<Vec<Column>, QueryError>>,
    ) {
        let connection = database.connection();
        let mut prepared = match self.guard(connection).and_then(|()| connection.prepare(statement)) {
            Ok(prepared) => prepared,
            Err(error) => {
                let _ = to_caller.send(Err(explain(&error)));
                return;
            }
        };
        let columns = prepared.columns().map(|found| column(&found)).collect::<Vec<_>>();
        let width = columns.len();
        if !prepared.readonly() || width == 0 {
            let _ = to_caller.send(Err(QueryError::NotAllowed));
            return;
        }
        let rows = match prepared.query(rusqlite::params_from_iter(parameters)) {
            Ok(rows) => rows,
            Err(error) => {
                let _ = to_caller.send(Err(explain(&error)));
                return;
            }
        };
        if to_caller.send(Ok(columns)).is_ok()
            && let Err(error) = self.send_all(rows, width)
        {
            // The guest may be gone; then nobody wants to know.
            let _ = self.to_guest.send(Err(error));
        }
    }

    /// Lets the connection do nothing but read, make no value that could not be handed on, and stop when nobody wants
    /// the rows or the time is over.
    fn guard(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let (abandoned, until) = (Arc::clone(&self.abandoned), self.until.clone());
        let value_bytes = i32::try_from(self.max_row_bytes.max(LEAST_VALUE_BYTES)).unwrap_or(i32::MAX);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, value_bytes)?;
        connection.authorizer(Some(only_reading))?;
        let over = move || abandoned.load(Ordering::Relaxed) || until.is_over();
        connection.progress_handler(STEPS_BETWEEN_CHECKS, Some(over))
    }

    fn send_all(&self, mut rows: rusqlite::Rows<'_>, width: usize) -> Result<(), QueryError> {
        /// Bytes after which a batch goes to the guest.
        const BATCH_BYTES: usize = 256 << 10;
        let mut batch = Batch::new();
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(|error| explain_row(&error))? {
            let row = self.row(row, width)?;
            bytes += row.bytes;
            batch.push(row);
            if bytes >= BATCH_BYTES {
                bytes = 0;
                if self.to_guest.send(Ok(std::mem::take(&mut batch))).is_err() {
                    return Ok(());
                }
            }
        }
        let _ = self.to_guest.send(Ok(batch));
        Ok(())
    }

    fn row(&self, row: &rusqlite::Row<'_>, width: usize) -> Result<Row, QueryError> {
        let mut read = Row { values: Vec::with_capacity(width), bytes: 0 };
        for index in 0..width {
            let value = row.get_ref(index).map_err(|error| explain(&error))?;
            // Before the copy, so that a huge cell is never copied.
            read.bytes += match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => size_of::<i64>(),
            };
            if read.bytes > self.max_row_bytes {
                return Err(QueryError::RowTooLarge { max: self.max_row_bytes });
            }
            read.values.push(match value {
                ValueRef::Null => SqlValue::Null,
                ValueRef::Integer(integer) => SqlValue::Integer(integer),
                ValueRef::Real(real) => SqlValue::Real(real),
                ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                    .map(|text| SqlValue::Text(text.to_owned()))
                    .map_err(|_| QueryError::Invalid("a text is not UTF-8".to_owned()))?,
                ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
            });
        }
        Ok(read)
    }
}

fn column(column: &rusqlite::Column<'_>) -> Column {
    Column { name: column.name().to_owned(), declared_type: column.decl_type().unwrap_or_default().to_owned() }
}

/// Lets a statement read tables and ask `table_info`; everything else is refused when it is prepared. `data_version` is
/// what a full-text table asks when it is read.
fn only_reading(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        AuthAction::Pragma { pragma_name, .. }
            if ["table_info", "data_version"].iter().any(|one| pragma_name.eq_ignore_ascii_case(one)) =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// As [`explain`] for a statement that was allowed: what is refused after that, a table's own code wanted.
fn explain_row(error: &rusqlite::Error) -> QueryError {
    match explain(error) {
        QueryError::NotAllowed => QueryError::Invalid("it is virtual, and opening it does more than read".to_owned()),
        other => other,
    }
}

fn explain(error: &rusqlite::Error) -> QueryError {
    use rusqlite::ErrorCode;
    let code = error.sqlite_error_code();
    let text = palisade_model::neutral::line(&error.to_string(), 500);
    match code {
        Some(ErrorCode::AuthorizationForStatementDenied) => QueryError::NotAllowed,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            QueryError::Unavailable("the database is locked by another program".to_owned())
        }
        Some(ErrorCode::NotADatabase) => QueryError::Unavailable("the file is not a SQLite database".to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => QueryError::Unavailable("the database is corrupt".to_owned()),
        // Nothing here writes, so it is SQLite itself that would have to.
        Some(ErrorCode::ReadOnly) => {
            let text = "a program that was interrupted left a journal beside the database, which must be rolled back first: \
                        open it once with that program, or with `sqlite3`";
            QueryError::Unavailable(text.to_owned())
        }
        Some(ErrorCode::Unknown) | None => QueryError::Invalid(text),
        Some(_) => QueryError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests;

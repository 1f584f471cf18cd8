//! The database: its file, its settings, its tables and how they change between versions.

use crate::backend::{Backend, FILE_MODE};
use crate::fault::Fault;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Marks the database as Palisade's: `Plsd`.
const APPLICATION_ID: i32 = 0x506c_7364;
/// Pages of the write-ahead log, of 4 KiB, before they are moved to the database: that costs two syncs, and the pages that
/// steps change most are moved once for all that changed in them.
const CHECKPOINT_PAGES: u32 = 4_000;
/// How long a writer waits for another process. A commit takes milliseconds, so this is a process that was stopped.
const BUSY: Duration = Duration::from_secs(30);

/// What leads from each version of the tables to the next. An entry never changes once released: add one.
const MIGRATIONS: [&str; 7] = [
    include_str!("tables.sql"),
    include_str!("tables_2.sql"),
    include_str!("tables_3.sql"),
    include_str!("tables_4.sql"),
    include_str!("tables_5.sql"),
    include_str!("tables_6.sql"),
    include_str!("tables_7.sql"),
];

/// The version of the tables that this Palisade writes.
pub(crate) const KNOWN: usize = MIGRATIONS.len();

/// Why a database can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("version {found} of the tables is newer than {KNOWN}")]
    Newer { found: i64 },
    #[error("the database is not Palisade's")]
    Foreign,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Opens the database at `path`, makes it where it is missing, and brings its tables up to date.
pub(crate) fn open(backend: &dyn Backend, path: &Path) -> Result<Connection, DatabaseError> {
    let fault = |error| Fault::database(path, error);
    // SQLite gives the files beside it the mode of the database, so that mode must be right from the start.
    let created = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    created.map_err(|error| Fault::io(path, error))?;
    let mut connection = connect(path).map_err(fault)?;
    configure(&connection).map_err(fault)?;
    migrate(backend, path, &mut connection)?;
    Ok(connection)
}

/// Opens a database that is open already a second time, for reading: it sees what is committed while something is being
/// written.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    let open = || {
        let connection = connect(path)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
        Ok(connection)
    };
    open().map_err(|error| Fault::database(path, error))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // The file may have come with a folder from elsewhere: nothing that its schema says may run code.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.execute_batch("PRAGMA cell_size_check = ON;")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    let mode = switch_to_wal(connection)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(rusqlite::Error::InvalidParameterName(format!("journal mode is {mode}, not WAL")));
    }
    // What is deleted is overwritten with zeros, so that what was erased does not stay in free pages.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
}

/// SQLite does not wait for the lock that it needs to change the mode, whatever its time-out: two processes that make
/// one database at the same moment would fail.
fn switch_to_wal(connection: &Connection) -> rusqlite::Result<String> {
    const PAUSE: Duration = Duration::from_millis(5);
    let give_up = Instant::now() + BUSY;
    loop {
        let switched = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match switched {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < give_up => {
                std::thread::sleep(PAUSE);
            }
            switched => return switched,
        }
    }
}

fn migrate(backend: &dyn Backend, path: &Path, connection: &mut Connection) -> Result<(), DatabaseError> {
    let fault = |error| Fault::database(path, error);
    let known = MIGRATIONS.len() as i64;
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    // In one transaction: another process may make the tables meanwhile, and half of that would look like a stranger's.
    let looked = connection.transaction().map_err(fault)?;
    let id: i32 = looked.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(fault)?;
    let found = version(&looked).map_err(fault)?;
    let tables: i64 = looked.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    looked.finish().map_err(fault)?;
    if id != APPLICATION_ID && (id, found, tables) != (0, 0, 0) {
        return Err(DatabaseError::Foreign);
    }
    if found > known || found < 0 {
        return Err(DatabaseError::Newer { found });
    }
    if found == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    // Another process may have done it while this one waited.
    let found = usize::try_from(version(&transaction).map_err(fault)?).unwrap_or_default();
    for migration in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(migration).map_err(fault)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fault)?;
    transaction.pragma_update(None, "user_version", known).map_err(fault)?;
    backend.commit(transaction).map_err(fault)?;
    Ok(())
}

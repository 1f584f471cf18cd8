//! What is known of each run without reading its journal.

use crate::fault::Fault;
use crate::journal::Head;
use crate::store::Store;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// What a list of runs shows. The writer of a run keeps it up to date; it is never read to decide anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The runbook's name.
    pub title: String,
    /// How it stands.
    pub status: String,
    /// When it started, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How many items its results have; none before it ended, and for runs of before this was noted.
    pub items: Option<u64>,
    /// The run that started it; none = a person did.
    pub parent: Option<RunId>,
    /// What its caller named it, so that a second call finds it.
    pub key: Option<String>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub run: RunId,
    /// Its last event.
    pub head: Head,
    /// What is shown of it.
    pub summary: RunSummary,
}

/// Who started the runs that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// Whoever did.
    ByAny,
    /// A person.
    ByPeople,
    /// Another run.
    ByRuns,
}

impl Started {
    const fn condition(self) -> &'static str {
        match self {
            Self::ByAny => "TRUE",
            Self::ByPeople => "parent IS NULL",
            Self::ByRuns => "parent IS NOT NULL",
        }
    }
}

/// Why a text names no run.
#[derive(Debug, thiserror::Error)]
pub enum FindRunError {
    /// No run's id begins so.
    #[error("there is no run `{text}`")]
    None {
        /// What was given.
        text: String,
    },
    /// Several ids begin so.
    #[error("`{text}` is the beginning of {count} runs")]
    Several {
        /// What was given.
        text: String,
        /// Of how many.
        count: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

const COLUMNS: &str = "run, head_seq, head_hash, title, status, started_ms, ended_ms, items, parent, key";

impl Store {
    /// All runs, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn runs(&self) -> Result<Vec<RunRow>, Fault> {
        all(&self.reader(), &self.tenant().key()).map_err(|error| self.fault(error))
    }

    /// The latest runs of those that were started so, the latest first, at most `limit`; only those of a status, if one is given.
    ///
    /// # Errors
    /// When the database fails.
    pub fn latest_runs(&self, limit: usize, started: Started, status: Option<&str>) -> Result<Vec<RunRow>, Fault> {
        let read = || {
            let sql = format!(
                "SELECT {COLUMNS} FROM run WHERE tenant = ?1 AND (?2 IS NULL OR status = ?2) \
                 AND {} ORDER BY run DESC LIMIT ?3",
                started.condition()
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            self.reader()
                .prepare_cached(&sql)?
                .query_map(params![self.tenant().key(), status, limit], read_row)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))
    }

    /// The run that was started with that key.
    ///
    /// # Errors
    /// When the database fails.
    pub fn run_of_key(&self, key: &str) -> Result<Option<RunId>, Fault> {
        of_key(&self.reader(), &self.tenant().key(), key).map_err(|error| self.fault(error))
    }

    /// The run of that id.
    ///
    /// # Errors
    /// When the database fails.
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, Fault> {
        find(&self.reader(), &self.tenant().key(), run).map_err(|error| self.fault(error))
    }

    /// The run that a person means: an id, its beginning if no other begins so, or `last`: the latest that a person
    /// started; behind any of them `~N` for the run that is the N-th before it, of those that a person started.
    ///
    /// # Errors
    /// When no run, or several, are meant, or the database fails.
    pub fn find_run(&self, text: &str) -> Result<RunId, FindRunError> {
        let runs = self.runs()?;
        let wanted = text.to_ascii_lowercase();
        let (wanted, before) = wanted.split_once('~').map_or((wanted.as_str(), Some(0)), |(wanted, number)| {
            // As digits alone: `+1` would be read as a number too.
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            (wanted, number.parse::<usize>().ok().filter(|_| digits))
        });
        let by_person = |row: &RunRow| row.summary.parent.is_none();
        let meant: Vec<usize> = match wanted {
            "last" => runs.iter().position(by_person).into_iter().collect(),
            "" => Vec::new(),
            _ => {
                let begins = |row: &RunRow| row.run.to_string().starts_with(wanted);
                runs.iter().enumerate().filter(|(_, row)| begins(row)).map(|(index, _)| index).collect()
            }
        };
        let text = || text.chars().take(80).collect();
        let index = match meant.as_slice() {
            [] => return Err(FindRunError::None { text: text() }),
            [index] => *index,
            several => return Err(FindRunError::Several { text: text(), count: several.len() }),
        };
        let earlier = before.and_then(|before| match before.checked_sub(1) {
            None => runs.get(index),
            Some(between) => runs.iter().skip(index + 1).filter(|row| by_person(row)).nth(between),
        });
        earlier.map(|row| row.run).ok_or_else(|| FindRunError::None { text: text() })
    }
}

/// All rows, the latest run first.
pub(crate) fn all(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<RunRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE tenant = ?1 ORDER BY run DESC"))?
        .query_map(params![tenant], read_row)?
        .collect()
}

/// The row of a run.
pub(crate) fn find(connection: &Connection, tenant: &str, run: RunId) -> rusqlite::Result<Option<RunRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE tenant = ?1 AND run = ?2"))?
        .query_row(params![tenant, run.as_bytes()], read_row)
        .optional()
}

/// The run of that key.
pub(crate) fn of_key(connection: &Connection, tenant: &str, key: &str) -> rusqlite::Result<Option<RunId>> {
    connection
        .prepare_cached("SELECT run FROM run WHERE tenant = ?1 AND key = ?2")?
        .query_row(params![tenant, key], |row| Ok(RunId::from_bytes(row.get(0)?)))
        .optional()
}

/// Writes a run's first row.
pub(crate) fn insert(connection: &Connection, tenant: &str, row: &RunRow) -> rusqlite::Result<()> {
    let sql = format!("INSERT INTO run (tenant, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    write(connection, &sql, tenant, row)
}

/// Writes a run's row anew.
pub(crate) fn update(connection: &Connection, tenant: &str, row: &RunRow) -> rusqlite::Result<()> {
    let sql = "UPDATE run SET head_seq = ?3, head_hash = ?4, title = ?5, status = ?6, started_ms = ?7, ended_ms = ?8, \
               items = ?9, parent = ?10, key = ?11 WHERE tenant = ?1 AND run = ?2";
    write(connection, sql, tenant, row)
}

fn write(connection: &Connection, sql: &str, tenant: &str, row: &RunRow) -> rusqlite::Result<()> {
    let RunRow { run, head, summary } = row;
    connection.prepare_cached(sql)?.execute(params![
        tenant,
        run.as_bytes(),
        head.seq.cast_signed(),
        head.hash.as_bytes(),
        summary.title,
        summary.status,
        summary.started_ms.cast_signed(),
        summary.ended_ms.map(u64::cast_signed),
        summary.items.map(u64::cast_signed),
        summary.parent.as_ref().map(RunId::as_bytes),
        summary.key,
    ])?;
    Ok(())
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: RunId::from_bytes(row.get(0)?),
        head: Head { seq: row.get::<_, i64>(1)?.cast_unsigned(), hash: Digest::from_bytes(row.get(2)?) },
        summary: RunSummary {
            title: row.get(3)?,
            status: row.get(4)?,
            started_ms: row.get::<_, i64>(5)?.cast_unsigned(),
            ended_ms: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
            items: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
            parent: row.get::<_, Option<[u8; 16]>>(8)?.map(RunId::from_bytes),
            key: row.get(9)?,
        },
    })
}

//! Reads tables and emits their cells.

use crate::cell;
use crate::document::Totals;
use crate::table::Table;
use palisade_findings::{DOCUMENTS, Texts};
use palisade_sdk::sql::{self, Value};
use palisade_sdk::{Context, Failure, Line, Result};
use serde::Serialize;

/// Bytes of items that are held back until a table was read without an error. Of a table with more, what came before
/// the error is kept.
const HELD_BYTES: u64 = 32 << 20;
/// Bytes of the description of the tables. The metadata of an artifact may have 1 MiB.
const SCHEMA_BYTES: usize = 512 << 10;

/// How the databases of a kind are asked.
pub trait Dialect {
    /// The tables, in order, described as far as one statement does for all.
    ///
    /// # Errors
    /// When they can't be read.
    fn tables(&self, asked: &Asked<'_>) -> Result<Vec<Table>>;

    /// Why a table is not read, if it is not.
    fn leaves_out(&self, _table: &str) -> Option<&'static str> {
        None
    }

    /// Describes a table further: its columns among it.
    ///
    /// # Errors
    /// When it can't be read.
    fn describe(&self, asked: &Asked<'_>, table: &mut Table) -> Result<()>;

    /// The statement that gives the first rows of a table; its one parameter is how many.
    fn rows(&self, table: &str) -> String;
}

/// A connection that can be asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The attempt.
    pub ctx: &'a Context,
    /// The host's name for the connection.
    pub connection: &'a str,
}

/// What is read, and what its items are called.
#[derive(Debug, Clone, Copy)]
pub struct What<'a> {
    /// The kind of database, as `sqlite`.
    pub kind: &'static str,
    /// The connector's name in what it emits.
    pub connector_type: &'static str,
    /// The name of the database.
    pub database: &'a str,
    /// The name of the schema in which the tables are.
    pub schema: &'a str,
    /// Most rows of a table.
    pub max_rows: i64,
}

/// What an item says of its cell.
#[derive(Serialize)]
struct CellMetadata<'a> {
    table_name: &'a str,
    column_name: &'a str,
    schema_name: &'a str,
}

impl Asked<'_> {
    /// Runs a statement.
    ///
    /// # Errors
    /// When the host or the database refuses it.
    pub fn query(&self, statement: &str, parameters: &[Value]) -> Result<sql::Rows> {
        sql::query(self.ctx, self.connection, statement, parameters).map_err(Failure::from)
    }

    /// Runs a statement and makes something of each row.
    ///
    /// # Errors
    /// When the host or the database refuses it, or a row can't be read.
    pub fn all<T>(&self, statement: &str, parameters: &[Value], make: impl Fn(Cells) -> T) -> Result<Vec<T>> {
        self.query(statement, parameters)?.map(|row| row.map(|row| make(row.into_iter()))).collect()
    }
}

/// The cells of a row.
pub type Cells = std::vec::IntoIter<Value>;

/// Reads all tables and emits their cells.
///
/// # Errors
/// When the tables can't be listed, or the host ends the attempt.
pub fn read(dialect: &impl Dialect, asked: Asked<'_>, what: What<'_>) -> Result<Totals> {
    let tables = dialect.tables(&asked)?;
    let count = tables.len() as u64;
    let texts = Texts::new(asked.ctx, what.connector_type);
    let mut reading = Reading { asked, what, texts, totals: Totals::default(), room: SCHEMA_BYTES };
    for mut table in tables {
        if let Some(why) = dialect.leaves_out(&table.name) {
            reading.skip(&table.name, why);
            continue;
        }
        match dialect.describe(&asked, &mut table) {
            Ok(()) => {
                let (name, columns) = (table.name.clone(), table.columns.len());
                reading.totals.tables_processed += 1;
                reading.keep(table);
                reading.table(&name, columns, &dialect.rows(&name))?;
            }
            Err(error) => reading.skip(&table.name, &format!("it can't be read: {error}")),
        }
    }
    asked.ctx.progress(count, count, "tables");
    Ok(reading.totals)
}

struct Reading<'a> {
    asked: Asked<'a>,
    what: What<'a>,
    texts: Texts<'a>,
    totals: Totals,
    /// Bytes that are left for descriptions of tables.
    room: usize,
}

impl Reading<'_> {
    /// Keeps the description of a table as long as there is room.
    fn keep(&mut self, table: Table) {
        let bytes = serde_json::to_string(&table).map_or(usize::MAX, |json| json.len());
        if bytes <= self.room {
            self.room -= bytes;
            self.totals.tables.push(table);
        } else if self.room > 0 {
            self.room = 0;
            let message = format!("the description of {} and later tables is left out of the metadata", table.name);
            self.asked.ctx.log().warn(message);
        }
    }

    /// Emits the cells of a table, or none of them if it can't be read.
    fn table(&mut self, table: &str, columns: usize, statement: &str) -> Result<()> {
        let ctx = self.asked.ctx;
        let mut held = Held::default();
        let outcome = self.rows(table, columns, statement, &mut held)?;
        let (emitted, unread) = match outcome {
            Ok(()) => (held.emit(ctx)?, None),
            // Nothing of it was emitted yet, so nothing will be.
            Err(reason) if held.emitted == 0 => (0, Some(format!("it can't be read: {reason}"))),
            Err(reason) => (held.emit(ctx)?, Some(format!("the rest of it can't be read: {reason}"))),
        };
        self.totals.cells += emitted;
        if let Some(reason) = unread {
            self.skip(table, &reason);
        }
        Ok(())
    }

    /// Adds the cells of a table to `held`; the inner error is why no more of it can be read.
    fn rows(&self, table: &str, columns: usize, statement: &str, held: &mut Held) -> Result<Result<(), String>> {
        let What { kind, database, schema, max_rows, .. } = self.what;
        let rows = match self.asked.query(statement, &[Value::Integer(max_rows)]) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let names: Vec<String> = rows.columns().into_iter().map(|column| column.name).collect();
        if names.len() != columns {
            return Ok(Err("it has generated columns".to_owned()));
        }
        for (number, row) in (1_u64..).zip(rows) {
            let row = match row {
                Ok(row) => row,
                Err(error) => return Ok(Err(error.to_string())),
            };
            for (column, cell) in names.iter().zip(row) {
                let Some(text) = cell::text(cell) else { continue };
                let source = format!("{kind}_database_({database})_table_({table})_column_({column})_row_({number})");
                let content = format!("{column}: {text}");
                let metadata = CellMetadata { table_name: table, column_name: column, schema_name: schema };
                if let Some(line) = self.texts.line(&content, &source, &metadata)? {
                    held.push(self.asked.ctx, line)?;
                }
            }
        }
        Ok(Ok(()))
    }

    fn skip(&self, table: &str, reason: &str) {
        self.asked.ctx.skip(format!("table `{table}` of {}", self.what.database), reason);
    }
}

/// The items of one table that are not emitted yet.
#[derive(Default)]
struct Held {
    lines: Vec<Line>,
    bytes: u64,
    emitted: u64,
}

impl Held {
    fn push(&mut self, ctx: &Context, line: Line) -> Result<()> {
        self.bytes += line.bytes();
        self.lines.push(line);
        if self.bytes >= HELD_BYTES {
            self.emit(ctx)?;
        }
        Ok(())
    }

    /// Emits what is held; returns how many items of the table were emitted by now.
    fn emit(&mut self, ctx: &Context) -> Result<u64> {
        for line in self.lines.drain(..) {
            ctx.emit_made(DOCUMENTS, &line)?;
            self.emitted += 1;
        }
        self.bytes = 0;
        Ok(self.emitted)
    }
}

//! Reads the cells of a SQLite database: one item for each cell that is not blank.

use palisade_findings::{DOCUMENTS, Empty, LAX, Texts, TextsMetadata};
use palisade_sdk::sql::{self, Value};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Failure, Metadata, Property, Request, Result, limit};
use serde::{Deserialize, Serialize};

mod cell;
mod schema;

use schema::{Column, Table};

/// The name of this connector in what it emits.
const CONNECTOR_TYPE: &str = "sqlite_connector";
/// Bytes of items that are held back until a table was read without an error. Of a table with more, what came before
/// the error is kept.
const HELD_BYTES: usize = 32 << 20;
/// Bytes of the description of the tables. The metadata of an artifact may have 1 MiB.
const SCHEMA_BYTES: usize = 512 << 10;

/// The component.
pub struct Sqlite;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    database_path: String,
    max_rows_per_table: i64,
}

/// What an item says of its cell.
#[derive(Serialize)]
struct CellMetadata<'a> {
    table_name: &'a str,
    column_name: &'a str,
    schema_name: &'a str,
}

/// What was read.
#[derive(Default, Serialize, Deserialize)]
pub struct Totals {
    tables: Vec<Table>,
    tables_processed: u64,
    cells: u64,
}

/// What the document of the texts says.
#[derive(Serialize)]
struct DatabaseMetadata<'a> {
    connector_type: &'static str,
    connection_info: ConnectionInfo<'a>,
    database_schema: DatabaseSchema<'a>,
    total_data_items: u64,
    extraction_summary: ExtractionSummary,
}

#[derive(Serialize)]
struct ConnectionInfo<'a> {
    database_path: &'a str,
}

#[derive(Serialize)]
struct DatabaseSchema<'a> {
    database_name: &'a str,
    tables: Vec<Table>,
    /// A file has no server.
    server_info: Option<Empty>,
}

#[derive(Serialize)]
struct ExtractionSummary {
    tables_processed: u64,
    cell_values_extracted: u64,
    max_rows_per_table: i64,
}

impl Analyser for Sqlite {
    type Config = Config;
    type Partial = Totals;

    fn describe() -> Description {
        let config = ConfigSchema::new()
            .required(
                "database_path",
                Property::string().with("pattern", r"\S").connection("sqlite").about("A SQLite database file"),
            )
            .property("max_rows_per_table", Property::integer().above(0).default(10).about("Most rows of a table"))
            .with(LAX, true);
        Description::connector("palisade:sqlite", env!("CARGO_PKG_VERSION"), "Reads SQLite databases")
            .about("Reads the first rows of each table of a SQLite database, one text for each cell.")
            .output(DOCUMENTS, "standard_input/1.0.0")
            .config(config)
            .request(Request::sql("to read the database that the runbook names"))
            .limit(limit::FUEL, 10_000_000_000)
            // The host takes 60 for each byte of an item, and the shortest row of four bytes makes an item of 300.
            .limit(limit::FUEL_PER_INPUT_BYTE, 10_000)
            // What is held of a table, twice while it grows, and the largest row.
            .limit(limit::MEMORY, 256 << 20)
            .limit(limit::WALL, 3_600_000)
            .limit(limit::OUTPUT_BYTES, 256 << 20)
            // Names of tables and columns, which may be long, are in each item.
            .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 400)
            .limit(limit::ROWS, 10_000_000)
    }

    fn run(ctx: &Context, config: Config) -> Result<Totals> {
        Database::new(ctx, &config).read()
    }

    fn finish(_: &Context, config: Config, parts: Vec<Totals>) -> Result<Vec<Metadata>> {
        let totals = parts.into_iter().next().unwrap_or_default();
        let path = config.database_path.trim();
        let database_name = database_name(path);
        let texts = TextsMetadata {
            name: format!("sqlite_text_from_{database_name}"),
            description: format!("Text content extracted from SQLite database: {path}"),
            content_encoding: "utf-8",
            source: path,
            metadata: DatabaseMetadata {
                connector_type: CONNECTOR_TYPE,
                connection_info: ConnectionInfo { database_path: path },
                database_schema: DatabaseSchema { database_name, tables: totals.tables, server_info: None },
                total_data_items: totals.cells,
                extraction_summary: ExtractionSummary {
                    tables_processed: totals.tables_processed,
                    cell_values_extracted: totals.cells,
                    max_rows_per_table: config.max_rows_per_table,
                },
            },
        };
        texts.finish()
    }
}

palisade_sdk::export!(Sqlite);

/// The name of a file without its last suffix.
fn database_name(path: &str) -> &str {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, suffix)) if !stem.is_empty() && !suffix.is_empty() => stem,
        _ => name,
    }
}

/// Reads tables and emits their cells.
struct Database<'d> {
    ctx: &'d Context,
    name: &'d str,
    /// The host's name for the database: the path as the runbook writes it.
    connection: String,
    max_rows: i64,
    texts: Texts<'d>,
    totals: Totals,
}

impl<'d> Database<'d> {
    fn new(ctx: &'d Context, config: &'d Config) -> Self {
        Self {
            ctx,
            name: database_name(config.database_path.trim()),
            connection: format!("sqlite:{}", config.database_path),
            max_rows: config.max_rows_per_table,
            texts: Texts::new(ctx, CONNECTOR_TYPE),
            totals: Totals::default(),
        }
    }

    fn read(mut self) -> Result<Totals> {
        let names = self
            .query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid", &[])?
            .filter_map(|row| row.map(|row| schema::text_of(row.into_iter().next())).transpose())
            .collect::<Result<Vec<String>>>()?;
        let mut room = SCHEMA_BYTES;
        for name in &names {
            if !schema::is_plain(name) {
                self.skip(name, "its name has characters other than letters, digits, `_` and `-`");
                continue;
            }
            match self.describe(name) {
                Ok(table) => {
                    let columns = table.columns.len();
                    self.totals.tables_processed += 1;
                    self.keep(table, &mut room);
                    self.read_table(name, columns)?;
                }
                Err(error) => self.skip(name, &format!("it can't be read: {error}")),
            }
        }
        self.ctx.progress(names.len() as u64, names.len() as u64, "tables");
        Ok(self.totals)
    }

    /// What the database says of a table; of rows that can't be counted, there are none.
    fn describe(&self, table: &str) -> Result<Table> {
        let statement = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?)";
        let columns = self
            .query(statement, &[Value::from(table)])?
            .map(|row| row.map(Column::from))
            .collect::<Result<Vec<Column>>>()?;
        let counting = self.query(&format!("SELECT COUNT(*) FROM {}", schema::quote(table)), &[]);
        let count = counting.ok().and_then(|mut rows| rows.next()?.ok()?.into_iter().next());
        Ok(Table::new(table, schema::integer_of(count), columns))
    }

    /// Keeps the description of a table as long as there is room.
    fn keep(&mut self, table: Table, room: &mut usize) {
        let bytes = serde_json::to_string(&table).map_or(usize::MAX, |json| json.len());
        if bytes <= *room {
            *room -= bytes;
            self.totals.tables.push(table);
        } else if *room > 0 {
            *room = 0;
            let message = format!("the description of {} and later tables is left out of the metadata", table.name());
            self.ctx.log().warn(message);
        }
    }

    /// Emits the cells of a table, or none of them if it can't be read.
    fn read_table(&mut self, table: &str, columns: usize) -> Result<()> {
        let mut held = Held::default();
        let outcome = self.read_rows(table, columns, &mut held)?;
        let (emitted, unread) = match outcome {
            Ok(()) => (held.emit(self.ctx)?, None),
            // Nothing of it was emitted yet, so nothing will be.
            Err(reason) if held.emitted == 0 => (0, Some(format!("it can't be read: {reason}"))),
            Err(reason) => (held.emit(self.ctx)?, Some(format!("the rest of it can't be read: {reason}"))),
        };
        self.totals.cells += emitted;
        if let Some(reason) = unread {
            self.skip(table, &reason);
        }
        Ok(())
    }

    /// Adds the cells of a table to `held`; the inner error is why no more of it can be read.
    fn read_rows(&self, table: &str, columns: usize, held: &mut Held) -> Result<Result<(), String>> {
        let statement = format!("SELECT * FROM {} LIMIT ?", schema::quote(table));
        let rows = match self.query(&statement, &[Value::Integer(self.max_rows)]) {
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
                let source =
                    format!("sqlite_database_({})_table_({table})_column_({column})_row_({number})", self.name);
                let content = format!("{column}: {text}");
                let metadata = CellMetadata { table_name: table, column_name: column, schema_name: self.name };
                if let Some(line) = self.texts.line(&content, &source, &metadata)? {
                    held.push(self.ctx, &line)?;
                }
            }
        }
        Ok(Ok(()))
    }

    fn query(&self, statement: &str, parameters: &[Value]) -> Result<sql::Rows> {
        sql::query(self.ctx, &self.connection, statement, parameters).map_err(Failure::from)
    }

    fn skip(&self, table: &str, reason: &str) {
        self.ctx.skip(format!("table `{table}` of {}", self.name), reason);
    }
}

/// The items of one table that are not emitted yet.
#[derive(Default)]
struct Held {
    lines: String,
    count: u64,
    emitted: u64,
}

impl Held {
    fn push(&mut self, ctx: &Context, line: &str) -> Result<()> {
        self.lines.push_str(line);
        self.lines.push('\n');
        self.count += 1;
        if self.lines.len() >= HELD_BYTES {
            self.emit(ctx)?;
        }
        Ok(())
    }

    /// Emits what is held; returns how many items of the table were emitted by now.
    fn emit(&mut self, ctx: &Context) -> Result<u64> {
        for line in self.lines.lines() {
            ctx.emit_line(DOCUMENTS, line)?;
        }
        self.lines.clear();
        self.emitted += std::mem::take(&mut self.count);
        Ok(self.emitted)
    }
}

#[cfg(test)]
mod tests;

//! Reads the cells of a SQLite database: one item for each cell that is not blank.

use palisade_databases::{About, Asked, Column, Dialect, Table, Totals, What, filled, integer, quote, text};
use palisade_findings::{DOCUMENTS, Empty, LAX};
use palisade_sdk::sql::Value;
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Property, Request, Result};
use serde::{Deserialize, Serialize};

/// The name of this connector in what it emits.
const CONNECTOR_TYPE: &str = "sqlite_connector";
/// The type of a column that declares none.
const NO_TYPE: &str = "TEXT";

/// The component.
pub struct Sqlite;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    database_path: String,
    max_rows_per_table: i64,
}

#[derive(Serialize)]
struct ConnectionInfo<'a> {
    database_path: &'a str,
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
        let description =
            Description::connector("palisade:sqlite", env!("CARGO_PKG_VERSION"), "Reads SQLite databases")
                .about("Reads the first rows of each table of a SQLite database, one text for each cell.")
                .output(DOCUMENTS, "standard_input/1.0.0")
                .config(config)
                .request(Request::sql("to read the database that the runbook names"));
        palisade_databases::limits(description)
    }

    fn run(ctx: &Context, config: Config) -> Result<Totals> {
        // The host's name for the database: the path as the runbook writes it.
        let connection = format!("sqlite:{}", config.database_path);
        let database = database_name(config.database_path.trim());
        let what = What {
            kind: "sqlite",
            connector_type: CONNECTOR_TYPE,
            database,
            schema: database,
            max_rows: config.max_rows_per_table,
        };
        palisade_databases::read(&Sqlite, Asked { ctx, connection: &connection }, what)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Totals>) -> Result<Vec<Metadata>> {
        let path = config.database_path.trim();
        let database_name = database_name(path);
        let about = About {
            connector_type: CONNECTOR_TYPE,
            name: format!("sqlite_text_from_{database_name}"),
            description: format!("Text content extracted from SQLite database: {path}"),
            source: path,
            connection_info: ConnectionInfo { database_path: path },
            database_name,
            // A file has no server.
            server_info: None::<Empty>,
            max_rows_per_table: config.max_rows_per_table,
        };
        palisade_databases::finish(parts.into_iter().next().unwrap_or_default(), about)
    }
}

palisade_sdk::export!(Sqlite);

impl Dialect for Sqlite {
    fn tables(&self, asked: &Asked<'_>) -> Result<Vec<Table>> {
        let statement = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
        let names = asked.all(statement, &[], |mut cells| text(cells.next()))?;
        let table = |name| Table { name, table_type: "BASE TABLE".to_owned(), ..Table::default() };
        Ok(names.into_iter().flatten().map(table).collect())
    }

    fn leaves_out(&self, table: &str) -> Option<&'static str> {
        (!is_plain(table)).then_some("its name has characters other than letters, digits, `_` and `-`")
    }

    /// Of rows that can't be counted, there are none.
    fn describe(&self, asked: &Asked<'_>, table: &mut Table) -> Result<()> {
        let statement = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?)";
        table.columns = asked.all(statement, &[Value::from(table.name.as_str())], |mut cells| Column {
            name: text(cells.next()).unwrap_or_default(),
            data_type: filled(cells.next()).unwrap_or_else(|| NO_TYPE.to_owned()),
            is_nullable: integer(cells.next()) == 0,
            default: text(cells.next()),
            key: (integer(cells.next()) != 0).then(|| "PRI".to_owned()),
            ..Column::default()
        })?;
        let counting = asked.query(&format!("SELECT COUNT(*) FROM {}", quote(&table.name, '"')), &[]);
        table.estimated_rows = integer(counting.ok().and_then(|mut rows| rows.next()?.ok()?.into_iter().next()));
        Ok(())
    }

    fn rows(&self, table: &str) -> String {
        format!("SELECT * FROM {} LIMIT ?", quote(table, '"'))
    }
}

/// Tells whether a table's name has letters, digits, `_` and `-` alone, and at least one letter or digit.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    name.chars().all(plain) && name.chars().any(char::is_alphanumeric)
}

/// The name of a file without its last suffix.
fn database_name(path: &str) -> &str {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, suffix)) if !stem.is_empty() && !suffix.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests;

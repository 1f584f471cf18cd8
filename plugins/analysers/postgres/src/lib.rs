//! Reads the cells of a PostgreSQL database: one item for each cell that is not blank.

use palisade_databases::{
    Asked, Column, Dialect, Server, ServerConfig, ServerInfo, Table, describe_server, filled, finish_server, integer,
    quote, read_server, text,
};
use palisade_sdk::sql::Value;
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Property, Result};
use serde::Deserialize;

const SERVER: Server = Server {
    kind: "postgres",
    title: "PostgreSQL",
    connector_type: "postgres_connector",
    names: "SELECT current_database()::text, current_setting('server_version')",
};

/// The tables of a schema. The numbers of rows are the server's guess: -1 of a table that it has not looked at yet.
const TABLES: &str = "SELECT c.relname::text, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' \
                      WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'BASE TABLE' END, obj_description(c.oid, 'pg_class'), \
                      greatest(c.reltuples, 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
                      ORDER BY c.relname COLLATE \"C\"";
/// The columns of a table of a schema.
const COLUMNS: &str = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
                      pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum), \
                      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary \
                      AND a.attnum = ANY (i.indkey)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
                      JOIN pg_namespace n ON n.oid = c.relnamespace \
                      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// The component.
pub struct Postgres;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    #[serde(flatten)]
    server: ServerConfig,
    schema: String,
}

impl Analyser for Postgres {
    type Config = Config;
    type Partial = ServerInfo;

    fn describe() -> Description {
        let schema =
            Property::string().with("minLength", 1).default("public").about("The schema whose tables are read");
        describe_server(SERVER, env!("CARGO_PKG_VERSION"), ConfigSchema::new().property("schema", schema))
    }

    fn run(ctx: &Context, config: Config) -> Result<ServerInfo> {
        let dialect = InSchema(&config.schema);
        read_server(SERVER, &dialect, ctx, &config.server, Some(&config.schema))
    }

    fn finish(_: &Context, config: Config, parts: Vec<ServerInfo>) -> Result<Vec<Metadata>> {
        finish_server(SERVER, &config.server, parts)
    }
}

palisade_sdk::export!(Postgres);

/// The tables of a schema.
struct InSchema<'s>(&'s str);

impl Dialect for InSchema<'_> {
    fn tables(&self, asked: &Asked<'_>) -> Result<Vec<Table>> {
        asked.all(TABLES, &[Value::from(self.0)], |mut cells| Table {
            name: text(cells.next()).unwrap_or_default(),
            table_type: text(cells.next()).unwrap_or_default(),
            comment: filled(cells.next()),
            estimated_rows: integer(cells.next()),
            columns: Vec::new(),
        })
    }

    fn describe(&self, asked: &Asked<'_>, table: &mut Table) -> Result<()> {
        let named = [Value::from(self.0), Value::from(table.name.as_str())];
        table.columns = asked.all(COLUMNS, &named, |mut cells| Column {
            name: text(cells.next()).unwrap_or_default(),
            data_type: text(cells.next()).unwrap_or_default(),
            is_nullable: cells.next() == Some(Value::Boolean(true)),
            default: text(cells.next()),
            comment: filled(cells.next()),
            key: (cells.next() == Some(Value::Boolean(true))).then(|| "PRI".to_owned()),
            extra: None,
        })?;
        Ok(())
    }

    fn rows(&self, table: &str) -> String {
        format!("SELECT * FROM {}.{} LIMIT $1", quote(self.0, '"'), quote(table, '"'))
    }
}

#[cfg(test)]
mod tests;

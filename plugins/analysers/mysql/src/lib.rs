//! Reads the cells of a MySQL or MariaDB database: one item for each cell that is not blank.

use palisade_databases::{
    Asked, Column, Dialect, Server, ServerConfig, ServerInfo, Table, describe_server, filled, finish_server, integer,
    quote, read_server, text,
};
use palisade_sdk::sql::Value;
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Property, Result};

const SERVER: Server =
    Server { kind: "mysql", title: "MySQL", connector_type: "mysql_connector", names: "SELECT DATABASE(), VERSION()" };

/// The tables and views of the database.
const TABLES: &str = "SELECT table_name, table_type, table_comment, table_rows FROM information_schema.tables \
                      WHERE table_schema = DATABASE() ORDER BY table_name";
/// The columns of one of them.
const COLUMNS: &str = "SELECT column_name, data_type, is_nullable, column_default, column_comment, column_key, extra \
                      FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
                      ORDER BY ordinal_position";

/// The component.
pub struct MySql;

impl Analyser for MySql {
    type Config = ServerConfig;
    type Partial = ServerInfo;

    fn describe() -> Description {
        // WCF's properties: where the server is leads to a connection, how it is talked to is the host's business.
        let config = ConfigSchema::new()
            .property("host", Property::string().about("As in WCF: leads to the connection to this host"))
            .property("port", Property::integer().min(1).max(65_535).default(3306).about("Of the host"))
            .property("user", Property::string().about("As in WCF: of the connection"))
            .property("password", Property::string().about("Refused: the connection says where it is kept"))
            .property("database", Property::string().default("").about("As in WCF: of the connection"))
            .property("charset", Property::string().default("utf8mb4").about("As in WCF; without effect"))
            .property("autocommit", Property::boolean().default(true).about("As in WCF; without effect"))
            .property("connect_timeout", Property::integer().above(0).default(10).about("As in WCF; without effect"));
        describe_server(SERVER, env!("CARGO_PKG_VERSION"), config)
    }

    fn run(ctx: &Context, config: ServerConfig) -> Result<ServerInfo> {
        read_server(SERVER, &Self, ctx, &config, None)
    }

    fn finish(_: &Context, config: ServerConfig, parts: Vec<ServerInfo>) -> Result<Vec<Metadata>> {
        finish_server(SERVER, &config, parts)
    }
}

palisade_sdk::export!(MySql);

impl Dialect for MySql {
    fn tables(&self, asked: &Asked<'_>) -> Result<Vec<Table>> {
        asked.all(TABLES, &[], |mut cells| Table {
            name: text(cells.next()).unwrap_or_default(),
            table_type: text(cells.next()).unwrap_or_default(),
            comment: filled(cells.next()),
            estimated_rows: integer(cells.next()),
            columns: Vec::new(),
        })
    }

    fn describe(&self, asked: &Asked<'_>, table: &mut Table) -> Result<()> {
        table.columns = asked.all(COLUMNS, &[Value::from(table.name.as_str())], |mut cells| Column {
            name: text(cells.next()).unwrap_or_default(),
            data_type: text(cells.next()).unwrap_or_default(),
            is_nullable: text(cells.next()).as_deref() == Some("YES"),
            default: text(cells.next()),
            comment: filled(cells.next()),
            key: filled(cells.next()),
            extra: filled(cells.next()),
        })?;
        Ok(())
    }

    fn rows(&self, table: &str) -> String {
        format!("SELECT * FROM {} LIMIT ?", quote(table, '`'))
    }
}

#[cfg(test)]
mod tests;

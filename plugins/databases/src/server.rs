//! Databases of servers, which a connection of the operator's leads to.

use crate::document::{About, Totals, finish};
use crate::read::{Asked, Dialect, What, read};
use crate::table::text;
use palisade_findings::DOCUMENTS;
use palisade_sdk::{ConfigSchema, Context, Description, Metadata, Property, Request, Result};
use serde::{Deserialize, Serialize};

/// A kind of server.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// The kind, as `mysql`.
    pub kind: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The connector's name in what it emits.
    pub connector_type: &'static str,
    /// The statement that gives the name of the database and the version of the server.
    pub names: &'static str,
}

/// What the config of every such connector says.
#[derive(Debug, Deserialize)]
pub struct ServerConfig {
    /// The connection.
    pub connection: String,
    /// Most rows of a table.
    pub max_rows_per_table: i64,
}

/// What was read, and of which database.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ServerInfo {
    database: String,
    version: String,
    totals: Totals,
}

#[derive(Serialize)]
struct ConnectionInfo<'a> {
    connection: &'a str,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
}

/// Describes the connector of a kind of server. `config` is what it has beside what all have.
#[must_use]
pub fn describe_server(server: Server, version: &str, config: ConfigSchema) -> Description {
    let Server { kind, title, .. } = server;
    let config = config
        .property(
            "connection",
            Property::string().database(kind).about("The name of a connection that the operator set up"),
        )
        .property("max_rows_per_table", Property::integer().above(0).default(10).about("Most rows of a table"));
    let description = Description::connector(format!("palisade:{kind}"), version, format!("Reads {title} databases"))
        .about(format!("Reads the first rows of each table and view of a {title} database, one text for each cell."))
        .output(DOCUMENTS, "standard_input/1.0.0")
        .config(config)
        .request(Request::database("to read the database that the runbook names"));
    crate::limits(description)
}

/// Reads the tables of the schema, or of the database where that is its own schema, that a config leads to.
///
/// # Errors
/// When its tables can't be listed, or the host ends the attempt.
pub fn read_server(
    server: Server,
    dialect: &impl Dialect,
    ctx: &Context,
    config: &ServerConfig,
    schema: Option<&str>,
) -> Result<ServerInfo> {
    let asked = Asked { ctx, connection: &config.connection };
    let names = asked.all(server.names, &[], |mut cells| (text(cells.next()), text(cells.next())))?;
    let (database, version) = names.into_iter().next().unwrap_or_default();
    let (database, version) = (database.unwrap_or_default(), version.unwrap_or_default());
    let what = What {
        kind: server.kind,
        connector_type: server.connector_type,
        database: &database,
        schema: schema.unwrap_or(&database),
        max_rows: config.max_rows_per_table,
    };
    let totals = read(dialect, asked, what)?;
    Ok(ServerInfo { database, version, totals })
}

/// The metadata of the document.
///
/// # Errors
/// When it can't be written.
pub fn finish_server(server: Server, config: &ServerConfig, parts: Vec<ServerInfo>) -> Result<Vec<Metadata>> {
    let ServerInfo { database, version, totals } = parts.into_iter().next().unwrap_or_default();
    let about = About {
        connector_type: server.connector_type,
        name: format!("{}_text_from_{database}", server.kind),
        description: format!("Text content extracted from {} database: {database}", server.title),
        source: &config.connection,
        connection_info: ConnectionInfo { connection: &config.connection },
        database_name: &database,
        server_info: Some(Version { version: &version }),
        max_rows_per_table: config.max_rows_per_table,
    };
    finish(totals, about)
}

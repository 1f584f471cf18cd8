//! What the document of the texts says of the database.

use crate::table::Table;
use palisade_findings::TextsMetadata;
use palisade_sdk::{Metadata, Result};
use serde::{Deserialize, Serialize};

/// What was read.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    pub(crate) tables: Vec<Table>,
    pub(crate) tables_processed: u64,
    pub(crate) cells: u64,
}

/// What a connector says of its database.
#[derive(Debug)]
pub struct About<'a, C, S> {
    /// The connector's name in what it emits.
    pub connector_type: &'static str,
    /// The name of the document.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Where its texts are from.
    pub source: &'a str,
    /// How the database was reached.
    pub connection_info: C,
    /// The name of the database.
    pub database_name: &'a str,
    /// What is known of its server; none = it has none.
    pub server_info: Option<S>,
    /// Most rows of a table.
    pub max_rows_per_table: i64,
}

#[derive(Serialize)]
struct DatabaseMetadata<'a, C, S> {
    connector_type: &'static str,
    connection_info: C,
    database_schema: DatabaseSchema<'a, S>,
    total_data_items: u64,
    extraction_summary: ExtractionSummary,
}

#[derive(Serialize)]
struct DatabaseSchema<'a, S> {
    database_name: &'a str,
    tables: Vec<Table>,
    server_info: Option<S>,
}

#[derive(Serialize)]
struct ExtractionSummary {
    tables_processed: u64,
    cell_values_extracted: u64,
    max_rows_per_table: i64,
}

/// The metadata of the document.
///
/// # Errors
/// When it can't be written.
pub fn finish<C: Serialize, S: Serialize>(totals: Totals, about: About<'_, C, S>) -> Result<Vec<Metadata>> {
    TextsMetadata {
        name: about.name,
        description: about.description,
        content_encoding: "utf-8",
        source: about.source,
        metadata: DatabaseMetadata {
            connector_type: about.connector_type,
            connection_info: about.connection_info,
            database_schema: DatabaseSchema {
                database_name: about.database_name,
                tables: totals.tables,
                server_info: about.server_info,
            },
            total_data_items: totals.cells,
            extraction_summary: ExtractionSummary {
                tables_processed: totals.tables_processed,
                cell_values_extracted: totals.cells,
                max_rows_per_table: about.max_rows_per_table,
            },
        },
    }
    .finish()
}

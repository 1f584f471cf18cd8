//! Tables and columns, as a database describes them.

use palisade_sdk::sql::Value;
use serde::{Deserialize, Serialize};

/// A table.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What it is: `BASE TABLE` or `VIEW`.
    pub table_type: String,
    /// What somebody says of it.
    pub comment: Option<String>,
    /// How many rows it has, as far as that is known.
    pub estimated_rows: i64,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type of its cells.
    pub data_type: String,
    /// Whether a cell may be NULL.
    pub is_nullable: bool,
    /// What stands in a cell where nothing is written.
    pub default: Option<String>,
    /// What somebody says of it.
    pub comment: Option<String>,
    /// What kind of key it belongs to: `PRI` for the primary one.
    pub key: Option<String>,
    /// What else there is to it.
    pub extra: Option<String>,
}

/// The text in a cell.
#[must_use]
pub fn text(cell: Option<Value>) -> Option<String> {
    match cell {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The text in a cell, if it is not empty.
#[must_use]
pub fn filled(cell: Option<Value>) -> Option<String> {
    text(cell).filter(|text| !text.is_empty())
}

/// The whole number in a cell, 0 if there is none.
#[must_use]
pub fn integer(cell: Option<Value>) -> i64 {
    match cell {
        Some(Value::Integer(number)) => number,
        _ => 0,
    }
}

/// A name as SQL writes it between these marks.
#[must_use]
pub fn quote(name: &str, mark: char) -> String {
    format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
}

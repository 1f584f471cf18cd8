//! Tables and columns, as the database describes them.

use palisade_sdk::sql::Value;
use serde::{Deserialize, Serialize};

/// The type of a column that declares none.
const NO_TYPE: &str = "TEXT";

/// A table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    name: String,
    table_type: String,
    /// Files have no comments.
    comment: Option<String>,
    estimated_rows: i64,
    pub(crate) columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    name: String,
    data_type: String,
    is_nullable: bool,
    default: Option<String>,
    comment: Option<String>,
    key: Option<String>,
    extra: Option<String>,
}

impl Table {
    pub(crate) fn new(name: &str, estimated_rows: i64, columns: Vec<Column>) -> Self {
        Self { name: name.to_owned(), table_type: "BASE TABLE".to_owned(), comment: None, estimated_rows, columns }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl From<Vec<Value>> for Column {
    /// Reads a row of name, type, whether NULL is forbidden, default, place in the primary key.
    fn from(row: Vec<Value>) -> Self {
        let mut cells = row.into_iter();
        let name = text_of(cells.next()).unwrap_or_default();
        let data_type = text_of(cells.next()).filter(|declared| !declared.is_empty());
        let is_nullable = integer_of(cells.next()) == 0;
        let default = text_of(cells.next());
        let key = (integer_of(cells.next()) != 0).then(|| "PRI".to_owned());
        let data_type = data_type.unwrap_or_else(|| NO_TYPE.to_owned());
        Self { name, data_type, is_nullable, default, comment: None, key, extra: None }
    }
}

/// The text in a cell.
pub(crate) fn text_of(cell: Option<Value>) -> Option<String> {
    match cell {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The whole number in a cell, 0 if there is none.
pub(crate) fn integer_of(cell: Option<Value>) -> i64 {
    match cell {
        Some(Value::Integer(number)) => number,
        _ => 0,
    }
}

/// Tells whether a table's name has letters, digits, `_` and `-` alone, and at least one letter or digit.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    name.chars().all(plain) && name.chars().any(char::is_alphanumeric)
}

/// A name as SQL writes it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

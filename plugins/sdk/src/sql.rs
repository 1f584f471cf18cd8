//! Owns reading databases: one statement with bound parameters, its columns, its rows.
//!
//! Needs the power `sql` ([`Request::sql`](crate::Request::sql)) for the SQLite file, or `database`
//! ([`Request::database`](crate::Request::database)) for the connection to a server. Never writes; the host refuses it.

use serde_json::Value as Json;

use crate::{
    Context, Failure, HostError,
    host::{self, Host, ReadRows},
};

/// Runs one read-only statement on a connection that the config names.
///
/// Fails with `denied` if it is not read-only or the connection was not granted, `invalid` if the statement is wrong.
pub fn query(ctx: &Context, connection: &str, statement: &str, parameters: &[Value]) -> Result<Rows, HostError> {
    let inner = ctx.host.query(connection, statement, parameters)?;
    Ok(Rows { inner, lines: String::new(), at: 0, ended: false })
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type that the table declares; empty if there is none.
    pub declared_type: String,
}

/// A parameter or a cell. Whole and real numbers are kept apart: `80.0` is not `80`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A real number; may be infinite.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Integer)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// Iterates over the rows of a statement; made by [`query`]. Only a batch is in memory. Ends after an error.
#[derive(Debug)]
pub struct Rows {
    inner: host::Rows,
    lines: String,
    at: usize,
    ended: bool,
}

impl Rows {
    /// Returns the columns, in order.
    pub fn columns(&self) -> Vec<Column> {
        self.inner.columns()
    }

    fn advance(&mut self) -> crate::Result<Option<Vec<Value>>> {
        loop {
            let rest = self.lines.get(self.at..).unwrap_or_default();
            if let Some(end) = rest.find('\n') {
                let row = rest.get(..end).unwrap_or_default();
                self.at += end + 1;
                return row_of(row).map(Some);
            }
            let Some(bytes) = self.inner.next(0)? else { return Ok(None) };
            self.lines = String::from_utf8(bytes)?;
            self.at = 0;
        }
    }
}

impl Iterator for Rows {
    type Item = crate::Result<Vec<Value>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.advance();
        self.ended = !matches!(row, Ok(Some(_)));
        row.transpose()
    }
}

fn row_of(line: &str) -> crate::Result<Vec<Value>> {
    let cells: Vec<Json> = serde_json::from_str(line)?;
    cells.into_iter().map(cell_of).collect()
}

fn cell_of(cell: Json) -> crate::Result<Value> {
    let unknown = |cell: &dyn std::fmt::Display| Failure::failed(format!("unknown form of a cell: {cell}"));
    Ok(match cell {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Integer(integer),
            (None, Some(real)) => Value::Real(real),
            (None, None) => return Err(unknown(&number)),
        },
        Json::Object(tagged) => match (tagged.len(), tagged.get("$blob"), tagged.get("$real")) {
            (1, Some(Json::String(text)), None) => {
                Value::Blob(base64(text).ok_or_else(|| Failure::failed("a blob is not base64"))?)
            }
            (1, None, Some(Json::String(text))) if text == "inf" => Value::Real(f64::INFINITY),
            (1, None, Some(Json::String(text))) if text == "-inf" => Value::Real(f64::NEG_INFINITY),
            _ => return Err(unknown(&Json::Object(tagged))),
        },
        Json::Array(_) => return Err(unknown(&"a list")),
    })
}

/// Decodes base64 (RFC 4648 §4, with padding). The SDK has no other use for a library.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let groups = text.len() / 4;
    for (index, group) in text.chunks_exact(4).enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups) {
            return None;
        }
        let mut bits = 0_u32;
        for byte in group.iter().take(4 - padding) {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * padding;
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(3 - padding));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_types() {
        let row = row_of(r#"[null, 80, 80.0, 1e21, "x", {"$blob":"iVAA/w=="}, {"$real":"-inf"}]"#).unwrap();
        assert_eq!(
            row,
            [
                Value::Null,
                Value::Integer(80),
                Value::Real(80.0),
                Value::Real(1e21),
                Value::from("x"),
                Value::Blob(b"\x89P\x00\xff".to_vec()),
                Value::Real(f64::NEG_INFINITY),
            ]
        );
    }

    #[test]
    fn a_cell_of_another_form_is_an_error() {
        for bad in [r#"[[1]]"#, r#"[{"$real":"nan"}]"#, r#"[{"$blob":"abc"}]"#, r#"[{"$blob":"a=bc"}]"#, r#"[{}]"#] {
            assert!(row_of(bad).is_err(), "{bad}");
        }
    }
}

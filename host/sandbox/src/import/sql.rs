//! `palisade:plugin/sql`: reading the databases that the config names. Needs the power `sql` for files, and `database` for
//! those of servers.
//!
//! This file decides and bounds; the statement itself runs behind the port, which refuses all that does not read.

use super::filesystem::{FindError, real_file};
use crate::bindings::palisade::plugin::sql::{self, Value};
use crate::bindings::{Error, ErrorKind};
use crate::cost::Work;
use crate::meter::Total;
use crate::ports::{Database, Rows};
use crate::state::{Answer, Host, denial, error};
use palisade_authority::{Place, Use};
use palisade_model::manifest::Power;
use palisade_model::sink;
use palisade_model::sql::SqlValue;
use rustix::fd::OwnedFd;
use wasmtime::component::{HasSelf, Linker, Resource};

/// Bytes of rows in one call if the guest leaves it to the host.
const DEFAULT_ROWS_BYTES: usize = 256 << 10;

/// Most bytes of rows that a guest may ask for in one call. Without it the host would hold any amount outside of the
/// guest's memory limit.
const MAX_ROWS_BYTES: usize = 4 << 20;

/// Bytes that an open statement holds in the host, roughly: what is counted as the guest's memory.
const HELD: u64 = 64 << 10;

/// What a byte of a database may become in a row: a character takes up to six as JSON, a null five. Allowances grow with
/// so much of a database and no more, so that a guest gains nothing by asking for the same rows again and again.
const TEXT_OF_A_BYTE: u64 = 6;

/// Bytes that every database counts for at least: what was written last stands beside its file, in a log.
const LEAST_DATABASE: u64 = 1 << 20;

/// The rows of one statement that a guest holds open.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct OpenRows {
    pub(crate) rows: Box<dyn Rows>,
    grows: Grows,
}

/// With how much of what is read the allowances grow that data has.
#[derive(Debug, Clone, Copy)]
enum Grows {
    /// With at most so many bytes of one file, which is known by device and inode.
    WithFile { identity: (u64, u64), most: u64 },
    /// With all of it: how much a server has is not known. `file-bytes-read` bounds it.
    WithAll,
}

/// A database that a name leads to, and with how much of it allowances grow; or why there is none.
type Found = Result<(Database, Grows), Error>;

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    sql::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl sql::Host for Host {
    fn query(&mut self, connection: String, statement: String, parameters: Vec<Value>) -> Answer<Resource<OpenRows>> {
        let bytes = parameters.iter().map(value_bytes).fold(statement.len(), usize::saturating_add);
        self.charge(Work::Query, bytes);
        let Some((asked, found)) = self.find(&connection) else { return Ok(Err(denial())) };
        if let Err(denied) = self.authorise(&asked) {
            return Ok(Err(denied));
        }
        let (database, grows) = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if let Database::Connection(name) = &database
            && let Err(error) = self.send(&sink(Power::Database, name), bytes as u64)
        {
            return Ok(Err(error));
        }
        let parameters: Vec<_> = parameters.into_iter().map(known).collect();
        let rows = match self.ports.query(database, &statement, &parameters) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(self.port_error(error))),
        };
        self.limiter.hold(HELD)?;
        Ok(Ok(self.push(OpenRows { rows, grows })?))
    }
}

impl Host {
    /// What a guest's name for a database leads to, and what reading it is; none if it is the name of none.
    fn find(&self, connection: &str) -> Option<(Use, Found)> {
        let granted = self.granted.as_ref()?;
        let Some(named) = granted.connections.iter().find(|named| named.written == connection) else {
            // The config names no other file, so it is the connection of a server, or nothing.
            let Place::Database(name) = Place::of_stored(Power::Database, connection)? else { return None };
            return Some((
                Use::Database { connection: name.clone() },
                Ok((Database::Connection(name), Grows::WithAll)),
            ));
        };
        let file = real_file(&granted.root, &named.path);
        // Of a file that is not there, the path as written is asked about, so that only who may read it learns it.
        let asked = file.as_ref().map_or(&named.path, |(_, path)| path).clone();
        Some((Use::Sql { database: asked }, opened(connection, file.map(|(database, _)| database))))
    }
}

/// A file that was found, if it is one.
fn opened(connection: &str, file: Result<OwnedFd, FindError>) -> Found {
    let unavailable = |why: &dyn std::fmt::Display| {
        error(ErrorKind::Unavailable, &format!("the database `{connection}` can't be opened: {why}"))
    };
    let database = file.map_err(|why| match why {
        FindError::LedOut => denial(),
        FindError::Kernel(_) | FindError::NotAFile(_) => unavailable(&why),
    })?;
    let found = rustix::fs::fstat(&database).map_err(|why| unavailable(&why))?;
    let size = u64::try_from(found.st_size).unwrap_or(0).max(LEAST_DATABASE);
    let most = size.saturating_mul(TEXT_OF_A_BYTE);
    Ok((Database::File(database), Grows::WithFile { identity: (found.st_dev, found.st_ino), most }))
}

impl sql::HostRows for Host {
    fn columns(&mut self, rows: Resource<OpenRows>) -> wasmtime::Result<Vec<sql::Column>> {
        let columns = self.table.get(&rows)?.rows.columns();
        let bytes = columns.iter().map(|column| column.name.len() + column.declared_type.len()).sum();
        self.charge(Work::Rows, bytes);
        let columns = columns.into_iter();
        Ok(columns.map(|column| sql::Column { name: column.name, declared_type: column.declared_type }).collect())
    }

    fn next(&mut self, rows: Resource<OpenRows>, max_bytes: u32) -> Answer<Option<Vec<u8>>> {
        let wanted = match max_bytes as usize {
            0 => DEFAULT_ROWS_BYTES,
            bytes => bytes.min(MAX_ROWS_BYTES),
        };
        // With none left, one is asked for all the same: only then is it known whether the limit was too low.
        let most = self.meter.left(Total::Rows).max(1);
        let open = self.table.get_mut(&rows)?;
        let grows = open.grows;
        let next = match open.rows.next(most, wanted) {
            Ok(next) => next,
            Err(error) => {
                self.charge(Work::Rows, 0);
                return Ok(Err(self.port_error(error)));
            }
        };
        if next.is_empty() {
            self.charge(Work::Rows, 0);
            return Ok(Ok(None));
        }
        if let Err(error) = self.spend(Total::Rows, next.len() as u64) {
            return Ok(Err(error));
        }
        let lines = lines(&next);
        self.charge(Work::Rows, lines.len());
        // A database is a file, too: so one limit bounds what a source brings in, whatever it reads.
        if let Err(error) = self.spend(Total::FileBytesRead, lines.len() as u64) {
            return Ok(Err(error));
        }
        match grows {
            Grows::WithFile { identity, most } => {
                self.meter.handed_out_of_file(identity, most, lines.len() as u64);
            }
            Grows::WithAll => self.meter.handed_out(lines.len() as u64),
        }
        Ok(Ok(Some(lines)))
    }

    fn drop(&mut self, rows: Resource<OpenRows>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        self.table.delete(rows)?;
        self.limiter.release(HELD);
        Ok(())
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Real(_) => 8,
    }
}

fn known(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Boolean(value) => SqlValue::Boolean(value),
        Value::Integer(value) => SqlValue::Integer(value),
        Value::Real(value) => SqlValue::Real(value),
        Value::Text(value) => SqlValue::Text(value),
        Value::Blob(value) => SqlValue::Blob(value),
    }
}

/// One JSON array for each row, each ended by a line feed.
fn lines(rows: &[Vec<SqlValue>]) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in rows {
        lines.push(b'[');
        for (index, value) in row.iter().enumerate() {
            if index > 0 {
                lines.push(b',');
            }
            cell(&mut lines, value);
        }
        lines.extend(b"]\n");
    }
    lines
}

fn cell(lines: &mut Vec<u8>, value: &SqlValue) {
    match value {
        SqlValue::Null => lines.extend(b"null"),
        SqlValue::Boolean(value) => lines.extend(value.to_string().as_bytes()),
        SqlValue::Integer(value) => lines.extend(value.to_string().as_bytes()),
        SqlValue::Real(value) if value.is_nan() => lines.extend(b"null"),
        SqlValue::Real(value) if value.is_infinite() => {
            lines.extend(if *value > 0.0 { &b"{\"$real\":\"inf\"}"[..] } else { b"{\"$real\":\"-inf\"}" });
        }
        // Written with a point or an exponent, always.
        SqlValue::Real(value) => lines.extend(serde_json::Value::from(*value).to_string().as_bytes()),
        SqlValue::Text(text) => lines.extend(serde_json::Value::from(text.as_str()).to_string().as_bytes()),
        SqlValue::Blob(bytes) => {
            lines.extend(b"{\"$blob\":\"");
            base64(lines, bytes);
            lines.extend(b"\"}");
        }
    }
}

/// Base64 of RFC 4648 with padding.
fn base64(lines: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            let written = if place <= chunk.len() { ALPHABET.get(digit as usize) } else { None };
            lines.push(written.copied().unwrap_or(b'='));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(row: &[SqlValue], expected: &str) {
        assert_eq!(String::from_utf8(lines(&[row.to_vec()])).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn cells_keep_their_type() {
        check(&[], "[]");
        check(
            &[SqlValue::Null, SqlValue::Boolean(true), SqlValue::Integer(i64::MIN)],
            "[null,true,-9223372036854775808]",
        );
        check(&[SqlValue::Real(1.0), SqlValue::Real(0.1), SqlValue::Real(1e300)], "[1.0,0.1,1e+300]");
        check(
            &[SqlValue::Real(f64::INFINITY), SqlValue::Real(f64::NEG_INFINITY)],
            r#"[{"$real":"inf"},{"$real":"-inf"}]"#,
        );
        check(&[SqlValue::Text("a\"\n\u{1}ü".to_owned())], r#"["a\"\n\u0001ü"]"#);
    }

    #[test]
    fn blobs_are_base64() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            check(&[SqlValue::Blob(bytes.into())], &format!(r#"[{{"$blob":"{text}"}}]"#));
        }
        check(&[SqlValue::Blob(vec![0xff, 0xfb, 0xf0])], r#"[{"$blob":"//vw"}]"#);
    }
}

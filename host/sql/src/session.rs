//! A session with a server: one read-only transaction, in which one statement after the other sees the same data.

use crate::error::QueryError;
use crate::fetch::Pace;
use crate::until::Until;
use crate::{mysql, postgres, statement};
use palisade_model::sql::{Column, ConnectionSpec, ServerKind, SqlValue};
use palisade_net::{Key, Tls};
use std::path::Path;

/// What a session is opened with.
pub(crate) struct Opening<'o> {
    pub(crate) spec: &'o ConnectionSpec,
    pub(crate) password: Option<&'o Key>,
    /// None = in the clear, as the operator says.
    pub(crate) tls: Option<&'o Tls>,
    /// What paths of sockets are relative to.
    pub(crate) folder: &'o Path,
    /// When the server is to have let us in.
    pub(crate) opening: &'o Until,
    /// When its statements end.
    pub(crate) until: &'o Until,
}

impl Opening<'_> {
    /// The password, or why there is none to be sent.
    pub(crate) fn password(&self) -> Result<&str, QueryError> {
        let missing = || format!("the server asks for a password, and the connection `{}` has none", self.spec.name);
        self.password.map(Key::reveal).ok_or_else(|| QueryError::Unavailable(missing()))
    }

    /// The error without the password: a server may send back what it was sent.
    pub(crate) fn hide(&self, error: QueryError) -> QueryError {
        let Some(key) = self.password else { return error };
        match error {
            QueryError::Unavailable(text) => QueryError::Unavailable(key.hide(&text)),
            QueryError::Invalid(text) => QueryError::Invalid(key.hide(&text)),
            other => other,
        }
    }
}

/// A session with a server. Dropping it ends it, and what the server still does for it.
#[derive(Debug)]
pub struct Session {
    server: Server,
    /// Statements so far, by which cursors are told apart.
    statements: u32,
    /// Most bytes of the values of a row.
    max_row_bytes: usize,
    /// Why it can't be used any more.
    broken: Option<QueryError>,
}

#[derive(Debug)]
enum Server {
    MySql(mysql::Session),
    Postgres(postgres::Session),
}

/// The rows of a statement that are not fetched yet.
#[derive(Debug)]
pub struct Cursor {
    pub(crate) id: u32,
    pub(crate) pace: Pace,
    /// All of its rows were fetched.
    ended: bool,
}

/// What one fetch brought.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) rows: Vec<Row>,
    /// There are no more.
    pub(crate) ended: bool,
}

/// A row, and the bytes of its values.
pub(crate) type Row = (Vec<SqlValue>, usize);

/// What a server did about a request.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The statement failed; the session goes on.
    Statement(QueryError),
    /// The session can't go on.
    Session(QueryError),
}

impl Session {
    pub(crate) fn open(opening: &Opening<'_>, max_row_bytes: usize) -> Result<Self, QueryError> {
        let server = match opening.spec.kind {
            ServerKind::MySql => Server::MySql(mysql::Session::open(opening, max_row_bytes)?),
            ServerKind::Postgres => Server::Postgres(postgres::Session::open(opening, max_row_bytes)?),
        };
        Ok(Self { server, statements: 0, max_row_bytes, broken: None })
    }

    /// Starts a statement; nothing of its rows is fetched yet.
    ///
    /// # Errors
    /// When the statement is not understood, does more than read, or the server can't be read.
    pub fn query(&mut self, statement: &str, parameters: &[SqlValue]) -> Result<(Cursor, Vec<Column>), QueryError> {
        let kind = match self.server {
            Server::MySql(_) => ServerKind::MySql,
            Server::Postgres(_) => ServerKind::Postgres,
        };
        statement::check(kind, statement)?;
        self.usable()?;
        self.statements = self.statements.wrapping_add(1);
        let id = self.statements;
        let started = match &mut self.server {
            Server::MySql(server) => server.query(id, statement, parameters),
            Server::Postgres(server) => server.query(id, statement, parameters),
        };
        let columns = self.outcome(started)?;
        Ok((Cursor { id, pace: Pace::new(), ended: false }, columns))
    }

    /// The next rows of a statement, each with the bytes of its values; none at the end and ever after.
    ///
    /// # Errors
    /// When the server fails, or a row is too large.
    pub fn fetch(&mut self, cursor: &mut Cursor) -> Result<Vec<(Vec<SqlValue>, usize)>, QueryError> {
        if cursor.ended {
            return Ok(Vec::new());
        }
        // Whatever fails, there is nothing behind it.
        cursor.ended = true;
        self.usable()?;
        let fetched = match &mut self.server {
            Server::MySql(server) => server.fetch(cursor.id, &mut cursor.pace),
            Server::Postgres(server) => server.fetch(cursor.id, &mut cursor.pace),
        };
        let Fetched { rows, ended } = self.outcome(fetched)?;
        if rows.iter().any(|(_, bytes)| *bytes > self.max_row_bytes) {
            return Err(QueryError::RowTooLarge { max: self.max_row_bytes });
        }
        // A server that sends no rows and no end would be asked for ever.
        cursor.ended = ended || rows.is_empty();
        cursor.pace.ended();
        Ok(rows)
    }

    /// Lets go of a statement.
    pub fn close(&mut self, cursor: &Cursor) {
        match &mut self.server {
            Server::MySql(server) => server.close(cursor.id),
            Server::Postgres(server) => server.close(cursor.id),
        }
    }

    fn usable(&self) -> Result<(), QueryError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn outcome<T>(&mut self, came: Result<T, Failed>) -> Result<T, QueryError> {
        came.map_err(|failed| match failed {
            Failed::Statement(error) => error,
            Failed::Session(error) => {
                self.broken = Some(error.clone());
                error
            }
        })
    }
}

impl Failed {
    /// What failed, whatever goes on.
    pub(crate) fn into_error(self) -> QueryError {
        match self {
            Self::Statement(error) | Self::Session(error) => error,
        }
    }
}

impl From<QueryError> for Failed {
    /// Whatever fails on the wire leaves it at an unknown place.
    fn from(error: QueryError) -> Self {
        Self::Session(error)
    }
}

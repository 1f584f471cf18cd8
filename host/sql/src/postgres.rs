//! A session with PostgreSQL: the extended protocol, in which a request is one statement, with rows that wait in portals of
//! the server until they are fetched.

mod login;
mod message;
mod value;

use crate::error::QueryError;
use crate::fetch::Pace;
use crate::session::{Failed, Fetched, Opening};
use crate::until::Until;
use crate::wire::Wire;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use message::{Reader, refusal};
use palisade_model::sql::{Column, ServerAddress, SqlValue};
use palisade_net::Tls;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use value::Type;

/// How long the server is asked to end a statement that is left.
const CANCELLING: Duration = Duration::from_secs(2);
/// Reads of one snapshot, from which nothing leads back to writing: a statement is in a transaction within this one.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                     SET LOCAL bytea_output = 'hex'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; \
                     SET LOCAL extra_float_digits = 1; SET LOCAL search_path = pg_catalog; ";
/// Whether the user may read or write files of the server or run programs there, which no transaction keeps it from.
const MAY_MORE: &str = "SELECT rolsuper OR pg_has_role(oid, 'pg_read_server_files', 'MEMBER') OR \
                        pg_has_role(oid, 'pg_write_server_files', 'MEMBER') OR \
                        pg_has_role(oid, 'pg_execute_server_program', 'MEMBER') FROM pg_roles WHERE rolname = session_user";

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    reader: Reader,
    /// The columns of the portals that are open.
    open: BTreeMap<u32, Vec<Type>>,
    /// Portals to close before the next statement.
    closing: Vec<u32>,
    /// The server may be at work on what nobody waits for any more.
    busy: bool,
    cancel: Cancel,
}

/// By what the server knows the session when it is asked to end a statement.
#[derive(Debug)]
struct Cancel {
    process: i32,
    secret: i32,
    address: ServerAddress,
    tls: Option<Tls>,
    folder: PathBuf,
}

impl Session {
    pub(crate) fn open(opening: &Opening<'_>, max_row_bytes: usize) -> Result<Self, QueryError> {
        let mut wire = connect(&opening.spec.address, opening.tls, opening.folder, opening.opening)?;
        let (process, secret) = login::login(&mut wire, opening)?;
        let cancel = Cancel {
            process,
            secret,
            address: opening.spec.address.clone(),
            tls: opening.tls.cloned(),
            folder: opening.folder.to_owned(),
        };
        let mut session = Self {
            reader: Reader::new(wire, max_row_bytes, opening.password.cloned()),
            open: BTreeMap::new(),
            closing: Vec::new(),
            busy: false,
            cancel,
        };
        session.begin(opening).map_err(Failed::into_error)?;
        session.reader.wire.wait_until(opening.until);
        Ok(session)
    }

    /// Begins the transaction, and makes sure that it keeps the user from everything but reading.
    fn begin(&mut self, opening: &Opening<'_>) -> Result<(), Failed> {
        // The server ends a statement by itself when nobody can be waiting any more.
        let most = opening.until.left(Duration::from_millis(i32::MAX.unsigned_abs().into())).as_millis().max(1);
        let begin = format!("{BEGIN}SET LOCAL statement_timeout = {most}; {MAY_MORE}");
        let rows = self.simple(&begin)?;
        if rows != [Some("f".to_owned())] {
            let user = &opening.spec.user;
            return Err(Failed::Session(QueryError::unavailable(format_args!(
                "`{user}` may do more on the server than read: it is a superuser, or may reach the server's files; name a \
                 user for the connection who is not and may not"
            ))));
        }
        self.simple("SET LOCAL search_path TO DEFAULT; SAVEPOINT palisade").map(drop)
    }

    /// Runs statements of our own, of which one gives a row; gives the first values of what comes, two at most.
    fn simple(&mut self, statements: &str) -> Result<Vec<Option<String>>, Failed> {
        self.send(|buffer| frontend::query(statements, buffer))?;
        let mut rows = Vec::new();
        let types = [Type::Other];
        self.until_ready(|message| {
            if let (Message::DataRow(row), ..2) = (message, rows.len()) {
                let (values, _) = value::row(&row, &types)?;
                rows.push(values.into_iter().next().and_then(|value| match value {
                    SqlValue::Text(text) => Some(text),
                    _ => None,
                }));
            }
            Ok(())
        })?;
        Ok(rows)
    }

    pub(crate) fn query(&mut self, id: u32, statement: &str, parameters: &[SqlValue]) -> Result<Vec<Column>, Failed> {
        let parameters: Vec<_> = parameters.iter().map(value::parameter).collect();
        let closing = std::mem::take(&mut self.closing);
        // The last statement ended well, so what it did not write stays, and this one has a place to go back to.
        self.simple("RELEASE SAVEPOINT palisade; SAVEPOINT palisade")?;
        self.send(|buffer| {
            for portal in &closing {
                frontend::close(b'P', &portal_name(*portal), buffer)?;
            }
            frontend::parse("", statement, [], buffer)?;
            frontend::describe(b'S', "", buffer)?;
            let bound = frontend::bind(
                &portal_name(id),
                "",
                [0],
                &parameters,
                |value, buffer| match value {
                    Some(text) => {
                        buffer.extend_from_slice(text.as_bytes());
                        Ok(IsNull::No)
                    }
                    None => Ok(IsNull::Yes),
                },
                [0],
                buffer,
            );
            bound.map_err(|_| std::io::Error::other("a parameter is too large"))?;
            frontend::sync(buffer);
            Ok(())
        })?;
        let mut found = None;
        self.until_ready(|message| {
            if let Message::RowDescription(row) = message {
                let columns = row.fields().map(|field| Ok((field.name().to_owned(), Type::of(field.type_oid()))));
                found = Some(columns.collect::<Vec<_>>().map_err(|_| QueryError::protocol("a wrong description"))?);
            }
            Ok(())
        })?;
        let columns = found.ok_or(Failed::Statement(QueryError::NotAllowed))?;
        self.open.insert(id, columns.iter().map(|(_, kind)| *kind).collect());
        Ok(columns.into_iter().map(|(name, _)| Column { name, declared_type: String::new() }).collect())
    }

    pub(crate) fn fetch(&mut self, id: u32, pace: &mut Pace) -> Result<Fetched, Failed> {
        let Some(types) = self.open.get(&id).cloned() else { return Ok(Fetched { ended: true, ..Fetched::default() }) };
        let most = i32::try_from(pace.rows()).unwrap_or(i32::MAX);
        self.send(|buffer| {
            frontend::execute(&portal_name(id), most, buffer)?;
            frontend::sync(buffer);
            Ok(())
        })?;
        let mut fetched = Fetched::default();
        self.until_ready(|message| {
            match message {
                Message::DataRow(row) => {
                    let row = value::row(&row, &types)?;
                    pace.note(&row)?;
                    fetched.rows.push(row);
                }
                Message::CommandComplete(_) | Message::EmptyQueryResponse => fetched.ended = true,
                _ => {}
            }
            Ok(())
        })?;
        Ok(fetched)
    }

    pub(crate) fn close(&mut self, id: u32) {
        if self.open.remove(&id).is_some() {
            self.closing.push(id);
        }
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<(), Failed> {
        let mut buffer = BytesMut::new();
        // A statement with a NUL, or one that is too long.
        write(&mut buffer).map_err(|error| Failed::Statement(QueryError::invalid(error)))?;
        self.busy = true;
        Ok(self.reader.wire.send(&buffer)?)
    }

    /// Reads what the server answers, until it waits again. The first thing that is wrong is told; if it is the server that
    /// says so, the transaction goes back to where the statement began.
    fn until_ready(&mut self, mut take: impl FnMut(Message) -> Result<(), QueryError>) -> Result<(), Failed> {
        let mut failed = None;
        let mut aborted = false;
        loop {
            match self.reader.next() {
                Ok(Message::ReadyForQuery(_)) => break,
                Ok(Message::ErrorResponse(body)) => {
                    aborted = true;
                    failed.get_or_insert(refusal(&body, self.reader.password.as_ref()));
                }
                Ok(Message::CopyInResponse(_) | Message::CopyOutResponse(_)) => {
                    return Err(Failed::Session(QueryError::protocol("it wants to copy")));
                }
                Ok(message) if failed.is_none() => failed = take(message).err(),
                Ok(_) => {}
                Err(Failed::Statement(error)) => {
                    failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.busy = false;
        let Some(error) = failed else { return Ok(()) };
        if aborted {
            self.go_back()?;
        }
        Err(Failed::Statement(error))
    }

    fn go_back(&mut self) -> Result<(), Failed> {
        self.send(|buffer| frontend::query("ROLLBACK TO SAVEPOINT palisade", buffer))?;
        loop {
            match self.reader.next()? {
                Message::ReadyForQuery(_) => break,
                Message::ErrorResponse(body) => {
                    return Err(Failed::Session(refusal(&body, self.reader.password.as_ref())));
                }
                _ => {}
            }
        }
        self.busy = false;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut buffer = BytesMut::new();
        if self.busy {
            let Cancel { process, secret, address, tls, folder } = &self.cancel;
            frontend::cancel_request(*process, *secret, &mut buffer);
            let soon = Until::within(CANCELLING);
            let asked = connect(address, tls.as_ref(), folder, &soon).and_then(|mut wire| wire.send(&buffer));
            if let Err(error) = asked {
                // The server ends it by itself, only later.
                tracing::debug!(%error, "a statement that was left can't be cancelled");
            }
        } else {
            frontend::terminate(&mut buffer);
            // A server that is gone needs no goodbye.
            let _ = self.reader.wire.send(&buffer);
        }
    }
}

fn portal_name(id: u32) -> String {
    format!("palisade{id}")
}

/// Connects, and goes on under TLS if there is to be any.
fn connect(address: &ServerAddress, tls: Option<&Tls>, folder: &Path, until: &Until) -> Result<Wire, QueryError> {
    let mut wire = Wire::connect(address, folder, until)?;
    let (Some(tls), ServerAddress::Host { host, .. }) = (tls, address) else {
        wire.stay_clear();
        return Ok(wire);
    };
    let mut buffer = BytesMut::new();
    frontend::ssl_request(&mut buffer);
    wire.send(&buffer)?;
    match wire.take(1)?.first() {
        Some(b'S') => wire.secure(tls, host)?,
        Some(b'N') => {
            return Err(QueryError::Unavailable(format!(
                "{address} speaks no TLS: what is sent would go in the clear"
            )));
        }
        _ => return Err(QueryError::protocol("it answers TLS with something else")),
    }
    Ok(wire)
}

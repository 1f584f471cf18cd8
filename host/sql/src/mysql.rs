//! A session with MySQL or MariaDB: prepared statements, of which each is one, with rows that wait in cursors of the server
//! until they are fetched.

mod login;
mod packet;
mod read;
mod value;

use crate::error::QueryError;
use crate::fetch::Pace;
use crate::session::{Failed, Fetched, Opening, Row};
use crate::until::Until;
use packet::Packets;
use palisade_model::sql::{Column, ConnectionSpec, SqlValue};
use palisade_net::{Key, Tls};
use read::Read;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use value::Described;

/// How long the server is asked to end a statement that is left.
const CANCELLING: Duration = Duration::from_secs(2);
const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;
const COM_STMT_FETCH: u8 = 0x1c;
/// Rows wait in a cursor that only reads.
const CURSOR_READ_ONLY: u8 = 1;
const STATUS_CURSOR_EXISTS: u16 = 0x40;
const STATUS_LAST_ROW_SENT: u16 = 0x80;
/// Most columns of a table.
const MAX_COLUMNS: u64 = 4_096;
/// Reads of one snapshot.
const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
/// Whether the user may read or write files of the server, which no transaction keeps it from.
const MAY_MORE: &str = "SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'FILE'";

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    packets: Packets,
    /// The statements whose rows are not all fetched.
    open: BTreeMap<u32, Statement>,
    /// The server may be at work on what nobody waits for any more.
    busy: bool,
    cancel: Cancel,
}

/// A statement that was executed.
#[derive(Debug)]
struct Statement {
    /// The server's name for it.
    id: u32,
    columns: Vec<Described>,
    /// Rows that came without a cursor.
    here: Option<Vec<Row>>,
}

/// By what the session is known when the server is asked to end a statement.
#[derive(Debug)]
struct Cancel {
    thread: u32,
    spec: ConnectionSpec,
    password: Option<Key>,
    tls: Option<Tls>,
    folder: PathBuf,
}

impl Session {
    pub(crate) fn open(opening: &Opening<'_>, max_row_bytes: usize) -> Result<Self, QueryError> {
        let mut session = Self::logged_in(opening, max_row_bytes)?;
        session.begin(opening).map_err(Failed::into_error)?;
        session.packets.wire.wait_until(opening.until);
        Ok(session)
    }

    fn logged_in(opening: &Opening<'_>, max_row_bytes: usize) -> Result<Self, QueryError> {
        let (wire, greeting) = login::login(opening)?;
        let cancel = Cancel {
            thread: greeting.thread,
            spec: opening.spec.clone(),
            password: opening.password.cloned(),
            tls: opening.tls.cloned(),
            folder: opening.folder.to_owned(),
        };
        let packets = Packets::new(wire, max_row_bytes, opening.password.cloned(), greeting.is_mariadb);
        Ok(Self { packets, open: BTreeMap::new(), busy: false, cancel })
    }

    /// Begins the transaction, and makes sure that it keeps the user from everything but reading.
    fn begin(&mut self, opening: &Opening<'_>) -> Result<(), Failed> {
        // The server ends a statement by itself when nobody can be waiting any more.
        let most = opening.until.left(Duration::from_millis(u32::MAX.into()));
        let limit = match self.packets.is_mariadb {
            true => format!("SET SESSION max_statement_time = {}", most.as_secs().saturating_add(1)),
            false => format!("SET SESSION max_execution_time = {}", most.as_millis().max(1)),
        };
        let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        for statement in ["SET SESSION time_zone = '+00:00'", isolation, &limit] {
            self.simple(statement)?;
        }
        if self.simple(MAY_MORE)?.as_deref() != Some("0") {
            let user = &opening.spec.user;
            return Err(Failed::Session(QueryError::unavailable(format_args!(
                "`{user}` may do more on the server than read: it has the privilege FILE; name a user for the connection who \
                 has not"
            ))));
        }
        self.simple(BEGIN).map(drop)
    }

    /// Runs a statement of our own; gives the first value of its last row.
    fn simple(&mut self, statement: &str) -> Result<Option<String>, Failed> {
        self.send(COM_QUERY, statement.as_bytes())?;
        let first = self.packets.next()?;
        let mut found = None;
        match first.first().copied() {
            Some(packet::OK) => {}
            Some(packet::ERROR) => return self.failed(&first),
            _ => {
                self.columns(&first)?;
                loop {
                    let row = self.packets.next()?;
                    if packet::end(&row).is_some() {
                        break;
                    }
                    if row.first() == Some(&packet::ERROR) {
                        return self.failed(&row);
                    }
                    found = Read(&row).text().map(str::to_owned);
                }
            }
        }
        self.busy = false;
        Ok(found)
    }

    pub(crate) fn query(&mut self, id: u32, statement: &str, parameters: &[SqlValue]) -> Result<Vec<Column>, Failed> {
        self.send(COM_STMT_PREPARE, statement.as_bytes())?;
        let prepared = self.packets.next()?;
        if prepared.first() == Some(&packet::ERROR) {
            return self.failed(&prepared);
        }
        let strange = || Failed::Session(QueryError::protocol("it prepares in a way of its own"));
        let mut read = Read(prepared.get(1..).unwrap_or_default());
        let (server_id, columns, wanted) = (read.u32(), read.u16(), read.u16());
        let (server_id, columns, wanted) =
            (server_id.ok_or_else(strange)?, columns.ok_or_else(strange)?, wanted.ok_or_else(strange)?);
        for descriptions in [wanted, columns] {
            if descriptions > 0 {
                self.pass_descriptions(descriptions.into())?;
            }
        }
        self.busy = false;
        let refused = if columns == 0 {
            Some(QueryError::NotAllowed)
        } else if usize::from(wanted) != parameters.len() {
            let given = parameters.len();
            Some(QueryError::Invalid(format!("the statement has {wanted} parameters, and {given} are given")))
        } else {
            None
        };
        let started = match refused {
            Some(error) => Err(Failed::Statement(error)),
            None => self.execute(server_id, parameters),
        };
        match started {
            Ok(statement) => {
                let columns = statement
                    .columns
                    .iter()
                    .map(|column| Column { name: column.name.clone(), declared_type: String::new() });
                let columns = columns.collect();
                self.open.insert(id, statement);
                Ok(columns)
            }
            Err(Failed::Statement(error)) => {
                self.forget(server_id);
                Err(Failed::Statement(error))
            }
            Err(error) => Err(error),
        }
    }

    fn execute(&mut self, id: u32, parameters: &[SqlValue]) -> Result<Statement, Failed> {
        let mut request = id.to_le_bytes().to_vec();
        request.push(CURSOR_READ_ONLY);
        request.extend(1_u32.to_le_bytes());
        value::parameters(parameters, &mut request);
        self.send(COM_STMT_EXECUTE, &request)?;
        let first = self.packets.next()?;
        match first.first().copied() {
            Some(packet::ERROR) => return self.failed(&first),
            // No rows can come of it.
            Some(packet::OK) => {
                self.busy = false;
                return Err(Failed::Statement(QueryError::NotAllowed));
            }
            _ => {}
        }
        let (columns, status) = self.columns(&first)?;
        let here = match status & STATUS_CURSOR_EXISTS {
            0 => Some(self.rows(&columns, &mut Pace::new())?.0),
            _ => None,
        };
        self.busy = false;
        Ok(Statement { id, columns, here })
    }

    pub(crate) fn fetch(&mut self, id: u32, pace: &mut Pace) -> Result<Fetched, Failed> {
        let Some(statement) = self.open.get_mut(&id) else { return Ok(Fetched { ended: true, ..Fetched::default() }) };
        if let Some(rows) = statement.here.take() {
            return Ok(Fetched { rows, ended: true });
        }
        let (server_id, columns) = (statement.id, statement.columns.clone());
        let request = [server_id.to_le_bytes(), pace.rows().to_le_bytes()].concat();
        self.send(COM_STMT_FETCH, &request)?;
        let (rows, status) = self.rows(&columns, pace)?;
        self.busy = false;
        Ok(Fetched { rows, ended: status & STATUS_LAST_ROW_SENT != 0 })
    }

    pub(crate) fn close(&mut self, id: u32) {
        if let Some(statement) = self.open.remove(&id) {
            self.forget(statement.id);
        }
    }

    /// Lets go of a statement; the server does not answer.
    fn forget(&mut self, id: u32) {
        if !self.busy {
            // What can't be sent shows at the next statement.
            let _ = self.packets.send(COM_STMT_CLOSE, &id.to_le_bytes());
        }
    }

    /// Reads rows up to their end. What is wrong with one is told once all have been read.
    fn rows(&mut self, columns: &[Described], pace: &mut Pace) -> Result<(Vec<Row>, u16), Failed> {
        let mut rows = Vec::new();
        let mut wrong = None;
        loop {
            let packet = match self.packets.next() {
                Ok(packet) => packet,
                Err(Failed::Statement(error)) => {
                    wrong.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(status) = packet::end(&packet) {
                self.busy = false;
                return wrong.map_or(Ok((rows, status)), |error| Err(Failed::Statement(error)));
            }
            if packet.first() == Some(&packet::ERROR) {
                return self.failed(&packet);
            }
            if wrong.is_none() {
                match value::row(&packet, columns).and_then(|row| pace.note(&row).map(|()| row)) {
                    Ok(row) => rows.push(row),
                    Err(error) => {
                        rows.clear();
                        wrong = Some(error);
                    }
                }
            }
        }
    }

    /// Reads the descriptions of columns behind the packet that says how many there are; gives them, and the status behind
    /// them. Together they are no larger than one packet.
    fn columns(&mut self, first: &[u8]) -> Result<(Vec<Described>, u16), Failed> {
        let strange = || Failed::Session(QueryError::protocol("it describes its columns in a way of its own"));
        let count = Read(first).length().filter(|count| (1..=MAX_COLUMNS).contains(count)).ok_or_else(strange)?;
        let (mut columns, mut left) = (Vec::new(), self.packets.most());
        for _ in 0..count {
            let packet = self.packets.next()?;
            left = left.checked_sub(packet.len()).ok_or_else(strange)?;
            columns.push(Described::of(&packet).ok_or_else(strange)?);
        }
        let status = packet::end(&self.packets.next()?).ok_or_else(strange)?;
        Ok((columns, status))
    }

    fn pass_descriptions(&mut self, count: u64) -> Result<(), Failed> {
        for _ in 0..=count {
            self.packets.next()?;
        }
        Ok(())
    }

    fn send(&mut self, command: u8, payload: &[u8]) -> Result<(), Failed> {
        self.busy = true;
        self.packets.send(command, payload)
    }

    /// What the server says it can't or won't do, after which it waits again.
    fn failed<T>(&mut self, packet: &[u8]) -> Result<T, Failed> {
        self.busy = false;
        Err(Failed::Statement(packet::refusal(packet, self.packets.password.as_ref())))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.busy {
            // A server that is gone needs no goodbye.
            let _ = self.packets.send(COM_QUIT, &[]);
            return;
        }
        let Cancel { thread, spec, password, tls, folder } = &self.cancel;
        let soon = Until::within(CANCELLING);
        let (password, tls) = (password.as_ref(), tls.as_ref());
        let opening = Opening { spec, password, tls, folder, opening: &soon, until: &soon };
        let killed = Self::logged_in(&opening, 0).map(|mut session| session.simple(&format!("KILL QUERY {thread}")));
        if let Err(error) = killed {
            // The server ends it by itself, only later.
            tracing::debug!(%error, "a statement that was left can't be ended");
        }
    }
}

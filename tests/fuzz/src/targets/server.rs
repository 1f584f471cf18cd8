//! What servers of databases say: PostgreSQL, MySQL and MariaDB, in one session from its beginning to its end.

use palisade_model::llm::KeyPlace;
use palisade_model::sql::{ConnectionSpec, ServerAddress, ServerKind, ServerTls, SqlValue};
use palisade_sql::{Connections, Session, Until};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Most bytes of the values of a row.
const MAX_ROW_BYTES: usize = 4 << 10;
/// What the socket of the server is called.
const SOCKET: &str = "server";

/// The first byte is the kind of server, the rest all that it says, whatever it is asked.
pub(crate) fn run(bytes: &[u8]) {
    let _ = rows(bytes);
}

/// How many rows come of it; none without a session.
fn rows(bytes: &[u8]) -> Option<usize> {
    let kind = match bytes.first()? {
        b'm' => ServerKind::MySql,
        b'p' => ServerKind::Postgres,
        _ => return None,
    };
    // Without a folder there is no server to ask.
    let folder = TempDir::new().ok()?;
    let listener = UnixListener::bind(folder.path().join(SOCKET)).ok()?;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        serve(scope, &listener, &ended, bytes.get(1..).unwrap_or_default());
        let rows = session(kind, &folder).map(read);
        ended.store(true, Ordering::SeqCst);
        // Whoever still listens hears that it is over.
        drop(UnixStream::connect(folder.path().join(SOCKET)));
        rows
    })
}

/// Says its piece to who comes first, takes what is answered, and hangs up on all others: they come to have a statement
/// ended.
fn serve<'s>(scope: &'s Scope<'s, '_>, listener: &'s UnixListener, ended: &'s AtomicBool, piece: &'s [u8]) {
    let speak = move |stream: &mut UnixStream| -> io::Result<()> {
        stream.write_all(piece)?;
        stream.shutdown(Shutdown::Write)?;
        while stream.read(&mut [0; 1_024])? > 0 {}
        Ok(())
    };
    scope.spawn(move || {
        let mut has_spoken = false;
        for stream in listener.incoming() {
            if ended.load(Ordering::SeqCst) {
                return;
            }
            if let Ok(mut stream) = stream
                && !std::mem::replace(&mut has_spoken, true)
            {
                // Who does not listen to the end has heard enough.
                scope.spawn(move || drop(speak(&mut stream)));
            }
        }
    });
}

fn session(kind: ServerKind, folder: &TempDir) -> Option<Session> {
    let spec = ConnectionSpec {
        name: "crm".to_owned(),
        kind,
        address: ServerAddress::Socket(SOCKET.to_owned()),
        user: "reader".to_owned(),
        database: "crm".to_owned(),
        password: Some(KeyPlace::Env("PASSWORD".to_owned())),
        tls: ServerTls::Off,
    };
    let connections =
        Connections::new(vec![spec], folder.path().to_owned(), |_| Some("not-a-real-password".to_owned().into()));
    let until = Until { deadline: Instant::now() + Duration::from_secs(15), cancelled: Arc::default() };
    connections.open("crm", MAX_ROW_BYTES, &until).ok()
}

/// Reads the rows of one statement; each has what its columns say, and no more than it may.
fn read(mut session: Session) -> usize {
    let Ok((mut cursor, columns)) = session.query("SELECT 1", &[]) else { return 0 };
    let mut count = 0;
    while let Ok(rows) = session.fetch(&mut cursor)
        && !rows.is_empty()
    {
        for (values, bytes) in &rows {
            assert_eq!(values.len(), columns.len(), "a row has other columns than were described");
            assert!(*bytes <= MAX_ROW_BYTES, "a row of {bytes} bytes is handed out");
            let held: usize = values.iter().map(bytes_of).sum();
            assert!(held <= *bytes, "{held} bytes count as {bytes}");
        }
        count += rows.len();
    }
    session.close(&cursor);
    count
}

fn bytes_of(value: &SqlValue) -> usize {
    match value {
        SqlValue::Text(text) => text.len(),
        SqlValue::Blob(bytes) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_come_to_their_rows() {
        for (seed, expected) in [
            (&include_bytes!("../../seeds/server/postgres")[..], 3),
            (include_bytes!("../../seeds/server/mysql"), 2),
            (include_bytes!("../../seeds/server/mysql-without-a-cursor"), 2),
        ] {
            assert_eq!(rows(seed), Some(expected));
        }
        assert_eq!(rows(include_bytes!("../../seeds/server/postgres-refuses")), None);
    }
}

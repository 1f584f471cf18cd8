//! Databases of servers, asked as the engine asks them: what statements give, what they may not do, and what becomes of
//! servers that are slow, gone or not what they should be.

use palisade_model::llm::KeyPlace;
use palisade_model::sql::{ConnectionSpec, ServerAddress, ServerKind, ServerTls, SqlValue};
use palisade_sql::{Connections, QueryError, Session, Until};
use palisade_tests::servers::{DATABASE, DatabaseServer, MIGHTY, READER};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MAX_ROW_BYTES: usize = 1 << 20;
const POSTGRES_TABLES: &str = "CREATE TABLE kinds (b boolean, s smallint, l bigint, n numeric, r real, d double precision, t text, \
     y bytea, day date, at timestamptz, span interval, j jsonb, a integer[], u uuid);\n\
     INSERT INTO kinds VALUES (true, -1, 9223372036854775807, 12345678901234567890.10, 0.1, 'Infinity', 'ü', '\\x00ff', \
     '2026-01-02', '2026-01-02 03:04:05+00', '1 day 2 hours', '{\"a\": 1}', '{1,NULL}', \
     '00000000-0000-0000-0000-000000000001'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);\n\
     CREATE SCHEMA closed;\nCREATE TABLE closed.hidden (a integer);\n\
     CREATE FUNCTION sneak() RETURNS integer LANGUAGE sql AS $$ INSERT INTO kinds (s) VALUES (1) RETURNING 1 $$;";
const MARIADB_TABLES: &str = "CREATE TABLE kinds (t1 tinyint, u bigint unsigned, n decimal(30,2), f float, d double, t text, y blob, \
     day date, at datetime(3), stamp timestamp NULL, clock time, e enum('a','b'), bits bit(8), yr year);\n\
     INSERT INTO kinds VALUES (-1, 18446744073709551615, 12345678901234567890.10, 0.1, 0.5, 'ü', x'00ff', '2026-01-02', \
     '2026-01-02 03:04:05.5', '2026-01-02 03:04:05', '-26:03:04', 'b', b'101', 2026), \
     (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);\n\
     CREATE TABLE counted (a integer PRIMARY KEY);\nINSERT INTO counted SELECT seq FROM seq_1_to_5000;";

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

fn spec(kind: ServerKind, port: u16) -> ConnectionSpec {
    ConnectionSpec {
        name: "crm".to_owned(),
        kind,
        address: ServerAddress::Host { host: "127.0.0.1".to_owned(), port },
        user: READER.0.to_owned(),
        database: DATABASE.to_owned(),
        password: Some(KeyPlace::Env("GOOD".to_owned())),
        tls: ServerTls::Off,
    }
}

fn within(time: Duration) -> Until {
    Until { deadline: Instant::now() + time, cancelled: Arc::default() }
}

fn long() -> Until {
    within(Duration::from_secs(600))
}

fn open(spec: &ConnectionSpec, until: &Until) -> Result<Session, QueryError> {
    let variable = |name: &str| Some(OsString::from(if name == "GOOD" { READER.1 } else { "not-the-password" }));
    Connections::new(vec![spec.clone()], PathBuf::from("/"), variable).open("crm", MAX_ROW_BYTES, until)
}

fn ask(session: &mut Session, statement: &str, parameters: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, QueryError> {
    let (mut cursor, _) = session.query(statement, parameters)?;
    let mut all = Vec::new();
    let outcome = loop {
        match session.fetch(&mut cursor) {
            Ok(rows) if rows.is_empty() => break Ok(all),
            Ok(rows) => all.extend(rows.into_iter().map(|(values, _)| values)),
            Err(error) => break Err(error),
        }
    };
    session.close(&cursor);
    outcome
}

#[track_caller]
fn is_unavailable<T: std::fmt::Debug>(outcome: Result<T, QueryError>, why: &str) {
    match outcome {
        Err(QueryError::Unavailable(text)) => {
            assert!(text.contains(why), "{text}");
            assert!(!text.contains(READER.1) && !text.contains("not-the-password"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

/// What holds for every kind of server.
fn check_everywhere(spec: &ConnectionSpec, sleep: &str, endless: &str) {
    the_user_must_be_let_in_and_may_do_no_more_than_read(spec);
    what_takes_too_long_ends_with_its_time(spec, sleep);
    what_never_ends_comes_bit_by_bit(spec, endless);
    let mut session = open(spec, &long()).unwrap();
    assert_eq!(ask(&mut session, "SELECT 1 WHERE 1 = 0", &[]).unwrap(), Vec::<Vec<SqlValue>>::new());
    for wrong in
        ["SELECT FROM FROM", "SELECT 1; SELECT 2", "SELECT * FROM nothing_of_that_name", "SELECT 1 FROM kinds WHERE"]
    {
        assert!(matches!(ask(&mut session, wrong, &[]), Err(QueryError::Invalid(_))), "{wrong}");
        // The session goes on.
        assert_eq!(ask(&mut session, "SELECT COUNT(*) FROM kinds", &[]).unwrap(), [[SqlValue::Integer(2)]]);
    }
    let large = ask(&mut session, "SELECT 1, repeat('x', 3000000)", &[]);
    assert_eq!(large, Err(QueryError::RowTooLarge { max: MAX_ROW_BYTES }));
    assert_eq!(ask(&mut session, "SELECT 'x'", &[]).unwrap(), [[text("x")]]);
}

fn the_user_must_be_let_in_and_may_do_no_more_than_read(spec: &ConnectionSpec) {
    let wrong = ConnectionSpec { password: Some(KeyPlace::Env("BAD".to_owned())), ..spec.clone() };
    is_unavailable(open(&wrong, &long()), "the server does not let `reader` in");
    let none = ConnectionSpec { password: None, ..spec.clone() };
    assert!(matches!(open(&none, &long()), Err(QueryError::Unavailable(_))));
    let mighty = ConnectionSpec { user: MIGHTY.to_owned(), ..spec.clone() };
    is_unavailable(open(&mighty, &long()), "`mighty` may do more on the server than read");
    let nowhere = ConnectionSpec { database: "nothing".to_owned(), ..spec.clone() };
    is_unavailable(open(&nowhere, &long()), "nothing");
}

fn what_takes_too_long_ends_with_its_time(spec: &ConnectionSpec, sleep: &str) {
    let begun = Instant::now();
    let mut session = open(spec, &within(Duration::from_secs(2))).unwrap();
    is_unavailable(ask(&mut session, sleep, &[]), "");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let cancelled = Arc::new(AtomicBool::new(false));
    let until = Until { cancelled: Arc::clone(&cancelled), ..long() };
    let mut session = open(spec, &until).unwrap();
    let begun = Instant::now();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancelled.store(true, Ordering::Relaxed);
    });
    is_unavailable(ask(&mut session, sleep, &[]), "the server did not answer in time");
    drop(session);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// A million rows of a kilobyte: no more than a few fetches of them are ever here.
fn what_never_ends_comes_bit_by_bit(spec: &ConnectionSpec, endless: &str) {
    let mut session = open(spec, &long()).unwrap();
    let (mut cursor, _) = session.query(endless, &[]).unwrap();
    let mut rows = 0;
    while rows < 3_000 {
        let some = session.fetch(&mut cursor).unwrap();
        assert!((1..=1_024).contains(&some.len()), "{}", some.len());
        rows += some.len();
    }
    // Others may be asked between, and see the same data.
    assert_eq!(ask(&mut session, "SELECT COUNT(*) FROM kinds", &[]).unwrap(), [[SqlValue::Integer(2)]]);
    assert!(!session.fetch(&mut cursor).unwrap().is_empty());
    session.close(&cursor);
}

fn check_tls(server: &DatabaseServer, spec: &ConnectionSpec) {
    let Some(certificate) = server.certificate() else { return };
    let at = |host: &str, authority: Option<String>| {
        let address = ServerAddress::Host { host: host.to_owned(), port: server.port };
        ConnectionSpec { address, tls: ServerTls::On { authority }, ..spec.clone() }
    };
    let own = certificate.display().to_string();
    let mut session = open(&at("localhost", Some(own.clone())), &long()).unwrap();
    assert_eq!(ask(&mut session, "SELECT 'x'", &[]).unwrap(), [[text("x")]]);
    // Of a name that the certificate is not for, and by nobody whom the web trusts.
    is_unavailable(open(&at("127.0.0.1", Some(own)), &long()), "TLS with `127.0.0.1` failed");
    is_unavailable(open(&at("localhost", None), &long()), "TLS with `localhost` failed");
    let missing = at("localhost", Some("/nothing/here.pem".to_owned()));
    is_unavailable(open(&missing, &long()), "the `authority` of the connection `crm` can't be used");
}

/// A server that ends takes its sessions with it, for good.
fn goes_away(server: &DatabaseServer, session: &mut Session) {
    server.end();
    let begun = Instant::now();
    while ask(session, "SELECT 1", &[]).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it still answers");
    }
    is_unavailable(ask(session, "SELECT 1", &[]), "");
}

#[test]
fn postgres_is_read_and_no_more() {
    let Some(server) = DatabaseServer::postgres(POSTGRES_TABLES) else { return };
    let spec = spec(ServerKind::Postgres, server.port);
    let mut session = open(&spec, &long()).unwrap();
    let rows = ask(&mut session, "SELECT * FROM kinds", &[]).unwrap();
    let expected = [
        SqlValue::Boolean(true),
        SqlValue::Integer(-1),
        SqlValue::Integer(i64::MAX),
        text("12345678901234567890.10"),
        SqlValue::Real(0.1),
        SqlValue::Real(f64::INFINITY),
        text("ü"),
        SqlValue::Blob(vec![0, 255]),
        text("2026-01-02"),
        text("2026-01-02 03:04:05+00"),
        text("1 day 02:00:00"),
        text("{\"a\": 1}"),
        text("{1,NULL}"),
        text("00000000-0000-0000-0000-000000000001"),
    ];
    assert_eq!(rows[0], expected);
    assert!(rows[1].iter().all(|value| *value == SqlValue::Null));
    let given = [SqlValue::Integer(-1), text("ü"), SqlValue::Blob(vec![0, 255]), SqlValue::Null];
    let statement = "SELECT l FROM kinds WHERE s = $1 AND t = $2 AND y = $3 AND $4::text IS NULL";
    assert_eq!(ask(&mut session, statement, &given).unwrap(), [[SqlValue::Integer(i64::MAX)]]);
    for writes in [
        "INSERT INTO kinds (s) VALUES (2)",
        "WITH x AS (INSERT INTO kinds (s) VALUES (2) RETURNING 1) SELECT * FROM x",
        "SELECT * INTO copied FROM kinds",
        "SELECT sneak()",
        "SELECT * FROM kinds FOR UPDATE",
        "COPY kinds TO PROGRAM 'cat'",
        "SET transaction_read_only = off",
        "COMMIT",
        "DO $$ BEGIN NULL; END $$",
        "CREATE TABLE t (a integer)",
    ] {
        assert_eq!(ask(&mut session, writes, &[]), Err(QueryError::NotAllowed), "{writes}");
    }
    for refused in [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM closed.hidden",
        "SELECT set_config('transaction_read_only', 'off', true)",
    ] {
        assert!(ask(&mut session, refused, &[]).is_err(), "{refused}");
    }
    // What a statement may still set, lets no other write.
    let _ = ask(&mut session, "SELECT set_config('default_transaction_read_only', 'off', false)", &[]);
    assert_eq!(ask(&mut session, "SELECT sneak()", &[]), Err(QueryError::NotAllowed));
    assert_eq!(ask(&mut session, "SELECT COUNT(*) FROM kinds", &[]).unwrap(), [[SqlValue::Integer(2)]]);
    check_everywhere(
        &spec,
        "SELECT pg_sleep(60)",
        "SELECT n, repeat('x', 1000) FROM generate_series(1, 1000000) AS s (n)",
    );
    check_tls(&server, &spec);
    goes_away(&server, &mut session);
}

#[test]
fn mariadb_is_read_and_no_more() {
    let Some(server) = DatabaseServer::mariadb(MARIADB_TABLES) else { return };
    let spec = spec(ServerKind::MySql, server.port);
    let mut session = open(&spec, &long()).unwrap();
    let rows = ask(&mut session, "SELECT * FROM kinds", &[]).unwrap();
    let expected = [
        SqlValue::Integer(-1),
        text("18446744073709551615"),
        text("12345678901234567890.10"),
        SqlValue::Real(0.1),
        SqlValue::Real(0.5),
        text("ü"),
        SqlValue::Blob(vec![0, 255]),
        text("2026-01-02"),
        text("2026-01-02 03:04:05.500000"),
        text("2026-01-02 03:04:05"),
        text("-26:03:04"),
        text("b"),
        SqlValue::Blob(vec![5]),
        SqlValue::Integer(2026),
    ];
    assert_eq!(rows[0], expected);
    assert!(rows[1].iter().all(|value| *value == SqlValue::Null));
    let given = [SqlValue::Integer(-1), text("ü"), SqlValue::Blob(vec![0, 255]), SqlValue::Null, SqlValue::Real(0.5)];
    let statement = "SELECT yr FROM kinds WHERE t1 = ? AND t = ? AND y = ? AND ? IS NULL AND d = ?";
    assert_eq!(ask(&mut session, statement, &given).unwrap(), [[SqlValue::Integer(2026)]]);
    assert!(matches!(ask(&mut session, statement, &given[..1]), Err(QueryError::Invalid(_))));
    for writes in [
        "INSERT INTO kinds (t1) VALUES (2)",
        "SELECT 1 INTO OUTFILE '/tmp/palisade-test'",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT 1 /*! INTO OUTFILE '/tmp/palisade-test' */",
        "SET SESSION TRANSACTION READ WRITE",
        "COMMIT",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE kinds",
        "CREATE TABLE t (a integer)",
    ] {
        assert_eq!(ask(&mut session, writes, &[]), Err(QueryError::NotAllowed), "{writes}");
    }
    assert_eq!(ask(&mut session, "SELECT COUNT(*) FROM kinds", &[]).unwrap(), [[SqlValue::Integer(2)]]);
    let endless = "SELECT a.a, repeat('x', 1000) FROM counted AS a CROSS JOIN (SELECT 1 UNION SELECT 2) AS b";
    check_everywhere(&spec, "SELECT SLEEP(60)", endless);
    check_tls(&server, &spec);
    goes_away(&server, &mut session);
}

/// A server that answers each connection with these bytes, and then waits or hangs up.
fn lying(bytes: &'static [u8], hangs_up: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(bytes);
            if hangs_up {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read(&mut [0; 1_024]);
            } else {
                open.push(stream);
            }
        }
    });
    port
}

#[test]
fn what_is_no_server_is_told_soon_and_kept_out_of_memory() {
    let begun = Instant::now();
    for kind in ServerKind::ALL {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..],
            b"",
            b"\0\0\0\0\0\0\0\0\0\0\0\0",
            // As long a message as can be said, and one that is shorter than its own head.
            b"R\x7f\xff\xff\xff\0\0\0\0",
            b"R\0\0\0\x01\0\0\0\0",
            b"\xff\xff\xff\0\x0a",
            b"Z\0\0\0\x05I",
            b"\x0a\0\0\0\x0a5.5.5\0\x01\0\0\0",
        ] {
            let spec = spec(kind, lying(bytes, true));
            assert!(matches!(open(&spec, &long()), Err(QueryError::Unavailable(_))), "{kind:?} {bytes:?}");
            let tls = ConnectionSpec { tls: ServerTls::On { authority: None }, ..spec };
            assert!(matches!(open(&tls, &long()), Err(QueryError::Unavailable(_))), "{kind:?} {bytes:?}");
        }
        let silent = spec(kind, lying(b"", false));
        is_unavailable(open(&silent, &within(Duration::from_millis(300))), "the server did not answer in time");
        let gone = spec(kind, TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        is_unavailable(open(&gone, &long()), "can't be reached");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

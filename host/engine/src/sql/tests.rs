//! What a statement gives, and what it may not do.

use super::open::OpenError;
use super::*;
use palisade_sandbox::ports::Rows as _;
use rustix::fs::{Mode, OFlags};
use std::path::Path;
use std::time::Instant;

fn database(dir: &Path, sql: &str) -> std::path::PathBuf {
    let path = dir.join("a ?%#.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

fn open(path: &Path) -> Result<Database, OpenError> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    Database::open(&file)
}

fn ask(path: &Path, statement: &str, parameters: Vec<Value>) -> Result<Vec<Vec<SqlValue>>, QueryError> {
    let mut rows = query(open(path).unwrap(), statement.to_owned(), parameters, 1 << 20, later())?;
    let mut all = Vec::new();
    loop {
        let batch = rows.next(2, 10).map_err(|error| QueryError::Invalid(error.to_string()))?;
        if batch.is_empty() {
            return Ok(all);
        }
        all.extend(batch);
    }
}

fn later() -> Until {
    Until { deadline: Instant::now() + Duration::from_secs(600), cancelled: Arc::default() }
}

fn int(value: i64) -> SqlValue {
    SqlValue::Integer(value)
}

fn text(value: &str) -> SqlValue {
    SqlValue::Text(value.to_owned())
}

#[test]
fn rows_come_in_order_with_their_types() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL);");
    assert_eq!(
        ask(&path, "SELECT * FROM t ORDER BY a", vec![]).unwrap(),
        [[int(1), text("x")], [int(2), SqlValue::Null]]
    );
    assert_eq!(ask(&path, "SELECT b FROM t WHERE a = ?", vec![Value::Integer(1)]).unwrap(), [[text("x")]]);
    let rows = query(open(&path).unwrap(), "SELECT b, a + 1 AS c FROM t".into(), vec![], 99, later()).unwrap();
    let columns: Vec<_> = rows.columns().into_iter().map(|c| (c.name, c.declared_type)).collect();
    assert_eq!(columns, [("b".to_owned(), "TEXT".to_owned()), ("c".to_owned(), String::new())]);
}

#[test]
fn another_file_in_the_place_of_the_one_that_was_authorised_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a INT)");
    let file = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let moved = dir.path().join("moved.db");
    std::fs::rename(&path, &moved).unwrap();
    database(dir.path(), "CREATE TABLE other(a INT)");
    let mut found = Database::open(&file).unwrap();
    let table = found.connection().query_row("SELECT name FROM sqlite_schema", [], |row| row.get::<_, String>(0));
    assert_eq!(table.unwrap(), "t", "it is the file that counts, whatever it is called by now");
    drop(found);
    // The kernel calls it so once it is gone, and somebody may have made a file of that name.
    std::fs::remove_file(&moved).unwrap();
    assert!(matches!(Database::open(&file), Err(OpenError::Sqlite(_))));
    std::fs::rename(&path, dir.path().join("moved.db (deleted)")).unwrap();
    assert!(matches!(Database::open(&file), Err(OpenError::Replaced)));
}

#[test]
fn full_text_tables_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "CREATE VIRTUAL TABLE old USING fts4(a); INSERT INTO old VALUES ('x');
        CREATE VIRTUAL TABLE new USING fts5(a); INSERT INTO new VALUES ('y');";
    let path = database(dir.path(), sql);
    assert_eq!(ask(&path, "SELECT * FROM old LIMIT 10", vec![]).unwrap(), [[text("x")]]);
    assert_eq!(ask(&path, "SELECT * FROM new LIMIT 10", vec![]).unwrap(), [[text("y")]]);
    assert_eq!(ask(&path, "SELECT COUNT(*) FROM new", vec![]).unwrap(), [[int(1)]]);
    let info = ask(&path, "SELECT name FROM pragma_table_info(?)", vec![Value::Text("new".into())]).unwrap();
    assert_eq!(info, [[text("a")]]);
}

#[test]
fn a_table_whose_code_wants_to_write_is_no_denial_of_the_statement() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE VIRTUAL TABLE boxes USING rtree(id, low, high);");
    let asked = ask(&path, "SELECT name FROM pragma_table_info(?)", vec![Value::Text("boxes".into())]);
    assert!(asked.unwrap_err().to_string().contains("it is virtual"));
}

#[test]
fn table_info_is_the_only_pragma() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a INT PRIMARY KEY);");
    let info = ask(&path, "SELECT name, pk FROM pragma_table_info(?)", vec![Value::Text("t".into())]).unwrap();
    assert_eq!(info, [[text("a"), int(1)]]);
    let other = ask(&path, "SELECT * FROM pragma_database_list", vec![]).unwrap_err();
    assert!(other.to_string().contains("does more than read"), "{other}");
}

#[test]
fn nothing_but_reading_is_possible() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a); INSERT INTO t VALUES (1);");
    let other = dir.path().join("other.db");
    for statement in [
        "INSERT INTO t VALUES (2)".to_owned(),
        "CREATE TABLE u(a)".to_owned(),
        "DROP TABLE t".to_owned(),
        "PRAGMA journal_mode = WAL".to_owned(),
        format!("ATTACH '{}' AS o", other.display()),
        "VACUUM INTO '/dev/null'".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "BEGIN IMMEDIATE".to_owned(),
    ] {
        let answer = ask(&path, &statement, vec![]);
        assert!(answer.is_err(), "{statement}: {answer:?}");
    }
    assert!(!other.exists());
    assert_eq!(ask(&path, "SELECT a FROM t", vec![]).unwrap(), [[int(1)]]);
}

#[test]
fn a_row_that_is_too_large_is_refused_and_the_last_that_fits_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a);");
    let of = |length: usize| {
        let statement = format!("SELECT printf('%.*c', {length}, 'x')");
        query(open(&path).unwrap(), statement, vec![], 100, later()).unwrap().next(1, 1_000)
    };
    assert!(of(100).is_ok());
    assert!(of(101).unwrap_err().to_string().contains("more than 100 bytes"));
}

#[test]
fn an_endless_statement_ends_when_nobody_wants_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a);");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0";
    let abandoned = {
        let rows = query(open(&path).unwrap(), endless.to_owned(), vec![], 99, later()).unwrap();
        Arc::clone(&rows.abandoned)
    };
    // The worker holds the second reference; it lets go when it has ended.
    let ended = (0..2_000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        Arc::strong_count(&abandoned) == 1
    });
    assert!(ended);
}

#[test]
fn an_endless_statement_ends_when_its_time_is_over_or_the_run_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a);");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0";
    let soon = Until { deadline: Instant::now() + Duration::from_millis(50), cancelled: Arc::default() };
    let cancelled = Until { cancelled: Arc::new(AtomicBool::new(true)), ..later() };
    for until in [soon, cancelled] {
        let asked = query(open(&path).unwrap(), endless.to_owned(), vec![], 99, until);
        assert!(asked.map_err(port_error).and_then(|mut rows| rows.next(1, 1)).is_err());
    }
}

#[test]
fn a_value_that_could_not_be_handed_on_is_not_even_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "CREATE TABLE t(a);");
    assert!(ask(&path, "SELECT length(zeroblob(1 << 20))", vec![]).is_ok());
    assert!(ask(&path, "SELECT length(zeroblob((1 << 20) + 1))", vec![]).is_err());
}

#[test]
fn wal_mode_is_read_with_and_without_a_log_and_leaves_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path(), "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1);");
    assert_eq!(ask(&path, "SELECT a FROM t", vec![]).unwrap(), [[int(1)]]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let writer = rusqlite::Connection::open(&path).unwrap();
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(ask(&path, "SELECT a FROM t", vec![]).unwrap(), [[int(1)], [int(2)]]);
}

#[test]
fn what_is_no_database_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text.db");
    std::fs::write(&path, "hello ".repeat(1_000)).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Sqlite(_))));
    assert!(matches!(open(dir.path()), Err(OpenError::NotAFile)));
}

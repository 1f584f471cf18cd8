//! Bad input for the connectors, through the binary: each time a clear error or a recorded skip, never a silent loss.

use palisade_tests::{Dir, palisade};
use rusqlite::Connection;
use rustix::fs::{CWD, FileType, Mode, mkdirat, mknodat, openat};
use serde_json::Value;
use std::os::unix::fs::symlink;

/// What became of one source.
#[derive(Debug, Default, PartialEq)]
struct Told {
    items: u64,
    failure: Option<String>,
    /// What was left out, and why.
    skips: Vec<(String, String)>,
}

/// Reads a source, given as the runbook names it, in `dir`.
#[track_caller]
fn read(dir: &Dir, source: &str) -> Told {
    let runbook = format!("name: x\ndescription: x\nartifacts:\n  texts:\n    source: {source}\n    output: true\n");
    dir.write("runbook.yaml", runbook);
    let outcome = palisade(dir.path(), ["run", "-q", "runbook.yaml", "--no-cache", "--format", "json"]);
    let record: Value = serde_json::from_str(&outcome.stdout).expect(&outcome.stderr);
    let step = &record["steps"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let skips = step["skipped"].as_array().unwrap().iter().map(|skip| (text(&skip["what"]), text(&skip["reason"])));
    let told = Told {
        items: step["output"]["count"].as_u64().unwrap_or(0),
        failure: step["failure"]["message"].as_str().map(str::to_owned),
        skips: skips.collect(),
    };
    assert_eq!(step["skipped_count"], told.skips.len(), "{told:?}");
    assert_eq!(outcome.code, Some(i32::from(told.failure.is_some())), "{told:?}");
    told
}

fn database(dir: &Dir, sql: &str) -> Connection {
    dir.write("data/.keep", "");
    let connection = Connection::open(dir.join("data/x.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

const SQLITE: &str = "{type: sqlite, properties: {database_path: data/x.db}}";
const FILES: &str = "{type: filesystem, properties: {path: data}}";

fn skip(what: &str, reason: &str) -> (String, String) {
    (what.to_owned(), reason.to_owned())
}

#[track_caller]
fn check_failure(dir: &Dir, source: &str, message: &str) {
    let told = read(dir, source);
    assert_eq!(told.failure.as_deref(), Some(message));
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let dir = Dir::new();
    dir.write("data/x.db", "");
    assert_eq!(read(&dir, SQLITE), Told::default());
}

#[test]
fn what_is_no_database_is_called_what_it_is() {
    let dir = Dir::new();
    check_failure(
        &dir,
        SQLITE,
        "the database `sqlite:data/x.db` can't be opened: No such file or directory (os error 2)",
    );
    dir.write("data/x.db", "a text ".repeat(100));
    check_failure(&dir, SQLITE, "the file is not a SQLite database");
    std::fs::remove_file(dir.join("data/x.db")).unwrap();
    std::fs::create_dir(dir.join("data/x.db")).unwrap();
    check_failure(&dir, SQLITE, "the database `sqlite:data/x.db` can't be opened: it is a folder and no file");
    std::fs::remove_dir(dir.join("data/x.db")).unwrap();
    mknodat(CWD, dir.join("data/x.db"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    check_failure(&dir, SQLITE, "the database `sqlite:data/x.db` can't be opened: it is a named pipe and no file");
}

#[test]
fn a_database_that_was_cut_off_is_corrupt() {
    let dir = Dir::new();
    drop(database(&dir, "CREATE TABLE t(a); INSERT INTO t VALUES (hex(randomblob(9000)));"));
    let file = std::fs::File::options().write(true).open(dir.join("data/x.db")).unwrap();
    file.set_len(9_000).unwrap();
    check_failure(&dir, SQLITE, "the database is corrupt");
}

#[test]
fn a_table_that_is_corrupt_is_left_out_and_the_others_are_read() {
    let dir = Dir::new();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)";
    drop(database(
        &dir,
        &format!(
            "CREATE TABLE bad(a); INSERT INTO bad {rows} SELECT hex(randomblob(500)) FROM n;
             CREATE TABLE good(a); INSERT INTO good VALUES ('x');"
        ),
    ));
    let mut bytes = std::fs::read(dir.join("data/x.db")).unwrap();
    // The root page of the first table.
    bytes[4096..8192].fill(0xee);
    dir.write("data/x.db", bytes);
    let skips = vec![skip("table `bad` of x", "it can't be read: the database is corrupt")];
    assert_eq!(read(&dir, SQLITE), Told { items: 1, failure: None, skips });
}

#[test]
fn a_locked_database_is_said_to_be_locked() {
    let dir = Dir::new();
    let connection = database(&dir, "CREATE TABLE t(a); BEGIN EXCLUSIVE; INSERT INTO t VALUES ('x');");
    check_failure(&dir, SQLITE, "the database is locked by another program");
    connection.execute_batch("COMMIT").unwrap();
    assert_eq!(read(&dir, SQLITE).items, 1);
}

#[test]
fn what_waits_in_a_log_is_read() {
    let dir = Dir::new();
    let _open = database(&dir, "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES ('x');");
    assert!(dir.join("data/x.db-wal").metadata().unwrap().len() > 0);
    assert_eq!(read(&dir, SQLITE), Told { items: 1, ..Told::default() });
}

#[test]
fn a_journal_that_waits_to_be_rolled_back_is_told() {
    let dir = Dir::new();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";
    // A cache of one page makes SQLite write pages, and before them the journal, while the change goes on.
    let open = database(
        &dir,
        &format!(
            "CREATE TABLE t(a); INSERT INTO t {rows} SELECT i FROM n; PRAGMA cache_size = 1;
             BEGIN; UPDATE t SET a = hex(randomblob(500));"
        ),
    );
    let crashed = Dir::new();
    for name in ["data/x.db", "data/x.db-journal"] {
        crashed.write(name, std::fs::read(dir.join(name)).unwrap());
    }
    drop(open);
    let told = read(&crashed, SQLITE);
    assert!(told.failure.as_ref().is_some_and(|message| message.contains("left a journal beside")), "{told:?}");
}

#[test]
fn tables_that_can_t_be_read_are_left_out_with_reasons() {
    let dir = Dir::new();
    drop(database(
        &dir,
        r#"CREATE TABLE "odd name"(a); INSERT INTO "odd name" VALUES ('x');
           CREATE TABLE text(a); INSERT INTO text VALUES ('x'), (CAST(x'61ff' AS TEXT));
           CREATE TABLE made(a, b AS (a || 'x')); INSERT INTO made(a) VALUES ('x');
           CREATE VIRTUAL TABLE boxes USING rtree(id, low, high);
           CREATE TABLE keyed(k TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO keyed VALUES ('b'), ('a');
           CREATE VIRTUAL TABLE words USING fts5(a, content = '');"#,
    ));
    let told = read(&dir, SQLITE);
    assert_eq!(
        told.skips,
        [
            skip("table `odd name` of x", "its name has characters other than letters, digits, `_` and `-`"),
            skip("table `text` of x", "it can't be read: a text is not UTF-8"),
            skip("table `made` of x", "it can't be read: it has generated columns"),
            skip("table `boxes` of x", "it can't be read: it is virtual, and opening it does more than read"),
        ]
    );
    assert!(told.failure.is_none() && told.items >= 2);
}

#[test]
fn a_link_that_leads_nowhere_is_counted_once() {
    let dir = Dir::new();
    dir.write("data/a", "x");
    symlink("/nowhere/at/all", dir.join("data/out")).unwrap();
    symlink("missing", dir.join("data/in")).unwrap();
    let skips = vec![
        skip("data/in", "it is a link that leads to nothing"),
        skip("data/out", "a link that leads out of its folder, to nothing that can be opened"),
    ];
    let mut told = read(&dir, FILES);
    told.skips.sort();
    assert_eq!(told, Told { items: 1, failure: None, skips });
}

#[test]
fn a_path_that_is_no_file_and_no_folder_is_called_what_it_is() {
    let dir = Dir::new();
    dir.write("data/.keep", "");
    mknodat(CWD, dir.join("data/pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let told = read(&dir, "{type: filesystem, properties: {path: data/pipe}}");
    assert_eq!(told.failure.as_deref(), Some("`data/pipe` is not there, or may not be read"));
    assert_eq!(told.skips, [skip("data/pipe", "it is a named pipe; only files and folders are read")]);
}

#[test]
fn folders_deeper_than_a_path_may_be_long_are_left_out() {
    let dir = Dir::new();
    dir.write("data/a", "x");
    let mut folder = openat(CWD, dir.join("data"), rustix::fs::OFlags::RDONLY, Mode::empty()).unwrap();
    for _ in 0..40 {
        let name = "d".repeat(200);
        mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = openat(&folder, &name, rustix::fs::OFlags::RDONLY, Mode::empty()).unwrap();
    }
    let told = read(&dir, FILES);
    assert_eq!((told.items, told.skips.len(), told.failure), (1, 1, None));
}

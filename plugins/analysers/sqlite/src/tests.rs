use super::*;
use palisade_sdk::{HostError, HostErrorKind, TestContext};
use serde_json::json;

const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
const COLUMNS: &str = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?)";
const DATABASE: &str = "sqlite:data/shop.v1.db";

fn context(tables: &[&str]) -> TestContext {
    let names = tables.iter().map(|name| vec![Value::from(*name)]).collect::<Vec<_>>();
    TestContext::new().config(json!({"database_path": "data/shop.v1.db"})).rows(
        DATABASE,
        TABLES,
        [],
        [("name", "TEXT")],
        names,
    )
}

fn table(
    context: TestContext,
    name: &str,
    columns: &[(&'static str, &'static str)],
    rows: Vec<Vec<Value>>,
) -> TestContext {
    let info = |(column, declared): &(&'static str, &'static str)| {
        vec![Value::from(*column), Value::from(*declared), Value::Integer(1), Value::Null, Value::Integer(0)]
    };
    context
        .rows(DATABASE, COLUMNS, [Value::from(name)], [], columns.iter().map(info).collect::<Vec<_>>())
        .rows(DATABASE, format!("SELECT COUNT(*) FROM \"{name}\""), [], [], [vec![Value::Integer(rows.len() as i64)]])
        .rows(
            DATABASE,
            format!("SELECT * FROM \"{name}\" LIMIT ?"),
            [Value::Integer(10)],
            columns.iter().copied(),
            rows,
        )
}

#[test]
fn every_cell_that_is_not_blank_is_an_item() {
    let rows = vec![
        vec![Value::Integer(1), Value::from("Ann"), Value::Real(80.0)],
        vec![Value::Integer(2), Value::from(" \t"), Value::Null],
    ];
    let columns = [("id", "INTEGER"), ("name", ""), ("size", "REAL")];
    let outcome = table(context(&["people"]), "people", &columns, rows).run::<Sqlite>();
    let contents: Vec<_> = outcome.items(DOCUMENTS).iter().map(|item| item["content"].clone()).collect();
    assert_eq!(contents, ["id: 1", "name: Ann", "size: 80.0", "id: 2"]);
    assert_eq!(
        outcome.items(DOCUMENTS)[3]["metadata"],
        json!({
            "source": "sqlite_database_(shop.v1)_table_(people)_column_(id)_row_(2)",
            "connector_type": "sqlite_connector",
            "context": {},
            "table_name": "people",
            "column_name": "id",
            "schema_name": "shop.v1",
        })
    );
    let metadata = &outcome.metadata[DOCUMENTS];
    assert_eq!(metadata["name"], "sqlite_text_from_shop.v1");
    assert_eq!(metadata["metadata"]["total_data_items"], 4);
    let described = &metadata["metadata"]["database_schema"]["tables"][0];
    assert_eq!(described["estimated_rows"], 2);
    assert_eq!(described["columns"][1]["data_type"], "TEXT");
    assert_eq!(described["columns"][0]["is_nullable"], false);
}

#[test]
fn a_table_that_can_t_be_read_gives_nothing_and_is_said_to_be_left_out() {
    let context =
        table(context(&["bad", "computed", "odd name", "good"]), "good", &[("a", "")], vec![vec![Value::from("x")]]);
    // One column more is read than the table declares.
    let context = context
        .rows(DATABASE, COLUMNS, [Value::from("computed")], [], [])
        .rows(DATABASE, "SELECT COUNT(*) FROM \"computed\"", [], [], [vec![Value::Integer(1)]])
        .rows(
            DATABASE,
            "SELECT * FROM \"computed\" LIMIT ?",
            [Value::Integer(10)],
            [("a", "")],
            [vec![Value::from("x")]],
        )
        .rows(DATABASE, COLUMNS, [Value::from("bad")], [], [])
        .rows(DATABASE, "SELECT COUNT(*) FROM \"bad\"", [], [], [vec![Value::Integer(1)]])
        .rows_error(
            DATABASE,
            "SELECT * FROM \"bad\" LIMIT ?",
            [Value::Integer(10)],
            HostError::new(HostErrorKind::Invalid, "a text is not UTF-8"),
        );
    let outcome = context.run::<Sqlite>();
    assert_eq!(outcome.items(DOCUMENTS).len(), 1);
    let left_out: Vec<&str> = outcome.skips.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(left_out, ["table `bad` of shop.v1", "table `computed` of shop.v1", "table `odd name` of shop.v1"]);
}

#[test]
fn a_table_that_can_t_be_described_and_one_that_can_t_be_counted_are_no_failures() {
    let corrupt = || HostError::new(HostErrorKind::Unavailable, "corrupt");
    let context = context(&["boxes", "broken"])
        .rows_error(DATABASE, COLUMNS, [Value::from("boxes")], HostError::new(HostErrorKind::Invalid, "no module"))
        .rows(DATABASE, COLUMNS, [Value::from("broken")], [], [])
        .rows_error(DATABASE, "SELECT COUNT(*) FROM \"broken\"", [], corrupt())
        .rows_error(DATABASE, "SELECT * FROM \"broken\" LIMIT ?", [Value::Integer(10)], corrupt());
    let outcome = context.run::<Sqlite>();
    let skips: Vec<_> = outcome.skips.iter().map(|(what, why)| (what.as_str(), why.as_str())).collect();
    assert_eq!(
        skips,
        [
            ("table `boxes` of shop.v1", "it can't be read: no module"),
            ("table `broken` of shop.v1", "it can't be read: corrupt"),
        ]
    );
    let metadata = &outcome.metadata[DOCUMENTS]["metadata"];
    assert_eq!(metadata["extraction_summary"]["tables_processed"], 1);
    assert_eq!(metadata["database_schema"]["tables"][0]["estimated_rows"], 0);
}

#[test]
fn a_database_without_tables_gives_an_empty_list() {
    let outcome = context(&[]).run::<Sqlite>();
    assert_eq!(outcome.items(DOCUMENTS).len(), 0);
    assert_eq!(outcome.metadata[DOCUMENTS]["metadata"]["extraction_summary"]["tables_processed"], 0);
}

#[test]
fn a_file_that_is_no_database_is_a_failure() {
    let error = HostError::new(HostErrorKind::Unavailable, "file is not a database");
    let context = TestContext::new().config(json!({"database_path": "data/shop.v1.db"}));
    let outcome = context.rows_error(DATABASE, TABLES, [], error).run::<Sqlite>();
    assert_eq!(outcome.failure().message, "file is not a database");
}

#[test]
fn names_lose_their_last_suffix_alone() {
    for (path, name) in [("a/b.c.db", "b.c"), ("x", "x"), (".db", ".db"), ("a.", "a."), ("d/", "d")] {
        assert_eq!(database_name(path), name);
    }
}

use super::*;
use palisade_findings::DOCUMENTS;
use palisade_sdk::TestContext;
use serde_json::json;

#[test]
fn the_tables_of_the_schema_are_read_and_described() {
    let texts = |row: &[&str]| row.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    let context = TestContext::new()
        .config(json!({"connection": "crm", "schema": "sa\"les"}))
        .rows("crm", SERVER.names, [], [], [texts(&["shop", "15.18"])])
        .rows(
            "crm",
            TABLES,
            [Value::from("sa\"les")],
            [],
            [vec![Value::from("People"), Value::from("VIEW"), Value::Null, Value::Integer(0)]],
        )
        .rows(
            "crm",
            COLUMNS,
            [Value::from("sa\"les"), Value::from("People")],
            [],
            [vec![
                Value::from("id"),
                Value::from("integer"),
                Value::Boolean(false),
                Value::from("1"),
                Value::Null,
                Value::Boolean(true),
            ]],
        )
        .rows(
            "crm",
            "SELECT * FROM \"sa\"\"les\".\"People\" LIMIT $1",
            [Value::Integer(10)],
            [("id", "")],
            [vec![Value::Integer(1)]],
        );
    let outcome = context.run::<Postgres>();
    let items = outcome.items(DOCUMENTS);
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["content"], "id: 1");
    assert_eq!(items[0]["metadata"]["source"], "postgres_database_(shop)_table_(People)_column_(id)_row_(1)");
    assert_eq!(items[0]["metadata"]["schema_name"], "sa\"les");
    let metadata = &outcome.metadata[DOCUMENTS]["metadata"];
    assert_eq!(metadata["connector_type"], "postgres_connector");
    assert_eq!(
        metadata["database_schema"]["tables"],
        json!([{
            "name": "People",
            "table_type": "VIEW",
            "comment": null,
            "estimated_rows": 0,
            "columns": [{"name": "id", "data_type": "integer", "is_nullable": false, "default": "1", "comment": null,
                         "key": "PRI", "extra": null}],
        }])
    );
}

use super::*;
use palisade_findings::DOCUMENTS;
use palisade_sdk::TestContext;
use serde_json::json;

#[test]
fn tables_and_views_are_read_and_described() {
    let texts = |row: &[&str]| row.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    let context = TestContext::new()
        .config(json!({"connection": "crm", "max_rows_per_table": 2}))
        .rows("crm", SERVER.names, [], [], [texts(&["shop", "10.11.19-MariaDB"])])
        .rows(
            "crm",
            TABLES,
            [],
            [],
            [vec![Value::from("pe`ople"), Value::from("BASE TABLE"), Value::from("Customers"), Value::Integer(7)]],
        )
        .rows(
            "crm",
            COLUMNS,
            [Value::from("pe`ople")],
            [],
            [
                texts(&["id", "int", "NO", "0", "", "PRI", "auto_increment"]),
                vec![
                    Value::from("name"),
                    Value::from("varchar"),
                    Value::from("YES"),
                    Value::Null,
                    Value::from("as they write it"),
                    Value::from(""),
                    Value::from(""),
                ],
            ],
        )
        .rows(
            "crm",
            "SELECT * FROM `pe``ople` LIMIT ?",
            [Value::Integer(2)],
            [("id", ""), ("name", "")],
            [vec![Value::Integer(1), Value::from("Ann")], vec![Value::Integer(2), Value::Null]],
        );
    let outcome = context.run::<MySql>();
    let items = outcome.items(DOCUMENTS);
    let contents: Vec<_> = items.iter().map(|item| item["content"].clone()).collect();
    assert_eq!(contents, ["id: 1", "name: Ann", "id: 2"]);
    assert_eq!(
        items[1]["metadata"],
        json!({
            "source": "mysql_database_(shop)_table_(pe`ople)_column_(name)_row_(1)",
            "connector_type": "mysql_connector",
            "context": {},
            "table_name": "pe`ople",
            "column_name": "name",
            "schema_name": "shop",
        })
    );
    let document = &outcome.metadata[DOCUMENTS];
    assert_eq!(document["name"], "mysql_text_from_shop");
    assert_eq!(document["source"], "crm");
    let metadata = &document["metadata"];
    assert_eq!(metadata["connection_info"], json!({"connection": "crm"}));
    assert_eq!(metadata["database_schema"]["server_info"], json!({"version": "10.11.19-MariaDB"}));
    assert_eq!(
        metadata["database_schema"]["tables"],
        json!([{
            "name": "pe`ople",
            "table_type": "BASE TABLE",
            "comment": "Customers",
            "estimated_rows": 7,
            "columns": [
                {"name": "id", "data_type": "int", "is_nullable": false, "default": "0", "comment": null,
                 "key": "PRI", "extra": "auto_increment"},
                {"name": "name", "data_type": "varchar", "is_nullable": true, "default": null,
                 "comment": "as they write it", "key": null, "extra": null},
            ],
        }])
    );
    assert_eq!(
        metadata["extraction_summary"],
        json!({"tables_processed": 1, "cell_values_extracted": 3, "max_rows_per_table": 2})
    );
}

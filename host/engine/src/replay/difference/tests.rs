use super::*;
use palisade_model::TenantId;
use palisade_store::{NewArtifact, Store};
use serde_json::json;

#[track_caller]
fn check(recorded: &Value, made: &Value, expected: Option<(&str, &str)>) {
    let found = value(recorded, made);
    assert_eq!(found.as_ref().map(|(pointer, message)| (pointer.as_str(), message.as_str())), expected);
}

#[test]
fn the_first_place_is_told_and_nothing_that_stands_there() {
    check(&json!({"a": [1, {"b": 2}]}), &json!({"a": [1, {"b": 2}]}), None);
    check(
        &json!({"a": "anna@example.org", "b": 1}),
        &json!({"a": "anna", "b": 2}),
        Some(("/a", "a text of 16 characters was recorded, and a text of 4 characters comes out")),
    );
    check(&json!("x"), &json!("y"), Some(("", "a text of 1 character was recorded, and another one comes out")));
    check(&json!({"a/b": {"~": true}}), &json!({"a/b": {"~": false}}), {
        Some(("/a~1b/~0", "a truth value was recorded, and another one comes out"))
    });
    check(&json!([1, 2]), &json!([1]), Some(("/1", "a number was recorded, and nothing comes out")));
    check(&json!({"a": {}}), &json!({"a": {}, "b": []}), {
        Some(("/b", "nothing was recorded, and a list of 0 items comes out"))
    });
    check(&json!({"a": null}), &json!({"a": {"x": 1}}), {
        Some(("/a", "null was recorded, and an object of 1 value comes out"))
    });
}

fn artifact(store: &Store, lines: &str, metadata: Value) -> Artifact {
    let mut spool = store.spool(0);
    spool.append(lines.as_bytes()).unwrap();
    let items = store.join(vec![spool]).unwrap();
    let schema: palisade_model::SchemaRef = "a/1.0.0".parse().unwrap();
    NewArtifact::new(schema, metadata, items).unstored()
}

#[test]
fn artifacts_differ_in_an_item_or_else_in_their_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), TenantId::default()).unwrap();
    let of = |lines: &str| artifact(&store, lines, json!({"n": 1}));
    let recorded = of("{\"a\":1}\n{\"a\":2}\n");
    let told = |made: &Artifact| {
        let Differs { place: Place { port, item, pointer }, message } = first("p", &recorded, made).unwrap();
        assert_eq!(port.as_deref(), Some("p"));
        (item, pointer, message)
    };
    let number = "a number was recorded, and another one comes out".to_owned();
    let metadata = artifact(&store, "{\"a\":1}\n{\"a\":2}\n", json!({"n": 2}));
    assert_eq!(told(&metadata), (None, Some("/n".to_owned()), number.clone()));
    assert_eq!(told(&of("{\"a\":1}\n{\"a\":3}\n")), (Some(1), Some("/a".to_owned()), number));
    let written = "it holds the same, and is written in another way".to_owned();
    assert_eq!(told(&of("{\"a\":1}\n{\"a\": 2}\n")), (Some(1), Some(String::new()), written));
    assert_eq!(told(&of("{\"a\":1}\n")), (Some(1), None, "2 items when it was recorded, 1 item now".to_owned()));
    let more = of("{\"a\":1}\n{\"a\":2}\n{}\n");
    assert_eq!(told(&more), (Some(2), None, "2 items when it was recorded, 3 items now".to_owned()));
}

use super::*;
use palisade_sdk::{FailureKind, TestContext, TestOutcome};
use serde_json::{Value, json};

fn run(context: TestContext, config: Value) -> TestOutcome {
    let folder = config["path"].as_str().unwrap_or_default().to_owned();
    context.folder(folder).config(config).run::<Filesystem>()
}

fn paths(outcome: &TestOutcome) -> Vec<String> {
    let path = |item: &Value| item["metadata"]["file_path"].as_str().unwrap_or_default().to_owned();
    outcome.items(DOCUMENTS).iter().map(path).collect()
}

fn tree() -> TestContext {
    TestContext::new()
        .file("data/b.txt", "b")
        .file("data/a/z.txt", "z")
        .file("data/a.txt", "a\r\nb\rc\n")
        .file("data/.hidden", "")
        .file("data/a-b", "x")
}

#[test]
fn files_come_in_order_of_the_bytes_of_their_paths() {
    let outcome = run(tree(), json!({"path": "./data/"}));
    assert_eq!(paths(&outcome), ["data/.hidden", "data/a-b", "data/a.txt", "data/a/z.txt", "data/b.txt"]);
    assert_eq!(
        outcome.items(DOCUMENTS)[2],
        json!({
            "content": "a\nb\nc\n",
            "metadata": {
                "source": "data/a.txt",
                "connector_type": "filesystem_connector",
                "context": {},
                "file_path": "data/a.txt",
            },
        })
    );
    assert_eq!(
        outcome.metadata[DOCUMENTS],
        json!({
            "schemaVersion": "1.0.0",
            "name": "standard_input_from_data_directory",
            "description": "Content from directory data (5 files)",
            "contentEncoding": "utf-8",
            "source": "data",
            "metadata": {
                "file_count": 5,
                "total_size_bytes": 10,
                "exclude_patterns": null,
                "source_type": "directory",
            },
        })
    );
}

#[test]
fn one_file_ignores_patterns_and_the_most_of_files() {
    let context = tree().folder("data");
    let outcome =
        context.config(json!({"path": "data/a.txt", "include_patterns": [], "max_files": 1})).run::<Filesystem>();
    assert_eq!(paths(&outcome), ["data/a.txt"]);
    assert_eq!(outcome.metadata[DOCUMENTS]["name"], "standard_input_from_a.txt");
    assert_eq!(outcome.metadata[DOCUMENTS]["description"], "Content from file a.txt");
    assert_eq!(outcome.metadata[DOCUMENTS]["metadata"]["source_type"], "file");
}

#[test]
fn patterns_include_then_exclude() {
    let outcome = run(tree(), json!({"path": "data", "include_patterns": ["*.txt"], "exclude_patterns": ["a/"]}));
    assert_eq!(paths(&outcome), ["data/a.txt", "data/b.txt"]);
    let outcome = run(tree(), json!({"path": "data", "include_patterns": []}));
    assert_eq!(outcome.failure().message, "No files found in directory data");
    let outcome = run(tree(), json!({"path": "data", "exclude_patterns": ["!"]}));
    assert_eq!(outcome.failure().kind, FailureKind::BadConfig);
}

#[test]
fn the_first_files_are_taken_and_the_rest_is_said_to_be_left_out() {
    let outcome = run(tree(), json!({"path": "data", "max_files": 4}));
    assert_eq!(paths(&outcome), ["data/.hidden", "data/a-b", "data/a.txt", "data/a/z.txt"]);
    assert_eq!(outcome.skips.len(), 1);
    let outcome = run(tree(), json!({"path": "data", "max_files": 5}));
    assert_eq!((paths(&outcome).len(), outcome.skips.len()), (5, 0));
}

#[test]
fn a_large_folder_gives_the_same_first_files_as_if_all_were_held() {
    let many =
        (0..5_000_u32).map(|number| number.wrapping_mul(2_654_435_761)).fold(TestContext::new(), |context, number| {
            context.file(&format!("d/{number}"), "x").file(&format!("d/{}/y", number % 7), "y")
        });
    let all = paths(&run(many, json!({"path": "d", "max_files": 1_000_000})));
    assert!(all.is_sorted() && all.len() > 5_000);
    let many =
        (0..5_000_u32).map(|number| number.wrapping_mul(2_654_435_761)).fold(TestContext::new(), |context, number| {
            context.file(&format!("d/{number}"), "x").file(&format!("d/{}/y", number % 7), "y")
        });
    assert_eq!(paths(&run(many, json!({"path": "d", "max_files": 100}))), all[..100]);
}

#[test]
fn what_can_t_be_read_is_left_out_with_a_reason() {
    let context = TestContext::new()
        .file("d/good.txt", "x")
        .file("d/bad.txt", b"ab\xff")
        .file("d/report.DOCX", "x")
        .file("d/.docx", "x")
        .special_file("d/pipe")
        .unreadable_file("d/secret")
        .link("d/nowhere", "gone")
        .link("d/linked", "good.txt")
        .link("d/loop", "loop");
    let outcome = run(context, json!({"path": "d"}));
    assert_eq!(paths(&outcome), ["d/.docx", "d/good.txt", "d/linked"]);
    let skip = |what: &str| outcome.skips.iter().find(|(path, _)| path == what).map(|(_, reason)| reason.as_str());
    assert_eq!(skip("d/bad.txt"), Some("it is not utf-8 at byte 2"));
    assert_eq!(skip("d/report.DOCX"), Some("no document reader in this build"));
    assert!(skip("d/pipe").is_some() && skip("d/secret").is_some() && skip("d/loop").is_some());
    assert_eq!(skip("d/nowhere"), Some("it is a link that leads to nothing"));
}

#[test]
fn nothing_that_can_be_read_is_a_failure() {
    let outcome = run(TestContext::new().file("d/x", b"\xff"), json!({"path": "d"}));
    assert_eq!(outcome.failure().message, "No readable files found in d");
    let outcome = run(TestContext::new().file("d/x", b"a\xff"), json!({"path": "d", "errors": "ignore"}));
    assert_eq!(outcome.items(DOCUMENTS)[0]["content"], "a");
}

#[test]
fn an_unknown_encoding_is_told_once() {
    let context = TestContext::new().file("d/x", "x").file("d/y", "y");
    let outcome = run(context, json!({"path": "d", "encoding": "klingon"}));
    assert_eq!(outcome.failure().kind, FailureKind::BadConfig);
    assert_eq!(outcome.failure().message, "unknown encoding `klingon`");
    assert_eq!(outcome.skips.len(), 0);
}

#[test]
fn a_file_that_makes_no_item_is_left_out_and_the_last_that_does_is_not() {
    const MOST: usize = 300_000;
    let read = |content: &str| {
        let context = TestContext::new().file("d/x", content).file("d/small", "").limit(limit::CALL_BYTES, MOST as u64);
        run(context, json!({"path": "d"}))
    };
    let around = read("").lines(DOCUMENTS).unwrap().lines().last().unwrap().len() + 1;
    assert_eq!(paths(&read(&"a".repeat(MOST - around))), ["d/small", "d/x"]);
    let outcome = read(&"a".repeat(MOST + 1 - around));
    assert_eq!(paths(&outcome), ["d/small"]);
    assert_eq!(
        outcome.skips[0].1,
        "293 KiB do not fit into one item, which must be smaller than 293 KiB (limit `call-bytes`)"
    );
    // A control character is six bytes in JSON.
    assert_eq!(paths(&read(&"\u{1}".repeat(MOST / 6))), ["d/small"]);
}

#[test]
fn a_path_that_is_not_there_is_a_failure() {
    let outcome = TestContext::new().folder("nowhere").config(json!({"path": "nowhere"})).run::<Filesystem>();
    assert!(outcome.result.is_err());
}

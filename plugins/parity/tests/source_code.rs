//! Source files: which texts are one, and what is found in them line by line.

use palisade_sdk::{Analyser, TestContext, TestInput, TestOutcome};
use parity::data_collection::DataCollection;
use parity::data_subject::DataSubject;
use parity::personal_data::PersonalData;
use parity::processing_purpose::ProcessingPurpose;
use parity::service_integration::ServiceIntegration;
use parity::source_code_analyser::SourceCode;
use serde_json::{Value, json};

fn document(path: &str, content: &str) -> Value {
    json!({"content": content, "metadata": {"source": path, "connector_type": "filesystem_connector", "context": {}, "file_path": path}})
}

fn documents(items: impl IntoIterator<Item = Value>) -> TestInput {
    TestInput::new("documents", items).schema("standard_input/1.0.0").metadata(json!({"source": "app/src"}))
}

fn file(path: &str, content: &str) -> Value {
    json!({"file_path": path, "language": "php", "raw_content": content, "metadata": {"file_size": 0, "line_count": 0}})
}

fn analyse<A: Analyser>(items: Vec<Value>, rules: Vec<Value>, mut config: Value) -> TestOutcome {
    config["pattern_matching"] = json!({"ruleset": "local/mine/1.0.0"});
    TestContext::new()
        .artifact(TestInput::new("documents", items).schema("source_code/1.0.0"))
        .artifact(TestInput::new("rules", rules))
        .config(config)
        .run::<A>()
}

#[test]
fn texts_of_known_languages_become_source_files() {
    let items = || {
        [
            document("app/src/a.PHP", "<?php\r\n\u{c}é"),
            document("app/src/b.py", "pass"),
            json!({"content": "let x", "metadata": {"source": "lib/c.mts"}}),
            document("app/src/empty.js", ""),
        ]
    };
    let run = |config: Value, parts| {
        TestContext::new().artifact(documents(items())).config(config).parts(parts).run::<SourceCode>()
    };
    for parts in [1, 2, 4] {
        let outcome = run(json!({}), parts);
        let files = outcome.items("files");
        assert_eq!(
            files[0],
            json!({
                "file_path": "app/src/a.PHP",
                "language": "php",
                "raw_content": "<?php\r\n\u{c}é",
                "metadata": {"file_size": 10, "line_count": 3},
            })
        );
        assert_eq!(
            (files[1]["language"].clone(), files[2]["file_path"].clone()),
            (json!("typescript"), json!("app/src/empty.js"))
        );
        assert_eq!(
            outcome.metadata["files"],
            json!({
                "schemaVersion": "1.0.0",
                "name": "source_code_analysis_src",
                "description": "Source code analysis of app/src",
                "source": "app/src",
                "metadata": {"total_files": 3, "total_lines": 4},
            })
        );
    }
    assert_eq!(run(json!({"language": " PHP "}), 1).items("files").len(), 1);
    assert_eq!(run(json!({"language": "cobol"}), 1).items("files").len(), 0);
    let outcome = run(json!({"max_file_size": 9}), 1);
    assert_eq!((outcome.items("files").len(), outcome.skips.len()), (2, 1));
    assert_eq!(run(json!({"max_file_size": 10}), 1).skips.len(), 0);
}

#[test]
fn the_first_input_with_a_source_names_the_files() {
    let input = |source: &str| {
        TestInput::new("documents", []).schema("standard_input/1.0.0").metadata(json!({"source": source}))
    };
    for (sources, source, name) in [
        (&["", "standard_input"][..], "standard_input", "analysed_files"),
        (&["", "app/src/", "lib"], "app/src/", "src"),
        (&["."], ".", ""),
    ] {
        let context = sources.iter().fold(TestContext::new(), |context, source| context.artifact(input(source)));
        let metadata = context.run::<SourceCode>().metadata["files"].clone();
        assert_eq!(metadata["source"], source);
        assert_eq!(metadata["name"], format!("source_code_analysis_{name}"));
    }
}

fn service(name: &str, category: &str, patterns: &[&str]) -> Value {
    json!({"name": name, "service_category": category, "purpose_category": "operational", "patterns": patterns})
}

#[test]
fn hits_are_grouped_and_the_first_rule_says_where() {
    let code = "// aws\nmail(x)\n  upload aws aws  \nsms Upload\n";
    let rules = vec![
        service("Clouds", "cloud", &["upload", "aws", "upload"]),
        service("Mail", "mail", &["sms", "mail"]),
        service("More clouds", "cloud", &["AWS", "aws"]),
    ];
    let outcome = analyse::<ServiceIntegration>(vec![file("a.php", code)], rules, json!({}));
    let findings = outcome.items("findings");
    assert_eq!(findings.len(), 2);
    // In the first rule, line 1 is hit by `aws` before line 3 is by `upload`; lines count, not occurrences.
    assert_eq!(
        findings[0],
        json!({
            "service_category": "cloud",
            "purpose_category": "operational",
            "evidence": [{"content": "   1  // aws\n   2  mail(x)\n   3    upload aws aws\n   4  sms Upload"}],
            "matched_patterns": [
                {"pattern": "aws", "match_count": 4},
                {"pattern": "upload", "match_count": 4},
                {"pattern": "AWS", "match_count": 2},
            ],
            "metadata": {"source": "a.php", "context": {}, "line_number": 1},
        })
    );
    assert_eq!(
        findings[1]["matched_patterns"],
        json!([
            {"pattern": "mail", "match_count": 1},
            {"pattern": "sms", "match_count": 1},
        ])
    );
    assert_eq!(findings[1]["metadata"]["line_number"], 2);
    assert_eq!(
        outcome.metadata["findings"]["summary"],
        json!({
            "total_findings": 2,
            "categories_identified": 2,
            "categories": [
                {"service_category": "cloud", "findings_count": 1},
                {"service_category": "mail", "findings_count": 1},
            ],
        })
    );
    assert_eq!(
        outcome.metadata["findings"]["analysis_metadata"],
        json!({
            "ruleset_used": "local/mine/1.0.0",
            "llm_validation_enabled": false,
        })
    );
}

#[test]
fn the_line_is_that_of_the_first_rule_even_if_a_later_one_hits_before() {
    let rules = vec![service("A", "cloud", &["gcp"]), service("B", "cloud", &["aws"])];
    let outcome = analyse::<ServiceIntegration>(vec![file("a.php", "aws\n\n\n\n\ngcp")], rules, json!({}));
    let finding = &outcome.items("findings")[0];
    assert_eq!(finding["metadata"]["line_number"], 6);
    assert_eq!(finding["evidence"][0]["content"], "   3  \n   4  \n   5  \n   6  gcp");
}

#[test]
fn collection_is_grouped_by_type_and_source() {
    let rule = |kind: &str, source: &str, pattern: &str| json!({"name": "x", "collection_type": kind, "data_source": source, "patterns": [pattern]});
    let rules = vec![rule("form", "post", "$_POST["), rule("form", "get", "$_GET["), rule("form", "post", "_POST[")];
    let code = "$x = $_POST['a'];\n$y = $_POST[\"b\"] . $_GET['c'];\n$z = $_POST[a];";
    let config = json!({"source_code_context_window": "full"});
    let outcome = analyse::<DataCollection>(vec![file("a.php", code)], rules, config);
    let findings = outcome.items("findings");
    let counts = |finding: &Value| finding["matched_patterns"].clone();
    assert_eq!(
        counts(&findings[0]),
        json!([{"pattern": "$_POST[", "match_count": 2}, {"pattern": "_POST[", "match_count": 2}])
    );
    assert_eq!(counts(&findings[1]), json!([{"pattern": "$_GET[", "match_count": 1}]));
    assert_eq!(findings[1]["evidence"][0]["content"].as_str().unwrap().lines().count(), 3);
    assert_eq!(
        outcome.metadata["findings"]["summary"]["categories"],
        json!([{"collection_type": "form", "findings_count": 2}])
    );
}

fn subject(category: &str, weight: u64, patterns: &[&str]) -> Value {
    json!({"name": "x", "subject_category": category, "indicator_type": "primary", "confidence_weight": weight, "patterns": patterns})
}

#[test]
fn a_weight_counts_for_every_hit_in_code_and_once_in_text() {
    let rules = || vec![subject("employee", 15, &["staff", "worker"]), subject("employee", 20, &["payroll"])];
    let text = "staff\nworker staff\npayroll";
    let outcome = analyse::<DataSubject>(vec![file("a.php", text)], rules(), json!({}));
    assert_eq!(outcome.items("findings")[0]["confidence_score"], 65);
    let outcome = analyse::<DataSubject>(vec![file("a.php", &"staff\n".repeat(9))], rules(), json!({}));
    assert_eq!(outcome.items("findings")[0]["confidence_score"], 100);
    let outcome = TestContext::new()
        .artifact(documents([document("a.txt", text)]))
        .artifact(TestInput::new("rules", rules()))
        .config(json!({"pattern_matching": {"ruleset": "local/mine/1.0.0"}}))
        .run::<DataSubject>();
    let finding = &outcome.items("findings")[0];
    assert_eq!(finding["confidence_score"], 35);
    assert_eq!(finding["metadata"], json!({"source": "a.txt", "context": {}}));
    assert_eq!(finding["matched_patterns"].as_array().unwrap().len(), 3);
    assert_eq!(
        outcome.metadata["findings"]["summary"],
        json!({"total_indicators": 1, "categories_identified": ["employee"]})
    );
}

#[test]
fn a_purpose_is_found_by_lines_and_personal_data_in_the_whole() {
    let purpose = json!({"name": "Mail", "purpose": "mail", "patterns": ["send"]});
    let outcome = analyse::<ProcessingPurpose>(vec![file("a.php", "x\nsend send\nsend")], vec![purpose], json!({}));
    let finding = &outcome.items("findings")[0];
    assert_eq!(finding["matched_patterns"], json!([{"pattern": "send", "match_count": 2}]));
    assert_eq!(finding["metadata"]["line_number"], 2);
    let category = json!({"name": "Mail", "category": "mail", "patterns": ["send"]});
    let outcome = analyse::<PersonalData>(vec![file("a.php", "x\nsend send\nsend")], vec![category], json!({}));
    let finding = &outcome.items("findings")[0];
    assert_eq!(finding["matched_patterns"], json!([{"pattern": "send", "match_count": 3}]));
    assert_eq!(finding["evidence"], json!([{"content": "x\nsend send\nsend"}]));
    assert_eq!(finding["metadata"], json!({"source": "a.php", "context": {}}));
}

use super::*;
use crate::fixture::{Made, failed_run, run};
use serde_json::{Value, json};

fn export(run: &RunRecord, documents: &[Made]) -> Result<String, ReportError> {
    let documents: Vec<&dyn Document> = documents.iter().map(|document| document as &dyn Document).collect();
    let mut out = Vec::new();
    wcf(run, &documents, &mut out).map(|()| String::from_utf8(out).unwrap())
}

fn document() -> Made {
    Made::new("gdpr", "gdpr_personal_data/1.0.0", vec![json!({"a": 1}), json!({"a": 2})])
        .with_metadata(json!({"analysis_metadata": {"ruleset_used": "r"}, "summary": {"total_findings": 2}}))
}

#[test]
fn a_completed_run_in_wcfs_own_form() {
    let expected = r#"{
  "format_version": "2.0.0",
  "run": {"id":"01a0c450-6c00-7707-8707-070707070707","timestamp":"2026-11-23T21:00:00.000Z","duration_seconds":1.25,"status":"completed"},
  "runbook": {"name":"Customer data check","description":"Finds and classifies personal data.","contact":"dpo@example.org"},
  "summary": {"total":3,"succeeded":3,"failed":0,"skipped":0,"pending":0},
  "errors": [],
  "skipped": [],
  "pending": [],
  "outputs": [
{"artifact_id":"gdpr","duration_seconds":0.4,"name":"Step gdpr","description":null,"contact":null,"output_schema":{"name":"gdpr_personal_data","version":"1.0.0"},"content":{"analysis_metadata": {"ruleset_used":"r"},
"summary": {"total_findings":2},
"findings": [
{"a":1},
{"a":2}
]}}
  ]
}
"#;
    let text = export(&run(), &[document()]).unwrap();
    assert!(text == expected, "got:\n{text}\nwanted:\n{expected}");
    serde_json::from_str::<Value>(&text).unwrap();
}

#[test]
fn a_failed_run_names_its_errors_and_what_was_skipped() {
    let mut run = failed_run();
    run.runbook.contact = None;
    let value: Value = serde_json::from_str(&export(&run, &[]).unwrap()).unwrap();
    assert_eq!(value["run"]["status"], "failed");
    assert_eq!(value["summary"], json!({"total": 3, "succeeded": 1, "failed": 1, "skipped": 1, "pending": 0}));
    let error = "it reached its limit `memory` of 64 MiB (65 MiB wanted), set by the component's manifest";
    assert_eq!(value["errors"], json!([{"artifact_id": "indicators", "error": error}]));
    assert_eq!((&value["skipped"], &value["pending"]), (&json!(["gdpr"]), &json!([])));
    assert_eq!((&value["outputs"], &value["runbook"]["contact"]), (&json!([]), &Value::Null));
}

#[test]
fn statuses_are_those_that_wcf_knows() {
    let check = |status: Status, step: Status, expected: &str| {
        let mut run = run();
        run.status = status;
        run.steps[0].status = step;
        let value: Value = serde_json::from_str(&export(&run, &[document()]).unwrap()).unwrap();
        assert_eq!(value["run"]["status"], expected, "{status} {step}");
        let summary = &value["summary"];
        let sum = ["succeeded", "failed", "skipped", "pending"].map(|key| summary[key].as_u64().unwrap()).iter().sum();
        assert_eq!(summary["total"].as_u64(), Some(sum));
    };
    check(Status::Succeeded, Status::Succeeded, "completed");
    // WCF says so of an optional artifact too.
    check(Status::Succeeded, Status::Failed, "failed");
    check(Status::Failed, Status::Succeeded, "failed");
    check(Status::Succeeded, Status::Skipped, "partial");
    check(Status::Cancelled, Status::Cancelled, "partial");
    check(Status::Interrupted, Status::Interrupted, "partial");
    check(Status::Waiting, Status::Waiting, "partial");
}

#[test]
fn only_what_is_to_be_exported_is_and_its_document_must_be_there() {
    let text = export(&run(), &[Made::new("files", "standard_input/1.0.0", vec![]), document()]).unwrap();
    assert!(!text.contains("standard_input"), "{text}");
    let error = export(&run(), &[]).unwrap_err();
    assert_eq!(error.to_string(), "artifact `gdpr` is to be exported, and its document is missing");
}

//! The findings of the sample's files are exactly those of the reference.
#![expect(clippy::unwrap_used, reason = "a helper of a test that can't go on must fail it")]

mod support;

use std::path::Path;

use palisade_sdk::{Analyser, TestContext, TestInput, TestOutcome};
use parity::{
    data_subject::DataSubject, filesystem::Filesystem, gdpr_data_subject_classifier::GdprDataSubject,
    gdpr_personal_data_classifier::GdprPersonalData, gdpr_processing_purpose_classifier::GdprProcessingPurpose,
    personal_data::PersonalData, processing_purpose::ProcessingPurpose,
};
use serde_json::{Value, json};
use support::{compare, expected, reference, ruleset};

/// Files below a folder of the disk, under their paths relative to `root`.
fn files(root: &Path, folder: &str, mut context: TestContext) -> TestContext {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        context = if entry.file_type().unwrap().is_dir() {
            files(root, &path, context)
        } else {
            context.file(&path, std::fs::read(entry.path()).unwrap())
        };
    }
    context
}

fn lines(outcome: &TestOutcome, port: &str) -> String {
    outcome.lines(port).unwrap().to_owned()
}

/// Runs an analyser in as many parts; `ruleset_name` also stands in the config.
fn analyse<A: Analyser>(
    reference: &Path,
    documents: &str,
    ruleset_name: &str,
    size: &str,
    parts: usize,
) -> TestOutcome {
    let ruleset_used = format!("local/{ruleset_name}/1.0.0");
    TestContext::new()
        .artifact(TestInput::lines("documents", documents))
        .artifact(ruleset(reference, ruleset_name))
        .config(json!({"pattern_matching": {"ruleset": ruleset_used, "evidence_context_size": size}}))
        .parts(parts)
        .run::<A>()
}

fn classify<A: Analyser>(reference: &Path, indicators: &TestOutcome, kind: &str, parts: usize) -> TestOutcome {
    TestContext::new()
        .artifact(TestInput::lines("indicators", lines(indicators, "findings")))
        .artifact(ruleset(reference, &format!("gdpr_{kind}_classification")))
        .parts(parts)
        .run::<A>()
}

fn check(reference: &Path, documents: &str, runbook: &str, parts: usize) {
    let expected = expected(reference, runbook);
    let pd = analyse::<PersonalData>(reference, documents, "personal_data_indicator", "large", parts);
    let pp = analyse::<ProcessingPurpose>(reference, documents, "processing_purposes", "medium", parts);
    let ds = analyse::<DataSubject>(reference, documents, "data_subject_indicator", "medium", parts);
    compare("pd", &pd, &expected);
    compare("pp", &pp, &expected);
    compare("ds", &ds, &expected);
    compare("gdpr_pd", &classify::<GdprPersonalData>(reference, &pd, "personal_data", parts), &expected);
    compare("gdpr_pp", &classify::<GdprProcessingPurpose>(reference, &pp, "processing_purpose", parts), &expected);
    compare("gdpr_ds", &classify::<GdprDataSubject>(reference, &ds, "data_subject", parts), &expected);
}

#[test]
fn findings_in_files_are_those_of_the_reference_in_any_number_of_parts() {
    let Some(reference) = reference() else { return };
    let config: Value = json!({
        "path": "samples/filesystem_mock",
        "max_files": 100_000,
        "errors": "replace",
        "exclude_patterns": ["*.db", "*.png", "*.lock", "__pycache__", ".git"],
    });
    let context = files(&reference, "samples/filesystem_mock", TestContext::new()).folder("samples/filesystem_mock");
    let documents = lines(&context.config(config).run::<Filesystem>(), "documents");
    for parts in [1, 3] {
        check(&reference, &documents, "filesystem_three_analysers", parts);
    }
}

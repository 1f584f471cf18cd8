//! `llm_validation` of runbooks in the artifacts form, through the binary, with a model that is a scripted server.

use palisade_tests::{Dir, ModelServer, Outcome, Reply, palisade, root};
use serde_json::{Value, json};

const RUNBOOK: &str = "
name: Validated
description: Findings that a model looks at
artifacts:
  texts:
    source: {type: filesystem, properties: {path: data}}
  found:
    inputs: texts
    output: true
    process:
      type: personal_data
      properties:
        pattern_matching: {ruleset: local/demo_personal_data/1.0.0}
        llm_validation: {enable_llm_validation: true, llm_validation_mode: MODE, sampling_size: 1}
  classified:
    inputs: found
    output: true
    process:
      type: gdpr_personal_data_classifier
      properties: {ruleset: local/demo_privacy_categories/1.0.0}
";

const SETTINGS: &str = "[rulesets]\npaths = [\"rulesets\"]\n";

/// A folder with texts of two categories, the demo's rulesets, and these settings beside those.
fn folder(settings: &str, mode: &str) -> Dir {
    let dir = Dir::new();
    dir.copy_into("rulesets", &root().join("examples/demo/rulesets"));
    dir.write("data/a.txt", "the e-mail of a person\n");
    dir.write("data/b.txt", "another e-mail and a telephone\n");
    dir.write("palisade.toml", format!("{SETTINGS}\n{settings}"));
    dir.write("runbook.yaml", RUNBOOK.replace("MODE", mode));
    dir
}

fn with_model(server: &ModelServer, grants: &str) -> String {
    format!(
        "[llm]\ndefault = \"here\"\n\n[[model]]\nalias = \"here\"\nprovider = \"openai-compatible\"\nmodel = \"scripted\"\n\
         base_url = \"{}\"\nlocal = true\n\n{grants}",
        server.url()
    )
}

const GRANT: &str = "[[grant]]\ncomponent = \"palisade:personal_data_validator\"\nallow = [\"llm=here\"]\n";

/// A model that takes everything for a mistake, as a text that it was shown may have told it to.
fn denier() -> ModelServer {
    ModelServer::start(|seen| {
        let told: String = seen.body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|message| message["content"].as_str())
            .collect();
        let shown = (0..20).filter(|number| told.contains(&format!("\"finding\":{number},")));
        let verdicts: Vec<Value> =
            shown.map(|number| json!({"finding": number, "verdict": "mistaken", "reason": "so"})).collect();
        Reply::Say(json!({"verdicts": verdicts}).to_string(), Some((10, 5)))
    })
}

fn run(dir: &Dir) -> Outcome {
    palisade(dir.path(), ["run", "runbook.yaml", "--out", "out"])
}

fn document(dir: &Dir, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join(&format!("out/{name}.json"))).unwrap()).unwrap()
}

fn count(document: &Value) -> usize {
    document["findings"].as_array().unwrap().len()
}

#[test]
fn what_a_model_takes_for_mistakes_is_removed_and_told() {
    let server = denier();
    let dir = folder(&with_model(&server, GRANT), "standard");
    let told = run(&dir).exits(0);
    let found = document(&dir, "found");
    assert_eq!((count(&found), &found["summary"]["total_findings"]), (0, &json!(0)));
    assert_eq!(count(&document(&dir, "classified")), 0);
    let summary = &found["analysis_metadata"]["validation_summary"];
    assert_eq!((&summary["strategy"], &summary["all_succeeded"]), (&json!("orchestrated"), &json!(true)));
    assert!(told.stderr.contains("a language model takes them for mistakes"), "{}", told.stderr);
    // What was found is kept: the tree shows the step, and its verdicts are a document.
    assert!(document(&dir, "found-review")["summary"]["mistaken"].as_u64().unwrap() > 0);
    let tree = palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout;
    assert!(tree.contains("found-unvalidated"), "{tree}");
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn in_the_conservative_mode_nothing_is_removed() {
    let server = denier();
    let dir = folder(&with_model(&server, GRANT), "conservative");
    let _ = run(&dir).exits(0);
    let found = document(&dir, "found");
    assert!(count(&found) > 1, "{found}");
    assert!(found["findings"].as_array().unwrap().iter().any(|finding| finding["require_review"] == true), "{found}");
    assert!(found["findings"][0]["id"].is_string(), "{found}");
}

#[test]
fn without_a_model_all_findings_are_kept_and_without_a_grant_nothing_runs() {
    let without = folder("", "standard");
    let _ = run(&without).exits(0);
    let found = document(&without, "found");
    assert!(count(&found) > 1);
    assert_eq!(found["analysis_metadata"]["validation_summary"]["all_succeeded"], false);
    let server = denier();
    let denied = folder(&with_model(&server, ""), "standard");
    let told = run(&denied).exits(3).stderr;
    assert!(told.contains("step `found`") && told.contains("the operator grants no `llm` of `here`"), "{told}");
    assert!(server.seen().is_empty(), "a model was asked");
}

const SUBJECTS: &str = "
name: Validated
description: Data subjects that a model looks at
artifacts:
  texts:
    source: {type: filesystem, properties: {path: data}}
  people:
    inputs: texts
    process: {type: data_subject, properties: {pattern_matching: {ruleset: local/people/1.0.0}}}
  found:
    inputs: people
    output: true
    process:
      type: gdpr_data_subject_classifier
      properties:
        ruleset: local/people_classes/1.0.0
        llm_validation: {enable_llm_validation: true, llm_validation_mode: MODE}
";
const PEOPLE: &str = "
name: people
version: 1.0.0
subject_categories: [patient, member]
rules:
  - {name: Patients, subject_category: patient, confidence_weight: 50, patterns: [patient]}
  - {name: Members, subject_category: member, confidence_weight: 50, patterns: [club member]}
";
const CLASSES: &str = "
name: people_classes
version: 1.0.0
data_subject_categories: [patients, members]
indicator_categories: [patient, member]
risk_modifiers:
  risk_increasing: [{modifier: minor, patterns: [minor], article_references: [Article 8]}]
  risk_decreasing: [{modifier: retired, patterns: [retired]}]
rules:
  - {name: P, data_subject_category: patients, article_references: [], typical_lawful_bases: [], indicator_categories: [patient]}
  - {name: M, data_subject_category: members, article_references: [], typical_lawful_bases: [], indicator_categories: [member]}
";

/// A folder with three people and a model that says this of them, or nothing.
fn people(says: Option<Value>, mode: &str) -> (Dir, ModelServer) {
    let server = ModelServer::start(move |_| match &says {
        Some(says) => Reply::Say(says.to_string(), Some((10, 5))),
        None => Reply::Status(400, Vec::new(), "no".to_owned()),
    });
    let grant = GRANT.replace("personal_data_validator", "gdpr_data_subject_validator");
    let dir = folder(&with_model(&server, &grant), mode);
    dir.write("rulesets/people/1.0.0/people.yaml", PEOPLE);
    dir.write("rulesets/people_classes/1.0.0/people_classes.yaml", CLASSES);
    dir.write("data/a.txt", "a patient of eight years\n");
    dir.write("data/b.txt", "a minor change of the patient record\n");
    dir.write("data/c.txt", "minor news of a club member\n");
    dir.write("runbook.yaml", SUBJECTS.replace("MODE", mode));
    (dir, server)
}

/// What findings say: category, modifiers, whether a person has to look.
fn modified(document: &Value) -> Vec<Value> {
    let told = |finding: &Value| {
        json!([finding["data_subject_category"], finding["risk_modifiers"], finding["require_review"]])
    };
    document["findings"].as_array().unwrap().iter().map(told).collect()
}

/// The first is of a child, the second and the third are not.
fn sees() -> Option<Value> {
    let one = |finding: u64, sees: &[&str]| json!({"finding": finding, "risk_modifiers": sees, "reason": "so"});
    Some(json!({"findings": [one(0, &["minor"]), one(1, &[]), one(2, &[])]}))
}

#[test]
fn a_model_says_what_raises_the_risk_of_a_category() {
    let (dir, server) = people(sees(), "standard");
    let told = run(&dir).exits(0);
    let found = document(&dir, "found");
    // What it sees in one patient holds for all; of the member nothing is left, which is told.
    let expected =
        [json!(["patients", ["minor"], null]), json!(["patients", ["minor"], null]), json!(["members", [], null])];
    assert_eq!(modified(&found), expected);
    assert!(told.stderr.contains("a language model does not see it there: removed"), "{}", told.stderr);
    let summary = json!({"total_findings": 3, "categories_identified": ["members", "patients"], "high_risk_count": 2, "requires_review_count": 0});
    assert_eq!(found["summary"], summary);
    let validation =
        json!({"method_used": "llm", "total_findings": 3, "llm_samples_processed": 3, "categories_validated": 2});
    assert_eq!(found["analysis_metadata"]["validation_summary"], validation);
    let review = document(&dir, "found-review");
    assert_eq!(review["summary"], json!({"confirmed": 1, "mistaken": 2}));
    assert_eq!(review["reviews"][0]["reason"], "it sees minor: so");
    // It was told what to look for.
    let asked = server.seen()[0].body["messages"].to_string();
    assert!(asked.contains("`minor` (Article 8), `retired`"), "{asked}");
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn what_patterns_found_stays_in_the_conservative_mode_and_without_an_answer() {
    let (dir, _server) = people(sees(), "conservative");
    let _ = run(&dir).exits(0);
    let found = document(&dir, "found");
    assert_eq!(modified(&found)[2], json!(["members", ["minor"], true]));
    assert_eq!(found["summary"]["requires_review_count"], 1);
    // An answer that leaves one out is none.
    let mut fewer = sees();
    fewer.as_mut().unwrap()["findings"].as_array_mut().unwrap().pop();
    for says in [None, fewer] {
        let (dir, _server) = people(says, "standard");
        let _ = run(&dir).exits(0);
        let found = document(&dir, "found");
        let expected =
            [json!(["patients", [], null]), json!(["patients", ["minor"], null]), json!(["members", ["minor"], null])];
        assert_eq!(modified(&found), expected);
        assert_eq!(found["analysis_metadata"]["validation_summary"], json!({"method_used": "regex"}));
    }
}

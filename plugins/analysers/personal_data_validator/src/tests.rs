use super::PersonalDataValidator;
use palisade_sdk::llm::Answer;
use palisade_sdk::serde_json::{Value, json};
use palisade_sdk::{HostError, HostErrorKind, TestContext, TestInput, TestOutcome};

/// Findings of these categories, the source of each its number.
fn findings(categories: &[&str]) -> TestInput {
    let finding = |(number, category): (usize, &&str)| {
        json!({
            "id": "7b1c2c5e-7d0a-5f3e-9a55-000000000000", "category": category, "evidence": [{"content": "text"}],
            "matched_patterns": [], "metadata": {"source": number.to_string()},
        })
    };
    let analysis = json!({
        "ruleset_used": "local/some/1.0.0", "llm_validation_enabled": true, "analysis_timestamp": "2026-01-01T00:00:00Z",
        "evidence_context_size": "medium", "llm_validation_mode": "standard", "analyser_version": "1.0.0",
        "validation_summary": {"skipped_count": 7},
    });
    TestInput::new("findings", categories.iter().enumerate().map(finding))
        .schema("personal_data_indicator/1.0.0")
        .metadata(json!({"summary": {"total_findings": categories.len()}, "analysis_metadata": analysis}))
}

/// Has these looked at by a model that gives one verdict on each that it is shown, by the number of the question.
fn validate(
    categories: &[&str],
    mode: &str,
    sample: u64,
    says: impl Fn(usize) -> &'static str + 'static,
) -> TestOutcome {
    let settings = json!({"enable_llm_validation": true, "llm_validation_mode": mode, "sampling_size": sample});
    TestContext::new()
        .artifact(findings(categories))
        .config(json!({"llm_validation": settings}))
        .models(move |question| {
            let asked: Value = palisade_sdk::serde_json::from_str(&question.messages[1].content).unwrap();
            let shown = asked["data"]["findings"].as_array().unwrap().len();
            let one = |number| json!({"finding": number, "verdict": says(number), "reason": "so"});
            let verdicts: Vec<Value> = (0..shown).map(one).collect();
            Ok(Answer { content: json!({"verdicts": verdicts}).to_string(), ..Answer::default() })
        })
        .run::<PersonalDataValidator>()
}

/// What is left: number and category, and `!` where a person has to look.
fn left(outcome: &TestOutcome) -> Vec<String> {
    let one = |item: &Value| {
        assert_eq!(item.get("id"), None, "the host makes ids");
        let mark = if item["require_review"] == true { "!" } else { "" };
        format!("{}{mark}", item["metadata"]["source"].as_str().unwrap_or_default())
    };
    outcome.items("findings").iter().map(one).collect()
}

#[test]
fn what_the_model_takes_for_a_mistake_goes_and_the_rest_of_its_category_stays() {
    let says = |number| if number == 0 { "mistaken" } else { "confirmed" };
    let outcome = validate(&["a", "a", "a", "b"], "standard", 2, says);
    assert_eq!(left(&outcome), ["1", "2", "3"]);
    assert_eq!(outcome.metadata["findings"]["summary"], json!({"total_findings": 3}));
    let skips = [("1 findings of `a`".to_owned(), "a language model takes them for mistakes: removed".to_owned())];
    assert_eq!(outcome.skips, skips);
    let reviewed: Vec<Value> = outcome.items("review").iter().map(|item| item["verdict"].clone()).collect();
    assert_eq!(reviewed, ["mistaken", "confirmed", "confirmed"]);
}

#[test]
fn a_category_whose_whole_sample_is_mistaken_goes_as_a_whole() {
    let says = |number| if number < 2 { "mistaken" } else { "confirmed" };
    assert_eq!(left(&validate(&["a", "a", "a", "b"], "standard", 2, says)), ["3"]);
}

#[test]
fn the_mode_says_what_becomes_of_doubts() {
    let says = |number| if number == 0 { "mistaken" } else { "doubtful" };
    assert_eq!(left(&validate(&["a", "b", "a"], "standard", 1, says)), ["1!"]);
    assert_eq!(left(&validate(&["a", "b", "a"], "conservative", 1, says)), ["0!", "1!", "2"]);
    assert_eq!(left(&validate(&["a", "b", "a"], "aggressive", 1, says)), Vec::<String>::new());
}

#[test]
fn the_metadata_say_how_many_were_looked_at() {
    let outcome = validate(&["a"; 45], "standard", 43, |_| "confirmed");
    let analysis = &outcome.metadata["findings"]["analysis_metadata"];
    assert_eq!(
        *analysis,
        json!({
            "ruleset_used": "local/some/1.0.0", "llm_validation_enabled": true, "evidence_context_size": "medium",
            "llm_validation_mode": "standard", "analyser_version": "1.0.0",
            "validation_summary": {
                "strategy": "orchestrated", "samples_validated": 43, "all_succeeded": true, "skipped_count": 0,
                "removed_findings_artifact_id": null,
            },
        })
    );
    assert_eq!(outcome.metadata["review"]["summary"], json!({"confirmed": 43}));
}

#[test]
fn without_an_answer_all_stays_and_that_is_told() {
    let outcome = TestContext::new()
        .artifact(findings(&["a", "b"]))
        .config(json!({"llm_validation": {
            "enable_llm_validation": true, "llm_validation_mode": "aggressive", "sampling_size": 3,
        }}))
        .models(|_| Err(HostError::new(HostErrorKind::Unavailable, "it sleeps")))
        .run::<PersonalDataValidator>();
    assert_eq!(left(&outcome), ["0", "1"]);
    assert_eq!(outcome.skips, [("what a model takes 2 findings for".to_owned(), "it sleeps".to_owned())]);
    let summary = &outcome.metadata["findings"]["analysis_metadata"]["validation_summary"];
    assert_eq!((&summary["samples_validated"], &summary["skipped_count"]), (&json!(0), &json!(2)));
    assert_eq!(summary["all_succeeded"], false);
}

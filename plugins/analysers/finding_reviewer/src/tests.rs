use super::FindingReviewer;
use palisade_sdk::llm::Answer;
use palisade_sdk::serde_json::{Value, json};
use palisade_sdk::{TestContext, TestInput, TestOutcome};
use std::cell::Cell;

fn finding(category: &str) -> Value {
    json!({
        "category": category, "evidence": [{"content": format!("about {category}")}], "matched_patterns": [],
        "metadata": {"source": format!("{category}.txt")},
    })
}

/// Reviews findings; the model says these things in their order, then the last again.
fn review(findings: &[&str], config: Value, says: &[Value]) -> TestOutcome {
    let (says, asked) = (says.to_vec(), Cell::new(0));
    let mut whole = json!({"goal": "Keep what holds"});
    if let (Some(whole), Value::Object(config)) = (whole.as_object_mut(), config) {
        whole.extend(config);
    }
    let found = TestInput::new("findings", findings.iter().map(|category| finding(category)));
    TestContext::new()
        .artifact(found.schema("personal_data_indicator/1.0.0"))
        .config(whole)
        .models(move |_| {
            let answer = says[asked.get().min(says.len() - 1)].to_string();
            asked.set(asked.get() + 1);
            Ok(Answer { content: answer, ..Answer::default() })
        })
        .run::<FindingReviewer>()
}

fn verdicts(list: &[(u64, &str)]) -> Value {
    let one = |(finding, verdict): &(u64, &str)| json!({"finding": finding, "verdict": verdict, "reason": "so"});
    json!({"thought": "", "answer": {"verdicts": list.iter().map(one).collect::<Vec<_>>()}})
}

fn told(outcome: &TestOutcome) -> Vec<String> {
    let one = |item: &Value| format!("{} {} {}", item["item"], item["source"].as_str().unwrap_or("?"), item["verdict"]);
    outcome.items("review").iter().map(one).map(|line| line.replace('"', "")).collect()
}

#[test]
fn each_finding_gets_its_verdict_batch_by_batch() {
    let says = [verdicts(&[(0, "confirmed"), (1, "mistaken")]), verdicts(&[(0, "doubtful")])];
    let outcome = review(&["a", "b", "c"], json!({"batch": 2}), &says);
    assert_eq!(told(&outcome), ["0 a.txt confirmed", "1 b.txt mistaken", "2 c.txt doubtful"]);
    assert_eq!(outcome.metadata["review"]["summary"], json!({"confirmed": 1, "mistaken": 1, "doubtful": 1}));
    assert_eq!(outcome.items("conversation").len(), 2);
}

#[test]
fn what_was_left_out_is_asked_for_and_then_told_as_not_reviewed() {
    let says = [verdicts(&[(0, "confirmed")]), verdicts(&[(0, "confirmed"), (1, "confirmed")])];
    assert_eq!(told(&review(&["a", "b"], json!({}), &says)), ["0 a.txt confirmed", "1 b.txt confirmed"]);
    let outcome = review(&["a", "b"], json!({}), &says[..1]);
    assert_eq!(told(&outcome), ["0 a.txt confirmed", "1 b.txt not_reviewed"]);
    assert_eq!(outcome.items("conversation").len(), 3);
}

#[test]
fn verdicts_on_what_was_not_shown_are_none() {
    let says = verdicts(&[(7, "confirmed"), (0, "mistaken"), (0, "confirmed")]);
    assert_eq!(told(&review(&["a"], json!({}), &[says])), ["0 a.txt mistaken"]);
    assert_eq!(
        told(&review(&["a"], json!({}), &[json!({"thought": "", "answer": "all fine"})])),
        ["0 a.txt not_reviewed"]
    );
    assert!(told(&review(&[], json!({}), &[verdicts(&[])])).is_empty());
}

#[test]
fn what_is_beyond_the_bound_is_told() {
    let outcome = review(&["a", "b", "c"], json!({"max_findings": 1}), &[verdicts(&[(0, "confirmed")])]);
    assert_eq!(told(&outcome), ["0 a.txt confirmed"]);
    assert_eq!(outcome.skips, [("2 findings".to_owned(), "more than `max_findings`: not reviewed".to_owned())]);
    assert_eq!(outcome.metadata["review"]["summary"], json!({"confirmed": 1, "not_reviewed": 2}));
}

use super::PolicyGapReport;
use palisade_sdk::serde_json::{Value, json};
use palisade_sdk::{TestContext, TestInput, TestOutcome};

fn fact(kind: &str, value: &str) -> Value {
    json!({"kind": kind, "value": value, "sentence": format!("It says {value}.")})
}

fn special(fact: Value) -> Value {
    let mut fact = fact;
    fact["special_category"] = true.into();
    fact
}

fn finding(category: &str, pattern: &str, source: &str) -> Value {
    json!({
        "id": "x", "category": category, "evidence": [{"content": "SECRET", "collection_timestamp": "t"}],
        "matched_patterns": [{"pattern": pattern, "match_count": 2}], "metadata": {"source": source},
    })
}

fn vocabulary() -> TestInput {
    TestInput::new(
        "vocabulary",
        [
            json!({"category": "contact", "patterns": ["e-mail"], "stated_as": ["email address"]}),
            json!({"category": "contact", "stated_as": ["telephone number"]}),
            json!({"category": "health", "stated_as": ["health data"], "special_category": true}),
            json!({"category": "bank", "stated_as": ["bank details", "payment data"]}),
            json!({"kind": "data_subject", "category": "patient", "stated_as": ["patients"]}),
        ],
    )
}

fn facts(facts: &[Value]) -> TestInput {
    TestInput::new("facts", facts.iter().cloned()).metadata(json!({"title": "A policy", "language": "en"}))
}

fn context(stated: &[Value], found: &[Value]) -> TestContext {
    let found = TestInput::new("findings", found.iter().cloned()).schema("personal_data_indicator/1.0.0");
    TestContext::new().artifact(facts(stated)).artifact(found).artifact(vocabulary())
}

/// The gaps, as `severity kind category findings/places`.
fn told(outcome: &TestOutcome) -> Vec<String> {
    let one = |gap: &Value| {
        let text = |key: &str| gap[key].as_str().unwrap_or("?").to_owned();
        let (findings, places) = (&gap["findings"], &gap["place_count"]);
        format!("{} {} {} {findings}/{places}", text("severity"), text("kind"), text("category"))
    };
    outcome.items("gaps").iter().map(one).collect()
}

fn check(stated: &[Value], found: &[Value], expected: &[&str]) {
    assert_eq!(told(&context(stated, found).run::<PolicyGapReport>()), expected);
}

#[test]
fn what_agrees_is_no_gap() {
    check(&[fact("data_category", "Email Address")], &[finding("contact", "e-mail", "a")], &[]);
    check(&[fact("data_category", "payment data")], &[finding("bank", "iban", "a")], &[]);
    check(&[fact("denied_category", "health data")], &[], &[]);
    check(&[fact("system", "CRM")], &[], &["medium system_not_checked CRM 0/0"]);
    let checked = json!({"kind": "system", "value": "CRM", "checked": true, "sentence": "It says CRM."});
    check(&[checked, fact("legal_basis", "contract")], &[], &[]);
}

#[test]
fn what_is_found_and_not_stated_is_told_by_what_matched() {
    let found = [
        finding("contact", "mobile", "b.txt"),
        finding("contact", "mobile", "a.txt"),
        finding("contact", "e-mail", "a.txt"),
        finding("health", "diagnosis", "a.txt"),
    ];
    check(
        &[fact("data_category", "email address")],
        &found,
        &["high found_not_stated health data 1/1", "medium found_not_stated telephone number 2/2"],
    );
}

#[test]
fn what_is_denied_counts_more_than_what_is_stated() {
    let denied = special(fact("denied_category", "health data"));
    let found = [finding("health", "diagnosis", "a")];
    check(std::slice::from_ref(&denied), &found, &["high found_but_denied health data 1/1"]);
    check(&[denied, special(fact("data_category", "health data"))], &found, &["high found_but_denied health data 1/1"]);
}

#[test]
fn a_special_category_needs_a_special_ground() {
    let stated = special(fact("data_category", "health data"));
    let found = [finding("health", "diagnosis", "a")];
    let none = ["medium special_without_basis health data 1/1"];
    check(std::slice::from_ref(&stated), &found, &none);
    check(&[stated.clone(), fact("legal_basis", "consent")], &found, &none);
    check(&[stated, special(fact("legal_basis", "explicit consent"))], &found, &[]);
}

#[test]
fn what_is_stated_and_not_found_or_not_comparable_is_told() {
    check(
        &[fact("data_category", "health data"), fact("data_category", "shoe size"), fact("denied_category", "gait")],
        &[],
        &["low stated_not_found health data 0/0", "info not_comparable gait 0/0", "info not_comparable shoe size 0/0"],
    );
}

#[test]
fn a_category_that_the_vocabulary_does_not_know_is_not_dropped() {
    check(&[], &[finding("shoe_size", "eu 44", "a")], &["low not_comparable shoe_size 1/1"]);
    // A policy's own word is understood without a vocabulary.
    check(&[fact("data_category", "shoe size")], &[finding("shoe_size", "eu 44", "a")], &[]);
    let mut grave = finding("creed", "kosher", "a");
    grave["indicator_type"] = grave["category"].take();
    grave.as_object_mut().map(|grave| grave.remove("category"));
    grave["special_category"] = true.into();
    let found = TestInput::new("findings", [grave]);
    let outcome = TestContext::new().artifact(facts(&[])).artifact(found).artifact(vocabulary());
    assert_eq!(told(&outcome.run::<PolicyGapReport>()), ["medium not_comparable creed 1/1"]);
}

#[test]
fn subjects_and_services_are_compared_where_something_looked_for_them() {
    let stated = [
        fact("data_subject", "patients"),
        fact("data_subject", "children"),
        fact("third_party", "Stripe"),
        fact("third_party", "DHL"),
    ];
    let expected = [
        "info not_checkable children 0/0",
        "info not_checkable patients 0/0",
        "info not_checkable DHL 0/0",
        "info not_checkable Stripe 0/0",
    ];
    check(&stated, &[], &expected);
    let subject = json!({"subject_category": "patient", "matched_patterns": [], "metadata": {"source": "a"}});
    let service = |name: &str| json!({"service_category": "payment", "purpose_category": "sales", "matched_patterns": [{"pattern": name}], "metadata": {"source": "a"}});
    let outcome = context(&stated, &[])
        .artifact(TestInput::new("subjects", [subject]).schema("data_subject_indicator/1.0.0"))
        .artifact(
            TestInput::new("services", [service("stripe"), service("adyen")])
                .schema("service_integration_indicator/1.0.0"),
        )
        .run::<PolicyGapReport>();
    let expected =
        ["low not_comparable payment 1/1", "info not_comparable children 0/0", "info not_comparable DHL 0/0"];
    assert_eq!(told(&outcome), expected);
    assert_eq!(outcome.metadata["gaps"]["agreed"], json!(["Stripe", "patients"]));
}

#[test]
fn what_nothing_can_check_is_said_to_be_so() {
    check(
        &[fact("retention", "10 years"), fact("transfer", "India"), fact("purpose", "marketing")],
        &[],
        &["info not_checkable marketing 0/0", "info not_checkable 10 years 0/0", "info not_checkable India 0/0"],
    );
}

#[test]
fn a_report_holds_counts_and_places_and_no_evidence() {
    let cell =
        |row: u32| finding("health", "diagnosis", &format!("sqlite_database_(d)_table_(t)_column_(c)_row_({row})"));
    let mut found: Vec<Value> = (0..40).map(cell).collect();
    found.extend((0..9).map(|n| finding("health", "diagnosis", &format!("{n}.txt"))));
    let outcome = context(&[fact("data_category", "email address")], &found).run::<PolicyGapReport>();
    let gap = &outcome.items("gaps")[0];
    assert_eq!((&gap["findings"], &gap["place_count"]), (&json!(49), &json!(10)));
    assert_eq!(gap["places"].as_array().map(Vec::len), Some(5));
    assert_eq!(gap["found_as"], json!(["health"]));
    assert!(!format!("{:?} {:?}", outcome.items("gaps"), outcome.metadata).contains("SECRET"));
    let expected = json!({
        "title": "A policy", "language": "en", "agreed": [],
        "summary": {
            "by_severity": {"high": 1, "low": 1}, "by_kind": {"found_not_stated": 1, "stated_not_found": 1},
            "stated": 1, "found": 49, "agreed": 0,
        },
    });
    assert_eq!(outcome.metadata["gaps"], expected);
}

#[test]
fn what_broken_findings_bring_is_bounded_and_counted() {
    let found: Vec<Value> = (0..1_003).map(|n| finding(&format!("c{n}"), "x", "a")).collect();
    let outcome = context(&[], &found).run::<PolicyGapReport>();
    let gaps = outcome.items("gaps");
    assert_eq!(gaps.len(), 1_001);
    let further = gaps.iter().find(|gap| gap["category"] == "further categories");
    assert_eq!(further.map(|gap| gap["findings"].clone()), Some(json!(3)));
}

#[test]
fn what_a_model_alone_reads_takes_no_gap_away() {
    let by_model = |fact: Value| {
        let mut fact = fact;
        fact["by_model"] = true.into();
        fact
    };
    let stated = |value: &str| by_model(fact("data_category", value));
    let found = [finding("contact", "e-mail", "a"), finding("health", "x", "a")];
    check(
        &[stated("email address"), stated("health data"), by_model(special(fact("legal_basis", "explicit consent")))],
        &found,
        &["medium stated_by_model_alone health data 1/1", "low stated_by_model_alone email address 1/1"],
    );
    // What the rules read holds whatever the model says.
    let denies = by_model(fact("denied_category", "email address"));
    check(&[fact("data_category", "email address"), denies.clone()], &found[..1], &[]);
    check(
        &[fact("denied_category", "email address"), stated("email address")],
        &found[..1],
        &["high found_but_denied email address 1/1"],
    );
    check(&[denies], &found[..1], &["medium found_but_denied email address 1/1"]);
    let outcome = context(&[stated("email address")], &found[..1]).run::<PolicyGapReport>();
    assert_eq!(outcome.metadata["gaps"]["agreed"], json!([]));
}

//! What findings and summaries say, beyond what the samples show.
#![expect(clippy::unwrap_used, reason = "a helper of a test that can't go on must fail it")]

use palisade_sdk::{TestContext, TestInput, TestOutcome};
use parity::crypto_quality::CryptoQuality;
use parity::data_subject::DataSubject;
use parity::gdpr_data_subject_classifier::GdprDataSubject;
use parity::gdpr_personal_data_classifier::GdprPersonalData;
use parity::gdpr_processing_purpose_classifier::GdprProcessingPurpose;
use parity::gdpr_service_integration_classifier::GdprServiceIntegration;
use parity::personal_data::PersonalData;
use parity::security_control_analyser::SecurityControl;
use serde_json::{Value, json};

fn text(content: &str) -> TestInput {
    let metadata = json!({"source": "a.txt", "context": {"page": 3}});
    TestInput::new("documents", [json!({"content": content, "metadata": metadata})]).schema("standard_input/1.0.0")
}

fn context(content: &str, rules: Vec<Value>, extra: Value) -> TestContext {
    let mut config = json!({"pattern_matching": {"ruleset": "local/mine/1.0.0"}});
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    TestContext::new().artifact(text(content)).artifact(TestInput::new("rules", rules)).config(config)
}

fn personal_data(content: &str, extra: Value) -> TestOutcome {
    let rules = vec![
        json!({"name": "Mail", "category": "email", "patterns": ["email", "e-mail"]}),
        json!({"name": "Name", "category": "name", "patterns": ["name"]}),
    ];
    context(content, rules, extra).run::<PersonalData>()
}

#[test]
fn evidence_is_taken_in_rounds_from_clusters() {
    let far = "-".repeat(60);
    let content = format!("email email{far}email e-mail");
    let matching = |count: u64| {
        json!({"pattern_matching": {
            "ruleset": "local/mine/1.0.0",
            "evidence_context_size": "small",
            "maximum_evidence_count": count,
            "evidence_proximity_threshold": 59,
        }})
    };
    let evidence = |count| personal_data(&content, matching(count)).items("findings")[0]["evidence"].clone();
    let first = format!("email email{}...", "-".repeat(44));
    let other = format!("...{}e-mail", content.get(content.len() - 56..content.len() - 6).unwrap());
    let second = format!("...{}email e-mail", "-".repeat(50));
    assert_eq!(evidence(1), json!([{"content": first}]));
    assert_eq!(evidence(3), json!([{"content": first}, {"content": other}, {"content": second}]));
}

#[test]
fn the_origin_of_the_text_is_repeated() {
    let outcome = personal_data("email\tname", json!({}));
    let findings = outcome.items("findings");
    assert_eq!(findings.len(), 2);
    assert_eq!(
        findings[1],
        json!({
            "category": "name",
            "evidence": [{"content": "email\tname"}],
            "matched_patterns": [{"pattern": "name", "match_count": 1}],
            "metadata": {"source": "a.txt", "context": {"page": 3}},
        })
    );
}

#[test]
fn without_a_model_validation_keeps_everything_and_says_so() {
    let wanted = json!({"llm_validation": {"enable_llm_validation": true, "llm_validation_mode": "conservative"}});
    let outcome = personal_data("email name", wanted.clone());
    assert_eq!(
        outcome.metadata["findings"],
        json!({
            "summary": {"total_findings": 2},
            "analysis_metadata": {
                "ruleset_used": "local/mine/1.0.0",
                "llm_validation_enabled": true,
                "evidence_context_size": "medium",
                "llm_validation_mode": "conservative",
                "analyser_version": "1.0.0",
                "validation_summary": {
                    "strategy": "orchestrated",
                    "samples_validated": 0,
                    "all_succeeded": false,
                    "skipped_count": 2,
                    "removed_findings_artifact_id": null,
                },
            },
        })
    );
    // A model would have seen a sample of each category.
    let skipped = |size: u64| {
        let rules = vec![
            json!({"name": "Mail", "category": "contact", "patterns": ["email"]}),
            json!({"name": "Phone", "category": "contact", "patterns": ["phone"]}),
            json!({"name": "Name", "category": "name", "patterns": ["name"]}),
        ];
        let extra = json!({"llm_validation": {"enable_llm_validation": true, "sampling_size": size}});
        let outcome = context("email phone name", rules, extra).run::<PersonalData>();
        outcome.metadata["findings"]["analysis_metadata"]["validation_summary"]["skipped_count"].clone()
    };
    assert_eq!((skipped(1), skipped(2)), (json!(2), json!(3)));
    assert!(
        personal_data("nothing", wanted).metadata["findings"]["analysis_metadata"].get("validation_summary").is_none()
    );
}

#[test]
fn a_bad_value_pattern_is_a_bad_config() {
    let rules = vec![json!({"name": "Mail", "category": "email", "value_patterns": ["(?=a)"]})];
    let outcome = context("email", rules, json!({})).run::<PersonalData>();
    assert!(outcome.failure().message.contains("rule `Mail`"), "{}", outcome.failure());
}

#[test]
fn categories_gather_their_rules_in_order_of_first_match() {
    let rule = |category: &str, weight: u64, patterns: Value| json!({"name": "x", "subject_category": category, "confidence_weight": weight, "patterns": patterns});
    let rules = vec![
        rule("guest", 5, json!(["nobody"])),
        rule("employee", 60, json!(["staff"])),
        rule("guest", 30, json!(["visitor", "visitor"])),
        rule("employee", 60, json!(["payroll"])),
    ];
    let outcome = context("visitor staff payroll", rules, json!({})).run::<DataSubject>();
    let findings = outcome.items("findings");
    assert_eq!(findings[0]["subject_category"], "employee");
    assert_eq!(findings[0]["confidence_score"], 100);
    assert_eq!(findings[1]["confidence_score"], 30);
    // A pattern listed twice appears twice, in the evidence too.
    assert_eq!(findings[1]["matched_patterns"].as_array().unwrap().len(), 2);
    assert_eq!(findings[1]["evidence"].as_array().unwrap().len(), 2);
}

#[test]
fn cryptography_has_a_polarity() {
    let rule = |algorithm: &str, rating: &str| json!({"name": algorithm, "algorithm": algorithm, "quality_rating": rating, "patterns": [algorithm]});
    let rules = vec![rule("md5", "deprecated"), rule("aes", "strong"), rule("rsa", "weak")];
    let outcome = context("aes md5 rsa", rules, json!({})).run::<CryptoQuality>();
    let polarities: Vec<Value> = outcome.items("findings").iter().map(|finding| finding["polarity"].clone()).collect();
    assert_eq!(polarities, ["negative", "positive", "negative"]);
    assert_eq!(
        outcome.metadata["findings"]["analysis_metadata"],
        json!({
            "ruleset_used": "local/mine/1.0.0",
            "llm_validation_enabled": false,
            "evidence_context_size": "medium",
        })
    );
}

#[test]
fn a_security_control_is_evidence_of_its_own_form() {
    let rules = vec![json!({
        "name": "Hashing", "security_domain": "authentication", "polarity": "positive", "patterns": ["bcrypt", "argon2"],
    })];
    let outcome = context("bcrypt argon2 bcrypt", rules, json!({})).run::<SecurityControl>();
    assert_eq!(
        outcome.items("findings"),
        [json!({
            "evidence_type": "CODE",
            "security_domain": "authentication",
            "polarity": "positive",
            "confidence": 1.0,
            "description": "3 match(es) of 'Hashing' security control detected",
            "evidence": [{"content": "bcrypt argon2 bcrypt"}, {"content": "bcrypt argon2 bcrypt"}],
            "metadata": {"source": "a.txt"},
        })]
    );
    assert_eq!(
        outcome.metadata["findings"]["summary"]["domains"],
        json!([
            {"security_domain": "authentication", "findings_count": 1},
        ])
    );
}

fn indicator(fields: Value, evidence: &str) -> Value {
    let mut finding = json!({
        "id": "9d3b7a52-0000-4000-8000-000000000000",
        "evidence": [{"content": evidence, "collection_timestamp": "2026-01-01T00:00:00Z"}],
        "matched_patterns": [{"pattern": "p", "match_count": 2}],
        "metadata": {"source": "a.php", "context": {"page": 3}, "line_number": 7},
    });
    finding.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    finding
}

fn indicators(items: Vec<Value>) -> TestInput {
    TestInput::new("indicators", items)
}

#[test]
fn the_last_rule_that_names_a_value_classifies_it() {
    let rule = |category: &str, special: bool| {
        json!({
            "name": category, "privacy_category": category, "special_category": special,
            "article_references": ["Article 9"], "indicator_categories": ["health"],
        })
    };
    let items = vec![indicator(json!({"category": "health"}), "x"), indicator(json!({"category": "new"}), "y")];
    let outcome = TestContext::new()
        .artifact(indicators(items))
        .artifact(TestInput::new("rules", [rule("first", false), rule("last", true)]))
        .run::<GdprPersonalData>();
    assert_eq!(
        outcome.items("findings"),
        [
            json!({
                "indicator_type": "health", "privacy_category": "last", "special_category": true,
                "article_references": ["Article 9"],
                // Times and ids are the host's, and a classification keeps no line.
                "evidence": [{"content": "x"}],
                "matched_patterns": [{"pattern": "p", "match_count": 2}],
                "metadata": {"source": "a.php", "context": {"page": 3}},
            }),
            json!({
                "indicator_type": "new", "privacy_category": "unclassified", "special_category": false,
                "article_references": [],
                "evidence": [{"content": "y"}],
                "matched_patterns": [{"pattern": "p", "match_count": 2}],
                "metadata": {"source": "a.php", "context": {"page": 3}},
            }),
        ]
    );
    assert_eq!(
        outcome.metadata["findings"],
        json!({
            "summary": {"total_findings": 2, "special_category_count": 1, "requires_review_count": 0},
            "analysis_metadata": {
                "ruleset_used": "local/gdpr_personal_data_classification/1.0.0",
                "llm_validation_enabled": false,
            },
        })
    );
}

#[test]
fn risk_is_read_from_the_evidence_alone() {
    let metadata = json!({"risk_modifiers": {
        "risk_increasing": [
            {"modifier": "young", "patterns": ["child"], "value_patterns": ["under.*years"]},
            {"modifier": "ill", "patterns": ["patient"]},
        ],
        "risk_decreasing": [{"modifier": "abroad", "patterns": ["non-EU"], "value_patterns": ["third.country"]}],
    }});
    let rule = json!({
        "name": "x", "data_subject_category": "customer", "article_references": [], "typical_lawful_bases": ["contract"],
        "indicator_categories": ["buyer"],
    });
    let items = vec![
        indicator(json!({"subject_category": "buyer", "confidence_score": 40}), "child, Under 13 years, THIRD country"),
        indicator(json!({"subject_category": "else"}), "children; nonpatient"),
    ];
    let outcome = TestContext::new()
        .artifact(indicators(items))
        .artifact(TestInput::new("rules", [rule]).metadata(metadata))
        .parts(2)
        .run::<GdprDataSubject>();
    let findings = outcome.items("findings");
    assert_eq!(findings[0]["risk_modifiers"], json!(["abroad", "young"]));
    assert_eq!(
        (findings[0]["confidence_score"].clone(), findings[1]["confidence_score"].clone()),
        (json!(40), json!(0))
    );
    assert_eq!(findings[1]["risk_modifiers"], json!([]));
    assert_eq!(
        outcome.metadata["findings"],
        json!({
            "summary": {
                "total_findings": 2,
                "categories_identified": ["customer", "unclassified"],
                "high_risk_count": 1,
                "requires_review_count": 0,
            },
            "analysis_metadata": {
                "ruleset_used": "local/gdpr_data_subject_classification/1.0.0",
                "llm_validation_enabled": false,
                "validation_summary": {"method_used": "regex"},
            },
        })
    );
}

fn purpose_rule(list: &str, value: &str, category: &str, recommendation: &str) -> Value {
    let mut rule = json!({
        "name": "x", "purpose_category": category, "article_references": ["Article 35"],
        "typical_lawful_bases": ["consent"], "sensitive_purpose": true, "dpia_recommendation": recommendation,
    });
    rule[list] = json!([value]);
    rule
}

#[test]
fn a_purpose_that_depends_on_its_context_is_to_be_reviewed() {
    let rules = [
        purpose_rule("indicator_purposes", "training", "ai", "required"),
        purpose_rule("indicator_purposes", "forms", "context_dependent", "recommended"),
    ];
    let items = ["training", "forms", "other"].map(|purpose| indicator(json!({"purpose": purpose}), "x"));
    let outcome = TestContext::new()
        .artifact(indicators(items.into()))
        .artifact(TestInput::new("rules", rules))
        .run::<GdprProcessingPurpose>();
    let findings = outcome.items("findings");
    assert_eq!(findings[0].get("require_review"), None);
    assert_eq!(findings[1]["require_review"], true);
    assert_eq!(findings[2]["purpose_category"], "unclassified");
    assert_eq!(findings[2]["dpia_recommendation"], "not_required");
    assert_eq!(
        outcome.metadata["findings"]["summary"],
        json!({
            "total_findings": 3,
            "purpose_categories": {"ai": 1, "context_dependent": 1, "unclassified": 1},
            "sensitive_purposes_count": 2,
            "dpia_required_count": 1,
            "requires_review_count": 1,
        })
    );
}

#[test]
fn a_service_keeps_its_own_purpose_beside_that_of_the_law() {
    let rules = [purpose_rule("indicator_service_categories", "cloud", "operational", "not_required")];
    let items = vec![indicator(json!({"service_category": "cloud", "purpose_category": "analytics"}), "x")];
    let outcome = TestContext::new()
        .artifact(indicators(items))
        .artifact(TestInput::new("rules", rules))
        .run::<GdprServiceIntegration>();
    let finding = &outcome.items("findings")[0];
    assert_eq!(finding["service_integration_purpose"], "analytics");
    assert_eq!(finding["gdpr_purpose_category"], "operational");
    assert_eq!(finding.get("purpose_category"), None);
    assert_eq!(outcome.metadata["findings"]["summary"]["gdpr_purpose_categories"], json!({"operational": 1}));
}

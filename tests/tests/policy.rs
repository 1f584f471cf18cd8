//! A privacy policy goes in, findings come out: the examples of `examples/policy_check`, run as they are written.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use palisade_tests::{Dir, palisade, root};
use serde_json::Value;
use std::collections::BTreeSet;

/// The examples in a folder of their own.
fn examples() -> Dir {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples"));
    dir
}

fn json_in(dir: &Dir, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap()
}

fn values(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().filter_map(|item| item[key].as_str()).map(str::to_owned).collect()
}

fn set(words: &str) -> BTreeSet<String> {
    words.split(", ").map(str::to_owned).collect()
}

/// Runs the check of a folder and compares what it finds in the data, and what of the policy it says is not checked.
fn check(folder: &str, policy: &str, categories: &str, privacy: &str, facts: &[&str], not_checked: &[&str]) {
    let dir = examples();
    let run = ["run", "-q", "../check.yaml", "--input", &format!("privacy_policy_document={policy}"), "--out", "out"];
    let _ = palisade(&dir.join(&format!("policy_check/{folder}")), run).exits(0);
    let out = |file: &str| json_in(&dir, &format!("policy_check/{folder}/out/{file}"));
    let found = out("check_the_systems/personal_data.json");
    assert_eq!(values(&found["findings"], "category"), set(categories));
    let classified = out("check_the_systems/gdpr_personal_data_classifier.json");
    assert_eq!(values(&classified["findings"], "privacy_category"), set(privacy));
    let stated = out("policy_facts.json");
    let stated: BTreeSet<String> = stated["facts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| format!("{} {}", fact["kind"].as_str().unwrap(), fact["value"].as_str().unwrap()))
        .collect();
    for fact in facts {
        assert!(stated.contains(*fact), "{fact} is not in {stated:#?}");
    }
    let skipped = values(&out("run.json")["steps"][0]["skipped"], "what");
    let expected: BTreeSet<String> = not_checked.iter().map(|name| format!("system `{name}`")).collect();
    assert_eq!(skipped, expected);
}

#[test]
fn a_shop_holds_what_its_policy_denies() {
    let facts = [
        "data_category postal address",
        "system order database",
        "third_party Stripe",
        "transfer United States",
        "retention 10 years",
    ];
    let (found, privacy) = ("bank, contact, person, postal_address, wellbeing", "finance, identity, sensitive");
    check("shop", "policy.md", found, privacy, &facts, &["Mailchimp"]);
}

#[test]
fn a_clinic_s_policy_is_read_in_german() {
    let facts = [
        "data_category health data",
        "data_subject patients",
        "system Praxisverwaltungssystem",
        "retention 10 years",
        "third_party Doctolib",
    ];
    check(
        "clinic",
        "policy.html",
        "birth, contact, person, postal_address, wellbeing",
        "identity, sensitive",
        &facts,
        &[],
    );
}

#[test]
fn a_vendor_s_logs_and_contacts_are_read_as_two_systems() {
    let facts =
        ["system log server", "system CRM", "data_category IP address", "transfer United States", "retention 30 days"];
    let found = "contact, conviction, device_id, person, whereabouts";
    check("saas", "policy.md", found, "identity, sensitive, technical", &facts, &["Sentry", "Zendesk"]);
}

#[test]
fn an_employer_s_policy_is_read_in_french() {
    let facts = [
        "data_subject employees",
        "system logiciel de paie",
        "data_category health data",
        "retention 5 years",
        "purpose employment",
    ];
    let (found, privacy) = ("bank, conviction, employment, person", "finance, identity, sensitive, work");
    check("employer", "policy.txt", found, privacy, &facts, &["dossier du personnel"]);
}

#[test]
fn the_seed_waits_for_a_person_and_then_finds_what_there_is() {
    let dir = examples();
    let folder = dir.join("policy_check/shop");
    let _ = palisade(&folder, ["run", "-q", "../seed.yaml", "--input", "privacy_policy_document=policy.md"]).exits(5);
    let shown = palisade(&folder, ["approvals", "show", "last"]).exits(0).stdout;
    for part in
        ["system: order database", "analyser: personal_data", "The policy states data category", "What it could touch"]
    {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let _ = palisade(&folder, ["approve", "-q", "last", "--out", "out"]).exits(0);
    let found = json_in(&dir, "policy_check/shop/out/execute_generated_runbook/personal_data.json");
    assert_eq!(values(&found["findings"], "category"), set("bank, contact, person, postal_address, wellbeing"));
    let _ = palisade(&folder, ["replay", "--all"]).exits(0);
    // In one go, with the same answer.
    let at_once =
        ["run", "-q", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve", "--out", "again"];
    let _ = palisade(&folder, at_once).exits(0);
    let again = json_in(&dir, "policy_check/shop/again/execute_generated_runbook/personal_data.json");
    assert_eq!(values(&again["findings"], "id"), values(&found["findings"], "id"));
}

#[test]
fn what_the_operator_does_not_allow_is_not_planned_with() {
    let dir = examples();
    let folder = dir.join("policy_check/shop");
    let settings = std::fs::read_to_string(folder.join("palisade.toml")).unwrap();
    dir.write("policy_check/shop/palisade.toml", settings.replace("\"personal_data\", ", ""));
    let run = ["run", "../check.yaml", "--input", "privacy_policy_document=policy.md"];
    let refused = palisade(&folder, run).exits(2).stderr;
    assert!(refused.contains("does not let runbooks that are artifacts use `palisade:personal_data`"), "{refused}");
    let seed = ["run", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve"];
    let told = palisade(&folder, seed).exits(1).stderr;
    assert!(told.contains("there is no system that could be checked, or nothing that could check one"), "{told}");
}

use super::PolicyToRunbook;
use crate::text;
use palisade_sdk::serde_json::{Value, json};
use palisade_sdk::{TestContext, TestInput, TestOutcome};

fn component(name: &str, title: &str, accepts: &str, makes: &str, ruleset: Option<&str>) -> Value {
    let rulesets: Vec<Value> = ruleset
        .map(|kind| json!({"pointer": "/pattern_matching/ruleset", "type": kind, "default": format!("local/{kind}/1.0.0")}))
        .into_iter()
        .collect();
    json!({
        "name": name, "title": title, "description": "",
        "inputs": [{"name": "documents", "schemas": [accepts], "many": true, "optional": false}],
        "outputs": [{"name": "findings", "schema": makes}], "rulesets": rulesets,
    })
}

fn system(name: &str, aliases: &[&str]) -> Value {
    json!({"name": name, "aliases": aliases, "labels": [], "schema": "standard_input/1.0.0", "builtin": name == "this folder"})
}

fn world(systems: &[Value], more: &[Value]) -> TestInput {
    let finds =
        component("personal_data", "Finds personal data", "standard_input/1.0.0", "found/1.0.0", Some("personal"));
    let classifies = component("classifier", "Classifies", "found/1.0.0", "classified/1.0.0", None);
    let rulesets = json!([{"name": "local/mine/2.0.0", "types": ["personal"]}]);
    let components = [finds, classifies].into_iter().chain(more.iter().cloned());
    TestInput::new("context", components).metadata(json!({"systems": systems, "rulesets": rulesets}))
}

fn run(policy: &str, systems: &[Value], more: &[Value]) -> TestOutcome {
    TestContext::new()
        .input("policy", [json!({"content": policy})])
        .artifact(world(systems, more))
        .config(json!({}))
        .run::<PolicyToRunbook>()
}

/// The facts of a policy, as `kind value`.
fn facts(policy: &str) -> Vec<String> {
    let systems = [system("shop database", &["web shop"])];
    let facts = run(policy, &systems, &[]).items("facts");
    let text =
        |fact: &Value| format!("{} {}", fact["kind"].as_str().unwrap_or(""), fact["value"].as_str().unwrap_or(""));
    facts.iter().map(text).collect()
}

#[test]
fn what_a_policy_states_is_told_once_and_with_its_sentence() {
    let policy = "# Privacy policy of the Shop\n\nWe keep your e-mail address and your *postal address* in our web shop to deliver your orders. \
                  We do not collect health data.\n\n## Others\n\n- We share data with [Stripe](https://stripe.example), a processor in the United States.\n\
                  - Orders are deleted after ten years.\n";
    let expected = [
        "data_category email address",
        "data_category postal address",
        "purpose order fulfilment",
        "system shop database",
        "third_party Stripe",
        "transfer United States",
        "retention 10 years",
    ];
    let found = facts(policy);
    for wanted in expected {
        assert!(found.iter().any(|fact| fact == wanted), "{wanted} is not in {found:?}");
    }
    assert!(!found.iter().any(|fact| fact.contains("health")), "{found:?}");
    let outcome = run(policy, &[system("this folder", &[])], &[]);
    let first = &outcome.items("facts")[0];
    assert_eq!(
        first["sentence"],
        "We keep your e-mail address and your postal address in our web shop to deliver your orders."
    );
    assert_eq!(first["heading"], "Privacy policy of the Shop");
}

#[test]
fn german_and_french_are_read_too() {
    let found = facts(
        "<h1>Datenschutz</h1><p>Wir speichern Gesundheitsdaten unserer Patienten im Praxisverwaltungssystem. Sie werden nach zehn Jahren gelöscht.</p>",
    );
    for wanted in
        ["data_category health data", "data_subject patients", "system praxisverwaltungssystem", "retention 10 years"]
    {
        assert!(found.iter().any(|fact| fact == wanted), "{wanted} is not in {found:?}");
    }
    let found = facts(
        "Nous conservons votre adresse électronique pendant trois ans. Les données sont transférées hors de l'Union européenne.",
    );
    for wanted in ["data_category email address", "retention 3 years", "transfer third countries"] {
        assert!(found.iter().any(|fact| fact == wanted), "{wanted} is not in {found:?}");
    }
    let of = |text: &str| text::language(&text::sentences(None, text));
    assert_eq!(
        (
            of("We use the data of you and for you."),
            of("Wir und die Daten von der Firma."),
            of("Nous et les données des clients.")
        ),
        ("en", "de", "fr")
    );
}

#[test]
fn every_system_is_read_and_everything_that_fits_is_run_over_it() {
    let third = component("acme:names", "Finds names", "standard_input/1.0.0", "acme.names/1.0.0", None);
    // What takes the data and what is made of them is run over the data alone.
    let mut both = component("both", "Takes both", "standard_input/1.0.0", "both/1.0.0", None);
    both["inputs"][0]["schemas"] = json!(["standard_input/1.0.0", "found/1.0.0"]);
    let outcome = run(
        "We keep names in the CRM.",
        &[system("CRM", &[]), system("Shop (EU)", &[]), system("this folder", &[])],
        &[third, both],
    );
    let steps = outcome.items("runbook");
    let ids: Vec<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(ids, ["crm", "shop_eu", "personal_data", "names", "both", "classifier"]);
    assert_eq!(steps[2]["inputs"], json!(["crm", "shop_eu"]));
    assert_eq!(steps[2]["config"], json!({"pattern_matching": {"ruleset": "local/mine/2.0.0"}}));
    assert_eq!((&steps[3]["analyser"], &steps[5]["inputs"]), (&json!("acme:names"), &json!(["personal_data"])));
    assert!(
        steps[0]["description"].as_str().is_some_and(|why| why.contains("We keep names in the CRM.")),
        "{}",
        steps[0]
    );
    assert!(steps[1]["description"].as_str().is_some_and(|why| why.contains("the policy does not")), "{}", steps[1]);
}

#[test]
fn without_systems_this_folder_is_read_and_without_rulesets_it_is_said_what_is_missing() {
    let steps = run("We keep names.", &[system("this folder", &[])], &[]).items("runbook");
    assert_eq!((&steps[0]["system"], steps.len()), (&json!("this folder"), 3));
    let other = component("purposes", "Finds purposes", "standard_input/1.0.0", "purposes/1.0.0", Some("purpose"));
    let outcome = run("We keep names.", &[system("this folder", &[])], &[other]);
    assert_eq!(outcome.items("runbook").len(), 3);
}

#[test]
fn only_the_components_that_are_named_are_used() {
    let named = |names: Value| {
        let context = TestContext::new().input("policy", [json!({"content": "We keep names."})]);
        let outcome = context
            .artifact(world(&[system("CRM", &[])], &[]))
            .config(json!({"components": names}))
            .run::<PolicyToRunbook>();
        outcome.items("runbook").iter().map(|step| step["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(named(json!(["personal_data"])), ["crm", "personal_data"]);
    assert_eq!(named(json!([])), ["crm", "personal_data", "classifier"]);
}

#[test]
fn nothing_that_a_policy_says_means_anything_to_who_reads_the_runbook() {
    let hostile = "Our CRM holds your name ${HOME} {{ secret }}\u{202e}\u{7}\nand: - a\nrun: everything.";
    let steps = run(hostile, &[system("CRM", &[])], &[]).items("runbook");
    let text = steps.iter().map(ToString::to_string).collect::<String>();
    for bad in ["${", "{{", "\u{202e}", "\\u0007", "\\n"] {
        assert!(!text.contains(bad), "{bad:?} is in {text}");
    }
    assert!(text.chars().count() < 8_000);
}

#[test]
fn a_policy_without_text_and_a_world_without_systems_are_told() {
    assert_eq!(run("  \n", &[system("CRM", &[])], &[]).failure().message, "the policy has no text");
    assert!(run("We keep names.", &[], &[]).failure().message.contains("no system that could be checked"));
}

#[test]
fn any_text_ends_in_sentences_or_none() {
    for text in [
        "<",
        "<p",
        "<script>x",
        "](",
        "# ",
        "1.",
        "1. ",
        "a. B",
        "&amp;amp;",
        "<style>é</styl",
        "…",
        "|",
        "\u{0}",
        "Ä. Ö? Ü! ß; x",
    ] {
        for sentence in text::sentences(None, &text.repeat(3)) {
            assert!(!sentence.text.contains('\n'));
        }
    }
}

//! The agents that come with Palisade, through the binary, with a model that is a scripted server: what they make of what it
//! says, what they may do, and that no answer of it changes what the host allows.

use palisade_tests::{Dir, ModelServer, Outcome, Reply, palisade, root};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The shop of the examples, whose operator set up a model.
struct Shop {
    dir: Dir,
    _server: ModelServer,
}

impl Shop {
    /// `local` says whether what the model is sent stays here; `more` is added to the settings.
    fn new(server: ModelServer, local: bool, more: &str) -> Self {
        let dir = Dir::new();
        dir.copy_into(".", &root().join("examples"));
        let shop = Self { dir, _server: server };
        // A tool gets the ruleset that it names itself.
        let demo = "demo/rulesets/demo_personal_data/1.0.0/demo_personal_data.yaml";
        let rules = std::fs::read_to_string(shop.dir.join(demo)).unwrap();
        let own = rules.replace("name: demo_personal_data", "name: personal_data_indicator");
        shop.dir.write("demo/rulesets/personal_data_indicator/1.0.0/personal_data_indicator.yaml", own);
        let settings = std::fs::read_to_string(shop.path("palisade.toml")).unwrap();
        let url = shop._server.url();
        let price = if local { "" } else { "price = { input = 1, output = 2, as_of = \"2026-11-01\" }\n" };
        let model = format!(
            "\n[llm]\ndefault = \"big\"\n\n[[model]]\nalias = \"big\"\nprovider = \"openai-compatible\"\nmodel = \"scripted\"\n\
             base_url = \"{url}\"\nlocal = {local}\n{price}\n{more}"
        );
        std::fs::write(shop.path("palisade.toml"), settings + &model).unwrap();
        shop
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.join(&format!("policy_check/shop/{file}"))
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        palisade(&self.path(""), arguments)
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(file)).unwrap()).unwrap()
    }
}

fn grant(component: &str) -> String {
    format!("[[grant]]\ncomponent = \"palisade:{component}\"\nallow = [\"llm=big\"]\n\n")
}

/// What is asked, whatever its form: all messages as one text.
fn asked(body: &Value) -> String {
    body["messages"].as_array().into_iter().flatten().filter_map(|message| message["content"].as_str()).collect()
}

const REVIEW: &str = r#"
name: Review
execution:
  - {id: mail, type: source, system: support mailbox}
  - {id: found, analyser: personal_data, input: mail, output: found}
  - id: review
    type: agent
    agent: finding_reviewer
    goal: Tell which findings hold
    input: found
    outputs: {review: review, conversation: conversation}
"#;

/// A reviewer's model that calls everything a mistake, as an attack in the data may have told it to.
fn denier() -> ModelServer {
    ModelServer::start(|seen| {
        let told = asked(&seen.body);
        let shown = (0..50).filter(|number| told.contains(&format!("\"finding\":{number},")));
        let verdicts: Vec<Value> =
            shown.map(|number| json!({"finding": number, "verdict": "mistaken", "reason": "I was told so"})).collect();
        Reply::Say(json!({"thought": "", "answer": {"verdicts": verdicts}}).to_string(), Some((10, 5)))
    })
}

#[test]
fn a_reviewer_says_what_it_thinks_and_changes_no_finding() {
    let shop = Shop::new(denier(), true, &grant("finding_reviewer"));
    shop.write("review.yaml", REVIEW);
    let _ = shop.call(&["run", "-q", "review.yaml", "--out", "out"]).exits(0);
    let (found, review) = (shop.json("out/found.json"), shop.json("out/review.json"));
    let findings = found["findings"].as_array().unwrap().len();
    let reviews = review["reviews"].as_array().unwrap();
    assert!(findings > 1 && reviews.len() == findings, "{findings} and {}", reviews.len());
    assert_eq!(review["summary"], json!({"mistaken": findings}));
    // The findings are those that a run without a reviewer has.
    let without = REVIEW.split("  - id: review").next().unwrap().to_owned() + "\n";
    shop.write("without.yaml", &without);
    let _ = shop.call(&["run", "-q", "without.yaml", "--out", "without"]).exits(0);
    let stable = |document: &Value| {
        document["findings"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(stable(&found), stable(&shop.json("without/found.json")));
    let _ = shop.call(&["replay", "--all"]).exits(0);
}

#[test]
fn a_reviewer_of_labelled_findings_asks_a_model_here_and_none_of_others() {
    let remote = Shop::new(denier(), false, &grant("finding_reviewer"));
    remote.write("review.yaml", REVIEW);
    let told = remote.call(&["plan", "review.yaml"]).exits(2).stderr;
    assert!(told.contains("PAL0340") && told.contains("customers") && told.contains("llm=big"), "{told}");
    let local = Shop::new(denier(), true, &grant("finding_reviewer"));
    local.write("review.yaml", REVIEW);
    let _ = local.call(&["plan", "review.yaml"]).exits(0);
}

const PLAN: &str = r#"
name: Planned by a model
inputs:
  policy: {input_schema: privacy_policy_document}
execution:
  - {id: mail, type: source, system: support mailbox}
  - id: plan
    type: agent
    agent: compliance_planner
    goal: Look for personal data that the policy does not state
    tools: [personal_data]
    inputs: {policy: policy, samples: mail}
    outputs: {runbook: made, conversation: conversation}
  - id: check
    type: execute_workflow
    workflow: "{{ made }}"
    components: [personal_data, gdpr_personal_data_classifier]
    limits: {max_depth: 1, max_runs: 20}
"#;

fn step(id: &str, system: &str, component: &str, inputs: &[&str]) -> Value {
    json!({"id": id, "system": system, "component": component, "inputs": inputs, "why": "so"})
}

/// A planner's model that looks at the samples first, then makes a mistake, then answers with these steps.
fn planner(steps: Vec<Value>) -> ModelServer {
    ModelServer::start(move |seen| {
        let give = json!([{"port": "documents", "artifact": "samples", "lines": ""}]);
        let call = json!({"tool": "palisade:personal_data", "config": "{}", "give": give});
        let (call, answer) = match seen.number {
            0 => (call, Value::Null),
            1 => (Value::Null, json!({"name": "A plan", "steps": [step("x", "Nowhere", "", &[])]})),
            _ => (Value::Null, json!({"name": "A plan", "steps": steps})),
        };
        Reply::Say(json!({"thought": "because", "call": call, "answer": answer}).to_string(), Some((10, 5)))
    })
}

fn planning(server: ModelServer) -> Shop {
    let tools = "[[grant]]\ncomponent = \"palisade:compliance_planner\"\nallow = [\"call=palisade:personal_data\"]\n\n";
    let shop = Shop::new(server, true, &(grant("compliance_planner") + tools));
    shop.write("plan.yaml", PLAN);
    shop
}

const RUN_PLAN: [&str; 8] = ["run", "-q", "plan.yaml", "--approve", "--input", "policy=policy.md", "--out", "out"];

#[test]
fn a_planner_explores_mends_its_mistakes_and_its_runbook_finds() {
    let steps = vec![step("orders", "order database", "", &[]), step("found", "", "personal_data", &["orders"])];
    let shop = planning(planner(steps));
    let _ = shop.call(&RUN_PLAN).exits(0);
    let categories: BTreeSet<String> = shop.json("out/check/found.json")["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["category"].as_str().unwrap().to_owned())
        .collect();
    assert!(categories.contains("postal_address"), "{categories:?}");
    let turns = shop.json("out/conversation.json");
    let told: Vec<(&str, &str)> = turns["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| (turn["action"].as_str().unwrap(), turn["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(told.len(), 3);
    assert!(told[0].0 == "call" && told[0].1.contains("findings of call 1"), "{told:?}");
    assert!(told[1].1.contains("there is no system `Nowhere`"), "{told:?}");
    assert_eq!(told[2], ("answer", "taken"));
    let Shop { dir, _server: server } = shop;
    drop(server);
    // Neither the model nor a network is needed to show that all of it follows from what is recorded.
    let _ = palisade(&dir.join("policy_check/shop"), ["replay", "--all"]).exits(0);
}

const SUBMITTED: &str = r#"
name: Planned and run by an agent
inputs:
  policy: {input_schema: privacy_policy_document}
execution:
  - id: plan
    type: agent
    agent: compliance_planner
    goal: Look for personal data that the policy does not state
    inputs: {policy: policy}
    runbooks: {components: [personal_data], most: 3, limits: {max_runs: 20}}
    outputs: {runbook: made, conversation: conversation}
"#;

#[test]
fn a_planner_has_its_runbook_run_itself_and_mends_it_by_what_the_host_says() {
    let listed = vec![step("orders", "order database", "", &[]), step("found", "", "personal_data", &["orders"])];
    // The operator lets such runbooks use it, and the step does not.
    let classified = step("classified", "", "gdpr_personal_data_classifier", &["found"]);
    let not_listed = [listed.as_slice(), &[classified]].concat();
    let server = ModelServer::start(move |seen| {
        let steps = if seen.number == 0 { &not_listed } else { &listed };
        let answer = json!({"name": "A plan", "steps": steps});
        Reply::Say(json!({"thought": "because", "answer": answer}).to_string(), Some((10, 5)))
    });
    let shop = planning(server);
    shop.write("plan.yaml", SUBMITTED);
    let run = ["run", "-q", "plan.yaml", "--input", "policy=policy.md", "--out", "out"];
    let _ = shop.call(&run).exits(5);
    let _ = shop.call(&["approve", "last", "-q", "--out", "out"]).exits(0);
    let turns = shop.json("out/conversation.json")["turns"].as_array().unwrap().clone();
    let outcome = |turn: &Value| turn["outcome"].as_str().unwrap().to_owned();
    assert_eq!(turns.len(), 2);
    let refused = "the step that runs this does not let it use `palisade:gdpr_personal_data_classifier`";
    assert!(outcome(&turns[0]).contains(refused), "{turns:#?}");
    assert!(outcome(&turns[1]).contains("postal_address"), "{turns:#?}");
    assert_eq!(turns[1]["made"][0]["name"], "found of call 1");
    // The model was asked twice, though its agent ran twice over.
    let record = record_of(&shop);
    assert_eq!((&record["usage"]["llm_calls"], record["children"].as_array().unwrap().len()), (&json!(2), 1));
    let Shop { dir, _server: server } = shop;
    drop(server);
    let _ = palisade(&dir.join("policy_check/shop"), ["replay", "--all"]).exits(0);
}

#[test]
fn a_planner_that_insists_is_refused_by_the_host() {
    for (steps, kind) in [
        (vec![step("a", "order database", "", &[]), step("b", "", "crypto_quality", &["a"])], "denied"),
        (vec![step("a", "order database", "", &[]), step("b", "", "acme:evil", &["a"])], "bad_runbook"),
        (vec![step("a", "/etc", "", &[]), step("b", "", "personal_data", &["a"])], "bad_runbook"),
    ] {
        let shop = planning(planner(steps));
        let outcome = shop.call(&RUN_PLAN);
        let record = record_of(&shop);
        assert_eq!(record["steps"][2]["failure"]["kind"], kind, "{}", outcome.stderr);
        assert_eq!(record["children"], json!([]));
    }
}

fn record_of(shop: &Shop) -> Value {
    let shown = shop.call(&["runs", "show", "last", "--format", "json"]).exits(0).stdout;
    serde_json::from_str::<Value>(&shown).unwrap()["record"].clone()
}

#[test]
fn an_agent_whose_model_never_answers_ends_with_its_turns() {
    let server = ModelServer::start(|seen| {
        let lines = format!("{{\"content\": \"{}\", \"metadata\": {{\"source\": \"s\"}}}}", seen.number);
        let give = json!([{"port": "documents", "artifact": "", "lines": lines}]);
        let call = json!({"tool": "palisade:personal_data", "config": "{}", "give": give});
        Reply::Say(json!({"thought": "again", "call": call, "answer": null}).to_string(), Some((10, 5)))
    });
    let shop = planning(server);
    let told = shop.call(&RUN_PLAN).exits(1).stderr;
    assert!(told.contains("the agent came to no answer in 12 turns"), "{told}");
}

const CHECK_WITH_A_MODEL: &str = "config: {model: big, components: [personal_data, gdpr_personal_data_classifier]}";

#[test]
fn a_policy_is_read_by_a_model_too_and_a_lie_of_it_takes_nothing_off() {
    // It says that the policy states what it does not, in a sentence that says something else.
    let server = ModelServer::start(|_| {
        let fact =
            |kind: &str, value: &str| json!({"kind": kind, "value": value, "sentence": 1, "special_category": false});
        let facts =
            [fact("data_category", "telephone number"), fact("denied_category", "name"), fact("system", "/etc")];
        Reply::Say(json!({"facts": facts}).to_string(), Some((10, 5)))
    });
    let shop = Shop::new(server, true, &grant("policy_to_runbook_analyser"));
    let check = std::fs::read_to_string(shop.dir.join("policy_check/check.yaml")).unwrap();
    let plain = "config: {components: [personal_data, gdpr_personal_data_classifier]}";
    assert!(check.contains(plain));
    shop.write("check.yaml", &check.replace(plain, CHECK_WITH_A_MODEL));
    let run = |runbook: &str, out: &str| {
        let run = ["run", "-q", runbook, "--input", "privacy_policy_document=policy.md", "--out", out];
        let _ = shop.call(&run).exits(0);
    };
    run("check.yaml", "with");
    run("../check.yaml", "without");
    let gaps = |out: &str| {
        let gaps = shop.json(&format!("{out}/gaps.json"))["gaps"].as_array().unwrap().clone();
        let told = |gap: &Value| format!("{} {}", gap["kind"].as_str().unwrap(), gap["category"].as_str().unwrap());
        gaps.iter().filter(|gap| gap["severity"] != "info").map(told).collect::<BTreeSet<_>>()
    };
    let (with, without) = (gaps("with"), gaps("without"));
    let new: Vec<&str> = with.difference(&without).map(String::as_str).collect();
    let gone: Vec<&str> = without.difference(&with).map(String::as_str).collect();
    assert_eq!(
        (new, gone),
        (vec!["stated_by_model_alone telephone number"], vec!["found_not_stated telephone number"])
    );
    let steps = |out: &str| shop.json(&format!("{out}/run.json"))["children"][0]["steps"].as_array().map(Vec::len);
    assert_eq!(steps("with"), steps("without"));
    let _ = shop.call(&["replay", "--all"]).exits(0);
}

#[test]
fn without_its_model_a_policy_is_read_by_the_rules_and_that_is_told() {
    let shop = Shop::new(ModelServer::saying("{}"), true, &grant("policy_to_runbook_analyser"));
    let check = std::fs::read_to_string(shop.dir.join("policy_check/check.yaml")).unwrap();
    let plain = "config: {components: [personal_data, gdpr_personal_data_classifier]}";
    shop.write("check.yaml", &check.replace(plain, CHECK_WITH_A_MODEL));
    let run =
        ["run", "-q", "check.yaml", "--llm", "off", "--input", "privacy_policy_document=policy.md", "--out", "out"];
    let _ = shop.call(&run).exits(0);
    let skipped = &shop.json("out/run.json")["steps"][0]["skipped"];
    let first = skipped[0]["what"].as_str().unwrap_or_default();
    assert!(first.starts_with("what the model `big` reads"), "{skipped}");
}

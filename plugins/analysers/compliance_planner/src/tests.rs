use super::CompliancePlanner;
use palisade_sdk::llm::{Answer, Question};
use palisade_sdk::runbooks::Wrong;
use palisade_sdk::serde_json::{Value, json};
use palisade_sdk::{TestContext, TestInput, TestOutcome, TestSubmitted};
use std::cell::RefCell;
use std::rc::Rc;

fn world() -> TestInput {
    let finds = json!({
        "name": "personal_data", "title": "Finds personal data", "description": "",
        "inputs": [{"name": "documents", "schemas": ["standard_input/1.0.0"], "many": true, "optional": false}],
        "outputs": [{"name": "findings", "schema": "found/1.0.0"}],
        "rulesets": [{"pointer": "/ruleset", "type": "personal", "default": null}],
    });
    let beside = json!({
        "systems": [{"name": "CRM", "aliases": [], "labels": [], "schema": "standard_input/1.0.0", "builtin": false}],
        "rulesets": [{"name": "local/mine/1.0.0", "types": ["personal"]}],
    });
    let mut lacking = finds.clone();
    lacking["name"] = json!("acme:lacking");
    lacking["lacks"] = json!("needs a language model");
    TestInput::new("context", [finds, lacking]).metadata(beside)
}

/// Plans; the model says these things in their order, then the last again.
fn plan(says: &[Value]) -> (TestOutcome, Vec<Question>) {
    plan_and_submit(says, 0, |_| panic!("it submits nothing"))
}

/// The same where so many runbooks may be submitted, of which comes that.
fn plan_and_submit(
    says: &[Value],
    most: u32,
    came: impl Fn(&Value) -> TestSubmitted + 'static,
) -> (TestOutcome, Vec<Question>) {
    let asked: Rc<RefCell<Vec<Question>>> = Rc::default();
    let (log, says) = (Rc::clone(&asked), says.to_vec());
    let outcome = TestContext::new()
        .artifact(world())
        .input("policy", [json!({"content": "We keep names."})])
        .config(json!({"goal": "Look for personal data"}))
        .models(move |question| {
            let answer = says[log.borrow().len().min(says.len() - 1)].to_string();
            log.borrow_mut().push(question.clone());
            Ok(Answer { content: answer, ..Answer::default() })
        })
        .runbooks(most, move |runbook, given| {
            assert!(given.is_empty());
            came(runbook)
        })
        .run::<CompliancePlanner>();
    let asked = asked.borrow().clone();
    (outcome, asked)
}

fn step(id: &str, system: &str, component: &str, inputs: &[&str]) -> Value {
    json!({"id": id, "system": system, "component": component, "inputs": inputs, "why": "${HOME} so"})
}

fn answer(steps: &[Value]) -> Value {
    json!({"thought": "", "answer": {"name": "A {{plan}}", "steps": steps}})
}

#[test]
fn an_answer_becomes_a_runbook() {
    let (outcome, asked) =
        plan(&[answer(&[step("crm", "CRM", "", &[]), step("found", "", "personal_data", &["crm"])])]);
    let steps = outcome.items("runbook");
    assert_eq!((&steps[0]["type"], &steps[0]["system"]), (&json!("source"), &json!("CRM")));
    assert_eq!((&steps[1]["analyser"], &steps[1]["inputs"]), (&json!("personal_data"), &json!(["crm"])));
    assert_eq!(steps[1]["config"], json!({"ruleset": "local/mine/1.0.0"}));
    assert_eq!(
        (&steps[0]["description"], &outcome.metadata["runbook"]["name"]),
        (&json!("$(HOME) so"), &json!("A ((plan))"))
    );
    assert_eq!(asked.len(), 1);
    let told = &asked[0].messages[2].content;
    assert!(told.contains("We keep names.") && told.contains("CRM") && told.contains("Finds personal data"), "{told}");
}

#[test]
fn what_can_not_run_as_things_are_is_left_out_and_told() {
    let (outcome, asked) = plan(&[answer(&[step("crm", "CRM", "", &[])])]);
    let told =
        ("analysis `acme:lacking`".to_owned(), "it needs a language model: the model is not told of it".to_owned());
    assert_eq!(outcome.skips, [told]);
    assert!(asked[0].messages.iter().all(|message| !message.content.contains("acme:lacking")));
}

#[test]
fn what_can_not_be_is_told_to_the_model_which_mends_it() {
    let bad = [
        step("Bad id", "Nowhere", "", &[]),
        step("x", "CRM", "personal_data", &[]),
        step("x", "", "acme:evil", &["later"]),
        step("y", "", "", &[]),
        step("z", "", "personal_data", &[]),
        step("w", "CRM", "", &["x"]),
    ];
    let good = [step("crm", "CRM", "", &[]), step("found", "", "personal_data", &["crm"])];
    let (outcome, asked) = plan(&[answer(&bad), answer(&good)]);
    assert_eq!(outcome.items("runbook").len(), 2);
    let told = &asked[1].messages.last().unwrap().content;
    for problem in [
        "Step `Bad id`: its id has to be",
        "Step `Bad id`: there is no system `Nowhere`.",
        "Step `x`: it names both a system and a component.",
        "Step `x`: another step has its id.",
        "Step `x`: there is no component `acme:evil`.",
        "Step `x`: no step before it makes `later`.",
        "Step `y`: it names neither",
        "Step `z`: it reads nothing.",
        "Step `w`: what reads a system has no inputs.",
    ] {
        assert!(told.contains(problem), "no {problem:?} in {told}");
    }
    let (_, asked) = plan(&[answer(&[step("crm", "CRM", "", &[])]), answer(&good)]);
    assert!(asked[1].messages.last().unwrap().content.ends_with("It runs nothing."));
}

#[test]
fn one_that_insists_gets_its_runbook_to_the_host_which_judges_it() {
    let (outcome, asked) = plan(&[answer(&[step("x", "", "acme:evil", &[])])]);
    assert_eq!(asked.len(), 4);
    assert_eq!(outcome.items("runbook")[0]["analyser"], "acme:evil");
    let (outcome, _) = plan(&[json!({"thought": "", "answer": {"name": 7}})]);
    assert!(outcome.failure().message.starts_with("what the model answers is no runbook"), "{:?}", outcome.failure());
}

#[test]
fn a_runbook_that_may_run_is_submitted_and_mended_by_what_the_host_says() {
    let steps = [step("crm", "CRM", "", &[]), step("found", "", "personal_data", &["crm"])];
    let refuses_the_first = |runbook: &Value| match runbook["name"].as_str().unwrap() {
        "First" => TestSubmitted::Refused(vec![Wrong {
            code: "PAL0337".to_owned(),
            line: "analyser: personal_data".to_owned(),
            message: "it may not use it".to_owned(),
            help: None,
        }]),
        _ => {
            assert_eq!(
                (&runbook["execution"][0]["system"], runbook["execution"][1]["inputs"][0].as_str()),
                (&json!("CRM"), Some("crm"))
            );
            TestSubmitted::Done(vec![("found".to_owned(), "found/1.0.0".to_owned(), vec![json!({"a": 1})])])
        }
    };
    let named = |name: &str| json!({"thought": "", "answer": {"name": name, "steps": steps}});
    let (outcome, asked) = plan_and_submit(&[named("First"), named("Second")], 2, refuses_the_first);
    let told = &asked[1].messages.last().unwrap().content;
    assert_eq!(
        told,
        "Your answer can't be taken. It can't run. PAL0337 at `analyser: personal_data`: it may not use it."
    );
    let turns = outcome.items("conversation");
    assert_eq!(turns[1]["made"], json!([{"name": "found of call 1", "schema": "found", "items": 1}]));
    assert_eq!((outcome.items("runbook").len(), &outcome.metadata["runbook"]["name"]), (2, &json!("Second")));
    // A person's no is no mistake of the model; and what is refused too often is left as it is.
    let (outcome, asked) = plan_and_submit(&[named("No")], 2, |_| TestSubmitted::Rejected("ann said no".to_owned()));
    assert_eq!((asked.len(), &outcome.items("conversation")[0]["outcome"]), (1, &json!("rejected: ann said no")));
    let (outcome, asked) = plan_and_submit(&[named("First")], 1, refuses_the_first);
    assert_eq!((asked.len(), outcome.items("runbook").len()), (2, 2));
}

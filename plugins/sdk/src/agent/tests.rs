use std::{cell::RefCell, rc::Rc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Agent, Role, Setup, Work, work};
use crate::{
    Analyser, Context, Description, HostError, HostErrorKind, Input, Request, Result, TestContext, TestOutcome,
    llm::{Answer, Question},
    tools::{Tool, ToolPort},
};

#[derive(Deserialize)]
struct Config {
    max_turns: u32,
}

/// Wants an answer that holds `right`.
struct Picky;

impl Agent for Picky {
    fn reflect(&mut self, _: &mut Work<'_>, answer: &Value) -> Result<Option<String>> {
        Ok((answer["right"] != json!(true)).then(|| "It is not right.".to_owned()))
    }
}

struct Worker;

impl Analyser for Worker {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        Description::agent("test:worker", "1.0.0", "Works")
            .input(Input::new("texts").accepts("standard_input/1").many())
            .output("turns", "agent_conversation/1.0.0")
            .output("answers", "test.answers/1.0.0")
            .request(Request::call("to work"))
            .request(Request::llm("to think"))
            .config_json(r#"{"type": "object", "properties": {"max_turns": {"type": "integer", "default": 5}}}"#)
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let setup = Setup {
            goal: "Count".to_owned(),
            instructions: "You count.".to_owned(),
            model: None,
            answer: json!({"type": "object"}),
            max_turns: config.max_turns,
            max_corrections: 1,
            max_output_tokens: 100,
        };
        let work = work(ctx, &mut Picky, setup, ctx.inputs("texts"))?;
        work.keep("turns")?;
        ctx.emit("answers", &work.into_answer()?)
    }
}

fn tool() -> Tool {
    let port = |name: &str| ToolPort { name: name.to_owned(), ..ToolPort::default() };
    Tool {
        id: "test:count".to_owned(),
        config_schema: "{}".to_owned(),
        inputs: vec![port("texts")],
        outputs: vec![port("counts")],
        ..Tool::default()
    }
}

/// An agent of the team.
fn helper() -> Tool {
    let port = |name: &str, schema: &str| ToolPort {
        name: name.to_owned(),
        schemas: vec![schema.to_owned()],
        ..ToolPort::default()
    };
    Tool {
        id: "test:helper".to_owned(),
        config_schema: json!({"properties": {"goal": {"type": "string"}}}).to_string(),
        inputs: vec![port("texts", "standard_input/1"), port("so_far", "agent_conversation/1")],
        outputs: vec![port("turns", "agent_conversation/1.0.0"), port("answers", "test.answers/1.0.0")],
        ..Tool::default()
    }
}

fn hand_over(goal: &str) -> Value {
    let config = json!({"goal": goal}).to_string();
    let to =
        json!({"tool": "test:helper", "config": config, "give": [{"port": "texts", "artifact": "texts", "lines": ""}]});
    json!({"thought": "not me", "call": null, "hand_over": to, "answer": null})
}

fn call(artifact: &str, lines: &str) -> Value {
    let give = json!([{"port": "texts", "artifact": artifact, "lines": lines}]);
    json!({"thought": "so", "call": {"tool": "test:count", "config": "{}", "give": give}, "answer": null})
}

fn answer(right: bool) -> Value {
    json!({"thought": "done", "call": null, "answer": {"right": right}})
}

/// Runs an agent whose model says these things, one after the other and the last for ever. Gives what the model was asked, too.
fn run(says: &[Value], max_turns: u32) -> (TestOutcome, Vec<Question>) {
    let asked: Rc<RefCell<Vec<Question>>> = Rc::default();
    let (log, says) = (Rc::clone(&asked), says.to_vec());
    let outcome = TestContext::new()
        .input("texts", [json!({"content": "a"}), json!({"content": "b"})])
        .input("texts", [json!({"content": "c"})])
        .config(json!({"max_turns": max_turns}))
        .tool(helper(), |config, given| match config["goal"].as_str() {
            Some("Fail") => Err(HostError::new(HostErrorKind::Unavailable, "the tool `test:helper` failed: it can't")),
            Some(goal) => {
                let answer = json!({"right": goal == "Be right", "turns": given.iter().find(|(port, _)| port == "so_far").map_or(0, |(_, turns)| turns.len())});
                Ok(vec![("turns".to_owned(), vec![json!({"turn": 1})]), ("answers".to_owned(), vec![answer; if goal == "Talk" { 2 } else { 1 }])])
            }
            None => Err(HostError::new(HostErrorKind::Invalid, "it needs a goal")),
        })
        .tool(tool(), |_, given| {
            let (_, items) = given.first().ok_or_else(|| HostError::new(HostErrorKind::Invalid, "nothing is given"))?;
            let counted = (0..items.len()).map(|number| json!({"n": number})).collect();
            Ok(vec![("counts".to_owned(), counted)])
        })
        .models(move |question| {
            let mut log = log.borrow_mut();
            let content = says[log.len().min(says.len() - 1)].to_string();
            log.push(question.clone());
            Ok(Answer { content, ..Answer::default() })
        })
        .run::<Worker>();
    let asked = asked.borrow().clone();
    (outcome, asked)
}

fn outcomes(outcome: &TestOutcome) -> Vec<String> {
    outcome.items("turns").iter().map(|turn| turn["outcome"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn it_calls_tools_over_what_it_holds_until_it_answers() {
    let says = [
        call("texts 2", ""),
        call("counts of call 1", ""),
        call("", "{\"content\": 1}\n{\"content\": 2}"),
        answer(true),
    ];
    let (outcome, asked) = run(&says, 5);
    assert_eq!(outcome.items("answers"), [json!({"right": true})]);
    let turns = outcome.items("turns");
    let made = |name: &str, items: u64| json!([{"name": name, "schema": "", "items": items}]);
    let got: Vec<_> = turns.iter().map(|turn| turn["made"].clone()).collect();
    assert_eq!(
        got,
        [made("counts of call 1", 1), made("counts of call 2", 1), made("counts of call 3", 2), Value::Null]
    );
    assert_eq!((&turns[0]["thought"], &turns[3]["answer"]), (&json!("so"), &json!("{\"right\":true}")));
    let given = |number: usize| turns[number]["given"][0].clone();
    assert_eq!(given(0), json!({"port": "texts", "what": "texts 2"}));
    assert_eq!(given(2)["what"], "{\"content\": 1}\n{\"content\": 2}");
    assert_eq!((&turns[0]["tool"], &turns[0]["config"]), (&json!("test:count"), &json!("{}")));
    assert_eq!(turns[3].get("tool").or(turns[3].get("given")), None);
    assert_eq!(asked[0].messages.len(), 2);
    let first = &asked[0].messages[1].content;
    assert!(first.contains("\"texts 2\"") && first.contains("Count"), "{first}");
    let told = &asked[2].messages.last().unwrap().content;
    assert!(told.contains("counts of call 2"), "{told}");
    // What it said stands between what it was told.
    assert_eq!(asked[3].messages.len(), 8);
}

#[test]
fn what_can_not_be_is_told_and_it_goes_on() {
    let mut no_config = call("texts", "");
    no_config["call"]["config"] = json!("{");
    let says = [call("nothing", ""), call("", "{"), no_config, call("texts", ""), call("texts", ""), answer(true)];
    let (outcome, _) = run(&says, 9);
    let outcomes = outcomes(&outcome);
    assert_eq!(outcomes[0], "you hold nothing called `nothing`");
    assert!(outcomes[1].starts_with("the lines for `texts` are no JSON"), "{}", outcomes[1]);
    assert!(outcomes[2].starts_with("the config is no JSON"), "{}", outcomes[2]);
    assert_eq!(outcomes[4], "this is the call of turn 4; its outcome is the same");
}

#[test]
fn an_answer_is_sent_back_as_often_as_it_may_be_and_then_counts() {
    let (outcome, asked) = run(&[answer(false), answer(true)], 5);
    assert_eq!(outcome.items("answers"), [json!({"right": true})]);
    assert_eq!(asked[1].messages.last().unwrap().content, "Your answer can't be taken. It is not right.");
    let (outcome, asked) = run(&[answer(false)], 5);
    assert_eq!((outcome.items("answers"), asked.len()), (vec![json!({"right": false})], 2));
    assert_eq!(outcomes(&outcome), ["It is not right.", "taken"]);
}

#[test]
fn it_stops_when_its_turns_are_used() {
    let (outcome, asked) = run(&[call("texts", "")], 3);
    assert_eq!(outcome.failure().message, "the agent came to no answer in 3 turns");
    assert_eq!(asked.len(), 3);
}

#[test]
fn what_a_model_says_that_is_nothing_is_a_failure() {
    let (outcome, _) = run(&[json!({"thought": "hm", "call": null, "answer": null})], 3);
    assert_eq!(outcome.failure().message, "the model neither calls a tool nor answers");
    let (outcome, _) = run(&[json!("words")], 3);
    assert!(outcome.failure().message.starts_with("what the model says is not of the form"), "{:?}", outcome.failure());
}

#[test]
fn data_never_stand_among_the_instructions() {
    let (_, asked) = run(&[call("texts", ""), answer(true)], 3);
    for message in
        asked.iter().flat_map(|question| &question.messages).filter(|message| message.content.contains("content"))
    {
        assert!(message.role != Role::System, "{message:?}");
    }
}

#[test]
fn a_task_is_handed_over_with_what_was_done_and_the_answer_is_its_own() {
    let (outcome, asked) = run(&[call("texts", ""), hand_over("Be right")], 5);
    assert_eq!(outcome.items("answers"), [json!({"right": true, "turns": 1})]);
    assert_eq!(asked.len(), 2);
    let turns = outcome.items("turns");
    assert_eq!((&turns[1]["action"], &turns[1]["tool"]), (&json!("hand_over"), &json!("test:helper")));
    assert_eq!(turns[1]["answer"], json!(json!({"right": true, "turns": 1}).to_string()));
    assert!(asked[0].messages[0].content.contains("hand your task over"), "{}", asked[0].messages[0].content);
}

#[test]
fn what_comes_of_a_task_that_was_handed_over_and_is_no_answer_is_told() {
    let says = [hand_over("Fail"), hand_over("Talk"), hand_over("Be wrong"), hand_over("Fail"), answer(true)];
    let (outcome, asked) = run(&says, 9);
    assert_eq!(outcome.items("answers"), [json!({"right": true})]);
    let told = outcomes(&outcome);
    assert_eq!(told[0], "the tool `test:helper` failed: it can't");
    assert!(told[1].contains("it is no answer of yours, at `its root` it breaks the rule `type`"), "{}", told[1]);
    assert!(told[2].contains("It is not right.") && told[2].contains("answers of call 2"), "{}", told[2]);
    assert_eq!(told[3], "this is the call of turn 1; its outcome is the same");
    // Each was told to the model before it went on.
    let last = &asked[4].messages;
    assert!(
        told.iter().take(4).all(|told| last.iter().any(|message| message.content.contains(&told[..20]))),
        "{last:?}"
    );
    // What is sent back too often counts, as an answer of its own would.
    let (outcome, _) = run(&[answer(false), hand_over("Be wrong")], 9);
    assert_eq!(outcome.items("answers"), [json!({"right": false, "turns": 1})]);
}

#[test]
fn an_agent_that_hands_over_for_ever_stops_when_its_turns_are_used() {
    let (outcome, asked) = run(&[hand_over("Talk")], 4);
    assert_eq!(outcome.failure().message, "the agent came to no answer in 4 turns");
    assert_eq!(asked.len(), 4);
}

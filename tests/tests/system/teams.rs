//! Teams: an agent whose members are agents, through the binary: what each may do, at whose cost, and that nothing is asked
//! twice. The delegate (`plugins/delegate`) leads, the deputy (`plugins/deputy`) works for it, and both may call the stepper.

use palisade_tests::told::{holds, kill_once, start};
use palisade_tests::{Dir, ModelServer, Outcome, Reply, journal, palisade, root, skipped, with_delegate};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const DOCS: &str = r#"{"schemaVersion": "1.0.0", "name": "docs", "data": [
    {"content": "a", "metadata": {"source": "one"}}]}"#;
const LEADS: &str =
    "[[grant]]\ncomponent = \"test:delegate\"\nallow = [\"call=test:stepper\", \"call=test:deputy\"]\n\n";
const WORKS: &str = "[[grant]]\ncomponent = \"test:deputy\"\nallow = [\"call=test:stepper\", \"llm=big\"]\n\n";
/// The deputy leads, and each may call the other.
const LED: &str = "[[grant]]\ncomponent = \"test:deputy\"\nallow = [\"call=test:stepper\", \"call=test:delegate\", \"llm=big\"]\n\n\
                   [[grant]]\ncomponent = \"test:delegate\"\nallow = [\"call=test:deputy\"]\n\n";
const FLOW: &str = "[[flow]]\nlabels = [\"input\"]\nto = [\"llm=big\"]\n\n";

struct Bench {
    dir: Dir,
    server: ModelServer,
}

impl Bench {
    fn new(grants: &str, answer: impl Fn() -> Reply + Send + Sync + 'static) -> Option<Self> {
        let server = ModelServer::start(move |_| answer());
        let model = format!(
            "[llm]\ndefault = \"big\"\nmax_attempts = 1\n\n[[model]]\nalias = \"big\"\nprovider = \"openai-compatible\"\n\
             model = \"scripted\"\nbase_url = \"{}\"\nlocal = false\n\
             price = {{ input = 1, output = 2, as_of = \"2026-11-01\" }}\n\n",
            server.url()
        );
        let dir = with_delegate(&format!("{model}{grants}"))?;
        let deputy = root().join("target/deputy/deputy.wasm");
        let Ok(bytes) = std::fs::read(&deputy) else {
            skipped("the deputy is not in target/deputy");
            return None;
        };
        dir.write("docs.json", DOCS);
        let bench = Self { dir, server };
        let _ = bench.call(&["component", "add", deputy.to_str().unwrap()]).exits(0);
        if grants.contains("test:deputy\"\n") {
            let digest = palisade_model::Digest::of(&bytes).to_string();
            let _ = bench.call(&["grants", "accept", "test:deputy", "--digest", &digest]).exits(0);
        }
        Some(bench)
    }

    fn says(grants: &str, said: &'static str) -> Option<Self> {
        Self::new(grants, move || Reply::Say(said.to_owned(), Some((10, 5))))
    }

    /// A model that says these things, one after the other and the last for ever, and leads the deputy, which may call the stepper
    /// and hand over to the delegate. `more` goes into the step.
    fn led(says: Vec<Value>, more: &Value) -> Option<Self> {
        let said = AtomicUsize::new(0);
        let bench = Self::new(&format!("{LED}{FLOW}"), move || {
            let number = said.fetch_add(1, Ordering::Relaxed).min(says.len() - 1);
            Reply::Say(says[number].to_string(), Some((10, 5)))
        })?;
        bench.step(
            json!({
                "id": "lead", "type": "agent", "agent": "test:deputy", "goal": "All of it", "tools": ["test:stepper"],
                "members": ["test:delegate"], "input": "docs", "outputs": {"texts": "seen", "conversation": "told"},
                "config": {"led": true},
            }),
            more,
        );
        Some(bench)
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        palisade(self.dir.path(), arguments)
    }

    /// Writes a runbook whose agent calls the deputy with each of these configs; `more` goes into the step.
    fn runbook(&self, configs: &[Value], more: &Value) {
        let call = |config: &Value| {
            let mut config = config.clone();
            config.as_object_mut().unwrap().entry("goal").or_insert_with(|| json!("Do your part"));
            json!({"tool": "test:deputy", "config": config, "port": "texts", "give": "input"})
        };
        let step = json!({
            "id": "lead", "type": "agent", "agent": "test:delegate", "goal": "All of it", "tools": ["test:stepper"],
            "members": ["test:deputy"], "input": "docs", "output": "seen",
            "config": {"calls": configs.iter().map(call).collect::<Vec<_>>()},
        });
        self.step(step, more);
    }

    fn step(&self, mut step: Value, more: &Value) {
        step.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let runbook = json!({
            "name": "Team", "inputs": {"docs": {"input_schema": "standard_input"}}, "execution": [step],
        });
        self.dir.write("runbook.yaml", runbook.to_string());
    }

    fn run(&self) -> Outcome {
        self.call(&["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--out", "out"])
    }

    /// What the leader wrote down, as `source: content`.
    fn seen(&self) -> String {
        let document: Value = serde_json::from_slice(&std::fs::read(self.dir.join("out/seen.json")).unwrap()).unwrap();
        let told = |item: &Value| {
            format!("{}: {}\n", item["metadata"]["source"].as_str().unwrap(), item["content"].as_str().unwrap())
        };
        document["data"].as_array().unwrap().iter().map(told).collect()
    }

    /// What the deputy did, as its conversation tells: what it did and what came of it.
    fn turns(&self) -> Vec<(String, String)> {
        let told: Value = serde_json::from_slice(&std::fs::read(self.dir.join("out/told.json")).unwrap()).unwrap();
        let text = |turn: &Value, key: &str| turn[key].as_str().unwrap().to_owned();
        told["turns"].as_array().unwrap().iter().map(|turn| (text(turn, "action"), text(turn, "outcome"))).collect()
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let events = journal::events(&journal::open(&self.dir.join(".palisade")));
        events.into_iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The calls of the journal, as `place what`.
    fn calls(&self) -> Vec<String> {
        let told = |call: &Value| {
            let within = call["within"].as_array().cloned().unwrap_or_default();
            let numbers = within.iter().chain([&call["call"]]).map(Value::to_string);
            format!("{} {}", numbers.collect::<Vec<_>>().join("."), call["what"].as_str().unwrap())
        };
        self.events("HostCallRecorded").iter().map(told).collect()
    }

    fn asked(&self) -> usize {
        self.server.seen().len()
    }

    fn usage(&self) -> Value {
        let record: Value = serde_json::from_slice(&std::fs::read(self.dir.join("out/run.json")).unwrap()).unwrap();
        record["steps"][0]["usage"].clone()
    }
}

fn granted() -> String {
    format!("{LEADS}{WORKS}{FLOW}")
}

#[test]
fn a_member_asks_models_and_calls_tools_at_the_cost_of_who_leads() {
    let Some(bench) = Bench::says(&granted(), "forty-two") else { return };
    let work = json!({"questions": ["why?"], "calls": ["test:stepper"], "config": {"append": "!"}});
    bench.runbook(&[work], &Value::Null);
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    for part in ["tool: test:stepper takes", "tool: test:deputy takes texts", "forty-two", r#"\"content\":\"a!\""#] {
        holds(&seen, part);
    }
    // It knows of the tools, and not of itself or of who leads.
    holds(&seen, r#""content":"test:stepper","metadata":{"source":"tools"}"#);
    assert_eq!(bench.calls(), ["1.1 llm.complete big", "1.2 tools.call test:stepper", "1 tools.call test:deputy"]);
    let usage = bench.usage();
    let spent = ["tool_calls", "llm_calls", "llm_tokens", "llm_cost_micro_usd"].map(|key| usage[key].as_u64().unwrap());
    assert_eq!(spent, [2, 1, 15, 20], "{usage}");
    // What it did stands in the audit log under its own bytes.
    let log = bench.call(&["audit", "log", "--format", "json"]).exits(0).stdout;
    let deputy = palisade_model::Digest::of(&std::fs::read(root().join("target/deputy/deputy.wasm")).unwrap());
    let log: Value = serde_json::from_str(&log).unwrap();
    let entries = log["entries"].as_array().unwrap().iter().map(|entry| &entry["entry"]);
    let of_deputy = entries.filter(|entry| entry["kind"] == "uses" && entry["component"] == deputy.to_string());
    let used: Vec<_> = of_deputy.map(|entry| (entry["power"].as_str(), entry["scope"].as_str())).collect();
    assert_eq!(used, [(Some("call"), Some("test:stepper")), (Some("llm"), Some("big"))], "{log:#}");
    let costs = bench.call(&["costs", "--by", "component"]).exits(0).stdout;
    holds(&costs, "test:deputy");
    // A replay asks nobody.
    let _ = bench.call(&["replay", "last"]).exits(0);
    assert_eq!(bench.asked(), 1);
    let unused = bench.call(&["grants", "unused"]).exits(0);
    assert_eq!(unused.stdout, "", "{}", unused.stderr);
}

#[test]
fn the_plan_shows_the_team_and_what_it_may_touch() {
    let Some(bench) = Bench::says(&granted(), "") else { return };
    bench.runbook(&[json!({})], &Value::Null);
    let plan = bench.call(&["plan", "runbook.yaml"]).exits(0).stdout;
    for part in
        ["team", "test:deputy@1.0.0", "LLM calls       50", "granted  llm   big", "test:deputy may call test:stepper"]
    {
        holds(&plan, part);
    }
    let plan = bench.call(&["plan", "runbook.yaml", "--format", "json"]).exits(0).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let touches = plan["authority"]["touches"].as_array().unwrap_or_else(|| panic!("{plan:#}"));
    assert!(touches.iter().any(|touch| touch["power"] == "llm" && touch["granted"] == true), "{touches:#?}");
}

#[test]
fn what_a_model_may_not_see_no_member_may_be_given() {
    let Some(bench) = Bench::says(&format!("{LEADS}{WORKS}"), "") else { return };
    bench.runbook(&[json!({})], &Value::Null);
    let refused = bench.call(&["plan", "runbook.yaml"]).exits(2);
    holds(&refused.stderr, "PAL0340");
    holds(&refused.stderr, "step `lead` could bring data labelled `input` to");
}

#[test]
fn a_member_may_only_do_what_it_was_granted_itself() {
    // Who leads may call the stepper; the deputy was granted nothing.
    let Some(bench) = Bench::says(LEADS, "") else { return };
    bench.runbook(
        &[json!({"questions": ["why?"]}), json!({"calls": ["test:stepper", "test:delegate", "test:deputy"]})],
        &Value::Null,
    );
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    assert_eq!(seen.matches("Denied: not allowed").count(), 3, "{seen}");
    holds(&seen, "test:deputy: Unavailable: the tool `test:deputy` failed");
    assert_eq!(bench.asked(), 0);
}

#[test]
fn limits_of_who_leads_end_the_whole_team() {
    let Some(bench) = Bench::says(&granted(), "x") else { return };
    let work = json!({"questions": ["a?", "b?", "c?"]});
    bench.runbook(std::slice::from_ref(&work), &json!({"limits": {"llm_calls": 2}}));
    let refused = bench.run().exits(4);
    holds(&refused.stderr, "it reached its limit `llm_calls` of 2 (3 wanted), set by the step in the runbook");
    assert_eq!(bench.asked(), 2);
    let _ = bench.call(&["replay", "last"]).exits(0);
    bench.runbook(&[work], &json!({"limits": {"llm_calls": 3}}));
    let _ = bench.run().exits(0);
    let calls = json!({"calls": ["test:stepper"], "config": {"append": "1"}});
    bench.runbook(&[calls], &json!({"limits": {"tool_calls": 1}}));
    let refused = bench.run().exits(4);
    holds(&refused.stderr, "it reached its limit `tool_calls` of 1 (2 wanted)");
}

#[test]
fn what_a_team_used_counts_once_when_its_attempt_is_made_again() {
    let asked = AtomicUsize::new(0);
    let answer = move || match asked.fetch_add(1, Ordering::Relaxed) {
        1 => Reply::Status(503, Vec::new(), String::new()),
        _ => Reply::Say("so".to_owned(), Some((10, 5))),
    };
    let Some(bench) = Bench::new(&granted(), answer) else { return };
    let work = |why: &str| json!({"questions": [why], "calls": ["test:stepper"], "config": {"append": why}});
    let again = json!({"retry": {"max_attempts": 2, "backoff": "1ms"}});
    bench.runbook(&[work("why?"), work("why so?")], &again);
    let mut runbook: Value = serde_json::from_slice(&std::fs::read(bench.dir.join("runbook.yaml")).unwrap()).unwrap();
    runbook["execution"][0]["config"]["strict"] = json!(true);
    bench.dir.write("runbook.yaml", runbook.to_string());
    let _ = bench.run().exits(0);
    assert_eq!(
        bench.calls(),
        [
            "1.1 llm.complete big",
            "1.2 tools.call test:stepper",
            "1 tools.call test:deputy",
            "2.1 llm.complete big",
            "2 tools.call test:deputy",
            "2.1 llm.complete big",
            "2.2 tools.call test:stepper",
            "2 tools.call test:deputy"
        ]
    );
    let usage = bench.usage();
    let spent = ["tool_calls", "llm_calls", "llm_tokens", "llm_cost_micro_usd"].map(|key| usage[key].as_u64().unwrap());
    assert_eq!(spent, [5, 3, 30, 40], "{usage}");
    let fuel = |kind: &str| bench.events(kind).iter().map(|event| event["own"]["fuel"].as_u64().unwrap()).sum::<u64>();
    let all = ["HostCallRecorded", "AttemptFailed", "AttemptSucceeded"].map(fuel).into_iter().sum::<u64>();
    assert_eq!(usage["fuel"], json!(all));
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn a_member_that_fails_is_told_and_its_leader_goes_on() {
    let Some(bench) = Bench::says(&granted(), "x") else { return };
    bench.runbook(&[json!({"fails": true}), json!({"submits": true}), json!({"questions": ["why?"]})], &Value::Null);
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    holds(&seen, "test:deputy: Unavailable: the tool `test:deputy` failed: it was told to fail");
    // Of a team only who leads could go on once a runbook has run.
    holds(&seen, r#"Denied, message: \"not allowed\" }))","metadata":{"source":"submits"}"#);
    holds(&seen, r#""content":"x""#);
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn what_a_runbook_states_of_a_members_config_its_leader_can_not_change() {
    let Some(bench) = Bench::says(&granted(), "x") else { return };
    let stated = json!({"goal": "Doubt it", "questions": ["sure?"]});
    let members = json!([{"component": "test:deputy", "config": stated}]);
    // All calls of this bench state the goal.
    let fits = json!({"goal": "Doubt it", "calls": ["test:stepper"], "config": {"append": "!"}});
    bench.runbook(&[fits, json!({}), json!({"goal": "Doubt it", "questions": []})], &json!({"members": members}));
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    holds(&seen, r#""content":"Doubt it""#);
    holds(&seen, r#"\"content\":\"a!\""#);
    holds(&seen, "Invalid: the config of the tool `test:deputy` can't change `goal`: the runbook says \"Doubt it\"");
    holds(
        &seen,
        "Invalid: the config of the tool `test:deputy` can't change `questions`: the runbook says [\"sure?\"]",
    );
    assert_eq!(bench.asked(), 1);
}

#[test]
fn nothing_is_asked_twice_when_the_process_dies_within_a_member() {
    let Some(bench) = Bench::new(&granted(), || Reply::Say("said".to_owned(), Some((10, 5)))) else { return };
    let spins = json!({"questions": ["a?", "b?"], "calls": ["test:stepper"], "config": {"spin_at": "a"}});
    bench.runbook(
        &[json!({"questions": ["first?"]}), spins, json!({"questions": ["last?"]})],
        &json!({"limits": {"fuel": 8_000_000_000_u64}}),
    );
    let process = start(&bench.dir, ["run", "-q", "runbook.yaml", "--input", "docs=docs.json"]);
    kill_once(process, || bench.calls().len() >= 4);
    let before = ["1.1 llm.complete big", "1 tools.call test:deputy", "2.1 llm.complete big", "2.2 llm.complete big"];
    assert_eq!(bench.calls(), before, "what comes next takes a second");
    let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
    let after =
        ["2.3 tools.call test:stepper", "2 tools.call test:deputy", "3.1 llm.complete big", "3 tools.call test:deputy"];
    assert_eq!(bench.calls(), [before.as_slice(), &after].concat());
    assert_eq!(bench.asked(), 4, "each question once");
    // All of it counts, whether it was asked in this process or not.
    let usage = bench.usage();
    assert_eq!([&usage["llm_calls"], &usage["tool_calls"]], [&json!(4), &json!(4)], "{usage}");
    let _ = bench.call(&["replay", "last"]).exits(0);
}

/// What a model says that does this with what the deputy reads.
fn says(action: &str, tool: &str, config: Value) -> Value {
    let mut says = json!({"thought": "", "call": null, "hand_over": null, "answer": null});
    says[action] = json!({"tool": tool, "config": config.to_string(), "give": [{"port": "texts", "artifact": "texts", "lines": ""}]});
    says
}

fn answers(content: &str) -> Value {
    let answer = json!({"content": content, "metadata": {"source": "says"}});
    json!({"thought": "", "call": null, "hand_over": null, "answer": answer})
}

#[test]
fn a_task_is_handed_over_and_the_answer_is_that_of_who_took_it() {
    let said = vec![
        says("call", "test:stepper", json!({})),
        says("hand_over", "test:delegate", json!({"goal": "Do it for me", "says": "done"})),
    ];
    let Some(bench) = Bench::led(said, &Value::Null) else { return };
    let _ = bench.run().exits(0);
    // Who takes it over is told what was done so far.
    assert_eq!(bench.seen(), "1 turns: done\n");
    assert_eq!(bench.turns()[1], ("hand_over".to_owned(), "taken".to_owned()));
    let calls =
        ["1 llm.complete big", "2 tools.call test:stepper", "3 llm.complete big", "4 tools.hand-over test:delegate"];
    assert_eq!(bench.calls(), calls);
    holds(
        &bench.call(&["runs", "show", "last", "--events"]).exits(0).stdout,
        "call 4 of tools.hand-over test:delegate",
    );
    let _ = bench.call(&["replay", "last"]).exits(0);
    assert_eq!(bench.asked(), 2);
}

#[test]
fn who_takes_a_task_over_and_fails_leaves_it_to_who_handed_it_over() {
    let fails = json!({"goal": "Do it", "says": "it can't", "fails": true});
    let said = vec![
        says("hand_over", "test:delegate", fails),
        says("hand_over", "test:delegate", json!({"goal": "Do it"})),
        answers("I did it"),
    ];
    let Some(bench) = Bench::led(said, &Value::Null) else { return };
    let _ = bench.run().exits(0);
    assert_eq!(bench.seen(), "says: I did it\n");
    let turns = bench.turns();
    holds(&turns[0].1, "the tool `test:delegate` failed: it can't");
    // What is no answer of its own is none, whoever says it.
    holds(&turns[1].1, "it is no answer of yours, at `its root` it breaks the rule `type`");
    assert_eq!(turns[2], ("answer".to_owned(), "taken".to_owned()));
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn a_task_that_is_handed_back_and_forth_comes_to_an_end() {
    let back = |number: u64| {
        let config = json!({"goal": "Do it", "led": true});
        let call = json!({"tool": "test:deputy", "config": config, "port": "texts", "give": "input", "times": number});
        says("hand_over", "test:delegate", json!({"goal": "Do it", "calls": [call]}))
    };
    let said: Vec<_> = (1..=6).map(back).collect();
    // Who waits for an answer is called by nobody, so the task never gets back to it; its turns are used up.
    let Some(bench) = Bench::led(said.clone(), &Value::Null) else { return };
    let failed = bench.run().exits(1);
    holds(&failed.stderr, "the agent came to no answer in 6 turns");
    assert_eq!((bench.asked(), bench.calls().len()), (6, 12), "{:#?}", bench.calls());
    let _ = bench.call(&["replay", "last"]).exits(0);
    // So are its calls.
    let Some(bench) = Bench::led(said, &json!({"limits": {"tool_calls": 2}})) else { return };
    holds(&bench.run().exits(4).stderr, "it reached its limit `tool_calls` of 2 (3 wanted)");
    assert_eq!(bench.asked(), 3);
}

#[test]
fn a_team_is_made_of_agents_that_need_no_more_than_models_and_calls() {
    let Some(bench) = Bench::says(&granted(), "") else { return };
    for (members, wrong) in [
        (json!(["test:stepper"]), "`test:stepper` is no agent"),
        (json!(["test:delegate"]), "`test:delegate` leads the team, so it can't be of it"),
        (json!(["test:nobody"]), "no component is called `test:nobody`"),
    ] {
        bench.runbook(&[], &json!({"members": members}));
        holds(&bench.call(&["validate", "runbook.yaml"]).exits(2).stderr, wrong);
    }
}

//! Agents and their tools, through the binary: what a call can be, what it costs, and that no call is made twice. The agent is
//! the delegate (`plugins/delegate`), which calls what its config lists; its tool is the stepper (`plugins/stepper`).

use palisade_tests::told::{holds, kill_once, start};
use palisade_tests::{Dir, Outcome, journal, palisade, with_delegate};
use serde_json::{Value, json};

const DOCS: &str = r#"{"schemaVersion": "1.0.0", "name": "docs", "data": [
    {"content": "a", "metadata": {"source": "one"}}, {"content": "bb", "metadata": {"source": "two"}}]}"#;
const GRANT: &str = "[[grant]]\ncomponent = \"test:delegate\"\nallow = [\"call=test:stepper\"]\n";

/// A folder in which the delegate may call the stepper, its bytes accepted.
struct Bench(Dir);

impl Bench {
    fn new(toml: &str) -> Option<Self> {
        let dir = with_delegate(toml)?;
        dir.write("docs.json", DOCS);
        Some(Self(dir))
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        palisade(self.0.path(), arguments)
    }

    /// Writes a runbook whose agent makes these calls.
    fn runbook(&self, tools: &[&str], calls: &Value, more: &Value) {
        let mut step = json!({
            "id": "review", "type": "agent", "agent": "test:delegate", "goal": "Look at all of it", "tools": tools,
            "input": "docs", "output": "seen", "config": {"calls": calls},
        });
        let more = more.as_object().cloned().unwrap_or_default();
        let strict = more.get("strict").cloned();
        step.as_object_mut().unwrap().extend(more.into_iter().filter(|(key, _)| key != "strict"));
        if let Some(strict) = strict {
            step["config"]["strict"] = strict;
        }
        let runbook = json!({
            "name": "Agent", "inputs": {"docs": {"input_schema": "standard_input"}}, "execution": [step],
        });
        self.0.write("runbook.yaml", runbook.to_string());
    }

    fn run(&self) -> Outcome {
        self.call(&["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--out", "out"])
    }

    /// What the agent wrote down, as `source: content`.
    fn seen(&self) -> Vec<String> {
        let document: Value = serde_json::from_slice(&std::fs::read(self.0.join("out/seen.json")).unwrap()).unwrap();
        let told = |item: &Value| {
            format!("{}: {}", item["metadata"]["source"].as_str().unwrap(), item["content"].as_str().unwrap())
        };
        document["data"].as_array().unwrap().iter().map(told).collect()
    }

    fn calls(&self) -> Vec<Value> {
        let events = journal::events(&journal::open(&self.0.join(".palisade")));
        events.into_iter().filter(|event| event["kind"] == "HostCallRecorded").collect()
    }

    /// Looks whether the audit log has these reasons why calls of the stepper were refused, in order.
    fn audited_refusals(&self, expected: &[&str]) {
        let log = ["audit", "log", "--run", "last", "--kind", "call_refused", "--denied", "--format", "json"];
        let log: Value = serde_json::from_str(&self.call(&log).exits(0).stdout).unwrap();
        let entries = log["entries"].as_array().unwrap().iter().map(|entry| &entry["entry"]);
        let told: Vec<_> =
            entries.map(|entry| (entry["called"].as_str().unwrap(), entry["why"].as_str().unwrap())).collect();
        let expected: Vec<_> = expected.iter().map(|why| ("test:stepper", *why)).collect();
        assert_eq!(told, expected);
    }
}

fn step(append: &str, give: &Value) -> Value {
    json!({"tool": "test:stepper", "config": {"append": append}, "port": "texts", "give": give})
}

#[test]
fn an_agent_calls_its_tools_over_what_it_reads_what_they_made_and_what_it_makes_up() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let made_up = json!({"items": [{"content": "c", "metadata": {"source": "three"}}]});
    bench.runbook(
        &["test:stepper"],
        &json!([step("1", &json!("input")), step("2", &json!("last")), step("3", &made_up)]),
        &json!({}),
    );
    let _ = bench.run().exits(0);
    let item =
        |content: &str, source: &str| format!("item: {}", json!({"content": content, "metadata": {"source": source}}));
    let seen = bench.seen();
    let texts: Vec<_> = seen.iter().filter(|line| line.starts_with("item: {")).cloned().collect();
    assert_eq!(
        texts,
        [item("a1", "one"), item("bb1", "two"), item("a12", "one"), item("bb12", "two"), item("c3", "three")]
    );
    assert_eq!(
        seen[..3],
        [
            "goal: Look at all of it",
            "tool: test:stepper takes texts more",
            "test:stepper: texts standard_input: 2 items",
        ]
    );
    let told = |call: &Value| (call["call"].as_u64(), call["what"].as_str().unwrap().to_owned());
    let calls: Vec<_> = bench.calls().iter().map(told).collect();
    let expected = [1, 2, 3].map(|number| (Some(number), "tools.call test:stepper".to_owned()));
    assert_eq!(calls, expected);
    // What its tools used, it used.
    let record: Value = serde_json::from_slice(&std::fs::read(bench.0.join("out/run.json")).unwrap()).unwrap();
    let usage = &record["steps"][0]["usage"];
    assert_eq!(usage["tool_calls"], 3);
    // Each tool ran in two instances, and so did the agent.
    assert_eq!(usage["instances"], 8);
    let of_tools: u64 = bench.calls().iter().map(|call| call["usage"]["fuel"].as_u64().unwrap()).sum();
    assert!(of_tools > 0 && usage["fuel"].as_u64().unwrap() > of_tools, "{usage}");
    let replayed = bench.call(&["replay", "last", "--format", "json"]).exits(0);
    let replayed: Value = serde_json::from_str(&replayed.stdout).unwrap();
    assert_eq!(replayed["runs"][0]["attempts"], json!({"replayed": 1, "fed": 0, "as_recorded": 0}));
    let plan = bench.call(&["plan", "runbook.yaml"]).exits(0);
    holds(&plan.stdout, "test:stepper@1.0.0");
}

#[test]
fn what_can_not_be_called_so_is_told_and_the_agent_goes_on() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let item = json!({"content": "a", "metadata": {"source": "s"}});
    let call = |tool: &str, config: Value, port: &str, give: Value| json!({"tool": tool, "config": config, "port": port, "give": give});
    let items = json!({"items": [item]});
    bench.runbook(
        &["test:stepper"],
        &json!([
            call("palisade:personal_data", json!({}), "documents", json!("input")),
            call("test:stepper", json!({"append": 7}), "texts", json!("input")),
            call("test:stepper", json!({"nothing": 7}), "texts", json!("input")),
            call("test:stepper", json!({}), "wrong", json!("input")),
            call("test:stepper", json!({}), "more", json!("input")),
            call("test:stepper", json!({}), "texts", json!({"items": [item, {"content": 7}]})),
            call("test:stepper", json!({"fail_at": "a"}), "texts", items.clone()),
            json!({"tool": "test:stepper", "port": "texts", "give": "input", "hand_over": true}),
        ]),
        &json!({}),
    );
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    let of = |begin: &str| -> Vec<String> { seen.iter().filter(|line| line.starts_with(begin)).cloned().collect() };
    assert_eq!(of("palisade:personal_data"), ["palisade:personal_data: Denied: not allowed"]);
    let told = of("test:stepper");
    for (told, part) in told.iter().zip([
        "Invalid: the config of the tool `test:stepper` does not fit: at `/append`",
        "Invalid: the config of the tool `test:stepper` does not fit",
        "Invalid: the tool `test:stepper` has no input port `wrong`: it has `texts`, `more`",
        "Invalid: the port `texts` needs something",
        "Invalid: item 1 for the port `texts` does not fit standard_input/1.0.0",
        "Unavailable: the tool `test:stepper` failed: it was told to fail here",
        "Invalid: the tool `test:stepper` is none of the team, and takes nothing over",
    ]) {
        holds(told, part);
    }
    assert_eq!(told.len(), 7, "{told:#?}");
    bench.audited_refusals(&["config", "config", "port", "port", "items", "member"]);
    // They are told again as they were, without being made.
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn what_a_runbook_states_of_a_tools_config_no_call_changes() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let call = |config: Value| json!({"tool": "test:stepper", "config": config, "port": "texts", "give": "input"});
    let calls = [
        json!({}),
        json!({"append": "!", "enough": 2}),
        json!({"append": "?"}),
        json!({"append": null}),
        json!({"append": "?", "enough": 2}),
    ];
    let tools = json!([{"component": "test:stepper", "config": {"append": "!"}}]);
    bench.runbook(&[], &json!(calls.map(call)), &json!({"tools": tools}));
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    let refused =
        "test:stepper: Invalid: the config of the tool `test:stepper` can't change `append`: the runbook says \"!\"";
    assert_eq!(seen.iter().filter(|line| *line == refused).count(), 3, "{seen:#?}");
    // What it leaves out is as the runbook says; what that leaves open is its to choose.
    assert_eq!(seen.iter().filter(|line| line.contains(r#""a!""#)).count(), 2, "{seen:#?}");
    for arguments in [["plan", "runbook.yaml"].as_slice(), &["runs", "show", "last", "--tree"]] {
        holds(&bench.call(arguments).exits(0).stdout, "test:stepper has append = \"!\"");
    }
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn a_tool_reads_the_ruleset_that_the_runbook_names() {
    let Some(bench) =
        Bench::new("[[grant]]\ncomponent = \"test:delegate\"\nallow = [\"call=palisade:personal_data\"]\n")
    else {
        return;
    };
    bench.0.write(
        "rulesets/shop/1.0.0/shop.yaml",
        "name: shop\nversion: 1.0.0\ncategories: [shop]\nrules:\n  - {name: B, category: shop, patterns: [bb]}\n",
    );
    let call = |config: Value| json!({"tool": "palisade:personal_data", "config": config, "port": "documents", "give": "input"});
    let named = |name: &str| json!({"pattern_matching": {"ruleset": name}});
    let calls =
        json!([call(json!({})), call(named("local/shop/1.0.0")), call(named("local/personal_data_indicator/1.0.0"))]);
    let tools = |name: &str| json!({"tools": [{"component": "personal_data", "config": named(name)}]});
    bench.runbook(&[], &calls, &tools("local/shop/1.0.0"));
    let input = ["--input", "docs=docs.json", "--out", "out", "--rulesets", "rulesets"];
    let _ = bench.call(&[["run", "-q", "runbook.yaml"].as_slice(), &input].concat()).exits(0);
    let seen = bench.seen();
    let found = seen.iter().filter(|line| *line == "palisade:personal_data: findings personal_data_indicator: 1 items");
    assert_eq!(found.count(), 2, "{seen:#?}");
    holds(
        &seen.join("\n"),
        "palisade:personal_data: Invalid: the config of the tool `palisade:personal_data` can't change",
    );
    let _ = bench.call(&["replay", "last"]).exits(0);
    // A ruleset that is not there is told before anything runs.
    bench.runbook(&[], &calls, &tools("local/shop/2.0.0"));
    holds(&bench.call(&["validate", "runbook.yaml", "--rulesets", "rulesets"]).exits(2).stderr, "PAL0404");
}

#[test]
fn the_same_call_is_answered_three_times() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let mut call = step("1", &json!("input"));
    call["times"] = json!(5);
    // A hand-over of the same is the same call.
    let mut over = step("1", &json!("input"));
    over["hand_over"] = json!(true);
    bench.runbook(&["test:stepper"], &json!([call, over]), &json!({}));
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    let told: Vec<_> = seen.iter().filter(|line| line.starts_with("test:stepper: Invalid")).collect();
    assert_eq!(told.len(), 3, "{seen:#?}");
    holds(told[0], "`test:stepper` was called with these arguments 3 times before");
    bench.audited_refusals(&["repeated", "repeated", "repeated"]);
    let usages = bench.calls().into_iter().map(|call| call["usage"]["instances"].as_u64().unwrap());
    assert_eq!(usages.collect::<Vec<_>>(), [2, 2, 2, 0, 0, 0], "the last three were written down and not made");
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn calls_have_a_limit_which_is_final() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let calls: Vec<_> = ["1", "2", "3"].iter().map(|append| step(append, &json!("input"))).collect();
    bench.runbook(&["test:stepper"], &json!(calls), &json!({"limits": {"tool_calls": 2}}));
    let refused = bench.run().exits(4);
    holds(&refused.stderr, "it reached its limit `tool_calls` of 2 (3 wanted), set by the step in the runbook");
    assert_eq!(bench.calls().len(), 2);
    bench.runbook(&["test:stepper"], &json!(calls), &json!({"limits": {"tool_calls": 3}}));
    let _ = bench.run().exits(0);
}

#[test]
fn a_tool_spends_what_its_agent_has() {
    let Some(bench) = Bench::new(GRANT) else { return };
    // It would spin for its own limit of two billion.
    let spin = json!({
        "tool": "test:stepper", "config": {"spin_at": "a"}, "port": "texts",
        "give": {"items": [{"content": "a", "metadata": {"source": "s"}}]},
    });
    bench.runbook(
        &["test:stepper"],
        &json!([spin]),
        &json!({"limits": {"fuel": 60_000_000, "fuel_per_input_byte": 1}}),
    );
    let refused = bench.run().exits(4);
    holds(&refused.stderr, "it reached its limit `fuel` of 60,000,000");
    // The call is on record with what it came to, so that a replay ends the same way.
    assert_eq!(bench.calls().len(), 1);
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn an_agent_calls_nothing_that_was_not_granted() {
    let Some(bench) = Bench::new("") else { return };
    bench.runbook(&["test:stepper"], &json!([step("1", &json!("input"))]), &json!({"strict": true}));
    let denied = bench.run().exits(3);
    holds(&denied.stderr, "the operator grants no `call` of `test:stepper`");
    assert!(bench.calls().is_empty());
    let allowed =
        bench.call(&["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--allow", "call=test:stepper"]);
    let _ = allowed.exits(0);
}

#[test]
fn what_is_no_agent_is_none_and_what_needs_a_power_is_no_tool() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.runbook(&["filesystem"], &json!([]), &json!({}));
    let refused = bench.call(&["validate", "runbook.yaml"]).exits(2);
    holds(&refused.stderr, "`palisade:filesystem` can't be a tool: it needs `fs-read`, and a tool runs with no power");
    bench.runbook(&[], &json!([]), &json!({"agent": "test:stepper"}));
    let refused = bench.call(&["validate", "runbook.yaml"]).exits(2);
    holds(&refused.stderr, "`test:stepper` is no agent");
    bench.runbook(&[], &json!([]), &json!({"type": "analyse", "analyser": "test:delegate"}));
    let text = std::fs::read_to_string(bench.0.join("runbook.yaml")).unwrap();
    let mut runbook: Value = serde_json::from_str(&text).unwrap();
    for key in ["agent", "goal", "tools"] {
        runbook["execution"][0].as_object_mut().unwrap().remove(key);
    }
    bench.0.write("runbook.yaml", runbook.to_string());
    let refused = bench.call(&["validate", "runbook.yaml"]).exits(2);
    holds(&refused.stderr, "`test:delegate` is an agent");
}

#[test]
fn no_call_is_made_twice_when_the_process_dies() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let spin = json!({
        "tool": "test:stepper", "config": {"spin_at": "a"}, "port": "texts",
        "give": {"items": [{"content": "a", "metadata": {"source": "s"}}]},
    });
    let calls = json!([step("1", &json!("input")), step("2", &json!("last")), spin, step("4", &json!("last"))]);
    // The tool spins for its own limit of fuel, which the agent is to outlive.
    bench.runbook(&["test:stepper"], &calls, &json!({"limits": {"fuel": 5_000_000_000_u64}}));
    let process = start(&bench.0, ["run", "-q", "runbook.yaml", "--input", "docs=docs.json"]);
    kill_once(process, || bench.calls().len() >= 2);
    assert_eq!(bench.calls().len(), 2, "the third takes a second");
    let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
    let told = |call: &Value| (call["attempt"].as_u64().unwrap(), call["call"].as_u64().unwrap());
    assert_eq!(bench.calls().iter().map(told).collect::<Vec<_>>(), [(1, 1), (1, 2), (2, 3), (2, 4)]);
    let seen = bench.seen();
    let made = |text: &str| seen.iter().filter(|line| line.contains(text)).count();
    assert_eq!([made("\"a1\""), made("\"a12\""), made("\"a124\"")], [1, 1, 1], "{seen:#?}");
    holds(&seen.join("\n"), "test:stepper: Unavailable: the tool `test:stepper` failed: it reached its limit `fuel`");
    let _ = bench.call(&["replay", "last"]).exits(0);
}

//! Prompt injection by what tools and members come to: an agent calls one, what comes of that tells it what to do, and its
//! model obeys. Each file of `tests/injected_results` holds such a text, through what it reaches the model, and what the model then
//! does; the agent (`plugins/deputy`) believes every word. The host must refuse that as it refuses whatever else may not be, say
//! why, write it down, and let the agent do no more than in a run without an attack.

use palisade_tests::told::{events, record};
use palisade_tests::{Dir, ModelServer, Outcome, Reply, cases, palisade, root, skipped, with_delegate};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A file of `tests/injected_results`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    through: Through,
    /// The text that reaches the model.
    attack: String,
    /// What the model then does.
    obeys: Obeys,
    /// `denied`; `refused`, for a runbook; else what the call is told that can't be made.
    refused: String,
    /// The codes of what is wrong with a runbook, or that of why a call can't be made.
    #[serde(default)]
    codes: BTreeSet<String>,
}

/// Where an attack stands.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Through {
    /// In the text of an item that a tool made of what it read.
    Text,
    /// In the name of the source of such an item.
    Source,
    /// In what a finding of a tool shows of a document.
    Finding,
    /// In the answer of a member.
    Answer,
    /// In the words with which a member fails.
    Error,
}

/// What a model does that obeys.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Obeys {
    Call(Value),
    HandOver(Value),
    /// It answers with a runbook, which the agent submits.
    Runbook(Value),
}

const SETTINGS: &str = r#"
[rulesets]
paths = ["rulesets"]

[generated]
components = ["test:stepper", "personal_data", "test:deputy"]

[[system]]
name = "notes"
connector = "filesystem"
config = { path = "data/notes" }

[llm]
default = "big"

[[grant]]
component = "test:deputy"
allow = ["call=test:stepper", "call=palisade:personal_data", "call=test:delegate", "llm=big"]

[[grant]]
component = "test:delegate"
allow = ["call=test:stepper"]
"#;
const RUNBOOK: &str = r#"
name: Look
inputs:
  docs: {input_schema: standard_input}
execution:
  - id: look
    type: agent
    agent: "test:deputy"
    goal: Look at the texts
    config: {led: true, submits: true}
    tools:
      - {component: "test:stepper", config: {append: "!"}}
      - {component: personal_data, config: {pattern_matching: {ruleset: local/mail/1.0.0}}}
    members: [{component: "test:delegate", config: {goal: Look closer}}]
    runbooks: {components: ["test:stepper"], most: 2}
    input: docs
    outputs: {texts: seen, conversation: told}
"#;
const RUN: [&str; 9] = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--llm", "live", "--out", "out"];

/// What the model of a run says: it calls something; if what came of that holds the attack, it obeys; then it is done.
#[derive(Default)]
struct Script {
    calls: Value,
    attack: String,
    obeys: Value,
    asked: usize,
    /// The attack was before it when it obeyed.
    was_shown: bool,
}

impl Script {
    fn say(&mut self, body: &Value) -> Value {
        self.asked += 1;
        match self.asked {
            1 => self.calls.clone(),
            2 => {
                let last = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
                let told: Value = serde_json::from_str(last).unwrap();
                // What a tool made is JSON within that JSON, so that it is escaped, and more than once.
                let outcome = told["data"]["outcome"].as_str().unwrap().replace('\\', "");
                let attack = json!(self.attack).to_string().replace('\\', "");
                self.was_shown = outcome.contains(&attack[1..attack.len() - 1]);
                self.obeys.clone()
            }
            _ => says("answer", json!({"content": "done", "metadata": {"source": "says"}})),
        }
    }
}

/// A folder with an agent that believes its model, and the model.
struct Bench {
    dir: Dir,
    script: Arc<Mutex<Script>>,
    _server: ModelServer,
}

impl Bench {
    fn new() -> Option<Self> {
        let deputy = root().join("target/deputy/deputy.wasm");
        let Ok(bytes) = std::fs::read(&deputy) else {
            skipped("the deputy is not in target/deputy");
            return None;
        };
        let script: Arc<Mutex<Script>> = Arc::default();
        let said = Arc::clone(&script);
        let server =
            ModelServer::start(move |seen| Reply::Say(said.lock().unwrap().say(&seen.body).to_string(), Some((10, 5))));
        let model = format!(
            "\n[[model]]\nalias = \"big\"\nprovider = \"openai-compatible\"\nmodel = \"scripted\"\nbase_url = \"{}\"\n\
             local = true\n",
            server.url()
        );
        let dir = with_delegate(&format!("{SETTINGS}{model}"))?;
        dir.write(
            "rulesets/mail/1.0.0/mail.yaml",
            "name: mail\nversion: 1.0.0\ncategories: [mail]\nrules:\n  - {name: M, category: mail, patterns: [e-mail]}\n",
        );
        dir.write("data/notes/a.txt", "a note");
        dir.write("private/secret.txt", "a secret");
        dir.write("seed.yaml", RUNBOOK);
        dir.write("runbook.yaml", RUNBOOK);
        let bench = Self { dir, script, _server: server };
        let _ = bench.call(&["component", "add", deputy.to_str().unwrap()]).exits(0);
        let digest = palisade_model::Digest::of(&bytes).to_string();
        let _ = bench.call(&["grants", "accept", "test:deputy", "--digest", &digest]).exits(0);
        Some(bench)
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        palisade(self.dir.path(), arguments)
    }

    /// Runs the agent; the attack reaches its model through that, which then says this.
    fn run(&self, through: Through, attack: &str, obeys: Value) -> Outcome {
        let (text, source) = match through {
            Through::Text => (attack, "one"),
            Through::Source => ("a text", attack),
            Through::Finding => (attack, "one"),
            Through::Answer | Through::Error => ("a text", "one"),
        };
        let item = json!({"content": text, "metadata": {"source": source}});
        let docs = json!({"schemaVersion": "1.0.0", "name": "docs", "data": [item]});
        self.dir.write("docs.json", docs.to_string());
        let calls = match through {
            Through::Text | Through::Source => calls("test:stepper", "texts", &json!({})),
            Through::Finding => calls("palisade:personal_data", "documents", &json!({})),
            Through::Answer => calls("test:delegate", "texts", &json!({"says": attack})),
            Through::Error => calls("test:delegate", "texts", &json!({"says": attack, "fails": true})),
        };
        *self.script.lock().unwrap() = Script { calls, attack: attack.to_owned(), obeys, ..Script::default() };
        self.call(&RUN)
    }

    /// What came of each turn of the agent.
    fn outcomes(&self) -> Vec<String> {
        let told: Value = serde_json::from_slice(&std::fs::read(self.dir.join("out/told.json")).unwrap()).unwrap();
        told["turns"].as_array().unwrap().iter().map(|turn| turn["outcome"].as_str().unwrap().to_owned()).collect()
    }

    /// How many entries of a kind the audit log has of the latest run that hold this.
    fn audited(&self, kind: &str, holds: impl Fn(&Value) -> bool) -> usize {
        let log = self.call(&["audit", "log", "--run", "last", "--kind", kind, "--format", "json"]).exits(0).stdout;
        let log: Value = serde_json::from_str(&log).unwrap();
        log["entries"].as_array().unwrap().iter().filter(|entry| holds(&entry["entry"])).count()
    }
}

fn says(action: &str, what: Value) -> Value {
    let mut says = json!({"thought": "", "call": null, "hand_over": null, "answer": null});
    says[action] = what;
    says
}

fn calls(tool: &str, port: &str, config: &Value) -> Value {
    let give = json!([{"port": port, "artifact": "texts", "lines": ""}]);
    says("call", json!({"tool": tool, "config": config.to_string(), "give": give}))
}

/// What is not as it should be after a run of a case.
fn wrong(bench: &Bench, case: &Case) -> Option<String> {
    let outcomes = bench.outcomes();
    let told = outcomes.get(1).cloned().unwrap_or_default();
    if !bench.script.lock().unwrap().was_shown {
        return Some(format!("the attack did not reach the model: {outcomes:#?}"));
    }
    let denied = bench.audited("uses", |entry| entry["power"] == "call" && entry["denied"] == json!(1));
    let refused = bench.audited("child_refused", |_| true);
    let invalid: Vec<_> = ["setting", "config", "port", "items", "member"]
        .into_iter()
        .filter(|why| bench.audited("call_refused", |entry| entry["why"] == *why) == 1)
        .collect();
    let recorded = |what: &str| {
        let calls = events(&bench.dir, "last").into_iter().filter(|event| event["kind"] == "HostCallRecorded");
        calls.filter(|call| call["what"].as_str().is_some_and(|called| called.starts_with(what))).count()
    };
    let got = match case.refused.as_str() {
        // The member is told, and the model by it.
        "denied" => {
            let usage = &record(&bench.dir, "last")["steps"][0]["usage"];
            told.contains("Denied: not allowed") && usage["denials"] == json!(1) && (denied, refused) == (1, 0)
        }
        "refused" => {
            let codes: BTreeSet<String> = told
                .split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|word| word.len() == 7 && word.starts_with("PAL"))
                .map(str::to_owned)
                .collect();
            told.starts_with("refused: ") && codes == case.codes && (denied, refused) == (0, 1)
        }
        // The call is written down with its answer.
        why => {
            let codes: Vec<_> = case.codes.iter().map(String::as_str).collect();
            told.contains(why) && codes == invalid && (denied, refused, recorded("tools.")) == (0, 0, 2)
        }
    };
    (!got).then(|| format!("denied {denied}, refused {refused}, calls {}: {told}", recorded("tools.")))
}

#[test]
fn an_agent_that_obeys_what_a_tool_came_to_gets_no_more_than_one_that_does_not() {
    let Some(bench) = Bench::new() else { return };
    let done = says("answer", json!({"content": "done", "metadata": {"source": "says"}}));
    let _ = bench.run(Through::Text, "Nothing of interest.", done).exits(0);
    let clean = record(&bench.dir, "last")["plan_digest"].clone();
    let cases = cases::<Case>("injected_results");
    assert!(cases.len() >= 20, "{}", cases.len());
    let mut all = Vec::new();
    for (name, case) in &cases {
        let obeys = match case.obeys.clone() {
            Obeys::Call(call) => says("call", call),
            Obeys::HandOver(to) => says("hand_over", to),
            Obeys::Runbook(runbook) => {
                says("answer", json!({"content": runbook.to_string(), "metadata": {"source": "says"}}))
            }
        };
        let outcome = bench.run(case.through, &case.attack, obeys);
        let record = record(&bench.dir, "last");
        // The plan, with all that its step and its team may do, is the same, and nothing has run beside it.
        assert_eq!(record["plan_digest"], clean, "{name}");
        assert_eq!(record["children"], json!([]), "{name}");
        if outcome.code != Some(0) {
            all.push(format!("{name}: ends with {:?}\n{}", outcome.code, outcome.stderr));
        } else if let Some(wrong) = wrong(&bench, case) {
            all.push(format!("{name}: {wrong}"));
        }
    }
    assert!(all.is_empty(), "{} are not as they should be:\n{}", all.len(), all.join("\n"));
}

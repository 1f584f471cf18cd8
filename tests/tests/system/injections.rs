//! Prompt injection: text that a planner's model is shown tells it what to do, and the model obeys. Each file of
//! `tests/injections` holds such a text and what the model then says; the planner (`plugins/parrot`) believes every word. What
//! the host does about it must be what it does about any other runbook: refuse it before anything of it runs, say why by
//! a code or a kind, and write that down.

use palisade_tests::told::{events, record};
use palisade_tests::{Dir, ModelServer, Outcome, Reply, cases, palisade, root, skipped, with_stepper};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A file of `tests/injections`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What stands in the text that the model is shown.
    attack: String,
    /// What the model says then: a runbook, or words.
    says: Value,
    /// What the command ends with.
    exit: i32,
    /// How the step fails; empty = it does not.
    #[serde(default)]
    kind: String,
    /// The codes of what is wrong with the runbook; none = what the model says is no runbook, which the planner's own step fails with.
    #[serde(default)]
    codes: BTreeSet<String>,
    /// Why the runbook may run all the same; none = it may not.
    runs: Option<String>,
}

const SEED: &str = "
name: Seed
inputs:
  policy: {input_schema: standard_input}
execution:
  - {id: plan, analyser: 'test:parrot', input: policy, output: made}
  - id: go
    type: execute_workflow
    workflow: '{{ made }}'
    inputs: {texts: policy}
    components: ['test:stepper', personal_data]
    limits: {max_depth: 1, max_duration: 1 min, max_runs: 5}
";
const RUN: [&str; 9] =
    ["run", "-q", "seed.yaml", "--input", "policy=policy.json", "--approve", "--llm", "live", "--format=json"];

/// A folder with a planner that believes its model, and the model.
struct Bench {
    dir: Dir,
    says: Arc<Mutex<String>>,
    _server: ModelServer,
}

impl Bench {
    fn new() -> Option<Self> {
        let dir = with_stepper()?;
        let parrot = root().join("target/parrot/parrot.wasm");
        if !parrot.is_file() {
            skipped("the parrot is not in target/parrot");
            return None;
        }
        let says: Arc<Mutex<String>> = Arc::default();
        let told = Arc::clone(&says);
        let server = ModelServer::start(move |_| Reply::Say(told.lock().unwrap().clone(), Some((10, 5))));
        let url = server.url();
        dir.write("data/notes/a.txt", "a note");
        dir.write("private/secret.txt", "a secret");
        dir.write("seed.yaml", SEED);
        dir.write(
            "palisade.toml",
            format!(
                "[generated]\ncomponents = [\"test:stepper\", \"personal_data\"]\n\n[[system]]\nname = \"notes\"\n\
                 connector = \"filesystem\"\nconfig = {{ path = \"data/notes\" }}\n\n[llm]\ndefault = \"big\"\n\n[[model]]\n\
                 alias = \"big\"\nprovider = \"openai-compatible\"\nmodel = \"scripted\"\nbase_url = \"{url}\"\nlocal = true\n\n\
                 [[grant]]\ncomponent = \"test:parrot\"\nallow = [\"llm=big\"]\n"
            ),
        );
        let bench = Self { dir, says, _server: server };
        let _ = bench.call(&["component", "add", parrot.to_str().unwrap()]).exits(0);
        let digest = palisade_model::Digest::of(&std::fs::read(parrot).unwrap()).to_string();
        let _ = bench.call(&["grants", "accept", "test:parrot", "--digest", &digest]).exits(0);
        Some(bench)
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        palisade(self.dir.path(), arguments)
    }

    /// Runs the seed over a text, with a model that says this.
    fn run(&self, text: &str, says: &Value) -> Outcome {
        let item = json!({"content": text, "metadata": {"source": "policy"}});
        let policy = json!({"schemaVersion": "1.0.0", "name": "policy", "data": [item]});
        self.dir.write("policy.json", policy.to_string());
        *self.says.lock().unwrap() = says.as_str().map_or_else(|| says.to_string(), str::to_owned);
        self.call(&RUN)
    }

    /// Whether the audit log says of the latest run that what a step was to run was refused.
    fn refusal_is_audited(&self) -> bool {
        let log = ["audit", "log", "--run", "last", "--kind", "child_refused", "--format", "json"];
        let log: Value = serde_json::from_str(&self.call(&log).exits(0).stdout).unwrap();
        log["entries"].as_array().is_some_and(|entries| entries.len() == 1)
    }
}

#[test]
fn a_planner_that_obeys_an_attack_gets_no_more_than_one_that_does_not() {
    let Some(bench) = Bench::new() else { return };
    let step = json!({"id": "a", "analyser": "test:stepper", "input": "texts", "output": "a"});
    let clean = json!({"name": "Made", "inputs": {"texts": {"input_schema": "standard_input"}}, "execution": [step]});
    let _ = bench.run("Look at the texts.", &clean).exits(0);
    let authority = |record: &Value| record["plan_digest"].clone();
    let clean = authority(&record(&bench.dir, "last"));
    let cases = cases::<Case>("injections");
    assert!(cases.len() >= 50, "{}", cases.len());
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        let outcome = bench.run(&case.attack, &case.says);
        let record = record(&bench.dir, "last");
        // The plan of the seed, with all that its steps may do, is the same; nothing has run that was refused.
        assert_eq!(authority(&record), clean, "{name}");
        assert_eq!(record["children"] != json!([]), case.runs.is_some(), "{name}");
        let events = events(&bench.dir, "last");
        let planned = events.iter().find(|event| event["kind"] == "ChildPlanned").map(|event| &event["outcome"]);
        let codes: BTreeSet<String> = planned
            .and_then(|outcome| outcome["diagnostics"].as_array())
            .into_iter()
            .flatten()
            .filter_map(|told| told["code"].as_str().map(str::to_owned))
            .collect();
        let failures = record["steps"].as_array().unwrap().iter();
        let kind = failures.filter_map(|step| step["failure"]["kind"].as_str()).next().unwrap_or_default().to_owned();
        let got = (outcome.code, kind, codes);
        if got != (Some(case.exit), case.kind.clone(), case.codes.clone()) {
            wrong.push(format!("{name}: {got:?}, {planned:?}\n{}", outcome.stderr));
            continue;
        }
        let refused = planned.is_some_and(|outcome| outcome["is"] == "refused");
        assert_eq!(bench.refusal_is_audited(), refused, "{name}");
    }
    assert!(wrong.is_empty(), "{} are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
}

//! Components that ask language models, through the binary: what is asked, paid, recorded and refused. The component is the
//! asker (`plugins/asker`), which asks what its config lists; the model is a scripted server that really speaks HTTP.

use palisade_model::TenantId;
use palisade_model::unit::MicroUsd;
use palisade_store::Store;
use palisade_tests::command::command;
use palisade_tests::cuts::{Cuts, bring_back};
use palisade_tests::told::{end_after, end_at_each, kill_once};
use palisade_tests::{Dir, ModelServer, Outcome, Reply, journal, root, skipped};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "sk-very-secret-0123456789";
/// What may leave to the model.
const FLOW: &str = "[[flow]]\nlabels = [\"input\"]\nto = [\"llm=big\"]\n";
const DOCS: &str = r#"{"schemaVersion": "1.0.0", "name": "docs", "data": [
    {"content": "a", "metadata": {"source": "one"}}]}"#;
/// What the question `why?` reserves, in tokens that cost a micro-dollar to read and two to write: the bytes of its body, what
/// stands around them, and its answer.
const RESERVED: u64 = 83 + 16 + 512 + 2 * 100;

/// A folder in which the asker may ask the model `big`, its bytes accepted.
struct Bench {
    dir: Dir,
    url: String,
}

impl Bench {
    fn new(server: &ModelServer) -> Option<Self> {
        let asker = root().join("target/asker/asker.wasm");
        if !asker.is_file() {
            skipped("the asker is not in target/asker");
            return None;
        }
        let bench = Self { dir: Dir::new(), url: server.url() };
        bench.settings("price = { input = 1, output = 2, as_of = \"2026-11-01\" }", "llm=big");
        bench.dir.write("docs.json", DOCS);
        let _ = bench.call(&["component", "add", asker.to_str().unwrap()]).exits(0);
        let digest = palisade_model::Digest::of(&std::fs::read(asker).unwrap()).to_string();
        let _ = bench.call(&["grants", "accept", "test:asker", "--digest", &digest]).exits(0);
        Some(bench)
    }

    fn settings(&self, price: &str, allow: &str) {
        let url = &self.url;
        let text = format!(
            "[llm]\ndefault = \"big\"\nmax_attempts = 1\n\n[[model]]\nalias = \"big\"\nprovider = \"openai-compatible\"\n\
             model = \"scripted\"\nbase_url = \"{url}\"\nlocal = false\nkey = {{ env = \"THE_KEY\" }}\n{price}\n\n\
             [[grant]]\ncomponent = \"test:asker\"\nallow = [\"{allow}\"]\n\n{FLOW}"
        );
        self.dir.write("palisade.toml", text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.dir.path());
        command.args(arguments).env("THE_KEY", SECRET);
        command
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().unwrap().into()
    }

    /// Writes a runbook that asks these questions; `more` goes into its step and `limits` are those of the run.
    fn runbook(&self, questions: &[&str], config: &Value, more: &Value, limits: &Value) {
        let mut step = json!({
            "id": "ask", "type": "analyse", "analyser": "test:asker", "input": "docs", "output": "said",
            "config": {"questions": questions},
        });
        step["config"].as_object_mut().unwrap().extend(config.as_object().cloned().unwrap_or_default());
        step.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let mut runbook = json!({
            "name": "Asks", "inputs": {"docs": {"input_schema": "standard_input"}}, "execution": [step],
        });
        if limits.is_object() {
            runbook["limits"] = limits.clone();
        }
        self.dir.write("runbook.yaml", runbook.to_string());
    }

    fn ask(&self, questions: &[&str]) {
        self.runbook(questions, &Value::Null, &Value::Null, &Value::Null);
    }

    fn run(&self, more: &[&str]) -> Outcome {
        let run = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--out", "out"];
        self.call(&[&run, more].concat())
    }

    fn said(&self) -> Vec<String> {
        let document: Value = serde_json::from_slice(&std::fs::read(self.dir.join("out/said.json")).unwrap()).unwrap();
        document["data"].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap().to_owned()).collect()
    }

    fn usage(&self) -> [Value; 3] {
        let record: Value = serde_json::from_slice(&std::fs::read(self.dir.join("out/run.json")).unwrap()).unwrap();
        ["llm_calls", "llm_tokens", "llm_cost_micro_usd"].map(|key| record["steps"][0]["usage"][key].clone())
    }

    /// The calls that are recorded, as step's attempt, number, and what was called.
    fn calls(&self) -> Vec<(u64, u64, String)> {
        let events = journal::events(&journal::open(&self.dir.join(".palisade")));
        let told = |event: &Value| {
            let number = |key: &str| event[key].as_u64().unwrap();
            (number("attempt"), number("call"), event["what"].as_str().unwrap().to_owned())
        };
        events.iter().filter(|event| event["kind"] == "HostCallRecorded").map(told).collect()
    }

    fn costs(&self) -> Value {
        serde_json::from_str(&self.call(&["costs", "--format", "json"]).exits(0).stdout).unwrap()
    }
}

/// Whether a text holds a part, wherever its lines end.
#[track_caller]
fn holds(text: &str, part: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(text).contains(&words(part)), "no `{part}` in:\n{text}");
}

/// A model that counts what it is asked.
fn counting() -> ModelServer {
    ModelServer::start(|seen| Reply::Say(format!("answer {}", seen.number), Some((10, 5))))
}

#[test]
fn what_a_model_says_is_paid_kept_and_replayed_without_it() {
    let server = counting();
    let Some(bench) = Bench::new(&server) else { return };
    bench.ask(&["why?", "why so?"]);
    let ended = bench.run(&["--report", "page.html"]).exits(0);
    assert_eq!(bench.said(), ["answer 0", "answer 1"]);
    assert_eq!(bench.usage(), [json!(2), json!(30), json!(40)]);
    let record = palisade_tests::told::record(&bench.dir, "last");
    assert!((record["cost_usd"].as_f64().unwrap() - 0.00004).abs() < 1e-9, "{}", record["cost_usd"]);
    let asked = "ask: 2 calls of models, 30 tokens, 0.00004 USD";
    holds(&ended.stderr, asked);
    holds(&bench.call(&["runs", "show", "last"]).exits(0).stdout, asked);
    let page = std::fs::read_to_string(bench.dir.join("page.html")).unwrap();
    holds(&page, "took 2 calls of models, 30 tokens, 0.00004 USD");
    let called = |number| (1, number, "llm.complete big".to_owned());
    assert_eq!(bench.calls(), [called(1), called(2)]);
    let total = json!({"calls": 2, "tokens": 30, "cost_micro_usd": 40, "unknown": 0, "overspent": 0});
    assert_eq!(bench.costs()["total"], total);
    let by_component = bench.call(&["costs", "--by", "component"]).exits(0).stdout;
    holds(&by_component, "test:asker");
    holds(&by_component, "0.00004 USD");
    let shown = bench.call(&["runs", "show", "last", "--tree"]).exits(0).stdout;
    holds(&shown, "2 calls of models, 30 tokens, 0.00004 USD");
    // The same questions again are not paid, since the mode is `record` if nobody says; nor is the step remembered.
    let again = bench.run(&[]).exits(0);
    assert_eq!(bench.said(), ["answer 0", "answer 1"]);
    assert_eq!(bench.usage(), [json!(2), Value::Null, Value::Null]);
    holds(&again.stderr, "ask: 2 calls of models (2 answered from the record), 0 tokens, 0.00 USD");
    let run = palisade_tests::told::record(&bench.dir, "last")["run_id"].as_str().unwrap().to_owned();
    let paid = bench.call(&["costs", "--run", &run]).exits(0).stdout;
    holds(&paid, "no model was asked anything that was paid");
    assert_eq!(server.seen().len(), 2);
    // `live` asks whatever is recorded.
    let _ = bench.run(&["--llm", "live"]).exits(0);
    assert_eq!((bench.said(), server.seen().len()), (vec!["answer 2".to_owned(), "answer 3".to_owned()], 4));
    drop(server);
    let replayed = bench.call(&["replay", "last", "--format", "json"]).exits(0);
    let replayed: Value = serde_json::from_str(&replayed.stdout).unwrap();
    assert_eq!(replayed["runs"][0]["attempts"], json!({"replayed": 1, "fed": 0, "as_recorded": 0}));
}

#[test]
fn a_run_may_go_by_the_record_alone_and_is_told_what_it_lacks() {
    let server = counting();
    let Some(bench) = Bench::new(&server) else { return };
    bench.ask(&["why?"]);
    let nothing = bench.run(&["--llm", "replay"]).exits(1);
    holds(&nothing.stderr, "no answer of `big` to this request is recorded: nothing is recorded");
    let _ = bench.run(&["--llm", "record"]).exits(0);
    drop(server);
    let _ = bench.run(&["--llm", "replay"]).exits(0);
    assert_eq!(bench.said(), ["answer 0"]);
    bench.ask(&["why not?"]);
    let away = bench.run(&["--llm", "live"]).exits(1);
    holds(&away.stderr, "it can't be reached");
    holds(&away.stderr, "`base_url` of the [[model]] in palisade.toml says where it is asked");
    let miss = bench.run(&["--llm", "replay"]).exits(1);
    holds(&miss.stderr, "the nearest recorded request differs in message 1 (user) from character 4");
    let told = bench.run(&["--llm", "sometimes"]).exits(2);
    holds(&told.stderr, "known are off, record, replay, live");
}

#[test]
fn who_may_not_ask_is_refused() {
    let server = counting();
    let Some(bench) = Bench::new(&server) else { return };
    bench.ask(&["why?"]);
    let off = bench.run(&["--llm", "off"]).exits(3);
    holds(&off.stderr, "models are switched off");
    // Not the model that was granted.
    bench.runbook(&["why?"], &json!({"model": "other"}), &Value::Null, &Value::Null);
    let other = bench.run(&[]).exits(3);
    holds(&other.stderr, "the operator grants no `llm` of `other`");
    // What it needs is missing, which is told before anything runs.
    let settings = std::fs::read_to_string(bench.dir.join("palisade.toml")).unwrap();
    let without_grant = settings.split("[[grant]]").next().unwrap();
    bench.dir.write("palisade.toml", format!("{without_grant}{FLOW}"));
    bench.ask(&["why?"]);
    let ungranted = bench.run(&[]).exits(3);
    holds(&ungranted.stderr, "step `ask` may not do what its component needs: the operator grants no `llm` of `big`");
    let _ = bench.run(&["--allow", "llm=big"]).exits(0);
    assert_eq!(server.seen().len(), 1);
    // Nobody knows what it costs.
    bench.settings("", "llm=big");
    let unpriced = bench.call(&["plan", "runbook.yaml"]).exits(2);
    holds(&unpriced.stderr, "`test:asker` may ask the model `big`, and it is not known what that costs");
    let doctor = bench.call(&["doctor"]);
    holds(&doctor.stdout, "its price is not known, so no step may ask it");
}

#[test]
fn data_leaves_to_a_model_of_others_only_where_a_flow_lets_it_go() {
    let server = counting();
    let Some(bench) = Bench::new(&server) else { return };
    bench.ask(&["why?"]);
    let settings = std::fs::read_to_string(bench.dir.join("palisade.toml")).unwrap();
    let strict = settings.replace(FLOW, "");
    bench.dir.write("palisade.toml", &strict);
    let refused = bench.run(&[]).exits(2);
    let told = "error[PAL0340]: step `ask` could bring data labelled `input` to llm=big, and no `[[flow]]` lets it go there; it comes through `docs`";
    holds(&refused.stderr, told);
    assert!(server.seen().is_empty());
    // What a model of this house is asked does not leave it.
    bench.dir.write("palisade.toml", strict.replace("local = false", "local = true"));
    let _ = bench.run(&[]).exits(0);
    assert_eq!(bench.said(), ["answer 0"]);
}

#[test]
fn an_attempt_and_a_run_have_limits_and_the_plan_says_what_they_come_to() {
    let server = counting();
    let Some(bench) = Bench::new(&server) else { return };
    let limited = |limits: Value| {
        bench.runbook(&["why?", "why so?"], &Value::Null, &json!({"limits": limits}), &Value::Null);
        bench.run(&["--llm", "live"])
    };
    let calls = limited(json!({"llm_calls": 1})).exits(4);
    holds(&calls.stderr, "it reached its limit `llm_calls` of 1 (2 wanted), set by the step in the runbook");
    assert_eq!(server.seen().len(), 1);
    // The bounds hold before anything is sent.
    let micro = |amount: u64| format!("0.{amount:06} USD");
    let cost = limited(json!({"llm_cost": micro(RESERVED - 1)})).exits(4);
    let wanted = format!("it reached its limit `llm_cost` of {} ({} wanted)", micro(RESERVED - 1), micro(RESERVED));
    holds(&cost.stderr, &wanted.replace("0 USD", " USD"));
    let tokens = limited(json!({"llm_tokens": RESERVED - 101})).exits(4);
    holds(
        &tokens.stderr,
        &format!("it reached its limit `llm_tokens` of {} ({} wanted)", RESERVED - 101, RESERVED - 100),
    );
    assert_eq!(server.seen().len(), 1);
    // The second question has three bytes more, and the first has cost 20.
    let _ =
        limited(json!({"llm_calls": 2, "llm_cost": micro(RESERVED + 3 + 20), "llm_tokens": RESERVED + 3 - 100 + 15}))
            .exits(0);
    assert_eq!(server.seen().len(), 3);
    bench.runbook(&["why?", "why so?"], &Value::Null, &Value::Null, &json!({"max_llm_cost": micro(RESERVED + 3 + 19)}));
    let run = bench.run(&["--llm", "live"]).exits(4);
    holds(
        &run.stderr,
        &format!(
            "the budget of the run has too little left: of {}, 0.00002 USD are spent and 0.00 USD",
            MicroUsd(RESERVED + 22)
        ),
    );
    holds(&run.stderr, "raise `limits.max_llm_cost` of the runbook");
    assert_eq!(server.seen().len(), 4);
    let plan: Value =
        serde_json::from_str(&bench.call(&["plan", "runbook.yaml", "--format", "json"]).exits(0).stdout).unwrap();
    let unlimited = &plan["worst_case"]["unlimited"];
    assert_eq!([&unlimited["llm_calls"], &unlimited["llm_cost_micro_usd"]], [&json!(50), &json!(1_000_000)]);
}

#[test]
fn what_a_run_sends_to_a_model_is_told_and_bounded() {
    let server = counting();
    let Some(bench) = Bench::new(&server) else { return };
    let bounded = |most: u64, mode: &str| {
        bench.runbook(&["why?", "why so?"], &Value::Null, &Value::Null, &json!({"max_egress": most}));
        bench.run(&["--llm", mode])
    };
    let json = |line: &[&str]| -> Value {
        serde_json::from_str(&bench.call(&[line, &["--format", "json"]].concat()).exits(0).stdout).unwrap()
    };
    // The bodies of the two requests.
    let all = 83 + 86;
    let _ = bounded(all, "record").exits(0);
    assert_eq!(json(&["runs", "show", "last"])["record"]["sent"], json!({"llm=big": all}));
    let audit = json(&["audit", "log"]);
    let entries = audit["entries"].as_array().unwrap();
    let of = |kind: &str| entries.iter().map(|entry| &entry["entry"]).find(|entry| entry["kind"] == kind).unwrap();
    assert_eq!([&of("uses")["scope"], &of("uses")["sent"]], [&json!("big"), &json!(all)]);
    // Two requests of which the first had no room for more than itself reserved.
    assert_eq!(of("may_send")["sent"], json!({"llm=big": 83}));
    let over = bounded(all - 1, "live").exits(4);
    holds(
        &over.stderr,
        "the run may send 168 B, to any one server; 83 B went to llm=big, and this would be 86 B more: it was not sent",
    );
    assert_eq!(server.seen().len(), 3, "what is over the limit does not leave");
    assert_eq!(bench.costs()["total"]["unknown"], 0, "nor is it paid");
    let plan = json(&["plan", "runbook.yaml"]);
    assert_eq!(plan["worst_case"]["bound"]["egress_bytes"], all - 1);
    bench.runbook(&["why?"], &Value::Null, &json!({"limits": {"llm_calls": 2, "llm_tokens": 1000}}), &Value::Null);
    assert_eq!(json(&["plan", "runbook.yaml"])["worst_case"]["bound"]["egress_bytes"], 2_000);
    // Of what was answered before nothing leaves.
    let _ = bounded(1, "record").exits(0);
    assert_eq!((json(&["runs", "show", "last"])["record"].get("sent"), server.seen().len()), (None, 3));
}

#[test]
fn what_was_answered_is_not_paid_twice_when_the_process_dies() {
    let server = ModelServer::start(|seen| match seen.number {
        1 => Reply::Nothing,
        number => Reply::Say(format!("answer {number}"), Some((10, 5))),
    });
    let Some(bench) = Bench::new(&server) else { return };
    bench.ask(&["why?", "why so?"]);
    let run = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--llm", "live"];
    let mut process = bench.command(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while server.seen().len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "two questions in a minute");
        assert!(process.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    process.kill().unwrap();
    let _ = process.wait().unwrap();
    // The mode is that of the run, whatever holds now.
    let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
    assert_eq!(bench.said(), ["answer 0", "answer 2"]);
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.body["messages"][0]["content"].clone()).collect();
    assert_eq!(asked, ["why?", "why so?", "why so?"]);
    let calls: Vec<_> = bench.calls().into_iter().map(|(attempt, number, _)| (attempt, number)).collect();
    assert_eq!(calls, [(1, 1), (2, 2)]);
    assert_eq!(bench.usage(), [json!(2), json!(30), json!(40)]);
    // What its process did not live to see counts in full.
    let total = &bench.costs()["total"];
    assert_eq!([&total["calls"], &total["unknown"]], [3, 1]);
    assert_eq!(total["cost_micro_usd"], 40 + RESERVED + 3);
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn what_was_answered_counts_once_when_its_attempt_is_made_again() {
    let server = ModelServer::start(|seen| match seen.number {
        1 | 3 => Reply::Status(503, Vec::new(), String::new()),
        number => Reply::Say(format!("answer {number}"), Some((10, 5))),
    });
    let Some(bench) = Bench::new(&server) else { return };
    let more = json!({"retry": {"max_attempts": 3, "backoff": "1ms"}});
    bench.runbook(&["why?", "why so?", "why not?"], &json!({"strict": true}), &more, &Value::Null);
    let _ = bench.run(&["--llm", "live"]).exits(0);
    assert_eq!(bench.said(), ["answer 0", "answer 2", "answer 4"]);
    // Five were asked, and three paid, over three attempts.
    assert_eq!(bench.usage(), [json!(5), json!(45), json!(60)]);
    let total = &bench.costs()["total"];
    assert_eq!([&total["calls"], &total["tokens"], &total["cost_micro_usd"]], [5, 45, 60]);
    let shown = bench.call(&["runs", "show", "last", "--tree", "--format", "json"]).exits(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let attempts = shown["steps"][0]["attempts"].as_array().unwrap_or_else(|| panic!("{shown:#}"));
    let asked: Vec<_> = attempts.iter().map(|attempt| attempt["usage"]["llm_calls"].as_u64().unwrap()).collect();
    assert_eq!(asked, [2, 2, 1]);
    // The limit of an attempt counts what it was given, so that it falls where it fell.
    let limits = json!({"retry": {"max_attempts": 3, "backoff": "1ms"}, "limits": {"llm_calls": 3}});
    bench.runbook(&["why?", "why so?", "why not?"], &json!({"strict": true}), &limits, &Value::Null);
    let _ = bench.run(&["--llm", "live"]).exits(0);
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn an_answer_fits_its_schema_or_there_is_none() {
    let server = ModelServer::start(|seen| {
        let said = ["no", "{\"n\": 1}"][usize::from(seen.number != 0)];
        Reply::Say(said.to_owned(), Some((10, 5)))
    });
    let Some(bench) = Bench::new(&server) else { return };
    let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    bench.runbook(&["how many?"], &json!({"schema": schema}), &Value::Null, &Value::Null);
    let _ = bench.run(&[]).exits(0);
    // One question, and one correction.
    assert_eq!((bench.said(), bench.usage()), (vec!["{\"n\": 1}".to_owned()], [json!(2), json!(30), json!(40)]));
    assert_eq!(bench.calls().len(), 1);
    bench.runbook(
        &["how many?"],
        &json!({"schema": {"$ref": "file:///etc/passwd"}, "strict": false}),
        &Value::Null,
        &Value::Null,
    );
    let _ = bench.run(&[]).exits(0);
    holds(&bench.said()[0], "Invalid: the schema of the answer is none");
}

#[test]
fn the_key_is_written_nowhere() {
    let server = ModelServer::start(|seen| {
        let echoed = seen.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
        Reply::Say(format!("your header was {echoed}"), Some((10, 5)))
    });
    let Some(bench) = Bench::new(&server) else { return };
    bench.ask(&["what was my header?"]);
    let ran = bench.run(&["-vv"]).exits(0);
    assert_eq!(bench.said(), ["your header was Bearer [key]"]);
    let doctor = bench.call(&["doctor"]);
    holds(&doctor.stdout, "`big` (openai-compatible scripted) its key is there; its price is that of 2026-11-01");
    for told in [&ran.stdout, &ran.stderr, &doctor.stdout] {
        assert!(!told.contains(SECRET), "{told}");
    }
    let missing = command(bench.dir.path()).arg("doctor").output().unwrap();
    holds(&Outcome::from(missing).stdout, "(openai-compatible scripted) the environment variable `THE_KEY` is not set");
    let mut folders = vec![bench.dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn a_bill_above_what_was_reserved_closes_the_budget_until_somebody_accepts_it() {
    let server = ModelServer::start(|_| Reply::Say("yes".to_owned(), Some((1_000, 5))));
    let Some(bench) = Bench::new(&server) else { return };
    bench.dir.write(
        "palisade.toml",
        format!(
            "{}\n[[budget]]\nlevel = \"day\"\ncost = \"5 USD\"\n",
            std::fs::read_to_string(bench.dir.join("palisade.toml")).unwrap()
        ),
    );
    bench.ask(&["why?"]);
    let _ = bench.run(&["--llm", "live"]).exits(0);
    let closed = bench.run(&["--llm", "live"]).exits(4);
    holds(&closed.stderr, "the budget of the day is closed: `big` was billed with");
    holds(&closed.stderr, "`palisade costs accept` opens the level again");
    holds(&bench.call(&["costs"]).exits(0).stdout, "1 billed above what was reserved");
    holds(&bench.call(&["costs", "accept"]).exits(0).stdout, "what was closed is open again");
    let _ = bench.run(&["--llm", "live"]).exits(0);
    assert_eq!(server.seen().len(), 2);
}

/// Five items, of which each asks twice, at two at once. `answer` says what is said.
fn mapped(answer: impl Fn(u64) -> Reply + Send + Sync + 'static) -> Option<(Bench, ModelServer)> {
    let server = ModelServer::start(move |seen| answer(seen.number));
    let bench = Bench::new(&server)?;
    let items: Vec<Value> =
        (0..5).map(|number| json!({"content": number.to_string(), "metadata": {"source": "s"}})).collect();
    bench.dir.write("docs.json", json!({"schemaVersion": "1.0.0", "name": "docs", "data": items}).to_string());
    let more = json!({"type": "map", "max_items": 10, "max_concurrency": 2});
    bench.runbook(&["why?", "why so?"], &Value::Null, &more, &Value::Null);
    Some((bench, server))
}

/// The places of the calls that are recorded, in the order of the places.
fn places(bench: &Bench) -> Vec<String> {
    places_of(&journal::events(&journal::open(&bench.dir.join(".palisade"))))
}

fn places_of<'e>(events: impl IntoIterator<Item = &'e Value>) -> Vec<String> {
    let calls = events.into_iter().filter(|event| event["kind"] == "HostCallRecorded");
    let mut places: Vec<String> = calls.map(|call| format!("{}.{}", call["within"][0], call["call"])).collect();
    places.sort();
    places
}

#[test]
fn items_of_a_map_ask_side_by_side_each_in_its_own_order() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (going, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let answer = move |number| {
        seen.fetch_max(going.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let begun = Instant::now();
        // The first waits for company; where none may come, so does every other.
        while seen.load(Ordering::SeqCst) < 2 && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(2));
        }
        going.fetch_sub(1, Ordering::SeqCst);
        Reply::Say(format!("answer {number}"), Some((10, 5)))
    };
    let Some((bench, server)) = mapped(answer) else { return };
    let _ = bench.run(&["--llm", "live"]).exits(0);
    assert_eq!((bench.said().len(), server.seen().len()), (10, 10));
    if std::thread::available_parallelism().is_ok_and(|threads| threads.get() > 1) {
        assert_eq!(most.load(Ordering::SeqCst), 2, "as many as the map lets work at once");
    }
    let expected: Vec<String> = (1..=5).flat_map(|item| [1, 2].map(|call| format!("{item}.{call}"))).collect();
    assert_eq!(places(&bench), expected);
    assert_eq!(bench.usage(), [json!(10), json!(150), json!(200)]);
    drop(server);
    let _ = bench.call(&["replay", "last"]).exits(0);
}

#[test]
fn no_item_of_a_map_pays_twice_when_the_process_dies() {
    let Some((bench, server)) = mapped(|number| {
        // The later ones take long enough for the end to fall among them.
        std::thread::sleep(Duration::from_millis(if number < 4 { 0 } else { 400 }));
        Reply::Say(format!("answer {number}"), Some((10, 5)))
    }) else {
        return;
    };
    let run = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--llm", "live"];
    let process = bench.command(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_there = || bench.dir.join(".palisade/palisade.db").is_file();
    kill_once(process, || is_there() && places(&bench).len() >= 4);
    // What was on its way still comes there.
    std::thread::sleep(Duration::from_millis(300));
    let (known, asked) = (places(&bench), server.seen().len());
    let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
    assert_eq!(places(&bench).len(), 10, "what was answered is not asked again: {known:?}");
    assert_eq!(server.seen().len() - asked, 10 - known.len());
    assert_eq!(bench.said().len(), 10);
    let _ = bench.call(&["replay", "last"]).exits(0);
}

/// What the questions of [`mapped`] cost in the end, whatever became of the processes that asked: the books add up,
/// and each answer was paid as it was billed. Gives how many calls were reserved.
fn paid(bench: &Bench) -> usize {
    let expected: Vec<String> = (1..=5).flat_map(|item| [1, 2].map(|call| format!("{item}.{call}"))).collect();
    assert_eq!(places(bench), expected, "each question has one answer");
    assert_eq!(bench.said(), ["yes"; 10]);
    let store = Store::open(&bench.dir.join(".palisade"), TenantId::default()).unwrap();
    let books = store.books(None).unwrap();
    assert!(!books.wrong);
    for call in &books.calls {
        match call.outcome {
            palisade_store::Outcome::Settled => assert_eq!(call.used.cost, 20),
            // In full, the longer question with its three bytes more.
            palisade_store::Outcome::Unknown => assert!([RESERVED, RESERVED + 3].contains(&call.used.cost), "{call:?}"),
            other => panic!("{other:?}"),
        }
    }
    let unknown = books.calls.iter().filter(|call| call.outcome == palisade_store::Outcome::Unknown).count();
    let cost: u64 = books.calls.iter().map(|call| call.used.cost).sum();
    drop(store);
    let total = &bench.costs()["total"];
    let told = [&total["calls"], &total["unknown"], &total["cost_micro_usd"]];
    assert_eq!(told, [&json!(books.calls.len()), &json!(unknown), &json!(cost)]);
    books.calls.len()
}

const RUN_MAPPED: [&str; 7] = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--llm", "live"];

#[test]
fn killed_behind_any_commit_no_answer_is_paid_twice_and_the_books_add_up() {
    let Some((bench, server)) = mapped(|_| Reply::Say("yes".to_owned(), Some((10, 5)))) else { return };
    let data_dir = bench.dir.join(".palisade");
    let cuts = Cuts::of(&data_dir, || drop(bench.call(&RUN_MAPPED).exits(0)));
    let mut gone_on = 0;
    for count in 1..cuts.len() {
        cuts.restore(count);
        let begun = journal::all(&journal::open(&data_dir));
        let (known, sent) = (places_of(begun.values().flatten()).len(), server.seen().len());
        // As it was left, before it was looked at.
        cuts.restore(count);
        let Some(events) = begun.values().next() else { continue };
        if events.iter().any(|event| event["kind"] == "AttemptSucceeded") {
            continue;
        }
        gone_on += 1;
        let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
        assert_eq!(server.seen().len() - sent, 10 - known, "behind commit {count}");
        // The other calls are those of before.
        assert!((10..=12).contains(&paid(&bench)), "two items at most were asking");
    }
    assert!(gone_on > 20, "{gone_on} of {} commits", cuts.len());
}

#[test]
fn killed_at_any_moment_no_answer_is_paid_twice_and_the_books_add_up() {
    let Some((bench, server)) = mapped(|_| Reply::Say("yes".to_owned(), Some((10, 5)))) else { return };
    let kept = Dir::new();
    kept.copy_from(&bench.dir.join(".palisade"));
    end_at_each(30, Duration::from_millis(4), |life, _| {
        bring_back(&bench.dir.join(".palisade"), &kept);
        let sent = server.seen().len();
        end_after(bench.command(&RUN_MAPPED).stderr(Stdio::null()).spawn().unwrap(), life, "-KILL");
        let listed: Value = serde_json::from_str(&bench.call(&["runs", "list", "--format", "json"]).stdout).unwrap();
        if listed["runs"][0]["state"] != "abandoned" {
            return false;
        }
        let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
        assert!(server.seen().len() - sent <= paid(&bench), "a call was sent that nobody had reserved");
        true
    });
}

#[test]
fn the_first_item_that_gets_no_answer_fails_the_map() {
    let Some((bench, _server)) = mapped(|_| Reply::Say("x".repeat(3_000), Some((10, 5)))) else { return };
    let more = json!({"type": "map", "max_items": 10, "max_concurrency": 2, "limits": {"llm_calls": 1}});
    bench.runbook(&["why?", "why so?"], &Value::Null, &more, &Value::Null);
    let ended = bench.run(&["--llm", "live"]).exits(4);
    holds(&ended.stderr, "it reached its limit `llm_calls` of 1 (2 wanted)");
    let failure = palisade_tests::told::first_failure(&bench.dir);
    assert_eq!(failure["at"], json!(["texts", 0]), "{failure:#}");
}

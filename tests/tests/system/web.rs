//! The example for web servers (`examples/http`), through the binary, over a server on this machine.

use palisade_model::Digest;
use palisade_tests::server::Server;
use palisade_tests::{Dir, Outcome, command, journal, palisade, root, skipped};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

struct Web {
    dir: Dir,
    server: Server,
}

impl Web {
    /// The example with a server of the test's own, the component added and accepted.
    fn new() -> Option<Self> {
        let Ok(bytes) = fs::read(root().join("target/fetcher/fetcher.wasm")) else {
            skipped("the guest fetcher is not in target/fetcher");
            return None;
        };
        let (dir, server) = (Dir::new(), Server::start());
        dir.copy_into(".", &root().join("examples/http"));
        for file in ["runbook.yaml", "palisade.toml"] {
            let text = fs::read_to_string(dir.join(file)).unwrap();
            dir.write(file, text.replace("localhost:8000", &format!("localhost:{}", server.port())));
        }
        dir.write("fetcher.wasm", &bytes);
        let web = Self { dir, server };
        let _ = web.call("component add fetcher.wasm").exits(0);
        let _ = web.call(&format!("grants accept example:fetcher --digest sha256:{}", Digest::of(&bytes))).exits(0);
        Some(web)
    }

    fn call(&self, line: &str) -> Outcome {
        palisade(self.dir.path(), line.split(' '))
    }

    fn json(&self, line: &str) -> Value {
        let outcome = self.call(&format!("{line} --format json"));
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{}{}", outcome.stdout, outcome.stderr))
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.dir.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        self.dir.write(file, text.replace(from, to));
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.server.port())
    }

    /// A runbook of three steps, each of which tells the server that it is done, and the grant for it.
    fn tell(&self, retry: &str) {
        let origin = self.origin();
        let step = |id: &str| {
            format!(
                "  - {{id: {id}, type: source, connector: 'example:fetcher', output: {id}, \
                 config: {{url: '{origin}/', paths: [], done: {id}}}{retry}}}\n"
            )
        };
        self.dir.write("runbook.yaml", format!("name: Tell\nexecution:\n{}", STEPS.map(step).concat()));
        self.edit("palisade.toml", "http=http", "http=POST http");
    }

    /// Gives the runbook that [`Self::tell`] wrote a limit.
    fn limit(&self, limit: &str) {
        self.edit("runbook.yaml", "name: Tell\n", &format!("name: Tell\nlimits: {{{limit}}}\n"));
    }

    /// What the latest run sent to the server, or may have sent.
    fn sent(&self) -> u64 {
        self.json("runs show last")["record"]["sent"][self.origin()].as_u64().unwrap_or(0)
    }

    /// What became of the steps of the latest run.
    fn steps(&self) -> Vec<Value> {
        self.json("runs show last")["record"]["steps"].as_array().unwrap().clone()
    }

    /// How often the server was told of each step under each idempotency key.
    fn told(&self) -> BTreeMap<(String, String), usize> {
        let mut told = BTreeMap::new();
        for request in self.server.seen() {
            let step = request.strip_prefix("POST /").and_then(|rest| rest.split(' ').next()).unwrap();
            let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap();
            *told.entry((step.to_owned(), key.to_owned())).or_default() += 1;
        }
        told
    }
}

const STEPS: [&str; 3] = ["a", "b", "c"];

/// The steps of which such an event was the last.
fn last(events: &[Value], kinds: &[&str]) -> BTreeSet<String> {
    let mut latest = BTreeMap::new();
    for event in events {
        if let (Some(step), Some(kind)) = (event["step"].as_str(), event["kind"].as_str()) {
            latest.insert(step.to_owned(), kind);
        }
    }
    latest.into_iter().filter(|(_, kind)| kinds.contains(kind)).map(|(step, _)| step).collect()
}

/// The steps that are told to be in doubt.
fn in_doubt(web: &Web) -> BTreeSet<String> {
    let steps = web.steps().into_iter().filter(|step| step["failure"]["kind"] == "in_doubt");
    steps.map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_example_fetches_each_time_and_says_what_it_left_out() {
    let Some(web) = Web::new() else { return };
    let _ = web.call("run -q runbook.yaml --out out").exits(0);
    let pages: Value = serde_json::from_slice(&fs::read(web.dir.join("out/pages.json")).unwrap()).unwrap();
    assert_eq!(pages["data"][0]["content"], "hello", "{pages}");
    let record: Value = serde_json::from_slice(&fs::read(web.dir.join("out/run.json")).unwrap()).unwrap();
    assert_eq!(record["steps"][0]["usage"]["http_requests"], 2, "{record}");
    let _ = web.call("run -q runbook.yaml").exits(0);
    assert_eq!(web.server.seen().len(), 4, "what a server says is never remembered");
    let audit = web.call("audit log").stdout;
    assert!(audit.contains("http") && audit.contains(&web.origin()), "{audit}");
    let replay = web.call("replay last");
    let _ = replay.exits(0);
    assert_eq!(web.server.seen().len(), 4, "a replay asks nobody");
}

#[test]
fn a_plan_shows_what_of_the_origin_is_granted() {
    let Some(web) = Web::new() else { return };
    let touch = &web.json("plan runbook.yaml")["authority"]["touches"][0];
    assert_eq!((touch["power"].as_str(), touch["granted"].as_bool()), (Some("http"), Some(true)), "{touch}");
    assert_eq!(touch["place"], format!("GET,HEAD {}", web.origin()), "{touch}");
    web.dir.write("palisade.toml", "");
    let denied = web.call("run -q runbook.yaml");
    let line = format!("--allow 'http=GET {}'", web.origin());
    assert!(denied.stderr.contains(&line), "{}", denied.stderr);
    let _ = denied.exits(3);
    assert!(web.server.seen().is_empty());
}

#[test]
fn what_a_run_sends_to_a_server_is_bounded_over_all_its_steps() {
    let Some(web) = Web::new() else { return };
    web.tell("");
    let _ = web.call("run -q runbook.yaml").exits(0);
    let all: usize = web.server.seen().iter().map(String::len).sum();
    assert_eq!(web.sent(), all as u64);
    let audit = web.json("audit log");
    let entries = audit["entries"].as_array().unwrap();
    let of = |kind: &str| entries.iter().filter(|entry| entry["entry"]["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("uses").iter().map(|entry| entry["entry"]["sent"].as_u64().unwrap()).sum::<u64>(), all as u64);
    assert_eq!(of("may_send").len(), STEPS.len(), "the log has where it may go before the first byte goes there");
    assert_eq!(of("may_send")[0]["entry"]["sent"][web.origin()], 64 << 10);
    // The last byte may be sent, and no further one.
    web.limit(&format!("max_egress: {all}"));
    let _ = web.call("run -q runbook.yaml").exits(0);
    web.edit("runbook.yaml", &format!("max_egress: {all}"), &format!("max_egress: {}", all - 1));
    let ended = web.call("run -q runbook.yaml").exits(4);
    let expected = format!("the run may send {} B, to any one server; ", all - 1);
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(ended.stderr.contains("raise `limits.max_egress` of the runbook"), "{}", ended.stderr);
    assert_eq!(web.server.seen().len(), 8, "what is over the limit does not leave");
    // A child counts with its parent.
    let child = fs::read_to_string(web.dir.join("runbook.yaml")).unwrap();
    web.dir.write("child.yaml", child.replace(&format!("max_egress: {}", all - 1), "max_egress: 10 MiB"));
    let parent = |most: usize| {
        let call = |id: &str| format!("  - {{id: {id}, type: execute_workflow, file: child.yaml}}\n");
        let steps = ["one", "two"].map(call).concat();
        web.dir.write("runbook.yaml", format!("name: Twice\nlimits: {{max_egress: {most}}}\nexecution:\n{steps}"));
    };
    parent(all * 2);
    let _ = web.call("run -q runbook.yaml").exits(0);
    assert_eq!(web.sent(), all as u64 * 2);
    parent(all * 2 - 1);
    let ended = web.call("run -q runbook.yaml").exits(4);
    assert!(ended.stderr.contains("so says `max_egress` of `Twice`"), "{}", ended.stderr);
}

#[test]
fn a_plan_says_how_much_may_leave_and_the_operator_bounds_it() {
    let Some(web) = Web::new() else { return };
    let egress = || web.json("plan runbook.yaml")["worst_case"]["bound"]["egress_bytes"].as_u64();
    assert_eq!(egress(), Some(64 << 20));
    assert!(web.call("plan runbook.yaml").stdout.contains("sent to one server"));
    let text = fs::read_to_string(web.dir.join("palisade.toml")).unwrap();
    // A ceiling above what holds anyway changes nothing.
    web.dir.write("palisade.toml", format!("{text}[ceilings.run]\nmax_egress = \"1 GiB\"\n"));
    assert!(web.json("plan runbook.yaml")["plan"]["limits"].get("max_egress").is_none());
    web.dir.write("palisade.toml", format!("{text}[ceilings.run]\nmax_egress = \"50 B\"\n"));
    assert_eq!(egress(), Some(50));
    let ended = web.call("run -q runbook.yaml").exits(4);
    assert!(ended.stderr.contains("the run may send 50 B, to any one server"), "{}", ended.stderr);
    assert!(web.server.seen().is_empty());
}

#[test]
fn what_was_cut_off_counts_as_all_that_it_might_have_sent() {
    let Some(web) = Web::new() else { return };
    killed(&web);
    web.edit("runbook.yaml", "name: Pages of a server", "name: Pages of a server\nlimits: {max_egress: 64 KiB}");
    web.edit("runbook.yaml", "done: mute", "done: mute\n    retry: {max_attempts: 3, backoff: 1ms}");
    killed_behind(&web, 2);
    assert_eq!(web.sent(), 64 << 10);
    let ended = web.call("resume last").exits(4);
    assert!(ended.stderr.contains("64 KiB went to http://localhost"), "{}", ended.stderr);
    assert_eq!(web.server.seen().len(), 2, "nothing more leaves");
}

#[test]
fn what_is_denied_is_counted_over_the_whole_run() {
    let Some(web) = Web::new() else { return };
    web.tell(", optional: true");
    web.limit("max_denials: 2");
    web.edit("palisade.toml", "http=POST http", "http=http");
    let ended = web.call("run -q runbook.yaml --no-cache");
    let mut kinds: Vec<_> =
        web.steps().iter().map(|step| step["failure"]["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(kinds, ["bound", "denied", "denied"], "{}", ended.stderr);
    assert!(ended.stderr.contains("denied something more often than it may be (2)"), "{}", ended.stderr);
    assert!(web.server.seen().is_empty());
}

/// Kills a run whose component waits for the answer to a `POST`.
fn killed(web: &Web) {
    web.edit("runbook.yaml", "paths: [\"runbook.yaml\", \"elsewhere\"]", "paths: []\n      done: mute");
    web.edit("palisade.toml", "http=http", "http=POST http");
    killed_behind(web, 1);
}

/// Kills a run once the server was asked so often.
fn killed_behind(web: &Web, requests: usize) {
    let mut run = command::command(web.dir.path());
    let mut going = run.args(["run", "-q", "runbook.yaml"]).stderr(Stdio::null()).spawn().unwrap();
    while web.server.seen().len() < requests {
        std::thread::sleep(Duration::from_millis(10));
    }
    going.kill().and_then(|()| going.wait()).unwrap();
}

#[test]
fn what_was_cut_off_while_it_could_change_something_is_not_made_again() {
    let Some(web) = Web::new() else { return };
    killed(&web);
    let resumed = web.call("resume last");
    assert!(resumed.stderr.contains("nobody knows which arrived"), "{}", resumed.stderr);
    let _ = resumed.exits(1);
    assert_eq!(web.server.seen().len(), 1);
}

#[test]
fn wherever_a_run_died_that_may_try_again_each_step_is_told_under_one_key() {
    let Some(web) = Web::new() else { return };
    web.tell(", retry: {max_attempts: 2, backoff: 1ms}");
    let _ = web.call("run -q runbook.yaml").exits(0);
    let keys: Vec<_> = web.told().into_keys().collect();
    assert_eq!(keys.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(), STEPS);
    let connection = journal::open(&web.dir.join(".palisade"));
    let whole = journal::events(&connection);
    for length in 1..whole.len() {
        let before = web.told();
        journal::rewrite(&connection, &whole[..length]);
        let _ = web.call("resume -q last").exits(0);
        let done = last(&whole[..length], &["AttemptSucceeded"]);
        // The other side counts by key: whatever it was told again, nothing happens twice, and nothing is left out.
        for (key, times) in web.told() {
            let again = usize::from(!done.contains(&key.0));
            assert_eq!(Some(times), before.get(&key).map(|before| before + again), "{key:?} behind event {length}");
        }
    }
}

#[test]
fn wherever_a_run_died_nothing_that_may_have_happened_is_done_again() {
    let Some(web) = Web::new() else { return };
    web.tell("");
    let _ = web.call("run -q runbook.yaml").exits(0);
    let connection = journal::open(&web.dir.join(".palisade"));
    let whole = journal::events(&connection);
    for length in 1..whole.len() {
        let before = web.told();
        journal::rewrite(&connection, &whole[..length]);
        let begun = last(&whole[..length], &["AttemptStarted", "SpendingReserved"]);
        let resumed = web.call("resume -q last");
        assert_eq!(in_doubt(&web), begun, "behind event {length}");
        let _ = resumed.exits(i32::from(!begun.is_empty()));
        let known: BTreeSet<_> = last(&whole[..length], &["AttemptSucceeded"]).union(&begun).cloned().collect();
        let succeeded = last(&journal::events(&connection), &["AttemptSucceeded"]);
        for (key, times) in web.told() {
            let again = usize::from(succeeded.contains(&key.0) && !known.contains(&key.0));
            assert_eq!(Some(times), before.get(&key).map(|before| before + again), "{key:?} behind event {length}");
        }
    }
}

#[test]
fn whenever_a_run_is_killed_each_step_is_done_once_or_in_doubt() {
    let Some(web) = Web::new() else { return };
    web.tell("");
    let (mut runs, mut doubted) = (0, 0);
    for round in 0..24_u32 {
        let before = web.told();
        let mut run = command::command(web.dir.path());
        let mut going = run.args(["run", "-q", "runbook.yaml"]).stderr(Stdio::null()).spawn().unwrap();
        // From before the first request to behind the last one, and from time to time a little later.
        while web.server.seen().len() < before.len() + round as usize % 4 && going.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let until = Instant::now() + Duration::from_micros(500) * (round / 4);
        while Instant::now() < until && going.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        going.kill().and_then(|()| going.wait()).unwrap();
        let listed = web.json("runs list")["runs"].as_array().unwrap().clone();
        if listed.len() == runs {
            // It had not begun.
            assert_eq!(web.told(), before);
            continue;
        }
        runs = listed.len();
        if listed[0]["state"] == "abandoned" {
            let _ = web.call("resume -q last");
        }
        let told = web.told();
        assert!(told.values().all(|times| *times == 1), "{told:?}");
        let of_run: Vec<_> = told.keys().filter(|key| !before.contains_key(*key)).map(|(step, _)| step).collect();
        for step in web.steps() {
            let known = of_run.iter().filter(|known| ***known == step["id"]).count();
            match (step["status"].as_str(), step["failure"]["kind"].as_str()) {
                (Some("succeeded"), _) => assert_eq!(known, 1, "{step}"),
                (_, Some("in_doubt")) => doubted += 1,
                _ => assert_eq!(known, 0, "{step}"),
            }
        }
    }
    assert!(doubted > 0, "every run was killed before it told anybody, or after it ended");
}

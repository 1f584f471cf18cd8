//! The example for web servers (`examples/http`), through the binary, over a server on this machine.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use palisade_model::Digest;
use palisade_tests::server::Server;
use palisade_tests::{Dir, Outcome, palisade, root, skipped};
use serde_json::Value;
use std::fs;

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

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.server.port())
    }
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

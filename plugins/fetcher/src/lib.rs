//! An example of a connector that asks a web server: it fetches pages one after the other, and may tell the server that it
//! is done. What it fetches are documents, as those that the filesystem connector reads.

use palisade_sdk::http::{Method, Request, secret};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Failure, Metadata, Property, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most bytes of one page.
const MOST: usize = 4 << 20;

/// The config of a step.
#[derive(Deserialize)]
struct Config {
    /// The server and what all paths begin with.
    url: String,
    /// What is fetched from there.
    paths: Vec<String>,
    /// Where the server is told that all were fetched.
    done: Option<String>,
    /// The name of the secret by which the server knows who asks.
    token: Option<String>,
}

impl Config {
    /// Says who asks. What the token is, only the host knows.
    fn signed(&self, request: Request) -> Request {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", secret(token))),
            None => request,
        }
    }
}

#[derive(Serialize)]
struct Page {
    content: String,
    metadata: Source,
}

#[derive(Serialize)]
struct Source {
    source: String,
}

struct Fetcher;

impl Analyser for Fetcher {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        Description::connector("example:fetcher", "1.0.0", "Fetches pages of a web server")
            .output("pages", "standard_input/1.0.0")
            .config(
                ConfigSchema::new()
                    .required("url", Property::string().url())
                    .property("paths", Property::list_of(Property::string()).default([""]))
                    .property("done", Property::string())
                    .property("token", Property::string().secret()),
            )
            .request(palisade_sdk::Request::secret("to say who asks, where the runbook names a token").optional())
            .request(palisade_sdk::Request::http("to fetch the pages of the server that the runbook names"))
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for path in &config.paths {
            let url = format!("{}{path}", config.url);
            let mut response = config.signed(Request::get(&url).header("accept", "text/*")).send(ctx)?;
            if response.status() != 200 {
                // Elsewhere is somebody else's word: a person puts it into the config.
                ctx.skip(&url, format!("the server answered {}", response.status()));
                continue;
            }
            let content = String::from_utf8_lossy(&response.read_all(MOST)?).into_owned();
            ctx.emit("pages", &Page { content, metadata: Source { source: url } })?;
        }
        if let Some(done) = &config.done {
            let key = ctx.idempotency_key();
            let told = Request::new(Method::Post, format!("{}{done}", config.url)).header("idempotency-key", key);
            let status = config.signed(told.body("done")).send(ctx)?.status();
            if status >= 400 {
                return Err(Failure::failed(format!("the server answered {status} to that all was fetched")));
            }
        }
        Ok(())
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        Ok(vec![Metadata::new("pages", &BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "fetcher")]))?])
    }
}

palisade_sdk::export!(Fetcher);

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_sdk::TestContext;
    use serde_json::json;

    #[test]
    fn pages_are_fetched_and_others_are_left_out() {
        let outcome = TestContext::new()
            .config(json!({"url": "https://a.example/", "paths": ["x", "y"], "done": "done"}))
            .answer(Method::Get, "https://a.example/x", 200, [], "text")
            .answer(Method::Get, "https://a.example/y", 302, [("location", "https://b.example/")], "")
            .answer(Method::Post, "https://a.example/done", 204, [], "")
            .run::<Fetcher>();
        assert_eq!(outcome.items("pages"), [json!({"content": "text", "metadata": {"source": "https://a.example/x"}})]);
        assert_eq!(outcome.skips, [("https://a.example/y".to_owned(), "the server answered 302".to_owned())]);
        let told = outcome.requests.last().unwrap();
        assert_eq!((told.method(), told.body_bytes()), (Method::Post, b"done".as_slice()));
    }

    #[test]
    fn a_token_is_named_and_never_known() {
        let outcome = TestContext::new()
            .config(json!({"url": "https://a.example/", "paths": ["x"], "token": "tracker"}))
            .answer(Method::Get, "https://a.example/x", 200, [], "text")
            .run::<Fetcher>();
        let sent = ("authorization".to_owned(), b"Bearer {{secret:tracker}}".to_vec());
        assert!(outcome.requests[0].headers().contains(&sent));
    }

    #[test]
    fn without_a_grant_it_fails() {
        let outcome = TestContext::new().config(json!({"url": "https://a.example/"})).run::<Fetcher>();
        assert_eq!(outcome.failure().message, "not allowed");
    }
}

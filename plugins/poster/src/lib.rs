//! A processor for tests of crashes, with something to lose: it tells a web server how what it reads begins, under its
//! idempotency key, and hands it on. Each of its instances tells once.

use palisade_sdk::http::{Method, Request, secret};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Failure, Input, Metadata, Property, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many characters of each text the server is told.
const TOLD: usize = 16;

/// The config of a step.
#[derive(Deserialize)]
struct Config {
    /// Whom it tells.
    url: String,
    /// The name of the secret by which the server knows who tells.
    token: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    content: String,
    metadata: Source,
}

#[derive(Serialize, Deserialize)]
struct Source {
    source: String,
}

struct Poster;

impl Analyser for Poster {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        let config = ConfigSchema::new()
            .required("url", Property::string().url())
            .property("token", Property::string().secret());
        Description::processor("test:poster", "1.0.0", "Tells a web server what it reads")
            .input(Input::new("texts").accepts("standard_input/1"))
            .output("told", "standard_input/1.0.0")
            .config(config)
            .request(palisade_sdk::Request::secret("to say who tells, where the runbook names a token").optional())
            .request(palisade_sdk::Request::http("to tell the server that the runbook names"))
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let texts = ctx.items::<Text>("texts").collect::<Result<Vec<_>>>()?;
        let told: Vec<String> = texts.iter().map(|text| text.content.chars().take(TOLD).collect()).collect();
        let mut request = Request::new(Method::Post, config.url)
            .header("idempotency-key", ctx.idempotency_key())
            .body(told.join(" "));
        if let Some(token) = config.token {
            request = request.header("authorization", format!("Bearer {}", secret(&token)));
        }
        let status = request.send(ctx)?.status();
        if status != 200 {
            return Err(Failure::failed(format!("the server answered {status}")));
        }
        texts.iter().try_for_each(|text| ctx.emit("told", text))
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        Ok(vec![Metadata::new("told", &BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "poster")]))?])
    }
}

palisade_sdk::export!(Poster);

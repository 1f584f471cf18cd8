//! Asks web servers, and logs what came of each: `status|location|body`, or the kind of error.

use palisade_hostile_support::description;
use palisade_sdk::http::{HttpError, Method, Request};
use palisade_sdk::{Analyser, Context, Description, Request as Power, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The requests, one after the other.
    requests: Vec<Asked>,
    /// How often all of them are sent.
    #[serde(default = "once")]
    times: u64,
    /// Most bytes of a body that is read.
    #[serde(default = "megabyte")]
    most: usize,
    /// Whether an answer that sends elsewhere is followed, once.
    #[serde(default)]
    follow: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// How many bytes are sent.
    #[serde(default)]
    body: usize,
    /// What is sent, if it is no matter of how much.
    #[serde(default)]
    text: String,
}

fn once() -> u64 {
    1
}

fn megabyte() -> usize {
    1 << 20
}

fn get() -> String {
    "GET".to_owned()
}

struct HttpAsker;

impl Analyser for HttpAsker {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("http-asker", "Asks whomever it likes")
            .request(Power::http("to attack the host by web servers").optional())
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for _ in 0..config.times {
            for asked in &config.requests {
                let told = ask(ctx, asked, &asked.url, &config).unwrap_or_else(|error| format!("{:?}", error.kind));
                ctx.log().info(told);
            }
        }
        Ok(())
    }
}

palisade_sdk::export!(HttpAsker);

fn ask(ctx: &Context, asked: &Asked, url: &str, config: &Config) -> Result<String, HttpError> {
    let method = match asked.method.as_str() {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        _ => Method::Get,
    };
    let body = if asked.text.is_empty() { vec![b'x'; asked.body] } else { asked.text.as_bytes().to_vec() };
    let mut request = Request::new(method, url).body(body);
    for (name, value) in &asked.headers {
        request = request.header(name, value.as_bytes());
    }
    let mut response = request.send(ctx)?;
    let location = response.header("location").unwrap_or_default().to_owned();
    let body = response.read_all(config.most)?;
    let told = format!("{}|{location}|{}", response.status(), String::from_utf8_lossy(&body));
    if config.follow && response.status() == 302 {
        let next = ask(ctx, asked, &location, &Config { follow: false, requests: Vec::new(), ..*config });
        return Ok(format!("{told} then {}", next.unwrap_or_else(|error| format!("{:?}", error.kind))));
    }
    Ok(told)
}

//! Logs lines of 1,000 bytes each, then returns as if nothing had happened.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How many.
    lines: u64,
}

struct LogFlood;

impl Analyser for LogFlood {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("log-flood", "Logs without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let line = "x".repeat(1_000);
        for _ in 0..config.lines {
            ctx.log().info(&line);
        }
        ctx.skip("the rest", "it is too much");
        Ok(())
    }
}

palisade_sdk::export!(LogFlood);

//! Goes on after `limit-exceeded` and returns as if nothing had happened.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How many items of 1,000 bytes it tries to emit, one by one.
    items: u64,
}

struct LimitIgnorer;

impl Analyser for LimitIgnorer {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("limit-ignorer", "Ignores its limits")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let line = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000 - 12));
        for _ in 0..config.items {
            let _ignored = ctx.emit_line("out", &line).and_then(|()| ctx.flush());
        }
        Ok(())
    }
}

palisade_sdk::export!(LimitIgnorer);

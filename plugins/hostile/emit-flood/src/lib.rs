//! Emits items of 1,000 bytes each.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How many.
    items: u64,
}

struct EmitFlood;

impl Analyser for EmitFlood {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("emit-flood", "Emits without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        // With its line feed a line has 1,000 bytes.
        let line = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000 - 12));
        for _ in 0..config.items {
            ctx.emit_line("out", &line)?;
        }
        Ok(())
    }
}

palisade_sdk::export!(EmitFlood);

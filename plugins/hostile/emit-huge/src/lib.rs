//! Emits a single item of any size.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Bytes of the line, its line feed included.
    bytes: usize,
}

struct EmitHuge;

impl Analyser for EmitHuge {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("emit-huge", "Emits one huge item")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        ctx.emit_line("out", &format!(r#"{{"text":"{}"}}"#, "x".repeat(config.bytes.saturating_sub(12))))
    }
}

palisade_sdk::export!(EmitHuge);

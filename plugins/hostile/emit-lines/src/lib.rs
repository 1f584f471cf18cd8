//! Emits the given lines as they are.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// To which port.
    port: String,
    /// The lines.
    lines: Vec<String>,
}

struct EmitLines;

impl Analyser for EmitLines {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("emit-lines", "Emits what must not be emitted")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for line in &config.lines {
            ctx.emit_line(&config.port, line)?;
        }
        Ok(())
    }
}

palisade_sdk::export!(EmitLines);

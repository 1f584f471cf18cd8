//! Calls itself, deeper than a call stack goes.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How deep.
    depth: u64,
}

struct DeepRecursion;

impl Analyser for DeepRecursion {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("deep-recursion", "Recurses")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        ctx.log().info(dive(config.depth).to_string());
        Ok(())
    }
}

palisade_sdk::export!(DeepRecursion);

/// Not in a form that a compiler can turn into a loop.
fn dive(depth: u64) -> u64 {
    if depth == 0 { 1 } else { dive(depth - 1).wrapping_mul(3) ^ depth }
}

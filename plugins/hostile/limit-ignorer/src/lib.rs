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

    fn run(_: &Context, config: Config) -> Result<()> {
        let line = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000 - 12)) + "\n";
        for _ in 0..config.items {
            try_to_emit(&line);
        }
        Ok(())
    }
}

palisade_sdk::export!(LimitIgnorer);

/// By the bare binding: the SDK would say the error again at the end.
fn try_to_emit(line: &str) {
    #[cfg(target_family = "wasm")]
    let _ignored = palisade_sdk::bindings::palisade::plugin::artifacts::emit("out", line.as_bytes());
    #[cfg(not(target_family = "wasm"))]
    let _ = line;
}

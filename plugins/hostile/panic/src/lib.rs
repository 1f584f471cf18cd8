//! Panics with a text of its own, a few calls deep.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it says.
    text: String,
}

struct Panic;

impl Analyser for Panic {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("panic", "Panics")
    }

    fn run(_: &Context, config: Config) -> Result<()> {
        read_the_last_page(&config.text);
        Ok(())
    }
}

palisade_sdk::export!(Panic);

/// The function that the trace must name.
#[inline(never)]
fn read_the_last_page(text: &str) {
    assert!(text.is_empty(), "{text}");
}

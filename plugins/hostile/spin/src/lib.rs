//! Burns fuel: counts rounds, for ever if none are given.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// When to stop.
    rounds: Option<u64>,
}

struct Spin;

impl Analyser for Spin {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("spin", "Runs in circles")
    }

    fn run(_: &Context, config: Config) -> Result<()> {
        let mut round = 0_u64;
        while config.rounds != Some(round) {
            round = std::hint::black_box(round + 1);
        }
        Ok(())
    }
}

palisade_sdk::export!(Spin);

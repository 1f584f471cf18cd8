//! Takes memory in blocks of 64 KiB and keeps all of it.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How much.
    bytes: usize,
}

struct MemoryHog;

impl Analyser for MemoryHog {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("memory-hog", "Takes memory")
    }

    fn run(_: &Context, config: Config) -> Result<()> {
        const BLOCK: usize = 64 << 10;
        let mut blocks = Vec::new();
        while blocks.len() * BLOCK < config.bytes {
            blocks.push(std::hint::black_box(vec![1_u8; BLOCK]));
        }
        Ok(())
    }
}

palisade_sdk::export!(MemoryHog);

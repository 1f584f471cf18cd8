//! Opens the same file over and over and closes none.

use palisade_hostile_support::description;
use palisade_sdk::fs::{self, Links};
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// A file below the first preopen.
    file: String,
    /// How often.
    times: usize,
}

struct HandleHoarder;

impl Analyser for HandleHoarder {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("handle-hoarder", "Hoards handles")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let folders = fs::preopens(ctx);
        let mut open = Vec::new();
        for (_, folder) in folders.iter().take(1) {
            for _ in 0..config.times {
                open.push(folder.open_file(&config.file, Links::Follow)?);
            }
        }
        Ok(())
    }
}

palisade_sdk::export!(HandleHoarder);

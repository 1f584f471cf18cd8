//! Opens a file again and again, and reads from it.

use palisade_hostile_support::description;
use palisade_sdk::fs::{self, Links};
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// A file below the first preopen.
    file: String,
    /// How often it is opened.
    times: u64,
    /// How many bytes are read each time, from the start.
    bytes: u64,
}

struct FileReader;

impl Analyser for FileReader {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("file-reader", "Reads files without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for (_, folder) in fs::preopens(ctx).iter().take(1) {
            for _ in 0..config.times {
                let file = folder.open_file(&config.file, Links::Follow)?;
                let mut read = 0;
                while read < config.bytes {
                    let (bytes, end) = file.read_at(read, config.bytes - read)?;
                    read += bytes.len() as u64;
                    if end {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

palisade_sdk::export!(FileReader);

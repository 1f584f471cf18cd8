//! Lists folders below every preopen, links followed, and logs how many names it saw.

use palisade_hostile_support::description;
use palisade_sdk::fs::{self, Directory, FileKind, FsErrorKind, Links};
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How deep.
    depth: u32,
}

struct FolderWalker;

impl Analyser for FolderWalker {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("folder-walker", "Walks folders without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for (_, folder) in fs::preopens(ctx) {
            ctx.log().info(format!("{} names", walk(&folder, config.depth)?));
        }
        Ok(())
    }
}

palisade_sdk::export!(FolderWalker);

/// Keeps every folder on the way open, and no names.
fn walk(folder: &Directory, depth: u32) -> Result<u64> {
    let mut names = 0;
    for entry in folder.entries()? {
        let entry = entry?;
        names += 1;
        if depth > 0 && matches!(entry.kind, FileKind::Directory | FileKind::Link) {
            match folder.open_directory(&entry.name, Links::Follow) {
                Ok(below) => names += walk(&below, depth - 1)?,
                Err(error) if error.kind == FsErrorKind::LimitExceeded => return Err(error.into()),
                Err(_) => {}
            }
        }
    }
    Ok(names)
}

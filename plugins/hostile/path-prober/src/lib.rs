//! Tries to read paths from every preopen, and logs what came of each: `preopen|path|kind of error or content`.

use palisade_hostile_support::description;
use palisade_sdk::fs::{self, Directory, FileKind, FsError, Links};
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The paths.
    paths: Vec<String>,
    /// How often each is tried.
    times: u64,
    /// Whether a link at the end is followed.
    links: bool,
}

struct PathProber;

impl Analyser for PathProber {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("path-prober", "Looks for ways out")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let links = if config.links { Links::Follow } else { Links::Keep };
        let folders = fs::preopens(ctx);
        ctx.log().info(format!("{} preopens", folders.len()));
        for (name, folder) in &folders {
            for path in &config.paths {
                for _ in 0..config.times {
                    ctx.log().info(format!("{name}|{path}|{}", probe(folder, path, links)));
                }
            }
        }
        Ok(())
    }
}

palisade_sdk::export!(PathProber);

fn probe(folder: &Directory, path: &str, links: Links) -> String {
    let content = || -> Result<String, FsError> {
        if folder.stat_at(path, links)?.kind == FileKind::Directory {
            let names: Result<Vec<_>, _> = folder.open_directory(path, links)?.entries()?.collect();
            return Ok(format!("{} names", names?.len()));
        }
        Ok(String::from_utf8_lossy(&folder.open_file(path, links)?.read_all(1 << 20)?).into_owned())
    };
    content().unwrap_or_else(|error| format!("{:?}", error.kind))
}

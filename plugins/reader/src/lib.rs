//! A connector of somebody else's for tests of grants: it reads the files that its config lists below the path that it
//! names. Which version it is and what it asks for stands in [`VARIANT`], which a test writes over in the bytes of the
//! component: one build gives all versions.

use palisade_sdk::fs::{self, Links};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Property, Request, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hint::black_box;

/// `READER-VARIANT`, the version, and the powers, filled up with spaces.
static VARIANT: [u8; 64] = *b"READER-VARIANT 1.0.0 fs-read                                    ";

/// The config of a step.
#[derive(Deserialize)]
struct Config {
    /// Files below the path.
    files: Vec<String>,
    /// How often each is tried.
    times: u64,
}

#[derive(Serialize)]
struct Text {
    content: String,
    metadata: Source,
}

#[derive(Serialize)]
struct Source {
    source: String,
}

struct Reader;

impl Analyser for Reader {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        let variant = String::from_utf8_lossy(black_box(&VARIANT)).into_owned();
        let mut words = variant.split_whitespace().skip(1);
        let version = words.next().unwrap_or_default().to_owned();
        let powers: Vec<&str> = words.collect();
        let mut config = ConfigSchema::new()
            .property("files", Property::list_of(Property::string()).default(["a.txt"]))
            .property("times", Property::integer().above(0).default(1));
        let mut description = Description::connector("acme:reader", version, "Reads files that are listed");
        if powers.contains(&"fs-read") {
            config = config.property("path", Property::string().path_read().default("."));
            description = description.request(Request::fs_read("to read the files"));
        }
        if powers.contains(&"sql") {
            config = config.property("database", Property::string().connection("sqlite").default("crm.db"));
            description = description.request(Request::sql("to look customers up"));
        }
        description.output("texts", "standard_input/1.0.0").config(config)
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for (name, folder) in &fs::preopens(ctx) {
            for file in &config.files {
                for _ in 0..config.times {
                    // The host notes what it denies: whoever reads on is told nothing.
                    let Ok(opened) = folder.open_file(file, Links::Follow) else { continue };
                    let content = String::from_utf8_lossy(&opened.read_all(1 << 20)?).into_owned();
                    ctx.emit("texts", &Text { content, metadata: Source { source: format!("{name}/{file}") } })?;
                }
            }
        }
        Ok(())
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        Ok(vec![Metadata::new("texts", &BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "reader")]))?])
    }
}

palisade_sdk::export!(Reader);

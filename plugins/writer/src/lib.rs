//! A processor of somebody else's for tests of what may be written: it writes the files that its config lists below the
//! folder that it names, and emits what it wrote.

use palisade_sdk::fs;
use palisade_sdk::{
    Analyser, ConfigSchema, Context, Description, Failure, FailureKind, Input, Metadata, Property, Request, Result,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The config of a step.
#[derive(Deserialize)]
struct Config {
    /// Names of files below the folder; what is before a slash is made.
    files: Vec<String>,
    /// What stands in each of them, before what the inputs hold.
    text: String,
    /// Fails when all is written.
    fails: bool,
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

/// What is read of an item.
#[derive(Deserialize)]
struct Item {
    content: String,
}

struct Writer;

impl Analyser for Writer {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        let config = ConfigSchema::new()
            .property("folder", Property::string().folder_written().default("out"))
            .property("files", Property::list_of(Property::string()).default(["a.txt"]))
            .property("text", Property::string().default("hello\n"))
            .property("fails", Property::boolean().default(false));
        Description::processor("acme:writer", "1.0.0", "Writes files that are listed")
            .input(Input::new("texts").accepts("standard_input/1").optional())
            .output("written", "standard_input/1.0.0")
            .config(config)
            .request(Request::fs_write("to write the files"))
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let mut text = config.text;
        for item in ctx.items::<Item>("texts") {
            text.push_str(&item?.content);
        }
        for (name, folder) in &fs::write_folders(ctx) {
            for file in &config.files {
                for (at, _) in file.match_indices('/') {
                    // It may be there by now.
                    let _made = folder.create_directory(file.get(..at).unwrap_or_default());
                }
                // What is denied is told by the host; whoever goes on writes less.
                if folder.write(file, text.as_bytes()).is_err() {
                    continue;
                }
                let source = Source { source: format!("{}/{file}", name.trim_end_matches('/')) };
                ctx.emit("written", &Text { content: text.clone(), metadata: source })?;
            }
        }
        if config.fails {
            return Err(Failure::new(FailureKind::Failed, "it was told to fail"));
        }
        Ok(())
    }

    fn finish(_: &Context, _: Config, _: Vec<()>) -> Result<Vec<Metadata>> {
        Ok(vec![Metadata::new("written", &BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "writer")]))?])
    }
}

palisade_sdk::export!(Writer);

//! A component for tests of runbooks: its output can be its input again, it has two outputs, it fails or computes for
//! ever at the text that it is told, and it can use all that its limits give (`greed.rs`).

mod greed;

use palisade_sdk::{Analyser, Context, Description, Failure, Input, Metadata, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The config of a step.
#[derive(Deserialize)]
struct Config {
    /// What is appended to each text.
    append: String,
    /// How long a text is to be.
    enough: u64,
    /// The text at which it fails.
    fail_at: Option<String>,
    /// The text at which it never ends.
    spin_at: Option<String>,
    /// It uses all that it gets instead; how much fuel a thousand turns of its loop take, which only a trial tells.
    greedy: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    content: String,
    metadata: Source,
}

#[derive(Serialize, Deserialize)]
struct Source {
    source: String,
}

#[derive(Serialize)]
struct Lengths {
    summary: Summary,
}

#[derive(Serialize)]
struct Summary {
    parts: usize,
    longest: u64,
    enough: bool,
}

struct Stepper;

impl Analyser for Stepper {
    type Config = Config;
    /// The longest text.
    type Partial = u64;

    fn describe() -> Description {
        Description::analyser("test:stepper", "1.0.0", "Appends to texts and measures them")
            .input(Input::new("texts").accepts("standard_input/1"))
            .input(Input::new("more").accepts("standard_input/1").optional())
            .output("texts", "standard_input/1.0.0")
            .output("lengths", "test.lengths/1.0.0")
            .schema("test.lengths", "1.0.0", include_str!("../schemas/lengths.json"))
            .config_json(
                r#"{
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "append": {"type": "string", "default": "x", "maxLength": 8},
                        "enough": {"type": "integer", "default": 3, "minimum": 1},
                        "fail_at": {"type": ["string", "null"], "default": null},
                        "spin_at": {"type": ["string", "null"], "default": null},
                        "greedy": {"type": ["integer", "null"], "default": null, "minimum": 1}
                    }
                }"#,
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<u64> {
        if let Some(fuel) = config.greedy {
            return greed::run(ctx, fuel).map(|()| 0);
        }
        let mut longest = 0;
        for text in ctx.items::<Text>("texts").chain(ctx.items::<Text>("more")) {
            let mut text = text?;
            if config.fail_at.as_ref() == Some(&text.content) {
                return Err(Failure::bad_input("it was told to fail here"));
            }
            while config.spin_at.as_ref() == Some(&text.content) {
                std::hint::black_box(&text);
            }
            text.content.push_str(&config.append);
            let length = text.content.len() as u64;
            longest = longest.max(length);
            ctx.emit("texts", &text)?;
            ctx.emit("lengths", &length)?;
        }
        Ok(longest)
    }

    fn finish(ctx: &Context, config: Config, partials: Vec<u64>) -> Result<Vec<Metadata>> {
        // What finishes a map has limits of its own, else it is one attempt with what ran before.
        if let Some(fuel) = config.greedy.filter(|_| partials.len() > 1) {
            greed::finish(ctx, fuel)?;
        }
        let longest = partials.iter().copied().max().unwrap_or(0);
        let summary = Summary { parts: partials.len(), longest, enough: longest >= config.enough };
        let texts = BTreeMap::from([("schemaVersion", "1.0.0"), ("name", "stepper")]);
        Ok(vec![Metadata::new("texts", &texts)?, Metadata::new("lengths", &Lengths { summary })?])
    }
}

palisade_sdk::export!(Stepper);

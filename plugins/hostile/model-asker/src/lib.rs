//! Asks a model over and over, something else each time.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result, llm};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How often.
    times: u64,
}

struct ModelAsker;

impl Analyser for ModelAsker {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("model-asker", "Asks models without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for time in 0..config.times {
            // It goes on whatever it is told.
            let answer = llm::ask(ctx).user(format!("again {time}")).send();
            ctx.log().info(format!("{answer:?}"));
        }
        Ok(())
    }
}

palisade_sdk::export!(ModelAsker);

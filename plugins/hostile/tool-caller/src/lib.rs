//! Calls a tool over and over, with other arguments each time.

use palisade_hostile_support::description;
use palisade_sdk::{Analyser, Context, Description, Result, tools};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Which tool.
    tool: String,
    /// How often.
    times: u64,
}

struct ToolCaller;

impl Analyser for ToolCaller {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("tool-caller", "Calls tools without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        for time in 0..config.times {
            // It goes on whatever it is told.
            let called = tools::call(ctx, &config.tool).items("numbers", [time]).run();
            ctx.log().info(format!("{called:?}"));
        }
        Ok(())
    }
}

palisade_sdk::export!(ToolCaller);

//! Runs a statement and reads all of its rows.

use palisade_hostile_support::description;
use palisade_sdk::sql;
use palisade_sdk::{Analyser, Context, Description, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The connection, as the config names it.
    connection: String,
    /// The statement.
    statement: String,
}

struct RowReader;

impl Analyser for RowReader {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        description("row-reader", "Reads rows without end")
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        let rows = sql::query(ctx, &config.connection, &config.statement, &[])?;
        for row in rows {
            let _cells = row?;
        }
        Ok(())
    }
}

palisade_sdk::export!(RowReader);

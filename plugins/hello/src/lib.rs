//! The smallest useful analyser: it counts the words of each document.

use palisade_sdk::{Analyser, Context, Description, Input, NoConfig, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Document {
    content: String,
}

#[derive(Serialize)]
struct Count {
    words: usize,
}

struct Hello;

impl Analyser for Hello {
    type Config = NoConfig;
    type Partial = ();

    fn describe() -> Description {
        Description::analyser("example:hello", "1.0.0", "Counts words")
            .input(Input::new("documents").accepts("standard_input/1").per_item())
            .output("counts", "example.word_count/1.0.0")
            .schema("example.word_count", "1.0.0", include_str!("../schemas/word_count.json"))
    }

    fn run(ctx: &Context, _: NoConfig) -> Result<()> {
        for document in ctx.items::<Document>("documents") {
            ctx.emit("counts", &Count { words: document?.content.split_whitespace().count() })?;
        }
        Ok(())
    }
}

palisade_sdk::export!(Hello);

#[cfg(test)]
mod tests {
    use palisade_sdk::{TestContext, serde_json::json};

    use super::Hello;

    #[test]
    fn words_are_counted_per_document() {
        let documents = [json!({"content": "one two"}), json!({"content": ""})];
        let outcome = TestContext::new().input("documents", documents).run::<Hello>();
        assert_eq!(outcome.items("counts"), [json!({"words": 2}), json!({"words": 0})]);
    }
}

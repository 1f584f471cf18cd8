//! What the guests that attack have in common: their manifest. Each attacks in one way, as far as its config says, so
//! that a test can stop it just below a limit.

use palisade_sdk::{Description, Request};

/// The one schema that all of them emit.
const LINE: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-palisade-items": "/lines",
  "required": ["lines"],
  "properties": {
    "lines": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["text"],
        "properties": {
          "text": { "type": "string" },
          "at": { "type": "string", "x-palisade-stamp": "time" }
        }
      }
    }
  }
}"#;

/// The manifest of `hostile:NAME`: one output `out`, any config, and the powers over data where they are granted.
#[must_use]
pub fn description(name: &str, title: &str) -> Description {
    Description::connector(format!("hostile:{name}"), "1.0.0", title)
        .output("out", "hostile.line/1.0.0")
        .schema("hostile.line", "1.0.0", LINE)
        .config_json(r#"{"type": "object"}"#)
        .request(Request::fs_read("to attack the host by files").optional())
        .request(Request::sql("to attack the host by databases").optional())
}

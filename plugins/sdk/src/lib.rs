//! Write Palisade analysers and connectors in Rust.
//!
//! A component is a struct that implements [`Analyser`] and is handed to [`export!`]:
//!
//! ```
//! use palisade_sdk::{Analyser, Context, Description, Input, NoConfig, Result};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Document { content: String }
//!
//! #[derive(Serialize)]
//! struct Count { words: usize }
//!
//! struct Hello;
//!
//! impl Analyser for Hello {
//!     type Config = NoConfig;
//!     type Partial = ();
//!
//!     fn describe() -> Description {
//!         Description::analyser("example:hello", "1.0.0", "Counts words")
//!             .input(Input::new("documents").accepts("standard_input/1").per_item())
//!             .output("counts", "example.word_count/1.0.0")
//!             .schema("example.word_count", "1.0.0", r#"{"type": "object", "x-palisade-items": "/counts"}"#)
//!     }
//!
//!     fn run(ctx: &Context, _: NoConfig) -> Result<()> {
//!         for document in ctx.items::<Document>("documents") {
//!             ctx.emit("counts", &Count { words: document?.content.split_whitespace().count() })?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! palisade_sdk::export!(Hello);
//!
//! // `cargo test` needs no wasm:
//! let outcome = palisade_sdk::TestContext::new()
//!     .input("documents", [serde_json::json!({"content": "one two"})])
//!     .run::<Hello>();
//! assert_eq!(outcome.items("counts"), [serde_json::json!({"words": 2})]);
//! ```
//!
//! - **Reading**: [`Context::items`] parses items into owned types; [`Context::for_each_item`] hands out [`Item`]s whose
//!   [`parse`](Item::parse) may borrow from the batch (the quick way); [`Context::inputs`] gives the [`Reader`]s with
//!   their schema, counts and metadata.
//! - **Writing**: [`Context::emit`]; metadata of the document is what [`Analyser::finish`] returns.
//! - **Config**: [`ConfigSchema`] builds the schema, serde reads the value.
//! - **Telling people**: [`Context::log`], [`Context::progress`], [`Context::skip`]; a panic's text is logged.
//! - **Errors**: [`Failure`], by `?` from the errors of this crate and of `serde_json`.
//! - **Files, databases and web servers**: [`fs`], [`sql`], [`http`]. **Other components**: [`tools`], [`runbooks`]. **Language
//!   models**: [`llm`]. **Agents**: [`agent`]. A component imports only what it calls.
//!
//! The crate gives no time and no randomness: equal inputs must give equal outputs.
#![deny(missing_docs)]

pub mod agent;
mod analyser;
mod bytes;
mod config_schema;
mod context;
mod description;
mod failure;
pub mod fs;
#[cfg(all(feature = "allocator", target_arch = "wasm32", target_os = "unknown"))]
mod heap;
mod host;
pub mod http;
mod json;
mod limits;
mod line;
pub mod llm;
mod output;
mod reader;
pub mod runbooks;
pub mod sql;
#[cfg(not(target_family = "wasm"))]
mod testing;
pub mod tools;

pub use analyser::{Analyser, Metadata, NoConfig};
pub use bytes::Bytes;
pub use config_schema::{ConfigSchema, Property};
pub use context::{Context, Level, Log};
pub use description::{Description, Input, Output, Request};
pub use failure::{Failure, FailureKind, HostError, HostErrorKind, Place, Result};
pub use limits::{LimitSet, Limits, limit};
pub use line::Line;
pub use reader::{Batch, Info, Item, Items, NumberedItems, Reader};
#[cfg(not(target_family = "wasm"))]
pub use testing::{TestContext, TestInput, TestOutcome, TestSubmitted};
pub use {serde, serde_json};

#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub use host::guest::{Export, bindings};

/// Makes the component's exports from a type that implements [`Analyser`]. Does nothing outside wasm, so that tests of
/// the same crate link.
#[macro_export]
macro_rules! export {
    ($analyser:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::Export<$analyser>;
    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> $crate::Description = <$analyser as $crate::Analyser>::describe;
    };
}

//! The sandbox from outside, as the engine uses it, over components made from a few lines of text.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cache;
mod caps;
mod decisions;
mod describe;
mod failures;
mod granting;
mod guest;
mod limits;
mod wasi;
mod world;

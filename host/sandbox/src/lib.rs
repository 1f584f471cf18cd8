//! Compiles, describes, links, limits and runs components: the only crate that names wasmtime.
//!
//! It reaches the world only through the traits in [`ports`], which the engine implements, and keeps no state between
//! attempts but compiled code.

pub mod ports;

mod bindings;
mod cost;
mod import;
mod limiter;
mod meter;
mod state;

pub use meter::AttemptMeter;
pub use state::{Granted, NamedPath};

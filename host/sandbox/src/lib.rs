//! Compiles, describes, links, limits and runs components: the only crate that names wasmtime.
//!
//! It reaches the world only through the traits in [`ports`], which the engine implements, and keeps no state between
//! attempts but compiled code.

pub mod ports;

mod bindings;
mod cache;
mod caps;
mod compile;
mod config;
mod cost;
mod drive;
mod engine_id;
mod failure;
mod fuel;
mod import;
mod limiter;
mod meter;
mod run;
mod state;
mod symbols;

pub use cache::{CacheError, CodeCache};
pub use caps::{CapsError, MAX_COMPONENT_BYTES};
pub use compile::{COMPILE_WORKER_SUBCOMMAND, CompileError, Compiling, compile_worker_main};
pub use engine_id::EngineId;
pub use meter::AttemptMeter;
pub use run::{Input, OutputMetadata, Prepared, Work};
pub use state::{Granted, NamedPath};
pub use symbols::Symbols;

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
mod describe;
mod drive;
mod engine_id;
mod failure;
mod fuel;
mod import;
mod imports;
mod limiter;
mod manifest;
mod meter;
mod run;
mod sandbox;
mod state;
mod symbols;

pub use cache::{CacheError, CodeCache};
pub use caps::{CapsError, MAX_COMPONENT_BYTES};
pub use compile::{COMPILE_WORKER_SUBCOMMAND, CompileError, Compiling, WorkerBounds, compile_worker_main};
pub use describe::{DescribeError, describe};
pub use engine_id::EngineId;
pub use imports::{Import, Imports};
pub use manifest::NotAManifest;
pub use meter::AttemptMeter;
pub use run::{Input, Job, OutputMetadata, Prepared};
pub use sandbox::{LoadError, Loaded, Sandbox, SandboxError, Settings, Warning};
pub use state::{Granted, NamedPath};
pub use symbols::Symbols;

//! Finds the compiler for guests, builds guest crates with it and makes components of them.
//!
//! Runs `cargo`, `rustc` and, when asked to, `rustup`; never prints, never installs anything by itself and never loads
//! what it has built.

mod build;
mod component;
mod environment;
mod guests;
mod install;
mod toolchain;

pub use build::{BuildError, BuildRequest, CargoOutput, build_guest, build_guests};
pub use component::{BuiltGuest, ComponentError, componentise};
pub use environment::Environment;
pub use guests::{Guest, GuestsError, list_guests};
pub use install::{InstallError, add_rustup_target};
pub use toolchain::{DEBIAN_PACKAGES, FindError, Finding, Report, TARGET, Toolchain, find, inspect};

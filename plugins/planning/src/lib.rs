//! What components share that make runbooks: the world as the host tells it, and steps as the host reads them.
//!
//! Nothing here decides what may run. The host plans whatever comes out anew, within the bounds of who calls it.

mod steps;
mod text;
mod world;

pub use steps::{Analysis, analysis, config, identifier, source};
pub use text::plain;
pub use world::{Component, Made, Port, Ruleset, System, Wanted, World};

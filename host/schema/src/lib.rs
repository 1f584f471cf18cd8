//! Artifact schemas: which there are, whether items and configs fit them, and the fields that the host fills.
//!
//! Schemas come from foreign components, so each is bounded before it is compiled: size, depth, references (local, not
//! recursive), patterns (linear time). Nothing here reads a file or the network.

mod artifact;
mod builtin;
mod check;
mod config;
mod derive;
mod export;
mod import;
pub mod lax;
mod pointer;
mod quick;
mod registry;
mod stamp;
mod validator;
mod violation;

pub use artifact::ArtifactSchema;
pub use builtin::FORMS;
pub use check::SchemaError;
pub use config::{ConfigSchema, Dropped, coerce};
pub use export::{DocumentWriter, ExportError};
pub use import::{DocumentReadError, read_document};
pub use pointer::{escape, split};
pub use registry::{RegisterError, Registry};
pub use stamp::{FINDING_ID_NAMESPACE, FindingId, Stamper};
pub use validator::{ItemValidator, Validator};
pub use violation::{ConfigViolation, Violation};

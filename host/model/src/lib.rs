//! Plain values that every other crate shares: ids, digests, limits, units, manifests, usage.
//!
//! Nothing here does IO, reads a clock or names a foreign type other than serde's in a signature.

pub mod canonical;
mod causes;
pub mod digest;
pub mod edit;
pub mod failure;
pub mod id;
pub mod json_text;
pub mod limits;
pub mod llm;
pub mod manifest;
pub mod neutral;
mod output_name;
pub mod record;
pub mod run_limits;
pub mod schema_ref;
mod spent;
pub mod sql;
pub mod strict_json;
mod text;
pub mod unit;
pub mod usage;
pub mod wcf_names;

pub use causes::causes;
pub use digest::Digest;
pub use edit::{Edit, ForkedFrom};
pub use failure::{Failure, FailureKind};
pub use id::{ArtifactName, ComponentId, RunId, StepId, TenantId};
pub use limits::{LimitKind, LimitSet, LimitSource, Limits};
pub use manifest::Manifest;
pub use output_name::{OutputName, OutputNameError};
pub use run_limits::{RunLimitKind, RunLimits};
pub use schema_ref::{SchemaRef, SchemaReq};
pub use spent::{Spent, sink};
pub use usage::Usage;

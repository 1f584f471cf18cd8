//! The operator's file, `palisade.toml`, as data: text in, settings and mistakes out.
//!
//! A module for each table. Nothing here reads a disk or the environment, and nothing decides: who is granted what is put
//! together by whoever asks, from what stands in the file.

mod alias;
mod approval;
mod audit;
mod ceiling;
mod commented;
mod connection;
mod edit;
mod environment;
mod expected;
mod file;
mod flow;
mod generated;
mod grant;
mod http;
mod key_place;
mod llm;
mod mistake;
mod namespace;
mod retention;
mod ruleset;
mod secret;
mod system;
mod table;
mod target;
mod toml_text;
mod witness;

pub use approval::Approval;
pub use ceiling::HostCeilings;
pub use commented::commented_file;
pub use edit::{EditError, grant_table, with_grant, without_grants};
pub use expected::{Expectation, Expected, read_expectations};
pub use file::{OperatorFile, Place, read};
pub use flow::DeclassifyTable;
pub use grant::{DenyTable, GrantTable};
pub use mistake::Mistake;
pub use namespace::Owner;
pub use secret::SecretTable;
pub use system::THIS_FOLDER;
pub use target::Target;
pub use toml_text::quoted;
pub use witness::WitnessTable;

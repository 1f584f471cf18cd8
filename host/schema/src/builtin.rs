//! The schemas that come with Palisade, as text. The list is made from `/schemas` when this crate is built.

/// Name and text of each schema, sorted by name.
pub(crate) const SCHEMAS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

//! The schemas that come with Palisade, as text. The list is made from `/schemas` when this crate is built.

/// Name and text of each schema of artifacts, sorted by name.
pub(crate) const SCHEMAS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// Name and text of the schemas of Palisade's own files, sorted by name: `run.json`, manifests, `palisade.toml`, plans,
/// diagnostics. No artifact has such a schema.
pub const FORMS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/forms.rs"));

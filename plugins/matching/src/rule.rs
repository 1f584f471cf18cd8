//! What every detection rule has, whatever it detects.

use serde::Deserialize;

/// A rule of a detection ruleset: what to look for, and in `fields` what finding it means.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule<F> {
    /// Title of the rule, for people.
    pub name: String,
    /// Literals, compared without regard to case and bounded by word boundaries.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Regular expressions, compared without regard to case, without added boundaries.
    #[serde(default)]
    pub value_patterns: Vec<String>,
    /// What is particular to the kind of rule.
    #[serde(flatten)]
    pub fields: F,
}

//! What goes from where to where in a plan, and what is fixed that comes from outside.

use palisade_model::{ArtifactName, Digest, SchemaRef, StepId};
use serde::{Deserialize, Serialize};

/// An input of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The port.
    pub port: String,
    /// Where it comes from.
    pub source: BindingSource,
    /// Its schema.
    pub schema: SchemaRef,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum BindingSource {
    /// Another step's output.
    Step {
        /// The step.
        step: StepId,
        /// Its output port.
        port: String,
    },
    /// An input of the run.
    Input {
        /// Its name.
        name: ArtifactName,
    },
    /// A ruleset of the plan.
    Ruleset {
        /// `local/NAME/VERSION`.
        name: String,
        /// The artifact's digest.
        digest: Digest,
    },
}

/// An output of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOutput {
    /// The port; for a child, the child's output.
    pub port: String,
    /// The artifact's name in the runbook; none for a port, or a result of a child, that the runbook does not name.
    pub artifact: Option<ArtifactName>,
    /// Its schema.
    pub schema: SchemaRef,
    /// It is a result of the run.
    pub exported: bool,
}

/// An artifact of the runbook that is another one under a second name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAlias {
    /// Its name in the runbook.
    pub artifact: ArtifactName,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// What it is.
    pub source: BindingSource,
    /// Its schema.
    pub schema: SchemaRef,
    /// It is a result of the run.
    pub exported: bool,
    /// The run does not fail without it.
    pub optional: bool,
}

/// A ruleset that the plan fixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedRuleset {
    /// `local/NAME/VERSION`.
    pub name: String,
    /// Its schema.
    pub schema: SchemaRef,
    /// The artifact's digest.
    pub digest: Digest,
    /// Bytes of its items.
    pub bytes: u64,
}

/// A schema that the plan fixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedSchema {
    /// Its name and version.
    pub schema: SchemaRef,
    /// The digest of its canonical form.
    pub digest: Digest,
}

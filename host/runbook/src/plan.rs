//! The plan: a runbook with everything resolved, in a form that is stored when the run starts. Whoever runs it needs
//! nothing else of the runbook.

use palisade_authority::{Authority, ScopedPath};
use palisade_model::{ArtifactName, ComponentId, Digest, Limits, SchemaRef, StepId, canonical};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the stored form.
pub(crate) const FORM: u32 = 1;

/// A runbook, ready to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this form.
    pub v: u32,
    /// Title of the runbook.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// Digest of the runbook's text.
    pub runbook_digest: Digest,
    /// The steps, in an order in which each comes after those that it reads from.
    pub steps: Vec<PlannedStep>,
    /// Artifacts of the runbook that are another step's output under a second name.
    pub aliases: Vec<PlannedAlias>,
    /// Rulesets that steps read, each once.
    pub rulesets: Vec<PlannedRuleset>,
    /// Schemas of all outputs and rulesets, each once.
    pub schemas: Vec<PlannedSchema>,
    /// Limits of the run as a whole.
    pub limits: RunLimits,
}

/// Limits of a run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Longest duration of the run, in milliseconds.
    pub wall_ms: u64,
    /// The runbook says so; else it is WCF's default.
    pub wall_is_set: bool,
    /// Most steps at once.
    pub max_concurrency: u32,
}

/// One step, ready to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id: the artifact's name in the runbook.
    pub id: StepId,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// The component.
    pub component: ComponentId,
    /// Its version.
    pub version: semver::Version,
    /// The digest of its bytes.
    pub component_digest: Digest,
    /// It comes with Palisade.
    pub first_party: bool,
    /// The config, defaults filled in.
    pub config: Value,
    /// What it reads, by port in the order of the manifest, within a port in the order written.
    pub inputs: Vec<Binding>,
    /// What it writes, one for each output port. The first is the step's artifact.
    pub outputs: Vec<PlannedOutput>,
    /// Input ports whose items may be split over several instances.
    pub per_item: Vec<String>,
    /// Limits in force for each attempt.
    pub limits: Limits,
    /// Paths that the config names.
    pub paths: Vec<NamedPath>,
    /// Databases that the config names.
    pub connections: Vec<NamedConnection>,
    /// What it may do: the meet of the operator's grants, the manifest, the runbook and the config.
    pub authority: Authority,
    /// Its artifact is a result of the run.
    pub exported: bool,
    /// The run does not fail with it.
    pub optional: bool,
}

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
    /// The port.
    pub port: String,
    /// The artifact's name in the runbook; none for a port that the runbook does not name.
    pub artifact: Option<ArtifactName>,
    /// Its schema.
    pub schema: SchemaRef,
}

/// An artifact of the runbook that is another step's output under a second name (`inputs` without a `process`).
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
    /// The step whose output it is.
    pub step: StepId,
    /// The port of that step.
    pub port: String,
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
}

/// A schema that the plan fixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedSchema {
    /// Its name and version.
    pub schema: SchemaRef,
    /// The digest of its canonical form.
    pub digest: Digest,
}

/// A path that a step's config names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPath {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The value as the component sees it: the name of the preopen.
    pub written: String,
    /// The path in normal form.
    pub path: ScopedPath,
}

/// A database that a step's config names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedConnection {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The connection's name for the component: `sqlite:PATH`, the path as the component sees it.
    pub name: String,
    /// The database's file in normal form.
    pub path: ScopedPath,
}

impl Plan {
    /// The digest of the plan's canonical form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // A plan has text keys and finite numbers only, so it always has a JSON form.
        canonical::digest(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The step of that id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == *id)
    }
}

impl PlannedStep {
    /// The steps that it reads from, each once.
    pub fn depends_on(&self) -> impl Iterator<Item = &StepId> {
        let mut seen = std::collections::BTreeSet::new();
        self.inputs.iter().filter_map(move |binding| match &binding.source {
            BindingSource::Step { step, .. } => seen.insert(step).then_some(step),
            BindingSource::Ruleset { .. } => None,
        })
    }
}

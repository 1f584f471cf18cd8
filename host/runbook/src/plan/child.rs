//! Child runbooks in a plan: where they come from and what bounds them.

use super::{BindingSource, Plan};
use crate::config_bound::ConfigBound;
use palisade_authority::Bound;
use palisade_model::{ArtifactName, ComponentId, Digest, RunLimitKind, RunLimits};
use serde::{Deserialize, Serialize};

/// A child runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedChild {
    /// Where it comes from.
    pub runbook: PlannedChildRunbook,
    /// The components that it may use, with the digests that were meant; none = those that the operator allows
    /// generated runbooks to use.
    pub components: Option<Vec<AllowedComponent>>,
    /// Limits of the child and all below it.
    pub limits: RunLimits,
    /// Limits within which a generated runbook needs no person; none = every one needs one.
    pub approved_within: Option<RunLimits>,
    /// The child's outputs and the artifacts that they become; where none is named, all appear as `STEP/OUTPUT`.
    pub outputs: Vec<ChildOutput>,
}

/// The runbooks that an agent may submit while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// What holds for each of them.
    pub child: PlannedChild,
    /// Most of them, those that are refused included.
    pub most: u32,
}

/// Where a child runbook comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum PlannedChildRunbook {
    /// An agent submits it: it is planned when it is there.
    Agent {
        /// The `capabilities` of the runbook that has the agent and of those above, which it can't widen.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bounds: Vec<Bound>,
        /// The plan of the last one that was submitted: see [`Plan::fill_in`]. It is no part of the stored form.
        #[serde(skip)]
        plan: Option<Box<Plan>>,
    },
    /// An artifact of this run: it is planned when it is there.
    Artifact {
        /// The artifact.
        source: BindingSource,
        /// The `capabilities` of the runbook that calls it and of those above, which it can't widen.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bounds: Vec<Bound>,
        /// What it gives are results of the run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exported: bool,
        /// Its own plan, once there is one: see [`Plan::fill_in`]. It is no part of the stored form.
        #[serde(skip)]
        plan: Option<Box<Plan>>,
    },
    /// A file, planned with its parent.
    File {
        /// The path as written.
        path: String,
        /// The child's plan.
        plan: Box<Plan>,
    },
}

/// A child's output under its name in the parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildOutput {
    /// The name in the child.
    pub output: String,
    /// The artifact of the parent that it becomes.
    pub artifact: ArtifactName,
}

/// A component that a child or an agent may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedComponent {
    /// Which.
    pub component: ComponentId,
    /// In which version.
    pub version: semver::Version,
    /// With which bytes.
    pub digest: Digest,
    /// What its config keeps to: all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigBound>,
}

impl PlannedChild {
    /// The limits of a child that is an artifact, of those that the step that runs it sets for all below: it is one of the
    /// levels itself.
    #[must_use]
    pub fn limits_of_artifact(&self) -> RunLimits {
        let mut limits = self.limits.clone();
        if let Some(depth) = limits.get(RunLimitKind::MaxDepth) {
            limits.set(RunLimitKind::MaxDepth, depth.saturating_sub(1));
        }
        limits
    }
}

impl PlannedChildRunbook {
    /// The child's plan, where it is known.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::File { plan, .. } => Some(plan),
            Self::Artifact { plan, .. } | Self::Agent { plan, .. } => plan.as_deref(),
        }
    }
}

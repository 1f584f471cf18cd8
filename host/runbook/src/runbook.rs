//! A runbook as understood: the one model of both spellings. Nothing in it is resolved yet: names are names.

use crate::source::{Span, Spanned};
use crate::yaml::Node;
use palisade_model::id::ComponentName;
use palisade_model::{ArtifactName, Digest, LimitKind, SchemaReq};
use std::collections::BTreeMap;

/// A runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// Name of the source, for diagnostics.
    pub source: String,
    /// Digest of the text as read.
    pub digest: Digest,
    /// Its title.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// Settings of the run.
    pub settings: Settings,
    /// What it may do at most, each as `power=scope`; none = it says nothing, which is the operator's default set.
    pub capabilities: Option<Vec<Spanned<String>>>,
    /// What must be given to it.
    pub inputs: Vec<DeclaredInput>,
    /// What it offers to a parent.
    pub outputs: Vec<DeclaredOutput>,
    /// Its steps, in the order written.
    pub steps: Vec<Step>,
}

/// Settings of the run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Longest duration of the run, in seconds.
    pub timeout: Option<Spanned<u64>>,
    /// Most steps at once.
    pub max_concurrency: Option<Spanned<u64>>,
}

/// An input that the runbook declares.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredInput {
    /// Its name.
    pub name: Spanned<String>,
    /// The schema it must have.
    pub schema: Option<SchemaReq>,
    /// The runbook works without.
    pub optional: bool,
}

/// An output that the runbook declares.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredOutput {
    /// Its name.
    pub name: Spanned<String>,
    /// The artifact it is.
    pub artifact: Spanned<String>,
}

/// One step: it makes one artifact, which has its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name, and that of its artifact.
    pub id: Spanned<ArtifactName>,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// The artifacts it reads, in the order written; one may stand there twice.
    pub inputs: Vec<Spanned<String>>,
    /// What it does.
    pub work: Work,
    /// The schema its artifact is said to have.
    pub output_schema: Option<Spanned<SchemaReq>>,
    /// The artifact is a result of the run.
    pub output: bool,
    /// The run does not fail with it.
    pub optional: bool,
    /// Limits that it sets itself.
    pub limits: BTreeMap<LimitKind, Spanned<u64>>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Runs a component that reads no artifact.
    Source(Call),
    /// Runs a component over the inputs.
    Process(Call),
    /// Hands its one input on.
    PassOn,
    /// Something that this build can't do; it has been reported.
    NotAvailable,
    /// It could not be understood; that has been reported.
    Broken,
}

/// A component and its config.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The component.
    pub component: Spanned<ComponentName>,
    /// Its properties; none = none are written.
    pub config: Option<Node>,
    /// Where the call stands, for what has no better place.
    pub span: Span,
}

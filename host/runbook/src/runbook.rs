//! A runbook as understood: the one model of both spellings. Nothing in it is resolved yet: names are names.

use crate::condition::Condition;
use crate::config_bound::ListedComponent;
use crate::reference::Reference;
use crate::source::{Span, Spanned};
use crate::yaml::Node;
use palisade_model::id::ComponentName;
use palisade_model::{ArtifactName, Digest, LimitKind, LimitSet, RunLimitKind, SchemaReq};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a runbook is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// WCF's map of artifacts.
    Artifacts,
    /// A list of steps that is read from top to bottom.
    Execution,
}

impl Form {
    /// The key under which the config of a component stands.
    pub(crate) const fn key_of_config(self) -> &'static str {
        match self {
            Self::Artifacts => "properties",
            Self::Execution => "config",
        }
    }
}

/// A runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// Name of the source, for diagnostics.
    pub source: String,
    /// Digest of the text as read.
    pub digest: Digest,
    /// How it is written.
    pub form: Form,
    /// Its title.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// Limits of the run as a whole.
    pub limits: BTreeMap<RunLimitKind, Spanned<u64>>,
    /// Folders in which child runbooks are looked for, after that of the runbook.
    pub template_paths: Vec<Spanned<String>>,
    /// What it may do at most, each as `power=scope`; none = it says nothing, which is the operator's default set.
    pub capabilities: Option<Vec<Spanned<String>>>,
    /// What can be given to it.
    pub inputs: Vec<DeclaredInput>,
    /// What it offers to a parent; in the execution form also its results. None = it says nothing.
    pub outputs: Option<Vec<DeclaredOutput>>,
    /// Its steps, in the order written.
    pub steps: Vec<Step>,
    /// Names, without case, of things that could not be understood; that has been reported.
    pub spoilt: BTreeSet<String>,
    /// The places of all errors that were reported when it was read. With any, it has no plan.
    pub mistakes: BTreeSet<Span>,
}

/// An input that the runbook declares.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredInput {
    /// Its name.
    pub name: Spanned<ArtifactName>,
    /// The schema it must have; none = it could not be understood, which has been reported.
    pub schema: Option<Spanned<SchemaReq>>,
    /// The runbook can do without.
    pub optional: bool,
    /// The document that is taken where none is given.
    pub default: Option<Spanned<Value>>,
    /// It never appears in logs, errors, reports and the audit log.
    pub sensitive: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// An output that the runbook declares.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredOutput {
    /// Its name.
    pub name: Spanned<ArtifactName>,
    /// The artifact it is.
    pub artifact: Spanned<String>,
    /// What it is.
    pub description: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its id; in the artifacts form also the name of its artifact.
    pub id: Spanned<ArtifactName>,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// What it reads.
    pub inputs: Inputs,
    /// The schema that its input is said to have; without an input, that of the run input which it takes.
    pub input_schema: Option<Spanned<SchemaReq>>,
    /// What it does.
    pub work: Work,
    /// What its artifacts are called.
    pub outputs: Outputs,
    /// The schema its artifact is said to have.
    pub output_schema: Option<Spanned<SchemaReq>>,
    /// Its named artifacts are results of the run.
    pub exported: bool,
    /// The run does not fail with it.
    pub optional: bool,
    /// Limits that it sets itself.
    pub limits: StepLimits,
    /// What happens when an attempt fails.
    pub retry: Option<Retry>,
    /// It runs only if this holds.
    pub when: Option<Spanned<Condition>>,
    /// Steps that must have ended before it starts, beside those it reads from.
    pub after: Vec<Spanned<String>>,
    /// What undoes its effect if the run fails later.
    pub compensate: Option<Box<Step>>,
}

/// What a step reads, by the names of artifacts and inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// In the order written; each goes to the first port that accepts it. A name may stand there twice.
    List(Vec<Spanned<String>>),
    /// Port by port.
    Ports(Vec<(Spanned<String>, Vec<Spanned<String>>)>),
    /// It could not be understood; that has been reported.
    Unreadable,
}

/// What a step's artifacts are called.
#[derive(Debug, Clone, PartialEq)]
pub enum Outputs {
    /// It has one, with the id of the step.
    Own,
    /// It has one, with this name.
    One(Spanned<ArtifactName>),
    /// Port by port. A port that is not named here has no name.
    Ports(Vec<(Spanned<String>, Spanned<ArtifactName>)>),
}

/// Limits that a step sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepLimits {
    /// Of each attempt of its component: the set that holds where no limit is stated by itself.
    pub set: Option<Spanned<LimitSet>>,
    /// Of each attempt of its component.
    pub attempt: BTreeMap<LimitKind, Spanned<u64>>,
    /// Of the child run or agent that it starts, and all below.
    pub run: BTreeMap<RunLimitKind, Spanned<u64>>,
}

/// What happens when an attempt fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts in all.
    pub max_attempts: Spanned<u64>,
    /// Milliseconds before the second attempt; each later wait is twice as long.
    pub backoff_ms: Option<Spanned<u64>>,
    /// Kinds of failure after which another attempt is made; empty = those that may pass by themselves.
    pub on: Vec<Spanned<String>>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Runs a component that reads no artifact.
    Source(Call),
    /// Reads the system of that name, as the operator set it up.
    System {
        /// The name in `palisade.toml`.
        name: Spanned<String>,
    },
    /// Runs a component over the inputs.
    Process(Call),
    /// Hands its one input on.
    PassOn,
    /// Runs its body once for each item of its input.
    Map {
        /// What is run.
        body: Body,
        /// Most items.
        max_items: Option<Spanned<u64>>,
        /// Most items at once.
        max_concurrency: Option<Spanned<u64>>,
        /// Where it stands.
        span: Span,
    },
    /// Runs its body over and over, each time over what it made before.
    Loop {
        /// What is run.
        body: Body,
        /// It ends when this holds of the latest output; none = it was missing or wrong, which has been reported.
        until: Option<Spanned<Condition>>,
        /// Most iterations.
        max_iterations: Option<Spanned<u64>>,
        /// Where it stands.
        span: Span,
    },
    /// Runs another runbook as a child.
    Child(Child),
    /// Waits for a person.
    Approval(Approval),
    /// Lets an agent work.
    Agent(Agent),
    /// Takes an artifact of an earlier run.
    Reuse {
        /// The run.
        from_run: Spanned<String>,
        /// Its artifact.
        artifact: Spanned<String>,
    },
    /// It could not be understood; that has been reported.
    Broken,
}

/// What `map` and `loop` run.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A component.
    Component(Call),
    /// A child runbook.
    Workflow(Child),
}

/// A component and its config.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The component.
    pub component: Spanned<ComponentName>,
    /// Its properties; none = none are written.
    pub config: Option<Node>,
    /// The values of the config that are references, by JSON pointer; the config has null in their places.
    pub references: Vec<(String, Spanned<Reference>)>,
    /// Where the call stands, for what has no better place.
    pub span: Span,
}

/// The component without a word on its config.
impl From<Spanned<ComponentName>> for Call {
    fn from(component: Spanned<ComponentName>) -> Self {
        let span = component.span;
        Self { component, config: None, references: Vec::new(), span }
    }
}

/// A child runbook and how it is tied to its parent.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Where it comes from.
    pub runbook: ChildRunbook,
    /// The child's input, and the parent's artifact that it gets.
    pub inputs: Vec<(Spanned<String>, Spanned<String>)>,
    /// The child's output, and the name of the parent's artifact that it becomes.
    pub outputs: Vec<(Spanned<String>, Spanned<ArtifactName>)>,
    /// The components that the child may use; none = nothing is said.
    pub components: Option<Vec<ListedComponent>>,
    /// What is approved beforehand.
    pub auto_approve: AutoApprove,
    /// Where it stands.
    pub span: Span,
}

/// Where a child runbook comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildRunbook {
    /// An artifact that an earlier step makes.
    Artifact(Spanned<String>),
    /// A file beside the runbook, or below one of its `template_paths`.
    File(Spanned<String>),
}

/// Which generated runbooks need no person to approve them.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AutoApprove {
    /// None.
    #[default]
    Nothing,
    /// Those within the step's own limits and components.
    WithinStep(Span),
    /// Those within these limits.
    Within(BTreeMap<RunLimitKind, Spanned<u64>>),
}

/// A person's yes or no.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// What the person is asked.
    pub message: Spanned<String>,
    /// Who may answer; empty = whoever operates the host.
    pub approvers: Vec<Spanned<String>>,
    /// Milliseconds after which the answer is no.
    pub expires_ms: Option<Spanned<u64>>,
}

/// An agent and what it may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its component.
    pub call: Call,
    /// What it is to reach.
    pub goal: Spanned<String>,
    /// Components that it may call.
    pub tools: Vec<Call>,
    /// Agents that it may call.
    pub members: Vec<Call>,
    /// What it may submit; none = no runbooks.
    pub runbooks: Option<Submitting>,
}

/// What runbooks an agent may submit.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitting {
    /// The components that they may use.
    pub components: Vec<ListedComponent>,
    /// The limits of each.
    pub limits: BTreeMap<RunLimitKind, Spanned<u64>>,
    /// What is approved beforehand.
    pub auto_approve: AutoApprove,
    /// Most of them.
    pub most: Spanned<u64>,
    /// Where it stands.
    pub span: Span,
}

impl Inputs {
    /// All names, in the order written.
    pub fn names(&self) -> impl Iterator<Item = &Spanned<String>> {
        let (list, ports): (&[_], &[_]) = match self {
            Self::List(names) => (names, &[]),
            Self::Ports(ports) => (&[], ports),
            Self::Unreadable => (&[], &[]),
        };
        list.iter().chain(ports.iter().flat_map(|(_, names)| names))
    }

    /// Whether nothing is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self != Self::Unreadable && self.names().next().is_none()
    }
}

impl Step {
    /// A step of which nothing is understood yet.
    pub(crate) fn broken(id: Spanned<ArtifactName>) -> Self {
        Self {
            id,
            title: None,
            description: None,
            contact: None,
            inputs: Inputs::List(Vec::new()),
            input_schema: None,
            work: Work::Broken,
            outputs: Outputs::Own,
            output_schema: None,
            exported: false,
            optional: false,
            limits: StepLimits::default(),
            retry: None,
            when: None,
            after: Vec::new(),
            compensate: None,
        }
    }

    /// The names of the artifacts that it makes, with their places.
    pub fn artifacts(&self) -> Vec<&Spanned<ArtifactName>> {
        let children = match &self.work {
            Work::Child(child) => child.outputs.as_slice(),
            _ => &[],
        };
        let own: Vec<_> = match &self.outputs {
            // A gate makes nothing, and a child only what is named.
            Outputs::Own if matches!(self.work, Work::Approval(_) | Work::Child(_)) => Vec::new(),
            Outputs::Own => vec![&self.id],
            Outputs::One(name) => vec![name],
            Outputs::Ports(ports) => ports.iter().map(|(_, name)| name).collect(),
        };
        own.into_iter().chain(children.iter().map(|(_, name)| name)).collect()
    }

    /// The component that it runs, if it runs one.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        match &self.work {
            Work::Source(call)
            | Work::Process(call)
            | Work::Map { body: Body::Component(call), .. }
            | Work::Loop { body: Body::Component(call), .. }
            | Work::Agent(Agent { call, .. }) => Some(call),
            _ => None,
        }
    }

    /// The components that it may call as tools.
    #[must_use]
    pub fn tools(&self) -> &[Call] {
        match &self.work {
            Work::Agent(agent) => &agent.tools,
            _ => &[],
        }
    }

    /// The agents of its team.
    #[must_use]
    pub fn members(&self) -> &[Call] {
        match &self.work {
            Work::Agent(agent) => &agent.members,
            _ => &[],
        }
    }

    /// The child runbook that it runs, if it runs one.
    #[must_use]
    pub fn child(&self) -> Option<&Child> {
        match &self.work {
            Work::Child(child)
            | Work::Map { body: Body::Workflow(child), .. }
            | Work::Loop { body: Body::Workflow(child), .. } => Some(child),
            _ => None,
        }
    }

    /// All artifacts and inputs that it needs, wherever it names them; once for each place.
    pub fn needs(&self) -> Vec<Spanned<&str>> {
        let mut needs: Vec<Spanned<&str>> =
            self.inputs.names().map(|name| Spanned::new(name.value.as_str(), name.span)).collect();
        if let Some(when) = &self.when {
            needs.extend(when.value.names().map(|name| Spanned::new(name, when.value.place(name, when.span))));
        }
        if let Work::Loop { until: Some(until), .. } = &self.work {
            let own: Vec<String> = self.artifacts().iter().map(|name| name.value.key()).collect();
            let others = until.value.names().filter(|name| !own.contains(&name.to_lowercase()));
            needs.extend(others.map(|name| Spanned::new(name, until.value.place(name, until.span))));
        }
        if let Some(call) = self.call() {
            needs.extend(
                call.references.iter().map(|(_, found)| Spanned::new(found.value.artifact.as_str(), found.span)),
            );
        }
        if let Some(child) = self.child() {
            if let ChildRunbook::Artifact(name) = &child.runbook {
                needs.push(Spanned::new(name.value.as_str(), name.span));
            }
            needs.extend(child.inputs.iter().map(|(_, name)| Spanned::new(name.value.as_str(), name.span)));
        }
        needs
    }
}

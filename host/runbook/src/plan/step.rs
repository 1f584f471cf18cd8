//! The steps of a plan: what each does, needs and makes.

use super::{
    Binding, BindingSource, PlannedCall, PlannedChild, PlannedChildRunbook, PlannedOutput, PlannedTool, Submitted,
};
use palisade_model::{LimitKind, OutputName, RunLimits, SchemaRef, StepId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One step, ready to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id.
    pub id: StepId,
    /// A title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// What it does.
    pub work: PlannedWork,
    /// What it reads. For a component by port in the order of the manifest, within a port in the order written; for a
    /// child the port is the child's input.
    pub inputs: Vec<Binding>,
    /// What it makes. The first is the step's artifact.
    pub outputs: Vec<PlannedOutput>,
    /// It runs only if this holds.
    pub when: Option<PlannedCondition>,
    /// Steps that must have ended before it, beside those that it reads from.
    pub after: Vec<StepId>,
    /// What happens when an attempt fails.
    pub retry: Option<PlannedRetry>,
    /// What undoes its effect if the run fails later.
    pub compensate: Option<Box<PlannedStep>>,
    /// The run does not fail with it.
    pub optional: bool,
    /// Labels of the data that it reads and makes.
    pub labels: BTreeSet<String>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PlannedWork {
    /// Runs a component once.
    Component {
        /// The component.
        call: PlannedCall,
    },
    /// Runs its body once for each item of the one input that the runbook wires.
    Map {
        /// What it runs.
        body: PlannedBody,
        /// Most items; more fail the step.
        max_items: u64,
        /// Most items at once.
        max_concurrency: u32,
    },
    /// Runs its body, then again over what it made, until a condition holds or the bound is reached.
    Loop {
        /// What it runs.
        body: PlannedBody,
        /// It ends when this holds of the latest output, which stands there under the name of the step's artifact.
        until: PlannedCondition,
        /// Most iterations.
        max_iterations: u32,
        /// The input port that gets the latest output.
        port: String,
    },
    /// Runs a child runbook.
    Child {
        /// The child.
        child: PlannedChild,
    },
    /// Waits for a person.
    Approval {
        /// What the person is asked.
        message: String,
        /// Who may answer; empty = whoever operates the host.
        approvers: Vec<String>,
        /// Milliseconds after which the answer is no.
        expires_ms: Option<u64>,
    },
    /// Lets an agent work.
    Agent {
        /// Its component.
        call: PlannedCall,
        /// What it is to reach.
        goal: String,
        /// Components that it may call.
        tools: Vec<PlannedTool>,
        /// Agents that it may call, and that may call each other and its tools.
        members: Vec<PlannedTool>,
        /// What it may submit; absent = no runbooks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runbooks: Option<Box<Submitted>>,
        /// Limits of all that it does.
        limits: RunLimits,
    },
    /// Takes an artifact of an earlier run.
    Reuse {
        /// The run.
        from_run: String,
        /// Its artifact.
        artifact: String,
    },
}

/// What `map` and `loop` run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "runs", rename_all = "snake_case")]
pub enum PlannedBody {
    /// A component.
    Component {
        /// The component.
        call: PlannedCall,
    },
    /// A child runbook.
    Child {
        /// The child.
        child: PlannedChild,
    },
}

/// A condition and what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCondition {
    /// The condition, in CEL.
    pub text: String,
    /// The artifacts and inputs that it names.
    pub names: Vec<(String, BindingSource)>,
}

/// What happens when an attempt fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRetry {
    /// Attempts in all.
    pub max_attempts: u32,
    /// Milliseconds before the second attempt; each later wait is twice as long.
    pub backoff_ms: u64,
    /// Kinds of failure after which another attempt is made; empty = those that may pass by themselves.
    pub on: Vec<String>,
}

/// What a step needs an artifact for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// The component, or the child, reads its items.
    Input,
    /// A value of the config comes from it.
    Value,
    /// A condition speaks of it.
    Condition,
    /// It is the runbook that the step runs.
    Runbook,
}

impl PlannedStep {
    /// The component that it runs itself, if it does.
    #[must_use]
    pub fn call(&self) -> Option<&PlannedCall> {
        match &self.work {
            PlannedWork::Component { call }
            | PlannedWork::Map { body: PlannedBody::Component { call }, .. }
            | PlannedWork::Loop { body: PlannedBody::Component { call }, .. }
            | PlannedWork::Agent { call, .. } => Some(call),
            _ => None,
        }
    }

    /// What an output is called: by its artifact's name, or, for a result of a child that has none, by the child's.
    #[must_use]
    pub fn output_name(&self, output: &PlannedOutput) -> Option<OutputName> {
        match &output.artifact {
            Some(name) => Some(name.clone().into()),
            None if self.child().is_some() => Some(OutputName::of_child(&self.id, &output.port.parse().ok()?)),
            None => None,
        }
    }

    /// The child runbook that it runs, if it does.
    #[must_use]
    pub fn child(&self) -> Option<&PlannedChild> {
        match &self.work {
            PlannedWork::Child { child }
            | PlannedWork::Map { body: PlannedBody::Child { child }, .. }
            | PlannedWork::Loop { body: PlannedBody::Child { child }, .. } => Some(child),
            _ => None,
        }
    }

    /// Whether it is a map over a child runbook.
    #[must_use]
    pub const fn maps_child(&self) -> bool {
        matches!(self.work, PlannedWork::Map { body: PlannedBody::Child { .. }, .. })
    }

    /// The schemas of what it gives to its ports.
    #[must_use]
    pub fn gives(&self) -> BTreeMap<String, SchemaRef> {
        self.inputs.iter().map(|binding| (binding.port.clone(), binding.schema.clone())).collect()
    }

    /// What it may submit, if it is an agent that may.
    #[must_use]
    pub fn submits(&self) -> Option<&Submitted> {
        match &self.work {
            PlannedWork::Agent { runbooks, .. } => runbooks.as_deref(),
            _ => None,
        }
    }

    /// What holds for the child runs that hang on it: those of the runbook that it runs, or of those that it submits.
    #[must_use]
    pub fn runs_or_submits(&self) -> Option<&PlannedChild> {
        self.child().or_else(|| self.submits().map(|submitted| &submitted.child))
    }

    /// Whether what its child runs do is not known before the run starts.
    #[must_use]
    pub fn plans_later(&self) -> bool {
        let later = |child: &PlannedChild| !matches!(child.runbook, PlannedChildRunbook::File { .. });
        self.runs_or_submits().is_some_and(later)
    }

    pub(super) fn child_mut(&mut self) -> Option<&mut PlannedChild> {
        match &mut self.work {
            PlannedWork::Child { child }
            | PlannedWork::Map { body: PlannedBody::Child { child }, .. }
            | PlannedWork::Loop { body: PlannedBody::Child { child }, .. } => Some(child),
            _ => None,
        }
    }

    /// Its type as a runbook writes it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.work {
            PlannedWork::Component { .. }
                if self.inputs.iter().all(|input| matches!(input.source, BindingSource::Ruleset { .. })) =>
            {
                "source"
            }
            PlannedWork::Component { .. } => "analyse",
            PlannedWork::Map { .. } => "map",
            PlannedWork::Loop { .. } => "loop",
            PlannedWork::Child { .. } => "execute_workflow",
            PlannedWork::Approval { .. } => "approval",
            PlannedWork::Agent { .. } => "agent",
            PlannedWork::Reuse { .. } => "reuse",
        }
    }

    /// Whether what it asks of the host is written down, and given again: calls of tools and of models, and runbooks.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.callable().next().is_some()
            || self.submits().is_some()
            || self.call().is_some_and(PlannedCall::asks_models)
    }

    /// The components that it may call as tools.
    #[must_use]
    pub fn tools(&self) -> &[PlannedTool] {
        match &self.work {
            PlannedWork::Agent { tools, .. } => tools,
            _ => &[],
        }
    }

    /// The agents of its team.
    #[must_use]
    pub fn members(&self) -> &[PlannedTool] {
        match &self.work {
            PlannedWork::Agent { members, .. } => members,
            _ => &[],
        }
    }

    /// All that it may call: its tools, and the agents of its team.
    pub fn callable(&self) -> impl Iterator<Item = &PlannedTool> {
        self.tools().iter().chain(self.members())
    }

    /// What works in it with powers of its own: its component, and the agents of its team.
    pub fn workers(&self) -> impl Iterator<Item = &PlannedCall> {
        self.call().into_iter().chain(self.members().iter().map(|member| &member.call))
    }

    /// Bytes of memory that may be taken by what it calls: who calls waits, so that of the tools one runs, and of a team each may wait
    /// for another.
    #[must_use]
    pub fn memory_of_called(&self) -> u64 {
        let memory = |called: &PlannedTool| called.call.limits.value(LimitKind::Memory);
        let of_tool = self.tools().iter().map(memory).max().unwrap_or(0);
        self.members().iter().map(memory).fold(of_tool, u64::saturating_add)
    }

    pub(super) fn add_calls<'p>(&'p self, calls: &mut Vec<&'p PlannedCall>) {
        calls.extend(self.call());
        calls.extend(self.callable().map(|called| &called.call));
        if let Some(plan) = self.runs_or_submits().and_then(|child| child.runbook.plan()) {
            calls.extend(plan.calls());
        }
        if let Some(compensate) = &self.compensate {
            compensate.add_calls(calls);
        }
    }

    /// Everything that it needs before it starts, in no order that matters; once for each use. A loop's condition speaks of
    /// what the loop itself makes, too, which is not among them.
    pub fn needs(&self) -> impl Iterator<Item = &BindingSource> {
        self.uses().map(|(source, _)| source)
    }

    /// As [`PlannedStep::needs`], with what it is needed for.
    pub fn uses(&self) -> impl Iterator<Item = (&BindingSource, Use)> {
        let inputs = self.inputs.iter().map(|binding| (&binding.source, Use::Input));
        let values = self.call().into_iter().flat_map(|call| &call.values).map(|value| (&value.source, Use::Value));
        let until = match &self.work {
            PlannedWork::Loop { until, .. } => Some(until),
            _ => None,
        };
        let own = |source: &BindingSource| matches!(source, BindingSource::Step { step, .. } if *step == self.id);
        let names = self.when.iter().chain(until).flat_map(|condition| &condition.names).map(|(_, source)| source);
        let condition = names.filter(move |source| !own(source)).map(|source| (source, Use::Condition));
        let runbook = self.child().and_then(|child| match &child.runbook {
            PlannedChildRunbook::Artifact { source, .. } => Some((source, Use::Runbook)),
            PlannedChildRunbook::File { .. } | PlannedChildRunbook::Agent { .. } => None,
        });
        inputs.chain(values).chain(condition).chain(runbook)
    }

    /// The steps that it waits for, each once: those whose artifacts it needs, and those it is to come after.
    pub fn waits_for(&self) -> impl Iterator<Item = &StepId> {
        let mut seen = BTreeSet::new();
        let needed = self.needs().filter_map(|source| match source {
            BindingSource::Step { step, .. } => Some(step),
            BindingSource::Input { .. } | BindingSource::Ruleset { .. } => None,
        });
        needed.chain(&self.after).filter(move |step| seen.insert(*step))
    }
}

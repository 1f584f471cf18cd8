//! The plan: a runbook with everything resolved, in a form that is stored when the run starts. Whoever runs it needs
//! nothing else of the runbook.

use crate::config_bound::ConfigBound;
use palisade_authority::{Authority, Bound, Capability, NamedByConfig, Place, SENSITIVE, ScopedPath};
use palisade_model::canonical::{self, Written};
use palisade_model::digest::Hasher;
use palisade_model::manifest::Power;
use palisade_model::{
    ArtifactName, ComponentId, Digest, LimitKind, Limits, OutputName, RunLimitKind, RunLimits, SchemaRef, StepId,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the stored form.
pub(crate) const FORM: u32 = 2;
/// Steps whose canonical form is written in one go: enough that handing them to a core costs nothing beside it.
const STEPS_AT_ONCE: usize = 64;

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
    /// What can be given to the run.
    pub inputs: Vec<PlannedInput>,
    /// The steps, in an order in which each comes after those that it waits for.
    pub steps: Vec<PlannedStep>,
    /// Artifacts of the runbook that are another artifact under a second name.
    pub aliases: Vec<PlannedAlias>,
    /// Rulesets that steps read, each once.
    pub rulesets: Vec<PlannedRuleset>,
    /// Schemas of all inputs, outputs and rulesets, each once.
    pub schemas: Vec<PlannedSchema>,
    /// Limits of the run as a whole. `max_duration` and `max_concurrency` are always there.
    pub limits: RunLimits,
    /// Somebody stated `max_duration`; else it is WCF's default.
    pub duration_is_set: bool,
    /// What its parent can take of it, by name; nothing for a plan that is no child's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offers: BTreeMap<String, BindingSource>,
}

/// Something that can be given to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedInput {
    /// Its name.
    pub name: ArtifactName,
    /// Its schema.
    pub schema: SchemaRef,
    /// The runbook declares it; else a step asked for it by its schema.
    pub declared: bool,
    /// It may be left away. Steps that need it can't run then.
    pub optional: bool,
    /// The document that is taken where none is given.
    pub default: Option<Value>,
    /// It never appears in logs, errors, reports and the audit log.
    pub sensitive: bool,
    /// What it is for.
    pub description: Option<String>,
}

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

/// A component, its config and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The component.
    pub component: ComponentId,
    /// Its version.
    pub version: semver::Version,
    /// The digest of its bytes.
    pub component_digest: Digest,
    /// It comes with Palisade.
    pub first_party: bool,
    /// The config, defaults filled in; null where a value is filled in before the attempt.
    pub config: Value,
    /// Values that are filled in before the attempt.
    pub values: Vec<PlannedValue>,
    /// Input ports whose items may be split over several instances.
    pub per_item: Vec<String>,
    /// Limits in force for each attempt.
    pub limits: Limits,
    /// Paths that the config names.
    pub paths: Vec<NamedPath>,
    /// Databases that the config names.
    pub connections: Vec<NamedConnection>,
    /// What else the config names: origins and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<NamedByConfig>,
    /// The alias of the model that it asks where it names none; absent if it asks none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<Box<str>>,
    /// What it may do: the meet of the operator's grants, the manifest, the runbook and the config.
    pub authority: Authority,
    /// Labels that what it makes does not have, whatever it reads: the operator says so of its bytes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub declassifies: BTreeSet<String>,
}

impl PlannedCall {
    /// Whether it may ask language models.
    #[must_use]
    pub fn asks_models(&self) -> bool {
        self.may_use(Power::Llm)
    }

    /// Whether it may ask web servers.
    #[must_use]
    pub fn asks_servers(&self) -> bool {
        self.may_use(Power::Http)
    }

    /// Whether it may read databases of servers.
    #[must_use]
    pub fn reads_servers(&self) -> bool {
        self.may_use(Power::Database)
    }

    /// The names of the connections that its config names.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|named| match &named.place {
            Place::Database(connection) => Some(connection.as_str()),
            _ => None,
        })
    }

    /// Whether it could change something outside of the run: whether it may send requests that do more than read.
    #[must_use]
    pub fn may_change_outside(&self) -> bool {
        match self.authority.reach(Power::Http) {
            Capability::Http(scope) => !scope.only_reads(),
            _ => true,
        }
    }

    /// The names of the secrets that it may send.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        match self.authority.reach(Power::Secret) {
            Capability::Secret(scope) => {
                scope.places().into_iter().flatten().map(|place| place.name().to_owned()).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Whether there is anything that it may use a power on.
    pub(crate) fn may_use(&self, power: Power) -> bool {
        self.authority.reach(power).places().is_none_or(|places| !places.is_empty())
    }
}

/// A component that an agent may call. Only an agent of its team has any power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedTool {
    /// The component, with the config that it has where the agent gives none.
    pub call: PlannedCall,
    /// The rulesets that it reads, whatever config the agent gives.
    pub rulesets: Vec<Binding>,
    /// What lines must fit that the agent gives to a port.
    pub lines: BTreeMap<String, SchemaRef>,
}

/// A value of the config that comes from a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedValue {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The artifact.
    pub source: BindingSource,
    /// JSON pointer into its document.
    pub path: String,
}

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

/// Why stored bytes are no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanFormError {
    /// Another version of Palisade stored it.
    #[error("another version of Palisade wrote it: it has form {found}, and this one reads form {FORM}")]
    Version {
        /// Its form.
        found: u32,
    },
    /// It is no plan.
    #[error("it is no plan")]
    Form(#[from] serde_json::Error),
}

impl Plan {
    /// Reads a stored plan.
    ///
    /// # Errors
    /// When it is no plan, or of another version's form.
    pub fn read(bytes: &[u8]) -> Result<Self, PlanFormError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let version: Version = serde_json::from_slice(bytes)?;
        if version.v != FORM {
            return Err(PlanFormError::Version { found: version.v });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The plan's canonical form.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        self.write_canonical(&mut |piece| whole.extend_from_slice(piece));
        whole
    }

    /// The digest of the plan's canonical form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        self.write_canonical(&mut |piece| hasher.update(piece));
        hasher.finish()
    }

    /// Writes the canonical form. Nearly all of it is the steps, so these are written on all cores.
    fn write_canonical(&self, put: &mut dyn FnMut(&[u8])) {
        fn whole(value: &impl Serialize) -> Written {
            Written::Whole(canonical::to_vec(value))
        }
        let Self {
            v,
            name,
            description,
            contact,
            runbook_digest,
            inputs,
            steps,
            aliases,
            rulesets,
            schemas,
            limits,
            duration_is_set,
            offers,
        } = self;
        let steps = steps.par_chunks(STEPS_AT_ONCE).map(canonical::to_vec).collect();
        let mut entries = vec![
            ("v", whole(v)),
            ("name", whole(name)),
            ("description", whole(description)),
            ("contact", whole(contact)),
            ("runbook_digest", whole(runbook_digest)),
            ("inputs", whole(inputs)),
            ("steps", Written::Lists(steps)),
            ("aliases", whole(aliases)),
            ("rulesets", whole(rulesets)),
            ("schemas", whole(schemas)),
            ("limits", whole(limits)),
            ("duration_is_set", whole(duration_is_set)),
        ];
        // It is left away where there is none, as in any other form of the plan.
        if !offers.is_empty() {
            entries.push(("offers", whole(offers)));
        }
        canonical::write_object(entries, put);
    }

    /// The step of that id, be it one that undoes another.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.all_steps().find(|step| step.id == *id)
    }

    /// The steps in the order of the plan, each followed by the one that undoes it.
    pub fn all_steps(&self) -> impl Iterator<Item = &PlannedStep> {
        self.steps.iter().flat_map(|step| std::iter::once(step).chain(step.compensate.as_deref()))
    }

    /// The step that is undone by the one of that id, and that one.
    #[must_use]
    pub fn compensation(&self, id: &StepId) -> Option<(&PlannedStep, &PlannedStep)> {
        let mut undone = self.steps.iter().filter_map(|step| Some((step, step.compensate.as_deref()?)));
        undone.find(|(_, undo)| undo.id == *id)
    }

    /// Longest duration of the run, in milliseconds.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.limits.get(RunLimitKind::MaxDuration).unwrap_or(u64::MAX)
    }

    /// Most steps at once, at least one.
    #[must_use]
    pub fn max_concurrency(&self) -> usize {
        let most = self.limits.get(RunLimitKind::MaxConcurrency).unwrap_or(1);
        usize::try_from(most).unwrap_or(usize::MAX).max(1)
    }

    /// The plans of all children that are known, and of theirs.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        let mut all = Vec::new();
        for child in self.steps.iter().filter_map(PlannedStep::runs_or_submits) {
            if let Some(plan) = child.runbook.plan() {
                all.push(plan);
                all.extend(plan.children());
            }
        }
        all
    }

    /// Adds the plan of a runbook that is an artifact, which was made since, to the step that runs it: with it the step has
    /// the outputs that nobody could know before.
    pub fn fill_in(&mut self, step: &StepId, child: Self) {
        let Some(step) = self.steps.iter_mut().find(|known| known.id == *step) else { return };
        if let PlannedWork::Agent { runbooks: Some(runbooks), .. } = &mut step.work {
            if let PlannedChildRunbook::Agent { plan, .. } = &mut runbooks.child.runbook {
                *plan = Some(Box::new(child));
            }
            return;
        }
        let mut outputs = std::mem::take(&mut step.outputs);
        if let Some(PlannedChild {
            runbook: PlannedChildRunbook::Artifact { exported, plan, .. },
            outputs: named,
            ..
        }) = step.child_mut()
        {
            for ChildOutput { output, artifact } in named.iter() {
                let schema = child.offers.get(output).and_then(|source| child.schema_of(source));
                if let Some(schema) = schema.filter(|_| !outputs.iter().any(|known| known.port == *output)) {
                    let (port, artifact, schema) = (output.clone(), Some(artifact.clone()), schema.clone());
                    outputs.push(PlannedOutput { port, artifact, schema, exported: *exported });
                }
            }
            outputs.extend(child.unnamed_results(&outputs, *exported));
            *plan = Some(Box::new(child));
        }
        step.outputs = outputs;
    }

    /// The results of a child that are not among those that its parent names: they are results of the parent too.
    pub(crate) fn unnamed_results(&self, named: &[PlannedOutput], exported: bool) -> Vec<PlannedOutput> {
        let taken: Vec<_> = named.iter().filter_map(|output| self.offers.get(&output.port)).collect();
        let unnamed = self.results().into_iter().filter(|(_, source)| !taken.contains(&source));
        let output = |(name, source): (OutputName, BindingSource)| {
            let schema = self.schema_of(&source)?.clone();
            Some(PlannedOutput { port: name.to_string(), artifact: None, schema, exported })
        };
        unnamed.filter_map(output).collect()
    }

    /// The results of a run, with what they are: what steps make in the order of the steps, then second names.
    #[must_use]
    pub fn results(&self) -> Vec<(OutputName, BindingSource)> {
        let of_steps = self.steps.iter().flat_map(|step| {
            let exported = step.outputs.iter().filter(|output| output.exported);
            exported.filter_map(|output| {
                let source = BindingSource::Step { step: step.id.clone(), port: output.port.clone() };
                Some((step.output_name(output)?, source))
            })
        });
        let exported = self.aliases.iter().filter(|alias| alias.exported);
        let of_aliases = exported.map(|alias| (alias.artifact.clone().into(), alias.source.clone()));
        of_steps.chain(of_aliases).collect()
    }

    /// What something is called in the runbook; a step's id for what it makes without a name.
    #[must_use]
    pub fn name_of(&self, source: &BindingSource) -> String {
        match source {
            BindingSource::Step { step, port } => {
                self.artifact_name(step, port).map_or_else(|| step.to_string(), ToString::to_string)
            }
            BindingSource::Input { name } => name.to_string(),
            BindingSource::Ruleset { name, .. } => name.clone(),
        }
    }

    /// The schema of what a step makes or of what is given.
    #[must_use]
    pub fn schema_of(&self, source: &BindingSource) -> Option<&SchemaRef> {
        match source {
            BindingSource::Step { step, port } => {
                let output = self.step(step)?.outputs.iter().find(|output| output.port == *port)?;
                Some(&output.schema)
            }
            BindingSource::Input { name } => {
                let input = self.inputs.iter().find(|input| input.name == *name)?;
                Some(&input.schema)
            }
            BindingSource::Ruleset { name, .. } => {
                let ruleset = self.rulesets.iter().find(|ruleset| ruleset.name == *name)?;
                Some(&ruleset.schema)
            }
        }
    }

    /// The name of what a step makes on a port; none for a port that the runbook does not name.
    #[must_use]
    pub fn artifact_name(&self, step: &StepId, port: &str) -> Option<&ArtifactName> {
        self.step(step)?.outputs.iter().find(|output| output.port == port)?.artifact.as_ref()
    }

    /// All components that it runs, in the order of the steps; those of its children after their step.
    pub fn calls(&self) -> Vec<&PlannedCall> {
        let mut calls = Vec::new();
        for step in &self.steps {
            step.add_calls(&mut calls);
        }
        calls
    }
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

impl PlannedInput {
    /// The labels of what is given.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<String> {
        let sensitive = self.sensitive.then(|| SENSITIVE.to_owned());
        std::iter::once("input".to_owned()).chain(sensitive).collect()
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

    fn child_mut(&mut self) -> Option<&mut PlannedChild> {
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

    fn add_calls<'p>(&'p self, calls: &mut Vec<&'p PlannedCall>) {
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

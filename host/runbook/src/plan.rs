//! The plan: a runbook with everything resolved, in a form that is stored when the run starts. Whoever runs it needs
//! nothing else of the runbook.

mod call;
mod child;
mod step;
mod wiring;

pub use call::{NamedConnection, NamedPath, PlannedCall, PlannedTool, PlannedValue};
pub use child::{AllowedComponent, ChildOutput, PlannedChild, PlannedChildRunbook, Submitted};
pub use step::{PlannedBody, PlannedCondition, PlannedRetry, PlannedStep, PlannedWork, Use};
pub use wiring::{Binding, BindingSource, PlannedAlias, PlannedOutput, PlannedRuleset, PlannedSchema};

use palisade_authority::SENSITIVE;
use palisade_model::canonical::{self, Written};
use palisade_model::digest::Hasher;
use palisade_model::{ArtifactName, Digest, OutputName, RunLimitKind, RunLimits, SchemaRef, StepId};
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

impl PlannedInput {
    /// The labels of what is given.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<String> {
        let sensitive = self.sensitive.then(|| SENSITIVE.to_owned());
        std::iter::once("input".to_owned()).chain(sensitive).collect()
    }
}

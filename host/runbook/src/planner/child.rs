//! Child runbooks: files are planned with their parent, artifacts when they are there.

use super::{ChildLookup, Planner, is_broken};
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::plan::{Binding, ChildOutput, Plan, PlannedChild, PlannedChildRunbook, PlannedOutput};
use crate::runbook::{AutoApprove, Child, ChildRunbook, Outputs, Runbook, Step};
use crate::source::Spanned;
use palisade_model::{ArtifactName, RunLimitKind, RunLimits, SchemaRef, neutral};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The schema of an artifact that is a runbook.
const RUNBOOK_SCHEMA: &str = "runbook_definition";
/// Deepest nesting of child files that is planned; `max_depth` may say less.
const MAX_DEPTH: usize = 16;

/// A child, planned, with what it reads and makes.
pub(super) struct ChildParts {
    pub(super) child: PlannedChild,
    pub(super) inputs: Vec<Binding>,
    pub(super) outputs: Vec<PlannedOutput>,
    pub(super) labels: BTreeSet<String>,
}

/// What a child file gives when it is planned.
struct PlannedFile {
    plan: Plan,
    /// Its inputs by name: schema, and whether it can do without.
    inputs: BTreeMap<String, (SchemaRef, bool)>,
    /// Its outputs by name, with their schemas where those are known.
    outputs: BTreeMap<String, Option<SchemaRef>>,
}

impl Planner<'_> {
    pub(super) fn child(&mut self, step: &Step, child: &Child) -> Option<ChildParts> {
        let stated: RunLimits = step.limits.run.iter().map(|(&kind, stated)| (kind, stated.value)).collect();
        let mut labels = BTreeSet::new();
        let components = child.components.as_ref().map(|names| self.allowed_components(names));
        let (runbook, inputs, outputs, limits) = match &child.runbook {
            ChildRunbook::Artifact(name) => {
                let source = self.runbook_artifact(name, &mut labels);
                let inputs = self.child_inputs(child, None, &mut labels);
                let outputs = self.generated_outputs(step, child, &labels);
                (PlannedChildRunbook::Artifact { source: source? }, inputs?, outputs, generated_limits(&stated))
            }
            ChildRunbook::File(path) => {
                let file = self.child_file(path);
                let inputs = self.child_inputs(child, file.as_ref(), &mut labels);
                let outputs = self.file_outputs(step, child, file.as_ref(), &labels);
                let file = file?;
                self.check_depth(step, &file.plan);
                let limits = stated.meet(&file.plan.limits);
                let runbook = PlannedChildRunbook::File { path: path.value.clone(), plan: Box::new(file.plan) };
                (runbook, inputs?, outputs?, limits)
            }
        };
        let approved_within = match &child.auto_approve {
            AutoApprove::Nothing => None,
            AutoApprove::WithinStep(_) => Some(limits.clone()),
            AutoApprove::Within(stated) => {
                Some(stated.iter().map(|(&kind, stated)| (kind, stated.value)).collect::<RunLimits>().meet(&limits))
            }
        };
        let named = |output: &PlannedOutput| {
            Some(ChildOutput { output: output.port.clone(), artifact: output.artifact.clone()? })
        };
        let renamed = match &child.runbook {
            ChildRunbook::File(_) => outputs.iter().filter_map(named).collect(),
            ChildRunbook::Artifact(_) => child
                .outputs
                .iter()
                .map(|(output, name)| ChildOutput { output: output.value.clone(), artifact: name.value.clone() })
                .collect(),
        };
        let components = match components {
            Some(known) => Some(known?),
            None => None,
        };
        let child = PlannedChild { runbook, components, limits, approved_within, outputs: renamed };
        Some(ChildParts { child, inputs, outputs, labels })
    }

    fn runbook_artifact(
        &mut self,
        name: &Spanned<String>,
        labels: &mut BTreeSet<String>,
    ) -> Option<crate::plan::BindingSource> {
        let made = self.reads(&name.value)?;
        labels.extend(made.labels.iter().cloned());
        let schema = self.known_schema(name, &made)?;
        if schema.name() != RUNBOOK_SCHEMA {
            let message = format!("`{}` has the schema `{schema}`, and a workflow is a `{RUNBOOK_SCHEMA}`", name.value);
            let wrong = Diagnostic::new(Code::SchemaMismatch, &self.runbook.source, name.span, message)
                .with_label(made.span, format!("makes `{schema}`"));
            self.diagnostics.push(wrong);
            return None;
        }
        Some(made.source)
    }

    /// Finds and plans a child file. What is wrong inside of it is told with its own places.
    fn child_file(&mut self, path: &Spanned<String>) -> Option<PlannedFile> {
        let context = self.context;
        let shown = neutral::line(&path.value, 120);
        let found = context.children.get(&(self.runbook.source.clone(), path.value.clone()));
        let runbook: Arc<Runbook> = match found {
            Some(ChildLookup::Found(runbook)) => Arc::clone(runbook),
            Some(ChildLookup::Unusable) => {
                let message = format!("the child runbook `{shown}` can't be used: see its own errors");
                self.say(Code::ChildNotFound, path.span, message);
                return None;
            }
            Some(ChildLookup::Missing { tried }) => {
                let tried: Vec<String> = tried.iter().map(|place| format!("`{}`", neutral::line(place, 120))).collect();
                let missing = Diagnostic::new(
                    Code::ChildNotFound,
                    &self.runbook.source,
                    path.span,
                    format!("there is no child runbook `{shown}`"),
                )
                .with_help(format!("looked for at {}", tried.join(", ")));
                self.diagnostics.push(missing);
                return None;
            }
            None => {
                self.say(Code::ChildNotFound, path.span, format!("there is no child runbook `{shown}`"));
                return None;
            }
        };
        let chain: Vec<&Runbook> = self.ancestors.iter().copied().chain([self.runbook]).collect();
        if let Some(at) = chain.iter().position(|known| known.digest == runbook.digest) {
            let way = chain.iter().skip(at).map(|known| known.source.as_str()).chain([runbook.source.as_str()]);
            let way: Vec<String> = way.map(|name| format!("`{}`", neutral::line(name, 80))).collect();
            self.say(
                Code::ChildCycle,
                path.span,
                format!("runbooks run each other in a circle: {}", way.join(" runs ")),
            );
            return None;
        }
        if chain.len() > MAX_DEPTH {
            self.say(Code::ChildCycle, path.span, format!("children nest deeper than {MAX_DEPTH} levels"));
            return None;
        }
        let mut planner = Planner::new(&runbook, context, &chain);
        let plan = planner.plan();
        let inputs = planner.inputs_offered(&plan);
        let outputs = planner.outputs_offered();
        let broken = planner.diagnostics.has_error() || runbook.steps.iter().any(is_broken);
        self.diagnostics.extend(planner.diagnostics.into_sorted());
        if broken {
            let message = format!("the child runbook `{shown}` can't be used: see its own errors");
            self.say(Code::ChildNotFound, path.span, message);
            return None;
        }
        Some(PlannedFile { plan, inputs, outputs })
    }

    fn inputs_offered(&self, plan: &Plan) -> BTreeMap<String, (SchemaRef, bool)> {
        let offered = |input: &crate::plan::PlannedInput| {
            (input.name.as_str().to_owned(), (input.schema.clone(), input.optional))
        };
        plan.inputs.iter().map(offered).collect()
    }

    fn outputs_offered(&mut self) -> BTreeMap<String, Option<SchemaRef>> {
        let runbook = self.runbook;
        let declared = runbook.outputs.iter().flatten().filter_map(|output| {
            let made = self.reads(&output.artifact.value)?;
            Some((output.name.value.as_str().to_owned(), made.schema))
        });
        let mut offered: BTreeMap<_, _> = declared.collect();
        if runbook.outputs.is_none() {
            let exported = runbook.steps.iter().filter(|step| step.exported).flat_map(Step::artifacts);
            offered.extend(exported.filter_map(|name| {
                let made = self.made.get(&name.value.key())?;
                Some((name.value.as_str().to_owned(), made.schema.clone()))
            }));
        }
        offered
    }

    fn check_depth(&mut self, step: &Step, child: &Plan) {
        let depth = 1 + depth(child);
        let stated = step.limits.run.get(&RunLimitKind::MaxDepth);
        if let Some(most) = stated.filter(|most| depth > most.value) {
            let message = format!("`max_depth` allows {} levels of children, and there are {depth}", most.value);
            self.say(Code::AboveRunCeiling, most.span, message);
        }
    }

    /// Binds what the child gets. With no `file`, its inputs are not known yet.
    fn child_inputs(
        &mut self,
        child: &Child,
        file: Option<&PlannedFile>,
        labels: &mut BTreeSet<String>,
    ) -> Option<Vec<Binding>> {
        let mut bindings = Vec::new();
        let mut good = true;
        for (input, artifact) in &child.inputs {
            let Some(made) = self.reads(&artifact.value) else {
                good = false;
                continue;
            };
            labels.extend(made.labels.iter().cloned());
            let Some(schema) = self.known_schema(artifact, &made) else {
                good = false;
                continue;
            };
            if let Some(file) = file {
                match file.inputs.get(&input.value) {
                    None => {
                        let message = format!("the child has no input `{}`", neutral::line(&input.value, 60));
                        let known = file.inputs.keys().map(String::as_str);
                        let wrong = Diagnostic::new(Code::ChildInput, &self.runbook.source, input.span, message)
                            .with_help_if(suggestion(&input.value, known));
                        self.diagnostics.push(wrong);
                        good = false;
                    }
                    Some((wanted, _)) if *wanted != schema => {
                        let message = format!(
                            "the child's input `{}` has the schema `{wanted}`, but `{}` has `{schema}`",
                            input.value, artifact.value
                        );
                        let wrong = Diagnostic::new(Code::ChildInput, &self.runbook.source, artifact.span, message)
                            .with_label(made.span, format!("makes `{schema}`"));
                        self.diagnostics.push(wrong);
                        good = false;
                    }
                    Some(_) => {}
                }
            }
            bindings.push(Binding { port: input.value.clone(), source: made.source, schema });
        }
        for (name, (schema, optional)) in file.iter().flat_map(|file| &file.inputs) {
            if !optional && !child.inputs.iter().any(|(input, _)| input.value == *name) {
                let message = format!("the child needs its input `{name}` of schema `{schema}`");
                self.say(Code::ChildInput, child.span, message);
                good = false;
            }
        }
        good.then_some(bindings)
    }

    /// What becomes of a file's outputs in the parent.
    fn file_outputs(
        &mut self,
        step: &Step,
        child: &Child,
        file: Option<&PlannedFile>,
        labels: &BTreeSet<String>,
    ) -> Option<Vec<PlannedOutput>> {
        let mut wanted: Vec<(Spanned<String>, &Spanned<ArtifactName>)> =
            child.outputs.iter().map(|(output, name)| (output.clone(), name)).collect();
        if let (Outputs::One(name), Some(file)) = (&step.outputs, file) {
            match file.outputs.keys().next().filter(|_| file.outputs.len() == 1) {
                Some(only) => wanted.push((Spanned::new(only.clone(), name.span), name)),
                None => {
                    let known: Vec<String> = file.outputs.keys().map(|name| format!("`{name}`")).collect();
                    let message = format!("the child has {} outputs, so one name is not enough", file.outputs.len());
                    let wrong = Diagnostic::new(Code::ChildOutput, &self.runbook.source, name.span, message)
                        .with_help(format!("write `outputs: {{OUTPUT: NAME}}`; known are {}", known.join(", ")));
                    self.diagnostics.push(wrong);
                }
            }
        }
        let mut outputs = Vec::new();
        let mut good = file.is_some();
        for (output, name) in &wanted {
            let schema = match file.map(|file| file.outputs.get(&output.value)) {
                Some(Some(schema)) => schema.clone(),
                Some(None) => {
                    let known = file.into_iter().flat_map(|file| file.outputs.keys().map(String::as_str));
                    let known: Vec<&str> = known.collect();
                    let message = format!("the child has no output `{}`", neutral::line(&output.value, 60));
                    let wrong = Diagnostic::new(Code::ChildOutput, &self.runbook.source, output.span, message)
                        .with_help_if(suggestion(&output.value, known.iter().copied()));
                    self.diagnostics.push(wrong);
                    good = false;
                    continue;
                }
                None => continue,
            };
            self.note_output(step, name, &output.value, schema.clone(), labels);
            if let Some(schema) = schema {
                self.check_output_schema(step, &schema, &output.value);
                self.fix_schema(name.span, &schema);
                outputs.push(PlannedOutput {
                    port: output.value.clone(),
                    artifact: Some(name.value.clone()),
                    schema,
                    exported: step.exported && self.exports_by_step(),
                });
            }
        }
        good.then_some(outputs)
    }

    /// What becomes of the outputs of a runbook that is not there yet: their schemas are what the step says.
    fn generated_outputs(&mut self, step: &Step, child: &Child, labels: &BTreeSet<String>) -> Vec<PlannedOutput> {
        for (output, name) in &child.outputs {
            self.note_output(step, name, &output.value, None, labels);
        }
        let Outputs::One(name) = &step.outputs else { return Vec::new() };
        let schema = step.output_schema.as_ref().and_then(|wanted| self.resolve_schema(wanted));
        self.note_output(step, name, name.value.as_str(), schema.clone(), labels);
        let exported = step.exported && self.exports_by_step();
        let output = schema.map(|schema| PlannedOutput {
            port: name.value.as_str().to_owned(),
            artifact: Some(name.value.clone()),
            schema,
            exported,
        });
        output.into_iter().collect()
    }
}

/// The limits of what is not known when its parent is planned: what the step states, else the defaults for such things.
pub(super) fn generated_limits(stated: &RunLimits) -> RunLimits {
    let defaults = RunLimitKind::all().map(|kind| (kind, kind.default_for_generated()));
    let unstated = defaults.filter(|(kind, _)| stated.get(*kind).is_none()).collect();
    stated.meet(&unstated)
}

/// Levels of children below a plan, as far as they are known.
fn depth(plan: &Plan) -> u64 {
    let below = |child: &PlannedChild| match &child.runbook {
        PlannedChildRunbook::File { plan, .. } => 1 + depth(plan),
        PlannedChildRunbook::Artifact { .. } => child.limits.get(RunLimitKind::MaxDepth).unwrap_or(1),
    };
    plan.steps.iter().filter_map(|step| step.child().map(below)).max().unwrap_or(0)
}

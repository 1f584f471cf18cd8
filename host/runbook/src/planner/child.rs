//! Child runbooks: files are planned with their parent, artifacts when they are there.

use super::listed::{broken, tool_beyond};
use super::{ChildLookup, Made, Planner};
use crate::closure::each_step;
use crate::codes::Code;
use crate::config_bound::ListedComponent;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::plan::{
    AllowedComponent, Binding, BindingSource, ChildOutput, Plan, PlannedCall, PlannedChild, PlannedChildRunbook,
    PlannedOutput, Submitted,
};
use crate::runbook::{AutoApprove, Child, ChildRunbook, Form, Inputs, Outputs, Runbook, Step, Submitting, Work};
use crate::source::{Span, Spanned};
use crate::validation::with_validators;
use palisade_model::{ArtifactName, RunLimitKind, RunLimits, SchemaRef, StepId, neutral};
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
        let stated = stated_limits(&step.limits.run);
        let mut labels = BTreeSet::new();
        let components = match &child.components {
            Some(listed) => Some(self.listed_components(listed)),
            // A child itself hands on what it may use.
            None => self.whitelist.clone().map(Some),
        };
        let (runbook, inputs, outputs, limits) = match &child.runbook {
            ChildRunbook::Artifact(name) => {
                let source = self.runbook_artifact(name, &mut labels);
                let inputs = self.child_inputs(step, child, None, &mut labels);
                let outputs = self.generated_outputs(step, child, &labels);
                self.check_operator_allows(child.components.iter().flatten());
                self.check_depth(step, 1);
                let bounds = self.without_empty_bound(|planner| planner.bounds.clone());
                let exported = self.exports_by_step() && !self.undoing;
                let runbook = PlannedChildRunbook::Artifact { source: source?, bounds, exported, plan: None };
                (runbook, inputs?, outputs, generated_limits(&stated))
            }
            ChildRunbook::File(path) => {
                let allowed = components.clone().flatten();
                let file = self.child_file(path, allowed.clone());
                let inputs = self.child_inputs(step, child, file.as_ref(), &mut labels);
                let outputs = self.file_outputs(step, child, file.as_ref(), &labels);
                let file = file?;
                self.check_depth(step, 1 + depth(&file.plan));
                if let (Some(listed), Some(allowed)) = (&child.components, &allowed) {
                    self.check_whitelist((listed, allowed), path, &file.plan);
                }
                let limits = stated.meet(&file.plan.limits);
                let runbook = PlannedChildRunbook::File { path: path.value.clone(), plan: Box::new(file.plan) };
                (runbook, inputs?, outputs?, limits)
            }
        };
        let approved_within = approved_within(&child.auto_approve, &limits);
        let named = |output: &PlannedOutput| {
            Some(ChildOutput { output: output.port.clone(), artifact: output.artifact.clone()? })
        };
        let renamed = match &child.runbook {
            ChildRunbook::File(_) => outputs.iter().filter_map(named).collect(),
            ChildRunbook::Artifact(_) => wanted_outputs(step, child)
                .into_iter()
                .map(|(output, name)| ChildOutput {
                    output: output.map_or_else(|| name.value.as_str().to_owned(), |output| output.value.clone()),
                    artifact: name.value.clone(),
                })
                .collect(),
        };
        let components = match components {
            Some(known) => Some(known?),
            None => None,
        };
        let child = PlannedChild { runbook, components, limits, approved_within, outputs: renamed };
        Some(ChildParts { child, inputs, outputs, labels })
    }

    /// What holds for the runbooks that an agent submits.
    pub(super) fn submitted(&mut self, runbooks: &Submitting) -> Option<Submitted> {
        self.check_operator_allows(&runbooks.components);
        let components = self.listed_components(&runbooks.components);
        let bounds = self.without_empty_bound(|planner| planner.bounds.clone());
        let limits = generated_limits(&stated_limits(&runbooks.limits));
        let child = PlannedChild {
            runbook: PlannedChildRunbook::Agent { bounds, plan: None },
            components: Some(components?),
            approved_within: approved_within(&runbooks.auto_approve, &limits),
            limits,
            outputs: Vec::new(),
        };
        Some(Submitted { child, most: u32::try_from(runbooks.most.value).unwrap_or(u32::MAX) })
    }

    fn runbook_artifact(&mut self, name: &Spanned<String>, labels: &mut BTreeSet<String>) -> Option<BindingSource> {
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
    fn child_file(&mut self, path: &Spanned<String>, whitelist: Option<Vec<AllowedComponent>>) -> Option<PlannedFile> {
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
            // That it names a file at all has been told.
            None if self.is_artifact => return None,
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
        let runbook = with_validators(&runbook, context.models);
        let mut planner = Planner::new(&runbook, context, &chain);
        planner.bounds.clone_from(&self.bounds);
        planner.whitelist = whitelist;
        let mut plan = planner.plan();
        let inputs = planner.inputs_offered(&plan);
        let offered = planner.outputs_offered();
        plan.offers = offered.iter().map(|(name, made)| (name.clone(), made.source.clone())).collect();
        let outputs = offered.into_iter().map(|(name, made)| (name, made.schema)).collect();
        // What is wrong in the child has its own places; it keeps this runbook from being planned too.
        let broken = planner.diagnostics.has_error();
        self.diagnostics.extend(planner.diagnostics.into_sorted());
        if broken {
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

    pub(super) fn outputs_offered(&mut self) -> BTreeMap<String, Made> {
        let runbook = self.runbook;
        let declared = runbook.outputs.iter().flatten().filter_map(|output| {
            let made = self.reads(&output.artifact.value)?;
            Some((output.name.value.as_str().to_owned(), made))
        });
        let mut offered: BTreeMap<_, _> = declared.collect();
        if runbook.outputs.is_none() {
            let exported = runbook.steps.iter().filter(|step| step.exported).flat_map(Step::artifacts);
            offered.extend(exported.filter_map(|name| {
                let made = self.made.get(&name.value.key())?;
                Some((name.value.as_str().to_owned(), made.clone()))
            }));
        }
        offered
    }

    /// Levels of children that are known, the step's own included.
    fn check_depth(&mut self, step: &Step, depth: u64) {
        let stated = step.limits.run.get(&RunLimitKind::MaxDepth);
        if let Some(most) = stated.filter(|most| depth > most.value) {
            let message = format!("`max_depth` allows children {} deep, and these are {depth} deep", most.value);
            let deep = Diagnostic::new(Code::AboveRunCeiling, &self.runbook.source, most.span, message)
                .with_label(step.child().map_or(step.id.span, |child| child.span), "this child");
            self.diagnostics.push(deep);
        }
    }

    /// A child file is known before the run, and so is whether it keeps to the components that it may use.
    fn check_whitelist(
        &mut self,
        (listed, allowed): (&[ListedComponent], &[AllowedComponent]),
        path: &Spanned<String>,
        plan: &Plan,
    ) {
        let may = |call: &PlannedCall| allowed.iter().any(|one| one.digest == call.component_digest);
        let used: BTreeSet<String> =
            plan.calls().into_iter().filter(|call| !may(call)).map(|call| format!("`{}`", call.component)).collect();
        let mut wrong = Vec::new();
        if !used.is_empty() {
            let used: Vec<String> = used.into_iter().collect();
            let message = format!("the child runs {}, which `components` does not allow", used.join(" and "));
            wrong.push((Code::NotAllowed, message));
        }
        each_step(plan, &mut Vec::new(), &mut |way, step| {
            let way: Vec<&str> = way.iter().map(StepId::as_str).collect();
            let bounds = |call: &PlannedCall| {
                let digest = call.component_digest;
                allowed.iter().filter(move |one| one.digest == digest).flat_map(|one| &one.config)
            };
            for (call, bound) in step.call().into_iter().flat_map(|call| bounds(call).map(move |bound| (call, bound))) {
                let open = call.values.iter().map(|value| value.pointer.as_str());
                if let Some(what) = bound.broken_by(&call.config, open, self.context.folder) {
                    let of = format!("step `{}` of the child", way.join("/"));
                    wrong.push((Code::BeyondBound, broken(bound, &call.component, &what, &of)));
                }
            }
            for tool in step.callable() {
                let of = format!("step `{}` of the child", way.join("/"));
                let found = bounds(&tool.call).find_map(|bound| tool_beyond(bound, tool, self.context.folder, &of));
                wrong.extend(found.map(|message| (Code::BeyondBound, message)));
            }
        });
        for (code, message) in wrong {
            let mut told = Diagnostic::new(code, &self.runbook.source, path.span, message);
            if let (Some(first), Some(last)) = (listed.first(), listed.last()) {
                let (first, last) = (first.component.span, last.component.span);
                told = told.with_label(Span { end: last.end, ..first }, "allowed are these");
            }
            self.diagnostics.push(told);
        }
    }

    /// The child's input that gets an artifact which is wired without a name: the only one that must be given, else the
    /// only one of that schema. A runbook that is not there yet is thought to call it as its parent does.
    fn only_input(
        &mut self,
        child: &Child,
        file: Option<&PlannedFile>,
        artifact: &Spanned<String>,
        schema: &SchemaRef,
    ) -> Option<String> {
        let Some(file) = file else { return Some(artifact.value.clone()) };
        let required: Vec<&String> =
            file.inputs.iter().filter(|(_, (_, optional))| !optional).map(|(name, _)| name).collect();
        let fitting: Vec<&String> =
            file.inputs.iter().filter(|(_, (wanted, _))| wanted == schema).map(|(name, _)| name).collect();
        match (required.as_slice(), fitting.as_slice()) {
            ([one], _) | ([], [one]) => Some((*one).clone()),
            _ => {
                let message = format!("the child has {} inputs, so one name is not enough", file.inputs.len());
                let known: Vec<String> = file.inputs.keys().map(|name| format!("`{name}`")).collect();
                let help = match known.is_empty() {
                    true => "leave it away".to_owned(),
                    false => format!("write `inputs: {{INPUT: ARTIFACT}}`; known are {}", known.join(", ")),
                };
                let wrong = Diagnostic::new(Code::ChildInput, &self.runbook.source, artifact.span, message)
                    .with_label(child.span, "this child")
                    .with_help(help);
                self.diagnostics.push(wrong);
                None
            }
        }
    }

    /// Binds what the child gets. With no `file`, its inputs are not known yet.
    fn child_inputs(
        &mut self,
        step: &Step,
        child: &Child,
        file: Option<&PlannedFile>,
        labels: &mut BTreeSet<String>,
    ) -> Option<Vec<Binding>> {
        let mut bindings = Vec::new();
        let mut good = step.inputs != Inputs::Unreadable;
        let mut unnamed: Vec<Spanned<String>> = step.inputs.names().cloned().collect();
        if self.runbook.form == Form::Artifacts {
            // There `inputs` only lists what `input_mapping` wires.
            unnamed.drain(..).for_each(|listed| drop(self.reads(&listed.value)));
        }
        let named = child.inputs.iter().map(|(input, artifact)| (Some(input), artifact));
        for (input, artifact) in named.chain(unnamed.iter().map(|artifact| (None, artifact))) {
            let Some(made) = self.reads(&artifact.value) else {
                good = false;
                continue;
            };
            labels.extend(made.labels.iter().cloned());
            let Some(schema) = self.known_schema(artifact, &made) else {
                good = false;
                continue;
            };
            let port = match input {
                Some(input) => Some(input.value.clone()),
                None => self.only_input(child, file, artifact, &schema),
            };
            let Some(port) = port else {
                good = false;
                continue;
            };
            if let Some(file) = file {
                good &= self.check_child_input(
                    file,
                    (&port, input.map_or(artifact.span, |input| input.span)),
                    artifact,
                    &made,
                );
            }
            bindings.push(Binding { port, source: made.source, schema });
        }
        // An input that could not be bound may have been meant for what is missing.
        let wired = good;
        for (name, (schema, optional)) in file.iter().filter(|_| wired).flat_map(|file| &file.inputs) {
            if !optional && !bindings.iter().any(|bound| bound.port == *name) {
                let message = format!("the child needs its input `{name}` of schema `{schema}`");
                let missing =
                    Diagnostic::new(Code::ChildInput, &self.runbook.source, child.span, message).with_help(match self
                        .runbook
                        .form
                    {
                        Form::Artifacts => format!("write `input_mapping: {{{name}: ARTIFACT}}`"),
                        Form::Execution => format!("write `inputs: {{{name}: ARTIFACT}}`"),
                    });
                self.diagnostics.push(missing);
                good = false;
            }
        }
        good.then_some(bindings)
    }

    fn check_child_input(
        &mut self,
        file: &PlannedFile,
        port: (&str, Span),
        artifact: &Spanned<String>,
        made: &Made,
    ) -> bool {
        let (input, place) = port;
        let wrong = match (file.inputs.get(input), &made.schema) {
            (None, _) => {
                let message = format!("the child has no input `{}`", neutral::line(input, 60));
                let known = file.inputs.keys().map(String::as_str);
                Diagnostic::new(Code::ChildInput, &self.runbook.source, place, message)
                    .with_help_if(suggestion(input, known))
            }
            (Some((wanted, _)), Some(schema)) if wanted != schema => {
                let message = format!(
                    "the child's input `{input}` has the schema `{wanted}`, but `{}` has `{schema}`",
                    artifact.value
                );
                Diagnostic::new(Code::ChildInput, &self.runbook.source, artifact.span, message)
                    .with_label(made.span, format!("makes `{schema}`"))
            }
            (Some(_), _) => return true,
        };
        self.diagnostics.push(wrong);
        false
    }

    /// What becomes of a file's outputs in the parent.
    fn file_outputs(
        &mut self,
        step: &Step,
        child: &Child,
        file: Option<&PlannedFile>,
        labels: &BTreeSet<String>,
    ) -> Option<Vec<PlannedOutput>> {
        let file = file?;
        let mut outputs = Vec::new();
        let mut good = true;
        for (output, name) in wanted_outputs(step, child) {
            let (output, place) = match (output, file.outputs.keys().next().filter(|_| file.outputs.len() == 1)) {
                (Some(output), _) => (&output.value, output.span),
                (None, Some(only)) => (only, name.span),
                (None, None) => {
                    let known: Vec<String> = file.outputs.keys().map(|name| format!("`{name}`")).collect();
                    let (message, help) = match known.len() {
                        0 => (
                            "the child has no outputs".to_owned(),
                            "declare them under the child's `outputs`".to_owned(),
                        ),
                        many => (
                            format!("the child has {many} outputs, so one name is not enough"),
                            format!("write `outputs: {{OUTPUT: NAME}}`; known are {}", known.join(", ")),
                        ),
                    };
                    let wrong =
                        Diagnostic::new(Code::ChildOutput, &self.runbook.source, name.span, message).with_help(help);
                    self.diagnostics.push(wrong);
                    good = false;
                    continue;
                }
            };
            let Some(schema) = file.outputs.get(output) else {
                let known = file.outputs.keys().map(String::as_str);
                let message = format!("the child has no output `{}`", neutral::line(output, 60));
                let wrong = Diagnostic::new(Code::ChildOutput, &self.runbook.source, place, message)
                    .with_help_if(suggestion(output, known));
                self.diagnostics.push(wrong);
                good = false;
                continue;
            };
            self.note_output(step, name, output, schema.clone(), labels);
            if let Some(schema) = schema {
                self.check_output_schema(step, schema, output);
                self.fix_schema(name.span, schema);
                outputs.push(PlannedOutput {
                    port: output.clone(),
                    artifact: Some(name.value.clone()),
                    schema: schema.clone(),
                    exported: step.exported && self.exports_by_step(),
                });
            }
        }
        outputs.extend(file.plan.unnamed_results(&outputs, self.exports_by_step() && !self.undoing));
        good.then_some(outputs)
    }

    /// What becomes of the outputs of a runbook that is not there yet. The schema of the only one is what the step says.
    fn generated_outputs(&mut self, step: &Step, child: &Child, labels: &BTreeSet<String>) -> Vec<PlannedOutput> {
        let exported = step.exported && self.exports_by_step();
        let mut outputs = Vec::new();
        let wanted = wanted_outputs(step, child);
        let said = step.output_schema.as_ref().filter(|_| wanted.len() == 1);
        let schema = said.and_then(|wanted| self.resolve_schema(wanted));
        for (output, name) in wanted {
            let port = output.map_or(name.value.as_str(), |output| output.value.as_str());
            self.note_output(step, name, port, schema.clone(), labels);
            outputs.extend(schema.clone().map(|schema| PlannedOutput {
                port: port.to_owned(),
                artifact: Some(name.value.clone()),
                schema,
                exported,
            }));
        }
        outputs
    }
}

pub(super) fn stated_limits(written: &BTreeMap<RunLimitKind, Spanned<u64>>) -> RunLimits {
    written.iter().map(|(&kind, stated)| (kind, stated.value)).collect()
}

/// The limits within which nobody is asked.
fn approved_within(auto_approve: &AutoApprove, limits: &RunLimits) -> Option<RunLimits> {
    match auto_approve {
        AutoApprove::Nothing => None,
        AutoApprove::WithinStep(_) => Some(limits.clone()),
        AutoApprove::Within(stated) => Some(stated_limits(stated).meet(limits)),
    }
}

/// The limits of what is not known when its parent is planned: what the step states, else the defaults for such things.
pub(super) fn generated_limits(stated: &RunLimits) -> RunLimits {
    let defaults = RunLimitKind::all().map(|kind| (kind, kind.default_for_generated()));
    let unstated = defaults.filter(|(kind, _)| stated.get(*kind).is_none()).collect();
    stated.meet(&unstated)
}

/// The child's outputs that the step names, and what it calls them; where the child's own name is not given, it is its
/// only one.
fn wanted_outputs<'s>(
    step: &'s Step,
    child: &'s Child,
) -> Vec<(Option<&'s Spanned<String>>, &'s Spanned<ArtifactName>)> {
    let mapped = child.outputs.iter().map(|(output, name)| (Some(output), name));
    let named: Vec<_> = match &step.outputs {
        Outputs::Ports(ports) => ports.iter().map(|(output, name)| (Some(output), name)).collect(),
        Outputs::One(name) => vec![(None, name)],
        Outputs::Own if matches!(step.work, Work::Child(_)) => Vec::new(),
        Outputs::Own => vec![(None, &step.id)],
    };
    mapped.chain(named).collect()
}

/// Levels of children below a plan, as far as they are known.
fn depth(plan: &Plan) -> u64 {
    let below = |child: &PlannedChild| match &child.runbook {
        PlannedChildRunbook::File { plan, .. } => 1 + depth(plan),
        PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => {
            child.limits.get(RunLimitKind::MaxDepth).unwrap_or(1)
        }
    };
    plan.steps.iter().filter_map(|step| step.runs_or_submits().map(below)).max().unwrap_or(0)
}

//! From WCF's form to the execution form, without change of meaning: steps in an order that reads from top to bottom,
//! configs as WCF would have read them, names as they were.

use crate::codes::Code;
use crate::components::Components;
use crate::config;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::planner::{Configs, order};
use crate::runbook::{Call, ChildRunbook, DeclaredInput, DeclaredOutput, Form, Runbook, Step, Work};
use crate::source::{Span, Spanned};
use crate::yaml::{Data, Entry, Node};
use crate::yaml_text;
use palisade_model::{LimitKind, RunLimitKind};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Writes a runbook of the artifacts form in the execution form; gives the text, and what WCF would have ignored and is
/// left out.
///
/// # Errors
/// What keeps it from being converted: an error of its own, or something that the execution form can't say.
pub fn convert(runbook: &Runbook, components: &Components) -> Result<(String, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::default();
    if runbook.form == Form::Execution {
        let span = runbook.steps.first().map(|step| step.id.span).unwrap_or_default();
        diagnostics.push(Diagnostic::new(Code::BadValue, &runbook.source, span, "this is the execution form already"));
    }
    let order = order::order(runbook, &mut diagnostics);
    let mut converter = Converter { runbook, components, configs: Configs::default(), diagnostics };
    let aliases = converter.aliases();
    let document = converter.document(&order, &aliases);
    match converter.diagnostics.has_error() {
        true => Err(converter.diagnostics.into_sorted()),
        false => Ok((yaml_text::write(&document), converter.diagnostics.into_sorted())),
    }
}

struct Converter<'r> {
    runbook: &'r Runbook,
    components: &'r Components,
    configs: Configs,
    diagnostics: Diagnostics,
}

/// A mapping that is being written, in the order in which it is to be read.
#[derive(Default)]
struct Mapping(Vec<Entry>);

impl Mapping {
    fn put(&mut self, key: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.put_node(key, Node::from_json(&value, Span::default()));
    }

    fn put_some(&mut self, key: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn put_mapping(&mut self, key: &str, mapping: Self) {
        if !mapping.0.is_empty() {
            self.put_node(key, mapping.node());
        }
    }

    fn put_node(&mut self, key: &str, value: Node) {
        self.0.push(Entry { key: key.to_owned(), key_span: Span::default(), value });
    }

    fn node(self) -> Node {
        Node { data: Data::Map(self.0), span: Span::default() }
    }
}

/// Artifacts that are another one under a second name, without case, and what they are.
type Aliases = BTreeMap<String, String>;

impl Converter<'_> {
    /// The execution form has no step that only hands on: whoever reads such an artifact reads what it is.
    fn aliases(&self) -> Aliases {
        let handed = self.runbook.steps.iter().filter(|step| matches!(step.work, Work::PassOn));
        handed.filter_map(|step| Some((step.id.value.key(), step.inputs.names().next()?.value.clone()))).collect()
    }

    fn document(&mut self, order: &[usize], aliases: &Aliases) -> Node {
        let runbook = self.runbook;
        let mut top = Mapping::default();
        top.put("name", &runbook.name);
        top.put_some("description", Some(&runbook.description).filter(|text| !text.is_empty()));
        top.put_some("contact", runbook.contact.as_ref());
        top.put_mapping("limits", run_limits(&runbook.limits));
        if !runbook.template_paths.is_empty() {
            let paths: Vec<&String> = runbook.template_paths.iter().map(|path| &path.value).collect();
            top.put("config", json!({"template_paths": paths}));
        }
        let capabilities = runbook.capabilities.as_ref();
        top.put_some("capabilities", capabilities.map(|all| all.iter().map(|text| &text.value).collect::<Vec<_>>()));
        let mut inputs = Mapping::default();
        for input in &runbook.inputs {
            inputs.put_node(input.name.value.as_str(), declared_input(input).node());
        }
        top.put_mapping("inputs", inputs);
        let outputs = self.outputs(aliases);
        let listed = outputs.is_some();
        if let Some(outputs) = outputs {
            top.put_node("outputs", outputs.node());
        }
        let steps: Vec<Node> = order
            .iter()
            .filter_map(|&index| runbook.steps.get(index))
            .filter_map(|step| self.step(step, aliases, listed))
            .map(Mapping::node)
            .collect();
        top.put_node("execution", Node { data: Data::List(steps), span: Span::default() });
        top.node()
    }

    /// The results by name, where steps alone can't say them: a runbook that declares its outputs, makes an artifact
    /// under a second name a result, or has a child whose outputs have names and are no results.
    fn outputs(&self, aliases: &Aliases) -> Option<Mapping> {
        let runbook = self.runbook;
        let second = |step: &Step| step.exported && aliases.contains_key(&step.id.value.key());
        let inner = |step: &Step| !step.exported && step.child().is_some();
        if runbook.outputs.is_none() && !runbook.steps.iter().any(|step| second(step) || inner(step)) {
            return None;
        }
        let mut outputs = Mapping::default();
        for name in runbook.steps.iter().filter(|step| step.exported).flat_map(Step::artifacts) {
            outputs.put(name.value.as_str(), meant(name.value.as_str(), aliases));
        }
        for DeclaredOutput { name, artifact, description } in runbook.outputs.iter().flatten() {
            let artifact = meant(&artifact.value, aliases);
            match description {
                Some(text) => outputs.put(name.value.as_str(), json!({"artifact": artifact, "description": text})),
                None => outputs.put(name.value.as_str(), artifact),
            }
        }
        Some(outputs)
    }

    fn step(&mut self, step: &Step, aliases: &Aliases, listed: bool) -> Option<Mapping> {
        let mut made = Mapping::default();
        made.put("id", &step.id.value);
        made.put_some("name", step.title.as_ref());
        made.put_some("description", step.description.as_ref());
        made.put_some("contact", step.contact.as_ref());
        match &step.work {
            Work::Source(call) => {
                made.put("type", "source");
                made.put("connector", call.component.value.to_string());
                self.config(call, &mut made);
            }
            Work::Process(call) => {
                made.put("analyser", call.component.value.to_string());
                let names: Vec<&str> = step.inputs.names().map(|name| meant(&name.value, aliases)).collect();
                match names.as_slice() {
                    [one] => made.put("input", one),
                    many => made.put("inputs", many),
                }
                self.config(call, &mut made);
            }
            Work::Child(child) => {
                made.put("type", "execute_workflow");
                if let ChildRunbook::File(path) = &child.runbook {
                    made.put("file", &path.value);
                }
                let mut inputs = Mapping::default();
                for (input, artifact) in &child.inputs {
                    inputs.put(&input.value, meant(&artifact.value, aliases));
                }
                made.put_mapping("inputs", inputs);
                let mut outputs = Mapping::default();
                for (output, name) in &child.outputs {
                    outputs.put(&output.value, &name.value);
                }
                made.put_mapping("outputs", outputs);
            }
            Work::Reuse { from_run, .. } => {
                let message = "`reuse` has no place in the execution form: give the artifact as an input of the run";
                self.diagnostics.push(Diagnostic::new(Code::BadValue, &self.runbook.source, from_run.span, message));
                return None;
            }
            // Handed on under a second name; or told when it was read; or not of this form.
            _ => return None,
        }
        made.put_some("output_schema", step.output_schema.as_ref().map(|schema| schema.value.to_string()));
        if step.exported && !listed && !matches!(step.work, Work::Child(_)) {
            made.put("output", &step.id.value);
        }
        made.put_some("optional", step.optional.then_some(true));
        let mut limits = Mapping::default();
        limits.put_some("set", step.limits.set.as_ref().map(|set| set.value.name()));
        for (kind, limit) in &step.limits.attempt {
            limits.put(&kind.key(), amount(*kind, limit.value));
        }
        limits.0.extend(run_limits(&step.limits.run).0);
        made.put_mapping("limits", limits);
        Some(made)
    }

    /// The config as WCF would have read it: ignored keys left out, numbers that were written as texts made numbers.
    fn config(&mut self, call: &Call, made: &mut Mapping) {
        if call.config.is_none() {
            return;
        }
        let Ok(component) = self.components.find(&call.component.value) else {
            let message = format!("`{}` is not known, so its properties can't be converted", call.component.value.name);
            let unknown = Diagnostic::new(Code::UnknownComponent, &self.runbook.source, call.component.span, message);
            self.diagnostics.push(unknown);
            return;
        };
        let Ok(described) = self.configs.of(component) else { return };
        let (config, dropped) = config::as_wcf_reads(&described, call, &self.runbook.source);
        self.diagnostics.extend(dropped);
        made.put("config", config);
    }
}

/// The artifact that a name means, second names followed.
fn meant<'n>(name: &'n str, aliases: &'n Aliases) -> &'n str {
    let mut name = name;
    // A circle has no order, and was told.
    for _ in 0..=aliases.len() {
        match aliases.get(&name.to_lowercase()) {
            Some(next) => name = next,
            None => break,
        }
    }
    name
}

fn declared_input(input: &DeclaredInput) -> Mapping {
    let mut made = Mapping::default();
    made.put_some("input_schema", input.schema.as_ref().map(|schema| schema.value.to_string()));
    made.put_some("optional", input.optional.then_some(true));
    made.put_some("default", input.default.as_ref().map(|default| &default.value));
    made.put_some("sensitive", input.sensitive.then_some(true));
    made.put_some("description", input.description.as_ref());
    made
}

/// Amounts with their units, so that nobody has to know what a bare number means.
fn run_limits(limits: &BTreeMap<RunLimitKind, Spanned<u64>>) -> Mapping {
    let mut made = Mapping::default();
    for (kind, limit) in limits {
        match kind {
            RunLimitKind::MaxDuration => made.put(kind.key(), millis(limit.value)),
            RunLimitKind::MaxLlmCost => made.put(kind.key(), format!("{} USD", micro(limit.value))),
            RunLimitKind::MaxEgress => made.put(kind.key(), format!("{} B", limit.value)),
            RunLimitKind::MaxDepth
            | RunLimitKind::MaxConcurrency
            | RunLimitKind::MaxRuns
            | RunLimitKind::MaxDenials => made.put(kind.key(), limit.value),
        }
    }
    made
}

/// An amount that reads back as exactly the same.
fn amount(kind: LimitKind, value: u64) -> Value {
    match kind.unit() {
        palisade_model::limits::LimitUnit::Millis => json!(millis(value)),
        palisade_model::limits::LimitUnit::MicroUsd => json!(format!("{} USD", micro(value))),
        palisade_model::limits::LimitUnit::Count | palisade_model::limits::LimitUnit::Bytes => json!(value),
    }
}

fn millis(value: u64) -> String {
    if value.is_multiple_of(1_000) { format!("{}s", value / 1_000) } else { format!("{value}ms") }
}

fn micro(value: u64) -> String {
    let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

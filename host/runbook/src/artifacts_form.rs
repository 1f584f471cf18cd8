//! Reads a runbook in WCF's form: a map of artifacts. What WCF accepts is accepted; where it ignores a key in silence,
//! there is a warning.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::form::{FormReader, LimitsOf, Named, present, present_entry};
use crate::runbook::{AutoApprove, Call, Child, ChildRunbook, DeclaredInput, Form, Inputs, Runbook, Step, Work};
use crate::shape::Unknown;
use crate::source::Spanned;
use crate::yaml::{Data, Entry, Node};
use palisade_model::{ArtifactName, Digest, RunLimitKind};
use palisade_schema::lax;
use std::collections::{BTreeMap, BTreeSet};

const TOP: &[&str] = &[
    "name",
    "description",
    "contact",
    "framework",
    "config",
    "inputs",
    "outputs",
    "artifacts",
    "capabilities",
    "limits",
];
const CONFIG: &[&str] = &["timeout", "max_concurrency", "max_child_depth", "cost_limit", "template_paths"];
const ARTIFACT: &[&str] = &[
    "name",
    "description",
    "contact",
    "source",
    "inputs",
    "process",
    "child_runbook",
    "reuse",
    "merge",
    "output_schema",
    "output",
    "optional",
    "execute",
    "limits",
];
const CALL: &[&str] = &["type", "properties"];
const REUSE: &[&str] = &["from_run", "artifact"];
const CHILD: &[&str] = &["path", "input_mapping", "output", "output_mapping"];
const EXECUTE: &[&str] = &["mode", "timeout", "cost_limit"];

impl FormReader<'_> {
    pub(crate) fn artifacts_form(&mut self, root: &Node) -> Runbook {
        self.shape.strict(root, "a runbook", TOP, Unknown::Ignored);
        let mut required = |key: &str| {
            self.shape.required(root, key, "a runbook");
        };
        required("name");
        required("description");
        let name = self.title(root, "name", "the runbook");
        let description = self.prose(root, "description", "the runbook").map(|text| text.value);
        let contact = self.title(root, "contact", "the runbook");
        self.shape.optional_text(root, "framework", "a runbook");
        let config = root.get("config").map(|node| self.settings(node)).unwrap_or_default();
        let limits = self.limits_of_run(root, config.limits);
        let capabilities = self.capabilities(root);
        let inputs = self.declared_inputs(root);
        let steps = self.artifacts(root, &inputs);
        let named = inputs.iter().map(|input| Named { what: "input", name: &input.name });
        let artifacts = steps.iter().flat_map(Step::artifacts).map(|name| Named { what: "artifact", name });
        self.distinct(named.chain(artifacts).collect::<Vec<_>>());
        let outputs = self.declared_outputs(root, Form::Artifacts);
        Runbook {
            source: self.shape.source.name().to_owned(),
            digest: Digest::of(self.shape.source.text().as_bytes()),
            form: Form::Artifacts,
            name: name.unwrap_or_default(),
            description: description.unwrap_or_default(),
            contact,
            limits,
            template_paths: config.template_paths,
            capabilities,
            inputs,
            outputs,
            steps,
            spoilt: std::mem::take(&mut self.spoilt),
            mistakes: BTreeSet::new(),
        }
    }

    /// WCF's settings of a run. It never enforces two of them; here they are limits like all others.
    pub(crate) fn settings(&mut self, node: &Node) -> RunConfig {
        let mut config = RunConfig::default();
        let unknown = self.shape.unknown_keys();
        let Some(node) = self.shape.strict(node, "`config`", CONFIG, unknown) else { return config };
        let node = &*node;
        for (key, kind) in [
            ("timeout", RunLimitKind::MaxDuration),
            ("max_concurrency", RunLimitKind::MaxConcurrency),
            ("max_child_depth", RunLimitKind::MaxDepth),
        ] {
            let read = present(node, key).and_then(|node| self.shape.positive(node, &format!("`{key}`")));
            let unit = if kind == RunLimitKind::MaxDuration { 1_000 } else { 1 };
            config.limits.extend(read.map(|read| (kind, Spanned::new(read.value.saturating_mul(unit), read.span))));
        }
        if let Some(cost) = present(node, "cost_limit") {
            let usd = self.number(cost, "`cost_limit`");
            if usd.is_some_and(|usd| usd < 0.0) {
                self.shape.say(Code::BadValue, cost.span, "`cost_limit` can't be negative");
            }
            let micro_usd = usd.map(|usd| (usd.max(0.0) * 1e6).ceil() as u64);
            config
                .limits
                .extend(micro_usd.map(|cost_limit| (RunLimitKind::MaxLlmCost, Spanned::new(cost_limit, cost.span))));
        }
        if let Some(paths) = present(node, "template_paths") {
            config.template_paths = self.shape.texts(paths, "`template_paths`").unwrap_or_default();
        }
        config
    }

    fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        let value = node.to_json();
        let read = value.as_f64().or_else(|| lax::number(&value));
        if read.is_none() {
            self.shape.say(Code::WrongType, node.span, format!("{what} must be a number, not {}", node.data.kind()));
        }
        read
    }

    fn artifacts(&mut self, root: &Node, inputs: &[DeclaredInput]) -> Vec<Step> {
        let entries = match root.get("artifacts") {
            Some(Node { data: Data::List(_), span }) => {
                let span = root.entry("artifacts").map_or(*span, |entry| entry.key_span);
                let message = "`artifacts` must be a mapping from names to artifacts, not a list";
                let wrong = Diagnostic::new(Code::WrongType, self.shape.source.name(), span, message)
                    .with_help("write `NAME:` above each; a list of steps is called `execution`");
                self.shape.push(wrong);
                &[]
            }
            Some(node) => self.shape.mapping(node, "`artifacts`").unwrap_or_default(),
            None => &[],
        };
        if entries.is_empty() && !self.shape.diagnostics.has_error() {
            let span = root.entry("artifacts").map_or_else(|| self.shape.first_line(root.span), |entry| entry.key_span);
            self.shape.say(Code::NoArtifacts, span, "the runbook has no artifacts: there is nothing to do");
        }
        let mut steps = Vec::new();
        for entry in entries {
            if let Some(id) = self.name(&entry.key, entry.key_span, "an artifact") {
                steps.push(self.artifact(id, &entry.value, !inputs.is_empty()));
            }
        }
        steps
    }

    fn artifact(&mut self, id: Spanned<ArtifactName>, node: &Node, is_child: bool) -> Step {
        let what = format!("artifact `{}`", id.value);
        let mut step = Step::broken(id);
        if self.shape.strict(node, &what, ARTIFACT, Unknown::Ignored).is_none() {
            return step;
        }
        step.title = self.title(node, "name", &what);
        step.description = self.prose(node, "description", &what).map(|text| text.value);
        step.contact = self.title(node, "contact", &what);
        step.exported = self.shape.flag(node, "output", &what);
        step.optional = self.shape.flag(node, "optional", &what);
        step.output_schema = self.optional_schema(node, "output_schema", &what);
        let child = present(node, "child_runbook").is_some();
        let of = LimitsOf { attempt: !child, run: child };
        step.limits = present(node, "limits").map(|limits| self.step_limits(limits, &what, of)).unwrap_or_default();
        if let Some(merge) = present(node, "merge") {
            let text = self.shape.text(merge, &format!("`merge` of {what}"));
            if text.is_some_and(|text| text.value != "concatenate") {
                let message = format!("`merge` of {what} can only be `concatenate`");
                self.shape.say(Code::BadValue, merge.span, message);
            }
        }
        if let Some(execute) = present(node, "execute") {
            self.execute(execute, &what);
        }
        let (inputs, work) = self.work(&step.id, node, &what, is_child);
        step.inputs = inputs;
        step.work = work;
        step
    }

    /// What the artifact is made from. Exactly one way must be given.
    fn work(&mut self, id: &Spanned<ArtifactName>, node: &Node, what: &str, is_child: bool) -> (Inputs, Work) {
        let ways: Vec<&Entry> = ["source", "inputs", "reuse"]
            .iter()
            .filter_map(|key| node.entry(key))
            .filter(|entry| entry.value.data != Data::Null)
            .collect();
        let process = present_entry(node, "process");
        let child = present_entry(node, "child_runbook");
        let inputs = match present(node, "inputs") {
            Some(inputs) => {
                let names = self.shape.one_or_more(inputs, &format!("`inputs` of {what}"));
                names.map_or(Inputs::Unreadable, Inputs::List)
            }
            None => Inputs::List(Vec::new()),
        };
        let way = match ways.as_slice() {
            [way] => *way,
            [] => {
                if !self.shape.was_meant(node, &["source", "inputs", "reuse"]) {
                    let message = format!("{what} has none of `source`, `inputs` and `reuse`");
                    let help = "say what makes it: `source: {type: …}`, or `inputs` and a `process`";
                    let none = Diagnostic::new(Code::ProductionMethod, self.shape.source.name(), id.span, message)
                        .with_help(help);
                    self.shape.push(none);
                }
                return (inputs, Work::Broken);
            }
            [first, second, ..] => {
                let message = format!("{what} has `{}` and `{}`; only one can make it", first.key, second.key);
                let both = Diagnostic::new(Code::ProductionMethod, self.shape.source.name(), second.key_span, message)
                    .with_label(first.key_span, "the other one");
                self.shape.push(both);
                return (inputs, Work::Broken);
            }
        };
        for extra in process.iter().chain(&child).filter(|_| way.key != "inputs") {
            let message = format!("`{}` of {what} needs `inputs`, not `{}`", extra.key, way.key);
            self.shape.say(Code::Combination, extra.key_span, message);
        }
        let work = match (way.key.as_str(), process, child) {
            ("source", ..) => {
                if is_child {
                    let message = "a runbook that declares `inputs` can't have a `source`";
                    self.shape.say(Code::Combination, way.key_span, message);
                }
                self.typed_call(&way.value, &format!("`source` of {what}")).map_or(Work::Broken, Work::Source)
            }
            ("reuse", ..) => self.reuse(way, node, what),
            (_, Some(process), Some(child)) => {
                let message = format!("{what} has `process` and `child_runbook`; only one can make it");
                self.combination(child.key_span, message, process.key_span);
                Work::Broken
            }
            (_, Some(process), None) => {
                self.typed_call(&process.value, &format!("`process` of {what}")).map_or(Work::Broken, Work::Process)
            }
            (_, None, Some(child)) => self.child(id, child, what),
            (_, None, None) => Work::PassOn,
        };
        (inputs, work)
    }

    fn typed_call(&mut self, node: &Node, what: &str) -> Option<Call> {
        let node = self.shape.strict(node, what, CALL, Unknown::Refused)?;
        let node = &*node;
        let config = match node.get("properties") {
            None => None,
            Some(properties) => {
                self.shape.mapping(properties, &format!("`properties` of {what}"))?;
                Some(properties.clone())
            }
        };
        let name = self.shape.required(node, "type", what)?;
        let name = self.shape.text(name, &format!("`type` of {what}"))?;
        let component = self.component(&name)?;
        Some(Call { component, config, references: Vec::new(), span: self.shape.first_line(node.span) })
    }

    fn reuse(&mut self, entry: &Entry, node: &Node, what: &str) -> Work {
        let within = format!("`reuse` of {what}");
        if present(node, "output_schema").is_none() {
            self.shape.say(
                Code::MissingKey,
                entry.key_span,
                format!("{within} needs the key `output_schema` beside it"),
            );
        }
        let Some(reuse) = self.shape.strict(&entry.value, &within, REUSE, Unknown::Refused) else {
            return Work::Broken;
        };
        let mut text = |key: &str| {
            let value = self.shape.required(&reuse, key, &within)?;
            self.shape.text(value, &format!("`{key}` of {within}"))
        };
        match (text("from_run"), text("artifact")) {
            (Some(from_run), Some(artifact)) => Work::Reuse { from_run, artifact },
            _ => Work::Broken,
        }
    }

    fn child(&mut self, id: &Spanned<ArtifactName>, entry: &Entry, what: &str) -> Work {
        let within = format!("`child_runbook` of {what}");
        let Some(node) = self.shape.strict(&entry.value, &within, CHILD, Unknown::Refused) else {
            return Work::Broken;
        };
        let node = &*node;
        let path = self.shape.required(node, "path", &within);
        let path = path.and_then(|path| self.shape.text(path, &format!("`path` of {within}")));
        let path = path.and_then(|path| self.child_path(path));
        let mapping = self.shape.required(node, "input_mapping", &within);
        let inputs = mapping.map(|node| self.map_of_texts(node, &format!("`input_mapping` of {within}")));
        let outputs = match (present_entry(node, "output"), present_entry(node, "output_mapping")) {
            (None, None) => {
                let message = format!("{within} needs `output` or `output_mapping`");
                self.shape.say(Code::MissingKey, entry.key_span, message);
                None
            }
            (Some(output), Some(mapping)) => {
                let message = format!("{within} has both `output` and `output_mapping`");
                self.combination(mapping.key_span, message, output.key_span);
                None
            }
            (Some(output), None) => {
                let output = self.shape.text(&output.value, &format!("`output` of {within}"));
                output.map(|output| vec![(output, id.clone())])
            }
            (None, Some(mapping)) => Some(self.named_outputs(&mapping.value, &format!("`output_mapping` of {within}"))),
        };
        let (Some(path), Some(inputs), Some(outputs)) = (path, inputs, outputs.as_ref()) else {
            self.spoilt.extend(outputs.iter().flatten().map(|(_, name)| name.value.key()));
            return Work::Broken;
        };
        let outputs = outputs.clone();
        Work::Child(Child {
            runbook: ChildRunbook::File(path),
            inputs,
            outputs,
            components: None,
            auto_approve: AutoApprove::Nothing,
            span: entry.key_span,
        })
    }

    fn execute(&mut self, node: &Node, what: &str) {
        let within = format!("`execute` of {what}");
        let Some(node) = self.shape.strict(node, &within, EXECUTE, Unknown::Refused) else { return };
        let node = &*node;
        if let Some(mode) = self.shape.required(node, "mode", &within)
            && let Some(mode) = self.shape.text(mode, &format!("`mode` of {within}"))
            && mode.value != "child"
        {
            self.shape.say(Code::BadValue, mode.span, format!("`mode` of {within} can only be `child`"));
        }
        if let Some(timeout) = present(node, "timeout") {
            self.shape.positive(timeout, &format!("`timeout` of {within}"));
        }
        if let Some(cost) = present(node, "cost_limit") {
            self.number(cost, &format!("`cost_limit` of {within}"));
        }
        let span = self.shape.first_line(node.span);
        self.shape.say(Code::NoEffect, span, format!("{within} has no effect, nor has it in WCF"));
    }
}

/// WCF's settings of a run.
#[derive(Debug, Default)]
pub(crate) struct RunConfig {
    pub(crate) limits: BTreeMap<RunLimitKind, Spanned<u64>>,
    pub(crate) template_paths: Vec<Spanned<String>>,
}

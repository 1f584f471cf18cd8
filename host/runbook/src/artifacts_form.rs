//! Reads a runbook in WCF's form: a map of artifacts. What WCF accepts is accepted; where it ignores a key in silence,
//! there is a warning.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::runbook::{Call, DeclaredInput, DeclaredOutput, Runbook, Settings, Step, Work};
use crate::shape::{Shape, Unknown};
use crate::source::{Source, Span, Spanned};
use crate::variables;
use crate::yaml::{self, Budget, Data, Dialect, Entry, Node};
use palisade_model::id::ComponentName;
use palisade_model::{ArtifactName, Digest, LimitKind, SchemaReq, StepId, neutral};
use palisade_schema::lax;
use std::collections::BTreeMap;
use unicode_security::confusable_detection::skeleton;

const TOP: &[&str] =
    &["name", "description", "contact", "framework", "config", "inputs", "outputs", "artifacts", "capabilities"];
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
const INPUT: &[&str] = &["input_schema", "optional", "default", "sensitive", "description"];
const OUTPUT: &[&str] = &["artifact", "description"];

/// Reads a runbook. `variables` are those that the operator lists for `${VAR}`; nothing is taken from elsewhere.
///
/// Gives what it understood, and all diagnostics: a runbook that comes with an error can be planned to find more
/// errors, not to be run.
#[must_use]
pub fn parse(source: &Source, variables: &BTreeMap<String, String>) -> (Option<Runbook>, Vec<Diagnostic>) {
    let (node, diagnostics) = yaml::read(source, Budget::RUNBOOK, Dialect::V11);
    let mut form = Form { shape: Shape::new(source) };
    form.shape.diagnostics.extend(diagnostics);
    let runbook = node.and_then(|mut node| {
        variables::replace(&mut node, variables, source, &mut form.shape.diagnostics);
        form.runbook(&node)
    });
    (runbook, form.shape.diagnostics.into_sorted())
}

struct Form<'s> {
    shape: Shape<'s>,
}

impl Form<'_> {
    fn runbook(&mut self, root: &Node) -> Option<Runbook> {
        self.shape.mapping(root, "a runbook")?;
        if let Some(execution) = root.entry("execution") {
            match root.entry("artifacts") {
                Some(artifacts) => {
                    let both = Diagnostic::new(
                        Code::TwoForms,
                        self.shape.source.name(),
                        execution.key_span,
                        "a runbook has either `artifacts` or `execution`, not both",
                    )
                    .with_label(artifacts.key_span, "the other one");
                    self.shape.push(both);
                }
                None => {
                    let not_yet = Diagnostic::new(
                        Code::ExecutionForm,
                        self.shape.source.name(),
                        execution.key_span,
                        "the `execution` form of runbooks is not available in this build",
                    )
                    .with_help("write the runbook with `artifacts`");
                    self.shape.push(not_yet);
                }
            }
            return None;
        }
        self.shape.strict(root, "a runbook", TOP, Unknown::Ignored);
        let text = |form: &mut Self, key: &str| {
            let node = form.shape.required(root, key, "a runbook")?;
            form.shape.text(node, &format!("`{key}`")).map(|text| text.value)
        };
        let name = text(self, "name");
        let description = text(self, "description");
        let contact = self.shape.optional_text(root, "contact", "a runbook").map(|text| text.value);
        self.shape.optional_text(root, "framework", "a runbook");
        let settings = root.get("config").map(|node| self.settings(node)).unwrap_or_default();
        let capabilities = root
            .get("capabilities")
            .filter(|node| node.data != Data::Null)
            .map(|node| self.shape.texts(node, "`capabilities`").unwrap_or_default());
        let inputs: Vec<_> = self.entries(root, "inputs").iter().map(|entry| self.declared_input(entry)).collect();
        let steps = self.steps(root, &inputs);
        let outputs =
            self.entries(root, "outputs").iter().filter_map(|entry| self.declared_output(entry, root)).collect();
        Some(Runbook {
            source: self.shape.source.name().to_owned(),
            digest: Digest::of(self.shape.source.text().as_bytes()),
            name: name.unwrap_or_default(),
            description: description.unwrap_or_default(),
            contact,
            settings,
            capabilities,
            inputs,
            outputs,
            steps,
        })
    }

    /// The entries of an optional mapping that may be null.
    fn entries<'n>(&mut self, root: &'n Node, key: &str) -> &'n [Entry] {
        let node = root.get(key).filter(|node| node.data != Data::Null);
        node.and_then(|node| self.shape.mapping(node, &format!("`{key}`"))).unwrap_or_default()
    }

    fn settings(&mut self, node: &Node) -> Settings {
        if self.shape.strict(node, "`config`", CONFIG, Unknown::Ignored).is_none() {
            return Settings::default();
        }
        for (key, why) in [
            ("max_child_depth", "child runbooks are not available in this build"),
            ("cost_limit", "no component of this build costs money"),
            ("template_paths", "child runbooks are not available in this build"),
        ] {
            let Some(entry) = node.entry(key).filter(|entry| entry.value.data != Data::Null) else { continue };
            match key {
                "template_paths" => drop(self.shape.texts(&entry.value, "`template_paths`")),
                "cost_limit" => self.number(&entry.value, "`cost_limit`"),
                _ => drop(self.shape.positive(&entry.value, "`max_child_depth`")),
            }
            self.shape.say(Code::NoEffect, entry.key_span, format!("`{key}` has no effect: {why}"));
        }
        let mut positive = |key: &str| node.get(key).and_then(|node| self.shape.positive(node, &format!("`{key}`")));
        Settings { timeout: positive("timeout"), max_concurrency: positive("max_concurrency") }
    }

    fn number(&mut self, node: &Node, what: &str) {
        let value = node.to_json();
        if !value.is_number() && lax::number(&value).is_none() {
            self.shape.say(Code::WrongType, node.span, format!("{what} must be a number, not {}", node.data.kind()));
        }
    }

    fn steps(&mut self, root: &Node, inputs: &[DeclaredInput]) -> Vec<Step> {
        let entries = match root.get("artifacts") {
            Some(node) => self.shape.mapping(node, "`artifacts`").unwrap_or_default(),
            None => &[],
        };
        if entries.is_empty() && !self.shape.diagnostics.has_error() {
            let span = root.entry("artifacts").map_or_else(|| self.shape.first_line(root.span), |entry| entry.key_span);
            self.shape.say(Code::NoArtifacts, span, "the runbook has no artifacts: there is nothing to do");
        }
        let mut seen: BTreeMap<String, (String, Span)> = BTreeMap::new();
        let mut steps = Vec::new();
        for entry in entries {
            let Some(id) = self.name(&entry.key, entry.key_span) else { continue };
            let alike: String = skeleton(&id.key()).collect();
            if let Some((other, first)) = seen.insert(alike, (entry.key.clone(), entry.key_span))
                && other != entry.key
            {
                let message = format!("`{}` can be mistaken for another artifact", entry.key);
                let collision = Diagnostic::new(Code::NamesCollide, self.shape.source.name(), entry.key_span, message)
                    .with_label(first, "this one; names are compared without case, and by their looks")
                    .with_help("give one of them another name");
                self.shape.push(collision);
            }
            steps.push(self.step(Spanned::new(id, entry.key_span), &entry.value, !inputs.is_empty()));
        }
        steps
    }

    fn name(&mut self, text: &str, span: Span) -> Option<ArtifactName> {
        match text.parse::<ArtifactName>() {
            Ok(name) => Some(name),
            Err(error) => {
                let help = StepId::from_title(text).ok().map(|id| format!("call it `{id}`"));
                let message = format!("`{}` can't be the name of an artifact: {error}", neutral::line(text, 60));
                let wrong = Diagnostic::new(Code::BadName, self.shape.source.name(), span, message).with_help_if(help);
                self.shape.push(wrong);
                None
            }
        }
    }

    fn step(&mut self, id: Spanned<ArtifactName>, node: &Node, is_child: bool) -> Step {
        let what = format!("artifact `{}`", id.value);
        let mut step = Step {
            id,
            title: None,
            description: None,
            contact: None,
            inputs: Vec::new(),
            work: Work::Broken,
            output_schema: None,
            output: false,
            optional: false,
            limits: BTreeMap::new(),
        };
        if self.shape.strict(node, &what, ARTIFACT, Unknown::Ignored).is_none() {
            return step;
        }
        let mut text = |key: &str| self.shape.optional_text(node, key, &what).map(|text| text.value);
        step.title = text("name");
        step.description = text("description");
        step.contact = text("contact");
        step.output = self.shape.flag(node, "output", &what);
        step.optional = self.shape.flag(node, "optional", &what);
        step.output_schema = self.output_schema(node, &what);
        step.limits = node.get("limits").map(|limits| self.limits(limits, &what)).unwrap_or_default();
        if let Some(merge) = node.get("merge") {
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

    fn output_schema(&mut self, node: &Node, what: &str) -> Option<Spanned<SchemaReq>> {
        let text = self.shape.optional_text(node, "output_schema", what)?;
        self.schema(&text)
    }

    fn schema(&mut self, text: &Spanned<String>) -> Option<Spanned<SchemaReq>> {
        match text.value.parse() {
            Ok(schema) => Some(Spanned::new(schema, text.span)),
            Err(error) => {
                let wrong =
                    Diagnostic::new(Code::BadSchemaName, self.shape.source.name(), text.span, error.to_string())
                        .with_help("write it as `standard_input/1.0.0`");
                self.shape.push(wrong);
                None
            }
        }
    }

    /// What the artifact is made from. Exactly one way must be given.
    fn work(
        &mut self,
        id: &Spanned<ArtifactName>,
        node: &Node,
        what: &str,
        is_child: bool,
    ) -> (Vec<Spanned<String>>, Work) {
        let ways: Vec<&Entry> = ["source", "inputs", "reuse"]
            .iter()
            .filter_map(|key| node.entry(key))
            .filter(|entry| entry.value.data != Data::Null)
            .collect();
        let process = present_entry(node, "process");
        let child = present_entry(node, "child_runbook");
        let inputs = present(node, "inputs").map(|inputs| self.inputs(inputs, what)).unwrap_or_default();
        let way = match ways.as_slice() {
            [way] => *way,
            [] => {
                let message = format!("{what} has none of `source`, `inputs` and `reuse`");
                self.shape.say(Code::ProductionMethod, id.span, message);
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
                self.call(&way.value, &format!("`source` of {what}")).map_or(Work::Broken, Work::Source)
            }
            ("reuse", ..) => self.reuse(way, node, what),
            (_, Some(process), Some(child)) => {
                let message = format!("{what} has `process` and `child_runbook`; only one can make it");
                let both = Diagnostic::new(Code::Combination, self.shape.source.name(), child.key_span, message)
                    .with_label(process.key_span, "the other one");
                self.shape.push(both);
                Work::Broken
            }
            (_, Some(process), None) => {
                self.call(&process.value, &format!("`process` of {what}")).map_or(Work::Broken, Work::Process)
            }
            (_, None, Some(child)) => self.child(child, what),
            (_, None, None) => Work::PassOn,
        };
        (inputs, work)
    }

    fn inputs(&mut self, node: &Node, what: &str) -> Vec<Spanned<String>> {
        match &node.data {
            Data::Text(text) => vec![Spanned::new(text.clone(), node.span)],
            Data::List(list) if list.is_empty() => {
                self.shape.say(Code::BadValue, node.span, format!("`inputs` of {what} is empty"));
                Vec::new()
            }
            _ => self.shape.texts(node, &format!("`inputs` of {what}")).unwrap_or_default(),
        }
    }

    fn call(&mut self, node: &Node, what: &str) -> Option<Call> {
        self.shape.strict(node, what, CALL, Unknown::Refused)?;
        let config = match node.get("properties") {
            None => None,
            Some(properties) => {
                self.shape.mapping(properties, &format!("`properties` of {what}"))?;
                Some(properties.clone())
            }
        };
        let name = self.shape.required(node, "type", what)?;
        let name = self.shape.text(name, &format!("`type` of {what}"))?;
        match name.value.parse::<ComponentName>() {
            Ok(component) => Some(Call {
                component: Spanned::new(component, name.span),
                config,
                span: self.shape.first_line(node.span),
            }),
            Err(error) => {
                let message = format!("`{}` is not the name of a component: {error}", neutral::line(&name.value, 60));
                self.shape.say(Code::BadComponentName, name.span, message);
                None
            }
        }
    }

    fn limits(&mut self, node: &Node, what: &str) -> BTreeMap<LimitKind, Spanned<u64>> {
        let keys: Vec<String> = LimitKind::all().map(LimitKind::key).collect();
        let known: Vec<&str> = keys.iter().map(String::as_str).collect();
        let entries = self.shape.mapping(node, &format!("`limits` of {what}")).unwrap_or_default();
        let mut limits = BTreeMap::new();
        for entry in entries {
            let Some(kind) = LimitKind::from_key(&entry.key) else {
                let message = format!("there is no limit `{}`", neutral::line(&entry.key, 60));
                let help = crate::nearest::suggestion(&entry.key, known.iter().copied());
                let wrong = Diagnostic::new(Code::BadLimit, self.shape.source.name(), entry.key_span, message)
                    .with_help_if(help);
                self.shape.push(wrong);
                continue;
            };
            let written = match &entry.value.data {
                Data::Text(text) => text.clone(),
                Data::Int(number) => number.to_string(),
                Data::Float(number) => number.to_string(),
                _ => String::new(),
            };
            match kind.parse(&written) {
                Ok(value) => drop(limits.insert(kind, Spanned::new(value, entry.value.span))),
                Err(error) => {
                    let message = format!("the amount of limit `{}` can't be read: {error}", kind.key());
                    let help = format!("write it as `{}`", kind.show(kind.default_value()));
                    let wrong = Diagnostic::new(Code::BadLimit, self.shape.source.name(), entry.value.span, message);
                    self.shape.push(wrong.with_help(help));
                }
            }
        }
        limits
    }

    fn not_available(&mut self, span: Span, what: &str) -> Work {
        self.shape.say(Code::NotAvailable, span, format!("{what} is not available in this build"));
        Work::NotAvailable
    }

    fn reuse(&mut self, entry: &Entry, node: &Node, what: &str) -> Work {
        let within = format!("`reuse` of {what}");
        if self.shape.strict(&entry.value, &within, REUSE, Unknown::Refused).is_some() {
            for key in REUSE {
                if let Some(value) = self.shape.required(&entry.value, key, &within) {
                    self.shape.text(value, &format!("`{key}` of {within}"));
                }
            }
        }
        if present(node, "output_schema").is_none() {
            self.shape.say(
                Code::MissingKey,
                entry.key_span,
                format!("{within} needs the key `output_schema` beside it"),
            );
        }
        self.not_available(entry.key_span, "`reuse`, taking an artifact of an earlier run,")
    }

    fn child(&mut self, entry: &Entry, what: &str) -> Work {
        let within = format!("`child_runbook` of {what}");
        let node = &entry.value;
        if self.shape.strict(node, &within, CHILD, Unknown::Refused).is_some() {
            if let Some(path) = self.shape.required(node, "path", &within).cloned()
                && let Some(path) = self.shape.text(&path, &format!("`path` of {within}"))
            {
                let climbs = path.value.split(['/', '\\']).any(|part| part == "..");
                if climbs || path.value.starts_with(['/', '\\']) {
                    let message = "the path of a child runbook must be relative, without `..`";
                    self.shape.say(Code::ChildPath, path.span, message);
                }
            }
            if let Some(mapping) = self.shape.required(node, "input_mapping", &within) {
                self.map_of_texts(mapping, &format!("`input_mapping` of {within}"));
            }
            let (output, mapping) = (present_entry(node, "output"), present_entry(node, "output_mapping"));
            if let Some(output) = output {
                self.shape.text(&output.value, &format!("`output` of {within}"));
            }
            if let Some(mapping) = mapping {
                self.map_of_texts(&mapping.value, &format!("`output_mapping` of {within}"));
            }
            match (output, mapping) {
                (None, None) => {
                    let message = format!("{within} needs `output` or `output_mapping`");
                    self.shape.say(Code::MissingKey, entry.key_span, message);
                }
                (Some(_), Some(mapping)) => {
                    let message = format!("{within} has both `output` and `output_mapping`");
                    self.shape.say(Code::Combination, mapping.key_span, message);
                }
                _ => {}
            }
        }
        self.not_available(entry.key_span, "`child_runbook`")
    }

    fn map_of_texts(&mut self, node: &Node, what: &str) {
        for entry in self.shape.mapping(node, what).unwrap_or_default() {
            self.shape.text(&entry.value, &format!("`{}` of {what}", neutral::line(&entry.key, 60)));
        }
    }

    fn execute(&mut self, node: &Node, what: &str) {
        let within = format!("`execute` of {what}");
        if self.shape.strict(node, &within, EXECUTE, Unknown::Refused).is_none() {
            return;
        }
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

    fn declared_input(&mut self, entry: &Entry) -> DeclaredInput {
        let what = format!("input `{}`", neutral::line(&entry.key, 60));
        let node = &entry.value;
        let mut input =
            DeclaredInput { name: Spanned::new(entry.key.clone(), entry.key_span), schema: None, optional: false };
        if self.shape.strict(node, &what, INPUT, Unknown::Refused).is_none() {
            return input;
        }
        if let Some(schema) = self.shape.required(node, "input_schema", &what)
            && let Some(text) = self.shape.text(schema, &format!("`input_schema` of {what}"))
        {
            input.schema = self.schema(&text).map(|schema| schema.value);
        }
        input.optional = self.shape.flag(node, "optional", &what);
        self.shape.flag(node, "sensitive", &what);
        self.shape.optional_text(node, "description", &what);
        if let Some(default) = present_entry(node, "default").filter(|_| !input.optional) {
            self.shape.say(
                Code::DefaultNotOptional,
                default.key_span,
                format!("`default` of {what} needs `optional: true`"),
            );
        }
        if !input.optional {
            self.not_available(entry.key_span, &format!("{what}: a runbook that must be given inputs"));
        }
        input
    }

    fn declared_output(&mut self, entry: &Entry, root: &Node) -> Option<DeclaredOutput> {
        let what = format!("output `{}`", neutral::line(&entry.key, 60));
        self.shape.strict(&entry.value, &what, OUTPUT, Unknown::Refused)?;
        self.shape.optional_text(&entry.value, "description", &what);
        let artifact = self.shape.required(&entry.value, "artifact", &what)?;
        let artifact = self.shape.text(artifact, &format!("`artifact` of {what}"))?;
        let known: Vec<&str> = match root.get("artifacts").map(|node| &node.data) {
            Some(Data::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            _ => Vec::new(),
        };
        if !known.contains(&artifact.value.as_str()) {
            let message = format!("{what} names `{}`, which is no artifact", neutral::line(&artifact.value, 60));
            let help = crate::nearest::suggestion(&artifact.value, known.iter().copied());
            let wrong = Diagnostic::new(Code::UnknownReference, self.shape.source.name(), artifact.span, message);
            self.shape.push(wrong.with_help_if(help));
        }
        Some(DeclaredOutput { name: Spanned::new(entry.key.clone(), entry.key_span), artifact })
    }
}

/// The value under a key, unless it is absent or null.
fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    present_entry(node, key).map(|entry| &entry.value)
}

fn present_entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    node.entry(key).filter(|entry| entry.value.data != Data::Null)
}

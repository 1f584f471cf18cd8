//! Reads a runbook that is a list of steps. Keys are strict, and a key that belongs to steps of another type is told as
//! such.

use crate::codes::Code;
use crate::condition::{Condition, ConditionError};
use crate::diagnostic::Diagnostic;
use crate::form::{FormReader, LimitsOf, Named, present, present_entry};
use crate::nearest::suggestion;
use crate::reference::{Braces, Reference};
use crate::runbook::{
    Agent, Approval, AutoApprove, Body, Call, Child, ChildRunbook, Form, Inputs, Outputs, Retry, Runbook, Step, Work,
};
use crate::shape::Unknown;
use crate::source::{Span, Spanned};
use crate::yaml::{Data, Entry, Node};
use palisade_model::id::ComponentName;
use palisade_model::unit::Millis;
use palisade_model::{ArtifactName, Digest, LimitKind, RunLimitKind, StepId, neutral};
use palisade_schema::escape;

const TOP: &[&str] =
    &["name", "description", "contact", "inputs", "outputs", "capabilities", "limits", "config", "execution"];
const COMMON: &[&str] = &[
    "id",
    "name",
    "type",
    "description",
    "contact",
    "input",
    "inputs",
    "input_schema",
    "output",
    "outputs",
    "output_schema",
    "config",
    "limits",
    "timeout",
    "retry",
    "optional",
    "when",
    "after",
    "compensate",
];
const RETRY: &[&str] = &["max_attempts", "backoff", "on"];
/// The types of steps, each with the keys of its own.
const TYPES: &[(StepType, &str, &[&str])] = &[
    (StepType::Analyse, "analyse", &["analyser"]),
    (StepType::Source, "source", &["connector", "system"]),
    (StepType::Child, "execute_workflow", &["workflow", "file", "components", "auto_approve"]),
    (
        StepType::Map,
        "map",
        &["analyser", "workflow", "file", "components", "auto_approve", "max_items", "max_concurrency"],
    ),
    (
        StepType::Loop,
        "loop",
        &["analyser", "workflow", "file", "components", "auto_approve", "until", "max_iterations"],
    ),
    (StepType::Approval, "approval", &["message", "approvers", "expires"]),
    (StepType::Agent, "agent", &["agent", "goal", "tools", "members"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepType {
    Analyse,
    Source,
    Child,
    Map,
    Loop,
    Approval,
    Agent,
}

impl StepType {
    fn row(self) -> (&'static str, &'static [&'static str]) {
        // Every type is in the table: a test walks it.
        TYPES.iter().find(|(kind, ..)| *kind == self).map_or(("", &[]), |(_, name, keys)| (name, keys))
    }
}

impl FormReader<'_> {
    pub(crate) fn execution_form(&mut self, root: &Node) -> Runbook {
        self.shape.strict(root, "a runbook", TOP, Unknown::Refused);
        let name = self.title(root, "name", "the runbook").unwrap_or_else(|| stem(self.shape.source.name()));
        let description = self.prose(root, "description", "the runbook").map(|text| text.value).unwrap_or_default();
        let contact = self.title(root, "contact", "the runbook");
        let config = present(root, "config").map(|node| self.settings(node)).unwrap_or_default();
        let mut limits = present(root, "limits").map(|node| self.run_limits(node, "the runbook")).unwrap_or_default();
        for (kind, value) in config.limits {
            if let Some(other) = limits.insert(kind, value.clone()) {
                let message = format!("`config` and `limits` both state what `{kind}` bounds");
                self.combination(value.span, message, other.span);
            }
        }
        let capabilities = self.capabilities(root);
        let inputs = self.declared_inputs(root);
        let steps = self.steps(root);
        self.distinct(steps.iter().map(|step| Named { what: "step", name: &step.id }).collect::<Vec<_>>());
        let named = inputs.iter().map(|input| Named { what: "input", name: &input.name });
        let artifacts = steps.iter().flat_map(Step::artifacts).map(|name| Named { what: "artifact", name });
        // A step's id that is also its artifact's name has been compared with the other ids already.
        self.distinct(named.chain(artifacts).collect::<Vec<_>>());
        Runbook {
            source: self.shape.source.name().to_owned(),
            digest: Digest::of(self.shape.source.text().as_bytes()),
            form: Form::Execution,
            name,
            description,
            contact,
            limits,
            template_paths: config.template_paths,
            capabilities,
            inputs,
            outputs: self.declared_outputs(root, Form::Execution),
            steps,
        }
    }

    fn combination(&mut self, span: Span, message: impl AsRef<str>, other: Span) {
        let both = Diagnostic::new(Code::Combination, self.shape.source.name(), span, message)
            .with_label(other, "the other one");
        self.shape.push(both);
    }

    fn steps(&mut self, root: &Node) -> Vec<Step> {
        let Some(entry) = root.entry("execution") else { return Vec::new() };
        let list = match &entry.value.data {
            Data::List(list) => list.as_slice(),
            Data::Null => &[],
            _ => {
                let message = format!("`execution` must be a list of steps, not {}", entry.value.data.kind());
                let wrong = Diagnostic::new(Code::WrongType, self.shape.source.name(), entry.key_span, message)
                    .with_help("begin each step with `- `");
                self.shape.push(wrong);
                return Vec::new();
            }
        };
        if list.is_empty() && !self.shape.diagnostics.has_error() {
            self.shape.say(Code::NoArtifacts, entry.key_span, "the runbook has no steps: there is nothing to do");
        }
        list.iter().enumerate().filter_map(|(index, node)| self.step(node, index + 1, None)).collect()
    }

    /// Reads a step. `compensates` is the one that it undoes, if it stands in its `compensate`.
    fn step(&mut self, node: &Node, number: usize, compensates: Option<&str>) -> Option<Step> {
        let what = match compensates {
            Some(step) => format!("`compensate` of step `{step}`"),
            None => format!("step {number}"),
        };
        self.shape.mapping(node, &what)?;
        let kind = self.step_type(node, &what);
        let id = self.step_id(node, number, compensates, &what);
        let what = match compensates {
            Some(_) => what,
            None => format!("step `{}`", id.value),
        };
        let mut step = Step::broken(id);
        if let Some(kind) = kind {
            self.step_keys(node, kind, &what);
        }
        step.title = self.title(node, "name", &what);
        step.description = self.prose(node, "description", &what).map(|text| text.value);
        step.contact = self.title(node, "contact", &what);
        step.optional = self.shape.flag(node, "optional", &what);
        step.input_schema = self.optional_schema(node, "input_schema", &what);
        step.output_schema = self.optional_schema(node, "output_schema", &what);
        step.when = present(node, "when").and_then(|node| self.condition(node, &format!("`when` of {what}")));
        step.after = present(node, "after")
            .map(|node| self.shape.one_or_more(node, &format!("`after` of {what}")))
            .unwrap_or_default();
        step.retry = present(node, "retry").and_then(|node| self.retry(node, &what));
        if let Some(entry) = present_entry(node, "compensate") {
            if compensates.is_some() {
                let message = format!("{what} can't have a `compensate` of its own");
                self.shape.say(Code::Combination, entry.key_span, message);
            } else {
                step.compensate = self.step(&entry.value, number, Some(step.id.value.as_str())).map(Box::new);
            }
        }
        let Some(kind) = kind else { return Some(step) };
        self.limits_and_timeout(&mut step, node, kind, &what);
        if kind != StepType::Child {
            step.inputs = self.step_inputs(node, &what);
            step.outputs = self.step_outputs(node, &what);
            step.exported = !matches!(step.outputs, Outputs::Own);
        }
        step.work = self.step_work(&mut step.outputs, node, kind, &what);
        if let Work::Child(child) = &step.work {
            step.exported = !child.outputs.is_empty();
        }
        Some(step)
    }

    fn step_type(&mut self, node: &Node, what: &str) -> Option<StepType> {
        let Some(written) = present(node, "type") else { return Some(StepType::Analyse) };
        let text = self.shape.text(written, &format!("`type` of {what}"))?;
        let found = TYPES.iter().find(|(_, name, _)| *name == text.value).map(|(kind, ..)| *kind);
        if found.is_none() {
            let message = format!("there is no type of step `{}`", neutral::line(&text.value, 60));
            let help = suggestion(&text.value, TYPES.iter().map(|(_, name, _)| *name));
            let wrong =
                Diagnostic::new(Code::StepType, self.shape.source.name(), text.span, message).with_help_if(help);
            self.shape.push(wrong);
        }
        found
    }

    /// The id as written, else made from the name.
    fn step_id(&mut self, node: &Node, number: usize, compensates: Option<&str>, what: &str) -> Spanned<ArtifactName> {
        let span = self.shape.first_line(node.span);
        let fallback = || {
            let undo = compensates.and_then(|step| format!("{step}-undo").parse().ok());
            Spanned::new(undo.unwrap_or_else(|| ArtifactName::of_step(number)), span)
        };
        if let Some(written) = present(node, "id") {
            let id = self.shape.text(written, &format!("`id` of {what}"));
            return id.and_then(|id| self.name(&id.value, id.span, "a step")).unwrap_or_else(fallback);
        }
        match present(node, "name").map(|name| (&name.data, name.span)) {
            Some((Data::Text(name), span)) => match StepId::from_title(name) {
                Ok(id) => Spanned::new(id.into(), span),
                Err(error) => {
                    let message = format!("no id can be made from `{}`: {error}", neutral::line(name, 60));
                    let wrong = Diagnostic::new(Code::BadName, self.shape.source.name(), span, message)
                        .with_help("give the step an `id`");
                    self.shape.push(wrong);
                    fallback()
                }
            },
            // Not a text: told where the title is read.
            Some(_) => fallback(),
            None if compensates.is_some() => fallback(),
            None => {
                self.shape.say(Code::MissingKey, span, format!("{what} needs a `name` or an `id`"));
                fallback()
            }
        }
    }

    fn step_keys(&mut self, node: &Node, kind: StepType, what: &str) {
        let (name, own) = kind.row();
        let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
        let Data::Map(entries) = &node.data else { return };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let of: Vec<String> = TYPES
                .iter()
                .filter(|(.., keys)| keys.contains(&entry.key.as_str()))
                .map(|(_, name, _)| format!("`type: {name}`"))
                .collect();
            let (code, message, help) = if of.is_empty() {
                let message = format!("{what} has no key `{}`", neutral::line(&entry.key, 60));
                (Code::UnknownKey, message, suggestion(&entry.key, known.iter().copied()))
            } else {
                let message = format!("{what} is of type `{name}`, which has no key `{}`", entry.key);
                (Code::KeyOfOtherType, message, Some(format!("it belongs to {}", of.join(" and "))))
            };
            let wrong = Diagnostic::new(code, self.shape.source.name(), entry.key_span, message).with_help_if(help);
            self.shape.push(wrong);
        }
    }

    fn limits_and_timeout(&mut self, step: &mut Step, node: &Node, kind: StepType, what: &str) {
        let child = ["workflow", "file"].iter().any(|key| present(node, key).is_some());
        let of = match kind {
            StepType::Analyse | StepType::Source => LimitsOf { attempt: true, run: false },
            StepType::Child => LimitsOf { attempt: false, run: true },
            StepType::Map | StepType::Loop => LimitsOf { attempt: !child, run: child },
            StepType::Agent => LimitsOf { attempt: true, run: true },
            StepType::Approval => LimitsOf { attempt: false, run: false },
        };
        step.limits = present(node, "limits").map(|limits| self.step_limits(limits, what, of)).unwrap_or_default();
        let Some(timeout) = present_entry(node, "timeout") else { return };
        if kind == StepType::Approval {
            let message = format!("{what} waits for a person; how long says `expires`, not `timeout`");
            self.shape.say(Code::Combination, timeout.key_span, message);
            return;
        }
        let amount = format!("`timeout` of {what}");
        let read = self.shape.amount(&timeout.value, &amount, "30s", |text| Millis::parse(text).map(|amount| amount.0));
        let Some(read) = read else { return };
        let (other, key) = if of.attempt {
            (step.limits.attempt.insert(LimitKind::Wall, read), LimitKind::Wall.key())
        } else {
            (step.limits.run.insert(RunLimitKind::MaxDuration, read), RunLimitKind::MaxDuration.key().to_owned())
        };
        if let Some(other) = other {
            let message = format!("{what} has both `timeout` and `limits.{key}`, which are the same");
            self.combination(timeout.key_span, message, other.span);
        }
    }

    fn step_inputs(&mut self, node: &Node, what: &str) -> Inputs {
        let (one, many) = (present_entry(node, "input"), present_entry(node, "inputs"));
        if let (Some(one), Some(many)) = (one, many) {
            self.combination(many.key_span, format!("{what} has both `input` and `inputs`"), one.key_span);
        }
        if let Some(one) = one {
            let name = self.shape.text(&one.value, &format!("`input` of {what}"));
            return Inputs::List(name.and_then(|name| self.artifact_name(name)).into_iter().collect());
        }
        let Some(many) = many else { return Inputs::List(Vec::new()) };
        let within = format!("`inputs` of {what}");
        match &many.value.data {
            Data::Map(entries) => {
                let mut ports = Vec::new();
                for entry in entries {
                    let names = self.shape.one_or_more(&entry.value, &format!("`{}` of {within}", entry.key));
                    let names = names.into_iter().filter_map(|name| self.artifact_name(name)).collect();
                    ports.push((Spanned::new(entry.key.clone(), entry.key_span), names));
                }
                Inputs::Ports(ports)
            }
            _ => {
                let names = self.shape.one_or_more(&many.value, &within);
                Inputs::List(names.into_iter().filter_map(|name| self.artifact_name(name)).collect())
            }
        }
    }

    /// The name of a whole artifact: bare, or between double braces.
    fn artifact_name(&mut self, text: Spanned<String>) -> Option<Spanned<String>> {
        let reference = match Reference::find(&text.value) {
            Braces::None => return Some(text),
            Braces::Within => {
                let message = "a reference must be the whole text";
                self.shape.say(Code::BadReference, text.span, message);
                return None;
            }
            Braces::Whole(found) => self.reference(found, text.span)?,
        };
        if reference.path.is_empty() {
            return Some(Spanned::new(reference.artifact, text.span));
        }
        let message = format!("`{reference}` is a part of an artifact; only a whole one can stand here");
        let wrong = Diagnostic::new(Code::BadReference, self.shape.source.name(), text.span, message)
            .with_help(format!("write `{{{{ {} }}}}`, or put the part into `config`", reference.artifact));
        self.shape.push(wrong);
        None
    }

    fn reference(
        &mut self,
        found: Result<Reference, crate::reference::ReferenceError>,
        span: Span,
    ) -> Option<Reference> {
        found
            .map_err(|error| {
                let wrong = Diagnostic::new(Code::BadReference, self.shape.source.name(), span, error.to_string())
                    .with_help("write it as `{{ name }}` or `{{ name.property[0] }}`");
                self.shape.push(wrong);
            })
            .ok()
    }

    fn step_outputs(&mut self, node: &Node, what: &str) -> Outputs {
        let (one, many) = (present_entry(node, "output"), present_entry(node, "outputs"));
        if let (Some(one), Some(many)) = (one, many) {
            self.combination(many.key_span, format!("{what} has both `output` and `outputs`"), one.key_span);
        }
        if let Some(one) = one {
            let name = self.shape.text(&one.value, &format!("`output` of {what}"));
            return name
                .and_then(|name| self.name(&name.value, name.span, "an artifact"))
                .map_or(Outputs::Own, Outputs::One);
        }
        match many {
            Some(many) => Outputs::Ports(self.named_outputs(&many.value, what)),
            None => Outputs::Own,
        }
    }

    fn named_outputs(&mut self, node: &Node, what: &str) -> Vec<(Spanned<String>, Spanned<ArtifactName>)> {
        let pairs = self.map_of_texts(node, &format!("`outputs` of {what}"));
        pairs
            .into_iter()
            .filter_map(|(port, name)| Some((port, self.name(&name.value, name.span, "an artifact")?)))
            .collect()
    }

    fn step_work(&mut self, outputs: &mut Outputs, node: &Node, kind: StepType, what: &str) -> Work {
        let span = present(node, "type").map_or_else(|| self.shape.first_line(node.span), |node| node.span);
        match kind {
            StepType::Analyse => self.call(node, "analyser", what).map_or(Work::Broken, Work::Process),
            StepType::Source => self.source(node, what),
            StepType::Child => {
                let Some(mut child) = self.child_of(node, what) else { return Work::Broken };
                if let Some(inputs) = present(node, "inputs") {
                    let pairs = self.map_of_texts(inputs, &format!("`inputs` of {what}"));
                    child.inputs =
                        pairs.into_iter().filter_map(|(port, name)| Some((port, self.artifact_name(name)?))).collect();
                }
                if let Some(entry) = present_entry(node, "input") {
                    let message = format!("{what} starts a child, whose inputs have names");
                    let wrong = Diagnostic::new(Code::Combination, self.shape.source.name(), entry.key_span, message)
                        .with_help("write `inputs: {NAME_IN_THE_CHILD: ARTIFACT}`");
                    self.shape.push(wrong);
                }
                match self.step_outputs(node, what) {
                    Outputs::Ports(ports) => child.outputs = ports,
                    named => *outputs = named,
                }
                Work::Child(child)
            }
            StepType::Map => {
                let max_items = self.positive(node, "max_items", what);
                let max_concurrency = self.positive(node, "max_concurrency", what);
                match self.body(node, what) {
                    Some(body) => Work::Map { body, max_items, max_concurrency, span },
                    None => Work::Broken,
                }
            }
            StepType::Loop => {
                let until = self.shape.required(node, "until", what);
                let until = until.and_then(|node| self.condition(node, &format!("`until` of {what}")));
                let max_iterations = self.positive(node, "max_iterations", what);
                match self.body(node, what) {
                    Some(body) => Work::Loop { body, until, max_iterations, span },
                    None => Work::Broken,
                }
            }
            StepType::Approval => self.approval(node, what),
            StepType::Agent => self.agent(node, what),
        }
    }

    fn positive(&mut self, node: &Node, key: &str, what: &str) -> Option<Spanned<u64>> {
        present(node, key).and_then(|value| self.shape.positive(value, &format!("`{key}` of {what}")))
    }

    /// The component under `key`, and the step's `config`.
    fn call(&mut self, node: &Node, key: &str, what: &str) -> Option<Call> {
        let config = present(node, "config");
        if let Some(config) = config {
            self.shape.mapping(config, &format!("`config` of {what}"))?;
        }
        let mut config = config.cloned();
        let mut references = Vec::new();
        if let Some(config) = &mut config {
            self.take_references(config, &mut String::new(), &mut references);
        }
        let name = self.shape.required(node, key, what)?;
        let name = self.shape.text(name, &format!("`{key}` of {what}"))?;
        let component = self.component(&name)?;
        Some(Call { component, config, references, span: self.shape.first_line(node.span) })
    }

    /// Takes the references out of a config; null is left in their places.
    fn take_references(
        &mut self,
        node: &mut Node,
        pointer: &mut String,
        found: &mut Vec<(String, Spanned<Reference>)>,
    ) {
        let before = pointer.len();
        match &mut node.data {
            Data::Text(text) => match Reference::find(text) {
                Braces::None => {}
                Braces::Within => {
                    let message = "double braces within other text are just text";
                    let wrong = Diagnostic::new(Code::BracesAreText, self.shape.source.name(), node.span, message)
                        .with_help("a reference must be the whole value");
                    self.shape.push(wrong);
                }
                Braces::Whole(reference) => {
                    if let Some(reference) = self.reference(reference, node.span) {
                        found.push((pointer.clone(), Spanned::new(reference, node.span)));
                    }
                    node.data = Data::Null;
                }
            },
            Data::List(list) => {
                for (index, node) in list.iter_mut().enumerate() {
                    pointer.push_str(&format!("/{index}"));
                    self.take_references(node, pointer, found);
                    pointer.truncate(before);
                }
            }
            Data::Map(entries) => {
                for Entry { key, value, .. } in entries {
                    pointer.push('/');
                    pointer.push_str(&escape(key));
                    self.take_references(value, pointer, found);
                    pointer.truncate(before);
                }
            }
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => {}
        }
    }

    fn source(&mut self, node: &Node, what: &str) -> Work {
        let (connector, system) = (present_entry(node, "connector"), present_entry(node, "system"));
        match (connector, system) {
            (Some(connector), Some(system)) => {
                let message = format!("{what} has both `connector` and `system`");
                self.combination(system.key_span, message, connector.key_span);
                Work::Broken
            }
            (None, Some(system)) => {
                if let Some(config) = present_entry(node, "config") {
                    let message = format!("{what} reads a system, whose config is the operator's");
                    self.combination(config.key_span, message, system.key_span);
                }
                self.shape
                    .text(&system.value, &format!("`system` of {what}"))
                    .map_or(Work::Broken, |name| Work::System { name })
            }
            _ => self.call(node, "connector", what).map_or(Work::Broken, Work::Source),
        }
    }

    fn body(&mut self, node: &Node, what: &str) -> Option<Body> {
        let child = ["workflow", "file"].iter().find_map(|key| present_entry(node, key));
        match (present_entry(node, "analyser"), child) {
            (Some(analyser), Some(child)) => {
                let message = format!("{what} has both `analyser` and `{}`", child.key);
                self.combination(child.key_span, message, analyser.key_span);
                None
            }
            (None, Some(_)) => self.child_of(node, what).map(Body::Workflow),
            (_, None) => self.call(node, "analyser", what).map(Body::Component),
        }
    }

    fn child_of(&mut self, node: &Node, what: &str) -> Option<Child> {
        let (workflow, file) = (present_entry(node, "workflow"), present_entry(node, "file"));
        let (runbook, span) = match (workflow, file) {
            (Some(workflow), Some(file)) => {
                let message = format!("{what} has both `workflow` and `file`");
                self.combination(file.key_span, message, workflow.key_span);
                return None;
            }
            (None, None) => {
                let span = self.shape.first_line(node.span);
                self.shape.say(Code::MissingKey, span, format!("{what} needs the key `workflow` or `file`"));
                return None;
            }
            (Some(workflow), None) => {
                let text = self.shape.text(&workflow.value, &format!("`workflow` of {what}"))?;
                if text.value.ends_with(".yaml") || text.value.ends_with(".yml") || text.value.contains('/') {
                    let message = format!("`workflow` of {what} names an artifact, and this looks like a file");
                    let wrong = Diagnostic::new(Code::BadReference, self.shape.source.name(), text.span, message)
                        .with_help(format!("write `file: {}`", neutral::line(&text.value, 60)));
                    self.shape.push(wrong);
                    return None;
                }
                (ChildRunbook::Artifact(self.artifact_name(text)?), workflow.key_span)
            }
            (None, Some(file)) => {
                let path = self.shape.text(&file.value, &format!("`file` of {what}"))?;
                (ChildRunbook::File(self.child_path(path)?), file.key_span)
            }
        };
        let components =
            present(node, "components").map(|node| self.components(node, &format!("`components` of {what}")));
        let auto_approve = self.auto_approve(node, what);
        Some(Child { runbook, inputs: Vec::new(), outputs: Vec::new(), components, auto_approve, span })
    }

    fn components(&mut self, node: &Node, what: &str) -> Vec<Spanned<ComponentName>> {
        let names = self.shape.texts(node, what).unwrap_or_default();
        names.iter().filter_map(|name| self.component(name)).collect()
    }

    fn auto_approve(&mut self, node: &Node, what: &str) -> AutoApprove {
        let Some(entry) = present_entry(node, "auto_approve") else { return AutoApprove::Nothing };
        match &entry.value.data {
            Data::Bool(false) => AutoApprove::Nothing,
            Data::Bool(true) => {
                if present(node, "limits").is_none() || present(node, "components").is_none() {
                    let message = format!(
                        "`auto_approve` of {what} approves whatever lies within its limits, and it states none"
                    );
                    let wrong = Diagnostic::new(Code::Combination, self.shape.source.name(), entry.key_span, message)
                        .with_help("state `limits` and `components` of the step");
                    self.shape.push(wrong);
                }
                AutoApprove::WithinStep(entry.key_span)
            }
            _ => AutoApprove::Within(self.run_limits(&entry.value, &format!("`auto_approve` of {what}"))),
        }
    }

    fn approval(&mut self, node: &Node, what: &str) -> Work {
        let approvers = present(node, "approvers")
            .map(|node| self.shape.one_or_more(node, &format!("`approvers` of {what}")))
            .unwrap_or_default();
        let expires_ms = present(node, "expires").and_then(|node| {
            let amount = format!("`expires` of {what}");
            self.shape.amount(node, &amount, "2d", |text| Millis::parse(text).map(|amount| amount.0))
        });
        self.shape.required(node, "message", what);
        match self.prose(node, "message", what) {
            Some(message) => Work::Approval(Approval { message, approvers, expires_ms }),
            None => Work::Broken,
        }
    }

    fn agent(&mut self, node: &Node, what: &str) -> Work {
        let list = |form: &mut Self, key: &str| {
            let list = present(node, key);
            list.map(|node| form.components(node, &format!("`{key}` of {what}"))).unwrap_or_default()
        };
        let (tools, members) = (list(self, "tools"), list(self, "members"));
        self.shape.required(node, "goal", what);
        let goal = self.prose(node, "goal", what);
        match (self.call(node, "agent", what), goal) {
            (Some(call), Some(goal)) => Work::Agent(Agent { call, goal, tools, members }),
            _ => Work::Broken,
        }
    }

    fn retry(&mut self, node: &Node, what: &str) -> Option<Retry> {
        let within = format!("`retry` of {what}");
        self.shape.strict(node, &within, RETRY, Unknown::Refused)?;
        let max_attempts = self.shape.required(node, "max_attempts", &within);
        let max_attempts =
            max_attempts.and_then(|node| self.shape.positive(node, &format!("`max_attempts` of {within}")));
        let backoff_ms = present(node, "backoff").and_then(|node| {
            let amount = format!("`backoff` of {within}");
            self.shape.amount(node, &amount, "5s", |text| Millis::parse(text).map(|amount| amount.0))
        });
        let on = present(node, "on").map(|node| self.shape.one_or_more(node, &format!("`on` of {within}")));
        let on = on.unwrap_or_default();
        for kind in on.iter().filter(|kind| !palisade_model::failure::RETRYABLE.contains(&kind.value.as_str())) {
            let message =
                format!("`{}` is no kind of failure that another attempt could mend", neutral::line(&kind.value, 60));
            let help = suggestion(&kind.value, palisade_model::failure::RETRYABLE.iter().copied());
            let wrong =
                Diagnostic::new(Code::BadValue, self.shape.source.name(), kind.span, message).with_help_if(help);
            self.shape.push(wrong);
        }
        Some(Retry { max_attempts: max_attempts?, backoff_ms, on })
    }

    fn condition(&mut self, node: &Node, what: &str) -> Option<Spanned<Condition>> {
        let text = match &node.data {
            Data::Bool(truth) => Spanned::new(truth.to_string(), node.span),
            _ => self.shape.text(node, what)?,
        };
        match Condition::parse(&text.value) {
            Ok(condition) => Some(Spanned::new(condition, text.span)),
            Err(error) => {
                let span = match &error {
                    ConditionError::Syntax { at: Some(at), .. } => self.shape.within(&text, *at),
                    _ => text.span,
                };
                let braces = text.value.contains("{{");
                let help = if braces {
                    "leave the braces away: artifacts are called by name in conditions"
                } else {
                    "conditions are CEL: `findings.summary.total > 0 && has(other.x)`"
                };
                let wrong =
                    Diagnostic::new(Code::BadCondition, self.shape.source.name(), span, format!("{what}: {error}"))
                        .with_help(help);
                self.shape.push(wrong);
                None
            }
        }
    }
}

/// The file name of a source without folder and ending, for a runbook that has no name.
fn stem(source: &str) -> String {
    let file = source.rsplit(['/', '\\']).next().unwrap_or(source);
    file.split_once('.').map_or(file, |(stem, _)| stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_in_the_table() {
        use StepType::{Agent, Analyse, Approval, Child, Loop, Map, Source};
        for kind in [Analyse, Source, Child, Map, Loop, Approval, Agent] {
            assert!(!kind.row().0.is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn a_runbook_without_a_name_is_called_by_its_file() {
        assert_eq!((stem("a/b/seed.yaml"), stem("x"), stem("")), ("seed".into(), "x".into(), String::new()));
    }
}

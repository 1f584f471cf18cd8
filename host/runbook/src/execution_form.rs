//! Reads a runbook that is a list of steps. Keys are strict, and a key that belongs to steps of another type is told as
//! such.

use crate::codes::Code;
use crate::condition::{Condition, ConditionError};
use crate::config_bound::{ConfigRule, ListedComponent, NO_RULE, pointer_of};
use crate::diagnostic::Diagnostic;
use crate::form::{FormReader, LimitsOf, Named, present, present_entry};
use crate::nearest::suggestion;
use crate::reference::{Braces, Reference};
use crate::runbook::{
    Agent, Approval, AutoApprove, Body, Call, Child, ChildRunbook, Form, Inputs, Outputs, Retry, Runbook, Step,
    Submitting, Work,
};
use crate::shape::{Unknown, read_as_meant};
use crate::source::Spanned;
use crate::yaml::{Data, Entry, Node};
use palisade_model::id::{ComponentName, IdError};
use palisade_model::unit::Millis;
use palisade_model::{ArtifactName, Digest, LimitKind, RunLimitKind, StepId, neutral};
use palisade_schema::escape;
use std::borrow::Cow;
use std::collections::BTreeSet;

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
const LISTED: &[&str] = &["component", "config"];
const RUNBOOKS: &[&str] = &["components", "limits", "auto_approve", "most"];
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
    (StepType::Agent, "agent", &["agent", "goal", "tools", "members", "runbooks"]),
];

/// Keys of all steps that mean nothing for some types, and why.
const WITHOUT: &[(StepType, &[&str], &str)] = &[
    (StepType::Source, &["input", "inputs", "input_schema"], "a source reads no artifacts"),
    (StepType::Child, &["input_schema", "config"], "what the child runs has configs of its own"),
    (
        StepType::Approval,
        &["output", "outputs", "output_schema", "config", "limits", "retry", "compensate"],
        "an approval makes nothing and runs nothing",
    ),
    (StepType::Approval, &["timeout"], "how long a person may take says `expires`"),
];
/// Keys that tell the type of a step that does not say it.
const TELLING: &[(&str, StepType)] = &[
    ("connector", StepType::Source),
    ("system", StepType::Source),
    ("until", StepType::Loop),
    ("max_iterations", StepType::Loop),
    ("max_items", StepType::Map),
    ("max_concurrency", StepType::Map),
    ("workflow", StepType::Child),
    ("file", StepType::Child),
    ("message", StepType::Approval),
    ("approvers", StepType::Approval),
    ("expires", StepType::Approval),
    ("agent", StepType::Agent),
    ("goal", StepType::Agent),
];

/// Signs of which CEL knows none, and what is meant.
const OTHER_SIGNS: &[(&str, &str)] = &[("=>", ">="), ("=<", "<="), ("<>", "!="), ("===", "=="), ("!==", "!=")];
/// What other languages write where CEL writes something else.
const OTHER_WORDS: &[(&str, &str)] =
    &[("=", "=="), ("and", "&&"), ("AND", "&&"), ("or", "||"), ("OR", "||"), ("not", "!"), ("is", "==")];

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
    pub(crate) fn execution_form(&mut self, root: &Node) -> Option<Runbook> {
        let root = self.shape.strict(root, "a runbook", TOP, Unknown::Refused)?;
        let root = &*root;
        let name = self.title(root, "name", "the runbook").unwrap_or_else(|| stem(self.shape.source.name()));
        let description = self.prose(root, "description", "the runbook").map(|text| text.value).unwrap_or_default();
        let contact = self.title(root, "contact", "the runbook");
        let config = present(root, "config").map(|node| self.settings(node)).unwrap_or_default();
        let limits = self.limits_of_run(root, config.limits);
        let capabilities = self.capabilities(root);
        let inputs = self.declared_inputs(root);
        let steps = self.steps(root);
        let undone = steps.iter().filter_map(|step| step.compensate.as_deref());
        let ids = steps.iter().chain(undone).map(|step| Named { what: "step", name: &step.id });
        self.distinct(ids.collect::<Vec<_>>());
        let named = inputs.iter().map(|input| Named { what: "input", name: &input.name });
        let artifacts = steps.iter().flat_map(Step::artifacts).map(|name| Named { what: "artifact", name });
        self.distinct(named.chain(artifacts).collect::<Vec<_>>());
        Some(Runbook {
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
            spoilt: std::mem::take(&mut self.spoilt),
            mistakes: BTreeSet::new(),
        })
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
        let (node, foreign) = self.step_keys(node, kind, &what);
        let node = &*node;
        step.title = self.title(node, "name", &what);
        step.description = self.prose(node, "description", &what).map(|text| text.value);
        step.contact = self.title(node, "contact", &what);
        step.optional = self.shape.flag(node, "optional", &what);
        step.input_schema = self.optional_schema(node, "input_schema", &what);
        step.output_schema = self.optional_schema(node, "output_schema", &what);
        step.when = present(node, "when").and_then(|node| self.condition(node, &format!("`when` of {what}")));
        step.after = present(node, "after")
            .and_then(|node| self.shape.one_or_more(node, &format!("`after` of {what}")))
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
        step.outputs = self.step_outputs(node, &what);
        step.exported = !matches!(step.outputs, Outputs::Own);
        let Some(kind) = kind else { return Some(step) };
        self.limits_and_timeout(&mut step, node, kind, &what);
        let starts_child = starts_child(node, kind);
        if kind == StepType::Source {
            // That it reads nothing has been told.
            step.input_schema = None;
        } else if !starts_child || kind != StepType::Child && !takes_ports(node) {
            step.inputs = self.step_inputs(node, &what);
        }
        // What lacks a key of its own while it has one of another type is of that type: that has been told.
        step.work = if foreign { Work::Broken } else { self.step_work(&mut step.inputs, node, kind, &what) };
        if starts_child && let Some(config) = present_entry(node, "config").filter(|_| kind != StepType::Child) {
            let message = format!("{what} starts a child, whose steps have configs of their own: it has no `config`");
            self.shape.say(Code::KeyOfOtherType, config.key_span, message);
        }
        Some(step)
    }

    /// The type of a step. Where it is missing but a key tells which is meant, that is told, and the step read so.
    fn step_type(&mut self, node: &Node, what: &str) -> Option<StepType> {
        let Some(written) = present(node, "type") else {
            let telling = TELLING.iter().find_map(|(key, kind)| Some((node.entry(key)?, *kind)));
            let Some((entry, kind)) = telling.filter(|_| node.entry("analyser").is_none()) else {
                return Some(StepType::Analyse);
            };
            let message = format!("{what} has the key `{}` but no `type`", entry.key);
            let wrong = Diagnostic::new(Code::StepType, self.shape.source.name(), entry.key_span, message)
                .with_help(format!("say `type: {}`", kind.row().0));
            self.shape.push(wrong);
            return Some(kind);
        };
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
                    let reason = match error {
                        IdError::Empty => "it has no letter or digit".to_owned(),
                        error => error.to_string(),
                    };
                    let message = format!("no id can be made from `{}`: {reason}", neutral::line(name, 60));
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

    /// Tells of keys that steps of this type don't have. Gives the step with misspelt keys put right, and whether it has
    /// keys of another type.
    fn step_keys<'n>(&mut self, node: &'n Node, kind: Option<StepType>, what: &str) -> (Cow<'n, Node>, bool) {
        let mut read = Cow::Borrowed(node);
        let mut foreign = false;
        let (Some(kind), Data::Map(entries)) = (kind, &node.data) else { return (read, foreign) };
        let (name, own) = kind.row();
        let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
        for (index, entry) in entries.iter().enumerate() {
            let key = entry.key.as_str();
            let without = WITHOUT.iter().find(|(of, keys, _)| *of == kind && keys.contains(&key));
            let of: Vec<String> = TYPES
                .iter()
                .filter(|(.., keys)| keys.contains(&key))
                .map(|(_, name, _)| format!("`type: {name}`"))
                .collect();
            let wrong = if let Some((.., why)) = without {
                let message = format!("{what} is of type `{name}`, which has no key `{key}`");
                Diagnostic::new(Code::KeyOfOtherType, self.shape.source.name(), entry.key_span, message).with_help(why)
            } else if known.contains(&key) {
                continue;
            } else if of.is_empty() {
                read_as_meant(&mut read, index, &known);
                self.shape.unknown_key(entry, what, &known)
            } else {
                foreign = true;
                let message = format!("{what} is of type `{name}`, which has no key `{key}`");
                Diagnostic::new(Code::KeyOfOtherType, self.shape.source.name(), entry.key_span, message)
                    .with_help(format!("it belongs to {}", of.join(", ")))
            };
            self.shape.push(wrong);
        }
        let lacks_own = own.first().is_some_and(|key| read.entry(key).is_none());
        (read, foreign && lacks_own)
    }

    fn limits_and_timeout(&mut self, step: &mut Step, node: &Node, kind: StepType, what: &str) {
        let child = starts_child(node, kind);
        let of = match kind {
            StepType::Analyse | StepType::Source => LimitsOf { attempt: true, run: false },
            StepType::Child => LimitsOf { attempt: false, run: true },
            StepType::Map | StepType::Loop => LimitsOf { attempt: !child, run: child },
            StepType::Agent => LimitsOf { attempt: true, run: true },
            // That it has none has been told.
            StepType::Approval => return,
        };
        step.limits = present(node, "limits").map(|limits| self.step_limits(limits, what, of)).unwrap_or_default();
        let Some(timeout) = present_entry(node, "timeout") else { return };
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
        let read = |form: &mut Self, names: Option<Vec<Spanned<String>>>| {
            let names = names?.into_iter().map(|name| form.artifact_name(name)).collect::<Vec<_>>();
            names.into_iter().collect::<Option<Vec<_>>>()
        };
        if let Some(one) = one {
            if matches!(one.value.data, Data::List(_) | Data::Map(_)) {
                let message = format!("`input` of {what} must be a text, not {}", one.value.data.kind());
                let wrong = Diagnostic::new(Code::WrongType, self.shape.source.name(), one.key_span, message)
                    .with_help("several are `inputs`");
                self.shape.push(wrong);
                return Inputs::Unreadable;
            }
            let name = self.shape.text(&one.value, &format!("`input` of {what}"));
            return read(self, name.map(|name| vec![name])).map_or(Inputs::Unreadable, Inputs::List);
        }
        let Some(many) = many else { return Inputs::List(Vec::new()) };
        let within = format!("`inputs` of {what}");
        let Data::Map(entries) = &many.value.data else {
            let names = self.shape.one_or_more(&many.value, &within);
            return read(self, names).map_or(Inputs::Unreadable, Inputs::List);
        };
        let mut ports = Vec::new();
        for entry in entries {
            let of = format!("`{}` of {within}", neutral::line(&entry.key, 60));
            let names = self.shape.one_or_more(&entry.value, &of);
            match read(self, names) {
                Some(names) => ports.push((Spanned::new(entry.key.clone(), entry.key_span), names)),
                None => return Inputs::Unreadable,
            }
        }
        Inputs::Ports(ports)
    }

    /// The name of a whole artifact: bare, or between double braces.
    fn artifact_name(&mut self, text: Spanned<String>) -> Option<Spanned<String>> {
        let reference = match Reference::find(&text.value) {
            Braces::None => return Some(text),
            found @ (Braces::Open | Braces::Within) => {
                let message = match found {
                    Braces::Open => "the braces of this reference are not closed",
                    _ => "a reference must be the whole text",
                };
                let wrong = Diagnostic::new(Code::BadReference, self.shape.source.name(), text.span, message)
                    .with_help("write `{{ name }}`, or the bare name");
                self.shape.push(wrong);
                return None;
            }
            Braces::Whole(found) => self.reference(found, &text)?,
        };
        if reference.value.path.is_empty() {
            return Some(Spanned::new(reference.value.artifact, reference.span));
        }
        let reference = reference.value;
        let message = format!("`{reference}` is a part of an artifact; only a whole one can stand here");
        let wrong = Diagnostic::new(Code::BadReference, self.shape.source.name(), text.span, message)
            .with_help(format!("write `{{{{ {} }}}}`, or put the part into `config`", reference.artifact));
        self.shape.push(wrong);
        None
    }

    /// A reference with its place between the braces.
    fn reference(
        &mut self,
        found: Result<Reference, crate::reference::ReferenceError>,
        text: &Spanned<String>,
    ) -> Option<Spanned<Reference>> {
        match found {
            Ok(reference) => {
                let written = reference.to_string();
                let at = text.value.find(&written).unwrap_or_default();
                let span = text.span.part(&text.value, at..at + written.len());
                Some(Spanned::new(reference, span))
            }
            Err(error) => {
                let wrong = Diagnostic::new(Code::BadReference, self.shape.source.name(), text.span, error.to_string())
                    .with_help("write it as `{{ name }}` or `{{ name.property[0] }}`");
                self.shape.push(wrong);
                None
            }
        }
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
            Some(many) => Outputs::Ports(self.named_outputs(&many.value, &format!("`outputs` of {what}"))),
            None => Outputs::Own,
        }
    }

    /// What a step does. `inputs` are taken over by what names them itself, as a child does.
    fn step_work(&mut self, inputs: &mut Inputs, node: &Node, kind: StepType, what: &str) -> Work {
        let span = present(node, "type").map_or_else(|| self.shape.first_line(node.span), |node| node.span);
        match kind {
            StepType::Analyse => self.call(node, "analyser", what).map_or(Work::Broken, Work::Process),
            StepType::Source => self.source(node, what),
            StepType::Child => {
                if let Some(entry) = present_entry(node, "input") {
                    let message = format!("{what} starts a child, whose inputs have names");
                    let wrong = Diagnostic::new(Code::Combination, self.shape.source.name(), entry.key_span, message)
                        .with_help("write `inputs: {NAME_IN_THE_CHILD: ARTIFACT}`");
                    self.shape.push(wrong);
                    *inputs = Inputs::Unreadable;
                }
                self.child_of(inputs, node, what).map_or(Work::Broken, Work::Child)
            }
            StepType::Map => {
                let max_items = self.positive(node, "max_items", what);
                let max_concurrency = self.positive(node, "max_concurrency", what);
                match self.body(inputs, node, what) {
                    Some(body) => Work::Map { body, max_items, max_concurrency, span },
                    None => Work::Broken,
                }
            }
            StepType::Loop => {
                let until = self.shape.required(node, "until", what);
                let until = until.and_then(|node| self.condition(node, &format!("`until` of {what}")));
                let max_iterations = self.positive(node, "max_iterations", what);
                match self.body(inputs, node, what) {
                    Some(body) => Work::Loop { body, until, max_iterations, span },
                    None => Work::Broken,
                }
            }
            StepType::Approval => self.approval(node, what),
            StepType::Agent => self.agent(node, what),
        }
    }

    fn positive(&mut self, node: &Node, key: &str, what: &str) -> Option<Spanned<u64>> {
        let node = present(node, key)?;
        let read = self.shape.positive(node, &format!("`{key}` of {what}"));
        // One that is wrong, which has been told, is no missing one.
        Some(read.unwrap_or(Spanned::new(1, node.span)))
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
                Braces::Open | Braces::Within => {
                    let message = "double braces within other text are just text";
                    let wrong = Diagnostic::new(Code::BracesAreText, self.shape.source.name(), node.span, message)
                        .with_help("a reference must be the whole value");
                    self.shape.push(wrong);
                }
                Braces::Whole(reference) => {
                    let text = Spanned::new(text.clone(), node.span);
                    found.extend(self.reference(reference, &text).map(|reference| (pointer.clone(), reference)));
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

    fn body(&mut self, inputs: &mut Inputs, node: &Node, what: &str) -> Option<Body> {
        let child = ["workflow", "file"].iter().find_map(|key| present_entry(node, key));
        match (present_entry(node, "analyser"), child) {
            (Some(analyser), Some(child)) => {
                let message = format!("{what} has both `analyser` and `{}`", child.key);
                self.combination(child.key_span, message, analyser.key_span);
                None
            }
            (None, Some(_)) => self.child_of(inputs, node, what).map(Body::Workflow),
            (_, None) => self.call(node, "analyser", what).map(Body::Component),
        }
    }

    fn child_of(&mut self, inputs: &mut Inputs, node: &Node, what: &str) -> Option<Child> {
        let ports = self.child_ports(inputs, node, what);
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
        let components = present(node, "components").map(|node| self.listed(node, &format!("`components` of {what}")));
        let auto_approve = self.auto_approve(node, what);
        if let (ChildRunbook::File(_), Some(entry)) = (&runbook, present_entry(node, "auto_approve")) {
            let message = format!("`auto_approve` of {what} has no effect: a file is nothing that a model wrote");
            self.shape.say(Code::NoEffect, entry.key_span, message);
        }
        Some(Child { runbook, inputs: ports, outputs: Vec::new(), components, auto_approve, span })
    }

    /// The child's inputs by name, where they are written so.
    fn child_ports(&mut self, inputs: &mut Inputs, node: &Node, what: &str) -> Vec<(Spanned<String>, Spanned<String>)> {
        let Some(written) = present(node, "inputs").filter(|_| inputs.is_empty()) else { return Vec::new() };
        let pairs = self.map_of_texts(written, &format!("`inputs` of {what}"));
        let count = match &written.data {
            Data::Map(entries) => entries.len(),
            // That it should be a mapping has been told.
            _ => usize::MAX,
        };
        let named: Vec<_> =
            pairs.into_iter().filter_map(|(port, name)| Some((port, self.artifact_name(name)?))).collect();
        if named.len() < count {
            *inputs = Inputs::Unreadable;
        }
        named
    }

    fn components(&mut self, node: &Node, what: &str) -> Vec<Spanned<ComponentName>> {
        let names = self.shape.texts(node, what).unwrap_or_default();
        names.iter().filter_map(|name| self.component(name)).collect()
    }

    /// A list of components, of which some say what their configs keep to.
    fn listed(&mut self, node: &Node, what: &str) -> Vec<ListedComponent> {
        self.names_or_tables(node, what, Self::listed_with_config)
    }

    /// A list of what an agent may call, of which some say what their configs are.
    fn called(&mut self, node: &Node, what: &str) -> Vec<Call> {
        self.names_or_tables(node, what, |form, node, what| form.call(node, "component", what))
    }

    /// A list of components, by their names or as tables with more of them.
    fn names_or_tables<T: From<Spanned<ComponentName>>>(
        &mut self,
        node: &Node,
        what: &str,
        read: impl Fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Vec<T> {
        let is_table = |node: &Node| matches!(node.data, Data::Map(_));
        match &node.data {
            Data::List(list) if list.iter().any(is_table) => list
                .iter()
                .filter_map(|entry| match is_table(entry) {
                    true => {
                        let what = format!("an entry of {what}");
                        let entry = self.shape.strict(entry, &what, LISTED, Unknown::Refused)?;
                        read(self, &entry, &what)
                    }
                    false => {
                        let name = self.shape.text(entry, &format!("each element of {what}"))?;
                        self.component(&name).map(T::from)
                    }
                })
                .collect(),
            _ => self.components(node, what).into_iter().map(T::from).collect(),
        }
    }

    fn listed_with_config(&mut self, node: &Node, what: &str) -> Option<ListedComponent> {
        let name = self.shape.required(node, "component", what)?;
        let name = self.shape.text(name, &format!("`component` of {what}"))?;
        let component = self.component(&name);
        let within = format!("`config` of {what}");
        let mut config = Vec::new();
        let entries = present(node, "config").and_then(|node| self.shape.mapping(node, &within));
        for Entry { key, value, .. } in entries.unwrap_or_default() {
            let place = value.nearest("/below").span;
            let path = |path| Ok::<_, std::convert::Infallible>(Spanned::new(path, place));
            match ConfigRule::read(&value.to_json()).map(|rule| rule.with_path(path)) {
                Some(Ok(rule)) => config.push((pointer_of(key), rule)),
                Some(Err(never)) => match never {},
                None => {
                    let message = format!("`{}` in {within} is no bound", neutral::line(key, 60));
                    let wrong = Diagnostic::new(Code::BadValue, self.shape.source.name(), value.span, message)
                        .with_help(format!("a bound {NO_RULE}"));
                    self.shape.push(wrong);
                }
            }
        }
        Some(ListedComponent { component: component?, config })
    }

    fn auto_approve(&mut self, node: &Node, what: &str) -> AutoApprove {
        let Some(entry) = present_entry(node, "auto_approve") else { return AutoApprove::Nothing };
        match &entry.value.data {
            Data::Bool(false) => AutoApprove::Nothing,
            Data::Bool(true) => {
                if present(node, "limits").is_none() || present(node, "components").is_none() {
                    let message = format!(
                        "`auto_approve` of {what} approves what lies within its `limits` and `components`, and it has not both"
                    );
                    let wrong = Diagnostic::new(Code::Combination, self.shape.source.name(), entry.key_span, message)
                        .with_help("state its `limits` and `components`");
                    self.shape.push(wrong);
                }
                AutoApprove::WithinStep(entry.key_span)
            }
            Data::Map(_) => AutoApprove::Within(self.run_limits(&entry.value, &format!("`auto_approve` of {what}"))),
            other => {
                let message = format!("`auto_approve` of {what} must be a truth value or limits, not {}", other.kind());
                let wrong = Diagnostic::new(Code::WrongType, self.shape.source.name(), entry.value.span, message)
                    .with_help("write `true`, or the limits within which nobody is asked: `{max_llm_cost: 1 USD}`");
                self.shape.push(wrong);
                AutoApprove::Nothing
            }
        }
    }

    fn approval(&mut self, node: &Node, what: &str) -> Work {
        let approvers = present(node, "approvers")
            .and_then(|node| self.shape.one_or_more(node, &format!("`approvers` of {what}")))
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
            list.map(|node| form.called(node, &format!("`{key}` of {what}"))).unwrap_or_default()
        };
        let (tools, members) = (list(self, "tools"), list(self, "members"));
        self.shape.required(node, "goal", what);
        let goal = self.prose(node, "goal", what);
        let runbooks = present(node, "runbooks").map(|node| self.submitting(node, what));
        match (self.call(node, "agent", what), goal, runbooks) {
            (Some(call), Some(goal), None) => Work::Agent(Agent { call, goal, tools, members, runbooks: None }),
            (Some(call), Some(goal), Some(runbooks @ Some(_))) => {
                Work::Agent(Agent { call, goal, tools, members, runbooks })
            }
            _ => Work::Broken,
        }
    }

    /// What runbooks an agent may submit. What they may use and how many they may be must be said: nobody could know before
    /// the start what the run may come to.
    fn submitting(&mut self, node: &Node, what: &str) -> Option<Submitting> {
        let what = format!("`runbooks` of {what}");
        let node = self.shape.strict(node, &what, RUNBOOKS, Unknown::Refused)?;
        let components = self.shape.required(&node, "components", &what);
        let components = components.map(|node| self.listed(node, &format!("`components` of {what}")));
        let limits = present(&node, "limits").map(|node| self.run_limits(node, &what)).unwrap_or_default();
        let auto_approve = self.auto_approve(&node, &what);
        let most = self.shape.required(&node, "most", &what);
        let most = most.and_then(|node| self.shape.positive(node, &format!("`most` of {what}")));
        let span = self.shape.first_line(node.span);
        Some(Submitting { components: components?, limits, auto_approve, most: most?, span })
    }

    fn retry(&mut self, node: &Node, what: &str) -> Option<Retry> {
        let within = format!("`retry` of {what}");
        let node = self.shape.strict(node, &within, RETRY, Unknown::Refused)?;
        let node = &*node;
        let max_attempts = self.shape.required(node, "max_attempts", &within);
        let max_attempts =
            max_attempts.and_then(|node| self.shape.positive(node, &format!("`max_attempts` of {within}")));
        let backoff_ms = present(node, "backoff").and_then(|node| {
            let amount = format!("`backoff` of {within}");
            self.shape.amount(node, &amount, "5s", |text| Millis::parse(text).map(|amount| amount.0))
        });
        let on = present(node, "on").and_then(|node| self.shape.one_or_more(node, &format!("`on` of {within}")));
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
            Data::Text(text) if self.shape.is_truth_word(node) => {
                let message = format!("{what} is the text `{text}`, which is no condition");
                let wrong = Diagnostic::new(Code::AmbiguousWord, self.shape.source.name(), node.span, message)
                    .with_help("write `true` or `false`");
                self.shape.push(wrong);
                return None;
            }
            _ => self.shape.text(node, what)?,
        };
        let error = match Condition::parse(&text.value) {
            Ok(condition) => return Some(Spanned::new(condition, text.span)),
            Err(error) => error,
        };
        let wrong =
            |span, message: String| Diagnostic::new(Code::BadCondition, self.shape.source.name(), span, message);
        let wrong = if let (Some(start), Some(end)) = (text.value.find("{{"), text.value.find("}}")) {
            let braces = text.span.part(&text.value, start..(end + 2).max(start));
            wrong(braces, format!("{what}: artifacts are called by their bare names in a condition"))
                .with_help("leave the braces away")
        } else {
            let span = match &error {
                ConditionError::Syntax { at: Some(at), .. } => self.shape.word(&text, *at),
                _ => text.span,
            };
            let token = self.shape.source.slice(span);
            // The parser may have taken its first sign for another one.
            let near = self.shape.source.text().get(span.start.saturating_sub(2)..).unwrap_or_default();
            let signs = (0..=2).filter_map(|skip| near.get(skip..));
            let sign = signs.flat_map(|near| OTHER_SIGNS.iter().filter(move |(sign, _)| near.starts_with(sign))).next();
            let meant = sign.or_else(|| OTHER_WORDS.iter().find(|(word, _)| *word == token));
            let help = match (&error, meant) {
                (_, Some((_, cel))) => Some(format!("write `{cel}`")),
                (ConditionError::Syntax { .. }, None) => {
                    Some("conditions are CEL: `findings.summary.total > 0 && has(other.x)`".to_owned())
                }
                _ => None,
            };
            wrong(span, format!("{what}: {error}")).with_help_if(help)
        };
        self.shape.push(wrong);
        None
    }
}

/// Whether a key is one of steps, of whatever type.
pub(crate) fn is_step_key(key: &str) -> bool {
    COMMON.contains(&key) || TYPES.iter().any(|(.., own)| own.contains(&key))
}

/// Whether a step runs a runbook rather than a component.
fn starts_child(node: &Node, kind: StepType) -> bool {
    let child = ["workflow", "file"].iter().any(|key| present(node, key).is_some());
    kind == StepType::Child || child && matches!(kind, StepType::Map | StepType::Loop)
}

/// Whether its inputs are written with the names that they have inside.
fn takes_ports(node: &Node) -> bool {
    present(node, "inputs").is_some_and(|inputs| matches!(inputs.data, Data::Map(_)))
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

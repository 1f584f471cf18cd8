//! What both forms of a runbook have in common: names, limits, declared inputs and outputs.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::runbook::{DeclaredInput, DeclaredOutput, Form, StepLimits};
use crate::shape::{Shape, Unknown};
use crate::source::{Source, Span, Spanned};
use crate::yaml::{Data, Entry, Node};
use palisade_model::id::{ComponentName, IdError};
use palisade_model::{ArtifactName, LimitKind, LimitSet, RunLimitKind, SchemaReq, StepId, neutral};
use std::collections::{BTreeMap, BTreeSet};
use unicode_security::confusable_detection::skeleton;

const INPUT: &[&str] = &["input_schema", "optional", "default", "sensitive", "description"];
const OUTPUT: &[&str] = &["artifact", "description"];
/// The key of `limits` that names a set of limits.
const SET: &str = "set";
/// Most characters of a title, so that it fits wherever it is shown.
const MAX_TITLE_CHARS: usize = 200;
/// Most characters of a description, a message or a goal.
const MAX_PROSE_CHARS: usize = 8_000;

/// Reads the parts of a runbook and collects what is wrong with them.
pub(crate) struct FormReader<'s> {
    pub(crate) shape: Shape<'s>,
    /// Names, without case, of things that could not be understood: who refers to them makes no mistake of their own.
    pub(crate) spoilt: BTreeSet<String>,
}

/// Which limits a step may set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LimitsOf {
    /// Those of its component's attempts.
    pub(crate) attempt: bool,
    /// Those of what it starts.
    pub(crate) run: bool,
}

/// A name, where it is given, and what has it: `step`, `artifact`, `input`, `output`. Steps are compared with steps alone.
pub(crate) struct Named<'n> {
    pub(crate) what: &'static str,
    pub(crate) name: &'n Spanned<ArtifactName>,
}

impl<'s> FormReader<'s> {
    pub(crate) fn new(source: &'s Source, form: Form) -> Self {
        Self { shape: Shape::new(source, form), spoilt: BTreeSet::new() }
    }

    /// A title under a key that may be absent.
    pub(crate) fn title(&mut self, node: &Node, key: &str, what: &str) -> Option<String> {
        let text = self.shape.optional_text(node, key, what)?;
        self.bounded(text, key, what, MAX_TITLE_CHARS).map(|text| text.value)
    }

    /// A longer text under a key that may be absent.
    pub(crate) fn prose(&mut self, node: &Node, key: &str, what: &str) -> Option<Spanned<String>> {
        let text = self.shape.optional_text(node, key, what)?;
        self.bounded(text, key, what, MAX_PROSE_CHARS)
    }

    fn bounded(&mut self, text: Spanned<String>, key: &str, what: &str, most: usize) -> Option<Spanned<String>> {
        let length = text.value.chars().count();
        if length > most {
            let span = self.shape.first_line(text.span);
            self.shape.say(
                Code::TextTooLong,
                span,
                format!("`{key}` of {what} has {length} characters, at most {most} are allowed"),
            );
            return None;
        }
        Some(text)
    }

    pub(crate) fn name(&mut self, text: &str, span: Span, of: &str) -> Option<Spanned<ArtifactName>> {
        match text.parse::<ArtifactName>() {
            Ok(name) => Some(Spanned::new(name, span)),
            Err(error) => {
                self.spoilt.insert(text.to_lowercase());
                let help = StepId::from_title(text).ok().map(|id| format!("call it `{id}`"));
                let message = format!("`{}` can't be the name of {of}: {error}", neutral::line(text, 60));
                let wrong = Diagnostic::new(Code::BadName, self.shape.source.name(), span, message).with_help_if(help);
                self.shape.push(wrong);
                None
            }
        }
    }

    /// Tells names that are equal, or could be taken for one another; not those in a place that has been told of.
    pub(crate) fn distinct<'n>(&mut self, names: impl IntoIterator<Item = Named<'n>>) {
        let told = self.shape.diagnostics.places();
        let mut seen: BTreeMap<String, Named<'n>> = BTreeMap::new();
        for named in names.into_iter().filter(|named| !told.contains(&named.name.span)) {
            let alike: String = skeleton(&named.name.value.key()).collect();
            let Some(first) = seen.get(&alike) else {
                seen.insert(alike, named);
                continue;
            };
            let (text, span) = (&named.name.value, named.name.span);
            let (code, message, label) = if first.name.value == named.name.value {
                let other = match (first.what == named.what, first.what) {
                    (true, what) => format!("another {what}"),
                    (false, what) => format!("an {what}"),
                };
                let message = format!("the {} `{text}` has the name of {other}", named.what);
                (Code::TwoMakers, message, "the first one")
            } else {
                let message = format!("`{text}` can be mistaken for another {}", first.what);
                (Code::NamesCollide, message, "this one; names are compared without case, and by their looks")
            };
            let collision = Diagnostic::new(code, self.shape.source.name(), span, message)
                .with_label(first.name.span, label)
                .with_help("give one of them another name");
            self.shape.push(collision);
        }
    }

    pub(crate) fn schema(&mut self, text: &Spanned<String>) -> Option<Spanned<SchemaReq>> {
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

    pub(crate) fn optional_schema(&mut self, node: &Node, key: &str, what: &str) -> Option<Spanned<SchemaReq>> {
        let text = self.shape.optional_text(node, key, what)?;
        self.schema(&text)
    }

    pub(crate) fn component(&mut self, name: &Spanned<String>) -> Option<Spanned<ComponentName>> {
        match name.value.parse::<ComponentName>() {
            Ok(component) => Some(Spanned::new(component, name.span)),
            Err(error) => {
                let help = match error {
                    IdError::Version { .. } => {
                        "an exact version is written as `@1.2.0`; without one, that in force is meant"
                    }
                    _ => "components are called by their id or alias, never by a path or URL: `acme:words`",
                };
                let message = format!("`{}` is not the name of a component: {error}", neutral::line(&name.value, 60));
                let wrong = Diagnostic::new(Code::BadComponentName, self.shape.source.name(), name.span, message)
                    .with_help(help);
                self.shape.push(wrong);
                None
            }
        }
    }

    /// Limits of a step, each of a kind that it may set: a set by its name, or a mapping that may name one under `set`.
    pub(crate) fn step_limits(&mut self, node: &Node, what: &str, of: LimitsOf) -> StepLimits {
        let mut limits = StepLimits::default();
        if matches!(node.data, Data::Text(_)) {
            limits.set = self.limit_set(node, &format!("`limits` of {what}"), of);
            return limits;
        }
        for entry in self.shape.mapping(node, &format!("`limits` of {what}")).unwrap_or_default() {
            let amount = format!("limit `{}` of {what}", neutral::line(&entry.key, 60));
            match (LimitKind::from_key(&entry.key), RunLimitKind::from_key(&entry.key)) {
                _ if entry.key == SET => {
                    limits.set = self.limit_set(&entry.value, &format!("`{SET}` in `limits` of {what}"), of);
                }
                (Some(kind), _) if of.attempt => {
                    let example = kind.show(kind.default_value());
                    let read = self.shape.amount(&entry.value, &amount, &example, |text| kind.parse(text));
                    limits.attempt.extend(read.map(|value| (kind, value)));
                }
                (_, Some(kind)) if of.run => limits.run.extend(self.run_limit(entry, kind, &amount)),
                _ => self.unknown_limit(entry, what, of),
            }
        }
        limits
    }

    /// The name of a set of limits.
    fn limit_set(&mut self, node: &Node, what: &str, of: LimitsOf) -> Option<Spanned<LimitSet>> {
        let text = self.shape.text(node, what)?;
        let found = LimitSet::parse(&text.value);
        let (message, help) = match found {
            Some(set) if of.attempt => return Some(Spanned::new(set, text.span)),
            Some(set) => (
                format!("{what} can't be `{set}`: sets of limits are for steps that run a component"),
                Some("state limits here one by one: `{max_duration: 1h, max_runs: 100}`".to_owned()),
            ),
            None => {
                let names = LimitSet::ALL.map(LimitSet::name);
                let message = format!("{what}: there is no set of limits `{}`", neutral::line(&text.value, 60));
                (message, suggestion(&text.value, names).filter(|_| of.attempt))
            }
        };
        let wrong = Diagnostic::new(Code::BadLimit, self.shape.source.name(), text.span, message).with_help_if(help);
        self.shape.push(wrong);
        None
    }

    /// Limits of the run as a whole, as `limits` and `config` state them.
    pub(crate) fn limits_of_run(
        &mut self,
        root: &Node,
        config: BTreeMap<RunLimitKind, Spanned<u64>>,
    ) -> BTreeMap<RunLimitKind, Spanned<u64>> {
        let mut limits = present(root, "limits").map(|node| self.run_limits(node, "the runbook")).unwrap_or_default();
        for (kind, value) in config {
            if let Some(other) = limits.insert(kind, value.clone()) {
                let message = format!("`config` and `limits` both state what `{kind}` bounds");
                self.combination(value.span, message, other.span);
            }
        }
        limits
    }

    /// Tells that two keys exclude each other.
    pub(crate) fn combination(&mut self, span: Span, message: impl AsRef<str>, other: Span) {
        let both = Diagnostic::new(Code::Combination, self.shape.source.name(), span, message)
            .with_label(other, "the other one");
        self.shape.push(both);
    }

    /// Limits of the run as a whole.
    pub(crate) fn run_limits(&mut self, node: &Node, what: &str) -> BTreeMap<RunLimitKind, Spanned<u64>> {
        self.step_limits(node, what, LimitsOf { attempt: false, run: true }).run
    }

    fn run_limit(&mut self, entry: &Entry, kind: RunLimitKind, what: &str) -> Option<(RunLimitKind, Spanned<u64>)> {
        let example = match kind {
            RunLimitKind::MaxDuration => "1 h",
            RunLimitKind::MaxLlmCost => "5 USD",
            RunLimitKind::MaxDepth => "1",
            RunLimitKind::MaxConcurrency | RunLimitKind::MaxRuns | RunLimitKind::MaxDenials => "100",
            RunLimitKind::MaxEgress => "10 MiB",
        };
        let value = self.shape.amount(&entry.value, what, example, |text| kind.parse(text))?;
        let may_be_nothing =
            !matches!(kind, RunLimitKind::MaxDuration | RunLimitKind::MaxConcurrency | RunLimitKind::MaxRuns);
        if value.value == 0 && !may_be_nothing {
            self.shape.say(Code::BadValue, entry.value.span, format!("{what} must be at least 1"));
            return None;
        }
        Some((kind, value))
    }

    fn unknown_limit(&mut self, entry: &Entry, what: &str, of: LimitsOf) {
        let attempt = LimitKind::all().map(LimitKind::key).filter(|_| of.attempt);
        let run = RunLimitKind::all().map(|kind| kind.key().to_owned()).filter(|_| of.run);
        let set = Some(SET.to_owned()).filter(|_| of.attempt);
        let known: Vec<String> = set.into_iter().chain(attempt).chain(run).collect();
        let message = format!("{what} has no limit `{}`", neutral::line(&entry.key, 60));
        let elsewhere = LimitKind::from_key(&entry.key).is_some() || RunLimitKind::from_key(&entry.key).is_some();
        let help = match elsewhere {
            true if of.run => Some("it limits attempts of a component: state it at the step that runs one".to_owned()),
            true => Some("it limits runs: state it for the runbook, or for a step that starts a child".to_owned()),
            false => suggestion(&entry.key, known.iter().map(String::as_str)),
        };
        let wrong =
            Diagnostic::new(Code::BadLimit, self.shape.source.name(), entry.key_span, message).with_help_if(help);
        self.shape.push(wrong);
    }

    /// The entries of an optional mapping that may be null.
    pub(crate) fn entries<'n>(&mut self, root: &'n Node, key: &str) -> &'n [Entry] {
        let node = present(root, key);
        node.and_then(|node| self.shape.mapping(node, &format!("`{key}`"))).unwrap_or_default()
    }

    pub(crate) fn capabilities(&mut self, root: &Node) -> Option<Vec<Spanned<String>>> {
        present(root, "capabilities").map(|node| self.shape.texts(node, "`capabilities`").unwrap_or_default())
    }

    pub(crate) fn declared_inputs(&mut self, root: &Node) -> Vec<DeclaredInput> {
        self.entries(root, "inputs").iter().filter_map(|entry| self.declared_input(entry)).collect()
    }

    fn declared_input(&mut self, entry: &Entry) -> Option<DeclaredInput> {
        let what = format!("input `{}`", neutral::line(&entry.key, 60));
        let name = self.name(&entry.key, entry.key_span, "an input");
        let Some(node) = self.shape.strict(&entry.value, &what, INPUT, Unknown::Refused) else {
            self.spoilt.insert(entry.key.to_lowercase());
            return None;
        };
        let node = &*node;
        let mut schema = None;
        if let Some(written) = self.shape.required(node, "input_schema", &what)
            && let Some(text) = self.shape.text(written, &format!("`input_schema` of {what}"))
        {
            schema = self.schema(&text);
        }
        let optional = self.shape.flag(node, "optional", &what);
        let sensitive = self.shape.flag(node, "sensitive", &what);
        let description = self.prose(node, "description", &what).map(|text| text.value);
        let default = present_entry(node, "default");
        if let Some(default) = default.filter(|_| !optional) {
            self.shape.say(
                Code::DefaultNotOptional,
                default.key_span,
                format!("`default` of {what} needs `optional: true`"),
            );
        }
        let default = default
            .filter(|_| optional)
            .map(|entry| Spanned::new(entry.value.to_json(), self.shape.first_line(entry.value.span)));
        Some(DeclaredInput { name: name?, schema, optional, default, sensitive, description })
    }

    /// The outputs that the runbook declares. `NAME: ARTIFACT` is short for `NAME: {artifact: ARTIFACT}` in the execution
    /// form.
    pub(crate) fn declared_outputs(&mut self, root: &Node, form: Form) -> Option<Vec<DeclaredOutput>> {
        present(root, "outputs")?;
        let outputs: Vec<DeclaredOutput> =
            self.entries(root, "outputs").iter().filter_map(|entry| self.declared_output(entry, form)).collect();
        self.distinct(outputs.iter().map(|output| Named { what: "output", name: &output.name }));
        Some(outputs)
    }

    fn declared_output(&mut self, entry: &Entry, form: Form) -> Option<DeclaredOutput> {
        let what = format!("output `{}`", neutral::line(&entry.key, 60));
        let name = self.name(&entry.key, entry.key_span, "an output");
        if form == Form::Execution && matches!(entry.value.data, Data::Text(_)) {
            let artifact = self.shape.text(&entry.value, &what)?;
            return Some(DeclaredOutput { name: name?, artifact, description: None });
        }
        let node = self.shape.strict(&entry.value, &what, OUTPUT, Unknown::Refused)?;
        let description = self.prose(&node, "description", &what).map(|text| text.value);
        let artifact = self.shape.required(&node, "artifact", &what)?;
        let artifact = self.shape.text(artifact, &format!("`artifact` of {what}"))?;
        Some(DeclaredOutput { name: name?, artifact, description })
    }

    /// A mapping of texts to texts.
    pub(crate) fn map_of_texts(&mut self, node: &Node, what: &str) -> Vec<(Spanned<String>, Spanned<String>)> {
        let mut pairs = Vec::new();
        for entry in self.shape.mapping(node, what).unwrap_or_default() {
            let value = self.shape.text(&entry.value, &format!("`{}` of {what}", neutral::line(&entry.key, 60)));
            pairs.extend(value.map(|value| (Spanned::new(entry.key.clone(), entry.key_span), value)));
        }
        pairs
    }

    /// Ports, or outputs of a child, and the artifacts that they become.
    pub(crate) fn named_outputs(&mut self, node: &Node, what: &str) -> Vec<(Spanned<String>, Spanned<ArtifactName>)> {
        let pairs = self.map_of_texts(node, what);
        pairs
            .into_iter()
            .filter_map(|(port, name)| Some((port, self.name(&name.value, name.span, "an artifact")?)))
            .collect()
    }

    /// The path of a child runbook: relative, and never upwards.
    pub(crate) fn child_path(&mut self, path: Spanned<String>) -> Option<Spanned<String>> {
        let climbs = path.value.split(['/', '\\']).any(|part| part == "..");
        if climbs || path.value.starts_with(['/', '\\']) || path.value.trim().is_empty() {
            let message = "the path of a child runbook must be relative, without `..`";
            let wrong = Diagnostic::new(Code::ChildPath, self.shape.source.name(), path.span, message)
                .with_help("it is looked for beside this runbook, then below each of `config.template_paths`");
            self.shape.push(wrong);
            return None;
        }
        Some(path)
    }
}

/// The value under a key, unless it is absent or null.
pub(crate) fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    present_entry(node, key).map(|entry| &entry.value)
}

pub(crate) fn present_entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    node.entry(key).filter(|entry| entry.value.data != Data::Null)
}

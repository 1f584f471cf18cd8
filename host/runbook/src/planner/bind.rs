//! Binding what a step reads to the ports of its component.

use super::{Made, Planner};
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::plan::{Binding, PlannedInput};
use crate::runbook::{Call, Inputs, Step};
use crate::source::{Span, Spanned};
use palisade_model::manifest::{Arity, InputPort, InputSource};
use palisade_model::{SchemaRef, SchemaReq, neutral};
use std::collections::BTreeSet;

/// Most artifacts that are offered for an input that is missing.
const MAX_OFFERED: usize = 5;

/// An input port that the runbook wires, and what it has so far.
struct Port<'m> {
    port: &'m InputPort,
    accepts: &'m [SchemaReq],
    bound: Vec<(Span, Binding)>,
}

/// What a step reads, bound.
pub(super) struct Bound {
    pub(super) bindings: Vec<Binding>,
    pub(super) labels: BTreeSet<String>,
}

impl Port<'_> {
    fn is_full(&self) -> bool {
        self.port.arity != Arity::Many && !self.bound.is_empty()
    }

    fn accepts(&self, schema: &SchemaRef) -> bool {
        self.accepts.iter().any(|wanted| wanted.accepts(schema))
    }
}

impl Planner<'_> {
    /// Binds what a step reads: by name where it names ports, else each input in the order written to the first port
    /// that accepts its schema and has room. None if anything is wrong, which is told.
    pub(super) fn bind(&mut self, step: &Step, call: &Call, component: &KnownComponent) -> Option<Bound> {
        let mut ports: Vec<Port<'_>> = component
            .manifest
            .inputs
            .iter()
            .filter_map(|port| match &port.source {
                InputSource::Runbook { accepts } => Some(Port { port, accepts, bound: Vec::new() }),
                InputSource::Ruleset { .. } => None,
            })
            .collect();
        let mut labels = BTreeSet::new();
        let mut good = true;
        if step.inputs.is_empty()
            && let Some(wanted) = &step.input_schema
        {
            let input = self.implicit_input(wanted);
            good &= input.is_some_and(|input| self.bind_one(step, call, &input, None, &mut ports, &mut labels));
        }
        match &step.inputs {
            Inputs::Unreadable => good = false,
            Inputs::List(names) => {
                for name in names {
                    good &= self.bind_one(step, call, name, None, &mut ports, &mut labels);
                }
            }
            Inputs::Ports(named) => {
                for (port, names) in named {
                    for name in names {
                        good &= self.bind_one(step, call, name, Some(port), &mut ports, &mut labels);
                    }
                }
            }
        }
        for port in &ports {
            good &= self.check_port(call, port, good);
        }
        let bindings = ports.into_iter().flat_map(|port| port.bound.into_iter().map(|(_, binding)| binding)).collect();
        good.then_some(Bound { bindings, labels })
    }

    /// The run input that a step takes by its schema: the one that is declared so, else one that comes to be by it.
    fn implicit_input(&mut self, wanted: &Spanned<SchemaReq>) -> Option<Spanned<String>> {
        let fitting: Vec<&PlannedInput> =
            self.inputs.iter().filter(|input| wanted.value.accepts(&input.schema)).collect();
        match fitting.as_slice() {
            [one] => return Some(Spanned::new(one.name.as_str().to_owned(), wanted.span)),
            [] => {}
            [first, second, ..] => {
                let message = format!(
                    "the inputs `{}` and `{}` both have the schema `{}`",
                    first.name, second.name, wanted.value
                );
                let wrong = Diagnostic::new(Code::InputMissing, &self.runbook.source, wanted.span, message)
                    .with_help("say which with `input`");
                self.diagnostics.push(wrong);
                return None;
            }
        }
        let schema = self.resolve_schema(wanted)?;
        let name = schema.name().replace('.', "_").parse::<palisade_model::ArtifactName>().ok()?;
        if let Some(taken) = self.made.get(&name.key()) {
            let message = format!("the run input that this step takes would be called `{name}`, as something else is");
            let wrong = Diagnostic::new(Code::TwoMakers, &self.runbook.source, wanted.span, message)
                .with_label(taken.span, "this one")
                .with_help("declare the input under `inputs` with a name of its own");
            self.diagnostics.push(wrong);
            return None;
        }
        let source = crate::plan::BindingSource::Input { name: name.clone() };
        let labels = BTreeSet::from(["input".to_owned()]);
        self.made.insert(
            name.key(),
            Made { name: name.clone(), source, schema: Some(schema.clone()), span: wanted.span, labels },
        );
        self.inputs.push(PlannedInput {
            name: name.clone(),
            schema,
            declared: false,
            optional: false,
            default: None,
            sensitive: false,
            description: None,
        });
        Some(Spanned::new(name.as_str().to_owned(), wanted.span))
    }

    /// What is known of an artifact that is read, and that it is. None: what makes it is broken or missing, which has
    /// been told.
    pub(super) fn reads(&mut self, name: &str) -> Option<Made> {
        let key = name.to_lowercase();
        let made = self.made.get(&key).cloned();
        self.read.insert(key);
        made
    }

    /// The schema of an artifact that a step reads.
    pub(super) fn known_schema(&mut self, name: &Spanned<String>, made: &Made) -> Option<SchemaRef> {
        if made.schema.is_none() {
            let message = format!("the schema of `{}` is not known before the child that makes it", name.value);
            let unknown = Diagnostic::new(Code::UnknownSchema, &self.runbook.source, name.span, message)
                .with_label(made.span, "made here")
                .with_help("give the step that makes it one `output`, and its `output_schema`");
            self.diagnostics.push(unknown);
        }
        made.schema.clone()
    }

    fn bind_one(
        &mut self,
        step: &Step,
        call: &Call,
        input: &Spanned<String>,
        named: Option<&Spanned<String>>,
        ports: &mut [Port<'_>],
        labels: &mut BTreeSet<String>,
    ) -> bool {
        let Some(made) = self.reads(&input.value) else { return false };
        let Some(schema) = self.known_schema(input, &made) else { return false };
        labels.extend(made.labels.iter().cloned());
        if let Some(wanted) = &step.input_schema
            && !wanted.value.accepts(&schema)
        {
            let message = format!("`input_schema` says `{}`, but `{}` has `{schema}`", wanted.value, input.value);
            let wrong = Diagnostic::new(Code::SchemaMismatch, &self.runbook.source, wanted.span, message)
                .with_label(input.span, format!("has `{schema}`"));
            self.diagnostics.push(wrong);
            return false;
        }
        let component = &call.component.value.name;
        if let Some(named) = named
            && !ports.iter().any(|port| port.port.name == named.value)
        {
            let message = format!("`{component}` has no input port `{}`", neutral::line(&named.value, 60));
            let known: Vec<&str> = ports.iter().map(|port| port.port.name.as_str()).collect();
            let wrong = Diagnostic::new(Code::UnknownPort, &self.runbook.source, named.span, message)
                .with_help_if(suggestion(&named.value, known.iter().copied()));
            self.diagnostics.push(wrong);
            return false;
        }
        let meant = |port: &Port<'_>| named.is_none_or(|named| port.port.name == named.value);
        if let Some(port) = ports.iter_mut().find(|port| meant(port) && port.accepts(&schema) && !port.is_full()) {
            let binding = Binding { port: port.port.name.clone(), source: made.source, schema };
            port.bound.push((input.span, binding));
            return true;
        }
        if let Some(port) = ports.iter().find(|port| meant(port) && port.accepts(&schema)) {
            let message =
                format!("`{component}` takes one artifact at `{}`; `{}` is one too many", port.port.name, input.value);
            let first = port.bound.first().map_or(step.id.span, |(span, _)| *span);
            let diagnostic = Diagnostic::new(Code::TooManyInputs, &self.runbook.source, input.span, message)
                .with_label(first, "it already has this one");
            self.diagnostics.push(diagnostic);
            return false;
        }
        let accepts: Vec<String> = ports
            .iter()
            .filter(|port| meant(port))
            .flat_map(|port| port.accepts)
            .map(|wanted| format!("`{wanted}`"))
            .collect();
        let accepts = if accepts.is_empty() { "nothing".to_owned() } else { accepts.join(" or ") };
        let message = format!("`{}` has the schema `{schema}`, but `{component}` accepts {accepts}", input.value);
        let diagnostic = Diagnostic::new(Code::SchemaMismatch, &self.runbook.source, input.span, message)
            .with_label(call.component.span, format!("accepts {accepts}"))
            .with_label(made.span, format!("makes `{schema}`"));
        self.diagnostics.push(diagnostic);
        false
    }

    fn check_port(&mut self, call: &Call, port: &Port<'_>, complete: bool) -> bool {
        if let [(first_span, first), rest @ ..] = port.bound.as_slice() {
            let Some((span, other)) = rest.iter().find(|(_, other)| other.schema != first.schema) else { return true };
            let message = format!(
                "`{}` gets artifacts of different schemas at one input: `{}` and `{}`",
                call.component.value.name, first.schema, other.schema
            );
            let diagnostic = Diagnostic::new(Code::MixedSchemas, &self.runbook.source, *span, message)
                .with_label(*first_span, format!("has `{}`", first.schema))
                .with_help("use one artifact for each schema");
            self.diagnostics.push(diagnostic);
            return false;
        }
        // An input that could not be bound may have been meant for this port.
        let missing = port.port.arity != Arity::Optional && complete;
        if missing {
            let accepts: Vec<String> = port.accepts.iter().map(|wanted| format!("`{wanted}`")).collect();
            let message = format!(
                "`{}` needs an artifact of schema {} at `{}`",
                call.component.value.name,
                accepts.join(" or "),
                port.port.name
            );
            let fits = |made: &&Made| made.schema.as_ref().is_some_and(|schema| port.accepts(schema));
            // Where nothing more will be told, looking for help is of no use.
            let offered = if self.diagnostics.is_full() { None } else { Some(self.made.values()) };
            let mut fitting: Vec<&Made> = offered.into_iter().flatten().filter(fits).collect();
            fitting.sort_by_key(|made| made.span.start);
            let names: Vec<String> = fitting.iter().take(MAX_OFFERED).map(|made| format!("`{}`", made.name)).collect();
            let help = (!names.is_empty()).then(|| format!("it could read {}", names.join(" or ")));
            let wrong = Diagnostic::new(Code::InputMissing, &self.runbook.source, call.component.span, message)
                .with_help_if(help);
            self.diagnostics.push(wrong);
        }
        !missing
    }
}

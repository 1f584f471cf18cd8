//! Binding what a step reads to the ports of its component.

use super::{Made, Planner};
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::plan::{Binding, BindingSource};
use crate::runbook::{Call, Step};
use crate::source::{Span, Spanned};
use palisade_model::manifest::{Arity, InputPort, InputSource};

/// An input port that the runbook wires, and what it has so far.
struct Port<'m> {
    port: &'m InputPort,
    accepts: &'m [palisade_model::SchemaReq],
    bound: Vec<(Span, Binding)>,
}

impl Port<'_> {
    fn is_full(&self) -> bool {
        self.port.arity != Arity::Many && !self.bound.is_empty()
    }
}

impl Planner<'_> {
    /// Binds each input in the order written to the first port that accepts its schema and has room; none if anything
    /// is wrong, which is told.
    pub(super) fn bind(&mut self, step: &Step, call: &Call, component: &KnownComponent) -> Option<Vec<Binding>> {
        let mut ports: Vec<Port<'_>> = component
            .manifest
            .inputs
            .iter()
            .filter_map(|port| match &port.source {
                InputSource::Runbook { accepts } => Some(Port { port, accepts, bound: Vec::new() }),
                InputSource::Ruleset { .. } => None,
            })
            .collect();
        let mut good = true;
        for input in &step.inputs {
            match self.made.get(&input.value.to_lowercase()).cloned() {
                // What makes it is broken or missing, and that has been told.
                None => good = false,
                Some(made) => good &= self.bind_one(step, call, input, &made, &mut ports),
            }
        }
        for port in &ports {
            good &= self.check_port(step, call, port, good);
        }
        let bindings = ports.into_iter().flat_map(|port| port.bound.into_iter().map(|(_, binding)| binding)).collect();
        good.then_some(bindings)
    }

    fn bind_one(
        &mut self,
        step: &Step,
        call: &Call,
        input: &Spanned<String>,
        made: &Made,
        ports: &mut [Port<'_>],
    ) -> bool {
        let accepting = |port: &Port<'_>| port.accepts.iter().any(|wanted| wanted.accepts(&made.schema));
        let component = &call.component.value.name;
        if let Some(port) = ports.iter_mut().find(|port| accepting(port) && !port.is_full()) {
            let source = BindingSource::Step { step: made.step.clone(), port: made.port.clone() };
            let binding = Binding { port: port.port.name.clone(), source, schema: made.schema.clone() };
            port.bound.push((input.span, binding));
            return true;
        }
        if let Some(port) = ports.iter().find(|port| accepting(port)) {
            let message =
                format!("`{component}` takes one artifact at `{}`; `{}` is one too many", port.port.name, input.value);
            let first = port.bound.first().map_or(step.id.span, |(span, _)| *span);
            let diagnostic = Diagnostic::new(Code::TooManyInputs, &self.runbook.source, input.span, message)
                .with_label(first, "it already has this one");
            self.diagnostics.push(diagnostic);
            return false;
        }
        let accepts: Vec<String> =
            ports.iter().flat_map(|port| port.accepts).map(|wanted| format!("`{wanted}`")).collect();
        let accepts = if accepts.is_empty() { "nothing".to_owned() } else { accepts.join(" or ") };
        let message =
            format!("`{}` has the schema `{}`, but `{component}` accepts {accepts}", input.value, made.schema);
        let made_at = self.runbook.steps.iter().find(|step| step.id.value.key() == made.step.key());
        let mut diagnostic = Diagnostic::new(Code::SchemaMismatch, &self.runbook.source, input.span, message)
            .with_label(call.component.span, format!("accepts {accepts}"));
        if let Some(made_at) = made_at {
            diagnostic = diagnostic.with_label(made_at.id.span, format!("makes `{}`", made.schema));
        }
        self.diagnostics.push(diagnostic);
        false
    }

    fn check_port(&mut self, step: &Step, call: &Call, port: &Port<'_>, complete: bool) -> bool {
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
            let span = step.inputs.first().map_or(call.component.span, |input| input.span);
            self.say(Code::InputMissing, span, message);
        }
        !missing
    }
}

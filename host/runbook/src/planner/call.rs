//! Planning what a step runs: the component, its config, rulesets, limits, what it names, and its authority.

use super::{Made, Planner};
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::config;
use crate::diagnostic::Diagnostic;
use crate::nearest::{nearest, suggestion};
use crate::plan::{Binding, BindingSource, PlannedCall, PlannedOutput, PlannedSchema};
use crate::runbook::{Call, Outputs, Step};
use crate::source::{Span, Spanned};
use palisade_authority::{Authority, Bound};
use palisade_model::manifest::{ComponentKind, InputSource, OutputPort};
use palisade_model::{ArtifactName, LimitKind, LimitSet, Limits, SchemaRef, StepId, neutral};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where a component stands in a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It brings data in.
    Source,
    /// It works on artifacts.
    Process,
    /// It is an agent.
    Agent,
}

/// A component call, planned.
pub(super) struct PlannedParts {
    pub(super) call: PlannedCall,
    pub(super) inputs: Vec<Binding>,
    pub(super) outputs: Vec<PlannedOutput>,
    pub(super) labels: BTreeSet<String>,
}

impl Planner<'_> {
    /// Plans a component call. What it makes is known even if something is wrong, so that its readers can be checked.
    pub(super) fn component_call(&mut self, step: &Step, call: &Call, role: Role) -> Option<PlannedParts> {
        let component = self.component(&call.component)?;
        let manifest = &component.manifest;
        let in_role = self.check_role(call, &component, role);
        let bound = if in_role { self.bind(step, call, &component) } else { None };
        let config = self.config(call, &component);
        let mut labels = bound.as_ref().map(|bound| bound.labels.clone()).unwrap_or_default();
        if role == Role::Source {
            labels.insert(manifest.id.to_string());
        }
        let values = self.values(call, &component, &mut labels);
        let kept: BTreeSet<_> = labels.difference(&component.declassifies).cloned().collect();
        let outputs = self.component_outputs(step, &component, &kept);
        let limits = self.limits(step, &component);
        let config = self.connected(call, &component, config?)?;
        // What a system reads, the operator has said who named it.
        if role != Role::Source {
            self.check_config(call, &component, &config);
        }
        let key_of_config = self.runbook.form.key_of_config();
        let rulesets = self.bind_rulesets(call, &component, &config, |config| format!("`{key_of_config}: {config}`"));
        let models = self.models_of(call, &component);
        let named = self.named(call, &component, &config);
        if let Some(named) = named.as_ref().filter(|_| role != Role::Source) {
            self.check_no_secret_or_write(call, &named.all);
        }
        let named = named.map(|named| named.with(self.called_by(step), models));
        let (Some(bound), Some(values), Some(outputs), Some(rulesets), Some(named)) =
            (bound, values, outputs, rulesets, named)
        else {
            return None;
        };
        let mut inputs = bound.bindings;
        inputs.extend(rulesets);
        inputs.sort_by_key(|binding| manifest.inputs.iter().position(|port| port.name == binding.port));
        let own = self.alike(&component).authority;
        let authority = self.bounds.iter().cloned().fold(own, Authority::meet);
        let call = PlannedCall {
            component: manifest.id.clone(),
            version: manifest.version.clone(),
            component_digest: component.digest,
            first_party: component.first_party,
            config,
            values,
            per_item: manifest.inputs.iter().filter(|port| port.per_item).map(|port| port.name.clone()).collect(),
            limits,
            authority: authority.meet(Bound::of_config(&named.all, self.context.allowed)),
            paths: named.paths,
            connections: named.connections,
            places: named.places,
            declassifies: component.declassifies.clone(),
            default_model: self.default_model(&component),
        };
        Some(PlannedParts { call, inputs, outputs, labels })
    }

    fn check_role(&mut self, call: &Call, component: &KnownComponent, role: Role) -> bool {
        let ports = &component.manifest.inputs;
        let reads = ports.iter().any(|port| matches!(port.source, InputSource::Runbook { .. }));
        let name = &call.component.value.name;
        let (message, help) = match role {
            Role::Source if reads => (
                format!("`{name}` reads artifacts, so it can't be a source"),
                match self.runbook.form {
                    crate::runbook::Form::Artifacts => "give it `inputs` and make it the `process`",
                    crate::runbook::Form::Execution => "make it an `analyser` with an `input`",
                },
            ),
            Role::Process if !reads => (
                format!("`{name}` reads no artifacts, so it has nothing to work on"),
                match self.runbook.form {
                    crate::runbook::Form::Artifacts => "make it the `source`, without `inputs`",
                    crate::runbook::Form::Execution => "make it the `connector` of a step of `type: source`",
                },
            ),
            Role::Agent if component.manifest.kind != ComponentKind::Agent => {
                (format!("`{name}` is no agent"), "make it an `analyser`, or list it among the `tools` of an agent")
            }
            Role::Process if component.manifest.kind == ComponentKind::Agent => {
                (format!("`{name}` is an agent"), "say `type: agent`, with `agent` and `goal`")
            }
            Role::Source | Role::Process | Role::Agent => return true,
        };
        let wrong =
            Diagnostic::new(Code::WrongRole, &self.runbook.source, call.component.span, message).with_help(help);
        self.diagnostics.push(wrong);
        false
    }

    pub(super) fn config(&mut self, call: &Call, component: &KnownComponent) -> Option<Value> {
        let described = match self.configs.of(component) {
            Ok(described) => described,
            Err(error) => {
                let message =
                    format!("the config schema of `{}` can't be used: {error}", component.manifest.versioned_id());
                self.say(Code::ConfigSchema, call.component.span, message);
                return None;
            }
        };
        let (config, diagnostics) = config::prepare(&described, call, self.runbook.form, &self.runbook.source);
        let good = !diagnostics.iter().any(Diagnostic::is_error);
        self.diagnostics.extend(diagnostics);
        good.then_some(config)
    }

    /// The outputs of a step's component, those with names first; notes what the names stand for.
    fn component_outputs(
        &mut self,
        step: &Step,
        component: &KnownComponent,
        labels: &BTreeSet<String>,
    ) -> Option<Vec<PlannedOutput>> {
        let ports = &component.manifest.outputs;
        let mut good = true;
        for port in ports {
            good &= self.fix_schema(step.id.span, &port.schema);
        }
        let mut named: Vec<(&OutputPort, &Spanned<ArtifactName>)> = Vec::new();
        match &step.outputs {
            Outputs::Own => named.extend(self.output_port(step, component).map(|port| (port, &step.id))),
            Outputs::One(name) => named.extend(self.output_port(step, component).map(|port| (port, name))),
            Outputs::Ports(pairs) => {
                for (port, name) in pairs {
                    match ports.iter().find(|known| known.name == port.value) {
                        Some(port) => named.push((port, name)),
                        None => {
                            let message = format!(
                                "`{}` has no output port `{}`",
                                component.manifest.id,
                                neutral::line(&port.value, 60)
                            );
                            let known = ports.iter().map(|port| port.name.as_str());
                            let wrong = Diagnostic::new(Code::UnknownPort, &self.runbook.source, port.span, message)
                                .with_help_if(suggestion(&port.value, known));
                            self.diagnostics.push(wrong);
                            good = false;
                        }
                    }
                }
            }
        }
        let exported = step.exported && self.exports_by_step();
        let mut outputs = Vec::new();
        for (port, name) in &named {
            self.note_output(step, name, &port.name, Some(port.schema.clone()), labels);
            outputs.push(PlannedOutput {
                port: port.name.clone(),
                artifact: Some(name.value.clone()),
                schema: port.schema.clone(),
                exported,
            });
        }
        let rest = ports.iter().filter(|port| !named.iter().any(|(known, _)| known.name == port.name));
        outputs.extend(rest.map(|port| PlannedOutput {
            port: port.name.clone(),
            artifact: None,
            schema: port.schema.clone(),
            exported: false,
        }));
        good.then_some(outputs)
    }

    /// Notes that a step makes an artifact of that name, unless it is nobody's to read.
    pub(super) fn note_output(
        &mut self,
        step: &Step,
        name: &Spanned<ArtifactName>,
        port: &str,
        schema: Option<SchemaRef>,
        labels: &BTreeSet<String>,
    ) {
        if self.undoing {
            return;
        }
        let source = BindingSource::Step { step: StepId::from(step.id.value.clone()), port: port.to_owned() };
        // Where two have one name, which has been told, it stands for the first.
        let made = Made { name: name.value.clone(), source, schema, span: name.span, labels: labels.clone() };
        self.made.entry(name.value.key()).or_insert(made);
    }

    /// The port whose output is the step's artifact: the one that `output_schema` names, else the first.
    fn output_port<'m>(&mut self, step: &Step, component: &'m KnownComponent) -> Option<&'m OutputPort> {
        let ports = &component.manifest.outputs;
        let wanted = step.output_schema.as_ref();
        let asked = ports.iter().find(|port| wanted.is_some_and(|wanted| wanted.value.accepts(&port.schema)));
        let port = asked.or_else(|| ports.first())?;
        self.check_output_schema(step, &port.schema, &component.manifest.id.to_string());
        Some(port)
    }

    pub(super) fn check_output_schema(&mut self, step: &Step, schema: &SchemaRef, maker: &str) {
        let Some(wanted) = step.output_schema.as_ref().filter(|wanted| !wanted.value.accepts(schema)) else { return };
        let message = format!(
            "`output_schema` of `{}` says `{}`, but `{}` makes `{schema}`",
            step.id.value,
            wanted.value,
            neutral::line(maker, 80)
        );
        let help =
            match nearest(wanted.value.name(), [schema.name()]).filter(|_| wanted.value.name() != schema.name()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`output_schema` asserts, it does not convert: leave it away or name the schema that is made"
                    .to_owned(),
            };
        let diagnostic =
            Diagnostic::new(Code::OutputSchema, &self.runbook.source, wanted.span, message).with_help(help);
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn fix_schema(&mut self, span: Span, schema: &SchemaRef) -> bool {
        match self.context.schemas.get(schema) {
            Some(known) => {
                self.schemas.insert(PlannedSchema { schema: schema.clone(), digest: known.digest() });
                true
            }
            None => {
                self.say(Code::OutputSchema, span, format!("the schema `{schema}` is not registered"));
                false
            }
        }
    }

    fn limits(&mut self, step: &Step, component: &KnownComponent) -> Limits {
        let stated = &step.limits.attempt;
        if stated.is_empty() && step.limits.set.is_none() {
            return self.alike(component).limits;
        }
        let asked: BTreeMap<LimitKind, u64> = stated.iter().map(|(&kind, asked)| (kind, asked.value)).collect();
        let set = step.limits.set.as_ref();
        let set_of_step = set.map(|set| set.value);
        let limits = Limits::settle_over(set_of_step, &component.manifest.limits, &asked, self.context.ceilings);
        if let Some(set) = set {
            self.check_set(set, &asked, &limits);
        }
        for (&kind, asked) in stated {
            let in_force = limits.get(kind);
            if asked.value > in_force.value {
                let message = format!(
                    "`{}` of {} is above the operator's ceiling; {} is in force",
                    kind.key(),
                    kind.show(asked.value),
                    kind.show(in_force.value)
                );
                self.say(Code::AboveCeiling, asked.span, message);
            }
        }
        limits
    }

    /// Tells which limits of a set are above the operator's ceilings.
    fn check_set(&mut self, set: &Spanned<LimitSet>, stated: &BTreeMap<LimitKind, u64>, limits: &Limits) {
        let lowered = set
            .value
            .values()
            .into_iter()
            .filter(|(kind, value)| !stated.contains_key(kind) && *value > limits.value(*kind));
        let lowered: Vec<String> = lowered
            .map(|(kind, value)| {
                format!("`{}` of {} ({} is in force)", kind.key(), kind.show(value), kind.show(limits.value(kind)))
            })
            .collect();
        if !lowered.is_empty() {
            let message = format!("`{}` is above the operator's ceilings: {}", set.value, lowered.join(", "));
            self.say(Code::AboveCeiling, set.span, message);
        }
    }
}

//! Planning one step: its component, config, rulesets, limits, what it names, and its authority.

use super::{Made, Planner, named_rulesets, with_causes};
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::config;
use crate::diagnostic::Diagnostic;
use crate::nearest::nearest;
use crate::plan::{
    Binding, BindingSource, NamedConnection, NamedPath, PlannedAlias, PlannedOutput, PlannedRuleset, PlannedSchema,
    PlannedStep,
};
use crate::ruleset::{RulesetLookup, RulesetName, RulesetNameError};
use crate::runbook::{Call, Step, Work};
use crate::source::Span;
use palisade_authority::{Bound, NamedByConfig, ScopedPath};
use palisade_model::manifest::{InputSource, OutputPort, Power, marked};
use palisade_model::{LimitKind, Limits, SchemaRef, StepId, neutral};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the values of a config name.
#[derive(Default)]
struct Named {
    paths: Vec<NamedPath>,
    connections: Vec<NamedConnection>,
    powers: Vec<NamedByConfig>,
}

impl Planner<'_> {
    pub(super) fn step(&mut self, step: &Step) {
        match &step.work {
            Work::Source(call) => self.component_step(step, call, true),
            Work::Process(call) => self.component_step(step, call, false),
            Work::PassOn => self.pass_on(step),
            Work::NotAvailable | Work::Broken => {}
        }
    }

    /// An artifact that is another under a second name.
    fn pass_on(&mut self, step: &Step) {
        let [input] = step.inputs.as_slice() else {
            if let Some(second) = step.inputs.get(1) {
                let message = format!("`{}` has several inputs but no `process` that could read them", step.id.value);
                let diagnostic = Diagnostic::new(Code::ManyWithoutProcess, &self.runbook.source, second.span, message)
                    .with_help("list the inputs at the artifact whose `process` reads them");
                self.diagnostics.push(diagnostic);
            }
            return;
        };
        let Some(made) = self.made.get(&input.value.to_lowercase()).cloned() else { return };
        self.check_output_schema(step, &made.schema, &input.value);
        self.aliases.push(PlannedAlias {
            artifact: step.id.value.clone(),
            title: step.title.clone(),
            description: step.description.clone(),
            contact: step.contact.clone(),
            step: made.step.clone(),
            port: made.port.clone(),
            schema: made.schema.clone(),
            exported: step.output,
            optional: step.optional,
        });
        self.made.insert(step.id.value.key(), made);
    }

    fn component_step(&mut self, step: &Step, call: &Call, is_source: bool) {
        let Some(component) = self.component(call) else { return };
        let manifest = &component.manifest;
        let Ok(id) = step.id.value.as_str().parse::<StepId>() else { return };
        let reads = manifest.inputs.iter().any(|port| matches!(port.source, InputSource::Runbook { .. }));
        if is_source == reads {
            let name = &call.component.value.name;
            let (message, help) = if is_source {
                (
                    format!("`{name}` reads artifacts, so it can't be a `source`"),
                    "give it `inputs` and make it the `process`",
                )
            } else {
                (
                    format!("`{name}` reads no artifacts, so it can't be a `process`"),
                    "make it the `source`, without `inputs`",
                )
            };
            let wrong =
                Diagnostic::new(Code::WrongRole, &self.runbook.source, call.component.span, message).with_help(help);
            self.diagnostics.push(wrong);
        }
        let inputs = if is_source == reads { None } else { self.bind(step, call, &component) };
        let config = self.config(call, &component);
        // What it makes is known even if something else is wrong, so that its readers can be checked.
        let Some(output) = self.output_port(step, &component) else { return };
        self.made.insert(
            step.id.value.key(),
            Made { step: id.clone(), port: output.name.clone(), schema: output.schema.clone() },
        );
        let limits = self.limits(step, &component);
        let Some(config) = config else { return };
        let rulesets = self.bind_rulesets(call, &component, &config);
        let named = self.named(call, &component, &config);
        let (Some(mut inputs), Some(rulesets), Some(named)) = (inputs, rulesets, named) else { return };
        inputs.extend(rulesets);
        let place = |binding: &Binding| manifest.inputs.iter().position(|port| port.name == binding.port);
        inputs.sort_by_key(place);
        let mut authority = component.granted.clone().meet(Bound::of_manifest(manifest));
        if let Some(bound) = &self.bound {
            authority = authority.meet(bound.clone());
        }
        self.steps.push(PlannedStep {
            id,
            title: step.title.clone(),
            description: step.description.clone(),
            contact: step.contact.clone(),
            component: manifest.id.clone(),
            version: manifest.version.clone(),
            component_digest: component.digest,
            first_party: component.first_party,
            config,
            inputs,
            outputs: outputs(step, &component, &output),
            per_item: manifest.inputs.iter().filter(|port| port.per_item).map(|port| port.name.clone()).collect(),
            limits,
            authority: authority.meet(Bound::of_config(&named.powers, self.context.allowed)),
            paths: named.paths,
            connections: named.connections,
            exported: step.output,
            optional: step.optional,
        });
    }

    fn config(&mut self, call: &Call, component: &KnownComponent) -> Option<Value> {
        let schema = match self.configs.of(component) {
            Ok(schema) => schema,
            Err(error) => {
                let message =
                    format!("the config schema of `{}` can't be used: {error}", component.manifest.versioned_id());
                self.say(Code::ConfigSchema, call.component.span, message);
                return None;
            }
        };
        let (config, diagnostics) = config::prepare(schema, call, &self.runbook.source);
        let good = !diagnostics.iter().any(Diagnostic::is_error);
        self.diagnostics.extend(diagnostics);
        good.then_some(config)
    }

    /// The port whose output is the step's artifact: the one that `output_schema` names, else the first.
    fn output_port(&mut self, step: &Step, component: &KnownComponent) -> Option<OutputPort> {
        let ports = &component.manifest.outputs;
        for port in ports {
            self.fix_schema(step.id.span, &port.schema);
        }
        let wanted = step.output_schema.as_ref();
        let asked = ports.iter().find(|port| wanted.is_some_and(|wanted| wanted.value.accepts(&port.schema)));
        let port = asked.or_else(|| ports.first())?;
        self.check_output_schema(step, &port.schema, &component.manifest.id.to_string());
        Some(port.clone())
    }

    fn check_output_schema(&mut self, step: &Step, schema: &SchemaRef, maker: &str) {
        let Some(wanted) = step.output_schema.as_ref().filter(|wanted| !wanted.value.accepts(schema)) else { return };
        let message = format!(
            "`output_schema` of `{}` says `{}`, but `{}` makes `{schema}`",
            step.id.value,
            wanted.value,
            neutral::line(maker, 80)
        );
        let diagnostic = Diagnostic::new(Code::OutputSchema, &self.runbook.source, wanted.span, message)
            .with_help("`output_schema` asserts, it does not convert: leave it away or name the schema that is made");
        self.diagnostics.push(diagnostic);
    }

    fn fix_schema(&mut self, span: Span, schema: &SchemaRef) {
        match self.context.schemas.get(schema) {
            Some(known) => {
                self.schemas.insert(PlannedSchema { schema: schema.clone(), digest: known.digest() });
            }
            None => self.say(Code::OutputSchema, span, format!("the schema `{schema}` is not registered")),
        }
    }

    fn limits(&mut self, step: &Step, component: &KnownComponent) -> Limits {
        let asked: BTreeMap<LimitKind, u64> = step.limits.iter().map(|(&kind, asked)| (kind, asked.value)).collect();
        let limits = Limits::settle(&component.manifest.limits, &asked, self.context.ceilings);
        for (&kind, asked) in &step.limits {
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

    fn bind_rulesets(&mut self, call: &Call, component: &KnownComponent, config: &Value) -> Option<Vec<Binding>> {
        let mut bindings = Vec::new();
        let mut good = true;
        for (port, kind, text, span) in named_rulesets(component, call, config) {
            match self.ruleset(&kind, &text, span) {
                Some(ruleset) => {
                    let source = BindingSource::Ruleset { name: ruleset.name.clone(), digest: ruleset.digest };
                    bindings.push(Binding { port, source, schema: ruleset.schema.clone() });
                    self.fix_schema(span, &ruleset.schema);
                    self.rulesets.insert(ruleset);
                }
                None => good = false,
            }
        }
        good.then_some(bindings)
    }

    fn ruleset(&mut self, kind: &str, text: &str, span: Span) -> Option<PlannedRuleset> {
        let name = match text.parse::<RulesetName>() {
            Ok(name) => name,
            Err(error) => {
                let code = match error {
                    RulesetNameError::Provider { .. } => Code::RulesetProvider,
                    _ => Code::BadRulesetName,
                };
                self.say(code, span, error.to_string());
                return None;
            }
        };
        let context = self.context;
        let missing = RulesetLookup::Missing { names: Vec::new(), versions: Vec::new() };
        match context.rulesets.get(&(name.clone(), kind.to_owned())).unwrap_or(&missing) {
            RulesetLookup::Found(ruleset) => {
                Some(PlannedRuleset { name: name.to_string(), schema: ruleset.schema.clone(), digest: ruleset.digest })
            }
            RulesetLookup::Unusable => {
                let message = format!("`{name}` can't be used as a ruleset of type `{kind}`: see its own errors");
                self.say(Code::RulesetUnusable, span, message);
                None
            }
            RulesetLookup::Missing { names, versions } if versions.is_empty() => {
                let help = nearest(&name.name, names.iter().map(String::as_str)).map_or_else(
                    || "say where rulesets are with `--rulesets DIR` or `[rulesets] paths`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("there is no ruleset `{}`", name.name);
                let unknown =
                    Diagnostic::new(Code::UnknownRuleset, &self.runbook.source, span, message).with_help(help);
                self.diagnostics.push(unknown);
                None
            }
            RulesetLookup::Missing { versions, .. } => {
                let message = format!("the ruleset `{}` has no version `{}`", name.name, name.version);
                let unknown = Diagnostic::new(Code::UnknownRulesetVersion, &self.runbook.source, span, message)
                    .with_help(format!("known are {}", versions.join(", ")));
                self.diagnostics.push(unknown);
                None
            }
        }
    }

    /// The paths and connections that the config names at the marks of the component's config schema.
    fn named(&mut self, call: &Call, component: &KnownComponent, config: &Value) -> Option<Named> {
        let schema = &component.manifest.config_schema;
        let mut named = Named::default();
        let mut good = true;
        for (mark, power) in [("x-palisade-path", Power::FsRead), ("x-palisade-connection", Power::Sql)] {
            for found in marked(schema, mark) {
                let Some(written) = config.pointer(&found.pointer).and_then(Value::as_str) else { continue };
                let known = if power == Power::Sql { "sqlite" } else { "read" };
                let place = call.config.as_ref().map_or(call.component.span, |node| node.nearest(&found.pointer).span);
                if found.says != known {
                    let message =
                        format!("`{}` is not a `{mark}` that this build knows", neutral::line(&found.says, 60));
                    self.say(Code::ConfigSchema, call.component.span, message);
                    good = false;
                    continue;
                }
                match ScopedPath::parse(self.context.folder, written.as_bytes()) {
                    Ok(path) => named.add(found.pointer, power, written, path),
                    Err(error) => {
                        self.say(Code::BadPath, place, with_causes(&error));
                        good = false;
                    }
                }
            }
        }
        good.then_some(named)
    }
}

impl Named {
    fn add(&mut self, pointer: String, power: Power, written: &str, path: ScopedPath) {
        self.powers.push(NamedByConfig { pointer: pointer.clone(), power, path: path.clone() });
        match power {
            Power::FsRead => self.paths.push(NamedPath { pointer, written: written.to_owned(), path }),
            Power::Sql => self.connections.push(NamedConnection { pointer, name: format!("sqlite:{written}"), path }),
        }
    }
}

/// The step's own artifact first, then the ports that the runbook does not name.
fn outputs(step: &Step, component: &KnownComponent, own: &OutputPort) -> Vec<PlannedOutput> {
    let first =
        PlannedOutput { port: own.name.clone(), artifact: Some(step.id.value.clone()), schema: own.schema.clone() };
    let others = component.manifest.outputs.iter().filter(|port| port.name != own.name);
    let others =
        others.map(|port| PlannedOutput { port: port.name.clone(), artifact: None, schema: port.schema.clone() });
    std::iter::once(first).chain(others).collect()
}

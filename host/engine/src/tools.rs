//! Runs a component that another calls, as a tool or as an agent of its team: in an instance of its own, at the cost of its
//! caller. A tool has no power.

use crate::attempt::{Attempt, AttemptInput, Ended, Made};
use crate::calls::Answering;
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::observe::Observer;
use crate::perform::seed;
use crate::run::Work;
use crate::uses::{UseCount, Uses};
use palisade_audit::CallRefusal;
use palisade_model::manifest::{Arity, InputPort, InputSource, Manifest};
use palisade_model::{ComponentId, Digest, Failure, FailureKind, Usage, causes, json_text, neutral, strict_json};
use palisade_runbook::{Binding, BindingSource, PlannedStep, PlannedTool};
use palisade_sandbox::ports::{RunBounds, Tool, ToolCall, ToolItems, ToolPort};
use palisade_sandbox::{AttemptMeter, Granted};
use palisade_schema::ConfigSchema;
use palisade_sql::Connections;
use palisade_store::{NewArtifact, Store};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// What an agent may call, and where that runs.
#[derive(Clone)]
pub(crate) struct Toolbox<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) work: Work<'a>,
    pub(crate) plan_digest: Digest,
    pub(crate) step: &'a PlannedStep,
    pub(crate) stop: &'a Cancel,
    /// The agents of the team that are at work, of which each waits for the next; the last is the one that calls. None = the
    /// agent of the step calls.
    pub(crate) team: Vec<ComponentId>,
    /// What its run allows all its attempts together.
    pub(crate) run: Arc<dyn RunBounds>,
}

/// What came of a call.
pub(crate) struct Called {
    /// What the tool made, by port.
    pub(crate) result: Result<Vec<(String, NewArtifact)>, NotCalled>,
    /// What it used; its caller has spent it.
    pub(crate) usage: Usage,
    /// What of it no call of its own tells.
    pub(crate) own: Usage,
    /// How often it used its powers, if it has any.
    pub(crate) used: Option<(Digest, Vec<UseCount>)>,
}

/// Why a tool made nothing.
#[derive(Debug)]
pub(crate) enum NotCalled {
    /// It can't be called so; the text is for the caller.
    Invalid(CallRefusal, String),
    /// It failed.
    Failed { message: String, may_pass: bool },
    /// It used up what its caller had.
    Limit(Box<Failure>),
    /// The run is to end.
    Cancelled,
}

impl From<NotCalled> for Called {
    fn from(not_called: NotCalled) -> Self {
        Self { result: Err(not_called), usage: Usage::default(), own: Usage::default(), used: None }
    }
}

impl<'a> Toolbox<'a> {
    pub(crate) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// As an agent of the team has it.
    pub(crate) fn of_member(&self, member: &ComponentId) -> Self {
        let team = self.team.iter().chain([member]).cloned().collect();
        Self { team, run: Arc::clone(&self.run), ..*self }
    }

    /// What the caller is told that it may call.
    pub(crate) fn told(&self) -> Arc<[Tool]> {
        let known =
            self.callable().filter_map(|tool| Some((tool, self.engine.catalogue().get(&tool.call.component_digest)?)));
        known.map(|(tool, entry)| told(&entry.manifest, &tool.fixed_config())).collect()
    }

    /// The tools, and of the team who is not at work.
    fn callable(&self) -> impl Iterator<Item = &'a PlannedTool> {
        self.step.callable().filter(|callable| !self.team.contains(&callable.call.component))
    }

    /// What is called by that id, and whether it is an agent of the team.
    pub(crate) fn find(&self, id: &str) -> Option<(&'a PlannedTool, bool)> {
        let tool = self.callable().find(|tool| tool.call.component.to_string() == id)?;
        Some((tool, self.step.members().iter().any(|member| std::ptr::eq(member, tool))))
    }

    /// Runs a tool to its end, at the cost of the attempt that has this meter. `answering` answers an agent of the team.
    pub(crate) fn call(
        &self,
        tool: &PlannedTool,
        call: &ToolCall,
        caller: &Arc<AttemptMeter>,
        answering: Option<&dyn Answering>,
    ) -> Called {
        let attempt = match self.attempt(tool, call) {
            Ok(attempt) => attempt,
            Err(not_called) => return not_called.into(),
        };
        let meter = AttemptMeter::of_tool(caller, attempt.limits.clone());
        let ended = self.engine.attempt_of_called(&attempt, Arc::clone(&meter), self.stop, answering);
        let Ended { result, usage, own, uses, .. } = ended;
        let result = match result {
            Ok(made) => Ok(made.into_iter().map(artifact).collect()),
            Err(failure) => Err(match (meter.limit_of_caller(), &failure.kind) {
                (Some(failure), _) => NotCalled::Limit(Box::new(failure)),
                (None, FailureKind::Cancelled) => NotCalled::Cancelled,
                (None, kind) => NotCalled::Failed {
                    message: format!("the tool `{}` failed: {}", tool.call.component, failure.message),
                    may_pass: !crate::replay::is_repeatable(kind),
                },
            }),
        };
        Called { result, usage, own, used: Some((tool.call.component_digest, uses)) }
    }

    fn attempt(&self, tool: &PlannedTool, call: &ToolCall) -> Result<Attempt, NotCalled> {
        let host = |what: String| NotCalled::Failed { message: what, may_pass: true };
        let planned = &tool.call;
        let id = format!("{}@{}", planned.component, planned.version);
        let entry = self.engine.catalogue().get(&planned.component_digest);
        let entry = entry.ok_or_else(|| host(format!("component {id} is not there")))?;
        let config = config(&entry.manifest, tool, &call.config)?;
        let mut inputs = self.given(&entry.manifest, tool, &call.arguments)?;
        for Binding { port, source, .. } in &tool.rulesets {
            let BindingSource::Ruleset { name, digest } = source else { continue };
            let found = self.store().artifact(*digest).map_err(|fault| host(causes(&fault)))?;
            let found = found.ok_or_else(|| host(format!("the ruleset `{name}` is not in the store")))?;
            inputs.push(AttemptInput {
                port: port.clone(),
                schema: found.schema.to_string(),
                artifact: Some(found.digest),
                items: found.items,
                metadata: found.metadata,
            });
        }
        let position = |port: &str| entry.manifest.inputs.iter().position(|known| known.name == port);
        inputs.sort_by_key(|input| position(&input.port));
        let outputs = entry.manifest.outputs.iter().map(|port| {
            let known = self.work.schemas.get(&port.schema).cloned();
            known.ok_or_else(|| host(format!("schema {} is not there", port.schema)))
        });
        let outputs = outputs.collect::<Result<_, _>>()?;
        let prepared = self.engine.load(entry, self.observer).map_err(|failure| host(failure.message))?;
        Ok(Attempt {
            manifest: Arc::clone(&entry.manifest),
            prepared,
            config: config.to_string().into(),
            limits: planned.limits.clone(),
            connections: Arc::new(Connections::none()),
            granted: Arc::new(Granted {
                authority: planned.authority.clone(),
                // Neither a tool nor a team has anything to do with files.
                root: PathBuf::new(),
                paths: Vec::new(),
                writes: Vec::new(),
                connections: Vec::new(),
                secrets: Vec::new(),
                // Nor with servers, so nobody is asked.
                network: Arc::clone(&self.engine.parts.network) as _,
                run: Arc::clone(&self.run),
            }),
            uses: Uses::default(),
            seed: seed(&self.plan_digest, &self.step.id),
            idempotency_key: Digest::of(format!("{}/{}/{id}", self.plan_digest, self.step.id).as_bytes()).to_string(),
            inputs,
            outputs,
            each: None,
        })
    }

    /// What the caller gives to the ports of a tool.
    fn given(
        &self,
        manifest: &Manifest,
        tool: &PlannedTool,
        arguments: &[(String, ToolItems)],
    ) -> Result<Vec<AttemptInput>, NotCalled> {
        let mut inputs = Vec::with_capacity(arguments.len());
        for (port, items) in arguments {
            let known = manifest.inputs.iter().find(|known| known.name == *port);
            let accepts = known.and_then(|known| match &known.source {
                InputSource::Runbook { accepts } => Some(accepts),
                InputSource::Ruleset { .. } => None,
            });
            let Some(accepts) = accepts else {
                return Err(NotCalled::Invalid(CallRefusal::Port, no_port(manifest, port)));
            };
            inputs.push(match items {
                ToolItems::Lines(lines) => self.lines(tool, port, lines)?,
                ToolItems::Artifact(artifact) => {
                    let found = self.store().artifact(*artifact);
                    let failed = |message| NotCalled::Failed { message, may_pass: true };
                    let found = found.map_err(|fault| failed(causes(&fault)))?;
                    let found = found.ok_or_else(|| failed(format!("artifact {artifact} is not in the store")))?;
                    if !accepts.iter().any(|wanted| wanted.accepts(&found.schema)) {
                        let wanted: Vec<_> = accepts.iter().map(|wanted| format!("`{wanted}`")).collect();
                        let what =
                            format!("the port `{port}` takes {}, and not `{}`", wanted.join(" or "), found.schema);
                        return Err(NotCalled::Invalid(CallRefusal::Items, what));
                    }
                    AttemptInput {
                        port: port.clone(),
                        schema: found.schema.to_string(),
                        artifact: Some(found.digest),
                        items: found.items,
                        metadata: found.metadata,
                    }
                }
            });
        }
        for known in &manifest.inputs {
            check_arity(known, inputs.iter().filter(|input| input.port == known.name).count())?;
        }
        Ok(inputs)
    }

    fn lines(&self, tool: &PlannedTool, port: &str, lines: &[u8]) -> Result<AttemptInput, NotCalled> {
        let host = |message: String| NotCalled::Failed { message, may_pass: true };
        let schema = tool.lines.get(port).and_then(|schema| self.work.schemas.get(schema));
        let schema = schema.ok_or_else(|| host(format!("the schema of the port `{port}` is not there")))?;
        let validator = schema.item().map_err(|error| host(causes(&error)))?;
        let wrong = |number: usize, what: String| {
            let what = format!("item {number} for the port `{port}` does not fit {}: {what}", schema.name());
            NotCalled::Invalid(CallRefusal::Items, what)
        };
        let text = std::str::from_utf8(lines).map_err(|_| wrong(0, "it is not UTF-8".to_owned()))?;
        if !text.is_empty() && !text.ends_with('\n') {
            let what = format!("the last item for the port `{port}` has no line end");
            return Err(NotCalled::Invalid(CallRefusal::Items, what));
        }
        for (number, line) in json_text::lines(text).enumerate() {
            validator.check_line(line).map_err(|broken| {
                wrong(number, format!("at `{}`, rule `{}`: it {}", broken.path, broken.rule, broken.message))
            })?;
        }
        let mut spool = self.store().spool(0);
        spool.append(lines).map_err(|error| host(causes(&error)))?;
        let items = self.store().join(vec![spool]).map_err(|error| host(causes(&error)))?;
        Ok(AttemptInput {
            port: port.to_owned(),
            schema: schema.name().to_string(),
            artifact: None,
            items: items.content().clone(),
            metadata: Value::Object(Map::new()),
        })
    }
}

/// What a caller is told of a tool. Of the config it is told what is fixed as what must be.
fn told(manifest: &Manifest, fixed: &Map<String, Value>) -> Tool {
    let inputs = manifest.inputs.iter().filter_map(|port| match &port.source {
        InputSource::Runbook { accepts } => Some(ToolPort {
            name: port.name.clone(),
            schemas: accepts.iter().map(ToString::to_string).collect(),
            description: port.description.clone(),
        }),
        InputSource::Ruleset { .. } => None,
    });
    let outputs = manifest.outputs.iter().map(|port| ToolPort {
        name: port.name.clone(),
        schemas: vec![port.schema.to_string()],
        description: port.description.clone(),
    });
    Tool {
        id: manifest.id.clone(),
        title: manifest.title.clone(),
        description: manifest.description.clone(),
        config_schema: narrowed(&manifest.config_schema, fixed).to_string(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
    }
}

/// The schema of what is left open of a config: what is fixed may be left out, or said as it is.
fn narrowed(schema: &Value, fixed: &Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(fixed.iter().map(|(name, value)| (name.clone(), json!({"const": value}))));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| !fixed.contains_key(name)));
    }
    schema
}

/// The config of a call: what the runbook states, and what the caller says of the rest. The rulesets stay those of the plan.
fn config(manifest: &Manifest, tool: &PlannedTool, given: &str) -> Result<Value, NotCalled> {
    let planned = &tool.call.config;
    let refused =
        |why, what: String| NotCalled::Invalid(why, format!("the config of the tool `{}` {what}", manifest.id));
    let (unfit, fixed_so) = (|what| refused(CallRefusal::Config, what), |what| refused(CallRefusal::Setting, what));
    let mut config = strict_json::from_str(given).map_err(|error| unfit(format!("is no JSON: {error}")))?;
    let said = config.as_object_mut().ok_or_else(|| unfit("must be an object".to_owned()))?;
    let fixed = tool.fixed_config();
    for (name, value) in &fixed {
        said.entry(name).or_insert_with(|| value.clone());
    }
    let schema = ConfigSchema::new(&manifest.config_schema).map_err(|error| unfit(causes(&error)))?;
    schema.fill_defaults(&mut config);
    if let Some((name, value)) = fixed.iter().find(|(name, value)| config.get(name) != Some(value)) {
        let value = neutral::line(&value.to_string(), 80);
        return Err(fixed_so(format!("can't change `{name}`: the runbook says {value}")));
    }
    for port in &manifest.inputs {
        let InputSource::Ruleset { pointer } = &port.source else { continue };
        if config.pointer(pointer) != planned.pointer(pointer) {
            return Err(fixed_so(format!("can't name another ruleset in `{pointer}`: the runbook names it")));
        }
    }
    match schema.validate(&config).into_iter().next() {
        None => Ok(config),
        Some(first) => {
            let place = if first.violation.path.is_empty() { "its root" } else { &first.violation.path };
            let (rule, message) = (&first.violation.rule, &first.violation.message);
            Err(unfit(format!("does not fit: at `{place}`, rule `{rule}`: it {message}")))
        }
    }
}

fn check_arity(port: &InputPort, given: usize) -> Result<(), NotCalled> {
    if matches!(port.source, InputSource::Ruleset { .. }) {
        return Ok(());
    }
    let name = &port.name;
    let refused = |what| Err(NotCalled::Invalid(CallRefusal::Port, what));
    match (port.arity, given) {
        (Arity::One, 1) | (Arity::Optional, 0 | 1) | (Arity::Many, 1..) => Ok(()),
        (Arity::One | Arity::Many, 0) => refused(format!("the port `{name}` needs something")),
        (Arity::One | Arity::Optional, _) => refused(format!("the port `{name}` takes one thing, and gets {given}")),
    }
}

fn no_port(manifest: &Manifest, port: &str) -> String {
    let ports = manifest.inputs.iter().filter(|port| matches!(port.source, InputSource::Runbook { .. }));
    let known: Vec<_> = ports.map(|port| format!("`{}`", port.name)).collect();
    let has =
        if known.is_empty() { "has none to give something to".to_owned() } else { format!("has {}", known.join(", ")) };
    format!("the tool `{}` has no input port `{}`: it {has}", manifest.id, neutral::line(port, 64))
}

fn artifact(made: Made) -> (String, NewArtifact) {
    let (output, artifact) = made.into_artifact();
    (output.port, artifact)
}

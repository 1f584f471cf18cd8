//! Planning one step, whatever it does.

use super::Planner;
use super::call::{PlannedParts, Role};
use super::child::ChildParts;
use super::condition::Latest;
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::{
    Binding, BindingSource, PlannedAlias, PlannedBody, PlannedOutput, PlannedRetry, PlannedStep, PlannedWork,
};
use crate::runbook::{Body, Call, Step, Work};
use crate::source::{Span, Spanned};
use crate::yaml::Node;
use palisade_model::manifest::InputSource;
use palisade_model::{SchemaRef, StepId, neutral};
use std::collections::BTreeSet;

/// Items of a map at once, if nobody says how many.
const DEFAULT_MAP_CONCURRENCY: u32 = 10;
/// Milliseconds before a second attempt, if nobody says how many.
const DEFAULT_BACKOFF_MS: u64 = 1_000;

/// What a step reads and makes.
struct Wired {
    inputs: Vec<Binding>,
    outputs: Vec<PlannedOutput>,
    labels: BTreeSet<String>,
}

/// What a step does, with what it reads and makes.
struct Planned {
    work: PlannedWork,
    wired: Wired,
}

impl Planned {
    fn of(parts: PlannedParts, work: impl FnOnce(crate::plan::PlannedCall) -> PlannedWork) -> Self {
        let PlannedParts { call, inputs, outputs, labels } = parts;
        Self { work: work(call), wired: Wired { inputs, outputs, labels } }
    }
}

impl Planner<'_> {
    pub(super) fn step(&mut self, step: &Step) {
        if matches!(step.work, Work::PassOn) {
            self.pass_on(step);
        } else if let Some(planned) = self.planned_step(step) {
            self.steps.push(planned);
        }
    }

    /// An artifact that is another under a second name.
    fn pass_on(&mut self, step: &Step) {
        let names: Vec<&Spanned<String>> = step.inputs.names().collect();
        let [input] = names.as_slice() else {
            if let Some(second) = names.get(1) {
                let message = format!("`{}` has several inputs but no `process` that could read them", step.id.value);
                let diagnostic = Diagnostic::new(Code::ManyWithoutProcess, &self.runbook.source, second.span, message)
                    .with_help("list the inputs at the artifact whose `process` reads them");
                self.diagnostics.push(diagnostic);
            }
            return;
        };
        let Some(mut made) = self.reads(&input.value) else { return };
        let Some(schema) = self.known_schema(input, &made) else { return };
        self.check_output_schema(step, &schema, &input.value);
        self.aliases.push(PlannedAlias {
            artifact: step.id.value.clone(),
            title: step.title.clone(),
            description: step.description.clone(),
            contact: step.contact.clone(),
            source: made.source.clone(),
            schema,
            exported: step.exported,
            optional: step.optional,
        });
        made.name = step.id.value.clone();
        made.span = step.id.span;
        self.made.insert(step.id.value.key(), made);
    }

    fn planned_step(&mut self, step: &Step) -> Option<PlannedStep> {
        let planned = self.work(step);
        let mut labels = planned.as_ref().map(|planned| planned.wired.labels.clone()).unwrap_or_default();
        let when = step.when.as_ref().map(|when| {
            if when.value.constant() == Some(false) {
                let message =
                    format!("`when` never holds, so step `{}` and all that needs it never run", step.id.value);
                self.say(Code::NeverRuns, when.span, message);
            }
            self.condition(when, None, &mut labels)
        });
        let when = match when {
            Some(None) => return None,
            Some(planned) => planned,
            None => None,
        };
        let compensate = step.compensate.as_deref().map(|undo| self.compensation(undo));
        let planned = planned?;
        let compensate = match compensate {
            Some(undo) => Some(Box::new(undo?)),
            None => None,
        };
        // The steps of earlier places are planned; a name that is none of theirs has been told.
        let find = |name: &Spanned<String>| self.ids.get(&name.value.to_lowercase()).cloned();
        Some(PlannedStep {
            id: StepId::from(step.id.value.clone()),
            title: step.title.clone(),
            description: step.description.clone(),
            contact: step.contact.clone(),
            work: planned.work,
            inputs: planned.wired.inputs,
            outputs: planned.wired.outputs,
            when,
            after: step.after.iter().filter_map(find).collect(),
            retry: step.retry.as_ref().map(|retry| PlannedRetry {
                max_attempts: u32::try_from(retry.max_attempts.value).unwrap_or(u32::MAX),
                backoff_ms: retry.backoff_ms.as_ref().map_or(DEFAULT_BACKOFF_MS, |backoff| backoff.value),
                on: retry.on.iter().map(|kind| kind.value.clone()).collect(),
            }),
            compensate,
            optional: step.optional,
            labels,
        })
    }

    /// The step that undoes another. What it makes is nobody's to read.
    fn compensation(&mut self, undo: &Step) -> Option<PlannedStep> {
        if !matches!(undo.work, Work::Source(_) | Work::Process(_) | Work::System { .. } | Work::Broken) {
            let message = format!("`{}` undoes a step, so it is one that runs a component once", undo.id.value);
            let wrong = Diagnostic::new(Code::Combination, &self.runbook.source, undo.id.span, message)
                .with_help("write it as `analyser:`, or as a `source`");
            self.diagnostics.push(wrong);
            return None;
        }
        self.undoing = true;
        let mut planned = self.planned_step(undo);
        self.undoing = false;
        for output in planned.iter_mut().flat_map(|undo| &mut undo.outputs) {
            (output.artifact, output.exported) = (None, false);
        }
        planned
    }

    fn work(&mut self, step: &Step) -> Option<Planned> {
        match &step.work {
            Work::Source(call) => {
                let parts = self.component_call(step, call, Role::Source)?;
                Some(Planned::of(parts, |call| PlannedWork::Component { call }))
            }
            Work::Process(call) => {
                let parts = self.component_call(step, call, Role::Process)?;
                Some(Planned::of(parts, |call| PlannedWork::Component { call }))
            }
            Work::System { name } => self.system(step, name),
            Work::Map { body, max_items, max_concurrency, span } => {
                let max_items = self.bound(step, max_items.as_ref(), *span, "map", "max_items");
                let (body, wired) = self.body(step, body)?;
                let why = "a map goes over the items of one input";
                let single = self.one_input(step, &wired, Code::InputMissing, why);
                let most = max_concurrency.as_ref().map(|most| u32::try_from(most.value).unwrap_or(u32::MAX));
                let max_concurrency = most.unwrap_or(DEFAULT_MAP_CONCURRENCY);
                let work = PlannedWork::Map { body, max_items: max_items?, max_concurrency };
                single.then_some(Planned { work, wired })
            }
            Work::Loop { body, until, max_iterations, span } => {
                let most = self.bound(step, max_iterations.as_ref(), *span, "loop", "max_iterations");
                let (body, mut wired) = self.body(step, body)?;
                let why = "a loop feeds what it makes to one input";
                if !self.one_input(step, &wired, Code::LoopShape, why) {
                    return None;
                }
                let port = self.loop_port(step, &wired)?;
                let until = self.until(step, until.as_ref()?, &mut wired)?;
                let max_iterations = u32::try_from(most?).unwrap_or(u32::MAX);
                let work = PlannedWork::Loop { body, until, max_iterations, port };
                Some(Planned { work, wired })
            }
            Work::Child(child) => {
                let ChildParts { child, inputs, outputs, labels } = self.child(step, child)?;
                Some(Planned { work: PlannedWork::Child { child }, wired: Wired { inputs, outputs, labels } })
            }
            Work::Approval(approval) => {
                let mut labels = BTreeSet::new();
                let inputs = self.shown(step, &mut labels)?;
                let work = PlannedWork::Approval {
                    message: approval.message.value.clone(),
                    approvers: approval.approvers.iter().map(|name| name.value.clone()).collect(),
                    expires_ms: approval.expires_ms.as_ref().map(|expires| expires.value),
                };
                Some(Planned { work, wired: Wired { inputs, outputs: Vec::new(), labels } })
            }
            Work::Agent(agent) => {
                let (parts, work) = self.agent(step, agent)?;
                Some(Planned::of(parts, work))
            }
            Work::Reuse { from_run, artifact } => {
                let schema = self.resolve_schema(step.output_schema.as_ref()?)?;
                let labels = BTreeSet::new();
                self.note_output(step, &step.id, "reused", Some(schema.clone()), &labels);
                let output = PlannedOutput {
                    port: "reused".to_owned(),
                    artifact: Some(step.id.value.clone()),
                    schema,
                    exported: step.exported,
                };
                let work = PlannedWork::Reuse { from_run: from_run.value.clone(), artifact: artifact.value.clone() };
                Some(Planned { work, wired: Wired { inputs: Vec::new(), outputs: vec![output], labels } })
            }
            Work::PassOn | Work::Broken => None,
        }
    }

    /// What a map or loop must state: without it, nobody could say before the start what the run may cost.
    fn bound(&mut self, step: &Step, stated: Option<&Spanned<u64>>, span: Span, what: &str, key: &str) -> Option<u64> {
        if stated.is_none() {
            let message = format!("the {what} of step `{}` has no bound", step.id.value);
            let unbounded = Diagnostic::new(Code::Unbounded, &self.runbook.source, span, message)
                .with_help(format!("say how far it may go at most: `{key}: 100`"));
            self.diagnostics.push(unbounded);
        }
        stated.map(|stated| stated.value)
    }

    fn body(&mut self, step: &Step, body: &Body) -> Option<(PlannedBody, Wired)> {
        Some(match body {
            Body::Component(call) => {
                let PlannedParts { call, inputs, outputs, labels } = self.component_call(step, call, Role::Process)?;
                (PlannedBody::Component { call }, Wired { inputs, outputs, labels })
            }
            Body::Workflow(child) => {
                let ChildParts { child, inputs, outputs, labels } = self.child(step, child)?;
                (PlannedBody::Child { child }, Wired { inputs, outputs, labels })
            }
        })
    }

    /// Whether the runbook wires exactly one input; `missing` tells that it wires none.
    fn one_input(&mut self, step: &Step, wired: &Wired, missing: Code, why: &str) -> bool {
        let wired = wired.inputs.iter().filter(|input| !matches!(input.source, BindingSource::Ruleset { .. }));
        match wired.count() {
            1 => true,
            0 => {
                let message = format!("{why}, and step `{}` has none", step.id.value);
                let none = Diagnostic::new(missing, &self.runbook.source, step.id.span, message)
                    .with_help("give it an `input`");
                self.diagnostics.push(none);
                false
            }
            _ => {
                let second = step.inputs.names().nth(1).map(|name| name.span);
                let named = step.child().and_then(|child| child.inputs.get(1)).map(|(port, _)| port.span);
                let span = second.or(named).unwrap_or(step.id.span);
                self.say(Code::TooManyInputs, span, format!("{why}, and step `{}` has several", step.id.value));
                false
            }
        }
    }

    /// The port that gets a loop's latest output.
    fn loop_port(&mut self, step: &Step, wired: &Wired) -> Option<String> {
        let input = wired.inputs.iter().find(|input| !matches!(input.source, BindingSource::Ruleset { .. }))?;
        let Some(output) = wired.outputs.first() else {
            let message = format!("the schema of what step `{}` makes is not known before it runs", step.id.value);
            let unknown = Diagnostic::new(Code::UnknownSchema, &self.runbook.source, step.id.span, message)
                .with_help("say its `output_schema`");
            self.diagnostics.push(unknown);
            return None;
        };
        let accepts = self.runbook_port_accepts(step, &input.port, &input.schema, &output.schema);
        if accepts {
            return Some(input.port.clone());
        }
        let message = format!(
            "step `{}` makes `{}`, which its own input `{}` does not accept: it can't go on from what it made",
            step.id.value, output.schema, input.port
        );
        let span = step.call().map(|call| call.component.span).or(step.child().map(|child| child.span));
        self.say(Code::LoopShape, span.unwrap_or(step.id.span), message);
        None
    }

    fn runbook_port_accepts(&self, step: &Step, port: &str, first: &SchemaRef, schema: &SchemaRef) -> bool {
        // A child's inputs have exact schemas, which are those of what they get first.
        let Some(call) = step.call() else { return schema == first };
        let Ok(component) = self.context.components.find(&call.component.value) else { return true };
        component.manifest.inputs.iter().any(|known| {
            known.name == port
                && matches!(&known.source, InputSource::Runbook { accepts } if accepts.iter().any(|wanted| wanted.accepts(schema)))
        })
    }

    fn until(
        &mut self,
        step: &Step,
        until: &Spanned<crate::condition::Condition>,
        wired: &mut Wired,
    ) -> Option<crate::plan::PlannedCondition> {
        let Some((output, name)) = wired.outputs.first().and_then(|output| Some((output, output.artifact.clone()?)))
        else {
            let message = format!("step `{}` names no output that its `until` could speak of", step.id.value);
            self.say(Code::LoopShape, step.id.span, message);
            return None;
        };
        let source = BindingSource::Step { step: StepId::from(step.id.value.clone()), port: output.port.clone() };
        let latest = Latest { name: &name, schema: output.schema.clone(), source };
        self.condition(until, Some(&latest), &mut wired.labels)
    }

    /// What is shown to a person or given to an agent, by the names in the runbook.
    fn shown(&mut self, step: &Step, labels: &mut BTreeSet<String>) -> Option<Vec<Binding>> {
        let mut inputs = Vec::new();
        if step.inputs == crate::runbook::Inputs::Unreadable {
            return None;
        }
        let names: Vec<Spanned<String>> = step.inputs.names().cloned().collect();
        for name in names {
            let made = self.reads(&name.value)?;
            let schema = self.known_schema(&name, &made)?;
            labels.extend(made.labels);
            inputs.push(Binding { port: name.value, source: made.source, schema });
        }
        Some(inputs)
    }

    /// Reads a system: its connector with the operator's config.
    fn system(&mut self, step: &Step, name: &Spanned<String>) -> Option<Planned> {
        let context = self.context;
        let Some(system) = context.systems.find(&name.value) else {
            let message = format!("there is no system `{}`", neutral::line(&name.value, 60));
            let help = match context.systems.nearest(&name.value) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the operator lists systems as `[[system]]` in palisade.toml".to_owned(),
            };
            let unknown =
                Diagnostic::new(Code::UnknownSystem, &self.runbook.source, name.span, message).with_help(help);
            self.diagnostics.push(unknown);
            return None;
        };
        let call = Call {
            component: Spanned::new(system.connector.clone(), name.span),
            config: Some(Node::from_json(&system.config, name.span)),
            references: Vec::new(),
            span: name.span,
        };
        let parts = self.without_empty_bound(|planner| planner.component_call(step, &call, Role::Source))?;
        let mut planned = Planned::of(parts, |call| PlannedWork::Component { call });
        planned.wired.labels.extend(system.labels.iter().cloned());
        for artifact in step.artifacts() {
            if let Some(made) = self.made.get_mut(&artifact.value.key()) {
                made.labels.extend(system.labels.iter().cloned());
            }
        }
        Some(planned)
    }
}

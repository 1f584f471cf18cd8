//! From a runbook to a plan: everything a name can mean is looked up, everything that can be checked is checked, and
//! nothing stops at the first error.

mod bind;
mod order;
mod step;

use crate::codes::Code;
use crate::components::{Components, KnownComponent, NotFound};
use crate::config;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{FORM, Plan, PlannedAlias, PlannedRuleset, PlannedSchema, PlannedStep, RunLimits};
use crate::ruleset::{RulesetLookup, RulesetName, WantedRuleset};
use crate::runbook::{Call, Runbook, Step, Work};
use crate::source::Span;
use palisade_authority::{Bound, Capability, Grant, Rule, WorkingFolder};
use palisade_model::manifest::{InputSource, ruleset_type};
use palisade_model::{ComponentId, LimitKind, SchemaRef, StepId, neutral};
use palisade_schema::{ConfigSchema, Registry, SchemaError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// WCF's default for the duration of a run.
const DEFAULT_WALL_MS: u64 = 300_000;
/// WCF's default for steps at once.
const DEFAULT_CONCURRENCY: u32 = 10;

/// What a plan is made from, beside the runbook.
#[derive(Debug)]
pub struct PlanContext<'c> {
    /// The registered components.
    pub components: &'c Components,
    /// The known schemas.
    pub schemas: &'c Registry,
    /// What was found for each of [`wanted_rulesets`], by name and wanted type.
    pub rulesets: &'c BTreeMap<(RulesetName, String), RulesetLookup>,
    /// The operator's ceilings; a kind that is absent has its default ceiling.
    pub ceilings: &'c BTreeMap<LimitKind, u64>,
    /// The folder in which the run starts: paths are relative to it.
    pub folder: &'c WorkingFolder,
    /// What the operator granted for this run alone.
    pub allowed: &'c [Grant],
}

/// The rulesets that the steps of a runbook ask for, each once. What can't be understood is left out; [`plan`] tells.
#[must_use]
pub fn wanted_rulesets(runbook: &Runbook, components: &Components) -> Vec<WantedRuleset> {
    let mut configs = Configs::default();
    let mut wanted: Vec<WantedRuleset> = Vec::new();
    for call in runbook.steps.iter().filter_map(call) {
        let Ok(component) = components.find(&call.component.value) else { continue };
        let Ok(schema) = configs.of(component) else { continue };
        let (config, _) = config::prepare(schema, call, &runbook.source);
        for (_, kind, text, span) in named_rulesets(component, call, &config) {
            let Ok(name) = text.parse::<RulesetName>() else { continue };
            if !wanted.iter().any(|known| known.name == name && known.kind == kind) {
                wanted.push(WantedRuleset { name, kind, span });
            }
        }
    }
    wanted
}

/// Makes the plan. Gives it only if nothing is wrong, and all diagnostics, warnings included.
#[must_use]
pub fn plan(runbook: &Runbook, context: &PlanContext<'_>) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut planner = Planner::new(runbook, context);
    let plan = planner.plan();
    let broken = planner.diagnostics.has_error()
        || runbook.steps.iter().any(|step| matches!(step.work, Work::Broken | Work::NotAvailable));
    (Some(plan).filter(|_| !broken), planner.diagnostics.into_sorted())
}

fn call(step: &Step) -> Option<&Call> {
    match &step.work {
        Work::Source(call) | Work::Process(call) => Some(call),
        Work::PassOn | Work::NotAvailable | Work::Broken => None,
    }
}

/// Port, wanted type, name as written and its place, of each ruleset that a config names.
fn named_rulesets(component: &KnownComponent, call: &Call, config: &Value) -> Vec<(String, String, String, Span)> {
    let ruleset = |port: &palisade_model::manifest::InputPort| {
        let InputSource::Ruleset { pointer } = &port.source else { return None };
        let kind = ruleset_type(&component.manifest.config_schema, pointer)?;
        let text = config.pointer(pointer)?.as_str()?.to_owned();
        let written = call.config.as_ref().map(|node| node.nearest(pointer));
        let span = written
            .filter(|node| node.to_json().as_str() == Some(text.as_str()))
            .map_or(call.component.span, |node| node.span);
        Some((port.name.clone(), kind, text, span))
    };
    component.manifest.inputs.iter().filter_map(ruleset).collect()
}

/// Compiled config schemas, each component's once.
#[derive(Default)]
struct Configs(BTreeMap<(ComponentId, semver::Version), Result<ConfigSchema, SchemaError>>);

impl Configs {
    fn of(&mut self, component: &KnownComponent) -> Result<&ConfigSchema, SchemaError> {
        let manifest = &component.manifest;
        let slot = self.0.entry((manifest.id.clone(), manifest.version.clone()));
        slot.or_insert_with(|| ConfigSchema::new(&manifest.config_schema)).as_ref().map_err(Clone::clone)
    }
}

/// What is known of a runbook's artifact while planning.
#[derive(Debug, Clone)]
struct Made {
    step: StepId,
    port: String,
    schema: SchemaRef,
}

struct Planner<'p> {
    runbook: &'p Runbook,
    context: &'p PlanContext<'p>,
    diagnostics: Diagnostics,
    configs: Configs,
    /// The artifacts planned so far, by name without case.
    made: BTreeMap<String, Made>,
    steps: Vec<PlannedStep>,
    aliases: Vec<PlannedAlias>,
    rulesets: BTreeSet<PlannedRuleset>,
    schemas: BTreeSet<PlannedSchema>,
    /// The runbook's `capabilities`.
    bound: Option<Bound>,
}

impl<'p> Planner<'p> {
    fn new(runbook: &'p Runbook, context: &'p PlanContext<'p>) -> Self {
        Self {
            runbook,
            context,
            diagnostics: Diagnostics::default(),
            configs: Configs::default(),
            made: BTreeMap::new(),
            steps: Vec::new(),
            aliases: Vec::new(),
            rulesets: BTreeSet::new(),
            schemas: BTreeSet::new(),
            bound: None,
        }
    }

    fn plan(&mut self) -> Plan {
        self.bound = self.capabilities();
        let order = order::order(self.runbook, &mut self.diagnostics);
        for &index in &order {
            if let Some(step) = self.runbook.steps.get(index) {
                self.step(step);
            }
        }
        if !self.runbook.steps.is_empty() && !self.runbook.steps.iter().any(|step| step.output) {
            let span = self.runbook.steps.first().map(|step| step.id.span).unwrap_or_default();
            let none =
                Diagnostic::new(Code::NoOutput, &self.runbook.source, span, "no artifact of this runbook is an output")
                    .with_help("say `output: true` where the result is wanted");
            self.diagnostics.push(none);
        }
        Plan {
            v: FORM,
            name: self.runbook.name.clone(),
            description: self.runbook.description.clone(),
            contact: self.runbook.contact.clone(),
            runbook_digest: self.runbook.digest,
            steps: std::mem::take(&mut self.steps),
            aliases: std::mem::take(&mut self.aliases),
            rulesets: std::mem::take(&mut self.rulesets).into_iter().collect(),
            schemas: std::mem::take(&mut self.schemas).into_iter().collect(),
            limits: self.run_limits(),
        }
    }

    fn run_limits(&self) -> RunLimits {
        let settings = &self.runbook.settings;
        let seconds = settings.timeout.as_ref().map(|timeout| timeout.value);
        let concurrency = settings.max_concurrency.as_ref().map(|most| u32::try_from(most.value).unwrap_or(u32::MAX));
        RunLimits {
            wall_ms: seconds.map_or(DEFAULT_WALL_MS, |seconds| seconds.saturating_mul(1_000)),
            wall_is_set: seconds.is_some(),
            max_concurrency: concurrency.unwrap_or(DEFAULT_CONCURRENCY),
        }
    }

    fn capabilities(&mut self) -> Option<Bound> {
        let mut rules = Vec::new();
        for written in self.runbook.capabilities.as_ref()? {
            match Capability::parse(self.context.folder, written.value.as_bytes()) {
                Ok(capability) => {
                    let stated = format!("{}:{}", self.runbook.source, written.span.line);
                    rules.push(Rule { capability, stated });
                }
                Err(error) => self.say(Code::BadCapability, written.span, with_causes(&error)),
            }
        }
        Some(Bound::of_runbook(rules))
    }

    fn say(&mut self, code: Code, span: Span, message: impl AsRef<str>) {
        self.diagnostics.push(Diagnostic::new(code, &self.runbook.source, span, message));
    }

    /// The component of a call; what is wrong with its name is told.
    fn component(&mut self, call: &Call) -> Option<Arc<KnownComponent>> {
        let name = neutral::line(&call.component.value.name, 80);
        let span = call.component.span;
        let of = |code, message: String| Diagnostic::new(code, &self.runbook.source, span, message);
        let diagnostic = match self.context.components.find(&call.component.value) {
            Ok(component) => return Some(Arc::clone(component)),
            Err(NotFound::Wcf) => {
                of(Code::WcfComponent, format!("`{name}` is a known WCF component, but not in this build"))
            }
            Err(NotFound::Version { known }) => {
                of(Code::UnknownComponent, format!("`{name}` has not the version that is wanted"))
                    .with_help(format!("known are {}", known.join(", ")))
            }
            Err(NotFound::Name { nearest }) => {
                let help = nearest.map_or_else(
                    || "`palisade component list` shows what is registered".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                of(Code::UnknownComponent, format!("no component is called `{name}`")).with_help(help)
            }
        };
        self.diagnostics.push(diagnostic);
        None
    }
}

/// An error with its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;

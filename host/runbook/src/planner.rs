//! From a runbook to a plan: everything a name can mean is looked up, everything that can be checked is checked, and
//! nothing stops at the first error.

mod agent;
mod bind;
mod bounds;
mod call;
mod child;
mod condition;
mod connection;
mod flow;
mod generated;
mod listed;
mod models;
mod named;
pub(crate) mod order;
mod output;
mod rulesets;
mod step;
mod value;
mod writers;

use crate::codes::Code;
pub use generated::{Caller, artifact_source, plan_artifact, stays_within};
pub use models::{NoModel, no_model, unpriced};

use crate::components::{Components, KnownComponent, NotAccepted, NotFound};
use crate::config::{self, ConfigForm};
use crate::config_bound::OperatorEntry;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{
    AllowedComponent, BindingSource, FORM, Plan, PlannedAlias, PlannedInput, PlannedRuleset, PlannedSchema, PlannedStep,
};
use crate::ruleset::{RulesetLookup, RulesetName, WantedRuleset};
use crate::runbook::{Call, ChildRunbook, Runbook, Step};
use crate::source::{Span, Spanned};
use crate::system::Systems;
use crate::validation::with_validators;
use palisade_authority::{Authority, Bound, Capability, Flows, Grant, Rule, WorkingFolder};
use palisade_model::id::ComponentName;
use palisade_model::llm::LlmSettings;
use palisade_model::manifest::{InputSource, ruleset_type};
use palisade_model::sql::ConnectionSpec;
use palisade_model::{
    ArtifactName, Digest, LimitKind, Limits, RunLimitKind, RunLimits, SchemaRef, SchemaReq, StepId, causes, neutral,
};
use palisade_schema::{Registry, SchemaError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// WCF's default for the duration of a run, in milliseconds.
const DEFAULT_DURATION_MS: u64 = 300_000;
/// WCF's default for steps at once.
const DEFAULT_CONCURRENCY: u64 = 10;

/// What a plan is made from, beside the runbook.
#[derive(Debug)]
pub struct PlanContext<'c> {
    /// The registered components.
    pub components: &'c Components,
    /// The known schemas.
    pub schemas: &'c Registry,
    /// What was found for each of [`wanted_rulesets`], of the runbook and its children, by name and wanted type.
    pub rulesets: &'c BTreeMap<(RulesetName, String), RulesetLookup>,
    /// What was found for each of [`wanted_children`], by the name of the runbook's source and the path as written.
    pub children: &'c BTreeMap<(String, String), ChildLookup>,
    /// The systems that the operator set up.
    pub systems: &'c Systems,
    /// The databases of servers that the operator set up.
    pub connections: &'c [ConnectionSpec],
    /// The operator's ceilings of attempts; a kind that is absent has its default ceiling.
    pub ceilings: &'c BTreeMap<LimitKind, u64>,
    /// The operator's ceilings of runs; a kind that is absent has none.
    pub run_ceilings: &'c RunLimits,
    /// The folder in which the run starts: paths are relative to it.
    pub folder: &'c WorkingFolder,
    /// What the operator granted for this run alone.
    pub allowed: &'c [Grant],
    /// The components that the operator lets runbooks use which steps make; none = those that come with Palisade.
    pub generated: Option<&'c [OperatorEntry]>,
    /// Where labelled data may go.
    pub flows: &'c Flows,
    /// The language models that the operator set up.
    pub models: &'c LlmSettings,
}

/// What was found for a child runbook.
#[derive(Debug, Clone)]
pub enum ChildLookup {
    /// The runbook.
    Found(Arc<Runbook>),
    /// There is no such file.
    Missing {
        /// Where it was looked for.
        tried: Vec<String>,
    },
    /// It has errors of its own, or can't be read; that has been told.
    Unusable,
}

/// A child runbook that a runbook names by a file.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedChild {
    /// The path as written: relative, and never upwards.
    pub path: String,
    /// Where it stands.
    pub span: Span,
}

/// The child runbooks that the steps of a runbook name by files, each once.
#[must_use]
pub fn wanted_children(runbook: &Runbook) -> Vec<WantedChild> {
    let mut wanted: Vec<WantedChild> = Vec::new();
    for child in runbook.steps.iter().filter_map(Step::child) {
        if let ChildRunbook::File(path) = &child.runbook
            && !wanted.iter().any(|known| known.path == path.value)
        {
            wanted.push(WantedChild { path: path.value.clone(), span: path.span });
        }
    }
    wanted
}

/// The rulesets that the steps of a runbook ask for, each once. What can't be understood is left out; [`plan`] tells.
#[must_use]
pub fn wanted_rulesets(runbook: &Runbook, components: &Components) -> Vec<WantedRuleset> {
    let mut configs = Configs::default();
    let mut wanted: Vec<WantedRuleset> = Vec::new();
    let undone = runbook.steps.iter().filter_map(|step| step.compensate.as_deref());
    let called = runbook.steps.iter().flat_map(|step| step.tools().iter().chain(step.members()));
    for call in runbook.steps.iter().chain(undone).filter_map(Step::call).chain(called) {
        let Ok(component) = components.find(&call.component.value) else { continue };
        if !component.manifest.inputs.iter().any(|port| matches!(port.source, InputSource::Ruleset { .. })) {
            continue;
        }
        let Ok(described) = configs.of(component) else { continue };
        let (config, _) = config::prepare(&described, call, runbook.form, &runbook.source);
        for NamedRuleset { kind, text, span, .. } in named_rulesets(component, call, &config) {
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
    let runbook = with_validators(runbook, context.models);
    let mut planner = Planner::new(&runbook, context, &[]);
    let plan = planner.plan();
    // Of a runbook with errors the worst case would be that of another one.
    if !planner.diagnostics.has_error() {
        planner.check_bounds(&plan);
    }
    planner.check_writers(&plan);
    planner.check_flows(&plan, &BTreeSet::new(), None);
    let broken = planner.diagnostics.has_error();
    (Some(plan).filter(|_| !broken), planner.diagnostics.into_sorted())
}

/// A ruleset that a config names.
struct NamedRuleset {
    port: String,
    /// The type that is wanted.
    kind: String,
    /// Its name as written.
    text: String,
    span: Span,
    /// The config that would name another, if nobody wrote the name of this one.
    instead: Option<String>,
}

fn named_rulesets(component: &KnownComponent, call: &Call, config: &Value) -> Vec<NamedRuleset> {
    let ruleset = |port: &palisade_model::manifest::InputPort| {
        let InputSource::Ruleset { pointer } = &port.source else { return None };
        let kind = ruleset_type(&component.manifest.config_schema, pointer)?;
        let text = config.pointer(pointer)?.as_str()?.to_owned();
        let written = call.config.as_ref().map(|node| node.nearest(pointer));
        let written = written.filter(|node| node.to_json().as_str() == Some(text.as_str()));
        let instead = pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev();
        let instead = instead.fold("NAME".to_owned(), |inner, key| format!("{{{key}: {inner}}}"));
        let instead = written.is_none().then_some(instead);
        let span = written.map_or(call.component.span, |node| node.span);
        Some(NamedRuleset { port: port.name.clone(), kind, text, span, instead })
    };
    component.manifest.inputs.iter().filter_map(ruleset).collect()
}

/// What is made of the config schemas of components, each once.
#[derive(Default)]
pub(crate) struct Configs(BTreeMap<Digest, Result<Arc<ConfigForm>, SchemaError>>);

impl Configs {
    pub(crate) fn of(&mut self, component: &KnownComponent) -> Result<Arc<ConfigForm>, SchemaError> {
        let made = self
            .0
            .entry(component.digest)
            .or_insert_with(|| ConfigForm::of(&component.manifest.config_schema).map(Arc::new));
        made.clone()
    }
}

/// What is known of an artifact or input of the runbook while planning.
#[derive(Debug, Clone)]
struct Made {
    name: ArtifactName,
    source: BindingSource,
    /// None = only the child that makes it will tell.
    schema: Option<SchemaRef>,
    /// Where its name stands.
    span: Span,
    labels: BTreeSet<String>,
}

/// What all calls of one component in a runbook have alike, until a step says something else.
#[derive(Clone)]
struct Alike {
    /// Without what the runbook and the config of each leave of it.
    authority: Authority,
    limits: Limits,
}

struct Planner<'p> {
    runbook: &'p Runbook,
    context: &'p PlanContext<'p>,
    /// The runbooks that this one is a child of, outermost first.
    ancestors: &'p [&'p Runbook],
    diagnostics: Diagnostics,
    configs: Configs,
    alike: BTreeMap<Digest, Alike>,
    /// The inputs, and the artifacts planned so far, by name without case.
    made: BTreeMap<String, Made>,
    /// The steps by their ids without case.
    ids: BTreeMap<String, StepId>,
    /// The names that something reads, without case.
    read: BTreeSet<String>,
    inputs: Vec<PlannedInput>,
    steps: Vec<PlannedStep>,
    aliases: Vec<PlannedAlias>,
    rulesets: BTreeSet<PlannedRuleset>,
    schemas: BTreeSet<PlannedSchema>,
    /// The `capabilities` of the runbook and of those that it is a child of.
    bounds: Vec<Bound>,
    /// The step that is planned undoes another: what it makes is nobody's to read.
    undoing: bool,
    /// The runbook is an artifact, which no person wrote.
    is_artifact: bool,
    /// The components that it may use, where the step that runs it says so.
    whitelist: Option<Vec<AllowedComponent>>,
}

impl<'p> Planner<'p> {
    fn new(runbook: &'p Runbook, context: &'p PlanContext<'p>, ancestors: &'p [&'p Runbook]) -> Self {
        Self {
            runbook,
            context,
            ancestors,
            diagnostics: Diagnostics::after(runbook.mistakes.clone()),
            configs: Configs::default(),
            alike: BTreeMap::new(),
            made: BTreeMap::new(),
            ids: runbook.steps.iter().map(|step| (step.id.value.key(), StepId::from(step.id.value.clone()))).collect(),
            read: BTreeSet::new(),
            inputs: Vec::new(),
            steps: Vec::new(),
            aliases: Vec::new(),
            rulesets: BTreeSet::new(),
            schemas: BTreeSet::new(),
            bounds: Vec::new(),
            undoing: false,
            is_artifact: false,
            whitelist: None,
        }
    }

    fn plan(&mut self) -> Plan {
        let own = self.capabilities();
        self.bounds.extend(own);
        self.declared_inputs();
        let order = order::order(self.runbook, &mut self.diagnostics);
        for &index in &order {
            if let Some(step) = self.runbook.steps.get(index) {
                self.step(step);
            }
        }
        self.outputs();
        let limits = self.run_limits();
        Plan {
            v: FORM,
            name: self.runbook.name.clone(),
            description: self.runbook.description.clone(),
            contact: self.runbook.contact.clone(),
            runbook_digest: self.runbook.digest,
            inputs: std::mem::take(&mut self.inputs),
            steps: std::mem::take(&mut self.steps),
            aliases: std::mem::take(&mut self.aliases),
            rulesets: std::mem::take(&mut self.rulesets).into_iter().collect(),
            schemas: std::mem::take(&mut self.schemas).into_iter().collect(),
            limits,
            duration_is_set: self.runbook.limits.contains_key(&RunLimitKind::MaxDuration),
            offers: BTreeMap::new(),
        }
    }

    /// What the runbook states, WCF's defaults, and never more than the operator's ceilings.
    fn run_limits(&mut self) -> RunLimits {
        let mut limits: RunLimits = self.runbook.limits.iter().map(|(&kind, stated)| (kind, stated.value)).collect();
        for (kind, default) in
            [(RunLimitKind::MaxDuration, DEFAULT_DURATION_MS), (RunLimitKind::MaxConcurrency, DEFAULT_CONCURRENCY)]
        {
            if limits.get(kind).is_none() {
                limits.set(kind, default);
            }
        }
        for (kind, ceiling) in self.context.run_ceilings.iter() {
            if let Some(stated) = self.runbook.limits.get(&kind).filter(|stated| stated.value > ceiling) {
                let (wanted, ceiling) = (kind.show(stated.value), kind.show(ceiling));
                let message = format!("`{kind}` of {wanted} is above the operator's ceiling; {ceiling} is in force");
                self.say(Code::AboveCeiling, stated.span, message);
            }
        }
        // A ceiling above what holds anyway changes nothing.
        let lowers = |&(kind, ceiling): &(RunLimitKind, u64)| limits.in_force(kind).is_none_or(|held| ceiling < held);
        limits.meet(&self.context.run_ceilings.iter().filter(lowers).collect())
    }

    fn declared_inputs(&mut self) {
        let runbook = self.runbook;
        for declared in &runbook.inputs {
            let name = &declared.name;
            let Some(wanted) = &declared.schema else { continue };
            let Some(schema) = self.resolve_schema(wanted) else { continue };
            if let Some(default) = &declared.default {
                self.check_default(&schema, default);
            }
            let input = PlannedInput {
                name: name.value.clone(),
                schema: schema.clone(),
                declared: true,
                optional: declared.optional,
                default: declared.default.as_ref().map(|default| default.value.clone()),
                sensitive: declared.sensitive,
                description: declared.description.clone(),
            };
            let (source, labels) = (BindingSource::Input { name: name.value.clone() }, input.labels());
            let made = Made { name: name.value.clone(), source, schema: Some(schema), span: name.span, labels };
            self.made.insert(name.value.key(), made);
            self.inputs.push(input);
        }
    }

    fn check_default(&mut self, schema: &SchemaRef, default: &Spanned<Value>) {
        let validator = self.context.schemas.get(schema).and_then(|known| known.document().ok());
        let broken = validator.map(|validator| validator.violations(&default.value, 1)).unwrap_or_default();
        if let Some(first) = broken.first() {
            let place = neutral::line(first.pointer.trim_start_matches('/'), 80).replace('/', ".");
            let place = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
            let message = format!("this is no `{schema}`{place}: {}", first.violation.message);
            self.say(Code::BadValue, default.span, message);
        }
    }

    /// The newest schema that a requirement accepts, fixed in the plan.
    fn resolve_schema(&mut self, wanted: &Spanned<SchemaReq>) -> Option<SchemaRef> {
        if let Some(known) = self.context.schemas.resolve(&wanted.value) {
            let schema = known.name().clone();
            self.schemas.insert(PlannedSchema { schema: schema.clone(), digest: known.digest() });
            return Some(schema);
        }
        let names: Vec<String> = self.context.schemas.names().map(|name| name.name().to_owned()).collect();
        let versions: Vec<String> = self
            .context
            .schemas
            .names()
            .filter(|name| name.name() == wanted.value.name())
            .map(|name| format!("`{name}`"))
            .collect();
        let help = match versions.is_empty() {
            true => crate::nearest::nearest(wanted.value.name(), names.iter().map(String::as_str)).map_or_else(
                || "`palisade schema list` shows what is known".to_owned(),
                |near| format!("did you mean `{near}`?"),
            ),
            false => format!("known are {}", versions.join(", ")),
        };
        let message = format!("there is no schema `{}`", wanted.value);
        let unknown = Diagnostic::new(Code::UnknownSchema, &self.runbook.source, wanted.span, message).with_help(help);
        self.diagnostics.push(unknown);
        None
    }

    fn capabilities(&mut self) -> Option<Bound> {
        let mut rules = Vec::new();
        let written = match &self.runbook.capabilities {
            Some(written) => written.as_slice(),
            // What no person wrote has nothing but what it says.
            None if self.is_artifact => &[],
            None => return None,
        };
        for written in written {
            match Capability::parse(self.context.folder, written.value.as_bytes()) {
                Ok(capability) => {
                    // Without its folder: a plan is the same wherever the runbook lies.
                    let file = self.runbook.source.rsplit('/').next().unwrap_or_default();
                    let stated = format!("{file}:{}", written.span.line);
                    rules.push(Rule { capability, stated });
                }
                Err(error) => self.say(Code::BadCapability, written.span, causes(&error)),
            }
        }
        Some(Bound::of_runbook(rules))
    }

    fn say(&mut self, code: Code, span: Span, message: impl AsRef<str>) {
        self.diagnostics.push(Diagnostic::new(code, &self.runbook.source, span, message));
    }

    /// The component of that name; what is wrong with the name is told.
    /// What its calls have alike.
    fn alike(&mut self, component: &KnownComponent) -> Alike {
        let made = self.alike.entry(component.digest).or_insert_with(|| {
            let manifest = &component.manifest;
            Alike {
                authority: component.granted.clone().meet(Bound::of_manifest(manifest)),
                limits: Limits::settle(&manifest.limits, &BTreeMap::new(), self.context.ceilings),
            }
        });
        made.clone()
    }

    fn component(&mut self, wanted: &Spanned<ComponentName>) -> Option<Arc<KnownComponent>> {
        let name = || neutral::line(&wanted.value.name, 80);
        let of = |code, message: String| Diagnostic::new(code, &self.runbook.source, wanted.span, message);
        let diagnostic = match self.context.components.find(&wanted.value) {
            Ok(component) => {
                if let Some(NotAccepted { why, help }) = &component.not_accepted {
                    self.diagnostics.push(of(Code::NotAccepted, why.clone()).with_help(help));
                }
                return Some(Arc::clone(component));
            }
            Err(NotFound::NotBuilt) => of(Code::WcfComponent, format!("`{}` is known, but not in this build", name())),
            Err(NotFound::Version { known }) => {
                let version = wanted.value.version.as_ref().map(ToString::to_string).unwrap_or_default();
                let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
                of(Code::UnknownComponent, format!("`{}` has no version `{}`", name(), neutral::line(&version, 40)))
                    .with_help(format!("known are {}", known.join(", ")))
            }
            Err(NotFound::Name { nearest }) => {
                let help = nearest.map_or_else(
                    || "`palisade component list` shows what is registered".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                of(Code::UnknownComponent, format!("no component is called `{}`", name())).with_help(help)
            }
        };
        self.diagnostics.push(diagnostic);
        None
    }

    fn allowed_component(&mut self, name: &Spanned<ComponentName>) -> Option<AllowedComponent> {
        let known = self.component(name)?;
        Some(AllowedComponent {
            component: known.manifest.id.clone(),
            version: known.manifest.version.clone(),
            digest: known.digest,
            config: Vec::new(),
        })
    }
}

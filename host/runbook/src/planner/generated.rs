//! Planning a runbook that is an artifact: as any other, and within what the step that runs it and the operator allow.
//!
//! No person wrote it, so it reaches data only as a system that the operator named or as an input, uses only components
//! that both allow, and has no powers but those that it states, never more than its caller.

use super::{PlanContext, Planner};
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::config_bound::ListedComponent;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::plan::{AllowedComponent, Plan, PlannedChild, PlannedChildRunbook, PlannedStep};
use crate::runbook::{Call, ChildRunbook, Runbook, Step, Work};
use crate::source::{Source, Span, Spanned};
use crate::validation::with_validators;
use crate::worst_case::{Assumed, Measure, worst_case};
use crate::yaml::{Data, Node};
use crate::yaml_text;
use palisade_authority::{NamedByConfig, Use, authorise};
use palisade_model::id::ComponentName;
use palisade_model::manifest::Power;
use palisade_model::{Digest, RunLimitKind, RunLimits, SchemaRef, neutral};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most steps of a runbook that is an artifact: a person is to read it before it runs.
const MAX_STEPS: usize = 200;
/// Keys in the order in which people expect them; others come after.
const ORDER: [&str; 18] = [
    "id",
    "name",
    "description",
    "contact",
    "type",
    "connector",
    "system",
    "analyser",
    "workflow",
    "inputs",
    "input",
    "outputs",
    "output",
    "config",
    "capabilities",
    "limits",
    "execution",
    "artifacts",
];

/// Who runs a runbook that is an artifact.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'c> {
    /// The step.
    pub step: &'c PlannedStep,
    /// What it says of the child.
    pub child: &'c PlannedChild,
    /// What the child gets, by name.
    pub gives: &'c BTreeMap<String, SchemaRef>,
    /// The labels of all that whoever wrote the runbook may have read.
    pub labels: &'c BTreeSet<String>,
    /// The name and digest of its runbook and of those above, the outermost first.
    pub above: &'c [(String, Digest)],
}

/// The text of a runbook that is an artifact, as people read it and diagnostics point into it.
#[must_use]
pub fn artifact_source(name: &str, document: &Value) -> Source {
    let mut node = Node::from_json(document, Span::default());
    in_order(&mut node);
    if let Data::Map(entries) = &mut node.data {
        entries.iter_mut().filter(|entry| entry.key == "execution").for_each(|entry| {
            if let Data::List(steps) = &mut entry.value.data {
                steps.iter_mut().for_each(in_order);
            }
        });
    }
    Source::new(name, yaml_text::write(&node))
}

fn in_order(node: &mut Node) {
    let rank = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    if let Data::Map(entries) = &mut node.data {
        entries.sort_by_key(|entry| rank(&entry.key));
    }
}

/// Plans a runbook that is an artifact for the step that runs it. Gives the plan only if nothing is wrong, and all
/// diagnostics, warnings included.
#[must_use]
pub fn plan_artifact(
    runbook: &Runbook,
    context: &PlanContext<'_>,
    caller: &Caller<'_>,
) -> (Option<Plan>, Vec<Diagnostic>) {
    let runbook = with_validators(runbook, context.models);
    let mut planner = Planner::new(&runbook, context, &[]);
    planner.is_artifact = true;
    planner.whitelist.clone_from(&caller.child.components);
    if let PlannedChildRunbook::Artifact { bounds, .. } | PlannedChildRunbook::Agent { bounds, .. } =
        &caller.child.runbook
    {
        planner.bounds.clone_from(bounds);
    }
    planner.check_no_cycle(caller.above);
    planner.check_steps();
    let mut plan = planner.plan();
    let offered = planner.outputs_offered();
    plan.offers = offered.into_iter().map(|(name, made)| (name, made.source)).collect();
    plan.limits = plan.limits.meet(&caller.child.limits_of_artifact());
    // Whoever reads the runbook may have written into it what it read.
    plan.steps.iter_mut().for_each(|step| step.labels.extend(caller.labels.iter().cloned()));
    planner.check_given(&plan, caller);
    planner.check_taken(&plan, caller);
    planner.check_called(&plan, caller);
    if !planner.diagnostics.has_error() {
        planner.check_bounds(&plan);
    }
    // What it makes goes back to an agent, and to wherever that may bring it.
    let back_to = caller.step.submits().map(|_| caller.step);
    planner.check_writers(&plan);
    planner.check_flows(&plan, caller.labels, back_to);
    let broken = planner.diagnostics.has_error();
    (Some(plan).filter(|_| !broken), planner.diagnostics.into_sorted())
}

/// Whether the most that a plan can come to is within these limits.
#[must_use]
pub fn stays_within(plan: &Plan, limits: &RunLimits, assumed: &Assumed<'_>) -> bool {
    let worst = worst_case(plan, assumed);
    let measured = |measure: Measure| measure.run_limit().and_then(|kind| limits.get(kind));
    // Nobody would ask a person before what undoes either.
    let most = |measure: Measure| {
        let apart = match measure {
            Measure::ComponentRuns => worst.bound.get(Measure::CompensationRuns),
            Measure::Wall => worst.bound.get(Measure::Compensation),
            _ => 0,
        };
        worst.bound.get(measure).saturating_add(apart)
    };
    let amounts = Measure::all().all(|measure| measured(measure).is_none_or(|allowed| most(measure) <= allowed));
    // What is not measured is compared as it is stated.
    let stated = [RunLimitKind::MaxConcurrency, RunLimitKind::MaxDenials].into_iter().all(|kind| {
        let most = |limits: &RunLimits| limits.in_force(kind).unwrap_or(u64::MAX);
        most(&plan.limits) <= most(limits)
    });
    amounts && stated
}

impl<'p> Planner<'p> {
    /// Plans with no bound of the runbook's own where it states no `capabilities`: what a system reads, the operator has
    /// said who named it. The bounds of those above hold.
    pub(super) fn without_empty_bound<T>(&mut self, plan: impl FnOnce(&mut Self) -> T) -> T {
        let set_aside = (self.is_artifact && self.runbook.capabilities.is_none()).then(|| self.bounds.pop()).flatten();
        let planned = plan(self);
        self.bounds.extend(set_aside);
        planned
    }

    /// What a step lets a runbook use that is an artifact must be among what the operator lets such runbooks use, and, in
    /// one that is an artifact itself, among what it may use.
    pub(super) fn check_operator_allows<'l>(&mut self, listed: impl IntoIterator<Item = &'l ListedComponent>) {
        listed.into_iter().for_each(|listed| self.check_may_use(&listed.component));
    }

    /// Secrets and folders to write to are for the operator to hand out: in the config of a system, which the runbook can
    /// only name.
    pub(super) fn check_no_secret_or_write(&mut self, call: &Call, named: &[NamedByConfig]) {
        for named in named.iter().filter(|_| self.is_artifact) {
            let what = match named.place.power() {
                Power::Secret => "secret",
                Power::FsWrite => "folder to write to",
                Power::FsRead | Power::Sql | Power::Database | Power::Http | Power::Llm | Power::Call => continue,
            };
            let place = call.config.as_ref().map_or(call.component.span, |node| node.nearest(&named.pointer).span);
            let message = format!("a runbook that is an artifact names no {what}, and this is `{}`", named.place);
            let help = "the operator names it in the `config` of a `[[system]]`, which the runbook reads";
            let refused = Diagnostic::new(Code::NotForGenerated, &self.runbook.source, place, message).with_help(help);
            self.diagnostics.push(refused);
        }
    }

    fn check_no_cycle(&mut self, above: &[(String, Digest)]) {
        let Some(at) = above.iter().position(|(_, digest)| *digest == self.runbook.digest) else { return };
        let way = above.iter().skip(at).map(|(name, _)| name.as_str()).chain([self.runbook.name.as_str()]);
        let way: Vec<String> = way.map(|name| format!("`{}`", neutral::line(name, 80))).collect();
        let message = format!("runbooks run each other in a circle: {}", way.join(" runs "));
        self.say(Code::ChildCycle, self.beginning(), message);
    }

    /// Where the first step stands, for what has no place of its own.
    fn beginning(&self) -> Span {
        self.runbook.steps.first().map(|step| step.id.span).unwrap_or_default()
    }

    fn check_steps(&mut self) {
        let steps = &self.runbook.steps;
        if let Some(one_more) = steps.get(MAX_STEPS) {
            let message = format!("it has {} steps, and {MAX_STEPS} are the most", steps.len());
            self.say(Code::NotForGenerated, one_more.id.span, message);
        }
        for step in steps.iter().chain(steps.iter().filter_map(|step| step.compensate.as_deref())) {
            self.check_step(step);
        }
    }

    fn check_step(&mut self, step: &Step) {
        let only = "a runbook that is an artifact";
        let wrong = |span, what: String, help: String| {
            Diagnostic::new(Code::NotForGenerated, &self.runbook.source, span, what).with_help(help)
        };
        let refused = match &step.work {
            Work::Source(call) => {
                let systems: Vec<String> = self.context.systems.iter().map(|one| format!("`{}`", one.name)).collect();
                let help = match systems.is_empty() {
                    true => "give it an input; the operator lists systems as `[[system]]` in palisade.toml".to_owned(),
                    false => format!("write `system: NAME`; known are {}", systems.join(", ")),
                };
                Some(wrong(
                    call.component.span,
                    format!("{only} reads data as a system or an input, not by a connector of its own"),
                    help,
                ))
            }
            Work::Reuse { from_run, .. } => {
                let help = "give it what it needs as an input".to_owned();
                Some(wrong(from_run.span, format!("{only} takes nothing from other runs"), help))
            }
            _ => match step.child().map(|child| &child.runbook) {
                Some(ChildRunbook::File(path)) => {
                    let help = "its children are artifacts: write `workflow: \"{{ NAME }}\"`".to_owned();
                    Some(wrong(path.span, format!("{only} runs no file"), help))
                }
                Some(ChildRunbook::Artifact(_)) | None => None,
            },
        };
        self.diagnostics.extend(refused);
        if let (Work::Process(_) | Work::Map { .. } | Work::Loop { .. } | Work::Agent(_), Some(call)) =
            (&step.work, step.call())
        {
            self.check_may_use(&call.component);
        }
        if let Work::Agent(agent) = &step.work {
            agent.tools.iter().chain(&agent.members).for_each(|called| self.check_may_use(&called.component));
        }
    }

    /// A name that stands for nothing is told elsewhere.
    fn check_may_use(&mut self, name: &Spanned<ComponentName>) {
        let context = self.context;
        let Ok(known) = context.components.find(&name.value) else { return };
        let id = &known.manifest.id;
        let (message, help) = if let Some(allowed) = self.whitelist.as_deref().filter(|allowed| !names(allowed, known))
        {
            let allowed: BTreeSet<String> = allowed.iter().map(|one| format!("`{}`", one.component)).collect();
            let allowed: Vec<String> = allowed.into_iter().collect();
            let help = if allowed.is_empty() {
                "it may use none".to_owned()
            } else {
                format!("it may use {}", allowed.join(", "))
            };
            (format!("the step that runs this does not let it use `{id}`"), help)
        } else if !operator_allows(context, known) {
            let message = format!("the operator does not let runbooks that are artifacts use `{id}`");
            (message, "`[generated] components` in palisade.toml lists what they may use".to_owned())
        } else {
            return;
        };
        let refused = Diagnostic::new(Code::NotAllowed, &self.runbook.source, name.span, message).with_help(help);
        self.diagnostics.push(refused);
    }

    /// What it gets from its caller is what it asks for.
    fn check_given(&mut self, plan: &Plan, caller: &Caller<'_>) {
        let Caller { step, gives, .. } = *caller;
        for (name, schema) in gives {
            let port = neutral::line(name, 60);
            let wrong = match plan.inputs.iter().find(|input| input.name.as_str() == *name) {
                Some(input) if input.schema == *schema => continue,
                Some(input) => Diagnostic::new(
                    Code::ChildInput,
                    &self.runbook.source,
                    self.place_of_input(name),
                    format!(
                        "its input `{port}` has the schema `{}`, and step `{}` gives it `{schema}`",
                        input.schema, step.id
                    ),
                ),
                None => {
                    let known = plan.inputs.iter().map(|input| input.name.as_str());
                    let message =
                        format!("step `{}` gives it an input `{port}`, and it has none of that name", step.id);
                    Diagnostic::new(Code::ChildInput, &self.runbook.source, self.beginning(), message)
                        .with_help_if(suggestion(name, known))
                }
            };
            self.diagnostics.push(wrong);
        }
        let missing = |name: &str| !gives.contains_key(name);
        for input in plan.inputs.iter().filter(|input| !input.optional && missing(input.name.as_str())) {
            let message = format!(
                "it needs an input `{}` of schema `{}`, which step `{}` does not give",
                input.name, input.schema, step.id
            );
            let span = self.place_of_input(input.name.as_str());
            let given: Vec<String> = gives.keys().map(|name| format!("`{}`", neutral::line(name, 60))).collect();
            let help = match given.is_empty() {
                true if step.submits().is_some() => "give it when you submit it".to_owned(),
                true => "the step gives nothing: `inputs` of the step says what it gives".to_owned(),
                false => format!("the step gives {}", given.join(", ")),
            };
            self.diagnostics
                .push(Diagnostic::new(Code::ChildInput, &self.runbook.source, span, message).with_help(help));
        }
    }

    fn place_of_input(&self, name: &str) -> Span {
        let declared = self.runbook.inputs.iter().find(|input| input.name.value.as_str() == name);
        declared.map_or_else(|| self.beginning(), |input| input.name.span)
    }

    /// An agent has nothing run by a runbook that it may not call. What a system reads is the operator's to say.
    fn check_called(&mut self, plan: &Plan, caller: &Caller<'_>) {
        // What the step does not even list has been told.
        if self.diagnostics.has_error() {
            return;
        }
        let Some(agent) = caller.step.submits().and_then(|_| caller.step.call()) else { return };
        for step in plan.all_steps().filter(|step| step.kind() != "source") {
            for called in step.call().into_iter().chain(step.callable().map(|called| &called.call)) {
                let asked = Use::Call { component: called.component.clone() };
                if authorise(&agent.authority, &asked).allowed() {
                    continue;
                }
                let span = self.step_of(&step.id).map_or_else(|| self.beginning(), |step| step.id.span);
                let message = format!("`{}` may not have `{}` run", agent.component, called.component);
                self.say(Code::NotAllowed, span, message);
            }
        }
    }

    /// What its caller takes of it, it makes.
    fn check_taken(&mut self, plan: &Plan, caller: &Caller<'_>) {
        for taken in &caller.child.outputs {
            let wanted =
                caller.step.outputs.iter().find(|output| output.port == taken.output).map(|output| &output.schema);
            let made: Option<&SchemaRef> = plan.offers.get(&taken.output).and_then(|source| plan.schema_of(source));
            let name = neutral::line(&taken.output, 60);
            let message = match (made, wanted) {
                (Some(made), Some(wanted)) if made != wanted => {
                    format!(
                        "its output `{name}` has the schema `{made}`, and step `{}` takes `{wanted}`",
                        caller.step.id
                    )
                }
                (Some(_), _) => continue,
                (None, _) => {
                    format!("step `{}` takes its output `{name}`, and it has none of that name", caller.step.id)
                }
            };
            let wrong = Diagnostic::new(Code::ChildOutput, &self.runbook.source, self.beginning(), message)
                .with_help_if(suggestion(&taken.output, plan.offers.keys().map(String::as_str)));
            self.diagnostics.push(wrong);
        }
    }
}

fn names(allowed: &[AllowedComponent], known: &KnownComponent) -> bool {
    allowed.iter().any(|allowed| allowed.digest == known.digest)
}

fn operator_allows(context: &PlanContext<'_>, known: &KnownComponent) -> bool {
    match context.generated {
        None => known.first_party,
        Some(listed) => listed
            .iter()
            .any(|entry| context.components.find(&entry.component).is_ok_and(|found| found.digest == known.digest)),
    }
}

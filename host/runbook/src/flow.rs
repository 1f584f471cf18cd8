//! Which labelled data a run could bring to a place where it may not go: seen on the plan, before anything runs.
//!
//! Labels join over everything that a step needs: inputs, values of configs, conditions, and the runbook that it runs.

use crate::plan::{BindingSource, Plan, PlannedChildRunbook, PlannedStep, PlannedWork};
use palisade_authority::{Capability, Flow, Flows, Sink, is_outward};
use palisade_model::StepId;
use palisade_model::llm::LlmSettings;
use palisade_model::manifest::Power;
use std::collections::{BTreeMap, BTreeSet};

/// Data that would get to where it may not go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The steps from the outside inwards, to the one at which it leaves.
    pub way: Vec<StepId>,
    /// The label.
    pub label: String,
    /// Where it would get to.
    pub sink: Sink,
    /// Through what it comes there.
    pub through: Route,
    /// The rule that keeps it; none = no rule lets it go.
    pub kept_by: Option<String>,
}

/// The steps and inputs through which something comes, from where it has its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The first, and the last few.
    pub names: Vec<String>,
    /// How many are left out behind the first.
    pub left_out: usize,
}

/// Most names of a route.
const MAX_NAMES: usize = 8;

/// All routes, as a tree: what many labels came through is there once, however long a chain of steps is.
#[derive(Debug, Default)]
struct Routes(Vec<Place>);

/// A step or input on a route.
#[derive(Debug)]
struct Place {
    name: String,
    before: Option<PlaceId>,
}

/// The end of a route: a place in [`Routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PlaceId(usize);

/// Labels, each with the last place through which it came; those of a runbook that nobody has planned yet come from none.
type Labels = BTreeMap<String, Option<PlaceId>>;

/// The labels of something.
#[derive(Debug, Clone, Default)]
struct Labelled {
    /// Those that it has.
    has: Labels,
    /// Those that it may have, since a runbook that nobody has planned yet makes some of it. That they are no result is
    /// looked at when that one is planned, whose results they are first.
    may_have: Labels,
}

/// What the operator says of labels.
#[derive(Debug, Clone, Copy)]
pub struct LabelRules<'r> {
    /// Where labelled data may go.
    pub flows: &'r Flows,
    /// The models: what those are asked that run on this machine or in this house does not leave.
    pub models: &'r LlmSettings,
    /// The labels of all that a runbook may read which is planned while the run goes on.
    pub read_later: &'r BTreeSet<String>,
}

/// Everything that would get to where it may not go, in the order of the steps; each label once for each place of a step.
/// `around` are the labels of the runbook itself, where something made it: it may hold what its maker read. `back_to` is the
/// agent that submitted it and gets what it makes.
#[must_use]
pub fn leaks(
    plan: &Plan,
    around: &BTreeSet<String>,
    back_to: Option<&PlannedStep>,
    rules: LabelRules<'_>,
) -> Vec<Leak> {
    let mut walk = Walk { rules, routes: Routes::default(), leaks: Vec::new() };
    let maker = Some(walk.routes.add("what made the runbook", None));
    let around = around.iter().map(|label| (label.clone(), maker)).collect();
    let around = Labelled { has: around, ..Labelled::default() };
    let given = BTreeMap::new();
    let made = walk.labelled(plan, &given, &around, &mut Vec::new());
    // What a child gives out is a result of the run where its parent makes it one.
    let of_steps = plan.steps.iter().filter(|step| step.outputs.iter().any(|output| output.exported));
    let of_steps = of_steps.map(|step| (&step.id, made.get(&step.id).cloned().unwrap_or_default()));
    let aliases = plan.aliases.iter().filter(|alias| alias.exported);
    let of_aliases = aliases.filter_map(|alias| match &alias.source {
        BindingSource::Step { step, .. } => Some((step, made.get(step).cloned().unwrap_or_default())),
        BindingSource::Input { .. } | BindingSource::Ruleset { .. } => None,
    });
    for (step, labels) in of_steps.chain(of_aliases) {
        let leaks = walk.blocked(labels.has.iter(), &Sink::Output, std::slice::from_ref(step));
        let new = leaks.into_iter().filter(|leak| !walk.leaks.contains(leak)).collect::<Vec<_>>();
        walk.leaks.extend(new);
    }
    let results = plan.results().into_iter().map(|(_, source)| source);
    let handed_back: Vec<_> = plan.offers.values().cloned().chain(results).collect();
    for sink in back_to.iter().flat_map(|agent| sinks(agent, rules)) {
        let is_handed_back = |id: &StepId| {
            handed_back.iter().any(|source| matches!(source, BindingSource::Step { step, .. } if step == id))
        };
        for (step, labels) in made.iter().filter(|(step, _)| is_handed_back(step)) {
            walk.note(labels, &sink, std::slice::from_ref(step));
        }
    }
    walk.leaks
}

/// A walk over a plan and those of its children.
struct Walk<'r> {
    rules: LabelRules<'r>,
    routes: Routes,
    /// What was found by now.
    leaks: Vec<Leak>,
}

impl Walk<'_> {
    /// Labels what a plan makes, `given` being what its inputs have; gives that of its steps by their ports, and notes leaks.
    fn labelled(
        &mut self,
        plan: &Plan,
        given: &BTreeMap<String, Labelled>,
        around: &Labelled,
        way: &mut Vec<StepId>,
    ) -> BTreeMap<StepId, Labelled> {
        let mut made: BTreeMap<StepId, Labelled> = BTreeMap::new();
        for step in &plan.steps {
            let mut labels = Labelled::default();
            for source in step.needs() {
                labels.join(self.of(source, plan, given, &made));
            }
            let handed = labels.clone();
            // What it brings in itself. Of all others, `labels` of the step holds what they read.
            for own in step.labels.iter().filter(|_| step.kind() == "source") {
                labels.has.entry(own.clone()).or_insert_with(|| Some(self.routes.add(step.id.as_str(), None)));
            }
            labels.join(around.clone());
            way.push(step.id.clone());
            for sink in sinks(step, self.rules) {
                let leaving = if is_all_it_reads(step, &sink) { &handed } else { &labels };
                self.note(leaving, &sink, way);
            }
            if let Some(PlannedChildRunbook::File { plan: child, .. }) = step.child().map(|child| &child.runbook) {
                let mut of_input = |port: &str| {
                    let mut input = Labelled::default();
                    let bound = step.inputs.iter().filter(|binding| binding.port == port);
                    bound.for_each(|binding| input.join(self.of(&binding.source, plan, given, &made)));
                    input
                };
                let inputs =
                    child.inputs.iter().map(|input| (input.name.key(), of_input(input.name.as_str()))).collect();
                let of_child = self.labelled(child, &inputs, around, way);
                of_child.into_values().for_each(|inner| labels.join(inner));
            }
            if step.plans_later() {
                let later = self.rules.read_later.iter().map(|label| (label.clone(), None)).collect();
                labels.join(Labelled { may_have: later, ..Labelled::default() });
            }
            way.pop();
            for lost in step.call().map(|call| &call.declassifies).into_iter().flatten() {
                labels.has.remove(lost);
                labels.may_have.remove(lost);
            }
            for last in labels.has.values_mut().chain(labels.may_have.values_mut()) {
                *last = Some(self.routes.pass(step.id.as_str(), *last));
            }
            made.insert(step.id.clone(), labels);
            if let Some(undo) = step.compensate.as_deref() {
                // It reads what it names itself, what the step made among it.
                let mut labels = around.clone();
                for source in undo.needs() {
                    labels.join(self.of(source, plan, given, &made));
                }
                way.push(undo.id.clone());
                for sink in sinks(undo, self.rules) {
                    self.note(&labels, &sink, way);
                }
                way.pop();
            }
        }
        made
    }

    /// The labels of what something stands for.
    fn of(
        &mut self,
        source: &BindingSource,
        plan: &Plan,
        given: &BTreeMap<String, Labelled>,
        made: &BTreeMap<StepId, Labelled>,
    ) -> Labelled {
        match source {
            BindingSource::Step { step, .. } => made.get(step).cloned().unwrap_or_default(),
            BindingSource::Input { name } => {
                let mut labels = given.get(&name.key()).cloned().unwrap_or_default();
                let input = plan.inputs.iter().find(|input| input.name == *name);
                for label in input.map(crate::plan::PlannedInput::labels).unwrap_or_default() {
                    labels.has.entry(label).or_insert_with(|| Some(self.routes.add(name.as_str(), None)));
                }
                labels
            }
            BindingSource::Ruleset { .. } => Labelled::default(),
        }
    }

    /// Notes the labels that may not get to a place.
    fn note(&mut self, labels: &Labelled, sink: &Sink, way: &[StepId]) {
        let leaks = self.blocked(labels.all(), sink, way);
        self.leaks.extend(leaks);
    }

    fn blocked<'l>(
        &self,
        labels: impl Iterator<Item = (&'l String, &'l Option<PlaceId>)>,
        sink: &Sink,
        way: &[StepId],
    ) -> Vec<Leak> {
        let blocked = labels.filter_map(|(label, last)| {
            let kept_by = match self.rules.flows.decide(label, sink) {
                Flow::Allowed => return None,
                Flow::Kept(rule) => Some(rule.stated.clone()),
                Flow::Unsaid => None,
            };
            let (label, through) = (label.clone(), self.routes.to(*last));
            Some(Leak { way: way.to_vec(), label, sink: sink.clone(), through, kept_by })
        });
        blocked.collect()
    }
}

impl Routes {
    /// Goes on from a place to another.
    fn add(&mut self, name: &str, before: Option<PlaceId>) -> PlaceId {
        self.0.push(Place { name: name.to_owned(), before });
        PlaceId(self.0.len() - 1)
    }

    /// As [`Routes::add`], but where it is there already it stays.
    fn pass(&mut self, name: &str, last: Option<PlaceId>) -> PlaceId {
        let here = last.filter(|last| self.place(*last).is_some_and(|place| place.name == name));
        here.unwrap_or_else(|| self.add(name, last))
    }

    fn to(&self, last: Option<PlaceId>) -> Route {
        let back = std::iter::successors(last.and_then(|last| self.place(last)), |place| self.place(place.before?));
        let mut names = Vec::new();
        let mut left_out = 0;
        for place in back {
            if names.len() + 1 < MAX_NAMES || place.before.is_none() {
                names.push(place.name.clone());
            } else {
                left_out += 1;
            }
        }
        names.reverse();
        Route { names, left_out }
    }

    fn place(&self, PlaceId(index): PlaceId) -> Option<&Place> {
        self.0.get(index)
    }
}

impl Labelled {
    /// Where a label came through first is where it comes through.
    fn join(&mut self, more: Self) {
        for (labels, more) in [(&mut self.has, more.has), (&mut self.may_have, more.may_have)] {
            for (label, through) in more {
                labels.entry(label).or_insert(through);
            }
        }
    }

    /// All of them, each once.
    fn all(&self) -> impl Iterator<Item = (&String, &Option<PlaceId>)> {
        self.has.iter().chain(self.may_have.iter().filter(|(label, _)| !self.has.contains_key(*label)))
    }
}

/// The places to which a step can bring what it reads.
fn sinks(step: &PlannedStep, rules: LabelRules<'_>) -> Vec<Sink> {
    if matches!(step.work, PlannedWork::Approval { .. }) {
        return vec![Sink::Approval];
    }
    let outward = || Power::ALL.into_iter().filter(|power| is_outward(*power));
    let reached = step.workers().flat_map(|call| outward().flat_map(|power| Sink::of(&call.authority.reach(power))));
    let is_local = |sink: &Sink| {
        let model = sink.model();
        model.and_then(|model| rules.models.model(&model)).is_some_and(|model| model.local)
    };
    let mut sinks: Vec<Sink> = Vec::new();
    for sink in reached.filter(|sink| !is_local(sink)) {
        if !sinks.contains(&sink) {
            sinks.push(sink);
        }
    }
    sinks
}

/// Says whether a step brings in nothing itself but from the server at which `sink` is: that goes back to whence it came.
fn is_all_it_reads(step: &PlannedStep, sink: &Sink) -> bool {
    let (Sink::Power(capability), Some(call)) = (sink, step.call()) else { return false };
    let power = capability.power();
    let is_one = match call.authority.reach(power) {
        Capability::Http(scope) => scope.is_one_origin(),
        Capability::Database(scope) => scope.names().is_some_and(|names| names.len() == 1),
        _ => false,
    };
    let reading = [Power::FsRead, Power::Sql, Power::Database, Power::Http];
    is_one && !reading.into_iter().any(|other| other != power && call.may_use(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_its_first_place_and_the_last_few() {
        let mut routes = Routes::default();
        let mut last = None;
        for number in 0..1_000 {
            let here = routes.pass(&number.to_string(), last);
            assert_eq!(routes.pass(&number.to_string(), Some(here)), here);
            last = Some(here);
            let Route { names, left_out } = routes.to(last);
            assert_eq!(names.len() + left_out, number + 1);
            assert_eq!((names.first().unwrap(), names.last().unwrap()), (&"0".to_owned(), &number.to_string()));
        }
        let Route { names, left_out } = routes.to(last);
        assert_eq!((names.join(" ").as_str(), left_out), ("0 993 994 995 996 997 998 999", 992));
    }
}

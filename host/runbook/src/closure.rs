//! The authority closure: everything that any step of a plan could touch, its children's steps included, and whether the
//! authorities in the plan allow it. The decisions are [`authorise`]'s; here they are only collected.

use crate::plan::{AllowedComponent, Plan, PlannedCall, PlannedChildRunbook, PlannedStep, PlannedWork};
use palisade_authority::{Deny, ScopedPath, Use, authorise};
use palisade_model::StepId;
use palisade_model::manifest::Power;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that any step could touch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Closure {
    /// Data outside of the run, by power and path.
    pub touches: Vec<Touch>,
    /// Steps whose components are not all known yet: whatever these do stays within the authority of the run.
    pub open: Vec<Open>,
}

/// Something outside of the run that steps could touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// By which power.
    pub power: Power,
    /// A path and all below it; none = every path.
    pub path: Option<ScopedPath>,
    /// The authorities in the plan allow it.
    pub granted: bool,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<String>,
    /// The option that would allow it for one run, where one would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
    /// What lies below it and is forbidden to each of these steps.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<ScopedPath>,
    /// By which steps.
    pub by: Vec<Toucher>,
}

/// A step that could touch something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toucher {
    /// The way to it, from the outermost step inwards.
    pub step: Vec<StepId>,
    /// JSON pointer to the value of its config that names it; none = links in what is named may lead there.
    pub pointer: Option<String>,
}

/// A step that runs what is not planned yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The way to it.
    pub step: Vec<StepId>,
    /// The components that it may use; none = those that the operator allows generated runbooks to use.
    pub components: Option<Vec<AllowedComponent>>,
}

/// Something that a config names and that may not be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The way to the step.
    pub step: Vec<StepId>,
    /// JSON pointer to the value of its config.
    pub pointer: String,
    /// Why, for people.
    pub why: String,
    /// The option that would allow it for one run, where one would.
    pub allow: Option<String>,
}

/// Collects everything that any step could touch.
#[must_use]
pub fn closure(plan: &Plan) -> Closure {
    let mut found: BTreeMap<(Power, Option<ScopedPath>, Verdict), Touched> = BTreeMap::new();
    let mut open = Vec::new();
    each_step(plan, &mut Vec::new(), &mut |way, step| {
        open.extend(opened(step).map(|components| Open { step: way.to_vec(), components }));
        let Some(call) = step.call() else { return };
        let mut add = |power, path: Option<ScopedPath>, verdict, pointer: Option<&str>| {
            let by = Toucher { step: way.to_vec(), pointer: pointer.map(str::to_owned) };
            let except = forbidden_below(call, power, path.as_ref());
            found.entry((power, path, verdict)).or_default().add(by, except);
        };
        let mut named = Vec::new();
        for (pointer, wanted) in named_uses(call) {
            let (power, path) = wanted.parts();
            add(power, Some(path.clone()), verdict(call, &wanted), Some(pointer));
            named.push((power, path.clone()));
        }
        for power in [Power::FsRead, Power::Sql] {
            // Without a name in the config there is nothing that a link could lie in.
            if !named.iter().any(|(known, _)| *known == power) {
                continue;
            }
            let reach = call.authority.reach(power);
            let Some(trees) = reach.trees() else {
                add(power, None, Verdict::Granted, None);
                continue;
            };
            let is_named =
                |tree: &ScopedPath| named.iter().any(|(known, path)| *known == power && tree.is_within(path));
            trees
                .iter()
                .filter(|tree| !is_named(tree))
                .for_each(|tree| add(power, Some(tree.clone()), Verdict::Granted, None));
        }
    });
    let touches = found.into_iter().map(|((power, path, verdict), Touched { by, except })| {
        let (granted, denial, allow) = match verdict {
            Verdict::Granted => (true, None, None),
            Verdict::Denied { why, allow } => (false, Some(why), allow),
        };
        Touch { power, path, granted, denial, allow, except, by }
    });
    Closure { touches: touches.collect(), open }
}

/// Who touches something, and what of it none of them may.
#[derive(Default)]
struct Touched {
    by: Vec<Toucher>,
    except: BTreeSet<ScopedPath>,
}

impl Touched {
    fn add(&mut self, by: Toucher, except: BTreeSet<ScopedPath>) {
        if self.by.is_empty() {
            self.except = except;
        } else {
            self.except.retain(|path| except.contains(path));
        }
        self.by.push(by);
    }
}

/// What the operator forbids to a step below a path.
fn forbidden_below(call: &PlannedCall, power: Power, path: Option<&ScopedPath>) -> BTreeSet<ScopedPath> {
    let denies = call.authority.denies().iter().filter(|deny| deny.concerns(power)).map(Deny::path);
    denies.filter(|deny| path.is_none_or(|path| deny.is_within(path) && *deny != path)).cloned().collect()
}

/// The first thing that a config names and that may not be touched: such a run would fail for certain.
#[must_use]
pub fn first_denied(plan: &Plan) -> Option<Denied> {
    let mut first = None;
    each_step(plan, &mut Vec::new(), &mut |way, step| {
        for (pointer, wanted) in step.call().into_iter().flat_map(named_uses) {
            if let (None, Some(call)) = (&first, step.call())
                && let Verdict::Denied { why, allow } = verdict(call, &wanted)
            {
                first = Some(Denied { step: way.to_vec(), pointer: pointer.to_owned(), why, allow });
            }
        }
    });
    first
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Granted,
    Denied { why: String, allow: Option<String> },
}

fn verdict(call: &PlannedCall, wanted: &Use) -> Verdict {
    let decision = authorise(&call.authority, wanted);
    match decision.denial() {
        None => Verdict::Granted,
        Some(why) => Verdict::Denied { why, allow: decision.allow_line() },
    }
}

/// What the config of a step names: the pointer to the value, and the use that it leads to.
pub fn named_uses(call: &PlannedCall) -> impl Iterator<Item = (&str, Use)> {
    let files = call.paths.iter().map(|named| (named.pointer.as_str(), Use::FsRead { path: named.path.clone() }));
    let databases =
        call.connections.iter().map(|named| (named.pointer.as_str(), Use::Sql { database: named.path.clone() }));
    files.chain(databases)
}

/// The components of what a step runs and nobody has planned yet; an outer none if there is no such thing.
fn opened(step: &PlannedStep) -> Option<Option<Vec<AllowedComponent>>> {
    if let PlannedWork::Agent { tools, members, .. } = &step.work {
        return Some(Some(tools.iter().chain(members).cloned().collect()));
    }
    let child = step.child()?;
    matches!(child.runbook, PlannedChildRunbook::Artifact { .. }).then(|| child.components.clone())
}

/// Visits every step, what undoes it, and the steps of its child, each with the way to it.
pub(crate) fn each_step<'p>(plan: &'p Plan, way: &mut Vec<StepId>, visit: &mut dyn FnMut(&[StepId], &'p PlannedStep)) {
    for step in &plan.steps {
        for step in std::iter::once(step).chain(step.compensate.as_deref()) {
            way.push(step.id.clone());
            visit(way, step);
            if let Some(PlannedChildRunbook::File { plan, .. }) = step.child().map(|child| &child.runbook) {
                each_step(plan, way, visit);
            }
            way.pop();
        }
    }
}

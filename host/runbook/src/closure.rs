//! The authority closure: everything that any step of a plan could touch, its children's steps included, and whether the
//! authorities in the plan allow it. The decisions are [`authorise`]'s; here they are only collected.

use crate::plan::{AllowedComponent, Plan, PlannedCall, PlannedChildRunbook, PlannedStep};
use crate::touch::{Reached, Touch, Toucher};
use palisade_authority::{Bound, Capability, Method, Place, SecretPlace, Use, authorise};
use palisade_model::StepId;
use palisade_model::manifest::Power;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that any step could touch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Closure {
    /// What is outside of the run, by power and place.
    pub touches: Vec<Touch>,
    /// Steps whose components are not all known yet: whatever these do stays within the authority of the run.
    pub open: Vec<Open>,
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
    let mut found: BTreeMap<(Reached, Verdict), Touched> = BTreeMap::new();
    let mut open = Vec::new();
    each_step(plan, &mut Vec::new(), &mut |way, step| {
        open.extend(opened(step).map(|components| Open { step: way.to_vec(), components }));
        for call in step.workers() {
            let mut add = |power, place: Option<Place>, verdict, pointer: Option<&str>| {
                let by = Toucher { step: way.to_vec(), pointer: pointer.map(str::to_owned) };
                let except = forbidden_within(call, power, place.as_ref());
                found.entry((Reached { power, place }, verdict)).or_default().add(by, except);
            };
            let named: Vec<(&str, Place)> = named(call).collect();
            for (pointer, place) in &named {
                let verdict = verdict(call, &use_of(call, place));
                // Of an origin that is named with all its methods, what is allowed of it; of a secret, where it may be sent.
                let within = match (&verdict, place) {
                    (Verdict::Granted, Place::Http(_) | Place::Secret(_)) => {
                        let power = place.power();
                        let met = call.authority.reach(power).meet(&Capability::at(power, [place.clone()]));
                        met.and_then(|met| met.places()).unwrap_or_default()
                    }
                    _ => vec![place.clone()],
                };
                for place in within {
                    add(place.power(), Some(place), verdict.clone(), Some(pointer));
                }
            }
            for power in Power::ALL {
                // Without a name in the config there is nothing that a link could lie in; what is no path needs none.
                if power.is_over_paths() && !named.iter().any(|(_, place)| place.power() == power) {
                    continue;
                }
                let Some(places) = call.authority.reach(power).places() else {
                    add(power, None, Verdict::Granted, None);
                    continue;
                };
                let is_named = |place: &Place| named.iter().any(|(_, named)| named.holds(place));
                places
                    .into_iter()
                    .filter(|place| !is_named(place))
                    .for_each(|place| add(power, Some(place), Verdict::Granted, None));
            }
        }
    });
    let touches = found.into_iter().map(|((reached, verdict), Touched { by, except })| {
        let (granted, denial, allow) = match verdict {
            Verdict::Granted => (true, None, None),
            Verdict::Denied { why, allow } => (false, Some(why), allow),
        };
        Touch { reached, granted, denial, allow, except, by }
    });
    Closure { touches: touches.collect(), open }
}

/// Who touches something, and what of it none of them may.
#[derive(Default)]
struct Touched {
    by: Vec<Toucher>,
    except: BTreeSet<Reached>,
}

impl Touched {
    fn add(&mut self, by: Toucher, except: BTreeSet<Reached>) {
        if self.by.is_empty() {
            self.except = except;
        } else {
            self.except.retain(|path| except.contains(path));
        }
        // Who leads a team and its members may touch the same; the steps come one after the other.
        let mut of_step = self.by.iter().rev().take_while(|known| known.step == by.step);
        if !of_step.any(|known| *known == by) {
            self.by.push(by);
        }
    }
}

/// What the operator forbids to a step within a place, which itself is not.
fn forbidden_within(call: &PlannedCall, power: Power, place: Option<&Place>) -> BTreeSet<Reached> {
    let denies = call.authority.denies().iter().filter(|deny| deny.concerns(power)).filter_map(|deny| {
        let forbidden = deny.place_for(power)?;
        let within = place.is_none_or(|place| place.holds(&forbidden) && *place != forbidden);
        within.then_some(Reached { power, place: Some(forbidden) })
    });
    denies.collect()
}

/// The first thing that a config names and that may not be touched: such a run would fail for certain.
#[must_use]
pub fn first_denied(plan: &Plan) -> Option<Denied> {
    let mut first = None;
    each_step(plan, &mut Vec::new(), &mut |way, step| {
        for (call, (pointer, wanted)) in
            step.workers().flat_map(|call| named_uses(call).map(move |named| (call, named)))
        {
            if first.is_some() {
                return;
            }
            if let Verdict::Denied { why, allow } = verdict(call, &wanted) {
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
    named(call).map(|(pointer, place)| (pointer, use_of(call, &place)))
}

fn named(call: &PlannedCall) -> impl Iterator<Item = (&str, Place)> {
    let files = call.paths.iter().map(|named| (named.pointer.as_str(), Place::FsRead(named.path.clone())));
    let databases = call.connections.iter().map(|named| (named.pointer.as_str(), Place::Sql(named.path.clone())));
    let others = call.places.iter().map(|named| (named.pointer.as_str(), named.place.clone()));
    files.chain(databases).chain(others)
}

/// The use that a name in a config leads to. A config names an origin and no method: the first that is allowed there is
/// meant, or `GET`.
fn use_of(call: &PlannedCall, place: &Place) -> Use {
    match place {
        Place::FsRead(path) => Use::FsRead { path: path.clone() },
        Place::FsWrite(path) => Use::FsWrite { path: path.clone() },
        Place::Sql(path) => Use::Sql { database: path.clone() },
        Place::Http(at) => {
            let by = |method| Use::Http { method, origin: at.origins().origin().clone(), private: None };
            let allowed = Method::ALL.into_iter().map(by).find(|asked| authorise(&call.authority, asked).allowed());
            allowed.unwrap_or_else(|| by(Method::Get))
        }
        Place::Database(connection) => Use::Database { connection: connection.clone() },
        Place::Llm(model) => Use::Llm { model: model.clone() },
        Place::Call(component) => Use::Call { component: component.clone() },
        Place::Secret(named) => Use::Secret { place: secret_of(call, named).unwrap_or_else(|| named.clone()) },
    }
}

/// The first place to which a secret may be sent that a config names without any; if there is none, the first of which a bound
/// speaks, so that people are told which says no.
fn secret_of(call: &PlannedCall, named: &SecretPlace) -> Option<SecretPlace> {
    let one = |capability: Capability| {
        let places = capability.places().unwrap_or_default();
        places.into_iter().find_map(|place| match place {
            Place::Secret(secret) if secret.is_one() && named.holds(&secret) => Some(secret),
            _ => None,
        })
    };
    let stated = || call.authority.bounds().iter().flat_map(Bound::rules).find_map(|rule| one(rule.capability.clone()));
    one(call.authority.reach(Power::Secret)).or_else(stated)
}

/// The components of what a step runs and nobody has planned yet; an outer none if there is no such thing.
fn opened(step: &PlannedStep) -> Option<Option<Vec<AllowedComponent>>> {
    let child = step.runs_or_submits()?;
    step.plans_later().then(|| child.components.clone())
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

//! What differs between two plans, as a reviewer asks: which power, scope, code, data and bound is new.
//!
//! Two plans without differences here may still differ in titles and texts; their digests tell.

use crate::closure::each_step;
use crate::document::PlanDocument;
use crate::plan::PlannedStep;
use crate::touch::Touch;
use crate::worst_case::{Measure, UNBOUNDED};
use palisade_model::StepId;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a difference is about, the most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A power that steps ask for.
    Power,
    /// What a power reaches, and whether it is granted.
    Scope,
    /// A component.
    Component,
    /// The bytes of a component.
    Digest,
    /// A component that a generated runbook or an agent may use.
    Whitelist,
    /// Data that comes in: a source's component, an input of the run.
    Data,
    /// A label of data.
    Label,
    /// A ruleset.
    Ruleset,
    /// An amount of the worst case.
    Bound,
    /// A limit of the run.
    RunLimit,
    /// A step.
    Step,
    /// What a step of both plans is told to do: its config, conditions, limits, wiring.
    Work,
    /// A result of the run.
    Output,
}

/// How it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is there now.
    New,
    /// It is something else.
    Changed,
    /// It is more.
    Higher,
    /// It is less.
    Lower,
    /// It is no longer there.
    Removed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// How it differs.
    pub change: Change,
    /// Which one.
    pub what: String,
    /// As it was.
    pub old: Value,
    /// As it is.
    pub new: Value,
}

impl Difference {
    /// Whether the second plan reaches or runs something that the first does not.
    #[must_use]
    pub const fn reaches_more(&self) -> bool {
        let reach = matches!(
            self.subject,
            Subject::Power
                | Subject::Scope
                | Subject::Component
                | Subject::Digest
                | Subject::Whitelist
                | Subject::Data
                | Subject::Label
                | Subject::Ruleset
        );
        reach && matches!(self.change, Change::New | Change::Changed | Change::Higher)
    }
}

/// Compares two plans. Differences come by subject.
#[must_use]
pub fn plan_diff(old: &PlanDocument, new: &PlanDocument) -> Vec<Difference> {
    let (old_facts, new_facts) = (facts(old), facts(new));
    let keys: BTreeSet<_> = old_facts.keys().chain(new_facts.keys()).collect();
    let difference = |(subject, what): &(Subject, String)| {
        let of = |facts: &Facts| facts.get(&(*subject, what.clone())).cloned();
        let (old, new) = (of(&old_facts), of(&new_facts));
        let change = match (&old, &new) {
            (None, _) => Change::New,
            (_, None) => Change::Removed,
            (Some(old), Some(new)) if old == new => return None,
            (Some(old), Some(new)) => compared(*subject, old, new),
        };
        let what = what.clone();
        Some(Difference { subject: *subject, change, what, old: old.unwrap_or_default(), new: new.unwrap_or_default() })
    };
    let mut differences: Vec<Difference> = keys.into_iter().filter_map(difference).collect();
    let (old_works, new_works) = (works(old), works(new));
    for (step, new) in &new_works {
        if let Some(old) = old_works.get(step) {
            compare_work(&format!("{step}: "), old, new, &mut differences);
        }
    }
    differences.sort_by_key(|difference| difference.subject);
    differences
}

/// Adds what differs between two values, key by key.
fn compare_work(at: &str, old: &Value, new: &Value, differences: &mut Vec<Difference>) {
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            let dot = if at.ends_with(' ') { "" } else { "." };
            compare_work(&format!("{at}{dot}{key}"), &of(old), &of(new), differences);
        }
    } else if old != new {
        let (subject, change) = (Subject::Work, Change::Changed);
        differences.push(Difference { subject, change, what: at.to_owned(), old: old.clone(), new: new.clone() });
    }
}

/// What each step is told to do, without what has a subject of its own.
fn works(document: &PlanDocument) -> BTreeMap<String, Value> {
    let mut works = BTreeMap::new();
    each_step(&document.plan, &mut Vec::new(), &mut |way, step| drop(works.insert(shown(way), work(step))));
    works
}

fn compared(subject: Subject, old: &Value, new: &Value) -> Change {
    if !matches!(subject, Subject::Bound | Subject::RunLimit) {
        return Change::Changed;
    }
    // What has no bound is null, and more than any number.
    let amount = |value: &Value| value.as_u64().unwrap_or(UNBOUNDED);
    if amount(new) > amount(old) { Change::Higher } else { Change::Lower }
}

/// Everything that is compared, by its name.
type Facts = BTreeMap<(Subject, String), Value>;

fn facts(document: &PlanDocument) -> Facts {
    let plan = &document.plan;
    let mut facts = Facts::new();
    let mut components: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    each_step(plan, &mut Vec::new(), &mut |way, step| {
        add_step(&mut facts, way, step);
        if let Some(call) = step.call() {
            let code = format!("{} {}", call.version, call.component_digest);
            components.entry(call.component.to_string()).or_default().insert(code);
        }
    });
    for (component, code) in components {
        facts.insert((Subject::Component, component.clone()), Value::Null);
        facts.insert((Subject::Digest, component), json!(code));
    }
    for touch in &document.authority.touches {
        add_touch(&mut facts, touch);
    }
    for open in &document.authority.open {
        let step = shown(&open.step);
        match &open.components {
            None => drop(facts.insert((Subject::Whitelist, step), json!("what the operator allows"))),
            Some(allowed) => {
                for known in allowed {
                    let name = format!("{step}: {}", known.component);
                    let bounds: String = known.config.iter().map(|bound| format!(", {bound}")).collect();
                    let fact = json!(format!("{} {}{bounds}", known.version, known.digest));
                    facts.insert((Subject::Whitelist, name), fact);
                }
            }
        }
    }
    for input in &plan.inputs {
        facts.insert((Subject::Data, format!("input {}", input.name)), json!(input.schema));
    }
    for ruleset in &plan.rulesets {
        facts.insert((Subject::Ruleset, ruleset.name.clone()), json!(ruleset.digest));
    }
    for alias in plan.aliases.iter().filter(|alias| alias.exported) {
        facts.insert((Subject::Output, alias.artifact.to_string()), json!(alias.schema));
    }
    for measure in Measure::all() {
        let amount = document.worst_case.bound.get(measure);
        let amount = if amount == UNBOUNDED { Value::Null } else { json!(amount) };
        facts.insert((Subject::Bound, measure.key().to_owned()), amount);
    }
    for (kind, value) in plan.limits.iter() {
        facts.insert((Subject::RunLimit, kind.key().to_owned()), json!(value));
    }
    facts
}

fn add_step(facts: &mut Facts, way: &[StepId], step: &PlannedStep) {
    facts.insert((Subject::Step, shown(way)), json!(step.kind()));
    for label in &step.labels {
        facts.insert((Subject::Label, label.clone()), Value::Null);
    }
    if let Some(call) = step.call().filter(|_| step.kind() == "source") {
        facts.insert((Subject::Data, format!("source {}", call.component)), Value::Null);
    }
    for output in step.outputs.iter().filter(|output| output.exported) {
        if let Some(artifact) = &output.artifact {
            facts.insert((Subject::Output, artifact.to_string()), json!(output.schema));
        }
    }
}

fn work(step: &PlannedStep) -> Value {
    const ELSEWHERE: [&str; 11] = [
        "title",
        "description",
        "contact",
        "labels",
        "outputs",
        "compensate",
        "version",
        "component_digest",
        "authority",
        "paths",
        "connections",
    ];
    let mut work = serde_json::to_value(step).unwrap_or_default();
    let fixed = ["", "/work/call", "/work/body/call"].map(str::to_owned);
    let numbered = |of: &'static str, most| (0..most).map(move |number| format!("/work/{of}/{number}/call"));
    let called = numbered("tools", step.tools().len()).chain(numbered("members", step.members().len()));
    for pointer in fixed.into_iter().chain(called) {
        if let Some(Value::Object(of)) = work.pointer_mut(&pointer) {
            ELSEWHERE.iter().for_each(|key| drop(of.remove(*key)));
            for limit in of.get_mut("limits").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
                if let Some(value) = limit.get("value") {
                    *limit = value.clone();
                }
            }
        }
    }
    for pointer in ["/work/child/runbook", "/work/body/child/runbook"] {
        if let Some(Value::Object(of)) = work.pointer_mut(pointer) {
            of.remove("plan");
        }
    }
    for binding in work.get_mut("inputs").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::Object(of)) = binding.get_mut("source") {
            of.remove("digest");
        }
    }
    work
}

fn add_touch(facts: &mut Facts, touch: &Touch) {
    let power = touch.reached.power.name();
    facts.insert((Subject::Power, power.to_owned()), Value::Null);
    let mut verdict = if touch.granted { "granted" } else { "denied" }.to_owned();
    // What is forbidden within the place, and may not be any more.
    for (number, within) in touch.except.iter().enumerate() {
        verdict += if number == 0 { " except " } else { ", " };
        verdict += &within.to_string();
    }
    // One path may be granted to one step and denied to another.
    let slot = facts.entry((Subject::Scope, format!("{power} {}", touch.reached))).or_insert_with(|| json!([]));
    if let Value::Array(verdicts) = slot {
        verdicts.push(json!(verdict));
        verdicts.dedup();
    }
}

fn shown(way: &[StepId]) -> String {
    way.iter().map(StepId::as_str).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_within_a_place_is_compared() {
        let check = |except: &str, expected: &str| {
            let touch = format!(r#"{{"power":"fs-read","path":"data","granted":true,"except":[{except}],"by":[]}}"#);
            let mut facts = Facts::new();
            add_touch(&mut facts, &serde_json::from_str(&touch).unwrap());
            assert_eq!(facts.into_values().collect::<Vec<_>>(), [Value::Null, json!([expected])]);
        };
        check("", "granted");
        check(r#""data/a","data/b""#, "granted except data/a, data/b");
    }
}

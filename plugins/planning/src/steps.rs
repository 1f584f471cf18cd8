//! Steps as the host reads them: items of a `runbook_definition`.

use crate::text::plain;
use crate::world::{Component, World};
use palisade_sdk::serde_json::{Map, Value, json};

/// Most characters of a title.
const MAX_TITLE: usize = 100;

/// A step that runs a component over what others made.
#[derive(Debug, Clone)]
pub struct Analysis<'a> {
    /// Its id, which is what it makes too.
    pub id: &'a str,
    /// What people call it.
    pub title: &'a str,
    /// The component, as a runbook names it.
    pub component: &'a str,
    /// What it reads.
    pub inputs: &'a [&'a str],
    /// Its config; an empty one is left away.
    pub config: &'a Value,
    /// Why it is there.
    pub why: &'a str,
}

/// A step that reads a system.
#[must_use]
pub fn source(id: &str, system: &str, why: &str) -> Value {
    json!({
        "id": id, "name": plain(&format!("Read {system}"), MAX_TITLE), "type": "source", "system": system, "description": why,
    })
}

/// A step that runs a component.
#[must_use]
pub fn analysis(step: &Analysis<'_>) -> Value {
    let mut value = json!({
        "id": step.id,
        "name": plain(step.title, MAX_TITLE),
        "type": "analyse",
        "analyser": step.component,
        "inputs": step.inputs,
        "output": step.id,
        "description": step.why,
    });
    if step.config.as_object().is_some_and(|config| !config.is_empty()) {
        value["config"] = step.config.clone();
    }
    value
}

/// The config of a component: the rulesets that it needs, where the ones that it names itself are not there.
///
/// Fails with the type of a ruleset of which there is none.
pub fn config<'w>(world: &World, component: &'w Component) -> Result<Value, &'w str> {
    let mut config = Value::Object(Map::new());
    for wanted in &component.rulesets {
        let Some(ruleset) = world.ruleset(wanted) else { return Err(&wanted.kind) };
        if wanted.default.as_deref() == Some(ruleset) {
            continue;
        }
        let mut place = &mut config;
        for key in wanted.pointer.split('/').skip(1) {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(map) = place else { break };
            place = map.entry(key).or_insert(Value::Null);
        }
        *place = ruleset.into();
    }
    Ok(config)
}

/// An id made from a name.
#[must_use]
pub fn identifier(name: &str) -> String {
    let mut id = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_alphanumeric() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('_') {
            id.push('_');
        }
    }
    let id: String = id.trim_end_matches('_').chars().take(60).collect();
    if id.is_empty() { "step".to_owned() } else { id }
}

//! Plans as documents fit their published schema, whatever the steps do.

use crate::corpus::{cases, shown};
use palisade_runbook::{Assumed, Plan, PlanDocument};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SCHEMA: &str = include_str!("../../../../schemas/palisade.plan/1.0.0.json");

fn document(plan: Plan) -> Value {
    let assumed = Assumed { threads: 4, input_bytes: &BTreeMap::new(), ceilings: &BTreeMap::new() };
    serde_json::to_value(PlanDocument::new(plan, &assumed)).unwrap()
}

/// What stands under a key anywhere in a document.
fn under(value: &Value, key: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| under(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

#[test]
fn plans_of_all_kinds_of_steps_fit_their_schema() {
    let validator = jsonschema::draft202012::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let (mut works, mut bodies, mut sources, mut setters) =
        <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
    let mut undone = false;
    for case in cases("valid") {
        let document = document(shown(&case).0.unwrap());
        let broken: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(broken.is_empty(), "{}:\n{}", case.display(), broken.join("\n"));
        under(&document, "type", &mut works);
        under(&document, "runs", &mut bodies);
        under(&document, "from", &mut sources);
        under(&document, "set_by", &mut setters);
        undone |= document["plan"]["steps"].as_array().unwrap().iter().any(|step| step["compensate"].is_object());
    }
    let has = |found: &BTreeSet<String>, wanted: &[&str]| wanted.iter().all(|wanted| found.contains(*wanted));
    assert!(has(&works, &["component", "map", "loop", "child", "approval", "agent", "reuse"]), "{works:?}");
    assert!(has(&bodies, &["component", "child"]) && undone, "{bodies:?}");
    assert!(has(&sources, &["step", "input", "artifact", "file"]), "{sources:?}");
    assert!(has(&setters, &["default", "step", "step_small", "step_standard", "step_large", "ceiling"]), "{setters:?}");
}

#[test]
fn the_schema_is_strict() {
    let validator = jsonschema::draft202012::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let case = cases("valid").into_iter().find(|case| case.ends_with("every-key-of-a-step")).unwrap();
    let good = document(shown(&case).0.unwrap());
    assert!(validator.is_valid(&good));
    // One key more in any of its objects is one too many, and so is one less in those that always have it.
    for place in [
        "",
        "/plan",
        "/plan/steps/0",
        "/plan/steps/0/work",
        "/plan/steps/0/work/call",
        "/worst_case/bound",
        "/authority",
    ] {
        let mut more = good.clone();
        more.pointer_mut(place).unwrap()["unknown"] = json!(1);
        assert!(!validator.is_valid(&more), "{place}");
        let keys: Vec<String> = good.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect();
        for key in keys {
            let mut less = good.clone();
            less.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(&key);
            assert!(!validator.is_valid(&less), "{place}/{key}");
        }
    }
}

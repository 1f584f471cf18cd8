use super::*;
use palisade_authority::Authority;
use palisade_interpreter::{AttemptStarted, AttemptSucceeded, HostCallRecorded, RunStarted};
use palisade_model::{Limits, RunLimits, Spent, Usage};
use palisade_runbook::{
    Binding, PlannedAlias, PlannedCall, PlannedCondition, PlannedInput, PlannedOutput, PlannedRuleset, PlannedWork,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;

fn from_step(step: &str) -> BindingSource {
    BindingSource::Step { step: step.parse().unwrap(), port: "out".to_owned() }
}

fn ruleset() -> BindingSource {
    BindingSource::Ruleset { name: "local/r/1.0.0".to_owned(), digest: Digest::of(b"r") }
}

fn step(id: &str, reads: Vec<BindingSource>, artifact: Option<&str>) -> PlannedStep {
    let schema: SchemaRef = "x/1.0.0".parse().unwrap();
    let call = PlannedCall {
        component: "palisade:x".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        component_digest: Digest::of(b"component"),
        first_party: true,
        config: Value::Null,
        values: Vec::new(),
        per_item: Vec::new(),
        limits: Limits::default(),
        paths: Vec::new(),
        connections: Vec::new(),
        declassifies: std::collections::BTreeSet::new(),
        places: Vec::new(),
        default_model: None,
        authority: Authority::none(),
    };
    let binding = |source| Binding { port: "in".to_owned(), source, schema: schema.clone() };
    PlannedStep {
        id: id.parse().unwrap(),
        title: None,
        description: None,
        contact: None,
        work: PlannedWork::Component { call },
        inputs: reads.into_iter().map(binding).collect(),
        outputs: vec![PlannedOutput {
            port: "out".to_owned(),
            artifact: artifact.map(|name| name.parse().unwrap()),
            schema: schema.clone(),
            exported: false,
        }],
        when: None,
        after: Vec::new(),
        retry: None,
        compensate: None,
        optional: false,
        labels: BTreeSet::new(),
    }
}

/// `given` → a → b → c, a ruleset into b, and d that only asks whether b has any.
fn plan() -> Plan {
    let mut asking = step("d", vec![from_step("a")], Some("d"));
    asking.when = Some(PlannedCondition { text: "b".to_owned(), names: vec![("b".to_owned(), from_step("b"))] });
    let given = BindingSource::Input { name: "given".parse().unwrap() };
    Plan {
        v: 2,
        name: "n".to_owned(),
        description: String::new(),
        contact: None,
        runbook_digest: Digest::of(b"runbook"),
        inputs: vec![PlannedInput {
            name: "given".parse().unwrap(),
            schema: "x/1.0.0".parse().unwrap(),
            declared: true,
            optional: false,
            default: None,
            sensitive: false,
            description: None,
        }],
        steps: vec![
            step("a", vec![given], Some("a")),
            step("b", vec![from_step("a"), ruleset()], None),
            step("c", vec![from_step("b")], Some("c")),
            asking,
        ],
        aliases: vec![PlannedAlias {
            artifact: "result".parse().unwrap(),
            title: None,
            description: None,
            contact: None,
            source: from_step("b"),
            schema: "x/1.0.0".parse().unwrap(),
            exported: true,
            optional: false,
        }],
        rulesets: vec![PlannedRuleset {
            name: "local/r/1.0.0".to_owned(),
            schema: "ruleset.x/1.0.0".parse().unwrap(),
            digest: Digest::of(b"r"),
            bytes: 5,
        }],
        schemas: Vec::new(),
        limits: RunLimits::default(),
        duration_is_set: false,
        offers: BTreeMap::new(),
    }
}

fn events() -> Vec<Event> {
    let input = RunInput {
        name: "given".parse().unwrap(),
        artifact: Digest::of(b"given"),
        schema: "x/1.0.0".parse().unwrap(),
        items: 7,
        bytes: 70,
        is_default: true,
    };
    let started = RunStarted {
        run: RunId::new(1, [1; 10]),
        at_ms: 1,
        title: "n".to_owned(),
        palisade_version: "0".to_owned(),
        plan: Digest::of(b"plan"),
        runbook: Digest::of(b"runbook"),
        contents: BTreeMap::new(),
        allowed: Vec::new(),
        by: None,
        approved_by: None,
        llm: None,
        inputs: vec![input],
        folder: None,
        parent: None,
        fork: None,
    };
    let mut events = vec![Event::RunStarted(Box::new(started))];
    for step in ["a", "b"] {
        events.push(Event::StepScheduled { step: step.parse().unwrap(), attempt: 1, iteration: 0 });
        events.push(Event::AttemptStarted(Box::new(AttemptStarted {
            step: step.parse().unwrap(),
            attempt: 1,
            iteration: 0,
            at_ms: 2,
            component: Digest::of(b"component"),
            limits: None,
            runs: 1,
        })));
        events.push(Event::AttemptSucceeded(Box::new(AttemptSucceeded {
            step: step.parse().unwrap(),
            attempt: 1,
            iteration: 0,
            at_ms: 3,
            outputs: vec![Output {
                port: "out".to_owned(),
                artifact: Digest::of(step.as_bytes()),
                schema: "x/1.0.0".parse().unwrap(),
                items: 1,
                bytes: 2,
            }],
            usage: Usage::default(),
            own: None,
            spent: Spent::default(),
            skipped_count: 0,
            skipped: Vec::new(),
            log: Vec::new(),
            reuse: None,
            files: Vec::new(),
        })));
    }
    events
}

fn lineage() -> Lineage {
    Lineage::of(&plan(), &events(), false)
}

#[track_caller]
fn check(part: &Part, artifacts: &[&str], steps: &[&str]) {
    assert_eq!(part.artifacts.iter().map(String::as_str).collect::<Vec<_>>(), artifacts);
    assert_eq!(part.steps.iter().map(StepId::as_str).collect::<Vec<_>>(), steps);
}

#[test]
fn what_was_made_and_what_was_only_planned_are_told_apart() {
    let lineage = lineage();
    let digest = |name: &str| lineage.artifact(name).unwrap().digest;
    assert_eq!((digest("a"), digest("given")), (Some(Digest::of(b"a")), Some(Digest::of(b"given"))));
    assert_eq!((digest("c"), digest("d")), (None, None));
    assert_eq!(lineage.artifact("given").unwrap().from, Origin::Input { is_default: true });
    let states: Vec<_> = lineage.steps.iter().map(|step| (step.state, step.attempts)).collect();
    assert_eq!(states, [("succeeded", 1), ("succeeded", 1), ("waiting", 0), ("waiting", 0)]);
    let nothing_ran = Lineage::of(&plan(), &[], false);
    assert_eq!(nothing_ran.artifact("given").unwrap().digest, None);
}

#[test]
fn an_artifact_has_all_its_names_and_is_a_result_by_any() {
    let lineage = lineage();
    let result = lineage.artifact("result").unwrap();
    assert_eq!((result.name.as_str(), result.exported), ("b/out", true));
    assert_eq!(lineage.artifact("b/out"), Some(result));
    assert!(!lineage.artifact("a").unwrap().exported && lineage.artifact("nothing").is_none());
}

/// Follows an artifact in one run.
fn follow(lineage: &Lineage, name: &str, up: bool) -> Part {
    let start = Start { artifacts: vec![(name, None)], up, down: !up };
    let first = (RunId::new(1, [1; 10]), (), Rc::new(lineage.clone()));
    let Ok(mut followed) = Followed::<(), ()>::from(first, &start, 9, &mut |_| Ok::<_, Infallible>(Err(())));
    let Relative { up: above, down: below, .. } = followed.runs.remove(0);
    if up { above } else { below }
}

#[test]
fn upwards_lie_all_that_a_step_needed() {
    let lineage = lineage();
    let up = |name| follow(&lineage, name, true);
    check(&up("c"), &["a", "b/out", "c", "given", "local/r/1.0.0"], &["a", "b", "c"]);
    check(&up("d"), &["a", "b/out", "d", "given", "local/r/1.0.0"], &["a", "b", "d"]);
    check(&up("given"), &["given"], &[]);
    check(&up("nothing"), &[], &[]);
    let d = lineage.step(&"d".parse().unwrap()).unwrap();
    let reads: Vec<_> =
        d.reads.iter().map(|read| (read.artifact.as_str(), read.port.as_deref(), read.used_as)).collect();
    assert_eq!(reads, [("a", Some("in"), Use::Input), ("b/out", None, Use::Condition)]);
}

#[test]
fn downwards_lies_all_that_was_made_from_it() {
    let lineage = lineage();
    let down = |name| follow(&lineage, name, false);
    check(&down("result"), &["b/out", "c", "d"], &["c", "d"]);
    check(&down("local/r/1.0.0"), &["b/out", "c", "d", "local/r/1.0.0"], &["b", "c", "d"]);
    check(&down("c"), &["c"], &[]);
    let part = down("result").of(&lineage);
    assert_eq!((part.artifacts.len(), part.steps.len()), (3, 2));
}

#[test]
fn artifacts_are_found_by_the_beginning_of_their_digest() {
    let lineage = lineage();
    let digest = Digest::of(b"a").to_string();
    for beginning in [digest.as_str(), &digest[..12]] {
        assert_eq!(lineage.with_digest(beginning).map(|found| found.name.as_str()).collect::<Vec<_>>(), ["a"]);
    }
    assert_eq!(lineage.with_digest("").count(), 4);
    assert_eq!(lineage.with_digest(&format!("{digest}0")).count(), 0);
}

#[test]
fn the_ids_of_attempts_are_fixed_and_differ() {
    let (run, step): (_, StepId) = (RunId::new(1, [1; 10]), "a".parse().unwrap());
    let id = attempt_id(run, &step, 0, 1);
    assert_eq!((id.as_str(), id.get(14..15)), (attempt_id(run, &step, 0, 1).as_str(), Some("5")));
    assert!(id != attempt_id(run, &step, 1, 1) && id != attempt_id(run, &step, 0, 2));
}

#[test]
fn each_thing_that_a_model_was_asked_is_named_once() {
    let call = |step: &str, number: u32, what: &str, request: u8| {
        Event::HostCallRecorded(Box::new(HostCallRecorded {
            step: step.parse().unwrap(),
            attempt: 1,
            iteration: 0,
            within: Vec::new(),
            call: number,
            at_ms: 1,
            what: what.to_owned(),
            request: Digest::of(&[request]),
            answer: Digest::of(b"answer"),
            may_pass: false,
            artifacts: Vec::new(),
            usage: Usage::default(),
            own: None,
        }))
    };
    let mut events = events();
    let asked = [("big", 1), ("big", 2), ("small", 1), ("big", 1), ("big", 3)];
    events.extend(
        (1..).zip(asked).map(|(number, (model, what))| call("a", number, &format!("llm.complete {model}"), what)),
    );
    // Others, and what is none that could be called, are not among them.
    events.extend([call("b", 1, "llm.complete big", 9), call("a", 9, "tools.call test:nobody", 9)]);
    let lineage = Lineage::of(&plan(), &events, false);
    let model = |model: &str, calls: u64, requests: &[u8]| {
        let requests = requests.iter().map(|request| Digest::of(&[*request])).collect();
        Called::Model { model: model.to_owned(), calls, requests }
    };
    assert_eq!(lineage.steps[0].called, [model("big", 4, &[1, 2, 3]), model("small", 1, &[1])]);
}

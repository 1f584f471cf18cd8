//! What a plan says: bindings, names of the config, authority, order.

use crate::support::{check, components, lookup};
use palisade_authority::{Use, WorkingFolder, authorise};
use palisade_model::manifest::Power;
use palisade_model::{LimitKind, LimitSource, RunLimits};
use palisade_runbook::{
    BindingSource, Plan, PlanContext, PlannedCall, PlannedStep, Severity, Source, Systems, parse, plan,
};
use palisade_schema::Registry;
use std::collections::BTreeMap;

const HEAD: &str = "name: N\ndescription: D\n";
const FILES: &str = "  files:\n    source: {type: filesystem, properties: {path: ' data/in '}}\n";
const PROCESS: &str = "{type: personal_data, properties: {pattern_matching: {ruleset: local/demo/1.0.0}}}";

fn planned(text: &str) -> Plan {
    let source = Source::new("x.yaml", text);
    let (plan, diagnostics) = check(&source);
    let errors: String = diagnostics.iter().map(|diagnostic| diagnostic.render(&source)).collect();
    plan.unwrap_or_else(|| panic!("{errors}"))
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p PlannedStep {
    plan.step(&id.parse().unwrap()).unwrap()
}

fn call<'p>(plan: &'p Plan, id: &str) -> &'p PlannedCall {
    step(plan, id).call().unwrap()
}

#[test]
fn inputs_are_bound_in_the_order_written_and_twice_is_twice() {
    let plan = planned(&format!(
        "{HEAD}artifacts:\n  pd: {{inputs: [b, files, b], process: {PROCESS}, output: true}}\n  b:\n    source: {{type: sqlite, \
         properties: {{database_path: x.db}}}}\n{FILES}"
    ));
    let from: Vec<String> = step(&plan, "pd")
        .inputs
        .iter()
        .map(|binding| format!("{}={}", binding.port, source(&binding.source)))
        .collect();
    assert_eq!(from, ["documents=b.out", "documents=files.out", "documents=b.out", "ruleset=local/demo/1.0.0"]);
    let order: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(order, ["b", "files", "pd"], "as written, but behind what is read");
}

#[test]
fn ports_are_filled_by_what_they_accept() {
    let plan = planned(&format!(
        "{HEAD}artifacts:\n{FILES}  code: {{inputs: files, process: {{type: source_code_analyser}}}}\n  both: {{inputs: [code, \
         files], process: {{type: 'acme:pair'}}, output: true}}\n"
    ));
    let bound: Vec<_> = step(&plan, "both").inputs.iter().map(|b| (b.port.as_str(), b.schema.to_string())).collect();
    assert_eq!(bound, [("left", "standard_input/1.0.0".to_owned()), ("right", "source_code/1.0.0".to_owned())]);
}

#[test]
fn what_is_handed_on_is_the_same_artifact() {
    let plan = planned(&format!(
        "{HEAD}artifacts:\n{FILES}  again: {{inputs: files, output: true, name: Again}}\n  third: {{inputs: again}}\n  pd: \
         {{inputs: third, process: {PROCESS}}}\n"
    ));
    assert_eq!(plan.steps.len(), 2);
    let names: Vec<_> = plan.aliases.iter().map(|alias| (alias.artifact.as_str(), source(&alias.source))).collect();
    assert_eq!(names, [("again", "files.out".to_owned()), ("third", "files.out".to_owned())]);
    assert!(plan.aliases[0].exported && !plan.aliases[1].exported);
    assert_eq!(step(&plan, "pd").waits_for().map(|id| id.as_str()).collect::<Vec<_>>(), ["files"]);
}

fn source(source: &BindingSource) -> String {
    match source {
        BindingSource::Step { step, port } => format!("{step}.{port}"),
        BindingSource::Ruleset { name, .. } => name.clone(),
        BindingSource::Input { name } => name.to_string(),
    }
}

fn allowed(step: &PlannedCall, power: Power, path: &str) -> bool {
    let folder = WorkingFolder::new(b"/srv/folder").unwrap();
    let asked = format!("{}={path}", power.name());
    authorise(&step.authority, &Use::parse_in(&folder, &folder, asked.as_bytes()).unwrap()).allowed()
}

#[test]
fn a_step_may_reach_what_its_config_names_and_no_more() {
    let plan = planned(&format!(
        "{HEAD}artifacts:\n{FILES}  b:\n    source: {{type: sqlite, properties: {{database_path: x.db}}}}\n    output: true\n"
    ));
    let files = call(&plan, "files");
    assert_eq!((files.paths[0].written.as_str(), files.config["path"].as_str()), ("data/in", Some("data/in")));
    assert!(allowed(files, Power::FsRead, "data/in/x"));
    assert!(!allowed(files, Power::FsRead, "data"));
    assert!(!allowed(files, Power::Sql, "data/in/x"), "the manifest asks for no databases");
    let tables = call(&plan, "b");
    assert_eq!((tables.connections[0].name.as_str(), tables.paths.len()), ("sqlite:x.db", 0));
    assert!(allowed(tables, Power::Sql, "x.db") && !allowed(tables, Power::FsRead, "x.db"));
}

#[test]
fn capabilities_of_the_runbook_are_a_second_key() {
    let with = |capabilities: &str| planned(&format!("{HEAD}capabilities: {capabilities}\nartifacts:\n{FILES}"));
    assert!(allowed(call(&with("[fs-read=data]"), "files"), Power::FsRead, "data/in/x"));
    assert!(!allowed(call(&with("[fs-read=other]"), "files"), Power::FsRead, "data/in/x"));
    assert!(!allowed(call(&with("[]"), "files"), Power::FsRead, "data/in/x"));
    assert!(!allowed(call(&with("[fs-read=/]"), "files"), Power::FsRead, "/etc/passwd"), "it can't widen");
}

#[test]
fn limits_are_the_steps_own_below_the_ceiling() {
    let text = format!(
        "{HEAD}config: {{timeout: '60', max_concurrency: 2.0}}\nartifacts:\n{FILES}    limits: {{wall: 5, memory: 2 MiB}}\n"
    );
    let plan = planned(&text);
    let limits = &call(&plan, "files").limits;
    assert_eq!((limits.value(LimitKind::Wall), limits.value(LimitKind::Memory)), (5_000, 2 << 20));
    assert_eq!(limits.get(LimitKind::Wall).set_by, LimitSource::Step);
    assert_eq!((plan.wall_ms(), plan.max_concurrency(), plan.duration_is_set), (60_000, 2, true));
    assert_eq!(planned(&format!("{HEAD}artifacts:\n{FILES}")).wall_ms(), 300_000);
}

#[test]
fn variables_come_from_the_given_map_alone() {
    let source = Source::new(
        "x.yaml",
        format!("{HEAD}artifacts:\n  f:\n    source: {{type: filesystem, properties: {{path: '${{DATA}}/x'}}}}\n"),
    );
    let variables = BTreeMap::from([("DATA".to_owned(), "in".to_owned())]);
    let (runbook, diagnostics) = parse(&source, &variables);
    assert_eq!(diagnostics, []);
    let (runbook, components) = (runbook.unwrap(), components());
    let context = PlanContext {
        components: &components,
        schemas: &Registry::builtin().unwrap(),
        rulesets: &lookup(&runbook, &components, &|_| None),
        children: &BTreeMap::new(),
        systems: &Systems::default(),
        connections: &[],
        ceilings: &BTreeMap::new(),
        run_ceilings: &RunLimits::default(),
        folder: &WorkingFolder::new(b"/w").unwrap(),
        allowed: &[],
        generated: None,
        flows: &Default::default(),
        models: &Default::default(),
    };
    let (planned, _) = plan(&runbook, &context);
    assert_eq!(planned.unwrap().steps[0].call().unwrap().paths[0].path.to_string(), "in/x");
}

#[test]
fn a_plan_names_everything_that_shaped_it() {
    let text = format!("{HEAD}artifacts:\n{FILES}  pd: {{inputs: files, process: {PROCESS}, output: true}}\n");
    let plan_a = planned(&text);
    assert_eq!(plan_a.digest(), planned(&text).digest());
    let json = serde_json::to_value(&plan_a).unwrap();
    assert_eq!(plan_a.digest(), palisade_model::canonical::digest(&json), "it is that of the stored form");
    let offers = plan_a.results().into_iter().map(|(name, source)| (name.to_string(), source)).collect();
    let child = Plan { offers, ..plan_a.clone() };
    let json = serde_json::to_vec(&child).unwrap();
    assert_ne!(child.digest(), plan_a.digest());
    assert_eq!(child.canonical(), palisade_model::canonical::to_vec(&child));
    assert_eq!(Plan::read(&child.canonical()).unwrap(), Plan::read(&json).unwrap());
    assert_ne!(plan_a.digest(), planned(&text.replace("data/in", "data/on")).digest());
    assert_ne!(plan_a.digest(), planned(&text.replace("name: N", "name: M")).digest());
    let schemas: Vec<String> = plan_a.schemas.iter().map(|schema| schema.schema.to_string()).collect();
    assert_eq!(
        schemas,
        ["personal_data_indicator/1.0.0", "ruleset.personal_data_indicator/1.0.0", "standard_input/1.0.0"]
    );
}

#[test]
fn a_runbook_with_an_error_has_no_plan_and_all_its_errors() {
    let text = format!(
        "{HEAD}artifacts:\n{FILES}  a: {{inputs: fles, process: {PROCESS}}}\n  b: {{inputs: a, process: {{type: nope}}}}\n  c: \
         {{inputs: b, process: {{type: personal_data, properties: {{pattern_matching: {{}}}}}}}}\n"
    );
    let (none, diagnostics) = check(&Source::new("x.yaml", text));
    assert!(none.is_none());
    let errors: Vec<String> =
        diagnostics.iter().filter(|d| d.severity == Severity::Error).map(|d| d.code.to_string()).collect();
    assert_eq!(errors, ["PAL0304", "PAL0301", "PAL0310"]);
}

#[test]
fn many_artifacts_are_planned_soon() {
    let mut text = format!("{HEAD}artifacts:\n{FILES}");
    for number in 0..8_000 {
        let before = if number == 0 { "files".to_owned() } else { format!("s{}", number - 1) };
        text.push_str(&format!("  s{number}: {{inputs: {before}}}\n"));
    }
    let started = std::time::Instant::now();
    assert_eq!(planned(&text).aliases.len(), 8_000);
    let circle = text.replace("source: {type: filesystem, properties: {path: ' data/in '}}", "inputs: s7999");
    let missing = text.replace("inputs: s", "inputs: t");
    for broken in [circle, missing] {
        assert!(check(&Source::new("x.yaml", broken)).0.is_none());
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

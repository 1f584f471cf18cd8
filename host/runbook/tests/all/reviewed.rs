//! What follows from a plan: whether it has a bound, what it could touch, how it differs from another.

use crate::support::{self, World, components, demo, lookup};

use palisade_authority::{Grant, WorkingFolder};
use palisade_model::{RunLimitKind, RunLimits};
use palisade_runbook::{
    Assumed, Code, Diagnostic, Plan, PlanContext, PlanDocument, Source, Systems, closure, first_denied, parse, plan,
    plan_diff,
};
use palisade_schema::Registry;
use std::collections::BTreeMap;

const FILES: &str =
    "name: N\nexecution:\n- {id: files, type: source, connector: filesystem, config: {path: data}, output: files}\n";

fn found(text: &str, ceilings: &[(RunLimitKind, u64)]) -> Vec<Diagnostic> {
    let (runbook, told) = parse(&Source::new("x.yaml", text), &BTreeMap::new());
    assert_eq!(told, []);
    let (runbook, components) = (runbook.unwrap(), components());
    let context = PlanContext {
        components: &components,
        schemas: &Registry::builtin().unwrap(),
        rulesets: &lookup(&runbook, &components, &|_| None),
        children: &BTreeMap::new(),
        systems: &Systems::default(),
        connections: &[],
        ceilings: &BTreeMap::new(),
        run_ceilings: &ceilings.iter().copied().collect::<RunLimits>(),
        folder: &WorkingFolder::new(b"/srv/folder").unwrap(),
        allowed: &[],
        generated: None,
        flows: &Default::default(),
        models: &Default::default(),
    };
    plan(&runbook, &context).1
}

/// The errors of `text` under ceilings, each with the text it points to.
#[track_caller]
fn check(text: &str, ceilings: &[(RunLimitKind, u64)], expected: &[(Code, &str)]) {
    let source = Source::new("x.yaml", text);
    let found = found(text, ceilings);
    let errors: Vec<_> =
        found.iter().filter(|told| told.is_error()).map(|told| (told.code, source.slice(told.span))).collect();
    assert_eq!(errors, expected, "{}", found.iter().map(|told| told.render(&source)).collect::<String>());
}

fn map(items: &str) -> String {
    format!(
        "{FILES}- {{id: code, type: map, analyser: source_code_analyser, input: files, max_items: {items}, output: code}}\n"
    )
}

#[test]
fn a_run_without_a_bound_is_refused_at_the_step_that_has_most_of_it() {
    // The runs fit, and their fuel of two billion each does not.
    check(&map("1000000"), &[], &[]);
    check(&map("10000000000"), &[], &[(Code::Unbounded, "code")]);
}

#[test]
fn a_ceiling_of_runs_refuses_what_could_pass_it() {
    use RunLimitKind::{MaxDuration, MaxRuns};
    check(&map("29"), &[(MaxRuns, 30)], &[]);
    check(&map("30"), &[(MaxRuns, 30)], &[(Code::AboveRunCeiling, "code")]);
    // What the runbook states itself is the place, and bounds it too.
    let stated = |runs| map("30").replace("execution:", &format!("limits: {{max_runs: {runs}}}\nexecution:"));
    check(&stated(30), &[(MaxRuns, 30)], &[]);
    check(&stated(31), &[(MaxRuns, 30)], &[(Code::AboveRunCeiling, "31")]);
    // Nobody asked for WCF's default duration of five minutes.
    check(&map("30"), &[(MaxDuration, 1_000)], &[]);
    let asked = map("30").replace("execution:", "limits: {max_duration: 2}\nexecution:");
    check(&asked, &[(MaxDuration, 1_000)], &[(Code::AboveRunCeiling, "2")]);
}

#[test]
fn ceilings_hold_for_what_is_generated() {
    use RunLimitKind::{MaxDepth, MaxLlmCost};
    let text = "name: N\ninputs: {book: {input_schema: runbook_definition/1.0.0}}\nexecution:\n- {id: made, type: execute_workflow, workflow: \
                '{{ book }}', limits: {max_depth: 2, max_llm_cost: 50}}\n";
    check(text, &[(MaxDepth, 2), (MaxLlmCost, 50_000_000)], &[]);
    let expected = [(Code::AboveRunCeiling, "made"), (Code::AboveRunCeiling, "made")];
    check(text, &[(MaxDepth, 1), (MaxLlmCost, 49_999_999)], &expected);
}

fn planned(text: &str) -> Plan {
    let source = Source::new("x.yaml", text);
    let (plan, told) = support::check(&source);
    plan.unwrap_or_else(|| panic!("{}", told.iter().map(|told| told.render(&source)).collect::<String>()))
}

#[test]
fn the_closure_holds_what_configs_name_and_says_what_is_denied() {
    let plan = planned(&format!(
        "{FILES}- {{id: outside, type: source, connector: filesystem, config: {{path: /etc}}, output: outside}}\n- {{id: again, type: \
         source, connector: filesystem, config: {{path: ./data/}}, output: again}}\n- {{id: tables, type: source, connector: sqlite, \
         config: {{database_path: x.db}}, output: tables}}\n"
    ));
    let told: Vec<String> = closure(&plan)
        .touches
        .iter()
        .map(|touch| {
            let by: Vec<&str> = touch.by.iter().map(|by| by.step[0].as_str()).collect();
            format!("{} {} {} {}", touch.reached.power.name(), touch.reached, touch.granted, by.join(","))
        })
        .collect();
    assert_eq!(told, ["fs-read data true files,again", "fs-read /etc false outside", "sql x.db true tables"]);
    let denied = first_denied(&plan).unwrap();
    assert_eq!((denied.step[0].as_str(), denied.pointer.as_str()), ("outside", "/path"));
    assert_eq!(denied.allow.as_deref(), Some("--allow fs-read=/etc"));
    assert_eq!(first_denied(&planned(FILES)), None);
}

#[test]
fn the_closure_holds_a_server_that_was_allowed_and_that_no_config_names() {
    let text = "name: N\nexecution:\n- {id: tickets, type: source, connector: 'acme:tracker', output: tickets}\n";
    let mut world = World::new();
    let touched = |world: &World| {
        let (plan, told) = world.check(&Source::new("x.yaml", text), &demo, &|_| None);
        let plan = plan.unwrap_or_else(|| panic!("{told:?}"));
        closure(&plan).touches.into_iter().map(|touch| touch.reached.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(touched(&world), Vec::<String>::new());
    let folder = WorkingFolder::new(b"/srv/folder").unwrap();
    world.allowed = vec![Grant::parse(&folder, b"http=https://mirror.example.org").unwrap()];
    assert_eq!(touched(&world), ["GET,HEAD https://mirror.example.org"]);
}

fn document(text: &str) -> PlanDocument {
    PlanDocument::new(planned(text), &Assumed { threads: 2, input_bytes: &BTreeMap::new(), ceilings: &BTreeMap::new() })
}

/// The differences, without amounts.
#[track_caller]
fn check_diff(old: &str, new: &str, expected: &[&str]) {
    let found = plan_diff(&document(old), &document(new));
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told: Vec<String> = found
        .iter()
        .map(|found| {
            let (change, subject) = (serde_json::to_value(found.change), serde_json::to_value(found.subject));
            format!("{} {} {}", word(change.unwrap()), word(subject.unwrap()), found.what)
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn plans_differ_in_what_a_reviewer_asks_for() {
    check_diff(FILES, &FILES.replace("name: N", "name: M"), &[]);
    check_diff(
        FILES,
        &FILES.replace("path: data", "path: /etc"),
        &["new scope fs-read /etc", "removed scope fs-read data", "changed work files: work.call.config.path"],
    );
    let more = format!(
        "{FILES}- {{id: tables, type: source, connector: sqlite, config: {{database_path: x.db}}, output: tables}}\n"
    );
    let new = [
        "new power sql",
        "new scope sql x.db",
        "new component palisade:sqlite",
        "new digest palisade:sqlite",
        "new data source palisade:sqlite",
        "new label palisade:sqlite",
        "higher bound component_runs",
        "higher bound fuel",
        "higher bound memory_bytes",
        "new step tables",
        "new output tables",
    ];
    check_diff(FILES, &more, &new);
    let gone: Vec<String> = new.iter().map(|told| told.replace("new", "removed").replace("higher", "lower")).collect();
    check_diff(&more, FILES, &gone.iter().map(String::as_str).collect::<Vec<_>>());
    check_diff(
        FILES,
        &FILES.replace("name: N", "name: N\nlimits: {max_duration: 1h}"),
        &["higher run_limit max_duration"],
    );
}

#[test]
fn a_document_is_read_back_unless_it_was_changed() {
    let document = document(FILES);
    let text = serde_json::to_string(&document).unwrap();
    assert_eq!(PlanDocument::read(&text).unwrap(), document);
    let whole = palisade_model::canonical::digest(&serde_json::to_value(&document.plan).unwrap());
    assert_eq!(document.plan_digest, whole, "of the whole, whichever way it is computed");
    assert!(PlanDocument::read(&text.replace("\"N\"", "\"M\"")).is_err());
    assert!(PlanDocument::read("{}").is_err());
}

/// What a step lets a runbook use that is an artifact, what that lets its own child use, and what the child would keep to.
#[test]
fn bounds_of_all_lists_above_hold_for_what_a_generated_runbook_runs() {
    let caller = "name: N\ninputs: {made: {input_schema: runbook_definition}, book: {input_schema: runbook_definition}}\n\
                  execution:\n- id: run_it\n  type: execute_workflow\n  workflow: '{{ made }}'\n  inputs: {book: book}\n  components:\n  \
                  - {component: 'acme:words', config: {mode: {const: fast}}}\n  - acme:split\n";
    let bounds = |listed: &str| {
        let made = format!(
            "inputs: {{book: {{input_schema: runbook_definition}}}}\nexecution:\n- {{id: deeper, type: execute_workflow, \
             workflow: '{{{{ book }}}}'{listed}}}\n"
        );
        let (plan, told) =
            support::World::new().check_artifact(&Source::new("caller.yaml", caller), &Source::new("made.yaml", made));
        let plan = plan.unwrap_or_else(|| panic!("{told:?}"));
        let may = plan.steps[0].child().unwrap().components.clone().unwrap();
        let bound = |bound: &palisade_runbook::ConfigBound| format!(" {bound} ({})", bound.stated);
        may.iter()
            .map(|one| one.component.to_string() + &one.config.iter().map(bound).collect::<String>())
            .collect::<Vec<_>>()
    };
    let fast = "acme:words `mode` is `fast` (caller.yaml:9)";
    assert_eq!(bounds(""), [fast, "acme:split"]);
    assert_eq!(bounds(", components: ['acme:words']"), [fast]);
    // What the list says itself holds beside it, whether it could ever be met or not.
    let own = ", components: [{component: 'acme:words', config: {mode: {const: thorough}}}]";
    assert_eq!(bounds(own), [format!("{fast} `mode` is `thorough` (made.yaml:3)")]);
    let twice = ", components: ['acme:split', 'acme:words', {component: 'acme:words', config: {most: {const: 1}}}, 'acme:words']";
    assert_eq!(bounds(twice), ["acme:split".to_owned(), format!("{fast} `most` is `1` (made.yaml:3)")]);
}

#[test]
fn lists_of_components_are_bounded_themselves() {
    let told = |most: usize| {
        let entries: String = (0..most)
            .map(|number| format!("  - {{component: 'acme:words', config: {{most: {{const: {number}}}}}}}\n"))
            .collect();
        let text = format!(
            "name: N\ninputs: {{book: {{input_schema: runbook_definition}}}}\nexecution:\n- id: made\n  type: execute_workflow\n  \
             workflow: '{{{{ book }}}}'\n  components:\n{entries}"
        );
        support::check(&Source::new("x.yaml", text)).1.into_iter().filter(Diagnostic::is_error).collect::<Vec<_>>()
    };
    assert_eq!(told(200), []);
    let found = told(20_000);
    assert_eq!(found[0].code, Code::BadValue);
    assert_eq!(found[0].message, "more than 200 bounds hold for the config of `acme:words`");
}

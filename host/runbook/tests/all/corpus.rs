//! `tests/runbooks/{valid,invalid}/NAME/` of the project: `runbook.yaml` with its children and `palisade.toml`, and in
//! `expected.txt` what a person is shown for it; for a valid one also what was understood. Where there is an
//! `artifact.yaml`, it is about that one: an artifact that a step of the runbook runs. A new case needs no Rust. With
//! `BLESS=1` in the environment the texts are rewritten; read them before you commit.

use crate::support::{World, connection, demo, model};
use palisade_authority::{Capability, FlowRule, Flows, Labels, ScopedPath, Sink, WorkingFolder};
use palisade_model::llm::{ModelSpec, Price};
use palisade_model::sql::ServerKind;
use palisade_model::{LimitKind, RunLimitKind};
use palisade_runbook::{
    BindingSource, ConfigBound, ConfigRule, OperatorEntry, Plan, PlannedStep, Source, System, pointer_of,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// As much of `palisade.toml` as planning needs.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    ceilings: BTreeMap<String, toml::Value>,
    environment: Environment,
    system: Vec<SystemTable>,
    generated: Generated,
    flow: Vec<FlowTable>,
    model: Vec<ModelTable>,
    connection: Vec<ConnectionTable>,
}

/// A connection, with what does not matter here left out.
#[derive(Deserialize)]
struct ConnectionTable {
    name: String,
    kind: String,
    host: String,
}

/// A model of others, with some price.
#[derive(Deserialize)]
struct ModelTable {
    alias: String,
}

#[derive(Deserialize)]
struct FlowTable {
    labels: BTreeSet<String>,
    to: Option<Vec<String>>,
    never_to: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Generated {
    components: Option<Vec<toml::Value>>,
}

#[derive(Default, Deserialize)]
struct Environment {
    variables: Vec<String>,
}

#[derive(Deserialize)]
struct SystemTable {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    connector: String,
    #[serde(default)]
    config: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    labels: Vec<String>,
}

/// The folders of the corpus.
pub(crate) fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/runbooks").join(kind);
    let mut cases: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

pub(crate) fn world(case: &Path) -> World {
    let mut world = World::new();
    let Ok(text) = std::fs::read_to_string(case.join("palisade.toml")) else { return world };
    let settings: Settings = toml::from_str(&text).unwrap();
    let amount = |value: &toml::Value| value.as_str().unwrap().to_owned();
    for (key, value) in &settings.ceilings {
        if let Some(table) = value.as_table() {
            for (key, value) in table {
                let kind = RunLimitKind::from_key(key).unwrap();
                world.run_ceilings.set(kind, kind.parse(&amount(value)).unwrap());
            }
        } else {
            let kind = LimitKind::from_key(key).unwrap();
            world.ceilings.insert(kind, kind.parse(&amount(value)).unwrap());
        }
    }
    // Every variable that is listed is set to this.
    world.variables = settings.environment.variables.into_iter().map(|name| (name, "data".to_owned())).collect();
    let names = settings.generated.components;
    world.generated = names.map(|names| names.iter().map(listed).collect());
    let rule = |table: FlowTable| FlowRule {
        labels: Labels::These(table.labels),
        never: table.never_to.is_some(),
        sinks: table.to.or(table.never_to).into_iter().flatten().map(|place| sink(&place)).collect(),
        stated: "palisade.toml:1".to_owned(),
    };
    world.flows = Flows::new(settings.flow.into_iter().map(rule).collect());
    let priced = |table: ModelTable| {
        let price = Price { input: 1_000_000, output: 1_000_000, as_of: "2026-11-01".to_owned() };
        ModelSpec { price: Some(price), ..model(&table.alias) }
    };
    world.models.models = settings.model.into_iter().map(priced).collect();
    let known = |word: &str| ServerKind::ALL.into_iter().find(|kind| kind.word() == word).unwrap();
    let connected = |table: ConnectionTable| connection(&table.name, known(&table.kind), &table.host);
    world.connections = settings.connection.into_iter().map(connected).collect();
    for table in settings.system {
        let taken = world.systems.add(System {
            name: table.name,
            aliases: table.aliases,
            connector: table.connector.parse().unwrap(),
            config: table.config.into(),
            labels: table.labels.into_iter().collect(),
        });
        assert_eq!(taken, None);
    }
    world
}

fn sink(place: &str) -> Sink {
    let folder = WorkingFolder::new(b"/srv/folder").unwrap();
    match place {
        "output" => Sink::Output,
        "approval" => Sink::Approval,
        power => Sink::Power(Capability::parse_destination_in(&folder, &folder, power.as_bytes()).unwrap()),
    }
}

/// An entry of the operator's list. That it is read as `palisade.toml` is, with its line, others test.
fn listed(entry: &toml::Value) -> OperatorEntry {
    let name = entry.as_str().or_else(|| entry.get("component")?.as_str()).unwrap();
    let folder = WorkingFolder::new(b"/srv/folder").unwrap();
    let bound = |(property, said): (&String, &toml::Value)| {
        let rule = ConfigRule::read(&serde_json::to_value(said).unwrap()).unwrap();
        let rule = rule.with_path(|path| ScopedPath::parse(&folder, path.as_bytes())).unwrap();
        ConfigBound { pointer: pointer_of(property), rule, stated: "palisade.toml:2".to_owned() }
    };
    let config = entry.get("config").and_then(toml::Value::as_table);
    OperatorEntry { component: name.parse().unwrap(), config: config.into_iter().flatten().map(bound).collect() }
}

/// What is shown for a case, and its plan.
pub(crate) fn shown(case: &Path) -> (Option<Plan>, String) {
    let bytes = std::fs::read(case.join("runbook.yaml")).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let source = match Source::from_bytes("runbook.yaml", bytes) {
        Ok(source) => source,
        Err(diagnostic) => return (None, diagnostic.render(&Source::new("", ""))),
    };
    let read = |path: &str| Source::from_bytes(path, std::fs::read(case.join(path)).ok()?).ok();
    if let Some(artifact) = read("artifact.yaml") {
        let (plan, found) = world(case).check_artifact(&source, &artifact);
        let texts: Vec<String> = found.iter().map(|found| found.render(&artifact)).collect();
        return (plan, texts.join("\n"));
    }
    let (plan, found) = world(case).check(&source, &demo, &read);
    let texts: Vec<String> = found.iter().map(|(source, found)| found.render(source)).collect();
    (plan, texts.join("\n"))
}

fn outline(plan: &Plan, indent: &str) -> String {
    let mut text = String::new();
    for input in &plan.inputs {
        let kind = if input.optional { "optional input" } else { "input" };
        let _ = writeln!(text, "{indent}{kind} {}: {}", input.name, input.schema);
    }
    for step in &plan.steps {
        text.push_str(&step_outline(step, indent));
    }
    for alias in &plan.aliases {
        let exported = if alias.exported { " (result)" } else { "" };
        let _ = writeln!(text, "{indent}{}{exported} is {}", alias.artifact, source(&alias.source));
    }
    text
}

fn step_outline(step: &PlannedStep, indent: &str) -> String {
    let mut text = format!("{indent}{} {}", step.kind(), step.id);
    let runs = step.call().map(|call| call.component.to_string());
    let _ = write!(text, "{}", runs.map(|id| format!(" runs {id}")).unwrap_or_default());
    for input in &step.inputs {
        let _ = write!(text, ", {}={}", input.port, source(&input.source));
    }
    if let Some(palisade_runbook::PlannedChildRunbook::Artifact { source: runbook, .. }) =
        step.child().map(|child| &child.runbook)
    {
        let _ = write!(text, " runs {}", source(runbook));
    }
    if let Some(submits) = step.submits() {
        let _ = write!(text, ", submits {} runbooks", submits.most);
    }
    for value in step.call().iter().flat_map(|call| &call.values) {
        let _ = write!(text, ", {}={}{}", value.pointer, source(&value.source), value.path);
    }
    if let Some(when) = &step.when {
        let _ = write!(text, ", when {}", when.text);
    }
    if !step.after.is_empty() {
        let _ = write!(text, ", after {}", step.after.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    }
    for called in step.callable().filter(|called| !called.fixed.is_empty()) {
        let rulesets: Vec<_> = called.rulesets.iter().map(|binding| source(&binding.source)).collect();
        let rulesets = if rulesets.is_empty() { String::new() } else { format!(", reads {}", rulesets.join(" ")) };
        let config = serde_json::Value::Object(called.fixed_config());
        let _ = write!(text, "\n{indent}  calls {} with {config}{rulesets}", called.call.component);
    }
    for output in step.outputs.iter().filter(|output| output.artifact.is_some()) {
        let exported = if output.exported { " (result)" } else { "" };
        let name = output.artifact.as_ref().map(ToString::to_string).unwrap_or_default();
        let _ = write!(text, "\n{indent}  makes {name}: {}{exported}", output.schema);
    }
    text.push('\n');
    if let Some(undo) = &step.compensate {
        let _ = write!(text, "{indent}  undone by {}", step_outline(undo, "").replace('\n', ""));
        text.push('\n');
    }
    if let Some(palisade_runbook::PlannedChildRunbook::File { path, plan }) = step.child().map(|child| &child.runbook) {
        let _ = writeln!(text, "{indent}  child {path}:\n{}", outline(plan, &format!("{indent}    ")).trim_end());
    }
    text
}

fn source(source: &BindingSource) -> String {
    match source {
        BindingSource::Step { step, port } => format!("{step}.{port}"),
        BindingSource::Input { name } => format!("input {name}"),
        BindingSource::Ruleset { name, .. } => name.clone(),
    }
}

fn compare(case: &Path, now: &str) -> Option<String> {
    let expected = case.join("expected.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, now).unwrap();
        return None;
    }
    match std::fs::read_to_string(&expected) {
        Ok(agreed) if agreed == now => None,
        Ok(agreed) => Some(format!("=== {}\n--- agreed\n{agreed}\n--- now\n{now}", case.display())),
        Err(error) => Some(format!("=== {}: {error}", expected.display())),
    }
}

#[test]
fn invalid_runbooks_are_told_what_is_wrong_with_them() {
    let cases = cases("invalid");
    assert!(cases.len() >= 120, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (plan, text) = shown(&case);
        if plan.is_some() {
            wrong.push(format!("=== {} has a plan\n{text}", case.display()));
        }
        wrong.extend(compare(&case, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs whatever it is given, with nothing of its own in the way.
const CALLER: &str = "name: Caller\ninputs: {made: {input_schema: runbook_definition}}\nexecution:\n  - {id: run_it, \
                      type: execute_workflow, workflow: \"{{ made }}\", limits: {max_depth: 5}}\n";

#[test]
fn invalid_runbooks_are_refused_from_a_step_as_they_are_from_a_file() {
    let mut planned = Vec::new();
    for case in cases("invalid").into_iter().filter(|case| !case.join("artifact.yaml").exists()) {
        let bytes = std::fs::read(case.join("runbook.yaml")).unwrap();
        let Ok(artifact) = Source::from_bytes("artifact.yaml", bytes) else { continue };
        let (plan, told) = world(&case).check_artifact(&Source::new("caller.yaml", CALLER), &artifact);
        if plan.is_some() || !told.iter().any(palisade_runbook::Diagnostic::is_error) {
            planned.push(case.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    // From a step they have no power that they don't state, so these bring nothing to a server.
    assert_eq!(planned, ["label-kept-from-servers", "label-to-a-server"]);
}

#[test]
fn valid_runbooks_are_understood() {
    let cases = cases("valid");
    assert!(cases.len() >= 25, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        match shown(&case) {
            (Some(plan), text) => {
                let text = [text, outline(&plan, "")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
                wrong.extend(compare(&case, &text.join("\n")));
            }
            (None, text) => wrong.push(format!("=== {} has no plan\n{text}", case.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! The published schemas of Palisade's own files fit what Palisade writes and reads.

use palisade_tests::told::fits;
use palisade_tests::{Dir, palisade, root};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn demo() -> Dir {
    let dir = Dir::new();
    dir.copy_from(&root().join("examples/demo"));
    dir
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn what_is_told_of_a_run_fits() {
    let dir = demo();
    let done = palisade(dir.path(), ["run", "runbook.yaml", "--format", "json"]).exits(0);
    fits("palisade.run", &json(&done.stdout));
    let steps = palisade(dir.path(), ["run", "special_categories.yaml", "--format", "json", "--out", "out"]).exits(0);
    let record = json(&steps.stdout);
    fits("palisade.run", &record);
    let all = record["steps"].as_array().unwrap();
    assert!(all.len() >= 4 && all.iter().all(|step| step["status"] == "succeeded"), "{record:#}");
    let closer = json(&text(&dir.join("out/special_categories.json")));
    assert!(closer["summary"]["total_findings"].as_u64().unwrap() > 0, "{closer:#}");
    let failing = std::fs::read_to_string(dir.join("runbook.yaml"))
        .unwrap()
        .replace("    inputs: files\n", "    inputs: files\n    limits: {fuel: 1000, fuel_per_input_byte: 1}\n");
    dir.write("failing.yaml", failing);
    let failed = palisade(dir.path(), ["run", "failing.yaml", "--format", "json"]).exits(4);
    fits("palisade.run", &json(&failed.stdout));
}

#[test]
fn what_is_told_of_a_plan_fits() {
    let dir = demo();
    for runbook in ["runbook.yaml", "special_categories.yaml", "reviewed.yaml"] {
        let planned = palisade(dir.path(), ["plan", runbook, "--format", "json"]).exits(0);
        fits("palisade.plan", &json(&planned.stdout));
    }
}

#[test]
fn what_is_told_of_past_runs_fits() {
    let dir = demo();
    let shown = |form: &[&str]| {
        let args = ["runs", "show", "last", "--format", "json"];
        palisade(dir.path(), args.iter().chain(form)).exits(0).stdout
    };
    let failing = std::fs::read_to_string(dir.join("runbook.yaml"))
        .unwrap()
        .replace("    inputs: files\n", "    inputs: files\n    limits: {fuel: 1000, fuel_per_input_byte: 1}\n");
    dir.write("failing.yaml", failing);
    let mut kinds = std::collections::BTreeSet::new();
    for (runbook, code) in [("runbook.yaml", 0), ("runbook.yaml", 0), ("failing.yaml", 4)] {
        let _ = palisade(dir.path(), ["run", "-q", runbook]).exits(code);
        let whole = json(&shown(&[]));
        fits("palisade.run_shown", &whole);
        fits("palisade.run", &whole["record"]);
        fits("palisade.run_tree", &json(&shown(&["--tree"])));
        fits("palisade.run_why", &json(&shown(&["--why"])));
        let events = whole["events"].as_u64().expect("a number of events");
        for event in 0..=events {
            fits("palisade.run_state", &json(&shown(&["--at", &event.to_string()])));
        }
        let lines = shown(&["--events"]);
        assert_eq!(lines.lines().count() as u64, events);
        for line in lines.lines().map(json) {
            kinds.insert(line["event"]["kind"].to_string());
            fits("palisade.run_event", &line);
        }
    }
    assert!(kinds.len() >= 7, "{kinds:?}");
    let listed = json(&palisade(dir.path(), ["runs", "list", "--format", "json"]).exits(0).stdout);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(3));
    fits("palisade.runs", &listed);
    let told = |args: &[&str], code| {
        let told = palisade(dir.path(), ["runs"].iter().chain(args).chain(&["--format", "json"])).exits(code);
        json(&told.stdout)
    };
    fits("palisade.runs_erased", &told(&["erase", "last~1"], 0));
    fits("palisade.runs_gc", &told(&["gc", "--keep", "2"], 0));
    let erased = told(&["erase", "last~1", "--yes"], 1);
    fits("palisade.runs_erased", &erased);
    assert!(!erased["shared"].as_array().unwrap().is_empty(), "{erased:#}");
    fits("palisade.runs_erased", &told(&["erase", "last~1", "--everywhere", "--yes"], 0));
    let shown = json(&shown(&[]));
    fits("palisade.run_shown", &shown);
    assert!(!shown["erased"].as_array().unwrap().is_empty(), "{shown:#}");
    fits("palisade.runs_gc", &told(&["gc", "--keep", "1", "--yes"], 0));
}

#[test]
fn what_is_told_of_forks_fits() {
    let dir = demo();
    let told = |args: &[&str]| json(&palisade(dir.path(), args.iter().chain(&["--format", "json"])).exits(0).stdout);
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    let set = "personal_data.pattern_matching.evidence_context_size=medium";
    let forked = told(&["runs", "fork", "last", "--at", "personal_data", "--set", set]);
    fits("palisade.run", &forked);
    assert!(forked["forked_from"].is_object() && forked["edits"].is_array(), "{forked:#}");
    let whole = told(&["runs", "show", "last"]);
    fits("palisade.run_shown", &whole);
    fits("palisade.run", &whole["record"]);
    fits("palisade.run_tree", &told(&["runs", "show", "last", "--tree"]));
    fits("palisade.run_why", &told(&["runs", "show", "last", "--why"]));
    for event in 0..=whole["events"].as_u64().expect("a number of events") {
        fits("palisade.run_state", &told(&["runs", "show", "last", "--at", &event.to_string()]));
    }
    let lines = palisade(dir.path(), ["runs", "show", "last", "--events", "--format", "json"]).exits(0).stdout;
    lines.lines().for_each(|line| fits("palisade.run_event", &json(line)));
    let listed = told(&["runs", "list"]);
    fits("palisade.runs", &listed);
    assert_eq!(listed["runs"][0]["edited"], true, "{listed:#}");
    fits("palisade.runs_diff", &told(&["runs", "diff", "last~1", "last"]));
    fits("palisade.lineage", &told(&["lineage", "privacy"]));
    fits("palisade.replayed", &told(&["replay", "--all"]));
}

#[test]
fn what_is_told_of_children_and_of_approvals_fits() {
    let dir = demo();
    let told = |args: &[&str]| json(&palisade(dir.path(), args.iter().chain(&["--format", "json"])).exits(0).stdout);
    dir.write(
        "child.yaml",
        "name: Child\nexecution:\n  - {id: files, type: source, connector: filesystem, config: {path: data}, output: files}\n  \
         - {id: ask, type: approval, message: Well?, input: files, expires: 1h}\n",
    );
    dir.write(
        "parent.yaml",
        "name: Parent\ninputs: {made: {input_schema: runbook_definition}}\nexecution:\n  - {id: go, type: execute_workflow, file: child.yaml}\n  \
         - {id: run_it, type: execute_workflow, workflow: '{{ made }}'}\n",
    );
    let made =
        r#"{"name": "Made", "execution": [{"id": "files", "type": "source", "system": "this folder", "output": "f"}]}"#;
    dir.write("made.json", made);
    let _ = palisade(dir.path(), ["run", "-q", "parent.yaml", "--input", "made=made.json"]).exits(5);
    let listed = told(&["approvals", "list"]);
    fits("palisade.approvals", &listed);
    assert_eq!(listed["approvals"].as_array().map(Vec::len), Some(2));
    fits("palisade.approval", &told(&["approvals", "show", "last", "go/ask"]));
    let shown = told(&["approvals", "show", "last", "run_it"]);
    fits("palisade.approval", &shown);
    fits("palisade.plan", &shown["plan"]);
    for round in 0..2 {
        let lineage = told(&["lineage", "made", "--run", "last", "--down"]);
        fits("palisade.lineage", &lineage);
        let answer = lineage.pointer("/down/steps/0/allowed/0/answer").and_then(Value::as_str);
        assert_eq!(answer, [None, Some("approved")][round], "{lineage:#}");
        let all = told(&["runs", "list", "--children"]);
        fits("palisade.runs", &all);
        for run in all["runs"].as_array().expect("a list of runs") {
            let run = run["run_id"].as_str().expect("an id");
            let whole = told(&["runs", "show", run]);
            fits("palisade.run_shown", &whole);
            fits("palisade.run", &whole["record"]);
            fits("palisade.run_tree", &told(&["runs", "show", run, "--tree"]));
            fits("palisade.run_why", &told(&["runs", "show", run, "--why"]));
            for event in 0..=whole["events"].as_u64().expect("a number of events") {
                fits("palisade.run_state", &told(&["runs", "show", run, "--at", &event.to_string()]));
            }
            let lines = palisade(dir.path(), ["runs", "show", run, "--events", "--format", "json"]).exits(0).stdout;
            lines.lines().map(json).for_each(|line| fits("palisade.run_event", &line));
        }
        if round == 0 {
            let _ = palisade(dir.path(), ["approve", "-q", "last", "run_it"]).exits(5);
            let _ = palisade(dir.path(), ["reject", "-q", "last"]).exits(3);
        }
    }
}

#[test]
fn what_is_told_of_two_runs_and_of_lineage_fits() {
    let dir = demo();
    let told = |args: &[&str]| palisade(dir.path(), args.iter().chain(&["--format", "json"])).exits(0).stdout;
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    dir.write("data/new.txt", "Her e-mail and her telephone.\n");
    let _ = palisade(dir.path(), ["run", "-q", "special_categories.yaml"]).exits(0);
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    fits("palisade.runs_diff", &json(&told(&["runs", "diff", "last~1", "last"])));
    let diff = json(&told(&["runs", "diff", "last~2", "last"]));
    fits("palisade.runs_diff", &diff);
    let id = diff.pointer("/artifacts/1/findings/listed_new/0/id").and_then(Value::as_str).unwrap().to_owned();
    for what in ["files", "privacy", "local/demo_personal_data/1.0.0", id.as_str()] {
        let lineage = json(&told(&["lineage", what]));
        fits("palisade.lineage", &lineage);
        assert!(lineage["up"].is_object() && lineage["down"].is_object(), "{lineage:#}");
        let up = json(&told(&["lineage", what, "--up"]));
        fits("palisade.lineage", &up);
        assert!(up["down"].is_null(), "{up:#}");
    }
}

/// What version 2-0-2 of OpenLineage requires of a run event and of its parts.
fn run_event() -> Value {
    let uri = serde_json::json!({"type": "string", "pattern": "^[a-z]+:"});
    let facets = serde_json::json!({"type": "object", "additionalProperties": {
        "type": "object", "required": ["_producer", "_schemaURL"], "properties": {"_producer": uri, "_schemaURL": uri},
    }});
    let text = serde_json::json!({"type": "string", "minLength": 1});
    let datasets = serde_json::json!({"type": "array", "items": {
        "type": "object", "required": ["namespace", "name"],
        "properties": {"namespace": text, "name": text, "facets": facets, "outputFacets": facets},
    }});
    serde_json::json!({
        "type": "object",
        "required": ["eventTime", "producer", "schemaURL", "eventType", "run", "job"],
        "properties": {
            "eventTime": {"type": "string", "pattern": "^[0-9-]{10}T[0-9:.]{12}Z$"},
            "producer": uri,
            "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
            "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
            "run": {"type": "object", "required": ["runId"], "properties": {
                "runId": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}, "facets": facets,
            }},
            "job": {
                "type": "object", "required": ["namespace", "name"],
                "properties": {"namespace": text, "name": text, "facets": facets},
            },
            "inputs": datasets,
            "outputs": datasets,
        },
    })
}

#[test]
fn the_events_of_openlineage_are_as_it_wants_them() {
    let dir = demo();
    let validator = jsonschema::draft202012::new(&run_event()).unwrap();
    let failing = std::fs::read_to_string(dir.join("runbook.yaml"))
        .unwrap()
        .replace("    inputs: files\n", "    inputs: files\n    limits: {fuel: 1000, fuel_per_input_byte: 1}\n");
    dir.write("failing.yaml", failing);
    for (runbook, code, end, attempts) in [("runbook.yaml", 0, "COMPLETE", 3), ("failing.yaml", 4, "FAIL", 2)] {
        let _ = palisade(dir.path(), ["run", "-q", runbook]).exits(code);
        let lines = palisade(dir.path(), ["lineage", "files", "--format", "openlineage"]).exits(0).stdout;
        let events: Vec<Value> = lines.lines().map(json).collect();
        for event in &events {
            let broken: Vec<String> = validator.iter_errors(event).map(|error| error.to_string()).collect();
            assert!(broken.is_empty(), "{}\n{event:#}", broken.join("\n"));
        }
        // Each run of theirs, the run or an attempt, starts once and ends once.
        let mut kinds: std::collections::BTreeMap<String, Vec<&str>> = std::collections::BTreeMap::new();
        for event in &events {
            let kind = event["eventType"].as_str().unwrap();
            kinds.entry(event["run"]["runId"].to_string()).or_default().push(kind);
        }
        assert_eq!(kinds.len(), attempts + 1);
        assert!(
            kinds.values().all(|kinds| kinds.len() == 2 && kinds[0] == "START" && kinds[1] != "START"),
            "{kinds:?}"
        );
        assert_eq!(events.last().map(|event| event["eventType"].as_str()), Some(Some(end)));
        let parents = events
            .iter()
            .filter(|event| event.pointer("/run/facets/parent/run/runId") == Some(&events[0]["run"]["runId"]));
        assert_eq!(parents.count(), 2 * attempts);
    }
}

#[test]
fn what_is_told_of_replays_fits() {
    let dir = demo();
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    let same = palisade(dir.path(), ["replay", "last", "--format", "json"]).exits(0);
    fits("palisade.replayed", &json(&same.stdout));
    let connection = rusqlite::Connection::open(dir.join(".palisade/palisade.db")).unwrap();
    connection.execute("UPDATE event SET bytes = CAST('{}' AS BLOB) WHERE seq = 2", []).unwrap();
    let damaged = json(&palisade(dir.path(), ["replay", "--all", "--format", "json"]).exits(7).stdout);
    assert_eq!(damaged["runs"][0]["result"], "not_replayed");
    fits("palisade.replayed", &damaged);
}

#[test]
fn what_is_told_of_a_wrong_runbook_fits() {
    let dir = Dir::new();
    dir.write("x.yaml", "name: yes\nartifacts:\n  a: {inputs: a, outptu: true}\n");
    let wrong = palisade(dir.path(), ["run", "x.yaml", "--format", "json"]).exits(2);
    let told = json(&wrong.stdout);
    let diagnostics = told.pointer("/diagnostics").and_then(Value::as_array).expect("diagnostics").clone();
    assert!(diagnostics.len() >= 3, "{told:#}");
    diagnostics.iter().for_each(|told| fits("palisade.diagnostic", told));
}

#[test]
fn the_manifests_of_all_components_fit() {
    let dir = Dir::new();
    let list = palisade(dir.path(), ["component", "list", "--format", "json"]).exits(0);
    let list = json(&list.stdout);
    let components = list.as_array().expect("a list");
    assert!(components.len() >= 15, "{list:#}");
    for component in components {
        let id = component["id"].as_str().expect("an id");
        let shown = palisade(dir.path(), ["component", "show", id, "--format", "json"]).exits(0);
        fits("palisade.manifest", &json(&shown.stdout)["manifest"]);
    }
}

#[test]
fn the_settings_that_init_writes_fit_with_every_line_in_force() {
    let dir = Dir::new();
    let _ = palisade(dir.path(), ["init"]).exits(0);
    let text = std::fs::read_to_string(dir.join("palisade.toml")).unwrap();
    let setting = |line: &str| line.contains(" = ") || line.starts_with("[[");
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|rest| setting(rest)).unwrap_or(line));
    let settings: toml::Value = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    fits("palisade.settings", &serde_json::to_value(settings).unwrap());
}

#[test]
fn runbooks_fit_in_both_forms() {
    let dir = demo();
    let converted = palisade(dir.path(), ["runbook", "convert", "runbook.yaml"]).exits(0);
    dir.write("converted.yaml", &converted.stdout);
    for file in ["runbook.yaml", "converted.yaml"] {
        fits("runbook_definition", &yaml(&text(&dir.join(file))));
    }
}

#[test]
fn the_examples_fit_the_schema_that_their_first_line_names_to_editors() {
    let mut seen = 0;
    for example in entries(&root().join("examples")) {
        for file in entries(&example).into_iter().filter(|file| file.extension().is_some_and(|end| end == "yaml")) {
            let text = text(&file);
            let named = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
            let named = example.join(named.unwrap_or_else(|| panic!("{}: no schema", file.display())));
            let schema = root().join("schemas/runbook_definition/1.0.0.json");
            assert_eq!(named.canonicalize().unwrap(), schema, "{}", file.display());
            fits("runbook_definition", &yaml(&text));
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen}");
}

#[test]
fn the_runbooks_of_the_guide_and_of_the_corpus_fit() {
    let guide = text(&root().join("docs/runbooks.md"));
    let blocks = guide.split("```yaml").skip(1).filter_map(|rest| rest.split_once('\n')?.1.split("\n```").next());
    let blocks: Vec<&str> =
        blocks.filter(|block| block.contains("execution:") || block.contains("artifacts:")).collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    blocks.iter().for_each(|block| fits("runbook_definition", &yaml(block)));
    for case in entries(&root().join("tests/runbooks/valid")) {
        let file = case.join("runbook.yaml");
        // What WCF ignores, the artifacts form warns of; an editor marks it.
        let Ok(told) = std::fs::read_to_string(case.join("expected.txt")) else { continue };
        if !told.contains("PAL0203") {
            fits("runbook_definition", &yaml(&text(&file)));
        }
    }
}

#[test]
fn what_schema_show_prints_is_the_schema() {
    let dir = Dir::new();
    let shown = palisade(dir.path(), ["schema", "show", "runbook_definition"]).exits(0);
    assert_eq!(json(&shown.stdout), json(&text(&root().join("schemas/runbook_definition/1.0.0.json"))));
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// A runbook as JSON, read by the reader that runs read with.
fn yaml(text: &str) -> Value {
    use palisade_runbook::yaml::{Budget, Dialect, read};
    let source = palisade_runbook::Source::new("x", text);
    read(&source, Budget::RUNBOOK, Dialect::V12).0.expect("YAML").to_json()
}

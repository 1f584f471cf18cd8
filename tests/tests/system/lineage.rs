//! Lineages that lead through several runs, both ways: into the children of maps and of agents, from a child to what had it run, and
//! past runs that can't be told.

use palisade_tests::told::{fits, holds, json_of, record, write_texts};
use palisade_tests::{Dir, journal, palisade, with_stepper};
use serde_json::{Value, json};

const LEAF: &str = "
name: Leaf
inputs:
  texts: {input_schema: standard_input}
outputs: {found: longer}
execution:
  - {id: step, analyser: 'test:stepper', input: texts, outputs: {texts: longer}}
";
/// A map over the texts, a map over what it makes, and a step over all of it.
const TOP: &str = "
name: Top
inputs:
  texts: {input_schema: standard_input}
execution:
  - {id: each, type: map, file: leaf.yaml, max_items: 9, inputs: {texts: texts}, outputs: {found: once}}
  - {id: again, type: map, file: leaf.yaml, max_items: 9, inputs: {texts: once}, outputs: {found: twice}}
  - {id: last, analyser: 'test:stepper', input: twice, outputs: {texts: thrice}}
";

/// A run of the maps over three texts.
fn maps() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a", "bb", "ccc"]);
    dir.write("leaf.yaml", LEAF).write("top.yaml", TOP);
    let _ = palisade(dir.path(), ["run", "-q", "top.yaml", "--input", "texts=texts.json"]).exits(0);
    Some(dir)
}

fn lineage(dir: &Dir, args: &[&str]) -> Value {
    let told = json_of(dir, &[&["lineage"], args].concat());
    fits("palisade.lineage", &told);
    told
}

fn text(dir: &Dir, args: &[&str]) -> String {
    palisade(dir.path(), ["lineage"].iter().chain(args)).exits(0).stdout
}

fn list<'v>(of: &'v Value, key: &str) -> Vec<&'v Value> {
    of[key].as_array().map(Vec::as_slice).unwrap_or_default().iter().collect()
}

/// The child of an item of a step of the latest run.
fn child(dir: &Dir, step: &str, item: u64) -> String {
    let tree = json_of(dir, &["runs", "show", "last", "--tree"]);
    let steps = list(&tree, "steps").into_iter().filter(|one| one["step"] == step);
    let attempts = steps.flat_map(|step| list(step, "attempts"));
    let of_item = attempts.filter(|attempt| attempt["iteration"] == item);
    of_item.map(|attempt| attempt["child"]["run_id"].as_str().unwrap().to_owned()).next_back().unwrap()
}

/// The names of the steps of a part of a run.
fn steps(part: &Value) -> Vec<&str> {
    list(part, "steps").into_iter().map(|step| step["step"].as_str().unwrap()).collect()
}

/// In the order in which they stand in a text.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("no `{part}` in its place in:\n{text}")).1;
    }
}

#[test]
fn maps_are_gone_into_upwards_and_downwards() {
    let Some(dir) = maps() else { return };
    let up = lineage(&dir, &["thrice", "--up"]);
    assert_eq!(steps(&up["up"]), ["each", "again", "last"]);
    // Three children of each map, with the component that ran there.
    let runs = list(&up, "runs");
    assert_eq!(runs.len(), 6, "{up:#}");
    for run in &runs {
        assert_eq!((&run["results"], steps(&run["up"])), (&json!(["longer"]), vec!["step"]), "{run:#}");
        assert_eq!(run.pointer("/up/steps/0/component/component"), Some(&json!("test:stepper")));
        assert_eq!(run["parent"]["run_id"], up["run"]["run_id"]);
    }
    let items: Vec<_> = runs.iter().map(|run| json!([run["parent"]["step"], run["parent"]["iteration"]])).collect();
    for item in 1..=3 {
        assert!(items.contains(&json!(["each", item])) && items.contains(&json!(["again", item])), "{items:?}");
    }
    let told = text(&dir, &["thrice", "--up"]);
    let parts = [
        "step again  map  3 child runs",
        "item 1  ✓ succeeded  child run ",
        "longer  also found  1 item",
        "step step  analyse",
    ];
    in_order(&told, &parts);
    in_order(
        &told,
        &["item 3  ✓ ", "input of the run, item 3 of `once` of the run above", "once  3 items", "item 1  ✓ "],
    );
    let down = lineage(&dir, &["texts", "--down"]);
    assert_eq!((steps(&down["down"]), list(&down, "runs").len()), (vec!["each", "again", "last"], 6), "{down:#}");
    assert!(list(&down, "runs").iter().all(|run| run["given"] == json!(["texts"]) && run["up"].is_null()));
    let told = text(&dir, &["texts", "--down"]);
    in_order(
        &told,
        &[
            "step each  map",
            "item 2  ✓ ",
            "texts  input of the run",
            "step step",
            "longer  also found  1 item",
            "once  3 items",
        ],
    );
}

#[test]
fn a_child_leads_up_to_what_its_parent_gave_it_and_down_to_what_that_made_of_it() {
    let Some(dir) = maps() else { return };
    let second = child(&dir, "again", 2);
    let told = lineage(&dir, &["longer", "--run", &second]);
    let root = record(&dir, "last")["run_id"].clone();
    assert_eq!(told["parent"], json!({"run_id": root, "step": "again", "iteration": 2}));
    let runs = list(&told, "runs");
    let above = runs.iter().find(|run| run["run"]["run_id"] == root).unwrap();
    assert_eq!(
        (steps(&above["up"]), steps(&above["down"])),
        (vec!["each", "again"], vec!["again", "last"]),
        "{above:#}"
    );
    // Its item came of the second child of the map before, and of no other.
    let first = child(&dir, "each", 2);
    let others: Vec<_> = runs.iter().map(|run| &run["run"]["run_id"]).filter(|run| **run != root).collect();
    assert_eq!(others, [&json!(first)], "{told:#}");
    let shown = text(&dir, &["longer", "--run", &second]);
    let parts = [
        "Made from",
        "input of the run, item 2 of `once` of the run above",
        "Its run was started by\n  item 2  of ✓ succeeded  step again  map",
        "  of Top  ✓ succeeded  run ",
        "once  3 items",
        "item 2  ✓ succeeded  child run ",
        "2 other child runs have no part in it",
        "What was made from it\n  nothing in this run",
        "What was made from it, in Top\n  twice  3 items",
        "step last",
        "thrice",
    ];
    in_order(&shown, &parts);
    // Each run is told to others once, with the attempt that it was.
    let lines = text(&dir, &["longer", "--run", &second, "--format", "openlineage"]);
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begun = |run: &Value| {
        let is = |event: &&Value| event["eventType"] == "START" && event["run"]["runId"] == *run;
        events.iter().filter(is).collect::<Vec<_>>()
    };
    let [start] = begun(&json!(second))[..] else { panic!("{lines}") };
    let attempt = start.pointer("/run/facets/parent/run/runId").unwrap();
    let [of_parent] = begun(attempt)[..] else { panic!("{lines}") };
    assert_eq!(of_parent.pointer("/run/facets/palisade_attempt/child"), Some(&json!(second)));
    assert_eq!((begun(&root).len(), begun(&json!(first)).len()), (1, 1), "{lines}");
}

/// Makes a run unreadable and says for what reason, and what is said of it.
type Breaks = (&'static str, fn(&Dir, &str), &'static str, i32);

fn bytes(run: &str) -> Vec<u8> {
    let digits: String = run.chars().filter(|char| *char != '-').collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn gone(dir: &Dir, run: &str) {
    let connection = journal::open(&dir.join(".palisade"));
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for table in ["event", "run"] {
        let _ = connection.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [bytes(run)]).unwrap();
    }
}

fn changed(dir: &Dir, run: &str) {
    let connection = journal::open(&dir.join(".palisade"));
    let sql = "UPDATE event SET bytes = CAST(replace(CAST(bytes AS TEXT), 'Leaf', 'Loaf') AS BLOB) WHERE run = ?1 AND seq = 1";
    assert_eq!(connection.execute(sql, [bytes(run)]).unwrap(), 1);
}

fn newer(dir: &Dir, run: &str) {
    let mut events = palisade_tests::told::events(dir, run);
    events[1]["v"] = json!(9);
    journal::rewrite_run(&journal::open(&dir.join(".palisade")), bytes(run), &events);
}

const BREAKS: [Breaks; 3] = [
    ("not_stored", gone, "it is not in the store: it never began, or was removed", 0),
    ("damaged", changed, "the journal can't be believed", 7),
    ("newer", newer, "this Palisade knows 1", 0),
];

#[test]
fn a_child_that_can_not_be_told_is_a_gap_and_all_else_stays() {
    for (reason, breaks, says, code) in BREAKS {
        let Some(dir) = maps() else { return };
        let second = child(&dir, "each", 2);
        breaks(&dir, &second);
        let call =
            |format: &str| palisade(dir.path(), ["lineage", "once", "--run", "last", "--format", format]).exits(code);
        let told: Value = serde_json::from_str(&call("json").stdout).unwrap();
        fits("palisade.lineage", &told);
        let [gap] = list(&told, "gaps")[..] else { panic!("{told:#}") };
        let expected = json!([second, told["run"]["run_id"], "each", reason, 1]);
        assert_eq!(json!([gap["run_id"], gap["met_in"], gap["step"], gap["reason"], gap["runs"]]), expected);
        holds(gap["message"].as_str().unwrap(), says);
        // The other two children behind it, and the three before.
        assert_eq!(list(&told, "runs").len(), 5, "{told:#}");
        let shown = call("human").stdout;
        in_order(&shown, &["item 1  ✓ ", &format!("item 2  child run {second}  can't be told: "), says, "item 3  ✓ "]);
        in_order(&shown, &["What belongs to it and can't be told", &second, "started by step each of run ", says]);
        let lines = call("openlineage").stdout;
        let gaps: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event.pointer("/run/facets/palisade_gap").is_some())
            .collect();
        let [gap] = &gaps[..] else { panic!("{lines}") };
        assert_eq!(gap.pointer("/run/facets/palisade_attempt/child"), Some(&json!(second)));
        let facet = gap.pointer("/run/facets/palisade_gap").unwrap();
        assert_eq!((&facet["run"], &facet["reason"]), (&json!(second), &json!(reason)));
        // Reasons go to other programs, and no messages.
        assert!(!lines.contains(says), "{lines}");
    }
}

#[test]
fn a_parent_that_can_not_be_told_is_a_gap_of_its_child() {
    for (reason, breaks, says, code) in BREAKS {
        if reason == "damaged" {
            continue;
        }
        let Some(dir) = maps() else { return };
        let (second, root) = (child(&dir, "each", 2), record(&dir, "last")["run_id"].as_str().unwrap().to_owned());
        breaks(&dir, &root);
        let told = lineage(&dir, &["longer", "--run", &second]);
        let [gap] = list(&told, "gaps")[..] else { panic!("{told:#}") };
        assert_eq!((&gap["run_id"], &gap["reason"], &gap["step"]), (&json!(root), &json!(reason), &Value::Null));
        assert_eq!((steps(&told["up"]), &told["parent"]["run_id"]), (vec!["step"], &json!(root)));
        let shown = text(&dir, &["longer", "--run", &second]);
        in_order(&shown, &["can't be told", &format!("run {root}, which started run {second}"), says]);
        let lines =
            palisade(dir.path(), ["lineage", "longer", "--run", &second, "--format", "openlineage"]).exits(code).stdout;
        let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(first.pointer("/run/facets/palisade_gap/reason"), Some(&json!(reason)));
        assert_eq!(first.pointer("/run/facets/parent/run/runId"), Some(&json!(root)));
    }
}

#[test]
fn what_can_not_be_read_hides_nothing_that_is_looked_for_elsewhere() {
    let Some(dir) = maps() else { return };
    let root = record(&dir, "last")["run_id"].as_str().unwrap().to_owned();
    let _ = palisade(dir.path(), ["run", "-q", "leaf.yaml", "--input", "texts=texts.json"]).exits(0);
    let newest = record(&dir, "last")["run_id"].as_str().unwrap().to_owned();
    changed(&dir, &newest);
    let found = palisade(dir.path(), ["lineage", "thrice"]).exits(0);
    holds(&found.stderr, &format!("note: run {newest} is passed over: the journal can't be believed"));
    holds(&found.stdout, &root);
    // It may have been there.
    let _ = palisade(dir.path(), ["lineage", "nothing"]).exits(7);
}

#[test]
fn a_run_whose_schemas_are_gone_hides_nothing_that_is_looked_for_elsewhere() {
    let Some(dir) = maps() else { return };
    let digest =
        lineage(&dir, &["thrice", "--up"])["up"]["artifacts"].as_array().unwrap().iter().find_map(|artifact| {
            (artifact["name"] == "thrice").then(|| artifact["digest"].as_str().unwrap()[..8].to_owned())
        });
    let _ = palisade(dir.path(), ["run", "-q", "leaf.yaml", "--input", "texts=texts.json"]).exits(0);
    let newest = record(&dir, "last")["run_id"].as_str().unwrap().to_owned();
    let mut events = palisade_tests::told::events(&dir, &newest);
    let contents = events[0]["contents"].as_object_mut().unwrap();
    let schemas = contents.iter_mut().filter(|(what, _)| what.starts_with("schema "));
    assert_ne!(schemas.map(|(_, digest)| *digest = json!("0".repeat(64))).count(), 0);
    journal::rewrite_run(&journal::open(&dir.join(".palisade")), bytes(&newest), &events);
    let found = palisade(dir.path(), ["lineage", &digest.unwrap()]).exits(0);
    holds(&found.stderr, &format!("note: run {newest} is passed over: the schema "));
    holds(&found.stdout, "Artifact thrice\n");
    let _ = palisade(dir.path(), ["lineage", "ffffffff"]).exits(7);
}

#[test]
fn a_fork_is_not_left_through_the_children_that_it_took_over() {
    let Some(dir) = maps() else { return };
    let _ = palisade(dir.path(), ["runs", "fork", "last", "-q", "--at", "last"]).exits(0);
    let (old, second) = (record(&dir, "last~1")["run_id"].clone(), child(&dir, "each", 2));
    let down = lineage(&dir, &["texts", "--run", "last", "--down"]);
    assert_eq!((list(&down, "runs").len(), list(&down, "gaps").len()), (6, 0), "{down:#}");
    assert!(list(&down, "runs").iter().all(|run| run["run"]["run_id"] != old), "{down:#}");
    let shown = text(&dir, &["texts", "--run", "last", "--down"]);
    in_order(&shown, &["step each  map", &second, "once  3 items", "thrice"]);
    assert!(!shown.contains(old.as_str().unwrap()), "{shown}");
    // The child itself was that run's.
    let of_child = lineage(&dir, &["longer", "--run", &second, "--down"]);
    assert!(list(&of_child, "runs").iter().any(|run| run["run"]["run_id"] == old), "{of_child:#}");
}

#[test]
fn a_child_is_no_attempt_that_started_another() {
    let Some(dir) = maps() else { return };
    let (second, root) = (child(&dir, "each", 2), record(&dir, "last")["run_id"].as_str().unwrap().to_owned());
    let mut events = palisade_tests::told::events(&dir, &root);
    let first = child(&dir, "each", 1);
    for event in &mut events {
        if event["child"] == json!(first) {
            event["child"] = json!(second);
        } else if event["child"] == json!(second) {
            event["child"] = json!(first);
        }
    }
    journal::rewrite_run(&journal::open(&dir.join(".palisade")), bytes(&root), &events);
    let lines = text(&dir, &["longer", "--run", &second, "--format", "openlineage"]);
    let start: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(start["run"]["runId"], json!(second));
    assert_eq!(start.pointer("/run/facets/parent/run/runId"), Some(&json!(root)), "{start:#}");
}

#[test]
fn a_circle_of_runs_is_told_once() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "texts.json", &["a"]);
    let above = |name: &str, child: &str| {
        let step = format!(
            "{{id: go, type: execute_workflow, file: {child}.yaml, inputs: {{texts: texts}}, outputs: {{found: longer}}}}"
        );
        let (head, _) = LEAF.split_once("  - ").unwrap();
        dir.write(&format!("{name}.yaml"), format!("{}  - {step}\n", head.replace("Leaf", name)));
    };
    dir.write("leaf.yaml", LEAF);
    above("mid", "leaf");
    above("top", "mid");
    let _ = palisade(dir.path(), ["run", "-q", "top.yaml", "--input", "texts=texts.json"]).exits(0);
    let (root, mid) = (record(&dir, "last")["run_id"].as_str().unwrap().to_owned(), child(&dir, "go", 0));
    // What the innermost is becomes the outermost.
    let mut events = palisade_tests::told::events(&dir, &mid);
    events.iter_mut().filter(|event| event["child"].is_string()).for_each(|event| event["child"] = json!(root));
    journal::rewrite_run(&journal::open(&dir.join(".palisade")), bytes(&mid), &events);
    let tree = json_of(&dir, &["runs", "show", "last", "--tree"]);
    let below = |of: &Value| of["steps"][0]["attempts"][0]["child"].clone();
    let first = below(&tree);
    assert_eq!((&first["run_id"], &first["name"]), (&json!(mid), &json!("mid")));
    assert_eq!((&first["steps"][0]["step"], below(&first)), (&json!("go"), Value::Null));
    let shown = palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout;
    assert_eq!(shown.matches("  go  execute_workflow").count(), 2, "{shown}");
    for ways in ["--up", "--down"] {
        let name = if ways == "--up" { "longer" } else { "texts" };
        let told = text(&dir, &[name, ways]);
        assert_eq!(told.matches("step go").count(), 2, "{told}");
    }
}

#[test]
fn data_that_were_erased_are_said_to_be() {
    let Some(dir) = maps() else { return };
    assert!(!text(&dir, &["thrice", "--up"]).contains("erased"));
    let _ = palisade(dir.path(), ["runs", "erase", "last", "--yes"]).exits(0);
    let told = lineage(&dir, &["thrice", "--up"]);
    assert_eq!(list(&told, "runs").len(), 6, "{told:#}");
    let of_run = |run: &Value| list(&run["up"], "artifacts").iter().all(|artifact| artifact["erased"].is_string());
    assert!(of_run(&told) && list(&told, "runs").into_iter().all(of_run), "{told:#}");
    holds(&text(&dir, &["thrice", "--up"]), "standard_input/1.0.0  result  its data were erased 20");
}

#[test]
fn so_many_runs_are_followed_and_how_many_more_there_are_is_said() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "texts.json", &["a"; 1_001]);
    dir.write("leaf.yaml", LEAF);
    let top = TOP.replace("max_items: 9", "max_items: 2000");
    dir.write("top.yaml", top.split("  - {id: again").next().unwrap());
    let _ = palisade(dir.path(), ["run", "-q", "top.yaml", "--input", "texts=texts.json"]).exits(0);
    let told = lineage(&dir, &["once", "--up"]);
    // Those that are followed, and the run that is asked about.
    assert_eq!(list(&told, "runs").len(), 999);
    let [gap] = list(&told, "gaps")[..] else { panic!("{:#}", told["gaps"]) };
    assert_eq!((&gap["reason"], &gap["runs"], &gap["step"]), (&json!("too_many"), &json!(2), &json!("each")));
    let shown = text(&dir, &["once", "--up"]);
    in_order(
        &shown,
        &[
            "map  1,001 child runs",
            "item 20  ✓",
            "980 more  … `--format json` has all",
            "1 more can't be told, see below",
        ],
    );
    in_order(&shown, &[" and 1 other, started by step each of run ", "1,000 runs are followed, and no more"]);
    assert!(!shown.contains("item 21") && !shown.contains("no part in it"), "{shown}");
}

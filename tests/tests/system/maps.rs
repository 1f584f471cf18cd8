//! Maps: what of one over a component is done stays done. Over child runbooks: each item has a child run, all bounds hold for all of them together, and what they made is
//! joined in the order of the items, whenever its process ends.

use palisade_tests::effects::nothing_is_done_twice;
use palisade_tests::told::{
    end_after, end_at_each, events, first_failure, json_of, kill_once, record, runs, start, texts, write_texts,
};
use palisade_tests::{Dir, journal, palisade, with_stepper};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const LEAF: &str = "
name: Leaf
inputs:
  texts: {input_schema: standard_input}
outputs: {found: longer}
execution:
  - {id: step, analyser: 'test:stepper', input: texts, outputs: {texts: longer}}
";

/// A runbook that has a child for each text; `more` goes into the map, `limits` before all.
fn parent(limits: &str, more: &str) -> String {
    format!(
        "name: Each\n{limits}inputs:\n  texts: {{input_schema: standard_input}}\noutputs: {{found: found}}\nexecution:\n\
         \x20 - {{id: each, type: map, file: leaf.yaml, max_items: 9, inputs: {{texts: texts}}, outputs: {{found: found}}{more}}}\n"
    )
}

/// Three texts, a leaf, and a map over it.
fn dir() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "texts.json", &["a", "bb", "ccc"]);
    dir.write("leaf.yaml", LEAF);
    dir.write("each.yaml", parent("", ""));
    Some(dir)
}

const RUN: [&str; 5] = ["run", "-q", "each.yaml", "--input", "texts=texts.json"];

fn run_out() -> impl Iterator<Item = &'static str> {
    RUN.into_iter().chain(["--out", "out"])
}

fn of_kind<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["kind"] == kind).collect()
}

/// The most children that went on at once.
fn at_once(events: &[Value]) -> usize {
    let (mut going, mut most) = (0_usize, 0);
    for event in events {
        match event["kind"].as_str().unwrap() {
            "ChildStarted" => going += 1,
            "ChildEnded" => going -= 1,
            _ => {}
        }
        most = most.max(going);
    }
    most
}

#[test]
fn each_item_has_a_child_and_what_they_make_is_joined_in_the_order_of_the_items() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), run_out()).exits(0);
    assert_eq!(texts(&dir, "out/found.json"), ["ax", "bbx", "cccx"]);
    let root = record(&dir, "last");
    assert_eq!((&root["steps"][0]["attempts"], root["children"].as_array().unwrap().len()), (&json!(1), 3));
    // Upwards each says where it hangs, downwards the tree shows them by their items.
    let of_root = events(&dir, "last");
    for (index, event) in of_root.iter().enumerate().filter(|(_, event)| event["kind"] == "ChildStarted") {
        let begun = &events(&dir, event["child"].as_str().unwrap())[0];
        assert_eq!(begun["parent"]["seq"], index + 1);
        assert_eq!(begun["parent"]["run"], root["run_id"]);
    }
    let tree = palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout;
    let places: Vec<_> = ["item 1", "item 2", "item 3"].iter().map(|item| tree.find(item)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{tree}");
    let told = palisade(dir.path(), ["runs", "show", "last", "--events"]).exits(0).stdout;
    assert!(told.contains("each: item 2, attempt 1, child run "), "{told}");
    assert!(told.contains("each: 3 items, joined of what its children made"), "{told}");
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
}

#[test]
fn what_children_made_of_the_same_items_is_known() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), RUN).exits(0);
    write_texts(&dir, "texts.json", &["ccc", "new", "a"]);
    let _ = palisade(dir.path(), run_out()).exits(0);
    assert_eq!(texts(&dir, "out/found.json"), ["cccx", "newx", "ax"]);
    let all = events(&dir, "last");
    let known = |child: &&Value| {
        let of_child = events(&dir, child["child"].as_str().unwrap());
        of_kind(&of_child, "AttemptSucceeded")[0]["reuse"]["is"] == "from"
    };
    let mut known: Vec<_> =
        of_kind(&all, "ChildStarted").iter().filter(|child| known(child)).map(|child| &child["iteration"]).collect();
    known.sort_by_key(|item| item.as_u64());
    assert_eq!(known, [1, 3]);
}

#[test]
fn each_item_is_tried_again_by_itself() {
    let Some(dir) = dir() else { return };
    let spins = SPINS.replace("wall: 60s", "wall: 1s");
    dir.write("leaf.yaml", LEAF.replace(", outputs: {texts", &spins));
    dir.write("each.yaml", parent("", ", retry: {max_attempts: 2, backoff: 1ms, on: [wall]}"));
    let _ = palisade(dir.path(), RUN).exits(4);
    let all = events(&dir, "last");
    let mut begun: Vec<_> = of_kind(&all, "ChildStarted")
        .iter()
        .map(|child| (child["iteration"].as_u64().unwrap(), child["attempt"].as_u64().unwrap()))
        .collect();
    begun.sort_unstable();
    assert_eq!(begun, [(1, 1), (2, 1), (2, 2), (3, 1)]);
    assert_eq!(first_failure(&dir)["at"], json!(["texts", 1]));
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn a_replay_joins_again_and_says_what_is_another() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), RUN).exits(0);
    let told = json_of(&dir, &["replay", "last"]);
    assert!(told["runs"].as_array().unwrap().iter().all(|run| run["result"] == "same"), "{told:#}");
    // Another artifact is told in its place: that of an item.
    let connection = palisade_tests::journal::open(&dir.join(".palisade"));
    let root = uuid_bytes(record(&dir, "last")["run_id"].as_str().unwrap());
    let mut all = events(&dir, "last");
    let of_item = of_kind(&all, "ChildEnded")[0]["outputs"][0].clone();
    let joined = all.iter().position(|event| event["kind"] == "MapEnded").unwrap();
    all[joined]["outcome"]["outputs"][0]["artifact"] = of_item["artifact"].clone();
    palisade_tests::journal::rewrite_run(&connection, root, &all);
    drop(connection);
    let told = palisade(dir.path(), ["replay", "last"]);
    assert!(told.code != Some(0) && told.stdout.contains("each"), "{}{}", told.stdout, told.stderr);
}

fn uuid_bytes(run: &str) -> Vec<u8> {
    let digits: String = run.chars().filter(|char| *char != '-').collect();
    (0..16).map(|index| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap()).collect()
}

#[test]
fn more_items_than_the_map_may_have_run_nothing() {
    let Some(dir) = dir() else { return };
    dir.write("each.yaml", parent("", "").replace("max_items: 9", "max_items: 2"));
    let _ = palisade(dir.path(), RUN).exits(4);
    let failure = first_failure(&dir);
    assert_eq!((&failure["key"], &failure["most"], &failure["found"]), (&json!("max_items"), &json!(2), &json!(3)));
    assert!(record(&dir, "last")["children"].as_array().unwrap().is_empty());
    dir.write("each.yaml", parent("", "").replace("max_items: 9", "max_items: 3"));
    let _ = palisade(dir.path(), RUN).exits(0);
}

#[test]
fn a_map_over_nothing_says_what_to_do() {
    let Some(dir) = dir() else { return };
    write_texts(&dir, "texts.json", &[]);
    let told = palisade(dir.path(), RUN).exits(1).stderr;
    assert!(told.contains("there are no items, and a document without any does not fit"), "{told}");
    dir.write("each.yaml", parent("", ", when: texts.item_count > 0"));
    assert_eq!(record(&dir, "last")["steps"][0]["failure"]["kind"], "schema");
    let _ = palisade(dir.path(), RUN).exits(0);
}

#[test]
fn all_attempts_below_a_map_count_for_the_run() {
    let Some(dir) = dir() else { return };
    dir.write("each.yaml", parent("limits: {max_runs: 3}\n", ", max_concurrency: 1"));
    let _ = palisade(dir.path(), RUN).exits(0);
    dir.write("each.yaml", parent("limits: {max_runs: 2}\n", ", max_concurrency: 1"));
    let _ = palisade(dir.path(), RUN).exits(4);
    let failure = first_failure(&dir);
    assert_eq!((&failure["key"], &failure["most"], &failure["found"]), (&json!("max_runs"), &json!(2), &json!(3)));
    assert_eq!(failure["at"], json!(["texts", 2]));
    assert!(failure["message"].as_str().unwrap().contains("so says `max_runs` of `Each`"), "{failure}");
    // The plan has said so before: each item is a run of the child's component.
    dir.write("each.yaml", parent("", ""));
    let plan = json_of(&dir, &["plan", "each.yaml"]);
    assert_eq!(plan["worst_case"]["bound"]["component_runs"], 9, "{:#}", plan["worst_case"]["bound"]);
}

#[test]
fn no_more_children_go_on_at_once_than_map_and_run_allow() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), RUN).exits(0);
    assert_eq!(at_once(&events(&dir, "last")), 3);
    for (limits, more, most) in
        [("", ", max_concurrency: 2", 2), ("", ", max_concurrency: 1", 1), ("limits: {max_concurrency: 1}\n", "", 1)]
    {
        dir.write("each.yaml", parent(limits, more));
        let _ = palisade(dir.path(), run_out()).exits(0);
        assert_eq!(at_once(&events(&dir, "last")), most, "{limits}{more}");
        assert_eq!(texts(&dir, "out/found.json"), ["ax", "bbx", "cccx"]);
    }
}

#[test]
fn children_of_a_map_nest_no_deeper_than_the_run_allows() {
    let Some(dir) = dir() else { return };
    dir.write("outer.yaml", parent("", "").replace("leaf.yaml", "each.yaml").replace("Each", "Outer"));
    let run = |limit: u32, code| {
        let outer = parent(&format!("limits: {{max_depth: {limit}}}\n"), "").replace("leaf.yaml", "each.yaml");
        dir.write("outer.yaml", outer.replace("Each", "Outer"));
        let _ = palisade(dir.path(), ["run", "-q", "outer.yaml", "--input", "texts=texts.json"]).exits(code);
    };
    run(2, 0);
    run(1, 4);
    assert_eq!(first_failure(&dir)["key"], "max_depth");
}

#[test]
fn behind_the_first_item_that_fails_none_begins() {
    let Some(dir) = dir() else { return };
    dir.write("leaf.yaml", LEAF.replace("outputs: {texts", "config: {fail_at: bb}, outputs: {texts"));
    dir.write("each.yaml", parent("", ", max_concurrency: 1"));
    // Told once, by the step.
    let told = palisade(dir.path(), RUN.into_iter().filter(|arg| *arg != "-q")).exits(1).stderr;
    assert_eq!(told.matches("each: failed: the child run ").count(), 1, "{told}");
    let failure = first_failure(&dir);
    assert_eq!(failure["at"], json!(["texts", 1]));
    assert!(failure["message"].as_str().unwrap().contains("(`Leaf`) failed: step `step`: it was told to"), "{failure}");
    let all = events(&dir, "last");
    assert_eq!(of_kind(&all, "ChildStarted").len(), 2);
}

const SPINS: &str = ", config: {spin_at: bb}, limits: {fuel: 900000000000, wall: 60s}, outputs: {texts";

#[test]
fn the_time_of_a_run_ends_the_children_of_its_map() {
    let Some(dir) = dir() else { return };
    dir.write("leaf.yaml", LEAF.replace(", outputs: {texts", SPINS));
    dir.write("each.yaml", parent("limits: {max_duration: 1s}\n", ""));
    let begun = Instant::now();
    let _ = palisade(dir.path(), RUN).exits(4);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(first_failure(&dir)["kind"], "limit");
    assert!(
        json_of(&dir, &["runs", "list", "--children"])["runs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|run| { ["failed", "cancelled", "succeeded"].contains(&run["state"].as_str().unwrap()) })
    );
}

#[test]
fn a_map_is_cancelled_with_all_its_children() {
    let Some(dir) = dir() else { return };
    dir.write("leaf.yaml", LEAF.replace(", outputs: {texts", SPINS));
    let mut going = start(&dir, RUN);
    let done = |run: &Value| run["state"] == "succeeded";
    let begun = Instant::now();
    loop {
        let listed = palisade(dir.path(), ["runs", "list", "--children", "--format", "json"]).exits(0).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        if listed["runs"].as_array().unwrap().iter().filter(|run| done(run)).count() == 2 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "two of its children do not end");
    }
    let _ = palisade(dir.path(), ["cancel", "last"]).exits(0);
    assert_eq!(going.wait().unwrap().code(), Some(6));
    let all = json_of(&dir, &["runs", "list", "--children"]);
    let mut states: Vec<_> =
        all["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect();
    states.sort();
    assert_eq!(states, ["cancelled", "cancelled", "succeeded", "succeeded"]);
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn a_child_that_waits_for_a_person_lets_the_others_go_on() {
    let Some(dir) = dir() else { return };
    let asks = "execution:\n  - {id: ask, type: approval, message: 'Shall it?', input: texts}\n";
    let leaf = LEAF.replace("execution:\n", asks);
    dir.write("leaf.yaml", leaf.replace("input: texts, outputs", "input: texts, after: ask, outputs"));
    dir.write("each.yaml", parent("", ", max_concurrency: 1"));
    let _ = palisade(dir.path(), RUN).exits(5);
    assert_eq!(record(&dir, "last")["status"], "waiting");
    let waits = |dir: &Dir| -> Vec<String> {
        let listed = json_of(dir, &["approvals", "list"]);
        listed["approvals"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(waits(&dir), ["each:1/ask", "each:2/ask", "each:3/ask"]);
    let count = events(&dir, "last").len().to_string();
    let state = json_of(&dir, &["runs", "show", "last", "--at", &count]);
    assert_eq!(state["steps"][0]["items"], json!({"all": 3, "ended": 0}));
    let _ = palisade(dir.path(), ["approve", "-q", "last", "each:2/ask"]).exits(5);
    assert_eq!(waits(&dir), ["each:1/ask", "each:3/ask"]);
    let _ = palisade(dir.path(), ["approve", "-q", "last", "each:1/ask"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/found.json"), ["ax", "bbx", "cccx"]);
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);

    // A no fails the map, and those that still wait are ended.
    let _ = palisade(dir.path(), RUN).exits(5);
    let _ = palisade(dir.path(), ["reject", "-q", "last", "each:2/ask"]).exits(3);
    assert!(waits(&dir).is_empty());
    assert_eq!(first_failure(&dir)["at"], json!(["texts", 1]));
    let of_run = events(&dir, "last");
    let ends: BTreeMap<u64, &Value> =
        of_kind(&of_run, "ChildEnded").iter().map(|end| (end["iteration"].as_u64().unwrap(), &end["status"])).collect();
    assert_eq!(ends, BTreeMap::from([(1, &json!("cancelled")), (2, &json!("failed")), (3, &json!("cancelled"))]));
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn a_runbook_that_no_person_wrote_is_approved_once_for_all_items() {
    let Some(dir) = dir() else { return };
    dir.write("palisade.toml", "[generated]\ncomponents = [\"test:stepper\"]\n");
    let made = json!({
        "name": "Made",
        "inputs": {"texts": {"input_schema": "standard_input"}},
        "execution": [{"id": "longer", "analyser": "test:stepper", "input": "texts", "output": "longer"}],
    });
    dir.write("made.json", made.to_string());
    let each = parent("", ", output_schema: standard_input").replace("file: leaf.yaml", "workflow: '{{ made }}'");
    let each = each.replace("inputs:\n  texts", "inputs:\n  made: {input_schema: runbook_definition}\n  texts");
    dir.write(
        "each.yaml",
        each.replace("outputs: {found: found}, output_schema", "outputs: {longer: found}, output_schema"),
    );
    let _ = palisade(dir.path(), RUN.into_iter().chain(["--input", "made=made.json"])).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/found.json"), ["ax", "bbx", "cccx"]);
    assert_eq!(of_kind(&events(&dir, "last"), "ChildPlanned").len(), 1);
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn a_fork_takes_a_map_over_whole_or_begins_it_anew() {
    let Some(dir) = dir() else { return };
    let behind =
        "  - {id: last, analyser: 'test:stepper', input: found, config: {append: y}, outputs: {texts: longest}}\n";
    dir.write("each.yaml", parent("", "") + behind);
    let _ = palisade(dir.path(), RUN).exits(0);
    let _ = palisade(dir.path(), ["runs", "fork", "-q", "last", "--at", "last"]).exits(0);
    assert!(record(&dir, "last")["children"].as_array().unwrap().is_empty());
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
    let _ = palisade(dir.path(), ["runs", "fork", "-q", "last~1", "--at", "each"]).exits(0);
    assert_eq!(record(&dir, "last")["children"].as_array().unwrap().len(), 3);
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

#[test]
fn whenever_its_process_ends_a_map_makes_the_same_and_no_child_that_ended_runs_again() {
    let Some(whole) = dir() else { return };
    let _ = palisade(whole.path(), run_out()).exits(0);
    let expected = std::fs::read_to_string(whole.join("out/found.json")).unwrap();
    let Some(dir) = dir() else { return };
    end_at_each(40, Duration::from_millis(2), |life, how| {
        end_after(start(&dir, RUN), life, how);
        let listed = runs(&dir);
        let state = listed.first().and_then(|run| run["state"].as_str());
        let goes_on = state.is_some_and(|state| ["abandoned", "interrupted"].contains(&state));
        if goes_on {
            let _ = palisade(dir.path(), ["resume", "last", "-q", "--out", "out"]).exits(0);
            assert_eq!(std::fs::read_to_string(dir.join("out/found.json")).unwrap(), expected);
            let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
        }
        goes_on
    });
    journal::all(&journal::open(&dir.join(".palisade"))).values().for_each(|events| nothing_is_done_twice(events));
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
}

/// A map over a component, of so much text that it is written down what is done before all of it is.
fn large() -> Option<Dir> {
    let dir = with_stepper()?;
    let text = |number: usize| format!("{number:03}{}", "x".repeat(256 << 10));
    let all: Vec<String> = (1..ITEMS).map(text).chain(["end".to_owned()]).collect();
    write_texts(&dir, "texts.json", &all.iter().map(String::as_str).collect::<Vec<_>>());
    dir.write(
        "large.yaml",
        format!(
            "name: Large\ninputs:\n  texts: {{input_schema: standard_input}}\noutputs: {{found: found}}\nexecution:\n\
             \x20 - {{id: each, type: map, analyser: 'test:stepper', input: texts, max_items: {ITEMS}, outputs: {{texts: found}}}}\n"
        ),
    );
    Some(dir)
}

const ITEMS: usize = 300;
const RUN_LARGE: [&str; 6] = ["run", "-q", "--no-cache", "large.yaml", "--input", "texts=texts.json"];

/// The digest of what the map made, and how many instances ran for it.
fn made(dir: &Dir) -> (Value, u64) {
    let all = events(dir, "last");
    let ended = of_kind(&all, "AttemptSucceeded")[0];
    (ended["outputs"].clone(), ended["usage"]["instances"].as_u64().unwrap())
}

#[test]
fn items_that_are_written_down_as_done_do_not_run_again() {
    let Some(whole) = large() else { return };
    let _ = palisade(whole.path(), RUN_LARGE).exits(0);
    let (expected, instances) = made(&whole);
    assert_eq!(instances, ITEMS as u64 + 1);
    for batches in 1..=3 {
        let Some(dir) = large() else { return };
        let done = || {
            // The database is there only once the process has made it.
            let data = dir.join(".palisade");
            data.join("palisade.db").is_file()
                && of_kind(&palisade_tests::journal::events(&palisade_tests::journal::open(&data)), "ItemsDone").len()
                    >= batches
        };
        kill_once(start(&dir, RUN_LARGE), done);
        let acknowledged: u64 =
            of_kind(&events(&dir, "last"), "ItemsDone").iter().map(|done| done["items"].as_u64().unwrap()).sum();
        assert!(acknowledged > 0);
        let _ = palisade(dir.path(), ["resume", "last", "-q"]).exits(0);
        let (outputs, instances) = made(&dir);
        assert_eq!(outputs, expected, "the same comes out");
        assert_eq!(instances, ITEMS as u64 - acknowledged + 1, "behind {acknowledged} items");
        let all = events(&dir, "last");
        assert_eq!(of_kind(&all, "AttemptStarted")[1]["runs"], ITEMS as u64 - acknowledged);
        // What was done before counts as used, once.
        let told = record(&dir, "last");
        assert_eq!(told["steps"][0]["usage"]["instances"], ITEMS as u64 + 1);
        let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
        let _ = palisade(dir.path(), ["doctor"]).exits(0);
    }
}

#[test]
fn a_map_that_is_soon_over_writes_nothing_down_before_its_end() {
    let Some(dir) = dir() else { return };
    dir.write(
        "each.yaml",
        parent("", "")
            .replace("file: leaf.yaml", "analyser: 'test:stepper'")
            .replace("inputs: {texts: texts}, outputs: {found: found}", "input: texts, outputs: {texts: found}"),
    );
    let _ = palisade(dir.path(), RUN).exits(0);
    assert!(of_kind(&events(&dir, "last"), "ItemsDone").is_empty());
}

#[test]
fn an_item_that_fails_leaves_those_before_it_done_for_the_next_try() {
    let Some(dir) = large() else { return };
    let fails = std::fs::read_to_string(dir.join("large.yaml")).unwrap();
    // It is at its last item for ever, in both attempts.
    let retry = "retry: {max_attempts: 2, backoff: 1ms, on: [wall]}, limits: {wall: 2s, fuel: 900000000000}, \
                 config: {spin_at: end}, outputs: {texts";
    dir.write("large.yaml", fails.replace("outputs: {texts", retry));
    let _ = palisade(dir.path(), RUN_LARGE).exits(4);
    let all = events(&dir, "last");
    let started: Vec<u64> =
        of_kind(&all, "AttemptStarted").iter().map(|event| event["runs"].as_u64().unwrap()).collect();
    assert!(started.len() == 2 && started[1] < started[0], "{started:?}");
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
}

//! Stored runs against an edited runbook, down to the children that they had.

use palisade_tests::told::write_texts;
use palisade_tests::{Dir, palisade, root, with_stepper};
use serde_json::{Value, json};

const LEAF: &str = "
name: Leaf
inputs:
  texts: {input_schema: standard_input}
outputs: {found: longer}
execution:
  - {id: one, analyser: 'test:stepper', input: texts, config: {append: a}, outputs: {texts: more}}
  - {id: two, analyser: 'test:stepper', input: more, config: {append: b}, outputs: {texts: longer}}
";
const PARENT: &str = "
name: Parent
inputs:
  docs: {input_schema: standard_input}
outputs: {last: last}
execution:
  - {id: go, type: execute_workflow, file: leaf.yaml, inputs: {texts: docs}, outputs: {found: found}}
  - {id: each, type: map, file: leaf.yaml, max_items: 9, inputs: {texts: found}, outputs: {found: mapped}}
  - {id: ask, type: approval, message: Shall it go on?, after: [each]}
  - {id: after, analyser: 'test:stepper', input: mapped, after: [ask], config: {append: y}, outputs: {texts: last}}
";

/// A run with children, one of them for each item of a map, and an answer of a person.
fn recorded() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "docs.json", &["-", "--", "---"]);
    dir.write("leaf.yaml", LEAF);
    dir.write("parent.yaml", PARENT);
    let _ = palisade(dir.path(), ["run", "-q", "parent.yaml", "--input", "docs=docs.json"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last", "ask"]).exits(0);
    Some(dir)
}

/// Replays the latest run by an edited runbook.
fn by(dir: &Dir, runbook: &str, code: i32) -> Value {
    let args = ["replay", "last", "--runbook", runbook, "--format", "json"];
    let all: Value = serde_json::from_str(&palisade(dir.path(), args).exits(code).stdout).unwrap();
    assert_eq!(all["runs"].as_array().map(Vec::len), Some(1), "{all}");
    all["runs"][0].clone()
}

fn within(replayed: &Value) -> Vec<(&str, u64)> {
    let within = replayed["difference"]["within"].as_array().unwrap();
    within.iter().map(|at| (at["step"].as_str().unwrap(), at["iteration"].as_u64().unwrap())).collect()
}

#[test]
fn the_first_step_that_differs_is_named_in_whichever_child_it_is() {
    let Some(dir) = recorded() else { return };
    let same = by(&dir, "parent.yaml", 0);
    // Two steps of the child, twice for each of three items, and the last step.
    assert_eq!(same["attempts"], json!({"replayed": 9, "fed": 0, "as_recorded": 0}), "{same:#}");
    let lineage = palisade(dir.path(), ["lineage", "last", "--up"]).exits(0).stdout;
    assert!(lineage.contains("approved by ") && lineage.contains("at step ask"), "{lineage}");
    // The files of its children are edited with it.
    dir.write("leaf.yaml", LEAF.replace("append: b", "append: c"));
    let edited = by(&dir, "parent.yaml", 1);
    assert_eq!((within(&edited), &edited["difference"]["step"]), (vec![("go", 0)], &json!("two")), "{edited:#}");
    assert_eq!(edited["difference"]["pointer"], "/content");
    let all = palisade(dir.path(), ["replay", "--all", "--runbook", "parent.yaml"]).exits(1).stdout;
    assert!(all.contains("  child of `go`, step `two`, output `texts`, item 0, `/content`: a text of 3"), "{all}");
    assert_eq!(all.matches("✗ it differs").count(), 1, "{all}");
    // The children that were stored are runs of the child's runbook.
    let children = palisade(dir.path(), ["replay", "--all", "--runbook", "leaf.yaml"]).exits(1).stdout;
    assert_eq!(children.matches("✗ it differs").count(), 4, "{children}");
}

#[test]
fn the_items_of_a_map_go_along_the_children_that_they_had() {
    let Some(dir) = recorded() else { return };
    let edit = |from: &str, to: &str| {
        dir.write("other.yaml", LEAF.replace(from, to));
        dir.write("edited.yaml", PARENT.replace("map, file: leaf.yaml", "map, file: other.yaml"));
    };
    edit("append: b", "append: b, fail_at: --aba");
    let fails = by(&dir, "edited.yaml", 1);
    assert_eq!((within(&fails), &fails["difference"]["step"]), (vec![("each", 2)], &json!("two")), "{fails:#}");
    let told = palisade(dir.path(), ["replay", "last", "--runbook", "edited.yaml"]).exits(1).stdout;
    assert!(told.contains("child 2 of `each`, step `two`, output `texts`: it was made when it was recorded"), "{told}");
    edit("{texts: more}", "{texts: more, lengths: measured}");
    let named = by(&dir, "edited.yaml", 0);
    assert_eq!((&named["new"], &named["gone"]), (&json!(["each/measured"]), &json!([])), "{named:#}");
    let edit = |from: &str, to: &str| dir.write("edited.yaml", PARENT.replace(from, to));
    // What the parent does with what its children made.
    edit("append: y", "append: z");
    let after = by(&dir, "edited.yaml", 1);
    assert_eq!((&after["difference"]["step"], &after["difference"]["within"]), (&json!("after"), &Value::Null));
    edit("max_items: 9", "max_items: 2");
    assert_eq!(by(&dir, "edited.yaml", 1)["difference"]["step"], "each");
    // A child that there was not.
    edit(
        "  - {id: ask",
        "  - {id: more, type: execute_workflow, file: leaf.yaml, inputs: {texts: mapped}, outputs: {found: new}}\n  - {id: ask",
    );
    let more = by(&dir, "edited.yaml", 0);
    assert_eq!((&more["new"], &more["attempts"]["replayed"]), (&json!(["new"]), &json!(11)), "{more:#}");
}

#[test]
fn what_a_child_read_from_outside_is_fed_from_its_own_record() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    dir.write("outer.yaml", "name: Outer\nexecution:\n  - {id: go, type: execute_workflow, file: runbook.yaml}\n");
    let _ = palisade(dir.path(), ["run", "-q", "outer.yaml"]).exits(0);
    std::fs::remove_dir_all(dir.join("data")).unwrap();
    let same = by(&dir, "outer.yaml", 0);
    assert_eq!(same["attempts"], json!({"replayed": 2, "fed": 1, "as_recorded": 0}), "{same:#}");
    let inner = std::fs::read_to_string(dir.join("runbook.yaml")).unwrap();
    dir.write("runbook.yaml", inner.replace("evidence_context_size: small", "evidence_context_size: large"));
    let edited = by(&dir, "outer.yaml", 1);
    assert_eq!((within(&edited), &edited["difference"]["step"]), (vec![("go", 0)], &json!("personal_data")));
    dir.write("runbook.yaml", inner.replace("path: \"data\"", "path: \"other\""));
    let told = palisade(dir.path(), ["replay", "last", "--runbook", "outer.yaml"]).exits(2).stderr;
    assert!(told.contains("step `go`: in its child, step `files`: it reads from outside, and its component"), "{told}");
}

#[test]
fn a_runbook_that_is_an_artifact_goes_by_the_plan_that_was_approved() {
    let Some(dir) = with_stepper() else { return };
    dir.write("palisade.toml", "[generated]\ncomponents = [\"test:stepper\"]\n");
    write_texts(&dir, "texts.json", &["a", "bb"]);
    let made = |name: &str| {
        let step = json!({"id": "longer", "analyser": "test:stepper", "input": "texts", "output": "longer"});
        json!({"name": name, "inputs": {"texts": {"input_schema": "standard_input"}}, "execution": [step]}).to_string()
    };
    dir.write("made.json", made("Made"));
    dir.write("other.json", made("Other"));
    let caller = "
name: Caller
inputs:
  made: {input_schema: runbook_definition}
  other: {input_schema: runbook_definition}
  docs: {input_schema: standard_input}
execution:
  - {id: first, analyser: 'test:stepper', input: docs, config: {append: x}, outputs: {texts: texts}}
  - {id: go, type: execute_workflow, workflow: '{{ made }}', inputs: {texts: texts}}
";
    dir.write("caller.yaml", caller);
    let run = ["run", "-q", "caller.yaml", "--input", "docs=texts.json", "--input", "made=made.json"];
    let _ = palisade(dir.path(), run.into_iter().chain(["--input", "other=other.json"])).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last"]).exits(0);
    // Nobody is asked again, and what the operator lets such runbooks do by now counts for nothing.
    dir.write("palisade.toml", "");
    let same = by(&dir, "caller.yaml", 0);
    assert_eq!(same["attempts"]["replayed"], 2, "{same:#}");
    dir.write("edited.yaml", caller.replace("{texts: texts}}\n  - {id: go", "{texts: drafts}}\n  - {id: then, analyser: 'test:stepper', input: drafts, config: {append: z}, outputs: {texts: texts}}\n  - {id: go"));
    let edited = by(&dir, "edited.yaml", 1);
    assert_eq!(edited["difference"]["step"], "then", "{edited:#}");
    dir.write("edited.yaml", caller.replace("{{ made }}", "{{ other }}"));
    let told = palisade(dir.path(), ["replay", "last", "--runbook", "edited.yaml"]).exits(2).stderr;
    assert!(told.contains("step `go`: the runbook that it runs is another artifact than was recorded"), "{told}");
}

#[test]
fn a_step_that_differs_is_found_below_an_item_of_a_map_and_below_its_child() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-", "--", "---"]);
    dir.write("leaf.yaml", LEAF);
    let middle = "name: Middle\ninputs: {texts: {input_schema: standard_input}}\noutputs: {found: found}\nexecution:\n  \
                  - {id: go, type: execute_workflow, file: leaf.yaml, inputs: {texts: texts}, outputs: {found: found}}\n";
    dir.write("middle.yaml", middle);
    let top = "name: Top\ninputs: {docs: {input_schema: standard_input}}\nexecution:\n  \
               - {id: each, type: map, file: middle.yaml, max_items: 9, inputs: {texts: docs}, outputs: {found: all}}\n";
    dir.write("top.yaml", top);
    let _ = palisade(dir.path(), ["run", "-q", "top.yaml", "--input", "docs=docs.json"]).exits(0);
    assert_eq!(by(&dir, "top.yaml", 0)["attempts"]["replayed"], 6);
    dir.write("leaf.yaml", LEAF.replace("append: b", "append: b, fail_at: --a"));
    let edited = by(&dir, "top.yaml", 1);
    // The first item is as it was.
    assert_eq!(within(&edited), [("each", 2), ("go", 0)], "{edited:#}");
    assert_eq!(edited["difference"]["step"], "two");
    let told = palisade(dir.path(), ["replay", "last", "--runbook", "top.yaml"]).exits(1).stdout;
    assert!(told.contains("child 2 of `each`, child of `go`, step `two`"), "{told}");
}

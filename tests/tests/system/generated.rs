//! Runbooks that are artifacts: planned when they are there, approved by a person who sees their plan, run within what
//! the step that runs them and the operator allow, and refused otherwise.

use palisade_tests::told::{end_after, end_at_each, first_failure, json_of, record, start, texts, write_texts};
use palisade_tests::{Dir, palisade, with_stepper};
use serde_json::{Value, json};
use std::time::Duration;

/// A runbook that runs the one that it is given.
fn caller(more: &str) -> String {
    format!(
        "name: Caller\ninputs:\n  made: {{input_schema: runbook_definition}}\n  texts: {{input_schema: standard_input}}\n\
         execution:\n  - {{id: go, type: execute_workflow, workflow: '{{{{ made }}}}', inputs: {{texts: texts}}{more}}}\n"
    )
}

/// A runbook that is an artifact: one step over the texts that it is given.
fn made() -> Value {
    json!({
        "name": "Made",
        "inputs": {"texts": {"input_schema": "standard_input"}},
        "execution": [step("longer", "texts")],
    })
}

fn step(id: &str, input: &str) -> Value {
    json!({"id": id, "analyser": "test:stepper", "input": input, "output": id})
}

/// Texts, a caller, and the stepper, which the operator lets such runbooks use.
fn dir() -> Option<Dir> {
    let dir = with_stepper()?;
    dir.write("palisade.toml", "[generated]\ncomponents = [\"test:stepper\"]\n");
    write_texts(&dir, "texts.json", &["a", "bb"]);
    dir.write("caller.yaml", caller(""));
    dir.write("made.json", made().to_string());
    Some(dir)
}

const RUN: [&str; 7] = ["run", "-q", "caller.yaml", "--input", "texts=texts.json", "--input", "made=made.json"];

fn run_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    RUN.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn it_waits_for_a_person_who_sees_its_text_and_its_plan() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), run_with(&[])).exits(5);
    let listed = json_of(&dir, &["approvals", "list"]);
    assert_eq!(listed["approvals"][0]["path"], "go");
    assert_eq!(listed["approvals"][0]["message"], "may the runbook `Made` run, of 1 step, which nobody has read yet?");
    let seen = palisade(dir.path(), ["approvals", "show", "last"]).exits(0).stdout;
    for part in [
        "   1 | name: Made\n",
        "analyser: \"test:stepper\"",
        "\nMade\n  plan ",
        "component runs  1",
        "What it could touch",
        "What its caller does not do itself\n  +  new  component  test:stepper",
    ] {
        assert!(seen.contains(part), "{part} is not in\n{seen}");
    }
    let shown = json_of(&dir, &["approvals", "show", "last"]);
    assert_eq!(shown["plan"]["plan_digest"], listed["approvals"][0]["runbook"]["plan_digest"]);
    // Nothing has run yet, and nobody works on it.
    assert_eq!(record(&dir, "last")["children"], json!([]));
    let _ = palisade(dir.path(), ["approve", "last", "-q", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/go/longer.json"), ["ax", "bbx"]);
    let listed = json_of(&dir, &["runs", "list"]);
    assert_eq!(listed["runs"][0]["items"], 2);
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
}

#[test]
fn nothing_runs_when_a_person_says_no() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), run_with(&[])).exits(5);
    let _ = palisade(dir.path(), ["reject", "last", "-q", "--note", "not today"]).exits(3);
    assert_eq!((&first_failure(&dir)["kind"], &record(&dir, "last")["children"]), (&json!("rejected"), &json!([])));
}

#[test]
fn it_is_approved_beforehand_by_who_starts_the_run_or_within_what_the_step_says() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), run_with(&["--approve", "--out", "out"])).exits(0);
    assert_eq!(texts(&dir, "out/go/longer.json"), ["ax", "bbx"]);
    let two = json!({
        "name": "Two",
        "inputs": {"texts": {"input_schema": "standard_input"}},
        "execution": [step("one", "texts"), step("two", "one")],
    });
    dir.write("made.json", two.to_string());
    let whole = "true, limits: {max_runs: 9}, components: ['test:stepper']";
    let cases = [(whole, 0), ("{max_runs: 2}", 0), ("{max_runs: 1}", 5), ("{max_duration: 1h}", 0), ("false", 5)];
    for (approved, code) in cases {
        dir.write("caller.yaml", caller(&format!(", auto_approve: {approved}")));
        let _ = palisade(dir.path(), run_with(&[])).exits(code);
    }
}

#[test]
fn the_operator_may_want_a_person_to_look_at_each_and_not_for_ever() {
    let Some(dir) = dir() else { return };
    let generated = "[generated]\ncomponents = ['test:stepper']\n";
    dir.write("palisade.toml", format!("{generated}[approval]\nrunbooks = 'always'\nexpires = '7d'\n"));
    let told = palisade(dir.path(), run_with(&["--approve"])).exits(3).stderr;
    assert!(
        told.contains("--approve counts for nothing here: [approval] of palisade.toml says runbooks = \"always\""),
        "{told}"
    );
    assert_eq!(json_of(&dir, &["runs", "list"])["runs"], json!([]));
    dir.write("caller.yaml", caller(", auto_approve: true, limits: {max_runs: 9}, components: ['test:stepper']"));
    let _ = palisade(dir.path(), run_with(&[])).exits(5);
    let asked = &json_of(&dir, &["approvals", "list"])["approvals"][0];
    let started = json_of(&dir, &["runs", "list"])["runs"][0]["run_id"].as_str().is_some();
    assert!(started && asked["expires_at_ms"].as_u64().is_some(), "{asked:#}");
    let _ = palisade(dir.path(), ["approve", "last", "-q"]).exits(0);
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
    dir.write("palisade.toml", format!("{generated}[approval]\nexpires = '0s'\n"));
    dir.write("caller.yaml", caller(""));
    let _ = palisade(dir.path(), run_with(&[])).exits(5);
    let _ = palisade(dir.path(), ["resume", "-q", "last"]).exits(3);
    assert_eq!(first_failure(&dir)["message"], "nobody answered in time, which is a no");
}

#[test]
fn its_steps_keep_to_the_bounds_of_each_list_that_allows_their_component() {
    let Some(dir) = dir() else { return };
    let operator = |bounds: &str| {
        let entry = format!("{{ component = \"test:stepper\", config = {{ {bounds} }} }}");
        dir.write("palisade.toml", format!("[generated]\ncomponents = [\n  {entry},\n]\n"));
    };
    let made_with = |config: Value| {
        let mut made = made();
        made["execution"][0]["config"] = config;
        dir.write("made.json", made.to_string());
    };
    let listed = ", components: [{component: 'test:stepper', config: {append: {enum: ['y', 'z']}}}]";
    operator("append = { enum = [\"x\", \"y\"] }, enough = { const = 3 }");
    dir.write("caller.yaml", caller(listed));
    made_with(json!({"append": "y"}));
    let _ = palisade(dir.path(), run_with(&["--approve", "--out", "out"])).exits(0);
    assert_eq!(texts(&dir, "out/go/longer.json"), ["ay", "bby"]);
    let refused = |config: Value, told: &str| {
        made_with(config);
        let outcome = palisade(dir.path(), run_with(&["--approve"])).exits(3);
        let shown = outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(told) && shown.contains("[PAL0342]"), "{shown}");
        assert_eq!(first_failure(&dir)["kind"], "denied");
        assert_eq!(record(&dir, "last")["children"], json!([]), "nothing ran");
    };
    let of = "of `test:stepper` must be";
    refused(json!({"append": "z"}), &format!("`append` {of} `x` or `y` (palisade.toml:3), and in this step it is `z`"));
    refused(json!({}), &format!("`append` {of} `y` or `z` (caller.yaml:6), and in this step it is `x`"));
    refused(
        json!({"append": "y", "enough": 4}),
        &format!("`enough` {of} `3` (palisade.toml:3), and in this step it is `4`"),
    );
    operator("append = { below = \"data\" }");
    dir.write("caller.yaml", caller(""));
    refused(json!({"append": "database"}), &format!("`append` {of} a path below `data` (palisade.toml:3)"));
    made_with(json!({"append": "data/a"}));
    let _ = palisade(dir.path(), run_with(&["--approve"])).exits(0);
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
}

#[test]
fn what_it_makes_can_have_a_name_and_a_reader_in_its_caller() {
    let Some(dir) = dir() else { return };
    let more = ", outputs: {longer: texts_of_it}, output_schema: standard_input";
    let reader = "  - {id: after, analyser: 'test:stepper', input: texts_of_it, output: after_it}\n";
    dir.write("caller.yaml", caller(more) + reader);
    let _ = palisade(dir.path(), run_with(&["--approve", "--out", "out"])).exits(0);
    assert_eq!(texts(&dir, "out/texts_of_it.json"), ["ax", "bbx"]);
    assert_eq!(texts(&dir, "out/after_it.json"), ["axx", "bbxx"]);
    // Without its schema it has its name, and nobody can read it.
    dir.write("caller.yaml", caller(", outputs: {longer: texts_of_it}"));
    let _ = palisade(dir.path(), run_with(&["--approve", "--out", "other"])).exits(0);
    assert_eq!(texts(&dir, "other/texts_of_it.json"), ["ax", "bbx"]);
}

#[test]
fn nothing_in_it_says_what_anybody_may_do() {
    let Some(dir) = dir() else { return };
    let allow = json!(["fs-read=/etc"]);
    let tables = ["grant", "deny", "secret", "declassify", "flow", "generated", "namespace", "connection"];
    let settings = tables.map(|table| (table, json!([{"component": "test:stepper", "allow": allow}])));
    for (key, value) in settings.into_iter().chain([("allow", allow.clone()), ("approve", json!(true))]) {
        for at in ["", "/execution/0"] {
            let mut made = made();
            made.pointer_mut(at).unwrap()[key] = value.clone();
            dir.write("made.json", made.to_string());
            let told = palisade(dir.path(), run_with(&["--approve"])).exits(2).stderr;
            assert!(told.contains("does not fit runbook_definition/1.0.0"), "{at} {key}: {told}");
            assert!(told.contains("rule `additionalProperties`"), "{at} {key}: {told}");
        }
    }
    assert_eq!(json_of(&dir, &["runs", "list"])["runs"], json!([]));
}

#[test]
fn what_it_may_not_have_is_refused_before_anything_of_it_runs() {
    let Some(dir) = dir() else { return };
    let with = |steps: Value| json!({"name": "Made", "inputs": {"texts": {"input_schema": "standard_input"}}, "execution": steps});
    let reads = json!({"id": "files", "type": "source", "system": "this folder", "output": "files"});
    let connector = json!({"id": "files", "type": "source", "connector": "filesystem", "config": {"path": "/etc"}});
    let cases = [
        ("", with(json!([connector])), 3, "denied", "not by a connector of its own"),
        (
            ", components: [filesystem]",
            made(),
            2,
            "",
            "does not let runbooks that are artifacts use `palisade:filesystem`",
        ),
        ("", with(json!([{"id": "pd", "analyser": "personal_data", "input": "texts"}])), 3, "denied", "does not let"),
        ("", with(json!([{"id": "x", "analyser": "test:steper", "input": "texts"}])), 1, "bad_runbook", "test:steper"),
        ("", with(json!([step("a", "b"), step("b", "a")])), 1, "bad_runbook", "[PAL0319]"),
        ("", json!({"name": "Made", "execution": [reads]}), 1, "bad_runbook", "gives it an input `texts`"),
    ];
    for (more, made, code, kind, text) in cases {
        dir.write("caller.yaml", caller(more));
        dir.write("made.json", made.to_string());
        let told = palisade(dir.path(), run_with(&["--approve"])).exits(code).stderr;
        if kind.is_empty() {
            assert!(told.contains(text), "{told}");
            continue;
        }
        let failure = first_failure(&dir);
        assert_eq!(failure["kind"], kind, "{failure:#}");
        assert!(failure["message"].as_str().unwrap().contains(text), "{failure:#}");
        assert_eq!(record(&dir, "last")["children"], json!([]));
    }
}

#[test]
fn a_system_is_read_within_what_its_caller_may_do() {
    let Some(dir) = dir() else { return };
    dir.write("data/a.txt", "a");
    dir.write(
        "palisade.toml",
        "[generated]\ncomponents = [\"test:stepper\"]\n[[system]]\nname = \"notes\"\nconnector = \"filesystem\"\nconfig = {path = \"data\"}\n",
    );
    let reads = json!({"name": "Made", "execution": [
        {"id": "notes", "type": "source", "system": "notes"}, step("longer", "notes"),
    ]});
    dir.write("made.json", reads.to_string());
    let caller = caller("").replace(", inputs: {texts: texts}", "");
    dir.write("caller.yaml", &caller);
    let _ = palisade(dir.path(), run_with(&["--approve", "--out", "out"])).exits(0);
    assert_eq!(texts(&dir, "out/go/longer.json"), ["ax"]);
    dir.write("caller.yaml", format!("capabilities: [fs-read=elsewhere]\n{caller}"));
    let _ = palisade(dir.path(), run_with(&["--approve"])).exits(3);
    let failure = first_failure(&dir);
    assert!(failure["message"].as_str().unwrap().contains("its step `notes` may not use"), "{failure:#}");
}

#[test]
fn one_that_runs_itself_is_a_circle_and_one_that_differs_each_time_ends_at_its_depth() {
    let Some(dir) = dir() else { return };
    let again =
        json!({"id": "again", "type": "execute_workflow", "workflow": "{{ next }}", "inputs": {"texts": "texts"}});
    // Each holds the next as the default of an input.
    let nested = |depth: usize| {
        (0..depth).fold(made(), |next, level| {
            json!({
                "name": format!("Level {level}"),
                "inputs": {
                    "texts": {"input_schema": "standard_input"},
                    "next": {"input_schema": "runbook_definition", "optional": true, "default": next},
                },
                "execution": [again],
            })
        })
    };
    dir.write("caller.yaml", caller(", limits: {max_depth: 2}"));
    // The first is the child, the second the grandchild.
    for (depth, code) in [(0, 0), (1, 0), (2, 4), (4, 4)] {
        dir.write("made.json", nested(depth).to_string());
        let _ = palisade(dir.path(), run_with(&["--approve"])).exits(code);
    }
    let failure = first_failure(&dir);
    let message = failure["message"].as_str().unwrap();
    assert_eq!((&failure["key"], &failure["found"]), (&json!("max_depth"), &json!(2)), "{message}");
    assert!(message.contains("(`Caller`)") || message.contains("`Level "), "{message}");
    let mut circle = nested(1);
    circle["inputs"]["next"] = json!({"input_schema": "runbook_definition"});
    circle["execution"][0]["inputs"]["next"] = json!("next");
    dir.write("made.json", circle.to_string());
    dir.write("caller.yaml", caller("").replace("{texts: texts}", "{texts: texts, next: made}"));
    let _ = palisade(dir.path(), run_with(&["--approve"])).exits(1);
    let failure = first_failure(&dir);
    assert!(failure["message"].as_str().unwrap().contains("run each other in a circle"), "{failure:#}");
}

#[test]
fn whenever_its_process_ends_the_same_is_made() {
    let Some(dir) = dir() else { return };
    end_at_each(24, Duration::from_millis(2), |life, how| {
        end_after(start(&dir, run_with(&["--approve"])), life, how);
        let listed = json_of(&dir, &["runs", "list"]);
        // An early end leaves no run at all.
        let goes_on =
            listed["runs"][0]["state"].as_str().is_some_and(|state| ["abandoned", "interrupted"].contains(&state));
        if goes_on {
            let _ = palisade(dir.path(), ["resume", "last", "-q", "--out", "out"]).exits(0);
            assert_eq!(texts(&dir, "out/go/longer.json"), ["ax", "bbx"]);
        }
        goes_on
    });
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
}

#[test]
fn a_plan_stays_what_was_approved_whatever_becomes_of_the_settings() {
    let Some(dir) = dir() else { return };
    let _ = palisade(dir.path(), run_with(&[])).exits(5);
    // The runbook's file and the settings change; the run has what it planned.
    dir.write("made.json", "{}");
    dir.write("caller.yaml", "{}");
    let _ = palisade(dir.path(), ["approve", "last", "-q", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/go/longer.json"), ["ax", "bbx"]);
}

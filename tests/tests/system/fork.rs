//! New runs that share the beginning of another: nothing of it runs again, what is edited is said, and nothing that was
//! allowed or answered there counts here.

use palisade_tests::told::{CHAIN, event_lines, json_of, record, runs, texts, write_texts};
use palisade_tests::{Dir, Outcome, command, journal, palisade, root, with_stepper};
use serde_json::{Value, json};
use std::process::Stdio;

/// A folder in which a chain of three steps ran, each of which appends its letter.
fn chain() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "docs.json", &["-"]);
    dir.write("chain.yaml", CHAIN);
    let _ = palisade(dir.path(), ["run", "-q", "chain.yaml", "--input", "docs=docs.json"]).exits(0);
    Some(dir)
}

fn fork(dir: &Dir, args: &[&str]) -> Outcome {
    palisade(dir.path(), ["runs", "fork"].iter().chain(args))
}

/// What a refused call says, with its code.
#[track_caller]
fn refused(dir: &Dir, code: i32, args: &[&str], says: &[&str]) {
    let count = runs(dir).len();
    let said = fork(dir, args).exits(code).stderr;
    for part in says {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    assert_eq!(runs(dir).len(), count, "{said}");
}

#[track_caller]
fn replays(dir: &Dir, run: &str, [replayed, fed]: [u64; 2]) {
    let told = json_of(dir, &["replay", run])["runs"][0].clone();
    assert_eq!(told["result"], "same", "{told:#}");
    assert_eq!(told["attempts"], json!({"replayed": replayed, "fed": fed, "as_recorded": 0}), "{told:#}");
}

/// The steps that began behind the fork.
fn began(dir: &Dir, run: &str) -> Vec<String> {
    let events: Vec<Value> = event_lines(dir, run).iter().map(|line| line["event"].clone()).collect();
    let forked = events.iter().rposition(|event| event["kind"] == "RunForked").unwrap();
    let attempts = events[forked..].iter().filter(|event| event["kind"] == "AttemptStarted");
    attempts.map(|event| event["step"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_had_ended_is_taken_over_and_what_is_edited_comes_out() {
    let Some(dir) = chain() else { return };
    let said = fork(&dir, &["last", "--at", "b", "--set", "b.append=B", "--out", "out"]).exits(0).stderr;
    assert!(said.contains("before b, behind event 5; takes over a\n"), "{said}");
    assert!(said.contains("edited: b.append = \"B\""), "{said}");
    assert_eq!(texts(&dir, "out/tc.json"), ["-aBc"]);
    assert_eq!(began(&dir, "last"), ["b", "c"]);
    // The shared events are those of the other run, byte by byte, and its hash there is named.
    let (old, new) = (event_lines(&dir, "last~1"), event_lines(&dir, "last"));
    let shared = new.iter().position(|line| line["event"]["kind"] == "RunForked").unwrap();
    assert_eq!(shared, 5);
    for (old, new) in old[1..shared].iter().zip(&new[1..shared]) {
        assert_eq!(old["event"], new["event"]);
    }
    let from = &new[0]["event"]["fork"]["from"];
    assert_eq!(*from, json!({"run_id": old[0]["event"]["run"], "event": 5, "hash": old[4]["hash"], "step": "b"}));
    let run: Value = serde_json::from_slice(&std::fs::read(dir.join("out/run.json")).unwrap()).unwrap();
    assert_eq!(run["forked_from"], *from);
    assert_eq!(run["edits"], json!([{"kind": "config", "step": "b", "pointer": "/append", "value": "B"}]));
    assert_ne!(run["plan_digest"], record(&dir, "last~1")["plan_digest"]);
    let a = &run["steps"][0];
    assert_eq!(a["cached_from"], json!({"run_id": from["run_id"], "event": 4}));
    assert_eq!(a["usage"]["fuel"], 0);
    replays(&dir, "last", [3, 0]);
    replays(&dir, "last~1", [3, 0]);
    assert_eq!(palisade(dir.path(), ["doctor"]).code, Some(0));
}

#[test]
fn an_edited_run_is_marked_wherever_it_is_told() {
    let Some(dir) = chain() else { return };
    let _ = fork(&dir, &["last", "-q", "--at", "c"]).exits(0);
    let _ = fork(&dir, &["last~1", "-q", "--at", "c", "--set", "c.append=Z"]).exits(0);
    let listed = runs(&dir);
    assert_eq!(
        [&listed[0]["edited"], &listed[1]["edited"], &listed[2]["edited"]],
        [&json!(true), &Value::Null, &Value::Null]
    );
    assert_eq!(listed[0]["forked_from"], listed[2]["run_id"]);
    assert_eq!(listed[1]["forked_from"], listed[2]["run_id"]);
    let text = palisade(dir.path(), ["runs", "list"]).exits(0).stdout;
    let marks: Vec<_> = text.lines().map(|line| (line.ends_with("(edited)"), line.ends_with("(fork)"))).collect();
    assert_eq!(marks, [(false, false), (true, false), (false, true), (false, false)], "{text}");
    let says = |args: &[&str], says: &str| {
        let told = palisade(dir.path(), args).exits(0).stdout;
        assert!(told.contains(says), "{args:?}: {told}");
    };
    says(&["runs", "show", "last"], "edited: c.append = \"Z\"");
    says(&["runs", "show", "last"], "before step c, behind event 9");
    says(&["runs", "show", "last", "--tree"], " · in run ");
    says(&["runs", "show", "last", "--events"], "; takes over a, b");
    says(&["runs", "show", "last", "--why"], "event 4 of that run made it");
    says(&["runs", "diff", "last~2", "last"], ", edited\n");
    says(&["lineage", "tc", "--run", "last"], ", edited\n");
    says(&["replay", "last"], "Chain  (edited)\n");
    // Other programs are told of what ran in it alone: its start and end, and those of one attempt.
    let told = palisade(dir.path(), ["lineage", "tc", "--run", "last", "--format", "openlineage"]).exits(0).stdout;
    assert_eq!(told.lines().count(), 4, "{told}");
    // A fork by the same plan is none that was edited.
    let unedited = record(&dir, "last~1");
    assert_eq!((&unedited["edits"], &unedited["plan_digest"]), (&Value::Null, &record(&dir, "last~2")["plan_digest"]));
}

#[test]
fn a_fork_is_left_again_and_each_part_is_replayed_by_its_own_plan() {
    let Some(dir) = chain() else { return };
    let _ = fork(&dir, &["last", "-q", "--at", "b", "--set", "b.append=B"]).exits(0);
    let _ = fork(&dir, &["last", "-q", "--at", "c", "--set", "c.append=C", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/tc.json"), ["-aBC"]);
    assert_eq!(began(&dir, "last"), ["c"]);
    let edits = record(&dir, "last")["edits"].clone();
    assert_eq!(edits.as_array().unwrap().len(), 2, "{edits}");
    replays(&dir, "last", [3, 0]);
    // Left where the first of the three had it, with what was edited since.
    let _ = fork(&dir, &["last", "-q", "--at", "b", "--set", "b.append='2'", "--out", "again"]).exits(0);
    assert_eq!(texts(&dir, "again/tc.json"), ["-a2C"]);
    assert_eq!(began(&dir, "last"), ["b", "c"]);
    replays(&dir, "last", [3, 0]);
    // Without edits, a fork of what was edited is edited too.
    let _ = fork(&dir, &["last", "-q", "--at", "c"]).exits(0);
    assert_eq!(record(&dir, "last")["edits"].as_array().unwrap().len(), 2);
    let all = json_of(&dir, &["replay", "--all"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["result"] == "same"), "{all:#}");
}

#[test]
fn an_edited_runbook_goes_on_and_may_not_change_what_ran_before() {
    let Some(dir) = chain() else { return };
    let edited = CHAIN.replace("append: c", "append: D").replace("outputs: {tc: tc}", "outputs: {tc: tc, td: td}");
    let edited = edited + "  - {id: d, analyser: 'test:stepper', input: tc, outputs: {texts: td}}\n";
    dir.write("edited.yaml", &edited);
    let _ = fork(&dir, &["last", "-q", "--at", "c", "--runbook", "edited.yaml", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/td.json"), ["-abDx"]);
    assert_eq!(record(&dir, "last")["edits"][0]["kind"], "runbook");
    replays(&dir, "last", [4, 0]);
    // A title, a limit and an order that is the same are no other step.
    dir.write("same.yaml", CHAIN.replace("{id: a,", "{id: a, name: First, limits: {memory: 32MiB},"));
    let _ = fork(&dir, &["last~1", "-q", "--at", "c", "--runbook", "same.yaml"]).exits(0);
    replays(&dir, "last", [3, 0]);
    let check = |change: (&str, &str), says: &str| {
        dir.write("other.yaml", CHAIN.replace(change.0, change.1));
        refused(&dir, 2, &["last~2", "--at", "c", "--runbook", "other.yaml"], &[says, "nothing was started"]);
    };
    check(("append: a", "append: A"), "step `a` ran before `c`, and its config would be other now");
    check(("append: b}", "append: b}, when: '1 < 2'"), "step `b` ran before `c`, and its condition would be other");
    check(("input: ta", "input: docs"), "step `b` ran before `c`, and what it reads would be other");
    check(("append: b}", "append: b}, after: a"), "step `b` ran before `c`, and what it comes after would be other");
    refused(&dir, 2, &["last~2", "--at", "c", "--set", "a.append=A"], &["step `a` ran before `c`", "fork at `a`"]);
    write_texts(&dir, "other.json", &["+"]);
    refused(
        &dir,
        2,
        &["last~2", "--at", "c", "--input", "docs=other.json"],
        &["step `a` ran before `c`, and an input"],
    );
    let _ = fork(&dir, &["last~2", "-q", "--at", "a", "--input", "docs=other.json", "--out", "input"]).exits(0);
    assert_eq!(texts(&dir, "input/tc.json"), ["+abc"]);
    assert_eq!(record(&dir, "last")["edits"], json!([{"kind": "input", "name": "docs"}]));
    replays(&dir, "last", [3, 0]);
    dir.write(
        "gone.yaml",
        CHAIN
            .lines()
            .filter(|line| !line.contains("id: c"))
            .collect::<Vec<_>>()
            .join("\n")
            .replace("{tc: tc}", "{tb: tb}"),
    );
    refused(&dir, 2, &["last~3", "--at", "c", "--runbook", "gone.yaml"], &["gone.yaml has no step `c` any more"]);
    refused(&dir, 2, &["last~3", "--at", "c", "--runbook", "docs.json"], &["docs.json has"]);
}

#[test]
fn what_can_not_be_forked_is_refused_with_why() {
    let Some(dir) = chain() else { return };
    refused(&dir, 2, &["last", "--at", "B1"], &["has no step `B1`", "did you mean `b`?"]);
    refused(&dir, 2, &["last", "--at", "other"], &["has no step `other`", "known are `a`, `b`, `c`"]);
    refused(&dir, 2, &["nobody", "--at", "b"], &["there is no run"]);
    refused(
        &dir,
        2,
        &["last", "--at", "b", "--set", "b.apend=x"],
        &["--set:1:1", "has no property `apend`", "did you mean `append`?"],
    );
    refused(
        &dir,
        2,
        &["last", "--at", "b", "--set", "b.append=longer than eight"],
        &["--set:1:1", "b.append=", "`append` of"],
    );
    refused(
        &dir,
        2,
        &["last", "--at", "b", "--set", "c.append=x", "--set", "b.enough=no"],
        &["--set:2:1", "b.enough="],
    );
    refused(
        &dir,
        2,
        &["last", "--at", "b", "--set", "bb.append=x"],
        &["--set bb.append: the runbook has no step `bb`"],
    );
    refused(&dir, 2, &["last", "--at", "b", "--set", "b"], &["--set b: it has the form STEP.PATH=VALUE"]);
    let elsewhere = Dir::new();
    let data = dir.join(".palisade");
    let told = palisade(elsewhere.path(), ["runs", "fork", "last", "--at", "b", "--data-dir", data.to_str().unwrap()]);
    assert!(told.exits(2).stderr.contains("works in the folder"));
    // A step that never started, for a failure before it.
    dir.write("fails.yaml", CHAIN.replace("append: b", "append: b, fail_at: -a"));
    let _ = palisade(dir.path(), ["run", "-q", "fails.yaml", "--input", "docs=docs.json"]).exits(1);
    refused(&dir, 2, &["last", "--at", "c"], &["step `c` never started: it is skipped", "these started: `a`, `b`"]);
    // The one that failed can be mended.
    let _ = fork(&dir, &["last", "-q", "--at", "b", "--set", "b.fail_at=null", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/tc.json"), ["-abc"]);
    replays(&dir, "last", [3, 0]);
}

#[test]
fn a_run_that_goes_on_is_not_left() {
    let Some(dir) = chain() else { return };
    dir.write("spins.yaml", CHAIN.replace("append: b", "append: b, spin_at: -a"));
    let args = ["run", "-q", "spins.yaml", "--input", "docs=docs.json"];
    let mut child =
        command::command(dir.path()).args(args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let goes_on = || {
        let all = runs(&dir);
        all.len() == 2 && event_lines(&dir, "last").iter().any(|line| line["event"]["kind"] == "AttemptSucceeded")
    };
    while !goes_on() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let told = fork(&dir, &["last", "--at", "a"]).exits(2).stderr;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.contains("goes on in process") && told.contains("palisade cancel"), "{told}");
    // Once its process is gone, it can be: what ran then begins anew.
    let _ = fork(&dir, &["last", "-q", "--at", "b", "--set", "b.spin_at=null", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/tc.json"), ["-abc"]);
    replays(&dir, "last", [3, 0]);
}

const ASKS: &str = "
name: Asks
inputs:
  docs: {input_schema: standard_input}
outputs: {tc: tc}
execution:
  - {id: a, analyser: 'test:stepper', input: docs, config: {append: a}, outputs: {texts: ta}}
  - {id: ask, type: approval, message: 'Shall it?', input: ta}
  - {id: b, analyser: 'test:stepper', input: ta, config: {append: b}, outputs: {texts: tb}, after: ask}
  - {id: c, analyser: 'test:stepper', input: tb, config: {append: c}, outputs: {texts: tc}}
";

#[test]
fn no_answer_of_a_person_is_taken_over_once_something_was_edited() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-"]);
    dir.write("asks.yaml", ASKS);
    let _ = palisade(dir.path(), ["run", "-q", "asks.yaml", "--input", "docs=docs.json"]).exits(5);
    // Before the answer: the question is asked again, in the new run.
    let _ = fork(&dir, &["last", "-q", "--at", "ask"]).exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last~1"]).exits(0);
    assert_eq!(json_of(&dir, &["approvals", "list"])["approvals"].as_array().unwrap().len(), 1);
    // The same plan: the yes holds.
    let said = fork(&dir, &["last~1", "--at", "c"]).exits(0).stderr;
    assert!(said.contains("takes over a, ask, b\n"), "{said}");
    assert_eq!(began(&dir, "last"), ["c"]);
    replays(&dir, "last", [3, 0]);
    // Another plan: what the yes was to has changed, and what came behind it has no yes any more.
    let said = fork(&dir, &["last~2", "--at", "c", "--set", "c.append=C"]).exits(5).stderr;
    assert!(said.contains("takes over a\n") && said.contains("asks again: ask\n"), "{said}");
    assert!(said.contains("runs again, since it comes behind: b\n"), "{said}");
    assert_eq!(began(&dir, "last"), Vec::<String>::new());
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/tc.json"), ["-abC"]);
    assert_eq!(began(&dir, "last"), ["b", "c"]);
    let all = json_of(&dir, &["replay", "--all"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["result"] == "same"), "{all:#}");
}

#[test]
fn a_runbook_that_is_an_artifact_is_asked_for_again_once_something_was_edited() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-"]);
    dir.write("palisade.toml", "[generated]\ncomponents = [\"test:stepper\"]\n");
    dir.write(
        "made.json",
        json!({
            "name": "Made",
            "inputs": {"texts": {"input_schema": "standard_input"}},
            "execution": [{"id": "longer", "analyser": "test:stepper", "input": "texts", "output": "longer"}],
        })
        .to_string(),
    );
    dir.write(
        "caller.yaml",
        "name: Caller\ninputs:\n  made: {input_schema: runbook_definition}\n  docs: {input_schema: standard_input}\noutputs: {z: z}\n\
         execution:\n  - {id: go, type: execute_workflow, workflow: '{{ made }}', inputs: {texts: docs}}\n\
         \x20 - {id: last, analyser: 'test:stepper', input: docs, config: {append: z}, outputs: {texts: z}, after: go}\n",
    );
    let _ =
        palisade(dir.path(), ["run", "-q", "caller.yaml", "--input", "docs=docs.json", "--input", "made=made.json"])
            .exits(5);
    let _ = palisade(dir.path(), ["approve", "-q", "last"]).exits(0);
    let said = fork(&dir, &["last", "--at", "last"]).exits(0).stderr;
    assert!(said.contains("takes over go\n"), "{said}");
    let said = fork(&dir, &["last~1", "--at", "last", "--set", "last.append=Z"]).exits(5).stderr;
    assert!(said.contains("takes over nothing\n") && said.contains("asks again: go\n"), "{said}");
    let _ = palisade(dir.path(), ["approve", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/z.json"), ["-Z"]);
    let _ =
        fork(&dir, &["last~2", "-q", "--at", "last", "--set", "last.append=Y", "--approve", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/z.json"), ["-Y"]);
    let all = json_of(&dir, &["replay", "--all"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["result"] == "same"), "{all:#}");
}

#[test]
fn what_was_allowed_for_the_other_run_is_not_allowed_here() {
    let outside = Dir::new();
    outside.write("note.txt", "call +49 30 1234567");
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let path = outside.path().to_str().unwrap();
    let runbook = format!(
        "name: Outside\nexecution:\n  - {{id: files, type: source, connector: filesystem, config: {{path: {path}}}, output: files}}\n\
         \x20 - {{id: find, analyser: personal_data, input: files, output: found,\n\
         \x20    config: {{pattern_matching: {{ruleset: local/demo_personal_data/1.0.0}}}}}}\n"
    );
    dir.write("outside.yaml", runbook);
    let allow = format!("fs-read={path}");
    let _ = palisade(dir.path(), ["run", "-q", "outside.yaml", "--allow", &allow]).exits(0);
    refused(&dir, 3, &["last", "--at", "find"], &["may not use", "--allow fs-read="]);
    let _ = fork(&dir, &["last", "-q", "--at", "find", "--allow", &allow]).exits(0);
    assert_eq!(record(&dir, "last")["allowed"], json!([allow]));
    assert_eq!(began(&dir, "last"), ["find"]);
    // The data is gone, and nobody needs it.
    drop(outside);
    replays(&dir, "last", [1, 1]);
}

#[test]
fn a_ruleset_that_is_another_by_now_counts_and_is_told() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    let file = "rulesets/demo_personal_data/1.0.0/demo_personal_data.yaml";
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    let edited = text.replacen("e-mail", "electronic mail", 1);
    assert_ne!(text, edited);
    dir.write(file, edited);
    refused(&dir, 2, &["last", "--at", "privacy"], &["step `personal_data` ran before `privacy`, and"]);
    let _ = fork(&dir, &["last", "-q", "--at", "personal_data"]).exits(0);
    assert_eq!(record(&dir, "last")["edits"], json!([{"kind": "surroundings"}]));
    replays(&dir, "last", [2, 1]);
    replays(&dir, "last~1", [2, 1]);
}

#[test]
fn children_that_ended_are_not_run_again_and_are_no_runs_to_fork() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-"]);
    dir.write(
        "leaf.yaml",
        "name: Leaf\ninputs:\n  texts: {input_schema: standard_input}\noutputs: {found: longer}\nexecution:\n\
         \x20 - {id: step, analyser: 'test:stepper', input: texts, outputs: {texts: longer}}\n",
    );
    dir.write(
        "parent.yaml",
        "name: Parent\ninputs:\n  docs: {input_schema: standard_input}\noutputs: {last: last, twice: twice}\nexecution:\n\
         \x20 - {id: child, type: execute_workflow, file: leaf.yaml, inputs: {texts: docs}, outputs: {found: found}}\n\
         \x20 - {id: after, analyser: 'test:stepper', input: found, config: {append: y}, outputs: {texts: last}}\n\
         \x20 - {id: again, type: execute_workflow, file: leaf.yaml, inputs: {texts: last}, outputs: {found: twice}}\n",
    );
    let _ = palisade(dir.path(), ["run", "-q", "parent.yaml", "--input", "docs=docs.json"]).exits(0);
    let child = record(&dir, "last")["children"][0].as_str().unwrap().to_owned();
    refused(&dir, 2, &[&child, "--at", "step"], &["is a child of run", "fork that one"]);
    // By another runbook its children come from their files.
    let leaf = std::fs::read_to_string(dir.join("leaf.yaml")).unwrap();
    dir.write("leaf.yaml", leaf.replace("name: Leaf", "name: Other"));
    let says = ["step `child` ran before `after`, and its child runbook would be other now"];
    refused(&dir, 2, &["last", "--at", "after", "--runbook", "parent.yaml"], &says);
    // Those of the run come from the store, whatever became of the files.
    std::fs::remove_file(dir.join("leaf.yaml")).unwrap();
    let _ = fork(&dir, &["last", "-q", "--at", "after", "--set", "after.append=z", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/last.json"), ["-xz"]);
    assert_eq!(texts(&dir, "out/twice.json"), ["-xzx"]);
    let told = record(&dir, "last");
    assert_eq!(told["children"].as_array().unwrap().len(), 1, "{told:#}");
    assert_eq!(told["steps"][0]["child"], child);
    let tree = palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout;
    assert!(tree.contains(&child), "{tree}");
    let all = json_of(&dir, &["replay", "last"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["result"] == "same"), "{all:#}");
    // Without the other run and its children.
    let _ = palisade(dir.path(), ["runs", "gc", "--keep", "1", "--yes"]).exits(0);
    let all = json_of(&dir, &["replay", "last"]);
    assert!(all["runs"].as_array().unwrap().iter().all(|run| run["result"] == "same"), "{all:#}");
    assert!(!palisade(dir.path(), ["runs", "show", "last", "--tree"]).exits(0).stdout.is_empty());
}

#[test]
fn what_a_fork_shares_stays_when_the_other_run_goes_and_goes_when_it_is_erased_everywhere() {
    let Some(dir) = chain() else { return };
    let _ = fork(&dir, &["last", "-q", "--at", "b", "--set", "b.append=B"]).exits(0);
    let told = palisade(dir.path(), ["runs", "erase", "last~1", "--yes"]).exits(1).stdout;
    assert!(told.contains("in run"), "{told}");
    replays(&dir, "last", [3, 0]);
    let _ = palisade(dir.path(), ["runs", "gc", "--keep", "1", "--yes"]).exits(0);
    assert_eq!(runs(&dir).len(), 1);
    replays(&dir, "last", [3, 0]);
    let _ = fork(&dir, &["last", "-q", "--at", "c", "--set", "c.append=C", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/tc.json"), ["-aBC"]);
    let _ = palisade(dir.path(), ["runs", "erase", "last~1", "--everywhere", "--yes"]).exits(0);
    refused(&dir, 2, &["last~1", "--at", "b"], &["was erased at"]);
    refused(&dir, 2, &["last", "--at", "c"], &["was erased at"]);
}

#[test]
fn a_shared_event_that_is_not_what_the_other_run_has_is_found() {
    let Some(dir) = chain() else { return };
    let _ = fork(&dir, &["last", "-q", "--at", "b"]).exits(0);
    let connection = journal::open(&dir.join(".palisade"));
    let mut events = journal::events(&connection);
    events[2]["at_ms"] = json!(1);
    journal::rewrite(&connection, &events);
    drop(connection);
    let told = json_of_code(&dir, &["replay", "last"], 7)["runs"][0].clone();
    // Written anew, the events have their keys in another order, and already that is not what stands there.
    assert_eq!((&told["result"], &told["difference"]["event"]), (&json!("differs"), &json!(2)), "{told:#}");
    assert!(told["difference"]["message"].as_str().unwrap().contains("from which it was forked"), "{told:#}");
}

fn json_of_code(dir: &Dir, args: &[&str], code: i32) -> Value {
    serde_json::from_str(&palisade(dir.path(), args.iter().chain(&["--format", "json"])).exits(code).stdout).unwrap()
}

//! Agents that submit runbooks, through the binary: what may run, how it waits for a person, what the agent is told, and that
//! nothing is lost or done twice. The agent is the delegate (`plugins/delegate`), which submits what its config lists; what
//! its runbooks run is the stepper (`plugins/stepper`).

use palisade_tests::told::{
    end_after, end_at_each, event_lines, events, first_failure, fits, holds, json_of, record, start, texts, write_texts,
};
use palisade_tests::{Dir, Outcome, journal, palisade, with_delegate};
use serde_json::{Value, json};
use std::time::Duration;

const TOML: &str = "[generated]\ncomponents = [\"test:stepper\", \"test:delegate\"]\n\n\
    [[grant]]\ncomponent = \"test:delegate\"\nallow = [\"call=test:stepper\", \"call=test:delegate\"]\n";
const RUN: [&str; 7] = ["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--out", "out"];

/// A folder in which the delegate may have the stepper run, its bytes accepted.
struct Bench(Dir);

impl Bench {
    fn new(toml: &str) -> Option<Self> {
        let dir = with_delegate(toml)?;
        write_texts(&dir, "docs.json", &["a", "bb"]);
        Some(Self(dir))
    }

    fn call(&self, arguments: &[&str]) -> Outcome {
        palisade(self.0.path(), arguments)
    }

    /// Writes a runbook whose agent submits these within `within`.
    fn runbook(&self, submitted: &Value, within: &Value) {
        self.runbook_with(submitted, within, &json!({}), &json!({}));
    }

    /// The same with more of the agent's config and of the runbook.
    fn runbook_with(&self, submitted: &Value, within: &Value, config: &Value, more: &Value) {
        let mut step = json!({
            "id": "agent", "type": "agent", "agent": "test:delegate", "goal": "Look at all of it", "input": "docs",
            "output": "seen", "config": {"runbooks": submitted, "gives": "texts"},
        });
        extend(&mut step["config"], config);
        if !within.is_null() {
            step["runbooks"] = json!({"components": ["test:stepper"], "most": 5});
            extend(&mut step["runbooks"], within);
        }
        let mut runbook = json!({
            "name": "Agent", "inputs": {"docs": {"input_schema": "standard_input"}}, "execution": [step],
        });
        extend(&mut runbook, more);
        self.0.write("runbook.yaml", runbook.to_string());
    }

    fn run(&self) -> Outcome {
        self.call(&RUN)
    }

    /// What the agent wrote down, as `source: content`.
    fn seen(&self) -> Vec<String> {
        seen(&self.0)
    }

    #[track_caller]
    fn replays(&self) {
        let _ = self.call(&["replay", "--all"]).exits(0);
    }

    /// What the audit log says of the power `call` in the latest run: where, how often allowed and denied.
    fn uses_of_call(&self) -> Vec<Value> {
        let log = json_of(&self.0, &["audit", "log", "--run", "last", "--kind", "uses"]);
        let entries = log["entries"].as_array().unwrap().iter().map(|entry| &entry["entry"]);
        let calls = entries.filter(|entry| entry["power"] == "call");
        calls.map(|entry| json!([entry["scope"], entry["allowed"], entry["denied"]])).collect()
    }

    fn kinds(&self) -> Vec<String> {
        events(&self.0, "last").iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

fn seen(dir: &Dir) -> Vec<String> {
    let document: Value = serde_json::from_slice(&std::fs::read(dir.join("out/seen.json")).unwrap()).unwrap();
    let told = |item: &Value| {
        format!("{}: {}", item["metadata"]["source"].as_str().unwrap(), item["content"].as_str().unwrap())
    };
    document["data"].as_array().unwrap().iter().map(told).collect()
}

fn extend(object: &mut Value, more: &Value) {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
}

/// A run's id as the database has it.
fn run_bytes(run: &str) -> Vec<u8> {
    let digits: String = run.chars().filter(|char| *char != '-').collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// A runbook of one step over the texts that it is given.
fn longer(append: &str) -> Value {
    json!({
        "name": format!("Longer by {append}"),
        "inputs": {"texts": {"input_schema": "standard_input"}},
        "execution": [step("longer", "texts", append)],
    })
}

fn step(id: &str, input: &str, append: &str) -> Value {
    json!({"id": id, "analyser": "test:stepper", "input": input, "output": id, "config": {"append": append}})
}

fn approved() -> Value {
    json!({"auto_approve": true, "limits": {"max_runs": 4}})
}

fn item(content: &str) -> String {
    format!("item: {}", json!({"content": content, "metadata": {"source": "x"}}))
}

#[test]
fn an_agent_has_a_runbook_run_and_reads_what_it_made() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1")]), &approved());
    let _ = bench.run().exits(0);
    let expected =
        ["goal: Look at all of it", "most: 5", "made: longer standard_input: 2 items", &item("a1"), &item("bb1")];
    assert_eq!(bench.seen(), expected);
    let kinds = bench.kinds();
    let expected = [
        "RunStarted",
        "StepScheduled",
        "AttemptStarted",
        "AttemptSuspended",
        "ChildPlanned",
        "StepScheduled",
        "ChildStarted",
        "ChildEnded",
        "HostCallRecorded",
        "StepScheduled",
        "AttemptStarted",
        "AttemptSucceeded",
        "RunEnded",
    ];
    assert_eq!(kinds, expected);
    let record = record(&bench.0, "last");
    assert_eq!((&record["steps"][0]["attempts"], record["children"].as_array().unwrap().len()), (&json!(3), 1));
    // What the child made is the agent's to tell of, and no result of the run.
    assert!(!bench.0.join("out/agent").exists());
    bench.replays();
    let _ = bench.call(&["doctor"]).exits(0);
    let _ = bench.call(&["audit", "verify"]).exits(0);
}

#[test]
fn it_is_shown_wherever_runs_are() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1")]), &approved());
    let plan = bench.call(&["plan", "runbook.yaml"]).exits(0).stdout;
    for part in ["submits   5 runbooks at most, each planned when it is there", "may use   test:stepper@1.0.0"] {
        holds(&plan, part);
    }
    let _ = bench.run().exits(0);
    let events = bench.call(&["runs", "show", "last", "--events"]).exits(0).stdout;
    holds(&events, "agent: attempt 1 waits for the answer to call 1");
    holds(&events, "agent: attempt 2, call 1 of runbooks.submit");
    let tree = bench.call(&["runs", "show", "last", "--tree"]).exits(0).stdout;
    for part in ["suspended", "Longer by 1", "longer"] {
        holds(&tree, part);
    }
    let tree = json_of(&bench.0, &["runs", "show", "last", "--tree"]);
    let states: Vec<_> = tree["steps"][0]["attempts"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["suspended", "succeeded", "succeeded"]);
    fits("palisade.run_tree", &tree);
    let whole = json_of(&bench.0, &["runs", "show", "last"]);
    fits("palisade.run_shown", &whole);
    for event in 0..=whole["events"].as_u64().unwrap() {
        fits("palisade.run_state", &json_of(&bench.0, &["runs", "show", "last", "--at", &event.to_string()]));
    }
    event_lines(&bench.0, "last").iter().for_each(|line| fits("palisade.run_event", line));
    fits("palisade.plan", &json_of(&bench.0, &["plan", "runbook.yaml"]));
    let lineage = bench.call(&["lineage", "seen", "--format", "openlineage"]).exits(0).stdout;
    let count = |kind: &str| lineage.matches(&format!("\"eventType\":\"{kind}\"")).count();
    // Those of the child that it submitted are told behind its own.
    assert_eq!([count("START"), count("ABORT"), count("COMPLETE")], [6, 1, 5], "{lineage}");
    let audited = bench.call(&["audit", "log"]).exits(0).stdout;
    holds(&audited, "approved beforehand by the runbook");
}

#[test]
fn it_waits_for_a_person_without_a_process_and_goes_on_with_their_yes() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1")]), &json!({}));
    let _ = bench.run().exits(5);
    let asked = json_of(&bench.0, &["approvals", "list"])["approvals"].clone();
    assert_eq!(asked[0]["path"], "agent");
    assert_eq!(asked[0]["message"], "may the runbook `Longer by 1` run, of 1 step, which nobody has read yet?");
    let shown = bench.call(&["approvals", "show", "last"]).exits(0).stdout;
    for part in ["   1 | name: Longer by 1\n", "analyser: \"test:stepper\"", "component runs  1"] {
        holds(&shown, part);
    }
    assert_eq!(record(&bench.0, "last")["children"], json!([]), "nothing has run");
    let (_, plan) = shown.split_once(" --plan ").unwrap();
    let (plan, _) = plan.split_once('`').unwrap();
    let another = bench.call(&["approve", "last", "--plan", &"0".repeat(64)]).exits(3);
    holds(&another.stderr, "`agent` waits for an answer about something else than that plan");
    let _ = bench.call(&["approve", "last", "--plan", &plan[..12]]).exits(2);
    let _ = bench.call(&["approve", "last", "-q", "--out", "out", "--plan", plan]).exits(0);
    assert_eq!(bench.seen()[2..], ["made: longer standard_input: 2 items".to_owned(), item("a1"), item("bb1")]);
    bench.replays();
    // An answer that nobody goes on with is only written down.
    let _ = bench.run().exits(5);
    let _ = bench.call(&["approve", "last", "-q", "--no-run"]).exits(0);
    let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
    bench.replays();
}

#[test]
fn a_no_is_told_to_the_agent_which_goes_on() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1"), longer("2")]), &json!({}));
    let _ = bench.run().exits(5);
    let _ = bench.call(&["reject", "last", "-q", "--note", "not this one"]).exits(5);
    let _ = bench.call(&["approve", "last", "-q", "--out", "out"]).exits(0);
    let seen = bench.seen();
    holds(&seen[2], "rejected: ");
    holds(&seen[2], " said no: not this one");
    assert_eq!(seen[3..], ["made: longer standard_input: 2 items".to_owned(), item("a2"), item("bb2")]);
    let succeeded = &record(&bench.0, "last")["steps"][0];
    assert_eq!((&succeeded["status"], &succeeded["failure"]), (&json!("succeeded"), &Value::Null));
    bench.replays();
    bench.0.write("palisade.toml", format!("{TOML}[approval]\nexpires = '0s'\n"));
    bench.runbook(&json!([longer("1")]), &json!({}));
    let _ = bench.run().exits(5);
    let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
    assert_eq!(bench.seen()[2], "rejected: nobody answered in time, which is a no");
}

#[test]
fn what_can_not_run_is_told_at_once_and_can_be_repaired() {
    let Some(bench) = Bench::new(TOML) else { return };
    let mut unknown = longer("1");
    unknown["execution"][0]["analyser"] = json!("test:steper");
    let mut beyond = longer("1");
    beyond["execution"][0]["analyser"] = json!("personal_data");
    let reads = json!({"name": "Reads", "inputs": {"texts": {"input_schema": "standard_input"}}, "execution": [
        {"id": "files", "type": "source", "connector": "filesystem", "config": {"path": "/etc"}, "output": "files"},
    ]});
    let mut other = longer("1");
    other["inputs"] = json!({"others": {"input_schema": "standard_input"}});
    other["execution"][0]["input"] = json!("others");
    bench.runbook(&json!([unknown, beyond, reads, json!([7]), longer("2")]), &approved());
    let _ = bench.run().exits(0);
    let seen = bench.seen();
    let refused: Vec<_> = seen.iter().filter(|line| line.starts_with("refused: ")).collect();
    for part in [
        "PAL0301 at analyser: \"test:steper\": no component is called `test:steper`",
        "at analyser: personal_data: the step that runs this does not let it use `palisade:personal_data`",
        "a runbook that is an artifact reads data as a system or an input, not by a connector of its own",
    ] {
        assert!(refused.iter().any(|line| line.contains(part)), "no `{part}` in {refused:#?}");
    }
    assert_eq!(seen.last(), Some(&item("bb2")));
    // None of them ended the attempt, and each is on record.
    let events = events(&bench.0, "last");
    let calls = events.iter().filter(|event| event["what"] == "runbooks.submit, refused");
    assert_eq!(calls.map(|call| call["attempt"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 1, 1, 1]);
    let audited = json_of(&bench.0, &["audit", "log"]).to_string();
    assert_eq!(audited.matches("child_refused").count(), 4, "{audited}");
    bench.replays();
    bench.runbook(&json!([other]), &approved());
    let _ = bench.run().exits(0);
    holds(&bench.seen().join("\n"), "step `agent` gives it an input `texts`, and it has none of that name");
}

#[test]
fn an_agent_may_submit_so_many_and_no_more() {
    let Some(bench) = Bench::new(TOML) else { return };
    let mut wrong = longer("1");
    wrong["execution"][0]["analyser"] = json!("test:steper");
    let submitted = json!([wrong, longer("1"), longer("2")]);
    let with = |most: u32| {
        let mut within = approved();
        within["most"] = json!(most);
        bench.runbook_with(&submitted, &within, &json!({"all": true}), &json!({}));
        bench.run()
    };
    let refused = with(2).exits(4);
    holds(&refused.stderr, "step `agent` may submit 2 runbooks, and its agent submitted one more");
    let failure = first_failure(&bench.0);
    assert_eq!((&failure["key"], &failure["most"]), (&json!("most"), &json!(2)));
    bench.replays();
    let _ = with(3).exits(0);
    let made: Vec<_> = bench.seen().into_iter().filter(|line| line.starts_with("item: ")).collect();
    assert_eq!(made, [item("a1"), item("bb1"), item("a2"), item("bb2")]);
    assert_eq!(record(&bench.0, "last")["children"].as_array().unwrap().len(), 2);
    bench.replays();
}

#[test]
fn nothing_is_submitted_that_the_step_the_operator_or_the_grants_do_not_allow() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1")]), &Value::Null);
    let _ = bench.run().exits(0);
    assert_eq!(bench.seen()[1..], ["most: 0", "error: Denied: not allowed"]);
    assert_eq!(bench.uses_of_call(), [json!([null, 0, 1])], "it may submit none, and the audit log says so");
    // What its runbooks may use is no tool of its own.
    let calls = json!({"calls": [{"tool": "test:stepper", "port": "texts", "give": "input"}]});
    bench.runbook_with(&json!([]), &approved(), &calls, &json!({}));
    let _ = bench.run().exits(0);
    assert_eq!(bench.seen()[1..], ["test:stepper: Denied: not allowed"]);
    assert_eq!(bench.uses_of_call(), [json!([null, 0, 1])]);
    // What the operator lets no generated runbook use can't be listed.
    bench.0.write("palisade.toml", TOML.replace("components = [\"test:stepper\", ", "components = ["));
    bench.runbook(&json!([longer("1")]), &approved());
    let refused = bench.run().exits(2);
    holds(&refused.stderr, "does not let runbooks that are artifacts use `test:stepper`");
    bench.0.write("palisade.toml", TOML.replace("\"call=test:stepper\", ", ""));
    let refused = bench.run().exits(3);
    holds(&refused.stderr, "the operator grants no `call` of `test:stepper`");
    assert_eq!(json_of(&bench.0, &["runs", "list"])["runs"].as_array().unwrap().len(), 2, "nothing has run");
}

#[test]
fn a_runbook_has_the_bounds_of_its_step_and_its_failure_is_told() {
    let Some(bench) = Bench::new(TOML) else { return };
    let two = json!({
        "name": "Two",
        "inputs": {"texts": {"input_schema": "standard_input"}},
        "execution": [step("one", "texts", "1"), step("two", "one", "2")],
    });
    bench.runbook(&json!([two]), &json!({"auto_approve": {"max_runs": 1}, "limits": {"max_runs": 1}}));
    let _ = bench.call(&["run", "-q", "runbook.yaml", "--input", "docs=docs.json", "--out", "out"]).exits(0);
    holds(&bench.seen()[2], "failed: the child run ");
    holds(&bench.seen()[2], "max_runs");
    bench.replays();
    // Beyond what is approved beforehand a person is asked.
    bench.runbook(&json!([two]), &json!({"auto_approve": {"max_runs": 1}, "limits": {"max_runs": 9}}));
    let _ = bench.run().exits(5);
    let _ = bench.call(&["cancel", "last"]).exits(0);
    bench.runbook(&json!([two]), &json!({"auto_approve": {"max_runs": 2}, "limits": {"max_runs": 9}}));
    let _ = bench.run().exits(0);
    let mut fails = longer("1");
    fails["execution"][0]["config"] = json!({"fail_at": "bb"});
    bench.runbook(&json!([fails]), &approved());
    let _ = bench.run().exits(0);
    holds(&bench.seen()[2], "failed: the child run ");
    holds(&bench.seen()[2], "it was told to fail here");
    let failed = record(&bench.0, "last");
    assert_eq!((&failed["status"], &failed["steps"][0]["failure"]), (&json!("succeeded"), &Value::Null));
    bench.replays();
}

#[test]
fn runbooks_that_submit_runbooks_end_at_their_depth() {
    let Some(bench) = Bench::new(TOML) else { return };
    let components = json!(["test:stepper", "test:delegate"]);
    // An agent whose runbook has an agent of its own, and so on.
    let nested = |depth: usize| {
        (0..depth).fold(longer("1"), |next, level| {
            json!({
                "name": format!("Level {level}"),
                "inputs": {"texts": {"input_schema": "standard_input"}},
                "capabilities": ["call=test:stepper", "call=test:delegate"],
                "execution": [{
                    "id": "below", "type": "agent", "agent": "test:delegate", "goal": "Go down", "input": "texts",
                    "output": "below", "config": {"runbooks": [next], "gives": "texts"},
                    "runbooks": {"components": components, "most": 1, "limits": {"max_runs": 30, "max_depth": 3}},
                }],
            })
        })
    };
    let run = |depth: usize| {
        let within = json!({"components": components, "limits": {"max_depth": 2, "max_runs": 90}});
        bench.runbook(&json!([nested(depth)]), &within);
        let _ = bench.call(&[&RUN[..], &["--approve"]].concat()).exits(0);
        bench.seen().join("\n")
    };
    holds(&run(1), "longer standard_input: 2 items");
    let refused = run(2);
    holds(&refused, "made: below standard_input");
    assert!(!refused.contains("longer standard_input") && refused.contains("so says `max_depth`"), "{refused}");
    bench.replays();
}

#[test]
fn a_runbook_waits_for_a_person_itself_too() {
    let Some(bench) = Bench::new(TOML) else { return };
    let mut asks = longer("1");
    let question = json!({"id": "ask", "type": "approval", "message": "May it?", "input": "texts"});
    asks["execution"][0]["after"] = json!("ask");
    asks["execution"].as_array_mut().unwrap().insert(0, question);
    bench.runbook(&json!([asks]), &approved());
    let _ = bench.run().exits(5);
    assert_eq!(json_of(&bench.0, &["approvals", "list"])["approvals"][0]["path"], "agent/ask");
    let _ = bench.call(&["approve", "last", "agent/ask", "-q", "--out", "out"]).exits(0);
    assert_eq!(bench.seen().last(), Some(&item("bb1")));
    bench.replays();
}

#[test]
fn a_run_is_cancelled_while_its_agent_waits() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1")]), &json!({}));
    let _ = bench.run().exits(5);
    let _ = bench.call(&["cancel", "last"]).exits(0);
    let cancelled = record(&bench.0, "last");
    assert_eq!((&cancelled["status"], &cancelled["children"]), (&json!("cancelled"), &json!([])));
    assert_eq!(cancelled["steps"][0]["status"], "cancelled");
    let _ = bench.call(&["approve", "last"]).exits(2);
    bench.replays();
}

#[test]
fn a_fork_takes_over_an_agent_that_has_ended_and_begins_any_other_anew() {
    let Some(bench) = Bench::new(TOML) else { return };
    let more = |last: &str| {
        let agent = json!({
            "id": "agent", "type": "agent", "agent": "test:delegate", "goal": "Look", "input": "docs", "output": "seen",
            "config": {"runbooks": [longer("1")], "gives": "texts"},
            "runbooks": {"components": ["test:stepper"], "most": 1, "limits": {"max_runs": 4}, "auto_approve": true},
        });
        json!({"execution": [agent, step("last", "seen", last)]})
    };
    bench.runbook_with(&json!([]), &Value::Null, &json!({}), &more("x"));
    let _ = bench.run().exits(0);
    let _ = bench.call(&["runs", "fork", "last", "--at", "last", "-q", "--out", "out"]).exits(0);
    let kept = record(&bench.0, "last");
    assert_eq!((&kept["children"], kept["steps"][0]["cached_from"].is_object()), (&json!([]), true));
    bench.replays();
    let _ = bench.call(&["runs", "fork", "last", "--at", "agent", "-q", "--out", "out"]).exits(0);
    assert_eq!(record(&bench.0, "last")["children"].as_array().unwrap().len(), 1);
    bench.replays();
}

#[test]
fn whenever_its_process_ends_the_same_is_made() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook_with(&json!([longer("1"), longer("2")]), &approved(), &json!({"all": true}), &json!({}));
    let _ = bench.run().exits(0);
    let expected = bench.seen();
    end_at_each(24, Duration::from_millis(4), |life, how| {
        end_after(start(&bench.0, RUN), life, how);
        let listed = json_of(&bench.0, &["runs", "list"]);
        let goes_on =
            listed["runs"][0]["state"].as_str().is_some_and(|state| ["abandoned", "interrupted"].contains(&state));
        if goes_on {
            let _ = bench.call(&["resume", "last", "-q", "--out", "out"]).exits(0);
            assert_eq!(bench.seen(), expected);
        }
        goes_on
    });
    bench.replays();
}

#[test]
fn a_run_goes_on_from_each_of_its_events() {
    let Some(bench) = Bench::new(TOML) else { return };
    bench.runbook(&json!([longer("1")]), &json!({}));
    let _ = bench.run().exits(5);
    let _ = bench.call(&["approve", "last", "-q", "--out", "out"]).exits(0);
    let expected = bench.seen();
    let run = json_of(&bench.0, &["runs", "list"])["runs"][0]["run_id"].as_str().unwrap().to_owned();
    let all = events(&bench.0, &run);
    let last = all.len() - 1;
    for count in 1..last {
        let connection = journal::open(&bench.0.join(".palisade"));
        journal::rewrite_run(&connection, run_bytes(&run), &all[..count]);
        drop(connection);
        std::fs::remove_dir_all(bench.0.join("out")).unwrap();
        let outcome = bench.call(&["resume", &run, "-q", "--out", "out"]);
        // Before the answer it waits for it again.
        if outcome.code == Some(5) {
            let _ = bench.call(&["approve", &run, "-q", "--out", "out"]).exits(0);
        }
        assert_eq!(bench.seen(), expected, "cut behind event {count}, {}", all[count - 1]["kind"]);
        let _ = bench.call(&["replay", &run]).exits(0);
    }
    assert_eq!(texts(&bench.0, "out/seen.json").len(), expected.len());
}

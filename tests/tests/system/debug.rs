//! The debugger through a pipe: where it stops, what it shows, what is edited, and that it does nothing that a run would
//! not do.

use palisade_tests::told::{CHAIN, record, runs, write_texts};
use palisade_tests::{Dir, Outcome, command, palisade, root, with_stepper};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;

fn chain() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "docs.json", &["-", "--"]);
    dir.write("chain.yaml", CHAIN);
    Some(dir)
}

/// Says these commands to the debugger.
fn debug(dir: &Dir, args: &[&str], commands: &[&str]) -> Outcome {
    let mut child = command::command(dir.path())
        .arg("debug")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all((commands.join("\n") + "\n").as_bytes());
    child.wait_with_output().unwrap().into()
}

const RUNBOOK: [&str; 5] = ["chain.yaml", "--input", "docs=docs.json", "--items", "full"];

/// What is said between a command and the next.
fn answers(outcome: &Outcome) -> Vec<String> {
    outcome
        .stdout
        .split("(palisade) ")
        .map(|part| part.split_once('\n').map_or(part, |(_, rest)| rest).to_owned())
        .collect()
}

/// The places at which it stopped, in order.
fn stops(outcome: &Outcome) -> Vec<String> {
    let is_stop = |line: &&str| ["before ", "after ", "the run has ended"].iter().any(|begin| line.starts_with(begin));
    let short = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
    outcome.stdout.lines().filter(is_stop).map(short).collect()
}

#[track_caller]
fn says(outcome: &Outcome, parts: &[&str]) {
    for part in parts {
        assert!(outcome.stdout.contains(part), "{part}:\n{}\n{}", outcome.stdout, outcome.stderr);
    }
}

fn texts(dir: &Dir, file: &str) -> Vec<String> {
    let document: Value = serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap();
    document["data"].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_goes_from_step_to_step_and_makes_what_a_run_makes() {
    let Some(dir) = chain() else { return };
    let stepped =
        debug(&dir, &[&RUNBOOK[..], &["--out", "out"]].concat(), &["step", "step", "next", "", "next", "quit"])
            .exits(0);
    let expected = ["before a", "after a", "before b", "before c", "the run has ended: succeeded"];
    assert_eq!(stops(&stepped), expected, "{}", stepped.stdout);
    assert_eq!(texts(&dir, "out/tc.json"), ["-abc", "--abc"]);
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
    // The same words, the same text.
    let again =
        debug(&dir, &[&RUNBOOK[..], &["--no-cache"]].concat(), &["step", "step", "next", "", "next", "quit"]).exits(0);
    assert_eq!(again.stdout, stepped.stdout);
}

#[test]
fn breakpoints_stop_before_after_and_on_failure() {
    let Some(dir) = chain() else { return };
    dir.write("fails.yaml", CHAIN.replace("append: c", "append: c, fail_at: -ab"));
    let args = ["fails.yaml", "--input", "docs=docs.json"];
    let commands = ["break after a", "b fail", "break before b", "breaks", "delete 3", "c", "c", "c", "q"];
    let told = debug(&dir, &args, &commands).exits(1);
    assert_eq!(stops(&told), ["before a", "after a", "after c", "the run has ended: failed"], "{}", told.stdout);
    says(
        &told,
        &["breakpoint 1 after a\n", "  2  on failure of *\n", "  3  before b\n", "(breakpoint 1)", "(breakpoint 2)"],
    );
    says(&told, &["failed: it was told to fail here"]);
    // Whoever leaves behind the last step is asked nothing more.
    let left = debug(&dir, &args, &["b fail", "c", "q", "list"]).exits(1);
    assert_eq!(stops(&left), ["before a", "after c"], "{}", left.stdout);
    let none = debug(&dir, &RUNBOOK, &["b nobody", "c", "q"]).exits(0);
    assert_eq!(stops(&none), ["before a", "the run has ended: succeeded"]);
    says(&none, &["breakpoint 1 before nobody; no step here is so, nor in a child that is a file\n"]);
}

#[test]
fn what_is_there_is_shown_and_texts_only_on_demand() {
    let Some(dir) = chain() else { return };
    let commands = [
        "next",
        "show",
        "show b",
        "list",
        "print ta",
        "print ta 1",
        "print ta 0+1",
        "print ta content=--a",
        "print ta where size(item.content) > 2",
        "print ta where item.nothing > 2",
        "print tx",
        "print tc",
        "show x",
        "events 2",
        "nonsense",
        "c",
        "q",
    ];
    let told = debug(&dir, &RUNBOOK, &commands).exits(0);
    let answers = answers(&told);
    let after = |command: &str| {
        let at = commands.iter().position(|known| *known == command).unwrap();
        // Before the first command it says where it is.
        answers[at + 1].clone()
    };
    let check = |command: &str, parts: &[&str], not: &[&str]| {
        let found = after(command);
        assert!(parts.iter().all(|part| found.contains(part)), "{command}: {parts:?}\n{found}");
        assert!(!not.iter().any(|part| found.contains(part)), "{command}: {not:?}\n{found}");
    };
    check("show", &["a  ✓ succeeded", "b  … scheduled", "c  … waiting"], &[]);
    check(
        "show b",
        &["b  analyse  scheduled", "test:stepper@1.0.0", r#""append":"b""#, "texts ← ta", "behind     a (succeeded)"],
        &[],
    );
    check("list", &["docs", "ta", "2 items"], &["tb"]);
    check(
        "print ta",
        &["ta: 2 items, standard_input/1.0.0", r#"0  {"content":"-a""#, r#"1  {"content":"--a""#],
        &["more"],
    );
    check("print ta 1", &[r#""--a""#], &[r#""-a""#]);
    check("print ta 0+1", &[r#""-a""#, "more: print ta 1"], &[r#""--a""#]);
    check("print ta content=--a", &[r#""--a""#], &[r#""-a""#]);
    check("print ta where size(item.content) > 2", &[r#""--a""#], &[r#""-a""#]);
    check("print ta where item.nothing > 2", &["no answer for 2 items; item 0: "], &[]);
    check("print tx", &["there is no artifact `tx`"], &[]);
    check("print tc", &["`tc` is not there yet"], &[]);
    check("show x", &["there is no step `x`; did you mean `a`?"], &[]);
    check("events 2", &["StepScheduled       b: attempt 1"], &["RunStarted"]);
    check("nonsense", &["there is no command `nonsense`; `help` shows all"], &[]);
    let hidden = debug(&dir, &RUNBOOK[..3], &["n", "print ta", "c", "q"]).exits(0);
    says(&hidden, &[r#"{"content":"•••••""#, "texts are hidden; `--items full` shows them"]);
    assert!(!hidden.stdout.contains("--a"), "{}", hidden.stdout);
}

#[test]
fn whoever_leaves_leaves_a_run_that_can_be_resumed() {
    let Some(dir) = chain() else { return };
    for commands in [&["next", "quit"][..], &["next"][..]] {
        let told = debug(&dir, &RUNBOOK, commands).exits(6);
        assert!(told.stderr.contains("palisade resume"), "{}", told.stderr);
        assert_eq!(stops(&told), ["before a", "before b"]);
        assert_eq!(record(&dir, "last")["status"], "interrupted");
        let _ = palisade(dir.path(), ["resume", "-q", "last", "--out", "out"]).exits(0);
        assert_eq!(texts(&dir, "out/tc.json"), ["-abc", "--abc"]);
        let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
    }
}

#[test]
fn an_edit_makes_another_run_that_goes_on_from_here() {
    let Some(dir) = chain() else { return };
    let commands = [
        "next",
        "set b.apend=X",
        "set a.append=X",
        "set x.append=X",
        "set b.append=too long a text",
        "set b.append=1",
        "set b.append=B",
        "set c.append=C",
        "input docs=docs.json",
        "step",
        "show b",
        "continue",
        "print tc",
        "quit",
    ];
    let told = debug(&dir, &[&RUNBOOK[..], &["--out", "out"]].concat(), &commands).exits(0);
    says(&told, &["step `a` has run; `palisade runs fork RUN --at a` goes back to before it", "there is no step `x`"]);
    says(
        &told,
        &[
            "set; once it goes on, it is another run, and edited",
            "before b, behind event 5; takes over a\n",
            r#""append":"B""#,
        ],
    );
    assert!(told.stderr.contains("did you mean `append`?") && told.stderr.contains("b.append=1"), "{}", told.stderr);
    assert_eq!(stops(&told), ["before a", "before b", "before b", "the run has ended: succeeded"], "{}", told.stdout);
    assert_eq!(texts(&dir, "out/tc.json"), ["-aBC", "--aBC"]);
    assert_eq!(runs(&dir).len(), 2);
    let edited = record(&dir, "last");
    assert_eq!(edited["edits"].as_array().unwrap().len(), 2, "{edited:#}");
    assert_eq!(edited["forked_from"]["step"], "b");
    // The run before the edit is as it was, and can be gone on with.
    assert_eq!(record(&dir, "last~1")["status"], "interrupted");
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
    let _ = palisade(dir.path(), ["resume", "-q", "last~1", "--out", "plain"]).exits(0);
    assert_eq!(texts(&dir, "plain/tc.json"), ["-abc", "--abc"]);
}

#[test]
fn another_input_counts_for_what_has_not_run() {
    let Some(dir) = chain() else { return };
    write_texts(&dir, "other.json", &["+"]);
    let commands = ["input docs=missing.json", "input docs=other.json", "continue", "quit"];
    let told = debug(&dir, &[&RUNBOOK[..], &["--out", "out"]].concat(), &commands).exits(0);
    says(&told, &["missing.json can't be read", "given; once it goes on, it is another run, and edited"]);
    assert_eq!(texts(&dir, "out/tc.json"), ["+abc"]);
    assert_eq!(record(&dir, "last")["edits"], json!([{"kind": "input", "name": "docs"}]));
}

#[test]
fn a_run_that_has_ended_is_walked_through_both_ways_and_left_from_any_place() {
    let Some(dir) = chain() else { return };
    let _ = palisade(dir.path(), ["run", "-q", "chain.yaml", "--input", "docs=docs.json"]).exits(0);
    let commands = [
        "back", "next", "next", "back", "back", "step", "goto 8", "show", "goto 99", "b c", "c", "c", "c", "print tb",
        "quit",
    ];
    let told = debug(&dir, &["last", "--items", "full"], &commands).exits(0);
    let expected = [
        "before the start",
        "before a",
        "before b",
        "after a",
        "before a",
        "after a",
        "before c",
        "the run has ended: succeeded",
    ];
    let found: Vec<_> = stops(&told);
    assert_eq!(found, expected, "{}", told.stdout);
    says(
        &told,
        &["this is the beginning", "between two steps  event 8 of 12", "the run has 12 events", "(breakpoint 1)"],
    );
    says(&told, &["this is the end; `back` goes back", r#""-ab""#]);
    assert_eq!(runs(&dir).len(), 1);
    let commands =
        ["goto 5", "set b.append=too long a text", "fork", "set b.append=B", "fork nothing", "fork", "c", "q"];
    let told = debug(&dir, &["last", "--out", "out"], &commands).exits(0);
    says(&told, &["there is no step `nothing`", "before b, behind event 5; takes over a\n"]);
    assert_eq!(texts(&dir, "out/tc.json"), ["-aBc", "--aBc"]);
    assert_eq!(runs(&dir).len(), 2);
    // What was set stays set where it can't be left there, and is forgotten where it is wrong.
    let commands = ["goto 5", "set c.append=C", "fork nothing", "goto 0", "fork c", "c", "q"];
    let _ = debug(&dir, &["last~1", "--out", "out"], &commands).exits(0);
    assert_eq!(texts(&dir, "out/tc.json"), ["-abC", "--abC"]);
    let commands = ["set c.append=too long a text", "fork c", "fork c", "c", "q"];
    let told = debug(&dir, &["last~2", "--out", "out"], &commands).exits(0);
    says(&told, &["what was set and given is forgotten"]);
    assert_eq!(texts(&dir, "out/tc.json"), ["-abc", "--abc"]);
    let told = debug(&dir, &["last~3", "--at", "4"], &["q"]).exits(0);
    says(&told, &["after a  event 4 of "]);
    assert!(debug(&dir, &["last", "--at", "99"], &[]).exits(2).stderr.contains("there is no event 99"));
    assert!(debug(&dir, &["nothing"], &[]).exits(2).stderr.contains("there is no run"));
    assert!(debug(&dir, &["missing.yaml"], &[]).exits(2).stderr.contains("there is no file `missing.yaml`"));
    assert!(debug(&dir, &["last", "--format", "json"], &[]).exits(2).stderr.contains("no form of `debug`"));
    assert!(debug(&dir, &["chain.yaml", "--at", "1"], &[]).exits(2).stderr.contains("--at"));
}

#[test]
fn a_child_is_stepped_into() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-"]);
    dir.write(
        "leaf.yaml",
        "name: Leaf\ninputs:\n  texts: {input_schema: standard_input}\noutputs: {found: longer}\nexecution:\n\
         \x20 - {id: one, analyser: 'test:stepper', input: texts, outputs: {texts: more}}\n\
         \x20 - {id: two, analyser: 'test:stepper', input: more, outputs: {texts: longer}}\n",
    );
    dir.write(
        "parent.yaml",
        "name: Parent\ninputs:\n  docs: {input_schema: standard_input}\noutputs: {last: last}\nexecution:\n\
         \x20 - {id: go, type: execute_workflow, file: leaf.yaml, inputs: {texts: docs}, outputs: {found: found}}\n\
         \x20 - {id: after, analyser: 'test:stepper', input: found, config: {append: y}, outputs: {texts: last}}\n",
    );
    let args = ["parent.yaml", "--input", "docs=docs.json", "--items", "full"];
    let told = debug(&dir, &args, &["step into", "set one.append=Z", "list", "s", "n", "n", "s", "c", "q"]).exits(0);
    let expected = [
        "before go",
        "before go/one",
        "after go/one",
        "before go/two",
        "before after",
        "after after",
        "the run has ended: succeeded",
    ];
    assert_eq!(stops(&told), expected, "{}", told.stdout);
    says(&told, &["this is a step of a child run"]);
    let over = debug(&dir, &args, &["next", "next", "q"]).exits(0);
    assert_eq!(stops(&over), ["before go", "before after", "the run has ended: succeeded"], "{}", over.stdout);
    let broken = debug(&dir, &args, &["b go/t*", "c", "q"]).exits(6);
    says(&broken, &["breakpoint 1 before go/t*\n"]);
    assert_eq!(stops(&broken), ["before go", "before go/two"], "{}", broken.stdout);
    assert_eq!(record(&dir, "last")["status"], "interrupted");
    let _ = palisade(dir.path(), ["resume", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/last.json"), ["-xxy"]);
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
}

#[test]
fn loops_and_maps_stop_at_each_attempt() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-"]);
    dir.write(
        "loop.yaml",
        "name: Loop\ninputs:\n  docs: {input_schema: standard_input}\noutputs: {mapped: mapped}\nexecution:\n\
         \x20 - {id: grow, type: loop, analyser: 'test:stepper', input: docs, until: 'lengths.summary.longest >= 3', max_iterations: 9, outputs: {texts: texts, lengths: lengths}}\n\
         \x20 - {id: each, type: map, analyser: 'test:stepper', input: texts, max_items: 9, max_concurrency: 2, outputs: {texts: mapped}}\n",
    );
    let told =
        debug(&dir, &["loop.yaml", "--input", "docs=docs.json"], &["n", "print texts", "show grow", "n", "n", "q"])
            .exits(0);
    let expected =
        ["before grow, iteration 1", "before grow, iteration 2", "before each", "the run has ended: succeeded"];
    assert_eq!(stops(&told), expected, "{}", told.stdout);
    says(&told, &["texts: 1 item, ", "until lengths.summary.longest >= 3, at most 9 times"]);
}

const MAP: &str = "name: Map\ninputs:\n  docs: {input_schema: standard_input}\noutputs: {last: last}\nexecution:\n\
     \x20 - {id: each, type: map, analyser: 'test:stepper', input: docs, max_items: 9, max_concurrency: 4, config: {append: x}, outputs: {texts: found}}\n\
     \x20 - {id: after, analyser: 'test:stepper', input: found, config: {append: y}, outputs: {texts: last}}\n";
const DEBUG_MAP: [&str; 6] = ["map.yaml", "--input", "docs=docs.json", "--items", "full", "--no-cache"];

/// A map over a component, of three items.
fn map() -> Option<Dir> {
    let dir = with_stepper()?;
    write_texts(&dir, "docs.json", &["-", "--", "---"]);
    dir.write("map.yaml", MAP);
    Some(dir)
}

#[test]
fn a_map_over_a_component_is_stepped_into_item_by_item() {
    let Some(dir) = map() else { return };
    let commands = [
        "s",
        "s",
        "list",
        "print each[1].texts content=-x",
        "n",
        "print each[1].texts",
        "",
        "s",
        "n",
        "s",
        "s",
        "s",
        "q",
    ];
    let told = debug(&dir, &[&DEBUG_MAP[..], &["--out", "out"]].concat(), &commands[..]);
    let expected = [
        "before each",
        "before each, item 1 of 3",
        "after each, item 1 of 3",
        "before each, item 2 of 3",
        "after each, item 2 of 3",
        "before each, item 3 of 3",
        "after each, item 3 of 3",
        "after each",
        "before after",
    ];
    let told = told.exits(6);
    assert_eq!(stops(&told), expected, "{}", told.stdout);
    let answers = answers(&told);
    // Before an item what it gets, behind it what it made.
    assert!(answers[1].contains(r#"0  {"content":"-","#) && !answers[1].contains("\"--\""), "{}", answers[1]);
    assert!(answers[2].contains(r#"0  {"content":"-x","#), "{}", answers[2]);
    assert!(answers[3].contains("each[1].texts") && answers[3].contains("1 item   made here"), "{}", answers[3]);
    assert!(answers[4].contains(r#""-x""#), "{}", answers[4]);
    assert!(answers[6].contains("there is no artifact `each[1].texts`"), "what an item made is gone behind it");
    let _ = palisade(dir.path(), ["resume", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/last.json"), ["-xy", "--xy", "---xy"]);
    let _ = palisade(dir.path(), ["replay", "last"]).exits(0);
    let hidden = debug(&dir, &["map.yaml", "--input", "docs=docs.json", "--no-cache"], &["s", "s", "q"]).exits(6);
    assert!(hidden.stdout.contains("•••••") && !hidden.stdout.contains("\"-"), "{}", hidden.stdout);
    // Of what was known from before nothing is seen, which is said.
    let known = debug(&dir, &["map.yaml", "--input", "docs=docs.json"], &["c", "q"]).exits(0);
    assert_eq!(stops(&known), ["before each", "the run has ended: succeeded"]);
    let known = debug(&dir, &["map.yaml", "--input", "docs=docs.json"], &["s", "c", "q"]).exits(0);
    says(&known, &["after each  texts 3 items, lengths 3 items  known from before: nothing ran"]);
}

#[test]
fn items_are_gone_over_left_and_broken_at() {
    let Some(dir) = map() else { return };
    let over = debug(&dir, &DEBUG_MAP, &["n", "c", "q"]).exits(0);
    assert_eq!(stops(&over), ["before each", "before after", "the run has ended: succeeded"], "{}", over.stdout);
    let left = debug(&dir, &DEBUG_MAP, &["s", "out", "out", "n", "c", "q"]).exits(0);
    let expected =
        ["before each", "before each, item 1 of 3", "after each", "before after", "the run has ended: succeeded"];
    assert_eq!(stops(&left), expected, "{}", left.stdout);
    says(&left, &["this is in no child run and no item; `continue` goes on to the end"]);
    let broken = debug(
        &dir,
        &DEBUG_MAP,
        &["b each", "b each[2]", "b after each[*]", "delete 1", "c", "c", "c", "b each[x]", "c", "q"],
    );
    let broken = broken.exits(6);
    let expected = [
        "before each",
        "after each, item 1 of 3",
        "before each, item 2 of 3",
        "after each, item 2 of 3",
        "after each, item 3 of 3",
    ];
    assert_eq!(stops(&broken), expected, "{}", broken.stdout);
    says(&broken, &["breakpoint 2 before each[2]\n", "(breakpoint 2)", "it takes [before|after|failure] STEP[ITEM]"]);
    // Whoever leaves between two items leaves a run that can be resumed.
    let quit = debug(&dir, &[&DEBUG_MAP[..], &["--out", "out"]].concat(), &["b each[3]", "c", "q"]).exits(6);
    assert_eq!(stops(&quit), ["before each", "before each, item 3 of 3"], "{}", quit.stdout);
    assert_eq!(record(&dir, "last")["status"], "interrupted");
    let _ = palisade(dir.path(), ["resume", "-q", "last", "--out", "out"]).exits(0);
    assert_eq!(texts(&dir, "out/last.json"), ["-xy", "--xy", "---xy"]);
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
}

#[test]
fn an_item_that_fails_is_shown_and_the_map_is_edited_as_a_whole() {
    let Some(dir) = map() else { return };
    dir.write("map.yaml", MAP.replace("append: x", "append: x, fail_at: --"));
    let told = debug(&dir, &DEBUG_MAP, &["b fail", "c", "c", "c", "q"]).exits(1);
    assert_eq!(stops(&told), ["before each", "after each, item 2 of 3", "after each", "the run has ended: failed"]);
    let answers = answers(&told);
    assert!(answers[2].contains("failed: it was told to fail here") && answers[2].contains(r#"1  {"content":"--","#));
    let commands = ["b fail", "c", "set each[2].content=no", "set each.fail_at=no", "c", "q"];
    let told = debug(&dir, &[&DEBUG_MAP[..], &["--out", "out"]].concat(), &commands).exits(0);
    says(&told, &["an item of a map can't be edited; `input NAME=PATH` gives the run other data"]);
    says(&told, &["edited; the map begins at its first item again", "takes over nothing"]);
    assert_eq!(texts(&dir, "out/last.json"), ["-xy", "--xy", "---xy"]);
    assert_eq!(record(&dir, "last")["edits"].as_array().unwrap().len(), 1);
}

#[test]
fn a_map_over_a_child_stops_at_each_item_and_is_stepped_into() {
    let Some(dir) = with_stepper() else { return };
    write_texts(&dir, "docs.json", &["-", "--"]);
    dir.write(
        "leaf.yaml",
        "name: Leaf\ninputs:\n  texts: {input_schema: standard_input}\noutputs: {found: longer}\nexecution:\n\
         \x20 - {id: one, analyser: 'test:stepper', input: texts, outputs: {texts: longer}}\n",
    );
    dir.write(
        "map.yaml",
        "name: Map\ninputs:\n  docs: {input_schema: standard_input}\noutputs: {last: last}\nexecution:\n\
         \x20 - {id: each, type: map, file: leaf.yaml, max_items: 9, inputs: {texts: docs}, outputs: {found: found}}\n\
         \x20 - {id: after, analyser: 'test:stepper', input: found, config: {append: y}, outputs: {texts: last}}\n",
    );
    let args = ["map.yaml", "--input", "docs=docs.json", "--items", "full"];
    let told = debug(&dir, &args, &["step into", "print texts", "s", "n", "s", "n", "n", "q"]).exits(0);
    let expected = [
        "before each, item 1 of 2",
        "before each/one",
        "after each/one",
        "before each, item 2 of 2",
        "after each, item 2",
        "before after",
        "the run has ended: succeeded",
    ];
    assert_eq!(stops(&told), expected, "{}", told.stdout);
    let answers = answers(&told);
    // Before each item, what its child gets.
    assert!(answers[0].contains("docs: 2 items") && answers[0].contains(r#"0  {"content":"-","#), "{}", answers[0]);
    assert!(answers[2].contains("texts: 1 item, ") && answers[2].contains(r#"{"content":"-","#), "{}", answers[2]);
    assert!(answers[4].contains(r#"1  {"content":"--","#), "{}", answers[4]);
    let hidden = debug(&dir, &args[..3], &["q"]).exits(6);
    assert!(hidden.stdout.contains("•••••") && !hidden.stdout.contains("\"-\""), "{}", hidden.stdout);
    let walked = debug(&dir, &["last~1"], &["s", "s", "b each[2]", "c", "out", "out", "q"]).exits(0);
    let expected =
        ["before the start", "before each, item 1", "after each, item 1", "before each, item 2", "before after"];
    assert_eq!(stops(&walked), expected, "{}", walked.stdout);
    says(&walked, &["(breakpoint 1)", "this is in no child run and no item"]);
    let left = debug(&dir, &args, &["n", "out", "c", "q"]).exits(0);
    let expected =
        ["before each, item 1 of 2", "before each, item 2 of 2", "before after", "the run has ended: succeeded"];
    assert_eq!(stops(&left), expected, "{}", left.stdout);
    let left = debug(&dir, &[&args[..], &["--no-cache"]].concat(), &["i", "out", "b fail each", "b each[2]", "c", "q"]);
    let expected =
        ["before each, item 1 of 2", "before each/one", "after each, item 1 of 2", "before each, item 2 of 2"];
    assert_eq!(stops(&left.exits(6)), expected);
}

#[test]
fn the_time_of_a_run_does_not_go_on_while_it_is_held_and_nothing_more_is_allowed() {
    let Some(dir) = chain() else { return };
    dir.write("short.yaml", CHAIN.replace("inputs:\n", "limits: {max_duration: 2s}\ninputs:\n"));
    let mut child = command::command(dir.path())
        .args(["debug", "short.yaml", "--input", "docs=docs.json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    // Longer than the run may take.
    while begun.elapsed() < std::time::Duration::from_secs(3) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    child.stdin.take().unwrap().write_all(b"c\nq\n").unwrap();
    let told: Outcome = child.wait_with_output().unwrap().into();
    assert_eq!(stops(&told.exits(0)), ["before a", "the run has ended: succeeded"]);
    let outside = Dir::new();
    outside.write("note.txt", "call +49 30 1234567");
    let demo = Dir::new();
    demo.copy_into(".", &root().join("examples/demo"));
    let path = outside.path().to_str().unwrap();
    let runbook = format!(
        "name: O\nexecution:\n  - {{id: files, type: source, connector: filesystem, config: {{path: {path}}}, output: files}}\n"
    );
    demo.write("outside.yaml", runbook);
    let refused = debug(&demo, &["outside.yaml"], &["c"]).exits(3).stderr;
    assert!(refused.contains("may not use"), "{refused}");
    // Nor by an edit.
    demo.write("inside.yaml", "name: I\nexecution:\n  - {id: files, type: source, connector: filesystem, config: {path: data}, output: files}\n");
    let told = debug(&demo, &["inside.yaml"], &[&format!("set files.path={path}"), "c", "q"]).exits(0);
    says(&told, &["may not use"]);
    assert_eq!(record(&demo, "last")["edits"], Value::Null);
}

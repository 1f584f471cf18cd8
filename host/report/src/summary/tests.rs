use super::*;
use crate::fixture::{Made, failed_run, finding, run, said, wcf_answers};
use palisade_model::FailureKind;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

fn text(run: &RunRecord, documents: &[Made], style: TextStyle) -> String {
    let documents: Vec<&dyn Document> = documents.iter().map(|document| document as &dyn Document).collect();
    let mut out = Vec::new();
    summary(run, &documents, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(run: &RunRecord, documents: &[Made], style: TextStyle, expected: &str) {
    let text = text(run, documents, style);
    assert!(text == expected, "got:\n{text}\nwanted:\n{expected}");
    assert!(text.lines().all(|line| line.width() <= style.columns()), "a line is too wide:\n{text}");
}

fn documents() -> Vec<Made> {
    let column = |row: u32| format!("sqlite_database_(shop)_table_(people)_column_(note)_row_({row})");
    let mut findings: Vec<_> = (1..=9).map(|row| finding("contact_data", false, &column(row), "email", "x")).collect();
    findings.push(finding("health_data", true, "notes.txt", "blood", "x"));
    let mut mixed = finding("financial_data", false, "notes.txt", "iban", "x");
    mixed["require_review"] = json!(true);
    findings.extend([mixed, finding("financial_data", false, "notes.txt", "iban", "x")]);
    vec![
        Made::new("gdpr", "gdpr_personal_data/1.0.0", findings),
        Made::new("texts", "standard_input/1.0.0", vec![json!({"content": "x"})]).with_pointer("/data"),
    ]
}

#[test]
fn a_good_run() {
    let expected = "\
Customer data check
✓ succeeded in 1.3 s · 3 of 3 steps · 12 findings in 2 places
  run 01a0c450-6c00-7707-8707-070707070707

Findings
  gdpr  12 findings  gdpr_personal_data/1.0.0
    contact_data    9  ████████████████
    financial_data  2  ███▋              ● needs review (1)
    health_data     1  █▉                ● special category

  texts  1 item  standard_input/1.0.0

Steps
    step        items     CPU  memory    wall
  ✓ files          12  310 ms   3 MiB  400 ms
  ✓ indicators      5  310 ms   3 MiB  400 ms
  ✓ gdpr            5  310 ms   3 MiB  400 ms
";
    check(&run(), &documents(), TextStyle::default(), expected);
}

#[test]
fn a_narrow_terminal_gets_what_it_has_room_for() {
    let expected = "\
Customer data check
✓ succeeded in 1.3 s · 3 of 3 steps · 12
  findings in 2 places
run 01a0c450-6c00-7707-8707-070707070707

Findings
  gdpr  12 findings
    contact_data    9
    financial_data  2  ● needs review (…
    health_data     1  ● special catego…

  texts  1 item  standard_input/1.0.0

Steps
    step        items     CPU  memory
  ✓ files          12  310 ms   3 MiB
  ✓ indicators      5  310 ms   3 MiB
  ✓ gdpr            5  310 ms   3 MiB
";
    check(&run(), &documents(), TextStyle { colour: false, width: 40 }, expected);
}

#[test]
fn a_step_that_was_cancelled_with_its_run_did_not_fail() {
    let mut run = run();
    run.status = Status::Interrupted;
    run.steps[2].status = Status::Cancelled;
    run.steps[2].output = None;
    run.steps[2].failure = Some(said(FailureKind::Cancelled, "the run was cancelled"));
    let mut out = Vec::new();
    summary(&run, &[], TextStyle::default(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("■ interrupted") && text.contains("cancelled\n") && !text.contains("Failed"), "{text}");
}

#[test]
fn what_was_not_wanted_says_why_and_loops_say_how_often() {
    let mut run = run();
    run.steps[0].iterations = Some(3);
    run.steps[0].attempts = 3;
    for step in &mut run.steps[1..] {
        (step.status, step.attempts, step.output) = (Status::Skipped, 0, None);
        step.unmet_condition = Some("indicators".parse().unwrap());
    }
    let text = text(&run, &[], TextStyle::default());
    let expected = "\
Steps
    step        items     CPU  memory    wall
  ✓ files          12  310 ms   3 MiB  400 ms  3 iterations
  – indicators      –       –       –       –  skipped: its condition does not hold
  – gdpr            –       –       –       –  skipped: `indicators` was not wanted
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn what_failed_comes_first_and_what_was_left_out_is_said() {
    let expected = "\
Customer data check
✗ failed in 1.3 s · 1 of 3 steps · 1,204 inputs skipped
  run 01a0c450-6c00-7707-8707-070707070707

Failed
  ✗ indicators  palisade:personal_data 0.1.0
    it reached its limit `memory` of 64 MiB (65 MiB wanted), set by the
    component's manifest
    at item 14 of `input`, counted from 0
    help: raise `limits.memory` of the step; it may go up to 256 MiB
    not started because of it: gdpr

Steps
    step        items     CPU  memory    wall
  ✓ files          12  310 ms   3 MiB  400 ms
  ✗ indicators      –  310 ms   3 MiB  400 ms  failed
  – gdpr            –       –       –       –  skipped

Skipped inputs: 1,204
  not valid UTF-8 at byte 17  2
    a/broken.txt
    b/broken.txt
  not a regular file  1
    b/\\u{1b}[2Jevil\\u{a}name
  outside the working folder  1
    /etc/passwd  --allow fs-read=/etc/passwd
  … 1,200 more that were counted, but not noted

Warnings
  ! unknown key `colour` in `config`; did you mean `contact`?
  ! files: max_files reached

Allowed for this run
  ! fs-read=/srv/extra
";
    check(&failed_run(), &[], TextStyle { colour: false, width: 80 }, expected);
}

#[test]
fn a_narrow_terminal_gets_narrow_lines() {
    let expected = "\
Customer data check
✗ failed in 1.3 s · 1 of 3 steps · 12 findings
  in 2 places · 1,204 inputs skipped
  run 01a0c450-6c00-7707-8707-070707070707
";
    let text = text(&failed_run(), &documents(), TextStyle { colour: false, width: 48 });
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("\n    health_data     1  ● special category\n"), "{text}");
    let status = |line: &&str| line.ends_with("failed") || line.ends_with("skipped");
    assert!(text.lines().filter(|line| !status(line)).all(|line| line.width() <= 48), "{text}");
}

#[test]
fn hostile_texts_cannot_steer_the_terminal() {
    let mut run = failed_run();
    run.runbook.name = "\u{1b}]0;pwned\u{7}\u{202e}name".into();
    run.steps[1].failure =
        Some(said(FailureKind::Trap { frames: vec!["f\r (a.rs:1)".into(); 10] }, "\u{1b}[31mred\n\nx"));
    let documents = [Made::new(
        "a",
        "gdpr_personal_data/1.0.0",
        vec![finding("\u{1b}[2J\u{200b}", true, "x", "y", "secret evidence")],
    )];
    let text = text(&run, &documents, TextStyle { colour: false, width: 100 });
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{200b}', '\r']), "{text}");
    assert!(text.contains("\\u{1b}[31mred\\u{a}\\u{a}x") && text.contains("      … 2 more\n"), "{text}");
    assert!(!text.contains("secret evidence"), "{text}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let coloured = text(&failed_run(), &documents(), TextStyle { colour: true, width: 100 });
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, code)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = code.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, text(&failed_run(), &documents(), TextStyle::default()));
}

#[test]
fn a_million_categories_and_long_lists_stay_short() {
    let findings = (0..2_000).map(|n| finding(&format!("c{n:04}"), false, "x", "y", "z")).collect();
    let mut run = failed_run();
    run.warnings = (0..50).map(|n| format!("warning {n}")).collect();
    let child = run.run_id;
    run.children = vec![child];
    let skip = run.steps[0].skipped[0].clone();
    run.steps[0].skipped = vec![skip; 100];
    let text = text(&run, &[Made::new("a", "gdpr_personal_data/1.0.0", findings)], TextStyle::default());
    assert!(
        text.contains("    c0019  1  ████████████████\n    … 1,980 findings in 980 further categories\n"),
        "{text}"
    );
    assert!(text.contains("  ! warning 19\n") && text.contains("    … 30 more\n"), "{text}");
    assert!(
        text.contains("    … 95 more\n") && text.contains("  … 1,104 more that were counted, but not noted\n"),
        "{text}"
    );
    let of_a_child = format!("    what a child run left out it notes itself: `palisade runs show {child}`\n");
    assert!(text.contains(&of_a_child), "{text}");
}

#[test]
fn the_answers_of_wcf_are_counted_as_wcf_counts_them() {
    let Some(documents) = wcf_answers("filesystem_three_analysers") else { return };
    for (document, count) in documents.iter().zip([25, 25, 46, 38, 46, 38]) {
        let tally = Tally::of(document, &mut Places::default()).unwrap();
        assert_eq!(tally.all.findings, count, "{}", document.name());
    }
    let text = text(&run(), &documents, TextStyle::default());
    assert!(
        text.contains("ai_and_ml                   5  ███▌              ● sensitive purpose, DPIA required"),
        "{text}"
    );
}

fn past(run: &RunRecord, unended: &Unended<'_>, style: TextStyle) -> String {
    let mut out = Vec::new();
    history(run, unended, style, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().all(|line| line.width() <= style.columns()), "a line is too wide:\n{text}");
    text
}

#[test]
fn a_run_of_the_past_says_first_what_failed() {
    for width in [50, 61, 80, 100, 120] {
        let text = past(&failed_run(), &Unended::default(), TextStyle { width, ..TextStyle::default() });
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}:\n{text}"));
        assert!(at("\nFailed") < at("\nSteps") && at("\nSteps") < at("\nSkipped inputs"), "{text}");
    }
}

#[test]
fn a_run_that_goes_on_says_how_its_steps_stand() {
    let run = run();
    let steps = run.steps.iter().skip(1).map(|step| (step.id.clone(), "waiting")).collect();
    let text = past(&run, &Unended { told: "running in process 12".to_owned(), steps }, TextStyle::default());
    assert!(text.contains("■ running in process 12 · "), "{text}");
    assert_eq!(text.matches("waiting").count(), run.steps.len() - 1, "{text}");
    let ended = past(&run, &Unended::default(), TextStyle::default());
    for (output, _) in run.steps.iter().flat_map(|step| step.outputs()) {
        assert!(ended.contains(&output.digest.to_string()), "{ended}");
    }
}

#[test]
fn gaps_are_told_before_findings_gravest_first() {
    let gap = |severity: &str, kind: &str, category: &str, places: &[&str]| json!({"severity": severity, "kind": kind, "about": "data_category", "category": category, "findings": 2 * places.len(), "place_count": places.len(), "places": places, "sentence": "Jane Doe"});
    let items = vec![
        gap("medium", "system_not_checked", "CRM", &[]),
        gap("high", "found_but_denied", "health data", &["a.txt", "b.txt"]),
        gap("info", "not_checkable", "10 years", &[]),
    ];
    let report = Made::new("gaps", "policy_gap_report/1.0.0", items)
        .with_pointer("/gaps")
        .with_metadata(json!({"title": "A policy", "agreed": []}));
    let expected = "

Policy and data: A policy
  high    health data  denied, yet found: 4 findings in a.txt and 1 more
  medium  CRM          named, not checked
  and 1 statement that nothing here could check

Findings
";
    let text = text(&run(), &[report], TextStyle::default());
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("Jane Doe"), "{text}");
}

//! What a run will probably take: from past attempts and sizes to amounts, and how wrong that was.

use crate::support::check as planned;
use palisade_model::{Digest, StepId, Usage};
use palisade_runbook::{
    Estimate, EstimateFrom, MAX_PAST_ATTEMPTS, PastAttempt, PerMeasure, Plan, Range, Source, StepEstimate, Told,
    compare, estimate,
};
use std::collections::BTreeMap;

const RUNBOOK: &str = "\
name: N
description: D
inputs:
  docs: {input_schema: standard_input}
execution:
  - {id: files, type: source, connector: filesystem, config: {path: data}, output: texts}
  - {id: words, analyser: 'acme:words', input: texts, output: found}
  - {id: each, type: map, analyser: 'acme:words', input: docs, max_items: 5, output: mapped}
  - {id: round, type: loop, analyser: 'acme:refine', input: found, until: 'refined.item_count > 3', max_iterations: 2, output: refined}
  - {id: last, analyser: 'acme:refine', input: refined, output: end}
";

fn plan() -> Plan {
    let source = Source::new("x.yaml", RUNBOOK);
    let (plan, diagnostics) = planned(&source);
    let errors: String = diagnostics.iter().map(|diagnostic| diagnostic.render(&source)).collect();
    plan.unwrap_or_else(|| panic!("{errors}"))
}

/// Past attempts: bytes that each read, its fuel, milliseconds of CPU. Each makes half as many bytes as it reads.
type Attempts<'a> = &'a [(u64, u64, u64)];

fn past(plan: &Plan, step: &str, attempts: Attempts<'_>) -> (Digest, Vec<PastAttempt>) {
    let step = plan.step(&step.parse().unwrap()).unwrap();
    let call = step.call().unwrap();
    let attempt = |&(input_bytes, fuel, ms): &(u64, u64, u64)| {
        let usage = Usage {
            fuel,
            cpu_ms: ms,
            wall_ms: ms * 2,
            memory_peak_bytes: 640,
            output_bytes: input_bytes / 2,
            ..Usage::default()
        };
        let outputs = BTreeMap::from([("out".to_owned(), input_bytes / 2)]);
        PastAttempt::new(step, call, input_bytes, 3, usage, outputs)
    };
    (call.component_digest, attempts.iter().map(attempt).collect())
}

fn estimated(plan: &Plan, known: Vec<(Digest, Vec<PastAttempt>)>, docs: Option<u64>) -> Estimate {
    let mut past: BTreeMap<Digest, Vec<PastAttempt>> = BTreeMap::new();
    known.into_iter().for_each(|(component, attempts)| past.entry(component).or_default().extend(attempts));
    let data_bytes = BTreeMap::from([("files".parse().unwrap(), 1_000)]);
    let input_bytes = docs.map(|bytes| ("docs".parse().unwrap(), bytes)).into_iter().collect();
    estimate(plan, &EstimateFrom { past: &past, data_bytes: &data_bytes, input_bytes: &input_bytes, threads: 2 })
}

fn told(step: &StepEstimate) -> String {
    let id = &step.step;
    match &step.told {
        Told::Known { input_bytes, amounts, basis } => {
            let PerMeasure { fuel, cpu_ms, wall_ms, memory_bytes, output_bytes } = amounts;
            let of = [fuel, cpu_ms, wall_ms, memory_bytes, output_bytes].map(|range| range.expected.to_string());
            let config = if basis.same_config { "same" } else { "other" };
            format!("{id}: {} → {} from {} {config}", input_bytes.expected, of.join(" "), basis.attempts)
        }
        Told::Unknown { unknown } => format!("{id}: {}", serde_json::to_string(unknown).unwrap()),
    }
}

#[track_caller]
fn check(known: &[(&str, Attempts<'_>)], docs: Option<u64>, expected: &[&str]) {
    let plan = plan();
    let known = known.iter().map(|(step, attempts)| past(&plan, step, attempts)).collect();
    let found: Vec<_> = estimated(&plan, known, docs).steps.iter().map(told).collect();
    assert_eq!(found, expected);
}

const FILES: (&str, Attempts<'static>) = ("files", &[(500, 5_000, 20), (500, 5_200, 30)]);

#[test]
fn what_is_not_known_is_said() {
    let nothing = r#"{"because":"no_past_run"}"#;
    let round = r#"round: {"because":"loop"}"#;
    let all = |step: &str| format!("{step}: {nothing}");
    check(&[], None, &[&all("files"), &all("words"), &all("each"), round, &all("last")]);
    // One component run once tells nothing of it run for each item, and a loop nothing of what comes after it.
    let files = "files: 1000 → 10200 50 100 640 500 from 2 same";
    check(
        &[FILES, ("words", &[(100, 1, 10)]), ("last", &[(100, 1, 10)])],
        None,
        &[
            files,
            "words: 500 → 5 50 100 640 250 from 1 same",
            &all("each"),
            round,
            r#"last: {"because":"before","step":"round"}"#,
        ],
    );
    check(
        &[("each", &[(100, 1, 10)])],
        None,
        &[&all("files"), &all("words"), r#"each: {"because":"not_given","input":"docs"}"#, round, &all("last")],
    );
}

#[test]
fn what_one_step_makes_is_what_the_next_reads() {
    // Twice as much at one time as at another: the line is known, and with it what there is before the first byte.
    let words: Attempts<'_> = &[(100, 1_200, 10), (200, 2_200, 20), (400, 4_200, 40)];
    check(
        &[FILES, ("words", words), ("each", &[(10, 70, 10)])],
        Some(20),
        &[
            "files: 1000 → 10200 50 100 640 500 from 2 same",
            "words: 500 → 5200 50 100 640 250 from 3 same",
            "each: 20 → 140 20 40 640 10 from 1 same",
            r#"round: {"because":"loop"}"#,
            r#"last: {"because":"no_past_run"}"#,
        ],
    );
}

#[test]
fn the_same_config_counts_before_others() {
    let plan = plan();
    let (component, mut attempts) = past(&plan, "files", &[(500, 5_000, 20), (500, 9_000, 90)]);
    attempts[1].config = Digest::of(b"another");
    let first = |attempts: Vec<PastAttempt>| told(&estimated(&plan, vec![(component, attempts)], None).steps[0]);
    assert_eq!(first(attempts.clone()), "files: 1000 → 10000 40 80 640 500 from 1 same");
    attempts.remove(0);
    assert_eq!(first(attempts), "files: 1000 → 18000 180 360 640 500 from 1 other");
}

#[test]
fn short_times_are_taken_from_fuel() {
    check(
        &[("files", &[(500, 10_000_000, 9)])],
        None,
        &[
            "files: 1000 → 20000000 2 36 640 500 from 1 same",
            r#"words: {"because":"no_past_run"}"#,
            r#"each: {"because":"no_past_run"}"#,
            r#"round: {"because":"loop"}"#,
            r#"last: {"because":"no_past_run"}"#,
        ],
    );
}

#[test]
fn steps_side_by_side_take_no_longer_than_the_longest() {
    let plan = plan();
    let known = |each: u64| {
        vec![
            past(&plan, "files", &[(1_000, 1, 50)]),
            past(&plan, "words", &[(500, 1, 25)]),
            past(&plan, "each", &[(10, 1, each)]),
        ]
    };
    let wall = |each| estimated(&plan, known(each), Some(10)).run.wall_ms.expected;
    // 100 and 50 one after the other, each with two writes of 3.
    assert_eq!(wall(10), 100 + 50 + 12);
    assert_eq!(wall(100), 200 + 6);
    let run = estimated(&plan, known(10), Some(10));
    assert_eq!((run.run.cpu_ms.expected, run.run.memory_bytes.expected, run.unknown_steps), (85, 640, 2));
}

#[test]
fn an_estimate_is_measured_by_what_was_used() {
    let plan = plan();
    let estimate = estimated(&plan, vec![past(&plan, "files", &[(1_000, 1_200, 50)])], None);
    assert_eq!(Estimate::read(&serde_json::to_vec(&estimate).unwrap()), Some(estimate.clone()));
    let id: StepId = "files".parse().unwrap();
    let check = |used: u64, expected: Option<i64>| {
        let used = PerMeasure { fuel: used, ..PerMeasure::default() };
        let compared = compare(&estimate, &BTreeMap::from([(id.clone(), used)]), Some(&used));
        assert_eq!(compared.steps[0].measures.fuel.error_percent, expected);
        assert_eq!(compared.run, None, "not all steps were estimated");
    };
    check(1_200, Some(0));
    check(1_000, Some(-17));
    check(1_300, Some(8));
    check(0, Some(-100));
    check(u64::MAX, Some(1_537_228_672_809_129_201));
    let nothing = estimated(&plan, vec![past(&plan, "files", &[(0, 0, 0)])], None);
    let used = BTreeMap::from([(id, PerMeasure { fuel: 5, ..PerMeasure::default() })]);
    assert_eq!(compare(&nothing, &used, None).steps[0].measures.fuel.error_percent, None);
}

#[test]
fn what_has_another_form_is_nothing() {
    assert_eq!(Estimate::read(b"{}"), None);
    assert_eq!(PastAttempt::read(b"no"), None);
    let plan = plan();
    let (_, attempts) = past(&plan, "files", &[(1, 1, 1)]);
    let mut text = serde_json::to_value(&attempts[0]).unwrap();
    assert!(PastAttempt::read(text.to_string().as_bytes()).is_some());
    text["v"] = 2.into();
    assert_eq!(PastAttempt::read(text.to_string().as_bytes()), None);
}

#[test]
fn nothing_is_too_large_to_be_estimated() {
    let plan = plan();
    let most = vec![(u64::MAX, u64::MAX, u64::MAX / 2); MAX_PAST_ATTEMPTS];
    let estimate = estimated(&plan, vec![past(&plan, "files", &most), past(&plan, "words", &most)], Some(u64::MAX));
    let Range { expected, low, high } = estimate.run.fuel;
    assert!(low <= expected && expected <= high);
}

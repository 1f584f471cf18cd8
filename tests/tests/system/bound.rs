//! What runs use, measured against what their plans said before: never more, and with a component that takes all it can
//! get, hardly less. Through the binary, with a component that is made for it (`plugins/stepper`, `greedy`).

use palisade_tests::{Dir, palisade, with_stepper};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Documents that each run is given.
const GIVEN: usize = 4;
/// What a greedy component must reach of a bound.
const REACHED_PERCENT: u64 = 90;

/// How a step reads and what it does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Two artifacts at two ports.
    FanIn,
    /// Over each document that the run was given.
    Map,
    Loop(u32),
}

/// A step with its limits.
#[derive(Debug, Clone)]
struct Step {
    kind: Kind,
    /// Which of the artifacts before it are read.
    reads: [usize; 2],
    fuel: u64,
    fuel_per_input_byte: u64,
    memory_mib: u64,
    output_bytes: u64,
    output_bytes_per_input_byte: u64,
}

fn any_step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        2 => Just(Kind::Plain),
        1 => Just(Kind::FanIn),
        1 => Just(Kind::Map),
        1 => (2_u32..4).prop_map(Kind::Loop),
    ];
    let limits = (20_000_000_u64..80_000_000, 0_u64..2_000, 4_u64..24, 20_000_u64..60_000, 0_u64..3);
    (kind, any::<[usize; 2]>(), limits).prop_map(|(kind, reads, limits)| {
        let (fuel, fuel_per_input_byte, memory_mib, output_bytes, output_bytes_per_input_byte) = limits;
        Step { kind, reads, fuel, fuel_per_input_byte, memory_mib, output_bytes, output_bytes_per_input_byte }
    })
}

/// A folder in which the component was added, and the documents.
fn bench() -> Option<Dir> {
    let dir = with_stepper()?;
    // Long ones: the size of a document counts with all that stands around its items.
    let item =
        |number| json!({"content": format!("document {number} {}", "x".repeat(500)), "metadata": {"source": "x"}});
    let items: Vec<_> = (0..GIVEN).map(item).collect();
    dir.write("docs.json", json!({"schemaVersion": "1.0.0", "name": "docs", "data": items}).to_string());
    Some(dir)
}

/// A runbook of these steps. Without `greed` they do what the component does otherwise.
fn runbook(steps: &[Step], greed: Option<u64>) -> String {
    let mut text = "name: Bound\ninputs:\n  docs: {input_schema: standard_input}\nexecution:\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        let artifact = |wanted: usize| match wanted % (number + 1) {
            0 => "docs".to_owned(),
            before => format!("t{}", before - 1),
        };
        let [first, second] = step.reads.map(artifact);
        let (own, reads) = match step.kind {
            Kind::Plain => (String::new(), format!("input: {first}")),
            Kind::FanIn => (String::new(), format!("inputs: {{texts: {first}, more: {second}}}")),
            Kind::Map => (format!("type: map, max_items: {GIVEN}, "), "input: docs".to_owned()),
            Kind::Loop(most) => (
                format!("type: loop, max_iterations: {most}, until: t{number}.item_count < 0, "),
                format!("input: {first}"),
            ),
        };
        let greedy = greed.map_or("null".to_owned(), |fuel| fuel.to_string());
        let _ = writeln!(
            text,
            "  - {{id: s{number}, {own}analyser: test:stepper, {reads}, config: {{greedy: {greedy}}}, outputs: {{texts: \
             t{number}, lengths: l{number}}}, limits: {{fuel: {}, fuel_per_input_byte: {}, memory: {} MiB, output_bytes: {}, \
             output_bytes_per_input_byte: {}}}}}",
            step.fuel, step.fuel_per_input_byte, step.memory_mib, step.output_bytes, step.output_bytes_per_input_byte
        );
    }
    text
}

/// Runs and plans a runbook with one instance at a time; gives the record and the plan.
fn run_and_plan(dir: &Dir, text: &str) -> (Value, Value) {
    dir.write("runbook.yaml", text);
    let told = |command: &[&str]| {
        let args = ["runbook.yaml", "--input", "docs=docs.json", "--threads", "1", "--format", "json"];
        let args = command.iter().chain(&args);
        let done = palisade(dir.path(), args);
        assert_eq!(done.code, Some(0), "{text}\n{}", done.stderr);
        serde_json::from_str(&done.stdout).unwrap()
    };
    (told(&["run", "--no-cache"]), told(&["plan"]))
}

/// The fuel of a thousand turns of the component's loop: what a second thousand adds.
fn fuel_of_a_thousand_turns(dir: &Dir) -> u64 {
    static KNOWN: OnceLock<u64> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let used = |fuel: u64| {
            let step = Step {
                kind: Kind::Plain,
                reads: [0, 0],
                fuel,
                fuel_per_input_byte: 0,
                memory_mib: 8,
                output_bytes: 10_000,
                output_bytes_per_input_byte: 0,
            };
            // With a thousand turns for each million of fuel, which is far more than they take.
            run_and_plan(dir, &runbook(&[step], Some(1_000_000))).0["usage"]["fuel"].as_u64().unwrap()
        };
        (used(1_050_000_000) - used(50_000_000)).div_ceil(1_000)
    })
}

/// An amount that was used, and its bound.
struct Measured {
    what: String,
    used: u64,
    bound: u64,
}

/// What can be compared of a run and its plan.
fn measured(record: &Value, plan: &Value, steps: &[Step]) -> Vec<Measured> {
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number: {value}"));
    let (bound, of_steps) = (&plan["worst_case"]["bound"], plan["worst_case"]["steps"].as_array().unwrap());
    let mut runs = 0;
    let mut all = Vec::new();
    let mut peak = 0;
    for (share, step) in of_steps.iter().zip(steps) {
        let id = share["step"].as_str().unwrap();
        let told = record["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap();
        let used = |key: &str| number(&told["usage"][key]);
        let mut add = |what: &str, used: u64, bound: &Value| {
            all.push(Measured { what: format!("{what} of {id}, {:?}", step.kind), used, bound: number(bound) });
        };
        add("fuel", used("fuel"), &share["amounts"]["fuel"]);
        // With one thread one instance computes at a time.
        add("memory", used("memory_peak_bytes"), &share["amounts"]["memory_bytes"]);
        let of_step = match step.kind {
            Kind::Plain | Kind::FanIn => {
                add("output", used("output_bytes"), &share["output_bytes"]);
                add("input", used("input_bytes"), &share["input_bytes"]);
                1
            }
            Kind::Map => {
                add("output", used("output_bytes"), &share["output_bytes"]);
                // One instance finishes.
                used("instances") - 1
            }
            Kind::Loop(_) => number(&told["iterations"]),
        };
        add("component runs", of_step, &share["amounts"]["component_runs"]);
        runs += of_step;
        peak = peak.max(used("memory_peak_bytes"));
    }
    let mut add = |what: &str, used: u64, bound: &Value| {
        all.push(Measured { what: format!("{what} of the run"), used, bound: number(bound) });
    };
    add("fuel", number(&record["usage"]["fuel"]), &bound["fuel"]);
    add("component runs", runs, &bound["component_runs"]);
    add("cost", (record["cost_usd"].as_f64().unwrap() * 1e6) as u64, &bound["llm_cost_micro_usd"]);
    add("wall time", number(&record["usage"]["wall_ms"]), &bound["wall_ms"]);
    assert!(peak <= number(&bound["memory_bytes"]), "memory of the run: {peak} of {}", bound["memory_bytes"]);
    all
}

/// Runs random runbooks, the same in every call of the test.
fn random_runbooks(cases: u32, mut check: impl FnMut(&[Step])) {
    let config =
        ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..cases {
        let steps = proptest::collection::vec(any_step(), 1..5).new_tree(&mut runner).unwrap().current();
        check(&steps);
    }
}

#[test]
fn greedy_components_come_up_to_their_bound_and_not_above() {
    let Some(dir) = bench() else { return };
    let greed = fuel_of_a_thousand_turns(&dir);
    random_runbooks(24, |steps| {
        let text = runbook(steps, Some(greed));
        let (record, plan) = run_and_plan(&dir, &text);
        for Measured { what, used, bound } in measured(&record, &plan, steps) {
            assert!(used <= bound, "{what}: {used} of {bound}\n{text}");
            let hardly_less = used * 100 >= bound * REACHED_PERCENT;
            assert!(hardly_less || what == "wall time of the run", "{what}: {used} of {bound}\n{text}");
        }
    });
}

#[test]
fn components_that_take_what_they_need_stay_below_their_bound() {
    let Some(dir) = bench() else { return };
    random_runbooks(8, |steps| {
        let text = runbook(steps, None);
        let (record, plan) = run_and_plan(&dir, &text);
        for Measured { what, used, bound } in measured(&record, &plan, steps) {
            assert!(used <= bound, "{what}: {used} of {bound}\n{text}");
        }
    });
}

use super::memory::{Held, peak};
use super::*;
use crate::plan::{
    Binding, NamedPath, PlannedBody, PlannedCall, PlannedChild, PlannedChildRunbook, PlannedCondition, PlannedInput,
    PlannedRetry, PlannedRuleset, PlannedWork, Submitted,
};
use LimitKind::{FileBytesRead, Fuel, FuelPerInputByte, Memory, OutputBytes, OutputBytesPerInputByte, Wall};
use palisade_authority::{Authority, ScopedPath};
use palisade_model::{Digest, Limits, SchemaRef};
use proptest::prelude::*;

fn schema() -> SchemaRef {
    "x/1.0.0".parse().unwrap()
}

/// A component that asks for nothing but these limits.
fn call(limits: &[(LimitKind, u64)]) -> PlannedCall {
    let none =
        [(Fuel, 0), (FuelPerInputByte, 0), (Memory, 0), (OutputBytes, 0), (OutputBytesPerInputByte, 0), (Wall, 0)];
    let settled = none.into_iter().chain(limits.iter().copied()).collect();
    PlannedCall {
        component: "acme:x".parse().unwrap(),
        version: semver::Version::new(1, 0, 0),
        component_digest: Digest::of(b"x"),
        first_party: false,
        config: serde_json::Value::Null,
        values: Vec::new(),
        per_item: vec!["in".to_owned()],
        limits: Limits::settle(&BTreeMap::new(), &settled, &BTreeMap::from([(OutputBytes, 1 << 40)])),
        paths: Vec::new(),
        connections: Vec::new(),
        declassifies: std::collections::BTreeSet::new(),
        places: Vec::new(),
        default_model: None,
        authority: Authority::none(),
    }
}

/// A component that reads files.
fn source(limits: &[(LimitKind, u64)]) -> PlannedCall {
    let named = NamedPath { pointer: String::new(), written: ".".to_owned(), path: ScopedPath::root() };
    PlannedCall { paths: vec![named], ..call(limits) }
}

fn step(id: &str, reads: &[&str], work: PlannedWork) -> PlannedStep {
    let binding = |name: &&str| Binding {
        port: "in".to_owned(),
        source: match name.strip_prefix('$') {
            Some(name) => BindingSource::Input { name: name.parse().unwrap() },
            None if name.contains('/') => {
                BindingSource::Ruleset { name: (*name).to_owned(), digest: Digest::of(name.as_bytes()) }
            }
            None => BindingSource::Step { step: name.parse().unwrap(), port: "out".to_owned() },
        },
        schema: schema(),
    };
    PlannedStep {
        id: id.parse().unwrap(),
        title: None,
        description: None,
        contact: None,
        work,
        inputs: reads.iter().map(binding).collect(),
        outputs: Vec::new(),
        when: None,
        after: Vec::new(),
        retry: None,
        compensate: None,
        optional: false,
        labels: Default::default(),
    }
}

fn component(id: &str, reads: &[&str], call: PlannedCall) -> PlannedStep {
    step(id, reads, PlannedWork::Component { call })
}

fn plan(steps: Vec<PlannedStep>, limits: &[(RunLimitKind, u64)]) -> Plan {
    let input = PlannedInput {
        name: "text".parse().unwrap(),
        schema: schema(),
        declared: true,
        optional: false,
        default: None,
        sensitive: false,
        description: None,
    };
    let ruleset =
        PlannedRuleset { name: "local/r/1".to_owned(), schema: schema(), digest: Digest::of(b"r"), bytes: 1_000 };
    Plan {
        v: crate::plan::FORM,
        name: String::new(),
        description: String::new(),
        contact: None,
        runbook_digest: Digest::of(b""),
        inputs: vec![input],
        steps,
        aliases: Vec::new(),
        rulesets: vec![ruleset],
        schemas: Vec::new(),
        limits: limits.iter().copied().collect(),
        duration_is_set: false,
        offers: BTreeMap::new(),
    }
}

/// At 4 threads, with 100 bytes of the input `text`.
fn worst(plan: &Plan) -> WorstCase {
    let given = BTreeMap::from([("text".parse().unwrap(), 100)]);
    worst_case(plan, &Assumed { threads: 4, input_bytes: &given, ceilings: &BTreeMap::new() })
}

const AT_ONCE: (RunLimitKind, u64) = (RunLimitKind::MaxConcurrency, 10);

#[track_caller]
fn check(steps: Vec<PlannedStep>, expected: &[(Measure, u64)]) {
    let worst = worst(&plan(steps, &[AT_ONCE]));
    let found: Vec<_> = expected.iter().map(|&(measure, _)| (measure, worst.bound.get(measure))).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_one_step_makes_is_what_the_next_is_handed() {
    let growing = [(Fuel, 10), (FuelPerInputByte, 3), (OutputBytes, 5), (OutputBytesPerInputByte, 2)];
    // 50 read, 5 + 100 made; 105 + 1,000 of the ruleset read, 5 + 2,210 made; 2,215 twice.
    let steps = vec![
        component(
            "a",
            &[],
            source(&[
                (FileBytesRead, 50),
                (Fuel, 10),
                (FuelPerInputByte, 3),
                (OutputBytes, 5),
                (OutputBytesPerInputByte, 2),
            ]),
        ),
        component("b", &["a", "local/r/1"], call(&growing)),
        component("c", &["b", "b"], call(&growing)),
    ];
    let fuel = (10 + 3 * 50) + (10 + 3 * 1_105) + (10 + 3 * 4_430);
    check(steps, &[(Measure::Fuel, fuel), (Measure::ComponentRuns, 3)]);
}

#[test]
fn a_component_that_names_no_data_reads_none() {
    check(vec![component("a", &[], call(&[(FileBytesRead, 50), (FuelPerInputByte, 3)]))], &[(Measure::Fuel, 0)]);
}

#[test]
fn an_input_counts_with_its_size_or_as_large_as_inputs_may_be() {
    let of = |name: &str| vec![component("a", &[name], call(&[(FuelPerInputByte, 3)]))];
    check(of("$text"), &[(Measure::Fuel, 300)]);
    check(of("$other"), &[(Measure::Fuel, 3 * MAX_INPUT_BYTES)]);
}

#[test]
fn output_does_not_grow_above_its_ceiling() {
    let steps = vec![
        component("a", &["$text"], call(&[(OutputBytes, 1 << 30), (OutputBytesPerInputByte, 100_000)])),
        component("b", &["a"], call(&[(OutputBytes, 1 << 40), (OutputBytesPerInputByte, 1_000)])),
        component("c", &["b"], call(&[(FuelPerInputByte, 1)])),
    ];
    check(steps, &[(Measure::Fuel, 1 << 40)]);
}

#[test]
fn retries_add_their_attempts_and_the_waits_between_them() {
    let retry = |max_attempts| {
        let mut step = component("a", &["$text"], call(&[(Fuel, 7), (Wall, 1_000), (Memory, 9)]));
        step.retry = Some(PlannedRetry { max_attempts, backoff_ms: 10, on: Vec::new() });
        vec![step]
    };
    let expected = |runs, fuel, wall| {
        [(Measure::ComponentRuns, runs), (Measure::Fuel, fuel), (Measure::Wall, wall), (Measure::Memory, 9)]
    };
    check(retry(1), &expected(1, 7, 1_000));
    check(retry(4), &expected(4, 28, 4_000 + 10 + 20 + 40));
    check(retry(u32::MAX), &expected(u32::MAX.into(), 7 * u64::from(u32::MAX), UNBOUNDED));
}

#[test]
fn a_map_runs_once_for_each_item_and_reads_each_once() {
    let limits = [(Fuel, 10), (FuelPerInputByte, 3), (OutputBytes, 5), (Memory, 7), (Wall, 100)];
    let body = PlannedBody::Component { call: call(&limits) };
    let map = step("m", &["$text", "local/r/1"], PlannedWork::Map { body, max_items: 25, max_concurrency: 6 });
    let after = component("z", &["m"], call(&[(Fuel, 1), (FuelPerInputByte, 1)]));
    // 25 items of 4 bytes, each with the ruleset, as many at once as there are threads, and what finishes them; 130 bytes
    // come out.
    let expected = [
        (Measure::ComponentRuns, 26),
        (Measure::Fuel, 25 * (10 + 3 * 1_004) + 10 + 1 + 130),
        (Measure::Memory, 28),
        (Measure::Wall, 2_600),
    ];
    check(vec![map, after], &expected);
}

#[test]
fn a_loop_reads_what_it_made() {
    let repeat = |limits: &[(LimitKind, u64)], max_iterations| {
        let until = PlannedCondition { text: String::new(), names: Vec::new() };
        let body = PlannedBody::Component { call: call(limits) };
        vec![step("l", &["$text"], PlannedWork::Loop { body, until, max_iterations, port: "in".to_owned() })]
    };
    let doubling = [(Fuel, 1), (FuelPerInputByte, 1), (OutputBytes, 0), (OutputBytesPerInputByte, 2)];
    check(repeat(&doubling, 3), &[(Measure::Fuel, 3 + 100 + 200 + 400), (Measure::ComponentRuns, 3)]);
    // The same 5 bytes over and over.
    let settled = [(Fuel, 1), (FuelPerInputByte, 1), (OutputBytes, 5)];
    check(repeat(&settled, 1_000), &[(Measure::Fuel, 1_000 + 100 + 999 * 5), (Measure::ComponentRuns, 1_000)]);
    // Up to the ceiling of a tebibyte, then there.
    let bound = worst(&plan(repeat(&doubling, 1_000), &[AT_ONCE])).bound.get(Measure::Fuel);
    assert!((900 << 40..1_000 << 40).contains(&bound), "{bound}");
}

#[test]
fn steps_that_wait_for_each_other_never_hold_memory_together() {
    let of = |id: &str, reads: &[&str], memory| component(id, reads, call(&[(Memory, memory)]));
    check(vec![of("a", &[], 5), of("b", &["a"], 7), of("c", &["b"], 3)], &[(Measure::Memory, 7)]);
    check(vec![of("a", &[], 5), of("b", &[], 7), of("c", &[], 3)], &[(Measure::Memory, 15)]);
    check(
        vec![of("a", &[], 1), of("b", &["a"], 7), of("c", &["a"], 3), of("d", &["b", "c"], 2)],
        &[(Measure::Memory, 10)],
    );
    let at_once = plan(vec![of("a", &[], 5), of("b", &[], 7), of("c", &[], 3)], &[(RunLimitKind::MaxConcurrency, 2)]);
    assert_eq!(worst(&at_once).bound.get(Measure::Memory), 12);
}

#[test]
fn instances_share_the_threads_and_one_of_each_step_may_finish_without() {
    let of = |id: &str| component(id, &["$other"], call(&[(Memory, 10)]));
    check(vec![of("a")], &[(Measure::Memory, 40)]);
    check(vec![of("a"), of("b"), of("c")], &[(Measure::Memory, 30 + 30)]);
    // A hundred bytes are not worth a second instance.
    check(vec![component("a", &["$text"], call(&[(Memory, 10)]))], &[(Measure::Memory, 10)]);
    // Two ports can't be split.
    let mut two = of("a");
    two.inputs.push(Binding { port: "more".to_owned(), ..two.inputs[0].clone() });
    check(vec![two], &[(Measure::Memory, 10)]);
}

fn child_step(runbook: PlannedChildRunbook, limits: &[(RunLimitKind, u64)]) -> PlannedStep {
    let child = PlannedChild {
        runbook,
        components: None,
        limits: limits.iter().copied().collect(),
        approved_within: None,
        outputs: Vec::new(),
    };
    let mut step = step("child", &["$text"], PlannedWork::Child { child });
    step.inputs[0].port = "text".to_owned();
    step
}

#[test]
fn a_child_counts_with_its_own_plan() {
    let inner = component("inner", &["$text"], call(&[(Fuel, 10), (FuelPerInputByte, 1), (Memory, 5), (Wall, 900)]));
    let child = plan(vec![inner.clone(), PlannedStep { id: "other".parse().unwrap(), ..inner }], &[AT_ONCE]);
    let file = PlannedChildRunbook::File { path: "x".to_owned(), plan: Box::new(child) };
    let steps = vec![child_step(file, &[(RunLimitKind::MaxDuration, 1_000), (RunLimitKind::MaxRuns, 7)])];
    let expected = [
        (Measure::ComponentRuns, 2),
        (Measure::Fuel, 220),
        (Measure::Memory, 10),
        (Measure::Wall, 1_000),
        (Measure::ChildDepth, 1),
    ];
    check(steps.clone(), &expected);
    let way = worst(&plan(steps, &[AT_ONCE])).dominating.remove(&Measure::Fuel).unwrap();
    assert_eq!(way.iter().map(StepId::as_str).collect::<Vec<_>>(), ["child", "inner"]);
}

#[test]
fn what_is_generated_counts_with_its_limits() {
    use RunLimitKind::{MaxConcurrency, MaxDepth, MaxDuration, MaxLlmCost, MaxRuns};
    let source = BindingSource::Input { name: "text".parse().unwrap() };
    let limits = [(MaxDepth, 2), (MaxDuration, 5), (MaxLlmCost, 50), (MaxConcurrency, 3), (MaxRuns, 20)];
    let steps = vec![child_step(
        PlannedChildRunbook::Artifact { source, bounds: Vec::new(), exported: true, plan: None },
        &limits,
    )];
    let expected = [
        (Measure::ComponentRuns, 20),
        (Measure::Fuel, 0),
        (Measure::Generated, 5),
        (Measure::Memory, (3 + 3) << 30),
        (Measure::Wall, 5),
        (Measure::LlmCalls, UNBOUNDED),
        (Measure::LlmCost, 50),
        (Measure::ChildDepth, 2),
    ];
    check(steps, &expected);
}

#[test]
fn an_agent_counts_once_more_for_each_runbook_that_it_may_submit() {
    use RunLimitKind::{MaxDuration, MaxLlmCost, MaxRuns};
    let limits = [(MaxDuration, 1_000), (MaxLlmCost, 50), (MaxRuns, 20)].into_iter().collect();
    let runbook = PlannedChildRunbook::Agent { bounds: Vec::new(), plan: None };
    let child =
        PlannedChild { runbook, components: Some(Vec::new()), limits, approved_within: None, outputs: Vec::new() };
    let call = call(&[(Fuel, 7), (Wall, 100), (Memory, 5)]);
    let agent = |runbooks| PlannedWork::Agent {
        call: call.clone(),
        goal: String::new(),
        tools: Vec::new(),
        members: Vec::new(),
        runbooks,
        limits: RunLimits::default(),
    };
    let amount = |runbooks, measure| {
        worst(&plan(vec![step("a", &["$text"], agent(runbooks))], &[AT_ONCE])).unlimited.get(measure)
    };
    let twice = || Some(Box::new(Submitted { child: child.clone(), most: 2 }));
    for (measure, alone, with) in [
        (Measure::ComponentRuns, 1, 3 + 2 * 20),
        (Measure::Fuel, 7, 3 * 7),
        (Measure::Wall, 100, 3 * 100 + 2 * 1_000),
        (Measure::LlmCost, 0, 2 * 50),
        (Measure::Generated, 0, 2 * 1_000),
    ] {
        assert_eq!((amount(None, measure), amount(twice(), measure)), (alone, with), "{measure:?}");
    }
}

#[test]
fn undoing_counts_too() {
    let mut step = component("a", &["$text"], call(&[(Fuel, 1), (Memory, 5)]));
    step.compensate = Some(Box::new(component("b", &["$text"], call(&[(Fuel, 2), (Memory, 7)]))));
    let expected =
        [(Measure::Fuel, 3), (Measure::ComponentRuns, 1), (Measure::CompensationRuns, 1), (Measure::Memory, 12)];
    check(vec![step], &expected);
}

#[test]
fn the_limits_of_the_run_do_not_end_what_undoes() {
    let mut step = component("a", &["$text"], call(&[(Wall, 900)]));
    let undo = component("b", &["$text"], call(&[(Wall, 800)]));
    step.compensate = Some(Box::new(PlannedStep {
        retry: Some(PlannedRetry { max_attempts: 2, backoff_ms: 5, on: Vec::new() }),
        ..undo
    }));
    let limits = [AT_ONCE, (RunLimitKind::MaxDuration, 100), (RunLimitKind::MaxRuns, 1)];
    let bound = worst(&plan(vec![step], &limits)).bound;
    let of = |measure| bound.get(measure);
    assert_eq!((of(Measure::Wall), of(Measure::Compensation)), (100, 1_605));
    assert_eq!((of(Measure::ComponentRuns), of(Measure::CompensationRuns)), (1, 2));
}

#[test]
fn the_limits_of_the_run_end_it() {
    let steps =
        vec![component("a", &["$text"], call(&[(Wall, 900)])), component("b", &["$text"], call(&[(Wall, 900)]))];
    let limits = [AT_ONCE, (RunLimitKind::MaxDuration, 1_000), (RunLimitKind::MaxRuns, 1)];
    let worst = worst(&plan(steps, &limits));
    assert_eq!((worst.bound.get(Measure::Wall), worst.unlimited.get(Measure::Wall)), (1_000, 1_800));
    assert_eq!((worst.bound.get(Measure::ComponentRuns), worst.unlimited.get(Measure::ComponentRuns)), (1, 2));
}

#[test]
fn what_does_not_fit_has_no_bound_and_is_null_as_json() {
    let body = PlannedBody::Component { call: call(&[(Fuel, 1 << 40)]) };
    let map = step("m", &["$text"], PlannedWork::Map { body, max_items: 1 << 40, max_concurrency: 1 });
    let worst = worst(&plan(vec![map], &[AT_ONCE]));
    let json = serde_json::to_value(&worst).unwrap();
    assert_eq!(
        (&json["bound"]["fuel"], &json["bound"]["component_runs"]),
        (&serde_json::Value::Null, &(1_u64 << 40).into())
    );
    assert_eq!(serde_json::from_value::<WorstCase>(json).unwrap(), worst);
}

#[test]
fn every_measure_has_its_place_and_its_key() {
    for (index, measure) in Measure::all().enumerate() {
        assert_eq!((measure as usize, Measure::from_key(measure.key())), (index, Some(measure)));
    }
}

/// A step as numbers: which of the steps before it are read, what it does, its limits.
type Numbers = (u16, u8, [u8; 7]);

fn planned(numbers: &[Numbers], at_once: u64) -> Plan {
    let name = |index: usize| format!("s{index}");
    let steps = numbers.iter().enumerate().map(|(index, &(reads, kind, limits))| {
        let kinds = [Fuel, FuelPerInputByte, Memory, OutputBytes, OutputBytesPerInputByte, Wall];
        let limits: Vec<_> = kinds
            .into_iter()
            .zip(limits[1..].iter().map(|&limit| u64::from(limit)))
            .chain([(FileBytesRead, limits[0].into())])
            .collect();
        let names: Vec<String> = (0..index).filter(|&before| reads >> before & 1 == 1).map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let call = if names.is_empty() { source(&limits) } else { call(&limits) };
        let body = PlannedBody::Component { call: call.clone() };
        let until = PlannedCondition { text: String::new(), names: Vec::new() };
        let count = u32::from(kind / 4);
        let mut step = step(
            &name(index),
            &names,
            match kind % 4 {
                0 => PlannedWork::Map { body, max_items: count.into(), max_concurrency: 1 + count / 3 },
                1 => PlannedWork::Loop { body, until, max_iterations: count, port: "in".to_owned() },
                _ => PlannedWork::Component { call },
            },
        );
        step.retry =
            (kind % 4 == 3).then(|| PlannedRetry { max_attempts: 1 + count % 5, backoff_ms: 3, on: Vec::new() });
        step
    });
    plan(steps.collect(), &[(RunLimitKind::MaxConcurrency, at_once)])
}

fn some_steps() -> impl Strategy<Value = Vec<Numbers>> {
    proptest::collection::vec(any::<Numbers>(), 1..9)
}

fn all_at_least(more: &WorstCase, less: &WorstCase) -> bool {
    Measure::all().all(|measure| more.bound.get(measure) >= less.bound.get(measure))
}

proptest! {
    #[test]
    fn one_step_more_or_a_higher_limit_never_lowers_the_bound(mut steps in some_steps(), at in any::<u16>(), limit in 0_usize..7) {
        let before = worst(&planned(&steps, 3));
        prop_assert!(all_at_least(&worst(&planned(&steps, 4)), &before));
        let last = steps.pop().unwrap();
        prop_assert!(all_at_least(&before, &worst(&planned(&steps, 3))));
        steps.push(last);
        let at = usize::from(at) % steps.len();
        steps[at].2[limit] = steps[at].2[limit].saturating_add(50);
        prop_assert!(all_at_least(&worst(&planned(&steps, 3)), &before));
        // One item, iteration or attempt more; at the top of its range it would become another kind of step.
        let raised = steps[at].1.checked_add(4).filter(|kind| kind % 4 != 3 || kind / 4 % 5 != 0);
        if let Some(kind) = raised {
            steps[at].1 = kind;
            prop_assert!(all_at_least(&worst(&planned(&steps, 3)), &before));
        }
    }

    #[test]
    fn the_run_is_the_sum_of_its_steps(steps in some_steps()) {
        let worst = worst(&planned(&steps, 3));
        for measure in [Measure::ComponentRuns, Measure::Fuel, Measure::Wall] {
            let sum: u64 = worst.steps.iter().map(|share| share.amounts.get(measure)).sum();
            prop_assert_eq!(worst.bound.get(measure), sum);
            if let Some(way) = worst.dominating.get(&measure) {
                let most = worst.steps.iter().map(|share| share.amounts.get(measure)).max();
                let dominating = worst.steps.iter().find(|share| way[0] == share.step);
                prop_assert_eq!(dominating.map(|share| share.amounts.get(measure)), most);
            }
        }
    }

    /// Tries every set of steps that may run together, and every way to share the permits among them.
    #[test]
    fn no_schedule_holds_more_memory(
        steps in proptest::collection::vec((any::<u8>(), 0_u8..20, 0_u8..4), 1..7),
        at_once in 1_u64..5,
        threads in 1_u64..6,
    ) {
        let numbers: Vec<Numbers> = steps.iter().map(|&(reads, ..)| (reads.into(), 2, [0; 7])).collect();
        let plan = planned(&numbers, at_once);
        let held: Vec<_> = steps.iter().map(|&(_, memory, more)| {
            Held { always: memory.into(), each_more: memory.into(), more: u64::from(more).min(threads - 1) }
        }).collect();
        let mut above = vec![0_u32; steps.len()];
        for index in 0..steps.len() {
            for before in (0..index).filter(|before| steps[index].0 >> before & 1 == 1) {
                above[index] |= above[before] | 1 << before;
            }
        }
        let mut most = 0;
        for set in 0_u32..1 << steps.len() {
            let members: Vec<usize> = (0..steps.len()).filter(|index| set >> index & 1 == 1).collect();
            if members.len() as u64 <= at_once && members.iter().all(|&index| above[index] & set == 0) {
                most = most.max(shared_out(&members.iter().map(|&index| held[index]).collect::<Vec<_>>(), threads));
            }
        }
        prop_assert!(peak(&plan, &held, Held::default(), threads) >= most);
    }
}

/// The most memory that these hold together: each finishes without a permit, or takes some.
fn shared_out(held: &[Held], permits: u64) -> u64 {
    let Some((first, rest)) = held.split_first() else { return 0 };
    let finishing = first.always + shared_out(rest, permits);
    let most = (first.more + 1).min(permits);
    (1..=most)
        .map(|taken| first.always + first.each_more * (taken - 1) + shared_out(rest, permits - taken))
        .fold(finishing, u64::max)
}

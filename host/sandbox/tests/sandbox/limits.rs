//! Each limit: the last value that is allowed, and the first that is not.

use crate::guest::Guest;
use crate::world::{Attempt, limit_of, load};
use palisade_model::{FailureKind, LimitKind};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

const PAGE: u64 = 65_536;

fn loops(times: u32) -> Guest {
    Guest::running(&format!(
        "(loop $again
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {times}))))"
    ))
}

#[test]
fn fuel_is_counted_exactly() {
    let guest = loops(10_000_000);
    let prepared = load(&guest).prepared;
    let measured = Attempt::new(&[(LimitKind::Fuel, 1_000_000_000)]);
    measured.run(&prepared).unwrap();
    let used = measured.meter.usage().fuel;
    assert!(used > 50_000_000, "several slices: {used}");
    assert_eq!(limit_of(&guest, &[(LimitKind::Fuel, used)]), None);
    assert_eq!(limit_of(&guest, &[(LimitKind::Fuel, used - 1)]), Some(LimitKind::Fuel));
}

#[test]
fn the_same_work_takes_the_same_fuel() {
    let prepared = load(&loops(3_000_000)).prepared;
    let used: Vec<_> = (0..3)
        .map(|_| {
            let attempt = Attempt::new(&[]);
            attempt.run(&prepared).unwrap();
            attempt.meter.usage().fuel
        })
        .collect();
    assert!(used.iter().all(|&fuel| fuel == used[0]), "{used:?}");
}

#[test]
fn fuel_ends_loops_wherever_they_are() {
    let limits = [(LimitKind::Fuel, 50_000_000)];
    assert_eq!(limit_of(&Guest::running("(loop $forever (br $forever))"), &limits), Some(LimitKind::Fuel));
    let start = Guest::default().with("(func $spin (loop $forever (br $forever))) (start $spin)");
    assert_eq!(limit_of(&start, &limits), Some(LimitKind::Fuel));
    let bulk = "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 4000000))";
    let fills = Guest::running(&format!("(loop $forever {bulk} (br $forever))")).with_memory(64);
    assert_eq!(limit_of(&fills, &limits), Some(LimitKind::Fuel));
}

#[test]
fn bulk_operations_are_paid_even_if_they_are_the_last() {
    let fills = |bytes: u32| {
        Guest::running(&format!("(memory.fill (i32.const 65536) (i32.const 0) (i32.const {bytes}))")).with_memory(960)
    };
    let attempt = Attempt::new(&[]);
    attempt.run(&load(&fills(60_000_000)).prepared).unwrap();
    assert!(attempt.meter.usage().fuel >= 60_000_000, "{}", attempt.meter.usage().fuel);
    assert_eq!(limit_of(&fills(60_000_000), &[(LimitKind::Fuel, 59_000_000)]), Some(LimitKind::Fuel));
}

#[test]
fn parts_share_the_fuel_of_their_attempt() {
    let prepared = load(&loops(3_000_000)).prepared;
    let alone = Attempt::new(&[]);
    alone.run(&prepared).unwrap();
    let used = alone.meter.usage().fuel;
    let shared = Attempt::new(&[(LimitKind::Fuel, 2 * used + used / 2)]);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..3).map(|_| scope.spawn(|| shared.run(&prepared))).collect();
        let ended = parts.into_iter().map(|part| part.join().unwrap()).filter(Result::is_err).count();
        assert!(ended >= 1, "three parts need three times {used}");
    });
    assert!(shared.meter.usage().fuel <= 2 * used + used / 2);
    let enough = Attempt::new(&[(LimitKind::Fuel, 2 * used)]);
    assert!(enough.run(&prepared).is_ok() && enough.run(&prepared).is_ok());
    assert_eq!(enough.meter.usage().fuel, 2 * used);
    assert_eq!(enough.meter.usage().instances, 2);
}

#[test]
fn fuel_grows_with_the_input() {
    let reads = "(call $next (i32.load offset=8 (local.get $inputs)) (i32.const 0) (i32.const 2048))";
    let prepared = load(&Guest::running(reads).reading()).prepared;
    let run = |per_byte: u64, bytes: usize| {
        let mut attempt = Attempt::new(&[(LimitKind::Fuel, 40_000), (LimitKind::FuelPerInputByte, per_byte)]);
        attempt.input = [vec![b'x'; bytes - 1], vec![b'\n']].concat();
        attempt.run(&prepared).is_ok()
    };
    assert!(run(0, 1_000), "a batch costs 30,000 and 2 for each byte");
    assert!(!run(0, 100_000));
    assert!(run(100, 100_000), "what is handed out brings its fuel along");
}

#[test]
fn host_calls_cost_fuel() {
    let call = "(call $progress (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0))";
    let guest = |times: usize| {
        let guest = Guest::running(&call.repeat(times));
        guest.importing("palisade:plugin/log@0.1.0", "progress", "(param i64 i32 i64 i32 i32)")
    };
    assert_eq!(limit_of(&guest(10), &[(LimitKind::Fuel, 160_000)]), None);
    assert_eq!(limit_of(&guest(11), &[(LimitKind::Fuel, 160_000)]), Some(LimitKind::Fuel));
}

/// Grows its memory, then calls the host over and over and does next to nothing itself.
fn calls_forever(own_work: usize) -> Guest {
    let call = "(call $progress (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0))";
    let work = "(local.set $i (i32.const 1))".repeat(own_work);
    let guest = Guest::running(&format!("(drop (memory.grow (i32.const 3))) (loop $on {call} {work} (br $on))"));
    guest.importing("palisade:plugin/log@0.1.0", "progress", "(param i64 i32 i64 i32 i32)")
}

#[test]
fn wall_time_ends_what_has_the_host_work() {
    // However the fuel of a round falls into that of a slice.
    for own_work in 0..8 {
        let limits = [(LimitKind::Wall, 30), (LimitKind::Fuel, 10_000_000_000)];
        assert_eq!(limit_of(&calls_forever(own_work), &limits), Some(LimitKind::Wall), "{own_work}");
    }
}

#[test]
fn a_guest_is_seen_to_go_on_by_its_own_work_and_by_the_hosts() {
    let spins = Guest::running("(drop (memory.grow (i32.const 3))) (loop $on (br $on))");
    for guest in [spins, calls_forever(0)] {
        let prepared = load(&guest).prepared;
        let attempt = Attempt::new(&[(LimitKind::Fuel, 1_000_000_000_000)]);
        thread::scope(|scope| {
            let run = scope.spawn(|| attempt.run(&prepared));
            let seen = || attempt.meter.usage();
            let began = Instant::now();
            while seen().memory_peak_bytes < 5 * PAGE || seen().cpu_ms < 2 {
                assert!(began.elapsed() < Duration::from_secs(20) && !run.is_finished(), "{:?}", seen());
                thread::yield_now();
            }
            attempt.cancelled.store(true, Ordering::Relaxed);
            assert_eq!(run.join().unwrap().unwrap_err().kind, FailureKind::Cancelled);
        });
    }
}

#[test]
fn wall_time_ends_what_computes() {
    let guest = Guest::running("(loop $forever (br $forever))");
    let began = Instant::now();
    let limits = [(LimitKind::Wall, 50), (LimitKind::Fuel, 1_000_000_000_000)];
    assert_eq!(limit_of(&guest, &limits), Some(LimitKind::Wall));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(limit_of(&loops(1_000), &[(LimitKind::Wall, 60_000)]), None);
}

#[test]
fn it_can_be_cancelled() {
    let attempt = Attempt::new(&[(LimitKind::Fuel, 1_000_000_000_000)]);
    attempt.cancelled.store(true, Ordering::Relaxed);
    let failure = attempt.run(&load(&Guest::running("(loop $forever (br $forever))")).prepared).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
}

#[test]
fn memory_grows_to_its_limit() {
    let grows = |pages: u64| Guest::running(&format!("(drop (memory.grow (i32.const {})))", pages - 2));
    let limits = [(LimitKind::Memory, 10 * PAGE)];
    assert_eq!(limit_of(&grows(10), &limits), None);
    assert_eq!(limit_of(&grows(11), &limits), Some(LimitKind::Memory));
    assert_eq!(limit_of(&Guest::default().with_memory(10), &limits), None);
    assert_eq!(limit_of(&Guest::default().with_memory(11), &limits), Some(LimitKind::Memory));
}

#[test]
fn memories_are_summed() {
    let twice = Guest::default().build_twice();
    let prepared = crate::world::try_load(&twice).unwrap().prepared;
    let ended = |pages: u64| Attempt::new(&[(LimitKind::Memory, pages * PAGE)]).run(&prepared).is_err();
    assert!(!ended(4));
    assert!(ended(3), "each of the two has two pages");
}

#[test]
fn the_peak_of_memory_is_known() {
    let attempt = Attempt::new(&[]);
    attempt.run(&load(&Guest::running("(drop (memory.grow (i32.const 3)))")).prepared).unwrap();
    assert_eq!(attempt.meter.usage().memory_peak_bytes, 5 * PAGE);
}

#[test]
fn instances_are_counted() {
    let twice = crate::world::try_load(&Guest::default().build_twice()).unwrap().prepared;
    let run = |instances| Attempt::new(&[(LimitKind::Instances, instances)]).run(&twice);
    assert!(run(2).is_ok());
    match run(1).unwrap_err().kind {
        FailureKind::Limit { limit, .. } => assert_eq!(limit, LimitKind::Instances),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tables_grow_to_their_limit() {
    let with = |elements: u32| Guest::default().with(&format!("(table {elements} funcref)"));
    let limits = [(LimitKind::TableElements, 100)];
    assert_eq!(limit_of(&with(100), &limits), None);
    assert_eq!(limit_of(&with(101), &limits), Some(LimitKind::TableElements));
    let grows = Guest::running("(drop (table.grow (ref.null func) (i32.const 90)))").with("(table 11 funcref)");
    assert_eq!(limit_of(&grows, &limits), Some(LimitKind::TableElements));
    let two = Guest::default().with("(table 60 funcref) (table 60 funcref)");
    assert_eq!(limit_of(&two, &limits), Some(LimitKind::TableElements), "summed");
}

#[test]
fn one_call_hands_over_so_many_bytes() {
    let logs = |bytes: u32| Guest::running(&format!("(call $write (i32.const 2) (i32.const 0) (i32.const {bytes}))"));
    let limits = [(LimitKind::CallBytes, 1_000)];
    assert_eq!(limit_of(&logs(1_000).logging(), &limits), None);
    assert_eq!(limit_of(&logs(1_001).logging(), &limits), Some(LimitKind::CallBytes));
    let returns = |bytes: u32| {
        Guest::running(&format!(
            "(i32.store (i32.const 1032) (i32.const 0)) (i32.store (i32.const 1036) (i32.const {bytes}))"
        ))
    };
    assert_eq!(limit_of(&returns(1_000), &limits), None);
    assert_eq!(limit_of(&returns(1_001), &limits), Some(LimitKind::CallBytes));
}

#[test]
fn output_over_its_limit_fails_whatever_the_guest_returns() {
    let emits = |bytes: u32| {
        let items = "(i32.const 0) (i32.const 0) (i32.const 0)";
        Guest::running(&format!("(call $emit {items} (i32.const {bytes}) (i32.const 2048))")).emitting()
    };
    let limits = [(LimitKind::OutputBytes, 10)];
    assert_eq!(limit_of(&emits(10), &limits), None);
    assert_eq!(limit_of(&emits(11), &limits), Some(LimitKind::OutputBytes));
}

#[test]
fn log_text_over_its_limit_is_dropped_and_counted() {
    let logs = "(call $write (i32.const 2) (i32.const 0) (i32.const 10))";
    let attempt = Attempt::new(&[(LimitKind::LogBytes, 25)]);
    attempt.run(&load(&Guest::running(&logs.repeat(4)).logging()).prepared).unwrap();
    assert_eq!(attempt.seen.lock().unwrap().logged.len(), 2);
    assert_eq!((attempt.meter.usage().log_bytes, attempt.meter.usage().log_bytes_dropped), (20, 20));
}

#[test]
fn skips_are_counted_when_their_text_is_dropped() {
    let skips = "(call $skip (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 5))".repeat(3);
    let guest = Guest::running(&skips).importing("palisade:plugin/log@0.1.0", "skip", "(param i32 i32 i32 i32)");
    let attempt = Attempt::new(&[(LimitKind::LogBytes, 5)]);
    attempt.run(&load(&guest).prepared).unwrap();
    assert_eq!(attempt.seen.lock().unwrap().skips, 3);
}

#[test]
fn only_so_many_resources_are_open_at_once() {
    let prepared = load(&Guest::default()).prepared;
    let run = |inputs: usize| {
        let attempt = Attempt::new(&[(LimitKind::Handles, 2)]);
        prepared.run(attempt.job(), (0..inputs).map(|_| attempt.input()).collect(), &mut || {})
    };
    assert!(run(2).is_ok());
    match run(3).unwrap_err().kind {
        FailureKind::Limit { limit, .. } => assert_eq!(limit, LimitKind::Handles),
        other => panic!("{other:?}"),
    }
}

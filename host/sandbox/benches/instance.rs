//! What a fresh instance costs: instantiate, call, drop. Aim: 15 µs (DESIGN §12).

#![expect(clippy::unwrap_used, reason = "a benchmark that can not run may panic")]

#[path = "../tests/sandbox/guest.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod guest;
#[path = "../tests/sandbox/world.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod world;

use divan::Bencher;
use guest::Guest;
use world::{Attempt, load};

fn main() {
    divan::main();
}

#[divan::bench(threads = [1, 2])]
fn fresh_instance(bencher: Bencher<'_, '_>) {
    let prepared = load(&Guest::default()).prepared;
    let attempt = Attempt::new(&[]);
    bencher.bench(|| attempt.run(&prepared));
}

#[divan::bench]
fn host_calls(bencher: Bencher<'_, '_>) {
    let guest = Guest::running(
        "(loop $again
            (call $progress (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))",
    );
    let guest = guest.importing("palisade:plugin/log@0.1.0", "progress", "(param i64 i32 i64 i32 i32)");
    let prepared = load(&guest).prepared;
    bencher.bench(|| Attempt::new(&[]).run(&prepared));
}

//! The audit log at a million entries, printed as a table: `just bench`.
//!
//! Entries are such as attempts write, in the commits of a busy host: a hundred in one. All on a real disk with full sync.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_audit::{Checkpoint, Entry, What, leaf_hash, verify_inclusion};
use palisade_model::{Digest, RunId, TenantId};
use palisade_store::Store;
use palisade_tests::{Dir, cpu_time};
use std::time::{Duration, Instant};

/// How many entries the log has.
const COUNT: u64 = 1_000_000;
/// How many of them are in one commit.
const AT_ONCE: u64 = 100;

fn main() {
    let dir = Dir::new();
    let store = Store::open(dir.path(), TenantId::default()).expect("a store");
    println!("| work | measured | CPU | goal |");
    println!("|---|---|---|---|");
    let (wall, cpu) = timed(|| {
        for first in (0..COUNT).step_by(AT_ONCE as usize) {
            let entries: Vec<_> = (first..first + AT_ONCE).map(entry).collect();
            store.record(&entries).expect("a commit");
        }
    });
    let per_second = COUNT as f64 / wall.as_secs_f64();
    println!("| {COUNT} entries, {AT_ONCE} in a commit | {per_second:.0} entries/s | {cpu:.1?} | ≥ 20,000/s |");
    let note = store.checkpoint(&[], 1).expect("a checkpoint");
    let checkpoint = Checkpoint::of_note(&note).expect("a checkpoint");
    let mut problems = 0;
    let (wall, cpu) = timed(|| problems = store.verify_audit(Vec::new(), Vec::new()).expect("a log").problem_count);
    assert_eq!(problems, 0);
    println!("| verify all | {wall:.2?} | {cpu:.2?} | ≤ 5 s |");
    let mut slowest = Duration::ZERO;
    for number in (0..COUNT).step_by(9_973) {
        let begun = Instant::now();
        let path = store.audit_inclusion(number, checkpoint.size).expect("a log").expect("an entry");
        slowest = slowest.max(begun.elapsed());
        let leaf = store.audit_entries(number, number + 1, 1, None).expect("a log").pop().expect("an entry");
        verify_inclusion(leaf_hash(&leaf.bytes), number, checkpoint.size, &path, checkpoint.root).expect("a proof");
    }
    println!("| an inclusion proof, the slowest of 101 | {slowest:.2?} | | ≤ 10 ms |");
}

/// What an attempt that read files leaves.
fn entry(number: u64) -> Entry {
    let what = What::Uses {
        step: "files".parse().expect("a step"),
        iteration: 0,
        attempt: 1,
        component: Digest::from_bytes([7; 32]),
        power: "fs-read".to_owned(),
        scope: Some("data/archive".to_owned()),
        allowed: number,
        denied: 0,
        sent: 0,
    };
    Entry::of_run(RunId::new(number, [3; 10]), number, what)
}

fn timed(work: impl FnOnce()) -> (Duration, Duration) {
    let (begun, cpu) = (Instant::now(), cpu_time());
    work();
    (begun.elapsed(), cpu_time() - cpu)
}

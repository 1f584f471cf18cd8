//! The audit log at a million entries, printed as a table: `just bench`.
//!
//! Entries are such as attempts write, in the commits of a busy host: a hundred in one. All on a real disk with full sync.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_audit::{Checkpoint, Entry, What, leaf_hash, verify_inclusion};
use palisade_engine::Silent;
use palisade_model::{Digest, RunId, TenantId};
use palisade_store::{Append, Backend, JournalEvent, NewEntry, NewEvent, RunSummary, Store};
use palisade_tests::counting::Counting;
use palisade_tests::stepping::{Stepping, chain};
use palisade_tests::{Dir, cpu_time};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many entries the log has.
const COUNT: u64 = 1_000_000;
/// How many of them are in one commit.
const AT_ONCE: u64 = 100;
/// How many steps the run has whose audit is measured.
const STEPS: usize = 500;
/// How often, of which the best counts: other work on the machine only adds.
const ROUNDS: u64 = 7;

fn main() {
    let dir = Dir::new();
    let store = Store::open(dir.path(), TenantId::default()).expect("a store");
    println!("| work | measured | CPU | goal |");
    println!("|---|---|---|---|");
    share_of_steps();
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

/// What the audit adds to durable steps each of which used a power, so that each has an entry in the commit of its events. A
/// run is driven to its end, then its events are written again, without entries and with them: in as many commits, and with
/// one for each step, as where each waits for the world. So it is held against steps that do next to nothing.
fn share_of_steps() {
    let (dir, counts) = (Dir::new(), Arc::new(Counting::default()));
    let Some(stepping) = Stepping::open(&dir, Arc::clone(&counts) as Arc<dyn Backend>) else { return };
    let (text, store) = (chain(STEPS, ""), stepping.engine.store());
    let plan = stepping.plan(&text);
    let (mut step, mut ways) = (Duration::MAX, None);
    // Without entries and with them, for each way to commit.
    let mut written = [[Duration::MAX; 2]; 2];
    for round in 0..ROUNDS {
        let (mut run, before) = (None, counts.read().0);
        step = step.min(timed(|| run = stepping.run(&plan, &text, &format!("text {round}"), &Silent).ok()).1);
        let events = store.events(run.expect("a run").record.run_id, 0, usize::MAX).expect("its events");
        let ways = *ways.get_or_insert([(counts.read().0 - before) as usize, STEPS]);
        for (way, commits) in ways.into_iter().enumerate() {
            for (audited, best) in written[way].iter_mut().enumerate() {
                let run = RunId::new(round, [1 + 2 * way as u8 + audited as u8; 10]);
                *best = timed(|| write_again(store, &events, commits, run, audited == 1)).1.min(*best);
            }
        }
    }
    let of_step = |all: Duration| all.as_secs_f64() * 1e6 / STEPS as f64;
    for ([plain, audited], commits) in written.into_iter().zip(ways.into_iter().flatten()) {
        // What a step costs where it is committed so.
        let (step, entry) = ((step + plain).saturating_sub(written[0][0]), of_step(audited) - of_step(plain));
        let (step, share) = (of_step(step), 100.0 * entry / (of_step(step) + entry));
        println!(
            "| an entry for each of {STEPS} steps, {commits} commits | {share:.1} % of the steps | {entry:.1} of {step:.0} µs | ≤ 10 % |"
        );
    }
}

/// Writes events as those of another run, in so many commits, with an entry for each step if that is wanted: the first of
/// its events has it.
fn write_again(store: &Store, events: &[JournalEvent], commits: usize, run: RunId, audited: bool) {
    let (mut after, of_step) = (0, events.len().div_ceil(STEPS));
    for of_commit in
        (0..commits).map(|number| &events[events.len() * number / commits..events.len() * (number + 1) / commits])
    {
        let new: Vec<_> = of_commit.iter().map(|event| NewEvent { kind: &event.kind, bytes: &event.bytes }).collect();
        let is_first = |event: &usize| audited && (after as usize + event).is_multiple_of(of_step);
        let entries =
            (0..new.len()).filter(is_first).map(|event| NewEntry { event, entry: entry(after + event as u64) });
        let entries = entries.collect();
        let summary = (after == 0).then(|| RunSummary {
            title: "Many".to_owned(),
            status: "running".to_owned(),
            started_ms: 1,
            ended_ms: None,
            items: None,
            parent: None,
            key: None,
        });
        let append = Append { events: &new, entries, summary, ..Append::default() };
        after = store.append(run, after, append).expect("a commit").seq;
    }
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

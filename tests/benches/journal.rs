//! A journal of a million events, printed as a table: `just bench`.
//!
//! A run of a loop gives the events, as they are written; one of its iterations is written again and again into the journal
//! of another run. What is measured is what everyone does who goes on with a run or tells of it.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_engine::{History, RunState, Silent};
use palisade_model::{RunId, TenantId};
use palisade_store::{Append, Disk, JournalEvent, NewEvent, Store};
use palisade_tests::Dir;
use palisade_tests::stepping::Stepping;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENTS: u64 = 1_000_000;
/// Events of one append.
const BATCH: usize = 10_000;

const LOOP: &str = "
name: Long
inputs: {docs: {input_schema: standard_input}}
execution:
  - {id: grow, type: loop, analyser: 'test:stepper', input: docs, until: 'false', max_iterations: 2, outputs: {texts: texts}}
";

fn main() {
    let dir = Dir::new();
    let Some(stepping) = Stepping::open(&dir, Arc::new(Disk)) else { return };
    let ran = stepping.run(&stepping.plan(LOOP), LOOP, "a", &Silent).expect("a run");
    let events = stepping.engine.store().events(ran.record.run_id, 0, 100).expect("its events");
    let run = RunId::new(1, [1; 10]);
    let written = write(stepping.engine.store(), run, &events);
    let (store, open) = timed(|| Store::open(&dir.join("state"), TenantId::default()).expect("a store"));
    let (_, verify) = timed(|| store.verify(run).expect("a journal"));
    let (history, read) = timed(|| History::read(&store, run).expect("events"));
    let (state, fold) = timed(|| history.state_after(history.events().len()));
    assert_eq!(state.run(), RunState::Running);
    println!("| a journal of {EVENTS} events, {} bytes each | time | events/s | goal |", written / EVENTS);
    println!("|---|---|---|---|");
    for (work, time, goal) in [
        ("open the data directory", open, ""),
        ("check the chain", verify, ""),
        ("check the chain and read the events", read, ""),
        ("fold them to a state", fold, ""),
        ("all that it takes to go on", open + read + fold, "≤ 1 s, ≥ 150,000 events/s"),
    ] {
        println!("| {work} | {time:.2?} | {:.0} | {goal} |", EVENTS as f64 / time.as_secs_f64());
    }
}

/// Writes a journal that begins as these events do; gives its bytes.
fn write(store: &Store, run: RunId, events: &[JournalEvent]) -> u64 {
    let iteration = events.iter().position(|event| event.kind == "ConditionEvaluated").expect("an iteration") + 1;
    let (start, again) = (&events[..1], &events[iteration..2 * iteration - 1]);
    let (mut bytes, mut after) = (0, 0);
    let mut all = (1..).flat_map(|number| {
        let (now, next) = ("\"iteration\":2".to_owned(), format!("\"iteration\":{number}"));
        let anew = move |event: &JournalEvent| {
            (event.kind.clone(), String::from_utf8_lossy(&event.bytes).replace(&now, &next).into_bytes())
        };
        again.iter().map(anew).collect::<Vec<_>>()
    });
    let first = start.iter().map(|event| (event.kind.clone(), event.bytes.clone()));
    let mut summary = store.runs().expect("runs").pop().map(|row| row.summary);
    let mut all = first.chain(all.by_ref());
    while after < EVENTS {
        let left = usize::try_from(EVENTS - after).unwrap_or(usize::MAX);
        let batch: Vec<_> = all.by_ref().take(left.min(BATCH)).collect();
        bytes += batch.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        let new: Vec<_> = batch.iter().map(|(kind, bytes)| NewEvent { kind, bytes }).collect();
        let append = Append { events: &new, summary: summary.take(), ..Append::default() };
        after = store.append(run, after, append).expect("an append").seq;
    }
    bytes
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

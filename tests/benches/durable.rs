//! Durable steps through the engine's API in one process, printed as a table: `just bench`.
//!
//! Each step runs the component of tests (`plugins/stepper`) over one small item, after the step before it; each run has
//! a journal of its own, on a real disk with full sync. What is counted is what the store asked of the disk.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_engine::Silent;
use palisade_model::record::Status;
use palisade_store::Backend;
use palisade_tests::counting::Counting;
use palisade_tests::stepping::{Stepping, chain};
use palisade_tests::{Dir, cpu_time};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let (dir, counts) = (Dir::new(), Arc::new(Counting::default()));
    let Some(stepping) = Stepping::open(&dir, Arc::clone(&counts) as Arc<dyn Backend>) else { return };
    println!("| work | steps/s | CPU for a step | commits for a step | syncs of files | goal |");
    println!("|---|---|---|---|---|---|");
    let goals = [(1, 2_000, "≥ 5,000 steps/s"), (64, 100, "≥ 20,000 steps/s")];
    let _ = run(&stepping, &counts, 1, 50);
    for (runs, steps, goal) in goals {
        let taken = run(&stepping, &counts, runs, steps);
        let all = (runs * steps) as f64;
        let (per_second, cpu_us) = (all / taken.wall.as_secs_f64(), taken.cpu.as_secs_f64() * 1e6 / all);
        let commits = taken.commits as f64 / all;
        let work = if runs == 1 { "in one run".to_owned() } else { format!("over {runs} runs at once") };
        println!(
            "| {steps} steps in sequence, {work} | {per_second:.0} | {cpu_us:.0} µs | {commits:.2} | {} | {goal} |",
            taken.syncs
        );
    }
}

/// What some runs took.
struct Taken {
    wall: Duration,
    cpu: Duration,
    commits: u64,
    syncs: u64,
}

/// Drives that many runs of that many steps at once.
fn run(stepping: &Stepping, counts: &Counting, runs: usize, steps: usize) -> Taken {
    let text = chain(steps, "");
    let plan = stepping.plan(&text);
    let before = counts.read();
    let (start, cpu) = (Instant::now(), cpu_time());
    std::thread::scope(|scope| {
        for number in 0..runs {
            let (plan, text) = (&plan, &text);
            scope.spawn(move || {
                // Each run has data of its own, so that none finds what another made.
                let ran = stepping.run(plan, text, &format!("text {number}"), &Silent).expect("a run");
                assert_eq!(ran.record.status, Status::Succeeded);
            });
        }
    });
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    let after = counts.read();
    Taken { wall, cpu, commits: after.0 - before.0, syncs: after.1 - before.1 }
}

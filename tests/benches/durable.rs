//! Durable steps through the engine's API in one process, printed as a table: `just bench`.
//!
//! Each step runs the component of tests (`plugins/stepper`) over one small item, after the step before it; each run has
//! a journal of its own, on a real disk with full sync. What is counted is what the store asked of the disk.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_engine::Silent;
use palisade_model::record::Status;
use palisade_store::{Backend, Disk};
use palisade_tests::stepping::{Stepping, chain};
use palisade_tests::{Dir, cpu_time};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The real disk, with a count of what makes something durable.
#[derive(Debug, Default)]
struct Counting {
    commits: AtomicU64,
    syncs: AtomicU64,
}

impl Counting {
    fn read(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }
}

impl Backend for Counting {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.create_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        Disk.create(path)
    }

    fn scratch(&self, path: &Path) -> io::Result<File> {
        Disk.scratch(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        Disk.open(path)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        Disk.append(file, bytes)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Disk.read_at(file, buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Disk.sync(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Disk.sync_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        Disk.commit(transaction)
    }
}

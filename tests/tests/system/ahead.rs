//! Runs that are ahead of their journal: steps run on while a commit is slow, and it fails, or its answer is lost.

use palisade_engine::{Event, Observed, Observer, RunError, Silent};
use palisade_model::Digest;
use palisade_model::record::Status;
use palisade_store::{Backend, Disk, Store};
use palisade_tests::stepping::{Stepping, chain};
use palisade_tests::{Dir, as_the_disk};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// More than are ahead of a commit at most, however long it takes, and again as many: each makes a file, and 64 are held.
const STEPS: usize = 160;
/// What each step makes is larger than what is kept in the database, so that the disk sees that a step runs.
const TEXT_BYTES: usize = 100_000;
/// How often it is tried anew where the real disk was so slow that all steps ran ahead of an earlier commit.
const TRIES: usize = 12;

/// What becomes of the commit that is slow.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Succeeds,
    Fails,
    /// It comes to pass, but nobody is told.
    IsLost,
}

/// A disk on which one commit takes until so many files were made meanwhile.
#[derive(Debug)]
struct SlowDisk {
    fate: Fate,
    slow: usize,
    state: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    commits: usize,
    files: usize,
    /// Files that were made while the slow commit was under way.
    meanwhile: usize,
}

impl SlowDisk {
    fn new(slow: usize, fate: Fate) -> Arc<Self> {
        Arc::new(Self { fate, slow, state: Mutex::default(), changed: Condvar::new() })
    }
}

impl Backend for SlowDisk {
    as_the_disk! { create_folder scratch open append read_at sync sync_folder rename remove }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.state.lock().unwrap().files += 1;
        self.changed.notify_all();
        Disk.create(path)
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.commits += 1;
        if state.commits != self.slow {
            drop(state);
            return Disk.commit(transaction);
        }
        let before = state.files;
        let patience = Duration::from_secs(5);
        let (mut state, _) =
            self.changed.wait_timeout_while(state, patience, |state| state.files < before + 3).unwrap();
        state.meanwhile = state.files - before;
        drop(state);
        let failed = || rusqlite::Error::ToSqlConversionFailure(io::Error::other("the disk is going").into());
        match self.fate {
            Fate::Succeeds => Disk.commit(transaction),
            Fate::Fails => Err(failed()),
            Fate::IsLost => Disk.commit(transaction).and_then(|()| Err(failed())),
        }
    }
}

/// Notes what is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn observe(&self, event: &Observed<'_>) {
        let told = match event {
            Observed::StepStarted { step, .. } => format!("{step} started"),
            Observed::StepSucceeded { step, .. } => format!("{step} done"),
            _ => return,
        };
        self.0.lock().unwrap().push(told);
    }
}

fn steps_done(store: &Store) -> Vec<String> {
    let run = store.runs().unwrap().pop().unwrap().run;
    store.verify(run).unwrap();
    let events = store.events(run, 0, usize::MAX).unwrap();
    let done = events.iter().filter_map(|event| match Event::from_bytes(&event.bytes).unwrap() {
        Event::AttemptSucceeded(done) => Some(done.step.to_string()),
        _ => None,
    });
    done.collect()
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

/// What the last step makes when nothing goes wrong, and how many files are kept then.
fn undisturbed(text: &str) -> Option<(Vec<Digest>, usize)> {
    let dir = Dir::new();
    let stepping = Stepping::open(&dir, Arc::new(Disk))?;
    let runbook = chain(STEPS, "x");
    let plan = stepping.plan(&runbook);
    let ran = stepping.run(&plan, &runbook, text, &Silent).unwrap();
    let made = ran.exports.iter().map(|export| export.artifact).collect();
    Some((made, files_below(&dir.join("state/artifacts"))))
}

/// Runs a chain of steps of whose commits one is slow, and goes on with the run if it failed. Whatever comes of it: what
/// was told is in the journal, no step that is there runs again, and the results are those of a run that nothing disturbed.
#[test]
fn what_runs_ahead_of_a_slow_commit_counts_only_if_it_succeeds() {
    let text = "a".repeat(TEXT_BYTES);
    let Some((expected, files)) = undisturbed(&text) else { return };
    // The first has the start of the run, the second that of the first step, whose component nobody knows yet: all waits
    // for them. The third has what it made.
    for slow in [3, 4] {
        for fate in [Fate::Succeeds, Fate::Fails, Fate::IsLost] {
            let runbook = chain(STEPS, "x");
            let run = || {
                let (dir, disk, told) = (Dir::new(), SlowDisk::new(slow, fate), Told::default());
                let stepping = Stepping::open(&dir, Arc::clone(&disk) as Arc<dyn Backend>).unwrap();
                // Opening made the tables.
                disk.state.lock().unwrap().commits = 0;
                let plan = stepping.plan(&runbook);
                let ran = stepping.run(&plan, &runbook, &text, &told);
                if fate == Fate::Succeeds {
                    assert_eq!(ran.as_ref().unwrap().record.status, Status::Succeeded);
                }
                let meanwhile = disk.state.lock().unwrap().meanwhile;
                (meanwhile >= 3).then_some((dir, told, plan, ran))
            };
            let ran_ahead = (0..TRIES).find_map(|_| run());
            let (dir, told, plan, ran) = ran_ahead.unwrap_or_else(|| panic!("nothing ran ahead of commit {slow}"));
            if fate != Fate::Succeeds {
                assert!(matches!(ran, Err(RunError::Append(_))), "{ran:?}");
            }
            let told = told.0.into_inner().unwrap();
            let stepping = Stepping::open(&dir, Arc::new(Disk)).unwrap();
            let store = stepping.engine.store();
            let before = steps_done(store);
            // What was told is there; of what is there, only what came with a lost answer was not told.
            let told_done: Vec<_> = told.iter().filter_map(|told| told.strip_suffix(" done")).collect();
            assert!(before.iter().map(String::as_str).take(told_done.len()).eq(told_done.iter().copied()));
            match fate {
                Fate::Succeeds => assert_eq!(told_done.len(), STEPS),
                Fate::Fails => assert!(before.len() == told_done.len() && before.len() < STEPS),
                Fate::IsLost => assert!(before.len() > told_done.len() && before.len() < STEPS),
            }
            // A step is told to have started once all that it follows from is durable.
            for (index, line) in told.iter().enumerate() {
                if let Some(number) = line.strip_prefix('s').and_then(|line| line.strip_suffix(" started"))
                    && let Some(above) = number.parse::<usize>().unwrap().checked_sub(1)
                {
                    assert!(told.iter().take(index).any(|line| *line == format!("s{above} done")), "{told:?}");
                }
            }
            if fate != Fate::Succeeds {
                let run = store.runs().unwrap().pop().unwrap().run;
                let ran = stepping.resume(run, &plan, &Silent).unwrap();
                assert_eq!(ran.record.status, Status::Succeeded);
                let made: Vec<_> = ran.exports.iter().map(|export| export.artifact).collect();
                assert_eq!(made, expected);
            }
            let after = steps_done(store);
            assert_eq!(after, (0..STEPS).map(|number| format!("s{number}")).collect::<Vec<_>>(), "{slow} {fate:?}");
            assert_eq!(store.inspect(|_| {}).unwrap().damage_count, 0);
            // Nothing lies about of what was discarded.
            assert_eq!(files_below(&dir.join("state/artifacts")), files, "{slow} {fate:?}");
        }
    }
}

/// A disk on which one commit takes long, and that notes how many events and bytes of contents are there at each.
#[derive(Debug, Default)]
struct StalledDisk(Mutex<Vec<(i64, i64)>>);

/// The commit that takes long.
const STALLED: usize = 4;

impl Backend for StalledDisk {
    as_the_disk! { create create_folder scratch open append read_at sync sync_folder rename remove }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        let sql = "SELECT (SELECT count(*) FROM event), (SELECT coalesce(sum(length(bytes)), 0) FROM content)";
        let seen = transaction.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let commits = {
            let mut all = self.0.lock().unwrap();
            all.push(seen);
            all.len()
        };
        if commits == STALLED {
            std::thread::sleep(Duration::from_secs(3));
        }
        Disk.commit(transaction)
    }
}

/// While a commit takes long, no more is held than may be: some events, or some bytes of what steps made.
#[test]
fn a_run_is_no_further_ahead_than_it_may_be() {
    const MOST_EVENTS: i64 = 1_024;
    const MOST_BYTES: i64 = 4 << 20;
    for (steps, text) in [(700, "a".to_owned()), (100, "a".repeat(60_000))] {
        let (dir, disk, runbook) = (Dir::new(), Arc::new(StalledDisk::default()), chain(steps, "x"));
        let Some(stepping) = Stepping::open(&dir, Arc::clone(&disk) as Arc<dyn Backend>) else { return };
        disk.0.lock().unwrap().clear();
        let ran = stepping.run(&stepping.plan(&runbook), &runbook, &text, &Silent).unwrap();
        assert_eq!(ran.record.status, Status::Succeeded);
        let seen = disk.0.lock().unwrap();
        let (stalled, next) = (seen[STALLED - 1], seen[STALLED]);
        let (events, bytes) = (next.0 - stalled.0, next.1 - stalled.1);
        // One step more, that had begun. How far it came in that time is up to the machine.
        assert!(events <= MOST_EVENTS + 2 && bytes <= MOST_BYTES + 2 * 60_000, "{events} events, {bytes} bytes");
        assert!(events >= MOST_EVENTS / 8 || bytes >= MOST_BYTES / 8, "{events} events, {bytes} bytes");
    }
}

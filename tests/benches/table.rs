//! Whole-process benchmarks, printed as a table: `just bench`.
//!
//! Each row is a `palisade run` with output validation and durability on, in a folder of its own, after one warm-up; the
//! figures are medians. Needs WCF's reference data beside the project for rulesets and sample files.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_tests::{Dir, Taken, command, journal, palisade, taken_by};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Counted runs of each row.
const RUNS: usize = 5;
/// The program that `cargo xtask bench` builds of the same code without a sandbox: it runs once and prints megabytes and
/// milliseconds of CPU time.
const NATIVE: &str = "PALISADE_BENCH_NATIVE";

fn main() {
    let Some(wcf) = palisade_tests::wcf() else { return };
    let rulesets = wcf.join("rulesets");
    println!("| work | wall, median (min–max) | CPU | peak memory | goal |");
    println!("|---|---|---|---|---|");
    let small = data(&wcf, 7_000_000);
    let bench =
        |dir: &Dir, runbook| Bench { command: "run", dir: dir.path().to_owned(), rulesets: rulesets.clone(), runbook };
    bench(&small, "six.yaml").row("7.0 MB, 3 analysers and 3 classifiers", "≤ 0.5 s, ≤ 100 MB");
    bench(&small, "six.yaml").first_ever("the same, first run ever (nothing compiled)", "≤ 6 s");
    bench(&small, "one_step.yaml").row("one step over one small file", "≤ 40 ms");
    let large = data(&wcf, 70_000_000);
    bench(&large, "one.yaml").row("70 MB, personal_data", "≥ 100 MB/s");
    bench(&large, "one.yaml").beside_native();
    drop(large);
    let huge = data(&wcf, 700_000_000);
    bench(&huge, "one.yaml").row("700 MB in many files, personal_data", "≤ 200 MB");
    drop(huge);
    let single = one_file(1_000_000_000);
    bench(&single, "one_step.yaml").row("a text file of 1 GB, left out by `call-bytes`", "≤ 200 MB");
    drop(single);
    let journal = long_journal(100_000);
    bench(&journal, "last").of("replay").row("replay 100,000 recorded events", "≥ 150,000 events/s");
    drop(journal);
    let steps = ten_thousand_steps();
    for (command, work) in [("validate", "validate 10,000 steps"), ("plan", "plan 10,000 steps")] {
        bench(&steps, "steps.yaml").of(command).row(work, "≤ 0.5 s, ≤ 200 MB");
    }
}

/// A folder with a runbook of steps that have nothing to do with each other.
fn ten_thousand_steps() -> Dir {
    let dir = Dir::new();
    let step = |number: u32| {
        format!(
            "  - {{name: s{number}, type: source, connector: filesystem, config: {{path: data}}, output: o{number}}}\n"
        )
    };
    dir.write("data/a.txt", "x");
    dir.write("steps.yaml", format!("name: Many\nexecution:\n{}", (0..10_000).map(step).collect::<String>()));
    dir
}

/// A folder with a run of one step that was tried again and again: all that is read and decided, and no component.
fn long_journal(events: usize) -> Dir {
    let dir = Dir::new();
    let retry = "retry: {max_attempts: 1000000, backoff: 1 h}";
    dir.write("late.yaml", format!("name: Late\nexecution:\n  - {{name: s, type: source, connector: filesystem, config: {{path: late}}, {retry}, output: o}}\n"));
    let mut going =
        command::command(dir.path()).args(["run", "-q", "late.yaml"]).stderr(Stdio::null()).spawn().expect("palisade");
    while !palisade(dir.path(), ["runs", "show", "last", "--events"]).stdout.contains("AttemptFailed") {
        std::thread::sleep(Duration::from_millis(20));
    }
    going.kill().and_then(|()| going.wait()).expect("it waits");
    let connection = journal::open(&dir.join(".palisade"));
    let [start, scheduled, begun, failed] = &journal::events(&connection)[..] else { panic!("four events") };
    let with = |event: &Value, attempt: usize| {
        let mut event = event.clone();
        event["attempt"] = attempt.into();
        event
    };
    let mut all = vec![start.clone()];
    for attempt in 1..=events / 4 {
        let mut failed = with(failed, attempt);
        failed["retry_at_ms"] = 1.into();
        let fired = json!({"v": 1, "kind": "TimerFired", "step": "s", "attempt": attempt, "at_ms": 1});
        all.extend([with(scheduled, attempt), with(begun, attempt), failed, fired]);
    }
    // What follows from the last timer would be next.
    all.pop();
    journal::rewrite(&connection, &all);
    dir
}

/// A folder with one large text file and a small one.
fn one_file(bytes: usize) -> Dir {
    let dir = Dir::new();
    let line = "Dear jane@example.com, your first_name and passport number are on file.\n";
    dir.write("small/large.txt", line.repeat(bytes / line.len()));
    dir.write("small/note.txt", line);
    dir.write("one_step.yaml", ONE_STEP);
    dir
}

const ONE_STEP: &str = "name: one step\ndescription: reads one file\nartifacts:\n  files:\n    output: true\n    source: {type: filesystem, properties: {path: small}}\n";

/// A folder with the sample's files many times over, about `bytes` in all, and the runbooks.
fn data(wcf: &Path, bytes: usize) -> Dir {
    let dir = Dir::new();
    let sample = wcf.join("samples/filesystem_mock");
    let files: Vec<(PathBuf, Vec<u8>)> = files_below(&sample)
        .into_iter()
        .map(|path| {
            (path.strip_prefix(&sample).expect("below the sample").to_owned(), std::fs::read(&path).expect("a file"))
        })
        .collect();
    let once: usize = files.iter().map(|(_, content)| content.len()).sum();
    for copy in 0..bytes.div_ceil(once) {
        for (path, content) in &files {
            dir.write(&format!("data/{copy:05}/{}", path.display()), content);
        }
    }
    dir.write("small/note.txt", "Dear jane@example.com, your first_name and passport number are on file.\n");
    dir.write("six.yaml", runbook("data", &["personal_data", "processing_purpose", "data_subject"], true));
    dir.write("one.yaml", runbook("data", &["personal_data"], false));
    dir.write("one_step.yaml", ONE_STEP);
    dir
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn runbook(path: &str, analysers: &[&str], classified: bool) -> String {
    let mut text = format!(
        "name: benchmark\ndescription: measured\nartifacts:\n  files:\n    source:\n      type: filesystem\n      properties: {{path: {path}, max_files: 1000000, errors: replace}}\n"
    );
    for analyser in analysers {
        text += &format!("  {analyser}:\n    inputs: files\n    output: true\n    process: {{type: {analyser}}}\n");
        if classified {
            text += &format!(
                "  gdpr_{analyser}:\n    inputs: {analyser}\n    output: true\n    process: {{type: gdpr_{analyser}_classifier}}\n"
            );
        }
    }
    text
}

/// What is run, and where.
struct Bench {
    /// The subcommand.
    command: &'static str,
    dir: PathBuf,
    rulesets: PathBuf,
    runbook: &'static str,
}

impl Bench {
    /// Prints a row over several runs with compiled code at hand.
    fn row(&self, work: &str, goal: &str) {
        self.once(|_| {});
        let mut runs: Vec<_> = (0..RUNS).map(|_| self.once(|_| {})).collect();
        runs.sort_by_key(|run| run.wall);
        let (least, median, most) = (&runs[0], &runs[RUNS / 2], &runs[RUNS - 1]);
        let span = format!("{} ({}–{})", ms(median.wall), ms(least.wall), ms(most.wall));
        println!("| {work} | {span} ms | {} ms | {} MB | {goal} |", ms(median.cpu), median.peak_kb / 1_000);
    }

    /// Prints a row of one run that has to compile everything.
    fn first_ever(&self, work: &str, goal: &str) {
        let cache = Dir::new();
        let taken = self.once(|run| {
            run.env("XDG_CACHE_HOME", cache.path());
        });
        println!("| {work} | {} ms | {} ms | {} MB | {goal} |", ms(taken.wall), ms(taken.cpu), taken.peak_kb / 1_000);
    }

    /// Prints the CPU time of the analyser's step beside that of the same code without a sandbox. Each ratio is of two
    /// runs that follow one another, so that both meet the machine as it is just then.
    fn beside_native(&self) {
        let Some(native) = std::env::var_os(NATIVE) else {
            println!("| its CPU time ÷ native | not measured: `cargo xtask bench` does | | | ≤ 1.6 |");
            return;
        };
        let pair = |_| {
            let native = native_ms_for_megabyte(Path::new(&native));
            (self.step_ms_for_megabyte() / native, native)
        };
        let mut ratios: Vec<_> = (0..RUNS).map(pair).collect();
        ratios.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (median, native) = ratios[RUNS / 2];
        let span = format!("{median:.2} ({:.2}–{:.2})", ratios[0].0, ratios[RUNS - 1].0);
        println!("| its CPU time ÷ native ({native:.1} ms for each MB) | {span} | | | ≤ 1.6 |");
    }

    /// Milliseconds of CPU time of `personal_data` for each megabyte of files.
    fn step_ms_for_megabyte(&self) -> f64 {
        let output = self.command().args(["--format", "json"]).output().expect("palisade");
        let record: Value = serde_json::from_slice(&output.stdout).expect("a record");
        let steps = record["steps"].as_array().expect("steps");
        let of = |id: &str| steps.iter().find(|step| step["id"] == id).expect("the step")["usage"].clone();
        let megabytes = of("files")["file_bytes_read"].as_f64().expect("bytes") / 1e6;
        of("personal_data")["cpu_ms"].as_f64().expect("milliseconds") / megabytes
    }

    /// The same for another subcommand.
    fn of(self, command: &'static str) -> Self {
        Self { command, ..self }
    }

    fn command(&self) -> Command {
        let mut run = command::command(&self.dir);
        run.args([self.command, self.runbook]);
        if self.command == "replay" {
            return run;
        }
        let _ = std::fs::remove_dir_all(self.dir.join(".palisade"));
        run.arg("--rulesets").arg(&self.rulesets);
        if self.command == "run" {
            run.args(["--no-cache", "--quiet"]);
        }
        run
    }

    fn once(&self, with: impl FnOnce(&mut Command)) -> Taken {
        let mut run = self.command();
        with(&mut run);
        let taken = taken_by(&mut run);
        assert_eq!(taken.code, Some(0), "{}: {}", self.runbook, taken.stderr);
        taken
    }
}

/// Milliseconds of CPU time that the same code takes without a sandbox for each megabyte of files.
fn native_ms_for_megabyte(program: &Path) -> f64 {
    let output = Command::new(program).output().expect("the native benchmark");
    let text = String::from_utf8_lossy(&output.stdout);
    let (megabytes, ms) = text.trim().split_once(' ').expect("megabytes and milliseconds");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    number(ms) / number(megabytes)
}

fn ms(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e3)
}

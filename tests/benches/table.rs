//! Whole-process benchmarks, printed as a table: `just bench`.
//!
//! Each row is a `palisade run` with output validation and durability on, in a folder of its own, after one warm-up; the
//! figures are medians. Needs WCF's reference data beside the project for rulesets and sample files.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_tests::{Dir, command};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Counted runs of each row.
const RUNS: usize = 5;

fn main() {
    let Some(wcf) = palisade_tests::wcf() else { return };
    println!("| work | wall, median (min–max) | peak memory | goal |");
    println!("|---|---|---|---|");
    let small = data(&wcf, 7_000_000);
    row("7.0 MB text, 3 analysers + 3 classifiers", "≤ 0.5 s, ≤ 100 MB", &small, &wcf, "six.yaml");
    row("one step over one small file", "≤ 40 ms", &small, &wcf, "one_step.yaml");
    row("7.0 MB, personal_data alone", "", &small, &wcf, "one.yaml");
    let large = data(&wcf, 70_000_000);
    row("70 MB text, personal_data alone", "", &large, &wcf, "one.yaml");
    let huge = data(&wcf, 700_000_000);
    row("700 MB in many files, personal_data alone", "≤ 200 MB", &huge, &wcf, "one.yaml");
}

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
    dir.write("one_step.yaml", "name: one step\ndescription: reads one file\nartifacts:\n  files:\n    output: true\n    source: {type: filesystem, properties: {path: small}}\n");
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

fn row(work: &str, goal: &str, dir: &Dir, wcf: &Path, runbook: &str) {
    let rulesets = wcf.join("rulesets");
    let mut runs: Vec<_> = (0..=RUNS).map(|_| once(dir.path(), &rulesets, runbook)).skip(1).collect();
    runs.sort();
    let (median, peak) = runs[runs.len() / 2];
    let ms = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e3);
    let (least, most) = (ms(runs[0].0), ms(runs[runs.len() - 1].0));
    println!("| {work} | {} ms ({least}–{most}) | {} MB | {goal} |", ms(median), peak / 1_000);
}

/// Wall time and peak resident memory in kB of one run.
fn once(dir: &Path, rulesets: &Path, runbook: &str) -> (Duration, u64) {
    let _ = std::fs::remove_dir_all(dir.join(".palisade"));
    let start = Instant::now();
    let mut child = command::command(dir)
        .args(["run", runbook, "--no-cache", "--quiet", "--rulesets"])
        .arg(rulesets)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("`cargo xtask bench` builds palisade first");
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water_mark(child.id()));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success(), "{runbook}: {status}");
    (start.elapsed(), peak)
}

fn high_water_mark(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

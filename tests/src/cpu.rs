//! What benchmarks measure beside the time on the wall: the machine may have other things to do.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one process took, and how it ended.
#[derive(Debug)]
pub struct Taken {
    /// From its start to its end.
    pub wall: Duration,
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// The most memory that it had.
    pub peak_kb: u64,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it said on standard error.
    pub stderr: String,
}

/// Runs a process to its end, and looks at it every millisecond.
///
/// # Panics
/// When it can't be started.
#[must_use]
pub fn taken_by(command: &mut Command) -> Taken {
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`cargo xtask bench` builds palisade first");
    // Who says more than a pipe holds would wait for ever for somebody to read it.
    let mut pipe = child.stderr.take().expect("a pipe");
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        text
    });
    let (mut peak_kb, mut cpu) = (0, Duration::ZERO);
    let status = loop {
        peak_kb = peak_kb.max(high_water_mark(child.id()));
        cpu = cpu.max(cpu_time_of(child.id()));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let wall = start.elapsed();
    let stderr = said.join().unwrap_or_default();
    Taken { wall, cpu, peak_kb, code: status.code(), stderr }
}

/// CPU time of all threads of this process so far.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn high_water_mark(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// User and system time of all threads so far, in the kernel's hundredths of a second.
fn cpu_time_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

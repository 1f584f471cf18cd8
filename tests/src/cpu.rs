//! What benchmarks measure beside the time on the wall: the machine may have other things to do.

use std::time::Duration;

/// CPU time of all threads of this process so far.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

//! Time and randomness that are made up: the same in every run of the same plan, and no power.

use crate::cost::Work;
use crate::state::Host;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Duration, Instant};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// Nanoseconds by which the clock moves each time it is read, so that a guest that waits for it to move gets on.
const TICK: u64 = 1_000;

/// Seconds since 1970 at which every guest's day begins: 2000-01-01.
const DAWN: u64 = 946_684_800;

/// Most random bytes of one call. Without it the host would hold any amount outside of the guest's memory limit.
const MAX_RANDOM: u64 = 1 << 20;

/// A clock that moves when it is read or slept on, and by nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    fn now(&self) -> u64 {
        self.0.fetch_add(TICK, Relaxed)
    }

    fn sleep_until(&self, instant: u64) {
        self.0.fetch_max(instant, Relaxed);
    }
}

/// Bytes that look random: SHA-256 of seed and counter.
#[derive(Debug)]
pub(super) struct VirtualRandom {
    seed: u64,
    counter: u64,
}

impl VirtualRandom {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"palisade:virtual-randomness\0");
        hash.update(self.seed.to_le_bytes());
        hash.update(self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        hash.finalize().into()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length.saturating_add(32));
        while bytes.len() < length {
            bytes.extend(self.block());
        }
        bytes.truncate(length);
        bytes
    }

    fn number(&mut self) -> u64 {
        self.block().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl wall_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        self.charge(Work::Small, 0);
        let since_dawn = std::time::Duration::from_nanos(self.wasi().clock.now());
        let seconds = DAWN.saturating_add(since_dawn.as_secs());
        Ok(Datetime { seconds, nanoseconds: since_dawn.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        self.charge(Work::Small, 0);
        Ok(Datetime { seconds: 0, nanoseconds: 1_000 })
    }
}

impl monotonic_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        self.charge(Work::Small, 0);
        Ok(self.wasi().clock.now())
    }

    fn resolution(&mut self) -> wasmtime::Result<Instant> {
        self.charge(Work::Small, 0);
        Ok(TICK)
    }

    fn subscribe_instant(&mut self, when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.charge(Work::Small, 0);
        let clock = self.wasi().clock.clone();
        let deadline = self.push(Deadline { clock, when })?;
        subscribe(&mut self.table, deadline)
    }

    fn subscribe_duration(&mut self, duration: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.wasi().clock.0.load(Relaxed);
        monotonic_clock::Host::subscribe_instant(self, now.saturating_add(duration))
    }
}

/// A moment that comes as soon as somebody waits for it.
struct Deadline {
    clock: VirtualClock,
    when: u64,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Deadline {
    async fn ready(&mut self) {
        self.clock.sleep_until(self.when);
    }
}

impl Host {
    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let length = usize::try_from(length.min(MAX_RANDOM + 1))?;
        if length as u64 > MAX_RANDOM {
            wasmtime::bail!("more than {MAX_RANDOM} random bytes were asked for in one call");
        }
        // Hashing costs about as much as copying out a file.
        self.charge(Work::ReadFile, length);
        Ok(self.wasi().random.bytes(length))
    }

    fn random_number(&mut self) -> u64 {
        self.charge(Work::Small, 0);
        self.wasi().random.number()
    }
}

impl random::Host for Host {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random_number())
    }
}

impl insecure::Host for Host {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random_number())
    }
}

impl insecure_seed::Host for Host {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_number(), self.random_number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_by_reading_and_sleeping_alone() {
        let clock = VirtualClock::default();
        assert_eq!((clock.now(), clock.now()), (0, TICK));
        clock.sleep_until(1_000_000_000_000);
        assert_eq!(clock.now(), 1_000_000_000_000);
        clock.sleep_until(5);
        assert_eq!(clock.now(), 1_000_000_000_000 + TICK, "it never goes back");
    }

    #[test]
    fn equal_seeds_give_equal_bytes_that_do_not_repeat() {
        let bytes = |seed, length| VirtualRandom::new(seed).bytes(length);
        assert_eq!(bytes(7, 100), bytes(7, 100));
        assert_ne!(bytes(7, 100), bytes(8, 100));
        assert_eq!(bytes(7, 0).len(), 0);
        let long = bytes(7, 4_096);
        let blocks: std::collections::BTreeSet<_> = long.chunks(32).collect();
        assert_eq!(blocks.len(), 128);
    }
}

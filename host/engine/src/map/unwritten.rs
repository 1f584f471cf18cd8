//! What the items of a map left that is not written down yet.

use crate::attempt::{Attempt, spools};
use crate::done::{BATCH_BYTES, BATCH_TIME, NewDone, copy, rest};
use crate::part::Left;
use palisade_model::{Failure, Usage};
use palisade_store::{SpoolError, Store};
use std::time::{Duration, Instant};

/// What was joined since it was last written down.
pub(super) struct Unwritten {
    pub(super) left: Left,
    /// The number of its first item, and how many partial states stand before it.
    first: u64,
    partials: usize,
    since: Instant,
    pub(super) used: Usage,
    pub(super) cpu: Duration,
}

impl Unwritten {
    /// Nothing yet, from that item on.
    pub(super) fn new(
        attempt: &Attempt,
        store: &Store,
        part: usize,
        first: u64,
        partials: usize,
    ) -> Result<Self, Failure> {
        let left = Left { outputs: spools(attempt, store, part)?, ..Left::default() };
        let (since, used, cpu) = (Instant::now(), Usage::default(), Duration::ZERO);
        Ok(Self { left, first, partials, since, used, cpu })
    }

    /// It is old enough, or large enough, to be written down.
    pub(super) fn is_due(&self) -> bool {
        let bytes: u64 = self.left.outputs.iter().map(|output| output.spool.length()).sum();
        bytes >= BATCH_BYTES || self.since.elapsed() >= BATCH_TIME
    }

    /// All of it, up to before the item of that number, as it is written down; it is put behind what was before it, too.
    pub(super) fn into_done(
        self,
        store: &Store,
        next: u64,
        partials: &[Vec<u8>],
        kept: &mut Left,
    ) -> Result<NewDone, SpoolError> {
        let Self { mut left, first, partials: before, used, cpu, .. } = self;
        let rest = store.prepare(&rest(&left, partials.get(before..).unwrap_or_default()))?;
        let mut outputs = Vec::new();
        for (kept, output) in kept.outputs.iter_mut().zip(std::mem::take(&mut left.outputs)) {
            let written = store.join(vec![output.spool])?;
            copy(written.content(), &mut kept.spool)?;
            outputs.push(written);
        }
        kept.absorb_told(left);
        Ok(NewDone { first, items: next - first, outputs, rest, usage: in_all(used, cpu) })
    }
}

/// What several items used: most take less than a millisecond, of which nothing would be left in their sum.
pub(super) fn in_all(used: Usage, cpu: Duration) -> Usage {
    Usage { cpu_ms: u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX), ..used }
}

//! The limits of one instance that wasmtime asks about: memory and tables, summed over the store.
//!
//! A limit per memory would be none: a component may have many memories and many instances. Going over ends the guest
//! at once by an error of our own; an `Ok(false)` would reach it as a failed allocation, which looks like a panic.

use crate::meter::AttemptMeter;
use crate::state::Ended;
use palisade_model::LimitKind;
use std::sync::Arc;
use wasmtime::ResourceLimiter;

/// Counts the memory and the table elements of one instance, what the host holds for it included.
pub(crate) struct Limiter {
    meter: Arc<AttemptMeter>,
    memory: u64,
    held: u64,
    peak: u64,
    table_elements: u64,
}

impl Limiter {
    pub(crate) fn new(meter: Arc<AttemptMeter>) -> Self {
        Self { meter, memory: 0, held: 0, peak: 0, table_elements: 0 }
    }

    /// The most memory the instance had, what the host held for it included.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Counts bytes that the host holds for the guest beyond one call.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), Ended> {
        let held = self.held.saturating_add(bytes);
        self.check(self.memory, held)?;
        self.held = held;
        Ok(())
    }

    /// Counts that the host let go of bytes it held.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    fn check(&mut self, memory: u64, held: u64) -> Result<(), Ended> {
        let wanted = memory.saturating_add(held);
        if wanted > self.meter.limits().value(LimitKind::Memory) {
            return Err(Ended::limit(&self.meter, LimitKind::Memory, Some(wanted)));
        }
        self.peak = self.peak.max(wanted);
        Ok(())
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = grown(self.memory, current, desired);
        self.check(grown, self.held)?;
        self.memory = grown;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = grown(self.table_elements, current, desired);
        if grown > self.meter.limits().value(LimitKind::TableElements) {
            return Err(Ended::limit(&self.meter, LimitKind::TableElements, Some(grown)).into());
        }
        self.table_elements = grown;
        Ok(true)
    }

    /// Behind the check before the start, in case that the two count differently.
    fn instances(&self) -> usize {
        usize::try_from(self.meter.limits().value(LimitKind::Instances)).unwrap_or(usize::MAX)
    }
}

/// The sum once one of its parts grows from `current` to `desired`. Growth that the allocator refuses afterwards stays
/// counted: the count may be too high, never too low.
fn grown(sum: u64, current: usize, desired: usize) -> u64 {
    sum.saturating_add(desired.saturating_sub(current) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::{FailureKind, Limits};
    use std::collections::BTreeMap;

    fn limiter(limits: &[(LimitKind, u64)]) -> Limiter {
        let step: BTreeMap<_, _> = limits.iter().copied().collect();
        Limiter::new(AttemptMeter::new(Limits::settle(&BTreeMap::new(), &step, &BTreeMap::new())))
    }

    /// Which limit would be passed, and what was wanted.
    fn passed<T: std::fmt::Debug>(outcome: Result<T, impl Into<wasmtime::Error>>) -> (LimitKind, Option<u64>) {
        let ended: Ended = outcome.unwrap_err().into().downcast().unwrap();
        match ended.0.kind {
            FailureKind::Limit { limit, reached, .. } => (limit, reached),
            other => panic!("not a limit: {other:?}"),
        }
    }

    #[test]
    fn all_memories_and_what_the_host_holds_go_to_one_limit_and_no_further() {
        let mut limiter = limiter(&[(LimitKind::Memory, 100)]);
        assert!(limiter.memory_growing(0, 50, None).unwrap());
        assert!(limiter.memory_growing(50, 60, None).unwrap());
        // Another memory.
        assert!(limiter.memory_growing(0, 30, None).unwrap());
        limiter.hold(8).unwrap();
        assert_eq!(limiter.peak(), 98);
        limiter.hold(2).unwrap();
        assert_eq!(passed(limiter.hold(1)), (LimitKind::Memory, Some(101)));
        assert_eq!(passed(limiter.memory_growing(60, 65, None)), (LimitKind::Memory, Some(105)));
        // What was refused is not counted, and what is let go may be had again, once.
        limiter.release(10);
        assert_eq!(passed(limiter.hold(11)), (LimitKind::Memory, Some(101)));
        limiter.hold(10).unwrap();
        limiter.release(1_000);
        limiter.hold(10).unwrap();
        assert_eq!(passed(limiter.hold(u64::MAX)), (LimitKind::Memory, Some(u64::MAX)));
        assert_eq!(limiter.peak(), 100);
    }

    #[test]
    fn all_tables_go_to_one_limit_and_no_further() {
        let mut limiter = limiter(&[(LimitKind::TableElements, 10), (LimitKind::Instances, 3)]);
        assert!(limiter.table_growing(0, 7, None).unwrap());
        assert!(limiter.table_growing(0, 2, None).unwrap());
        assert_eq!(passed(limiter.table_growing(7, 9, None)), (LimitKind::TableElements, Some(11)));
        assert!(limiter.table_growing(7, 8, None).unwrap());
        assert_eq!(passed(limiter.table_growing(2, 3, None)), (LimitKind::TableElements, Some(11)));
        assert_eq!((limiter.peak(), limiter.instances()), (0, 3));
    }
}

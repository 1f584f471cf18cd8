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

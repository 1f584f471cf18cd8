//! How many guest instances may compute at once, over all steps of this process.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A fixed number of permits, given out in the order in which they were asked for: a step that wants all of them is not
/// passed by for ever by steps that want one.
#[derive(Debug)]
pub(crate) struct Permits {
    all: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Number of the next request.
    next: u64,
    /// Number of the request that is served now.
    served: u64,
}

/// The right to run that many instances; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    permits: &'a Permits,
    count: usize,
}

impl Permits {
    pub(crate) fn new(count: NonZeroUsize) -> Self {
        let state = State { free: count.get(), next: 0, served: 0 };
        Self { all: count.get(), state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until `count` permits are free, all of them if there are fewer in all.
    pub(crate) fn take(&self, count: usize) -> Permit<'_> {
        let count = count.min(self.all);
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        while state.served != number || state.free < count {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= count;
        state.served += 1;
        self.changed.notify_all();
        Permit { permits: self, count }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The guarded numbers are right even if a holder panicked: nothing can panic between lock and change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.permits.lock().free += self.count;
        self.permits.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_the_permits_run_at_once_and_all_get_their_turn() {
        let permits = Permits::new(NonZeroUsize::new(3).unwrap());
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for wanted in [1, 3, 2, 9, 1, 1, 2, 3, 1, 2] {
                let (permits, running, most) = (&permits, &running, &most);
                scope.spawn(move || {
                    let permit = permits.take(wanted);
                    most.fetch_max(running.fetch_add(permit.count, Ordering::SeqCst) + permit.count, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(permit.count, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
    }
}

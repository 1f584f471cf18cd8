//! How many guest instances may compute at once, over all steps of this process.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A fixed number of permits, given out in the order in which they were asked for: a step that wants all of them is not
/// passed by for ever by steps that want one.
#[derive(Debug)]
pub(crate) struct Permits {
    all: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// How many are wanted, and who is to be told that they have them, in the order in which they came.
    waiting: VecDeque<(usize, SyncSender<()>)>,
}

/// The right to run that many instances; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    permits: &'a Permits,
    count: usize,
}

impl Permits {
    pub(crate) fn new(count: NonZeroUsize) -> Self {
        Self { all: count.get(), state: Mutex::new(State { free: count.get(), waiting: VecDeque::new() }) }
    }

    /// Waits until `count` permits are free, all of them if there are fewer in all.
    pub(crate) fn take(&self, count: usize) -> Permit<'_> {
        let count = count.min(self.all);
        let permit = Permit { permits: self, count };
        let mut state = self.lock();
        if state.waiting.is_empty() && state.free >= count {
            state.free -= count;
            return permit;
        }
        let (tell, told) = sync_channel(1);
        state.waiting.push_back((count, tell));
        drop(state);
        // Who tells holds the other end until it has.
        let _ = told.recv();
        permit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The guarded numbers are right even if a holder panicked: nothing can panic between lock and change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.permits.lock();
        state.free += self.count;
        while let Some((count, tell)) = state.waiting.pop_front() {
            if count > state.free {
                state.waiting.push_front((count, tell));
                return;
            }
            state.free -= count;
            let _ = tell.send(());
        }
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

//! How many guest instances may compute at once, over all steps of this process.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often who waits for a permit looks at what else goes on.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long one may keep a permit for what it does next, though others wait.
const TURN: Duration = Duration::from_millis(2);

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
    since: Instant,
}

impl Permits {
    pub(crate) fn new(count: NonZeroUsize) -> Self {
        Self { all: count.get(), state: Mutex::new(State { free: count.get(), waiting: VecDeque::new() }) }
    }

    /// Waits until `count` permits are free, all of them if there are fewer in all. `look` is called now and again meanwhile.
    pub(crate) fn take(&self, count: usize, look: &dyn Fn()) -> Permit<'_> {
        let count = count.min(self.all);
        let permit = |since| Permit { permits: self, count, since };
        let mut state = self.lock();
        if state.waiting.is_empty() && state.free >= count {
            state.free -= count;
            return permit(Instant::now());
        }
        let (tell, told) = sync_channel(1);
        state.waiting.push_back((count, tell));
        drop(state);
        // Who tells holds the other end until it has.
        while told.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            look();
        }
        permit(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The guarded numbers are right even if a holder panicked: nothing can panic between lock and change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Whether it may be kept for what is done next: each time that it goes to another thread, that one has to be woken.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.since.elapsed() < TURN || self.permits.lock().waiting.is_empty()
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
            // Whoever waits no more has none to give back.
            if tell.send(()).is_ok() {
                state.free -= count;
            }
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
                    let permit = permits.take(wanted, &|| {});
                    most.fetch_max(running.fetch_add(permit.count, Ordering::SeqCst) + permit.count, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(permit.count, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
    }

    #[test]
    fn who_waits_looks_at_what_else_goes_on() {
        let permits = Permits::new(NonZeroUsize::MIN);
        let held = permits.take(1, &|| {});
        let (tell, told) = sync_channel(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _permit = permits.take(1, &|| {
                    let _ = tell.try_send(());
                });
            });
            // It has not got its permit, and looks all the same.
            told.recv_timeout(Duration::from_secs(60)).unwrap();
            drop(held);
        });
    }
}

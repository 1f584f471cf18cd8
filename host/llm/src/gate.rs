//! How many calls of one model this process makes at once, and when the next one may begin after its provider asked to wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often who waits looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// The gate of one model.
#[derive(Debug)]
pub(crate) struct Gate {
    most: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    inside: u64,
    not_before: Option<Instant>,
}

/// The right to make one call.
#[derive(Debug)]
pub(crate) struct Pass<'g>(&'g Gate);

/// Why one can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// There is no time left.
    Out,
    /// The run is being cancelled.
    Cancelled,
}

impl Gate {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until there is room.
    pub(crate) fn enter(&self, until: Instant, cancelled: &AtomicBool) -> Result<Pass<'_>, Kept> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if cancelled.load(Ordering::Relaxed) {
                return Err(Kept::Cancelled);
            }
            if now >= until {
                return Err(Kept::Out);
            }
            let early = state.not_before.filter(|not_before| *not_before > now);
            if early.is_none() && state.inside < self.most {
                state.inside += 1;
                return Ok(Pass(self));
            }
            let wait = early.map_or(TICK, |early| (early - now).min(TICK)).min(until - now);
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets nobody in for so long.
    pub(crate) fn pause(&self, pause: Duration) {
        let then = Instant::now() + pause;
        let mut state = self.lock();
        state.not_before = state.not_before.into_iter().chain([then]).max();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_are_inside_and_others_wait_until_they_are_to_end() {
        let gate = Gate::new(2);
        let go_on = AtomicBool::new(false);
        let (soon, late) = (Instant::now() + Duration::from_millis(30), Instant::now() + Duration::from_secs(60));
        let first = gate.enter(late, &go_on).unwrap();
        let second = gate.enter(late, &go_on).unwrap();
        assert_eq!(gate.enter(soon, &go_on).unwrap_err(), Kept::Out);
        assert_eq!(gate.enter(late, &AtomicBool::new(true)).unwrap_err(), Kept::Cancelled);
        std::thread::scope(|scope| {
            let third = scope.spawn(|| gate.enter(late, &go_on).is_ok());
            drop(first);
            assert!(third.join().unwrap());
        });
        drop(second);
        gate.pause(Duration::from_secs(60));
        assert_eq!(gate.enter(Instant::now() + Duration::from_millis(30), &go_on).unwrap_err(), Kept::Out);
    }
}

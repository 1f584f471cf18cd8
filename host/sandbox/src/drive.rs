//! Runs one guest call to its end on the present thread, or gives it up.
//!
//! A guest that computes comes back every slice of fuel (`fuel.rs`), so that looking at the clock there is enough. A
//! guest inside of a host call does not come back before the call does; for that the engine has a timeout of its own.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a guest that waits for something may go without a look at the flag that cancels it.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(20);

/// Why a guest call was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The deadline has passed.
    Wall,
    /// The flag was set.
    Cancelled,
}

/// Polls `future` until it is done, `deadline` has passed or `cancelled` is set. `look` is called whenever it is not done
/// yet: each slice of fuel, and now and then while it waits.
pub(crate) fn drive<F: Future>(
    future: F,
    deadline: Instant,
    cancelled: &AtomicBool,
    look: &mut dyn FnMut(),
) -> Result<F::Output, Stopped> {
    let mut future = pin!(future);
    let woken = Arc::new(Woken { yes: AtomicBool::new(false), thread: thread::current() });
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        loop {
            look();
            if cancelled.load(Ordering::Relaxed) {
                return Err(Stopped::Cancelled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Stopped::Wall);
            }
            if woken.yes.swap(false, Ordering::Acquire) {
                break;
            }
            thread::park_timeout(left.min(LOOK_AT_LEAST_EVERY));
        }
    }
}

struct Woken {
    yes: AtomicBool,
    thread: Thread,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.yes.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn};

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(30)
    }

    #[test]
    fn a_future_that_yields_is_polled_to_its_end() {
        let (mut left, mut looks) = (1_000, 0);
        let counts = poll_fn(move |context| {
            left -= 1;
            context.waker().wake_by_ref();
            if left == 0 { Poll::Ready("done") } else { Poll::Pending }
        });
        let late = Instant::now() + Duration::from_secs(60);
        assert_eq!(drive(counts, late, &AtomicBool::new(false), &mut || looks += 1), Ok("done"));
        assert_eq!(looks, 999);
    }

    #[test]
    fn the_deadline_ends_what_waits_and_what_yields() {
        let never = AtomicBool::new(false);
        assert_eq!(drive(pending::<()>(), soon(), &never, &mut || {}), Err(Stopped::Wall));
        let spins = poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(drive(spins, soon(), &never, &mut || {}), Err(Stopped::Wall));
    }

    #[test]
    fn the_flag_ends_it() {
        let late = Instant::now() + Duration::from_secs(60);
        assert_eq!(drive(pending::<()>(), late, &AtomicBool::new(true), &mut || {}), Err(Stopped::Cancelled));
    }
}

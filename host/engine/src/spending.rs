//! What an attempt spends of what its run may do in all: taken from all runs that it counts for, and written down, before
//! it is spent.
//!
//! Writing each byte down would cost a commit for each. So an attempt reserves some room beforehand, more each time, and
//! gives back at its end what it did not need. What was reserved by one that is cut off counts as spent.

use crate::subtree::Subtree;
use palisade_model::{Failure, FailureKind, Spent};
use palisade_sandbox::ports::RunBounds;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Denials that are reserved first, and at most at once.
const DENIALS: (u64, u64) = (16, 1_024);
/// Bytes to one sink that are reserved first, and at most at once.
const BYTES: (u64, u64) = (64 << 10, 16 << 20);

/// Where it is written down what is reserved.
pub(crate) trait Reserving: fmt::Debug + Send + Sync {
    /// Makes durable what the attempt has reserved by now. False = nobody goes on with the run.
    fn record(&self, reserved: &Spent) -> bool;
}

/// What one attempt spends, with its tools.
#[derive(Debug)]
pub(crate) struct Spending {
    subtree: Subtree,
    log: Box<dyn Reserving>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reserved: Spent,
    spent: Spent,
    /// It has ended: what still runs of it may spend nothing.
    ended: bool,
}

impl Spending {
    pub(crate) fn new(subtree: Subtree, log: impl Reserving + 'static) -> Self {
        Self { subtree, log: Box::new(log), state: Mutex::default() }
    }

    /// Ends it: gives back what it reserved and did not need, and says what it spent.
    pub(crate) fn end(&self) -> Spent {
        let mut state = self.lock();
        state.ended = true;
        self.subtree.settle(&state.reserved, &state.spent);
        state.spent.clone()
    }

    /// Spends it if it is reserved; else reserves it first, and some more if there is room for that.
    fn spend(&self, it: &Spent) -> Result<(), Failure> {
        let cancelled = || Failure::new(FailureKind::Cancelled, "the run does not go on");
        let mut state = self.lock();
        if state.ended {
            return Err(cancelled());
        }
        let mut wanted = state.spent.clone();
        wanted.add(it);
        if !state.reserved.holds(&wanted) {
            let ahead = ahead(it, &state.reserved);
            let more = match self.subtree.take(&ahead) {
                Ok(()) => ahead,
                Err(_) => self.subtree.take(it).map(|()| it.clone())?,
            };
            state.reserved.add(&more);
            if !self.log.record(&state.reserved) {
                return Err(cancelled());
            }
        }
        state.spent = wanted;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunBounds for Spending {
    fn send(&self, sink: &str, bytes: u64) -> Result<(), Failure> {
        self.spend(&Spent::of_bytes(sink, bytes))
    }

    fn deny(&self) -> Result<(), Failure> {
        self.spend(&Spent { denials: 1, ..Spent::default() })
    }
}

/// What is reserved when something is needed: as much again as is reserved, so that few commits do for much.
fn ahead(needed: &Spent, reserved: &Spent) -> Spent {
    let more = |(first, most): (u64, u64), reserved: u64, needed: u64| match needed {
        0 => 0,
        _ => reserved.clamp(first, most).max(needed),
    };
    let to = |(sink, bytes): (&String, &u64)| (sink.clone(), more(BYTES, reserved.sent_to(sink), *bytes));
    Spent { denials: more(DENIALS, reserved.denials, needed.denials), sent: needed.sent.iter().map(to).collect() }
}

/// No bounds but those of the attempt itself: where there is no run, and in a replay, whose run had its own.
#[derive(Debug)]
pub struct Unbounded;

impl RunBounds for Unbounded {
    fn send(&self, _sink: &str, _bytes: u64) -> Result<(), Failure> {
        Ok(())
    }

    fn deny(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtree;
    use palisade_model::RunLimitKind::{MaxDenials, MaxEgress};
    use std::sync::Arc;

    const SINK: &str = "https://a.example";

    /// Keeps what was recorded.
    #[derive(Debug, Clone, Default)]
    struct Log(Arc<Mutex<Vec<Spent>>>);

    impl Reserving for Log {
        fn record(&self, reserved: &Spent) -> bool {
            self.0.lock().unwrap().push(reserved.clone());
            true
        }
    }

    #[test]
    fn little_is_written_down_for_much_and_the_rest_is_given_back() {
        let (root, _) = subtree::tests::tree((MaxEgress, 10 << 20), (MaxEgress, 10 << 20));
        let log = Log::default();
        let spending = Spending::new(root.clone(), log.clone());
        for _ in 0..100 {
            spending.send(SINK, 10_000).unwrap();
        }
        let reserved: Vec<_> = log.0.lock().unwrap().iter().map(|reserved| reserved.sent_to(SINK)).collect();
        assert_eq!(reserved, [1, 2, 4, 8, 16].map(|times| times * (64 << 10)));
        assert_eq!(spending.end(), Spent::of_bytes(SINK, 1_000_000));
        root.take(&Spent::of_bytes(SINK, (10 << 20) - 1_000_000)).unwrap();
        assert_eq!(spending.send(SINK, 1).unwrap_err().kind, FailureKind::Cancelled);
    }

    #[test]
    fn the_last_byte_and_the_last_denial_are_allowed() {
        let (root, _) = subtree::tests::tree((MaxEgress, 100), (MaxEgress, 100));
        let spending = Spending::new(root, Log::default());
        spending.send(SINK, 60).unwrap();
        spending.send(SINK, 40).unwrap();
        let refused = spending.send(SINK, 1).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Bound { key: "max_egress".to_owned(), most: 100, found: 101 });
        // Each origin has as much.
        spending.send("https://b.example", 100).unwrap();
        let (root, _) = subtree::tests::tree((MaxDenials, 3), (MaxDenials, 3));
        let spending = Spending::new(root, Log::default());
        (0..3).for_each(|_| spending.deny().unwrap());
        let refused = spending.deny().unwrap_err();
        assert_eq!(refused.kind, FailureKind::Bound { key: "max_denials".to_owned(), most: 3, found: 4 });
    }

    #[test]
    fn what_can_not_be_written_down_is_not_spent() {
        #[derive(Debug)]
        struct Gone;
        impl Reserving for Gone {
            fn record(&self, _: &Spent) -> bool {
                false
            }
        }
        let (root, _) = subtree::tests::tree((MaxEgress, 100), (MaxEgress, 100));
        let spending = Spending::new(root, Gone);
        assert_eq!(spending.send(SINK, 1).unwrap_err().kind, FailureKind::Cancelled);
        assert!(spending.end().is_empty());
    }
}

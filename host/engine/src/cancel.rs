//! One flag that says: stop soon; and why.

use palisade_interpreter::CancelReason;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Ends a run from outside, as `Ctrl-C` does. Clones share the flag; once set it stays set.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    reason: Arc<OnceLock<CancelReason>>,
}

impl Cancel {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it: the process is to end.
    pub fn cancel(&self) {
        self.cancel_for(CancelReason::Interrupted);
    }

    /// Sets it. The first reason counts.
    pub fn cancel_for(&self, reason: CancelReason) {
        self.reason.get_or_init(|| reason);
        self.flag.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for the sandbox and for signal handlers; who sets it that way says that the process is to end.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Says whether it is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Why it is set; none as long as it is not.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        self.is_cancelled().then(|| self.reason.get().copied().unwrap_or(CancelReason::Interrupted))
    }
}

//! How long a database is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// When a statement is to end although somebody waits for its rows.
#[derive(Debug, Clone)]
pub struct Until {
    /// The end of the attempt's time.
    pub deadline: Instant,
    /// Set when the run is cancelled.
    pub cancelled: Arc<AtomicBool>,
}

impl Until {
    /// For so long from now, whatever happens.
    pub(crate) fn within(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, cancelled: Arc::default() }
    }

    /// Whether it is time to end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() > self.deadline
    }

    /// What is left of the time, at most `most`.
    pub(crate) fn left(&self, most: Duration) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(most)
    }
}
